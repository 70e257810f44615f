"""Which notebooks to run with which parameters; nothing starts before every value fits.

A parameter is one assignment a line of the notebook's cell of parameters. Its comment says what
it is, and last what it may be: ``k: int = 5  # smallest class (2 to 50)``, ``(0 or more)``,
``(allow or match)``, ``(some of Age, Sex or Weight)`` for several words with commas between
them, ``all`` where the comment says ``all or some of``, and ``(Age or Weight; not x)`` for
another word than that of x. Other brackets are text.
"""

from __future__ import annotations

import ast
import io
import itertools
import json
import math
import re
import tokenize
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import medlab
from medlab.errors import UsageError

_RANGE = re.compile(r"\((-?[\d.]+) (?:to (-?[\d.]+)|or more)\)$")
_WORDS = re.compile(r"\((all or )?(some of )?(\w[\w ,-]*) or (\w[\w -]*)(?:; not (\w+))?\)$")


@dataclass(frozen=True)
class _Parameter:
    """One parameter of a notebook.

    Attributes
    ----------
    name : str
    kind : str
        ``int``, ``float``, ``bool``, ``str``, ``list``, ``dict``; ``value`` for anything.
    default : str
        Its source.
    help : str
        The comment behind it.
    limits : tuple of float
        The smallest and the largest number allowed.
    words : tuple of str
        The words allowed; none: any text.
    several : bool
        Whether it takes several words, with commas between them.
    rival : str
        The parameter whose word it must not share; empty: none.
    """

    name: str
    kind: str
    default: str
    help: str
    limits: tuple[float, float] = (-math.inf, math.inf)
    words: tuple[str, ...] = ()
    several: bool = False
    rival: str = ""

    @property
    def is_bounded(self) -> bool:
        """Whether it takes numbers, or words of a list, rather than any text."""
        return self.kind in ("int", "float", "bool") or bool(self.words)

    def fit(self, value: Any) -> Any:
        """Return a value as the declared kind; text is read as from a command line.

        Raises
        ------
        UsageError
            If it is of another kind, out of range, or none of the words.
        """
        try:
            fitted = _READERS[self.kind](value)
        except (ValueError, TypeError, yaml.YAMLError):
            raise UsageError(f"{self.name} takes {self._allowed()}; this is none") from None
        if self.kind in _NUMBERS and not self.limits[0] <= fitted <= self.limits[1]:
            raise UsageError(f"{self.name} takes {self._allowed()}; {fitted:g} is out of range")
        met = [word.strip() for word in fitted.split(",")] if self.several else [fitted]
        if self.words and not all(word in self.words for word in met):
            raise UsageError(f"{self.name} takes {self._allowed()}; this is another word")
        return fitted

    def _allowed(self) -> str:
        if self.words:
            return f"{'some' if self.several else 'one'} of {', '.join(self.words)}"
        low, high = self.limits
        span = f", {low:g} to {high:g}" if high < math.inf else f", {low:g} or more"
        return _KINDS[self.kind] + span * (low > -math.inf)


def _declared(source: str) -> dict[str, _Parameter]:
    """Return the parameters that the source of a cell of parameters declares, by name.

    Raises
    ------
    SyntaxError
        If it is no Python.
    """
    lines = io.StringIO(source).readline
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(lines)
        if token.type == tokenize.COMMENT
    }
    parameters = {}
    for node in ast.parse(source).body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.expr()):
                kind = ast.unparse(annotation).split("[")[0]
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value)):
                kind = type(value).__name__
            case ast.Assign(targets=[ast.Name(id=name)]):
                kind = "value"
            case _:
                continue
        text = comments.get(node.end_lineno or node.lineno, "")
        default = ast.unparse(node.value) if node.value else ""
        parameters[name] = _Parameter(
            name, kind if kind in _READERS else "value", default, text, **_bounds(text, default)
        )
    return parameters


def _bounds(text: str, default: str) -> dict[str, Any]:
    """Return what the end of a comment allows; brackets that leave out the default say nothing."""
    if span := _RANGE.search(text):
        return {"limits": (float(span[1]), float(span[2] or math.inf))}
    if not (match := _WORDS.search(text)):
        return {}
    everything, several, first, last, rival = match.groups()
    words = (*(["all"] if everything else []), *first.split(", "), last)
    if not set(default.strip("'").split(",") if several else [default.strip("'")]) <= set(words):
        return {}
    return {"words": words, "several": bool(several), "rival": rival or ""}


def _check(values: Mapping[str, Any], parameters: Mapping[str, _Parameter]) -> dict[str, Any]:
    """Return the values given, each as the kind that its parameter declares.

    Parameters
    ----------
    values : mapping
        Values by name; where there is none, the default counts.
    parameters : mapping
        What `_declared` found.

    Raises
    ------
    UsageError
        If there is no parameter of a name, a value does not fit, or two parameters that
        must differ are alike.
    """
    for name in values:
        if name not in parameters:
            raise UsageError(f"no parameter {name}; there are: {', '.join(parameters) or 'none'}")
    fitted = {name: parameters[name].fit(value) for name, value in values.items()}
    for name, parameter in parameters.items():
        if parameter.rival in parameters:
            default, other = (
                ast.literal_eval(parameters[n].default) for n in (name, parameter.rival)
            )
            if fitted.get(name, default) == fitted.get(parameter.rival, other):
                raise UsageError(f"{name} and {parameter.rival} are alike; give two words")
    return fitted


def checked_in_cells(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Check the values of a notebook's parameters; return those that may be kept.

    Jupyter remembers the source of each cell: the last that declares `data_dir` is the cell of
    parameters, and one behind it that begins as papermill's does is what papermill injected.
    Any text may hold a name, so only numbers and words that the notebook lists are kept.

    Parameters
    ----------
    variables : mapping
        Of the running notebook, by name; ``In`` holds the sources.

    Raises
    ------
    UsageError
        If a value does not fit, or papermill was given one that the notebook does not declare.
    """
    parameters: dict[str, _Parameter] = {}
    injected: list[str] = []
    for source in variables.get("In", []):
        if source.startswith("# Parameters\n"):
            injected += _declared(source)
        elif re.search(r"(?m)^data_dir\b", source):
            parameters, injected = _declared(source), []
    values = {name: variables[name] for name in [*parameters, *injected]}
    for name, fitted in _check(values, parameters).items():
        if fitted != values[name]:
            raise UsageError(f"{name} is text; write it without quotation marks")
    return {name: values[name] for name in parameters if parameters[name].is_bounded}


def _parsed(value: Any) -> Any:
    return yaml.safe_load(value) if isinstance(value, str) else value


def _number(value: Any) -> float:
    return float(value) if isinstance(value, str) else float(_of(int, float)(value))


def _of(*kinds: type) -> Callable[[Any], Any]:
    """Return a reader of these types; True is no int."""

    def read(value: Any) -> Any:
        content = value if kinds == (str,) else _parsed(value)
        if type(content) not in kinds:
            raise TypeError
        return content

    return read


def _list(value: Any) -> list[Any]:
    content = _parsed(value)
    if isinstance(content, str):
        return [part.strip() for part in content.split(",") if part.strip()]
    return list(_of(list)(content))


_NUMBERS = ("int", "float")
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "list": "a list",
    "dict": "a mapping",
    "value": "a value in YAML",
}
_READERS: dict[str, Callable[[Any], Any]] = {
    "int": _of(int),
    "float": _number,
    "bool": _of(bool),
    "str": _of(str),
    "list": _list,
    "dict": _of(dict),
    "value": _parsed,
}


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
        names = ", ".join(nb.stem for nb in own)
        raise UsageError(f"no notebook of that name ({Path(name).name}); there are: {names}")
    return fits[0]


def notebook_parameters(notebook: Path) -> dict[str, _Parameter]:
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
        return _declared(sources[0]) if sources else {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, SyntaxError) as error:
        kind = type(error).__name__
        raise UsageError(
            f"{notebook.name} cannot be read as a notebook with a kernel ({kind}); "
            "open it in JupyterLab, choose a Python kernel and save it"
        ) from None


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
        declarations = notebook_parameters(notebook)
        for point in _points(varied):
            try:
                values = _check(fixed | point, declarations)
            except UsageError as error:
                raise UsageError(f"{notebook.stem}: {error}") from None
            axis = {name: values[name] for name in point}
            jobs.append(Job(notebook, _name(notebook.stem, axis), values, axis))
    return _distinct(jobs)


def _points(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    combinations = itertools.product(*axes.values())
    return [dict(zip(axes, values, strict=True)) for values in combinations]


def _name(stem: str, axis: Mapping[str, Any]) -> str:
    """Return the name of a job's outputs: the notebook's own, with the grid point added."""
    parts = [stem]
    for name, value in axis.items():
        slug = re.sub(r"[^A-Za-z0-9.]+", "-", str(value)).strip("-.")[:40]
        parts.append(f"{name}-{slug or 'empty'}")
    return "_".join(parts)


def _distinct(jobs: list[Job]) -> list[Job]:
    """Add a number where names would fall together (two folders, two slugs alike)."""
    counts: dict[str, int] = {}
    out = []
    for job in jobs:
        count = counts[job.name] = counts.get(job.name, 0) + 1
        name = job.name if count == 1 else f"{job.name}_{count}"
        out.append(Job(job.notebook, name, job.parameters, job.point))
    return out
