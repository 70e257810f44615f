"""The few errors of medlab. A message never repeats a value that came from a patient."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")
_Content = TypeVar("_Content")


class MedlabError(Exception):
    """Anything medlab refuses or fails at, said in one sentence."""


class InputError(MedlabError, ValueError):
    """A value, file or table that cannot be used as it is."""


class UsageError(InputError):
    """A call that asks for something that does not exist; the command line ends with 2."""


class MissingError(MedlabError, KeyError):
    """A column, parameter, element or key that does not exist."""

    def __str__(self) -> str:
        """Return the sentence itself; KeyError would show it in quotes."""
        return str(self.args[0]) if self.args else ""


class KindError(MedlabError, TypeError):
    """An argument of a type that makes no sense here."""


class UnavailableError(MedlabError, RuntimeError):
    """A tool or an optional package that is not installed; the message names it."""


class RefusedError(MedlabError):
    """A result that medlab does not give away because it would not be safe."""


def not_installed(what: str, extra: str) -> UnavailableError:
    """Return the error for a package that is missing, with the command that adds it.

    Parameters
    ----------
    what : str
        The package, or what it does.
    extra : str
        The extra of pyproject.toml that holds it.
    """
    words = "setup" if extra == "pixels" else f"setup {extra}"  # the first setup brings pixels
    return UnavailableError(
        f"{what} is not installed; in a clone of medlab `python lab.py {words}` adds it, "
        f"in an environment of your own `pip install -e '.[{extra}]'`"
    )


def usable(
    items: Iterable[_Item],
    reader: Callable[[_Item], _Content],
    passed: dict[int, str] | None = None,
) -> Iterator[tuple[int, _Item, _Content]]:
    """Read what can be read of many items, and pass over the others.

    Parameters
    ----------
    items : iterable
        Such as the files of a folder. Their order is the listing.
    reader : callable
        Takes an item and returns what is in it, or raises InputError or RefusedError.
    passed : dict of int to str, optional
        Is filled with what was passed over: its place in the listing, counted from 1 (a
        path may name the patient), and why.

    Yields
    ------
    number : int
        The place in the listing.
    item
    content
        What `reader` returned.
    """
    for number, item in enumerate(items, start=1):
        try:
            content = reader(item)
        except (InputError, RefusedError) as error:
            if passed is not None:
                passed[number] = str(error)
        else:
            yield number, item, content
