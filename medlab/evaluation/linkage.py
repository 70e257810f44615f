"""Linkage: an attacker who knows a person's quasi-identifiers looks for the released row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from medlab.arrays import Floats, Ints
from medlab.evaluation.attacker import Near, chunk_rows, nearest
from medlab.tabular.released_cells import Exact, Seen


def true_pairs(target_owner: Ints, row_owner: Ints) -> tuple[Ints, Ints]:
    """Return the pairs (target, released row) that belong to one person, sorted by target."""
    targets = pd.DataFrame({"who": target_owner, "target": np.arange(len(target_owner))})
    rows = pd.DataFrame({"who": row_owner, "row": np.arange(len(row_owner))})
    pairs = targets.merge(rows, on="who").sort_values(["target", "row"])
    return pairs["target"].to_numpy(copy=True), pairs["row"].to_numpy(copy=True)


def linked(near: Near, seen: Seen, pairs: tuple[Ints, Ints]) -> Floats:
    """Return for each target the chance to pick a row of its own among the nearest.

    With C the rows at the smallest distance and T those of the target: |T in C| / |C|. This
    is the expectation of a random pick, so no tie is broken by chance.

    Parameters
    ----------
    near : Near
        Some targets.
    seen : Seen
    pairs : arrays
        From `true_pairs`.
    """
    start, stop = near.targets.start, near.targets.stop
    first, last = np.searchsorted(pairs[0], [start, stop])
    target, row = pairs[0][first:last] - start, pairs[1][first:last]
    hit = near.mask[target, seen.class_of[row]].astype(np.float64)
    found: Any = np.bincount(target, hit, minlength=stop - start)
    return np.asarray(found / (near.mask @ seen.sizes))


def linkability(seen: Seen, exact: Exact, halves: Sequence[Sequence[str]]) -> Floats:
    """Return for each person the chance that two parts of his facts lead to the same row.

    One attacker knows the first columns, another the others; each picks among the rows
    nearest to what he knows. Giomi et al., PoPETs 2023, with the expectation of the pick.

    Parameters
    ----------
    seen : Seen
    exact : dict of arrays, shape (people,)
        Their exact values, see `medlab.tabular.released_cells.exact_values`.
    halves : two sequences of column names
    """
    found = np.zeros(len(exact[seen.scales[0].name]))
    views = [seen.only(names) for names in halves]
    first = np.unique(seen.class_of, return_index=True)[1]
    where = [view.class_of[first] for view in views]
    step = chunk_rows(len(seen.sizes))
    passes = [nearest(view, exact, step) for view in views]
    for a, b in zip(*passes, strict=True):
        both = a.mask[:, where[0]] & b.mask[:, where[1]]
        picks = (a.mask @ views[0].sizes) * (b.mask @ views[1].sizes)
        found[a.targets] = (both @ seen.sizes) / picks
    return found
