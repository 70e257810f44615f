"""Which notebooks to run with which parameters; nothing starts before every value fits."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import medlab
from medlab.errors import UsageError
from medlab.runs.parameters import Parameter, check, declared

FOLDERS = ("data_dir", "output_dir")


@dataclass(frozen=True)
class Job:
    """One notebook at one point of the grid.

    Attributes
    ----------
    notebook : Path
        The notebook to execute.
    name : str
        Name of its outputs: the notebook's own, with the grid point added.
    parameters : dict
        Values that replace the notebook's defaults.
    point : dict
        The part of `parameters` that the grid varies.
    """

    notebook: Path
    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    point: dict[str, Any] = field(default_factory=dict)


def notebook_folder() -> Path:
    """Return the folder of medlab's notebooks, in a checkout or in the installed package."""
    package = Path(medlab.__file__).resolve().parent
    beside = package.parent / "notebooks"
    return beside if beside.is_dir() else package / "_notebooks"


def find_notebooks(names: Sequence[str] = ()) -> list[Path]:
    """Find notebooks by path, by name or by the number they begin with.

    Parameters
    ----------
    names : sequence of str
        ``"my/own.ipynb"``, ``"03_kanonymity_ldiversity"``, ``"03"`` or ``"3"``. None at all:
        the numbered notebooks of medlab, in order.

    Returns
    -------
    list of Path

    Raises
    ------
    UsageError
        If a notebook does not exist, or a number fits several.
    """
    own = sorted(notebook_folder().glob("[0-9][0-9]_*.ipynb"))
    if not names:
        return own
    return [_find(name, own) for name in names]


def _find(name: str, own: Iterable[Path]) -> Path:
    path = Path(name)
    if path.is_file() and path.suffix == ".ipynb":
        return path.resolve()
    fits = [nb for nb in own if name in (nb.stem, nb.name) or nb.stem.startswith(f"{name:0>2}_")]
    if len(fits) != 1:
        known = ", ".join(nb.stem for nb in own)
        raise UsageError(f"no notebook of that name ({Path(name).name}); there are: {known}")
    return fits[0]


def notebook_parameters(notebook: Path) -> dict[str, Parameter]:
    """Return the parameters that a notebook declares, by name.

    Parameters
    ----------
    notebook : Path

    Raises
    ------
    UsageError
        If the file is no notebook.
    """
    try:
        content = json.loads(notebook.read_text(encoding="utf-8"))
        language = content["metadata"]["kernelspec"]["name"]
        sources = [
            "".join(cell["source"])
            for cell in content["cells"]
            if language and "parameters" in cell["metadata"].get("tags", [])
        ]
        return declared(sources[0]) if sources else {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, SyntaxError) as error:
        kind = type(error).__name__
        raise UsageError(
            f"{notebook.name} cannot be read as a notebook with a kernel ({kind}); "
            "open it in JupyterLab, choose a Python kernel and save it"
        ) from None


def read_parameter_file(path: Path) -> dict[str, Any]:
    """Read parameters from a YAML (or JSON) file that holds one mapping.

    Raises
    ------
    UsageError
        If the file is missing, no YAML, or no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the parameter file cannot be read ({type(error).__name__}); give a YAML text file"
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise UsageError(
            f"the parameter file is no YAML{where}; write lines NAME: VALUE"
        ) from None
    if not isinstance(content, dict):
        raise UsageError("the parameter file holds no names; write lines NAME: VALUE")
    return {str(name): value for name, value in content.items()}


def plan_jobs(
    notebooks: Sequence[Path],
    parameters: Mapping[str, Any] | None = None,
    grid: Mapping[str, Sequence[Any]] | None = None,
) -> list[Job]:
    """Return the jobs of a run, one a notebook and grid point, all parameters checked.

    Parameters
    ----------
    notebooks : sequence of Path
    parameters : mapping, optional
        Values by name. Text is read as the type that the notebook declares, so ``"007"``
        stays text for a ``str`` and becomes 7 for an ``int``.
    grid : mapping, optional
        Several values by name. Every combination is a job of its own.

    Returns
    -------
    list of Job

    Raises
    ------
    UsageError
        If a notebook does not declare a parameter, or a value does not fit what it declares.
        The message names what there is.
    """
    fixed, varied = dict(parameters or {}), dict(grid or {})
    jobs: list[Job] = []
    for notebook in notebooks:
        known = notebook_parameters(notebook)
        for point in _points(varied):
            try:
                values = check(fixed | point, known)
            except UsageError as error:
                raise UsageError(f"{notebook.stem}: {error}") from None
            axis = {name: values[name] for name in point}
            parts = [f"{name}-{_slug(value)}" for name, value in axis.items()]
            jobs.append(Job(notebook, "_".join([notebook.stem, *parts]), values, axis))
    return _distinct(jobs)


def _points(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    combinations = itertools.product(*axes.values())
    return [dict(zip(axes, values, strict=True)) for values in combinations]


def _slug(value: Any) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", str(value)).strip("-.")[:40] or "empty"


def _distinct(jobs: list[Job]) -> list[Job]:
    """Add a number where names would fall together (two folders, two slugs alike)."""
    seen: dict[str, int] = {}
    out = []
    for job in jobs:
        count = seen[job.name] = seen.get(job.name, 0) + 1
        name = job.name if count == 1 else f"{job.name}_{count}"
        out.append(Job(job.notebook, name, job.parameters, job.point))
    return out
