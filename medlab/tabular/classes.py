"""The classes of a release one by one: their cells, their counts, what they give away."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medlab.errors import InputError
from medlab.tabular import counts as tally
from medlab.tabular.counts import Distance
from medlab.tabular.release import Release


def _sensitive(release: Release, name: str | None) -> str:
    """Return the sensitive column asked for, or the first one."""
    name = name or next(iter(release.sensitive), None)
    if name is None or name not in release.table:
        raise InputError("this release shows no sensitive column; name one when it is made")
    return name


def count_table(release: Release, sensitive: str | None = None) -> pd.DataFrame:
    """Return the release as counts: one row for each class and sensitive value in it.

    Parameters
    ----------
    release : Release
    sensitive : str, optional
        Default: the first sensitive column.

    Returns
    -------
    DataFrame
        ``class``, the released cells, ``size`` of the class, the sensitive value, and
        ``count``, how many rows of the class have it. It says all that the released
        table says, in fewer rows.
    """
    name = _sensitive(release, sensitive)
    found, ready = tally.count_column(release.table, name, release.class_of)
    cells = release.classes[[*release.quasi, "size"]].iloc[found.group].reset_index(drop=True)
    cells.insert(0, "class", found.group)
    return cells.assign(**{name: ready.column.values[found.value], "count": found.count})


def class_report(
    release: Release, sensitive: str | None = None, distance: Distance = "auto"
) -> pd.DataFrame:
    """Return for each class what it gives away.

    Returns
    -------
    DataFrame, one row a class
        The released cells; ``size``; ``l`` (distinct values) and ``entropy_l``;
        ``top`` and ``top_share`` (the most frequent value and its share); ``t`` (distance
        from the table); ``gain`` (the largest factor by which a value is more frequent
        here than in the table: what a skewness attack gains) and ``gain_of`` (that value);
        ``beta`` (basic beta-likeness, gain - 1) and ``delta`` (delta-disclosure: the largest
        abs(ln) of these factors, infinite if the class lacks a value of the table). See
        `medlab.tabular.beta_likeness` and `medlab.tabular.delta_disclosure`.
    """
    name = _sensitive(release, sensitive)
    found, ready = tally.count_column(release.table, name, release.class_of, distance=distance)
    gain = found.share / ready.share[found.value]
    values = ready.column.values.astype(object)
    report = release.classes[[*release.quasi, "size"]].copy()
    report["l"] = tally.distinct(found).astype(int)
    report["entropy_l"] = tally.entropy(found)
    report["top"] = tally.top_values(found, found.share, values)
    report["top_share"] = tally.top_share(found)
    report["t"] = tally.emd(found, ready)
    report["gain_of"] = tally.top_values(found, gain, values)
    report["gain"] = found.largest(gain)
    report["beta"] = report["gain"] - 1
    whole = tally.distinct(found) == (ready.share > 0).sum()
    report["delta"] = np.where(whole, found.largest(np.abs(np.log(gain))), np.inf)
    return report


def beliefs(release: Release, sensitive: str | None = None) -> NDArray[np.float64]:
    """Return how strongly an attacker who finds a row's class believes its true value.

    Returns
    -------
    float array, shape (rows,)
        Share of the row's sensitive value in its class: 1 is certainty. NaN for
        suppressed rows and missing values.
    """
    name = _sensitive(release, sensitive)
    found, ready = tally.count_column(release.table, name, release.class_of)
    shown = np.flatnonzero(release.class_of >= 0)
    width = len(ready.column.values) + 1
    keys = found.group * width + found.value
    mine = release.class_of[shown].astype(np.int64) * width + ready.column.codes[shown]
    spot = np.minimum(np.searchsorted(keys, mine), len(keys) - 1)
    belief = np.full(len(release.class_of), np.nan)
    belief[shown] = np.where(keys[spot] == mine, found.share[spot], np.nan)
    return belief
