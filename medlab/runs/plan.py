"""Which notebooks to run with which parameters. Nothing starts before every name and type fits."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import medlab
from medlab.errors import UsageError

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
        ``"my/own.ipynb"``, ``"03_kanonymity_ldiversity"`` or ``"03"``. None at all: the
        numbered notebooks of medlab, in order.

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
    fits = [nb for nb in own if name in (nb.stem, nb.name) or nb.stem.startswith(name + "_")]
    if len(fits) != 1:
        known = ", ".join(nb.stem for nb in own)
        raise UsageError(f"no notebook of that name ({Path(name).name}); there are: {known}")
    return fits[0]


def notebook_parameters(notebook: Path) -> dict[str, dict[str, str]]:
    """Return the parameters a notebook defines.

    Parameters
    ----------
    notebook : Path

    Returns
    -------
    dict
        By name: ``inferred_type_name``, ``default`` (as source text) and ``help``.

    Raises
    ------
    UsageError
        If the file is no notebook.
    """
    from medlab.runs.engine import papermill

    try:
        return dict(papermill.inspect_notebook(notebook))
    except Exception as error:  # noqa: BLE001 - nbformat and json raise many kinds
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
        If a notebook does not define a parameter, or a value does not fit its type. The
        message names the parameters that exist.
    """
    fixed, varied = dict(parameters or {}), dict(grid or {})
    jobs: list[Job] = []
    for notebook in notebooks:
        known = notebook_parameters(notebook)
        own = {name: typed(value, name, known, notebook) for name, value in fixed.items()}
        axes = {
            name: [typed(value, name, known, notebook) for value in values]
            for name, values in varied.items()
        }
        jobs += [_job(notebook, own, point) for point in _points(axes)]
    return _distinct(jobs)


def _points(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    combinations = itertools.product(*axes.values())
    return [dict(zip(axes, values, strict=True)) for values in combinations]


def _job(notebook: Path, fixed: dict[str, Any], point: dict[str, Any]) -> Job:
    parts = [f"{name}-{_slug(value)}" for name, value in point.items()]
    return Job(notebook, "_".join([notebook.stem, *parts]), fixed | point, point)


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


def typed(value: Any, name: str, known: Mapping[str, Mapping[str, str]], notebook: Path) -> Any:
    """Return a value as the type that the notebook declares for this parameter.

    Raises
    ------
    UsageError
        If the notebook has no such parameter, or the value does not fit.
    """
    if name not in known:
        there = ", ".join(known) or "none"
        raise UsageError(
            f"{notebook.stem} has no parameter {name}; it has: {there}. "
            "To set a parameter of one notebook, name that notebook"
        )
    kind = _kind(known[name])
    try:
        return _READERS[kind](value)
    except (ValueError, TypeError, yaml.YAMLError):
        raise UsageError(f"the value given for {name} of {notebook.stem} is no {kind}") from None


def _kind(parameter: Mapping[str, str]) -> str:
    declared = parameter["inferred_type_name"].split("[")[0].strip()
    if declared in _READERS:
        return declared
    default = yaml.safe_load(parameter["default"]) if parameter["default"] else None
    kind = {"True": "bool", "False": "bool"}.get(parameter["default"], type(default).__name__)
    return kind if kind in _READERS else "value"


def _parsed(value: Any) -> Any:
    return yaml.safe_load(value) if isinstance(value, str) else value


def _as_int(value: Any) -> int:
    found = _parsed(value)
    if isinstance(found, bool) or not isinstance(found, int):
        raise TypeError(kind_of(found))
    return found


def _as_float(value: Any) -> float:
    found = float(value) if isinstance(value, str) else value
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise TypeError(kind_of(found))
    return float(found)


def _as_bool(value: Any) -> bool:
    found = _parsed(value)
    if not isinstance(found, bool):
        raise TypeError(kind_of(found))
    return found


def _as_str(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(kind_of(value))
    return value


def _as_list(value: Any) -> list[Any]:
    found = _parsed(value)
    if isinstance(found, str):
        return [part.strip() for part in found.split(",") if part.strip()]
    if not isinstance(found, list):
        raise TypeError(kind_of(found))
    return found


def _as_dict(value: Any) -> dict[Any, Any]:
    found = _parsed(value)
    if not isinstance(found, dict):
        raise TypeError(kind_of(found))
    return found


def kind_of(value: Any) -> str:
    """Return the name of a value's type."""
    return type(value).__name__


_READERS = {
    "int": _as_int,
    "float": _as_float,
    "bool": _as_bool,
    "str": _as_str,
    "list": _as_list,
    "dict": _as_dict,
    "value": _parsed,
}
