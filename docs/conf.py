"""Sphinx configuration: README, the pages beside this file, executed notebooks, the API."""

from __future__ import annotations

import os
import re
import shutil
import sys
from inspect import ismodule
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

import medlab  # noqa: E402

project = "medlab"
author = "the medlab authors"
release = version = medlab.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build", "jupyter_execute", "**.ipynb_checkpoints"]
nb_execution_mode = "off"  # the notebooks come executed from `medlab run`
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "dollarmath"]
# Words of a docstring such as "shape" are no references.
suppress_warnings = ["ref.python"]

autodoc_typehints = "none"  # the numpydoc sections and the signatures say them
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_use_ivar = False

html_theme = "furo"
html_title = f"medlab {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]

PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "data_samples/README.md": "sample-data.md",
}


def copy_notebooks() -> None:
    """Copy the notebooks of MEDLAB_EXECUTED, or the bare ones, to where Sphinx reads them."""
    source = Path(os.environ.get("MEDLAB_EXECUTED") or ROOT / "notebooks")
    target = HERE / "notebooks"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for path in sorted(source.glob("[0-9]*.ipynb")):
        shutil.copy(path, target)


def write_api() -> None:
    """Write a page for each room: its own names, then those of the modules it offers."""
    target = HERE / "api"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for area in medlab._AREAS:
        room = getattr(medlab, area)
        named = ((name, getattr(room, name)) for name in getattr(room, "__all__", ()))
        modules = [f"{room.__name__}.{name}" for name, thing in named if ismodule(thing)]
        lines = [f"# {room.__name__}", "", *_documented(room.__name__)]
        for module in modules:
            lines += [f"## {module}", "", *_documented(module)]
        (target / f"{area}.md").write_text("\n".join(lines), "utf-8")


def _documented(module: str) -> list[str]:
    return ["```{eval-rst}", f".. automodule:: {module}", "   :members:", "```", ""]


def is_field(_app: object, _what: str, _name: str, thing: object, skip: bool, _: object) -> bool:
    """Leave out the fields of a named tuple: its docstring lists them."""
    return skip or (getattr(thing, "__doc__", None) or "").startswith("Alias for field number")


def turn_links(_app: object, relative: Path, _parent: str, content: list[str]) -> None:
    """Let the links of included files (README, CHANGELOG) lead to pages of the site."""
    text = content[0]
    for path, page in PAGES.items():
        text = text.replace(f"]({path})", f"]({page})")
    text = re.sub(r"\]\((?:\.\./)?docs/", "](", text)
    content[0] = text.replace("](LICENSE)", "](license.md)")


def setup(app: object) -> None:
    """Make what Sphinx reads, and let it turn links."""
    copy_notebooks()
    write_api()
    app.connect("include-read", turn_links)  # type: ignore[attr-defined]
    app.connect("autodoc-skip-member", is_field)  # type: ignore[attr-defined]
