"""All methods by name, for those who compare them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from medlab.errors import InputError
from medlab.tabular.anatomy import anatomy
from medlab.tabular.clustering import fuzzy_cmeans, k_member, mdav
from medlab.tabular.fulldomain import full_domain
from medlab.tabular.mondrian import mondrian
from medlab.tabular.release import Release
from medlab.tabular.roles import as_names
from medlab.tabular.slicing import slicing
from medlab.tabular.twostep import two_step

Method = Callable[..., Release]


def _mondrian_best(*columns: Any, **asked: Any) -> Release:
    return mondrian(*columns, quality="best", **asked)


def _mondrian_relaxed(*columns: Any, **asked: Any) -> Release:
    return mondrian(*columns, strict=False, **asked)


METHODS: Mapping[str, Method] = {
    "mondrian": mondrian,
    "mondrian-best": _mondrian_best,
    "mondrian-relaxed": _mondrian_relaxed,
    "k-member": k_member,
    "fuzzy-cmeans": fuzzy_cmeans,
    "mdav": mdav,
    "full-domain": full_domain,
    "anatomy": anatomy,
    "slicing": slicing,
    "two-step": two_step,
}
# What a method cannot promise must not be asked of it.
_CANNOT: Mapping[str, Sequence[str]] = {
    "anatomy": ("t", "alpha", "subject", "hierarchies", "l_kind", "c", "distance"),
    "two-step": ("t", "alpha", "l_kind", "c", "distance"),
    "slicing": ("keep",),
}
_DRAWN = ("fuzzy-cmeans", "anatomy", "slicing", "two-step")


def anonymize(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: Sequence[str] | str | None = None,
    k: int = 5,
    l: float = 1,
    t: float | None = None,
    *,
    method: str = "mondrian",
    rng: np.random.Generator | None = None,
    **more: Any,
) -> Release:
    """Release a table by a method named in `METHODS`.

    Parameters
    ----------
    table, quasi, sensitive, k, l, t
        See `medlab.tabular.mondrian`. Anatomy and the two-step method take l as a
        whole number, at least 2; Anatomy generalizes nothing and has no k.
    method : str
    rng : Generator, optional
        For methods that draw; the others do without.
    **more
        Further arguments of the method; None counts as not given.

    Raises
    ------
    InputError
        An unknown method, or a promise that the method cannot make.
    """
    if method not in METHODS:
        raise InputError(f"no method {method!r}; choose of {', '.join(METHODS)}")
    asked = {name: value for name, value in ({"t": t} | more).items() if value is not None}
    if rng is not None and method in _DRAWN:
        asked["rng"] = rng
    impossible = set(asked) & set(_CANNOT.get(method, ()))
    if method != "full-domain":
        impossible |= set(asked) & {"suppress"}
    if impossible:
        why = "; it counts rows, so leave one row a person" if "subject" in impossible else ""
        raise InputError(f"{method} does not go with {', '.join(sorted(impossible))}{why}")
    if method in ("anatomy", "two-step", "slicing") and not as_names(sensitive):
        raise InputError(f"{method} is about sensitive values; name a sensitive column")
    if method == "anatomy":
        names = as_names(sensitive)
        if len(names) > 1:
            raise InputError("anatomy takes one sensitive column")
        return anatomy(table, quasi, names[0], max(int(l), 2), **asked)
    if method == "two-step":
        return two_step(table, quasi, as_names(sensitive), k, max(int(l), 2), **asked)
    return METHODS[method](table, quasi, sensitive, k=k, l=l, **asked)
