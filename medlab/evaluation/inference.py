"""Attribute inference: what the rows nearest to a person say about the sensitive value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from medlab.arrays import Floats, Ints
from medlab.evaluation.attacker import Near
from medlab.tabular.anatomy import COUNT, GROUP
from medlab.tabular.release import Release
from medlab.tabular.slicing import BUCKET

_CHUNK_PEOPLE = 200


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
    release: Release,
    known: Mapping[str, tuple[Any, Any]],
    sensitive: str,
    labels: pd.Index,
    truth: Ints,
) -> tuple[Floats, Ints]:
    """Return the chance to guess a sensitive value from a sliced table.

    The chance of a bucket is the product over the column groups of the share of its parts
    that agree with the person; in a bucket, the value goes by the agreeing parts that hold
    it. Li et al., "Slicing", IEEE TKDE 24(3), 2012.

    Parameters
    ----------
    release : Release
        Of kind "sliced".
    known : mapping of str to two arrays
        By quasi-identifier, the values of the released rows and of the people.
    sensitive : str
    labels : Index
        Values of the sensitive column.
    truth : int array, shape (people,)
        The true value of each.

    Returns
    -------
    chance : float array, shape (people,)
    matched : int array
        Positions of those who agree with some bucket; about others it says nothing.
    """
    bucket = pd.factorize(release.table[BUCKET])[0]
    value = numbered(release.table[sensitive], labels)
    first, *rest = (
        _keys([known[name] for name in group if name in known], len(bucket), len(truth))
        for group in sorted(release.facts["groups"], key=lambda some: sensitive not in some)
    )
    told = _shares(bucket, value, first, len(labels))
    others = [_shares(bucket, np.zeros_like(bucket), keys, 1) for keys in rest]
    found, matched = np.zeros(len(truth)), np.zeros(len(truth), dtype=bool)
    for start in range(0, len(truth), _CHUNK_PEOPLE):
        here = slice(start, start + _CHUNK_PEOPLE)
        weight = np.ones((len(truth[here]), bucket.max() + 1))
        for shares, (_, people) in zip(others, rest, strict=True):
            weight *= shares[people[here]].toarray()
        votes = _votes(told[first[1][here]].tocoo(), weight, len(labels))
        found[here], matched[here] = _mode(votes, truth[here]), votes.any(axis=1)
    return found, np.flatnonzero(matched)


def _keys(columns: Sequence[tuple[Any, Any]], rows: int, people: int) -> tuple[Ints, Ints]:
    """Return one number for equal values in all columns, of released rows and of people."""
    both = pd.DataFrame(dict(enumerate(map(np.concatenate, columns))), index=range(rows + people))
    key = np.zeros(len(both), dtype=np.int64)
    if columns:
        key = np.asarray(both.groupby(list(both)).ngroup(), dtype=np.int64)
    return key[:rows], key[rows:]


def _shares(bucket: Ints, value: Ints, keys: tuple[Ints, Ints], values: int) -> sparse.csr_array:
    """Return what share of a bucket has key and value, shape (keys, buckets * values)."""
    known = np.flatnonzero(value >= 0)
    share = 1 / np.bincount(bucket)[bucket[known]]
    shape = (max(key.max() for key in keys) + 1, (bucket.max() + 1) * values)
    return sparse.csr_array((share, (keys[0][known], (bucket * values + value)[known])), shape)


def _votes(told: Any, weight: Floats, values: int) -> Floats:
    """Return the weight of each value for each person, shape (people, values)."""
    bucket, value = np.divmod(told.col, values)
    each = told.data * weight[told.row, bucket]
    votes = np.bincount(told.row * values + value, each, minlength=len(weight) * values)
    return np.asarray(votes.reshape(len(weight), values))


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
