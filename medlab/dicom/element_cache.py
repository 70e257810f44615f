"""What came before is known again: elements that files share are read, decided and written once.

The files of a series say nearly the same. Every way an element is written has one object here;
what was found out about it is noted under that object, so that of the next file only what is new
is looked at, and all else is put together from the bytes it was read as. Each use has a slow
equal; with `_on` false, or this module taken out, speed is lost and nothing else.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Any

from pydicom.dataelem import RawDataElement

#: Longer elements, in bytes, are hardly ever the same in two files.
LARGEST = 4096
_MOST = 4096  # elements; with what is noted about each, a few megabytes
_on = True


class Atom(RawDataElement):
    """An undecoded element of which there is one for each way of writing it.

    Attributes
    ----------
    written : bytes
        Header and value as they go out; empty until somebody has written it.
    """

    written: bytes = b""


class Memory:
    """What was found out about atoms under the same circumstances."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[Any, Any]] = {}
        self.get = self._found.get  # by the atom's id: None, or the atom and what was noted

    def note(self, element: Any, found: Any) -> None:
        """Note something about an element, if there is but one of it."""
        if type(element) is Atom:
            if len(self._found) >= _MOST:
                self._found.clear()
            self._found[id(element)] = element, found  # with the atom: its id stays its own


@lru_cache(maxsize=64)
def _memories(*circumstances: Hashable) -> dict[Hashable, Memory]:
    return {}


def memories(*circumstances: Hashable) -> dict[Hashable, Memory]:
    """Return what is remembered under circumstances, by further ones that vary within a file.

    Circumstances are everything beside the element itself that decides what is found out, such
    as plan, key, SOP class, the words to search for. What can not be compared, remembers nothing.
    """
    try:
        return _memories(*circumstances)
    except TypeError:  # a set of other patients: somebody may add one
        return {}


def is_on() -> bool:
    """Tell whether what is known already may be passed over."""
    return _on


@lru_cache(maxsize=2)
def _atoms(implicit: bool) -> dict[bytes, Any]:
    return {}


def atoms(implicit: bool) -> tuple[dict[bytes, Any], type[RawDataElement]]:
    """Return the elements of one encoding as written, and the class of new ones."""
    if not _on:
        return {}, RawDataElement
    known = _atoms(implicit)
    if len(known) > _MOST:
        known.clear()
    return known, Atom
