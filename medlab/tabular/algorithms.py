"""The algorithms that make releases: one entry each, with its criteria and its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from medlab.errors import InputError
from medlab.tabular.broken_links import anatomy, slicing, two_step
from medlab.tabular.clustering import fuzzy_cmeans, k_member, mdav
from medlab.tabular.column_roles import as_names
from medlab.tabular.criteria import Options
from medlab.tabular.fulldomain import full_domain
from medlab.tabular.mondrian import mondrian
from medlab.tabular.release import Release


@dataclass(frozen=True, kw_only=True)
class Algorithm:
    """What a method is called, which criteria it satisfies, and how it makes a release.

    `medlab.methods.catalogue.Method` adds what it does to headers and columns.

    Attributes
    ----------
    name : str
    says : str
        What becomes of what, in a few words.
    source : str
        Where it was described.
    release : callable, optional
        From a table to a `Release` that keeps its criteria.
    strengths : mapping of str to sequence of float
        What it is tried with on the risk-utility map, by parameter; one without a name is "".
    title : str
        Its name on the map, before the parameter.
    cannot : sequence of str
        Arguments of `anonymize` that it must not be asked for.
    draws : bool
        Whether a release is made with chance.
    one_value : bool
        Whether one value can stand for each class, as a header needs.
    """

    name: str
    says: str
    source: str
    release: Callable[..., Release] | None = None
    strengths: Mapping[str, Sequence[float]] = field(default_factory=dict)
    title: str = ""
    cannot: Sequence[str] = ("suppress",)
    draws: bool = False
    one_value: bool = False


_NOT_BY_ROWS = ("suppress", "t", "alpha", "l_kind", "c", "distance")
_ENTRIES = (
    Algorithm(
        name="slicing",
        says="the table of the patients, cells exchanged in buckets",
        source="Li, Li, Zhang, Molloy, IEEE TKDE 24(3), 2012",
        release=slicing,
        strengths={"k": (5, 25)},
        title="slicing",
        cannot=("suppress", "keep"),
        draws=True,
    ),
    Algorithm(
        name="anatomy",
        says="exact facts in one table, counts of sensitive values in another",
        source="Xiao, Tao, VLDB 2006",
        release=anatomy,
        strengths={"l": (2,)},
        title="Anatomy",
        cannot=(*_NOT_BY_ROWS, "subject", "hierarchies"),
        draws=True,
    ),
    Algorithm(
        name="mondrian",
        says="classes cut at medians, facts become ranges",
        source="LeFevre, DeWitt, Ramakrishnan, ICDE 2006",
        release=mondrian,
        strengths={"k": (2, 5, 10, 25, 50, 100), "l": (2, 3), "t": (0.4, 0.2)},
        title="Mondrian",
        one_value=True,
    ),
    Algorithm(
        name="mdav",
        says="classes of near patients, facts become means",
        source="Domingo-Ferrer, Torra, DMKD 11(2), 2005",
        release=mdav,
        strengths={"k": (5, 25)},
        title="microaggregation",
        one_value=True,
    ),
    Algorithm(
        name="k-member",
        says="classes of near patients, facts become ranges",
        source="Byun, Kamra, Bertino, Li, DASFAA 2007",
        release=k_member,
        strengths={"k": (5, 25)},
        title="k-member",
        one_value=True,
    ),
    Algorithm(
        name="k-member-weighted",
        says="as k-member, outlying patients served first",
        source="after Yan, Herman, Mahmood, Feng, Xie, Computing 103, 2021",
        release=partial(k_member, record_weights="outlyingness"),
        one_value=True,
    ),
    Algorithm(
        name="mondrian-best",
        says="as mondrian, the cut that costs least",
        source="LeFevre, DeWitt, Ramakrishnan, ICDE 2006",
        release=partial(mondrian, quality="best"),
        one_value=True,
    ),
    Algorithm(
        name="mondrian-relaxed",
        says="as mondrian, equal values may part",
        source="LeFevre, DeWitt, Ramakrishnan, ICDE 2006",
        release=partial(mondrian, strict=False),
        one_value=True,
    ),
    Algorithm(
        name="fuzzy-cmeans",
        says="classes around fuzzy means",
        source="Bezdek, Pattern Recognition with Fuzzy Objective Function Algorithms, 1981",
        release=fuzzy_cmeans,
        draws=True,
    ),
    Algorithm(
        name="full-domain",
        says="one level of a hierarchy for a whole column",
        source="Sweeney, IJUFKS 10(5), 2002; Kohlmayer et al., Flash, PASSAT 2012",
        release=full_domain,
        cannot=(),
        one_value=True,
    ),
    Algorithm(
        name="two-step",
        says="classes of k, and diagnoses replaced where a class has too few",
        source="scalable l-diversity in two steps; see docs/tabular.md",
        release=two_step,
        cannot=_NOT_BY_ROWS,
        draws=True,
    ),
)
ALGORITHMS: Mapping[str, Algorithm] = {algorithm.name: algorithm for algorithm in _ENTRIES}


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
    options: Options | None = None,
    **more: Any,
) -> Release:
    """Release a table by a method named in `ALGORITHMS`.

    Parameters
    ----------
    table, quasi, sensitive, k, l, t
        See `medlab.tabular.mondrian`. Anatomy and the two-step method take l as a
        whole number, at least 2; Anatomy generalizes nothing and has no k.
    method : str
    rng : Generator, optional
        For methods that draw; the others do without.
    options : Options
    **more
        Options by name and further arguments of the method; None counts as not given.

    Raises
    ------
    InputError
        An unknown method, or a criterion that the method cannot satisfy.
    """
    if method not in ALGORITHMS or (release := ALGORITHMS[method].release) is None:
        raise InputError(f"no method {method!r}; choose of {', '.join(ALGORITHMS)}")
    entry, named = ALGORITHMS[method], {"t": t} | (options or Options()).given() | more
    asked = {name: value for name, value in named.items() if value is not None}
    impossible = set(asked) & set(entry.cannot)
    if impossible:
        why = "; it counts rows, so leave one row a person" if "subject" in impossible else ""
        raise InputError(f"{method} does not go with {', '.join(sorted(impossible))}{why}")
    if rng is not None and entry.draws:
        asked["rng"] = rng
    names = as_names(sensitive)
    if method in ("anatomy", "two-step", "slicing") and not names:
        raise InputError(f"{method} is about sensitive values; name a sensitive column")
    if method == "anatomy":
        return release(table, quasi, names, max(int(l), 2), **asked)
    if method == "two-step":
        return release(table, quasi, names, k, max(int(l), 2), **asked)
    return release(table, quasi, sensitive, k=k, l=l, **asked)
