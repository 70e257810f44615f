"""How ``lab.py lab`` sets JupyterLab up; elsewhere: ``jupyter lab --config THIS_FILE``."""

from medlab.runs.saving import mask_revealed

c = get_config()  # type: ignore[name-defined]  # noqa: F821  # given by Jupyter
c.ContentsManager.pre_save_hook = mask_revealed
# Nothing is asked of other addresses.
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
