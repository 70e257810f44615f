"""Attribute inference: what the rows nearest to a person say about the sensitive value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from medlab.evaluation.attacker import Near
from medlab.tabular.release import Release

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def shares(
    table: pd.DataFrame, sensitive: str, labels: pd.Index, release: Release | None = None
) -> sparse.csr_array:
    """Return what each released row says of its sensitive value.

    Parameters
    ----------
    table : DataFrame
        The released rows.
    sensitive : str
    labels : Index
        The values, of the original.
    release : Release, optional
        Of an anatomized table the sensitive table is read: each row has the shares of its
        group.

    Returns
    -------
    sparse array, shape (rows, labels)
        Rows add up to 1, or to 0 where nothing is said.
    """
    if release is not None and release.kind == "anatomized":
        return _of_groups(release, sensitive, labels)
    code = numbered(table[sensitive], labels)
    known = np.flatnonzero(code >= 0)
    cells = (np.ones(len(known)), (known, code[known]))
    return sparse.csr_array(cells, shape=(len(table), len(labels)))


def numbered(column: pd.Series[Any], labels: pd.Index) -> Ints:
    """Return the number of each value, -1 for one that is missing or not known."""
    return np.asarray(labels.get_indexer(pd.Index(column.astype(object))))


def _of_groups(release: Release, sensitive: str, labels: pd.Index) -> sparse.csr_array:
    values = release.extra["sensitive"]
    code = numbered(values[sensitive], labels)
    values, code = values[code >= 0], code[code >= 0]
    group = values["group"].to_numpy()
    count = values["count"].to_numpy(dtype=np.float64)
    share = count / np.bincount(group, count)[group]
    groups = max(int(group.max()), int(release.class_of.max())) + 1
    table = sparse.csr_array((share, (group, code)), shape=(groups, len(labels)))
    return table[release.class_of]


def inferred(near: Near, posterior: sparse.csr_array, truth: Ints) -> Floats:
    """Return for each target the chance to guess its sensitive value.

    The attacker names the most frequent value among the nearest rows; if several are, each
    with the same chance.

    Parameters
    ----------
    near : Near
        Some targets.
    posterior : sparse array, shape (classes, values)
        Rows of each class by their sensitive value.
    truth : int array, shape (all targets,)
        The true value; -1 (a value that the original does not have) is never guessed.
    """
    votes = (sparse.csr_array(near.mask.astype(np.float64)) @ posterior).toarray()
    best = votes >= votes.max(axis=1, keepdims=True) - 1e-9
    best &= votes > 0
    true = truth[near.targets]
    right = best[np.arange(len(true)), true] & (true >= 0)
    return np.asarray(right / np.maximum(best.sum(axis=1), 1))


def by_class(rows: sparse.csr_array, class_of: Ints, classes: int) -> Any:
    """Add up the rows of each class."""
    ones = np.ones(len(class_of))
    shape = (classes, len(class_of))
    return sparse.csr_array((ones, (class_of, np.arange(len(class_of)))), shape=shape) @ rows
