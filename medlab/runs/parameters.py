"""What the cell of parameters of a notebook declares, and whether values fit it.

A parameter is one assignment a line. Its comment says what it is, and last what it may be:
``k: int = 5  # smallest class (2 to 50)``, ``(0 or more)``, ``(allow or match)``,
``(some of Age, Sex or Weight)`` for several words with commas between them, ``all`` where the
comment says ``all or some of``, and ``(Age or Weight; not x)`` for another word than that of x.
Other brackets are text.
"""

from __future__ import annotations

import ast
import io
import math
import re
import tokenize
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from medlab.errors import UsageError

_RANGE = re.compile(r"\((-?[\d.]+) (?:to (-?[\d.]+)|or more)\)$")
_WORDS = re.compile(r"\((all or )?(some of )?(\w[\w ,-]*) or (\w[\w -]*)(?:; not (\w+))?\)$")


@dataclass(frozen=True)
class Parameter:
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


def declared(source: str) -> dict[str, Parameter]:
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
    found = {}
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
        found[name] = Parameter(
            name, kind if kind in _READERS else "value", default, text, **_bounds(text, default)
        )
    return found


def _bounds(text: str, default: str) -> dict[str, Any]:
    """Return what the end of a comment allows; brackets that leave out the default say nothing."""
    if span := _RANGE.search(text):
        return {"limits": (float(span[1]), float(span[2] or math.inf))}
    if not (found := _WORDS.search(text)):
        return {}
    everything, several, first, last, rival = found.groups()
    words = (*(["all"] if everything else []), *first.split(", "), last)
    if not set(default.strip("'").split(",") if several else [default.strip("'")]) <= set(words):
        return {}
    return {"words": words, "several": bool(several), "rival": rival or ""}


def check(values: Mapping[str, Any], known: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return the values given, each as the kind that its parameter declares.

    Parameters
    ----------
    values : mapping
        Values by name; where there is none, the default counts.
    known : mapping
        What `declared` found.

    Raises
    ------
    UsageError
        If there is no parameter of a name, a value does not fit, or two parameters that
        must differ are alike.
    """
    for name in values:
        if name not in known:
            raise UsageError(f"no parameter {name}; there are: {', '.join(known) or 'none'}")
    fitted = {name: known[name].fit(value) for name, value in values.items()}
    for name, parameter in known.items():
        if parameter.rival in known:
            default, other = (ast.literal_eval(known[n].default) for n in (name, parameter.rival))
            if fitted.get(name, default) == fitted.get(parameter.rival, other):
                raise UsageError(f"{name} and {parameter.rival} are alike; give two words")
    return fitted


def _parsed(value: Any) -> Any:
    return yaml.safe_load(value) if isinstance(value, str) else value


def _number(value: Any) -> float:
    return float(value) if isinstance(value, str) else float(_of(int, float)(value))


def _of(*kinds: type) -> Callable[[Any], Any]:
    """Return a reader of these types; True is no int."""

    def read(value: Any) -> Any:
        found = value if kinds == (str,) else _parsed(value)
        if type(found) not in kinds:
            raise TypeError
        return found

    return read


def _list(value: Any) -> list[Any]:
    found = _parsed(value)
    if isinstance(found, str):
        return [part.strip() for part in found.split(",") if part.strip()]
    return list(_of(list)(found))


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
