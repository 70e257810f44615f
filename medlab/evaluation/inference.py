"""Attribute inference: what the rows nearest to a person say about the sensitive value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from medlab.evaluation.attacker import Near
from medlab.tabular.anatomy import COUNT, GROUP
from medlab.tabular.release import Release
from medlab.tabular.slicing import BUCKET

_CHUNK_PEOPLE = 200
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
    names = pd.Index(values[GROUP]).unique()
    group, count = names.get_indexer(values[GROUP]), values[COUNT].to_numpy(dtype=np.float64)
    share = count / np.bincount(group, count)[group]
    table = sparse.csr_array((share, (group, code)), shape=(len(names), len(labels)))
    return table[names.get_indexer(release.table[GROUP])]


def sliced(
    release: Release, people: pd.DataFrame, sensitive: str, labels: pd.Index
) -> tuple[Floats, Ints]:
    """Return the chance to guess a sensitive value from a sliced table.

    The chance of a bucket is the product over the column groups of the share of its parts
    that agree with the person; in a bucket, the value goes by the agreeing parts that hold
    it. Li et al., "Slicing", IEEE TKDE 24(3), 2012.

    Parameters
    ----------
    release : Release
        Of kind "sliced".
    people : DataFrame
        Exact quasi-identifiers, and the true sensitive value.
    sensitive : str
    labels : Index
        Values of the sensitive column.

    Returns
    -------
    chance : float array, shape (people,)
    matched : int array
        Positions of those who agree with some bucket; about others it says nothing.
    """
    found, matched = np.zeros(len(people)), np.zeros(len(people), dtype=bool)
    truth = numbered(people[sensitive], labels)
    for start in range(0, len(people), _CHUNK_PEOPLE):
        part = people.iloc[start : start + _CHUNK_PEOPLE]
        belief = _sliced_belief(release, part, sensitive)
        who, value = belief["who"].to_numpy(), numbered(belief[sensitive], labels)
        votes = sparse.csr_array((belief["weight"], (who, value)), shape=(len(part), len(labels)))
        here = slice(start, start + len(part))
        found[here] = _mode(votes.toarray(), truth[here])
        matched[here] = votes.sum(axis=1) > 0
    return found, np.flatnonzero(matched)


def _sliced_belief(release: Release, people: pd.DataFrame, sensitive: str) -> pd.DataFrame:
    """Return who, sensitive value and weight, for people who agree with a bucket."""
    table = release.table
    people = people.drop(columns=sensitive).reset_index(drop=True).rename_axis("who").reset_index()
    belief: pd.DataFrame | None = None
    for group in sorted(release.facts["groups"], key=lambda some: sensitive not in some):
        known = [name for name in group if name in people and name != sensitive]
        keys = [BUCKET, *known, *(name for name in group if name == sensitive)]
        parts = table.groupby(keys, observed=True).size().rename("share").reset_index()
        parts["share"] /= parts[BUCKET].map(table[BUCKET].value_counts())
        agree = people[["who", *known]].merge(parts, how="inner" if known else "cross")
        agree = agree.drop(columns=known)
        if belief is None:
            belief = agree.rename(columns={"share": "weight"})
            continue
        belief = belief.merge(agree, on=["who", BUCKET])
        belief["weight"] *= belief.pop("share")
    assert belief is not None
    return belief.groupby(["who", sensitive], observed=True)["weight"].sum().reset_index()


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
    return _mode(votes, truth[near.targets])


def _mode(votes: Floats, truth: Ints) -> Floats:
    """Return the chance to guess right by the most frequent value."""
    best = (votes >= votes.max(axis=1, keepdims=True) * (1 - 1e-9)) & (votes > 0)
    right = best[np.arange(len(truth)), truth] & (truth >= 0)
    return np.asarray(right / np.maximum(best.sum(axis=1), 1))


def by_class(rows: sparse.csr_array, class_of: Ints, classes: int) -> Any:
    """Add up the rows of each class."""
    ones = np.ones(len(class_of))
    shape = (classes, len(class_of))
    return sparse.csr_array((ones, (class_of, np.arange(len(class_of)))), shape=shape) @ rows
