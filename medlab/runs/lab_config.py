"""How ``lab.py lab`` sets JupyterLab up; elsewhere: ``jupyter lab --config THIS_FILE``."""

import warnings

from medlab.runs.scrub import mask_revealed

# Jupyter checks a configured hook twice and takes the second time for another hook.
warnings.filterwarnings("ignore", message="Overriding existing pre_save_hook")
c = get_config()  # type: ignore[name-defined]  # noqa: F821  # given by Jupyter
c.ContentsManager.pre_save_hook = mask_revealed
# Nothing is asked of other addresses.
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
