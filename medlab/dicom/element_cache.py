"""What was done to an element is done again where the same element comes back.

The files of a series say nearly the same, so most of their elements need no second look.
Taking this module out costs speed, nothing else.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, NamedTuple

_LARGEST, _MOST = 1024, 4096


class Done(NamedTuple):
    """What became of an element: what is kept of it, what the log says, what is to be searched."""

    kept: Any
    actions: tuple[Any, ...]
    text: tuple[Any, ...] | None


@lru_cache(maxsize=64)
def memory(*circumstances: Hashable) -> dict[Hashable, Done]:
    """Return what is remembered of data sets treated under the same circumstances.

    Circumstances are everything beside the element itself that decides what becomes of it:
    plan, key, SOP class, the words to search for, character set.
    """
    return {}


def place_of(element: Any, creator: str, inside: int) -> Hashable | None:
    """Return by what an element in an item of `inside` is known again; None if decoded or large.

    Undecoded elements cannot be changed, so that data sets may share them.
    """
    if not getattr(element, "is_raw", False):
        return None
    tag, vr, _, value = element[:4]
    if not isinstance(value, bytes) or len(value) > _LARGEST:
        return None
    return int(tag), vr, creator, inside, value


def remember(known: dict[Hashable, Done], place: Hashable, done: Done) -> None:
    """Keep an outcome, if it can be shared: an undecoded element, or none."""
    if done.kept is None or getattr(done.kept, "is_raw", False):
        if len(known) >= _MOST:
            known.clear()
        known[place] = done
