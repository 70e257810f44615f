"""Attacks on a released table: linkage, attribute inference, singling out and membership; on two.

The attacker knows people and looks for the released rows that are nearest. The distance of a
person to a class is the sum over the quasi-identifiers of the gap to the released interval,
divided by the range of the original column (0 inside, 1 at most), and of 0 or 1 for a label
inside or outside the released set. A suppressed cell is at distance 0 from everybody, a missing
one from those whose value is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from medlab.arrays import Array, Floats, Ints
from medlab.errors import InputError
from medlab.evaluation.attack_statistics import Score, auc, excess, tpr_at, wilson
from medlab.tabular.broken_links import BUCKET, COUNT, GROUP
from medlab.tabular.column_roles import Hierarchies, as_names, check_columns, counted_by
from medlab.tabular.counts import group_sizes, person_numbers
from medlab.tabular.release import Release
from medlab.tabular.released_cells import SAME, Exact, Scale, Seen, exact_values, scales_of, see

_CHUNK_CELLS = 200_000  # of float64: a chunk of distances stays within the processor's cache
_KEPT_CELLS = 10 * _CHUNK_CELLS  # of the gaps of a column: 16 MB; more are counted by chunk
_CHUNK_PEOPLE = 200
_FEW_VALUES = 64  # sensitive values: votes for so many are faster counted in a full table


class _Near(NamedTuple):
    """Some targets and the classes nearest to them.

    Attributes
    ----------
    targets : slice
    distance : float array, shape (targets,)
    mask : bool array, shape (targets, classes)
        Which classes are at that distance.
    """

    targets: slice
    distance: Array
    mask: Array


def _chunk_rows(classes: int) -> int:
    """Return how many targets are compared with so many classes at a time."""
    return max(1, _CHUNK_CELLS // classes)


def nearest(seen: Seen, exact: Exact, step: int | None = None) -> Iterator[_Near]:
    """Yield the nearest classes of all targets, some targets at a time.

    Parameters
    ----------
    seen : Seen
    exact : dict of arrays, shape (targets,)
        From `exact_values`.
    step : int, optional
        How many targets at a time.
    """
    places = [exact[scale.name] for scale in seen.scales]
    count, classes = len(places[0]), len(seen.sizes)
    step = step or _chunk_rows(classes)
    room = np.empty((2, step, classes))
    columns = [
        _gaps(*column, classes) for column in zip(seen.scales, seen.parts, places, strict=True)
    ]
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        total, gap = (space[: part.stop - start] for space in room)
        total[:] = 0.0
        for put in columns:
            put(gap, part)
            total += gap
        distance = total.min(axis=1)
        yield _Near(part, distance, total <= distance[:, None] + SAME)


def _gaps(
    scale: Scale, cells: tuple[Any, Any], places: Array, classes: int
) -> Callable[[Array, slice], None]:
    """Return what puts the gaps of some targets into an array; of few values they are kept."""
    put = _put_gaps if scale.numeric else _put_mismatches
    values, which = np.unique(places, return_inverse=True)
    if len(values) * classes > _KEPT_CELLS:
        return lambda gap, part: put(gap, *cells, places[part])
    table = np.empty((len(values), classes))
    put(table, *cells, values)

    def take(gap: Array, part: slice) -> None:
        np.take(table, which[part], axis=0, out=gap, mode="clip")

    return take


def _put_gaps(gap: Array, low: Array, high: Array, values: Array) -> None:
    """Put how far values lie outside of [low, high], at most 1."""
    np.subtract(low, values[:, None], out=gap)
    if low is not high:
        np.maximum(gap, values[:, None] - high, out=gap)
        np.maximum(gap, 0.0, out=gap)
    else:
        np.abs(gap, out=gap)
    np.minimum(gap, 1.0, out=gap)


def _put_mismatches(gap: Array, outside: Array, fits: Any, values: Array) -> None:
    """Put 1 where a label does not fit; one that nobody has is row -1."""
    np.subtract(outside, fits[values].toarray(), out=gap)


class Attacked(NamedTuple):
    """What an attacker reaches on each target.

    Attributes
    ----------
    linked : float array
        The chance to pick a row of its own.
    inferred : float array
        The chance to guess its sensitive value.
    distance : float array
        To the nearest released row.
    """

    linked: Floats
    inferred: Floats
    distance: Floats


def attack(
    seen: Seen,
    exact: Exact,
    owners: Ints,
    row_owners: Ints | None,
    posterior: sparse.csr_array,
    truth: Ints,
) -> Attacked:
    """Look for the released rows that are nearest to each target: which is its, and its secret.

    Parameters
    ----------
    seen : Seen
    exact : dict of arrays, shape (targets,)
        Their exact values, see `medlab.tabular.released_cells.exact_values`.
    owners : int array, shape (targets,)
        The person of each target; -1 has no row.
    row_owners : int array, shape (released rows,), or None
        The person of each row. Where that is not known, any row that is nearest counts as own.
    posterior : sparse array, shape (released rows, values)
        From `shares`.
    truth : int array, shape (targets,)
        The number of the true sensitive value; -1 is never guessed.
    """
    results = Attacked(*np.empty((len(Attacked._fields), len(owners))))
    pairs = None if row_owners is None else _true_pairs(owners, row_owners)
    values = _by_class(posterior, seen.class_of, len(seen.sizes))
    for near in nearest(seen, exact):
        results.linked[near.targets] = (
            1 / (near.mask @ seen.sizes) if pairs is None else _linked(near, seen, pairs)
        )
        results.inferred[near.targets] = _inferred(near, values, truth)
        results.distance[near.targets] = near.distance
    return results


def _true_pairs(target_owner: Ints, row_owner: Ints) -> tuple[Ints, Ints]:
    """Return the pairs (target, released row) that belong to one person, sorted by target."""
    order = np.argsort(row_owner, kind="stable")
    first, last = (
        np.searchsorted(row_owner[order], target_owner, side) for side in ("left", "right")
    )
    target = np.repeat(np.arange(len(target_owner)), last - first)
    spot = np.arange(len(target)) - np.repeat(np.cumsum(last - first) - last, last - first)
    return target, np.asarray(order[spot])


def _linked(near: _Near, seen: Seen, pairs: tuple[Ints, Ints]) -> Floats:
    """Return for each target the chance to pick a row of its own among the nearest.

    With C the rows at the smallest distance and T those of the target: |T in C| / |C|. This
    is the expectation of a random pick, so no tie is broken by chance.

    Parameters
    ----------
    near : Near
        Some targets.
    seen : Seen
    pairs : arrays
        From `_true_pairs`.
    """
    start, stop = near.targets.start, near.targets.stop
    first, last = np.searchsorted(pairs[0], [start, stop])
    target, row = pairs[0][first:last] - start, pairs[1][first:last]
    hit = near.mask[target, seen.class_of[row]].astype(np.float64)
    hits: Any = np.bincount(target, hit, minlength=stop - start)
    return np.asarray(hits / (near.mask @ seen.sizes))


def _by_class(rows: sparse.csr_array, class_of: Ints, classes: int) -> Any:
    """Add up the rows of each class."""
    ones = np.ones(len(class_of))
    shape = (classes, len(class_of))
    return sparse.csr_array((ones, (class_of, np.arange(len(class_of)))), shape=shape) @ rows


def _inferred(near: _Near, posterior: sparse.csr_array, truth: Ints) -> Floats:
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
    mask = near.mask.astype(np.float64)
    if posterior.shape[1] <= _FEW_VALUES:
        votes = mask @ posterior.toarray()
    else:
        votes = (sparse.csr_array(mask) @ posterior).toarray()
    return _mode(votes, truth[near.targets])


def _mode(votes: Floats, truth: Ints) -> Floats:
    """Return the chance to guess right by the most frequent value."""
    best = (votes >= votes.max(axis=1, keepdims=True) * (1 - 1e-9)) & (votes > 0)
    right = best[np.arange(len(truth)), truth] & (truth >= 0)
    return np.asarray(right / np.maximum(best.sum(axis=1), 1))


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
    chance = np.zeros(len(exact[seen.scales[0].name]))
    views = [seen.only(names) for names in halves]
    first = np.unique(seen.class_of, return_index=True)[1]
    where = [view.class_of[first] for view in views]
    step = _chunk_rows(len(seen.sizes))
    passes = [nearest(view, exact, step) for view in views]
    for a, b in zip(*passes, strict=True):
        both = a.mask[:, where[0]] & b.mask[:, where[1]]
        picks = (a.mask @ views[0].sizes) * (b.mask @ views[1].sizes)
        chance[a.targets] = (both @ seen.sizes) / picks
    return chance


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
    rows = np.flatnonzero(code >= 0)
    cells = (np.ones(len(rows)), (rows, code[rows]))
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
    matching = _shares(bucket, value, first, len(labels))
    others = [_shares(bucket, np.zeros_like(bucket), keys, 1) for keys in rest]
    chance, matched = np.zeros(len(truth)), np.zeros(len(truth), dtype=bool)
    for start in range(0, len(truth), _CHUNK_PEOPLE):
        here = slice(start, start + _CHUNK_PEOPLE)
        weight = np.ones((len(truth[here]), bucket.max() + 1))
        for shares, (_, people) in zip(others, rest, strict=True):
            weight *= shares[people[here]].toarray()
        votes = _votes(matching[first[1][here]].tocoo(), weight, len(labels))
        chance[here], matched[here] = _mode(votes, truth[here]), votes.any(axis=1)
    return chance, np.flatnonzero(matched)


def _keys(columns: Sequence[tuple[Any, Any]], rows: int, people: int) -> tuple[Ints, Ints]:
    """Return one number for equal values in all columns, of released rows and of people."""
    both = pd.DataFrame(dict(enumerate(map(np.concatenate, columns))), index=range(rows + people))
    key = np.zeros(len(both), dtype=np.int64)
    if columns:
        key = np.asarray(both.groupby(list(both)).ngroup(), dtype=np.int64)
    return key[:rows], key[rows:]


def _shares(bucket: Ints, value: Ints, keys: tuple[Ints, Ints], values: int) -> sparse.csr_array:
    """Return what share of a bucket has key and value, shape (keys, buckets * values)."""
    rows = np.flatnonzero(value >= 0)
    share = 1 / np.bincount(bucket)[bucket[rows]]
    shape = (max(key.max() for key in keys) + 1, (bucket.max() + 1) * values)
    return sparse.csr_array((share, (keys[0][rows], (bucket * values + value)[rows])), shape)


def _votes(matching: Any, weight: Floats, values: int) -> Floats:
    """Return the weight of each value for each person, shape (people, values)."""
    bucket, value = np.divmod(matching.col, values)
    each = matching.data * weight[matching.row, bucket]
    votes = np.bincount(matching.row * values + value, each, minlength=len(weight) * values)
    return np.asarray(votes.reshape(len(weight), values))


def singling_out(
    seen: Seen,
    classes: Ints,
    original: Exact,
    control: Exact,
    rng: np.random.Generator,
    attempts: int = 500,
) -> Score:
    """Return how much likelier a released description fits one original person than one other.

    Each attempt takes a released row and some of its quasi-identifiers, at least two where
    there are; the cells of that row are the description.

    Parameters
    ----------
    seen : Seen
    classes : int array, shape (released rows,)
        Rows that descriptions are taken from, by their class.
    original, control : dict of arrays
        Exact values, see `medlab.tabular.released_cells.exact_values`.
    rng : Generator
        Draws rows and columns.
    attempts : int

    Returns
    -------
    Score
        (member - control) / (1 - control), see `medlab.evaluation.attack_statistics.excess`.
    """
    rows = rng.integers(len(classes), size=attempts)
    columns = len(seen.scales)
    order = rng.permuted(np.tile(np.arange(columns), (attempts, 1)), axis=1)
    used = order < rng.integers(min(2, columns), columns + 1, size=attempts)[:, None]
    descriptions = seen.described(classes[rows], used)
    inside, outside = (
        (descriptions.fits(people) == 1).astype(np.float64) for people in (original, control)
    )
    return excess(inside, outside)


def membership(members: Floats, others: Floats) -> dict[str, Score]:
    """Return how well the distance to the nearest row tells members from others.

    Parameters
    ----------
    members, others : float arrays
        Distance to the nearest released row, of people in the release and of a control group.

    Returns
    -------
    dict
        AUC (0.5: nothing is told), and the share of members found where 1 % or 5 % of the
        others are taken for members; with fewer than 100 others 1 % is not given.
    """
    scores = {"membership AUC": auc(-members, -others)}
    for fpr in (0.01, 0.05):
        if len(others) * fpr >= 1:
            value = tpr_at(-members, -others, fpr)
            low, high = wilson(value * len(members), len(members))
            name = f"membership TPR at {fpr:.0%} FPR"
            scores[name] = Score(value, low, high, fpr, fpr)
    return scores


def with_copies(
    released: pd.DataFrame, original: pd.DataFrame, share: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Return a synthetic table with a share of its rows replaced by rows of the original.

    The positive control of attacks. None is copied twice as long as there are others, so a
    membership AUC of about 0.5 + 0.5 * (copies / originals) is the most that can be found.
    """
    count = round(share * len(released))
    columns = [name for name in released if name in original]
    copied = np.resize(rng.permutation(len(original)), count)
    kept = rng.permutation(len(released))[count:]
    both = [released.iloc[kept], original[columns].iloc[copied]]
    return pd.concat(both, ignore_index=True)


def population_uniqueness(sizes: Ints, population: int) -> float:
    """Return the estimated share of a population that is unique, from class sizes of a sample.

    Parameters
    ----------
    sizes : int array, shape (classes,)
        Class sizes in the sample.
    population : int
        People in the population, not fewer than in the sample.

    Returns
    -------
    float

    Notes
    -----
    Pitman's sampling formula, fitted by maximum likelihood; Hoshino, "Applying Pitman's
    sampling formula to microdata disclosure risk assessment", J. Official Statistics 17(4),
    2001. Of a population of N, N^alpha * G(theta + 1) / G(theta + alpha) are unique.
    """
    from scipy.optimize import minimize
    from scipy.special import gammaln

    n, classes = int(sizes.sum()), len(sizes)
    if classes == n:
        return 1.0
    larger, times = np.unique(sizes[sizes > 1], return_counts=True)

    def surprise(at: NDArray[np.float64]) -> float:
        alpha, theta = 1 / (1 + math.exp(-at[0])), math.exp(at[1])
        steps = np.log(theta + np.arange(1, classes) * alpha).sum()
        grown = (times * (gammaln(larger - alpha) - gammaln(1 - alpha))).sum()
        return float(gammaln(theta + n) - gammaln(theta + 1) - steps - grown)

    best = minimize(surprise, np.array([0.0, math.log(classes)]), method="Nelder-Mead")
    alpha, theta = 1 / (1 + math.exp(-best.x[0])), math.exp(best.x[1])
    log_share = (alpha - 1) * math.log(population) + gammaln(theta + 1) - gammaln(theta + alpha)
    return float(min(1.0, math.exp(log_share)))


class _Composition(NamedTuple):
    """What each release gives away, and both together.

    Attributes
    ----------
    people : int
        Persons of the original.
    k_first, k_second, k_both : int
        The fewest persons who fit the same classes.
    certain_first, certain_second, certain_both : int or None
        Persons of whom only one sensitive value is left; None without a sensitive column.
    right_both : int or None
        Those of `certain_both` for whom it is the true value.
    """

    people: int
    k_first: int
    k_second: int
    k_both: int
    certain_first: int | None
    certain_second: int | None
    certain_both: int | None
    right_both: int | None


def composition(
    original: pd.DataFrame,
    first: pd.DataFrame,
    second: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: str | None = None,
    *,
    subject: str | None = None,
    hierarchies: Hierarchies | None = None,
) -> _Composition:
    """Intersect what two releases say of each person.

    The attacker knows a person's quasi-identifiers exactly. He takes the classes that the
    person fits in each release, and the sensitive values that both still allow: the intersection
    attack of Ganta, Kasiviswanathan, Smith, "Composition Attacks and Auxiliary Information in
    Data Privacy", KDD 2008.

    Parameters
    ----------
    original : DataFrame, one row a record
    first, second : DataFrame
        Released tables in any order of rows, each with some of the quasi-identifiers.
    quasi : column names
    sensitive : str, optional
    subject : str, optional
        Column of `original` that tells whose row it is.
    hierarchies : mapping of str to DataFrame, optional
        A node of a column's hierarchy stands for the labels below it.

    Raises
    ------
    InputError
        A release that has none of the quasi-identifiers, or that some person fits nowhere.
    """
    original, subject = counted_by(original, subject)
    quasi, _ = check_columns(original, quasi, sensitive, subject=subject)
    persons = person_numbers(original, subject)
    owners = np.arange(len(original)) if persons is None else persons
    labels = pd.Index(original[sensitive].dropna().astype(object).unique() if sensitive else [])
    views = [
        _view(table, original, quasi, sensitive, labels, hierarchies) for table in (first, second)
    ]
    step = _chunk_rows(max(len(view.seen.sizes) for view in views))
    passes = [nearest(view.seen, exact_values(original, view.seen.scales), step) for view in views]
    pattern = np.zeros((2, len(original)), dtype=np.uint64)
    candidates = np.zeros((3, len(original)), dtype=np.int64)  # values still possible
    right = np.zeros(len(original), dtype=bool)
    truth = numbered(original[sensitive], labels) if sensitive else np.full(len(original), -1)
    for pair in zip(*passes, strict=True):
        here = pair[0].targets
        if max(near.distance.max() for near in pair) > SAME:
            raise InputError("a release was not made of these people: some fit none of its rows")
        possible = []
        for i, (near, view) in enumerate(zip(pair, views, strict=True)):
            pattern[i, here] = np.where(near.mask, view.marks, 0).sum(axis=1, dtype=np.uint64)
            possible.append(near.mask @ view.values > 0)
        both = possible[0] & possible[1]
        candidates[:, here] = [some.sum(axis=1) for some in (*possible, both)]
        right[here] = both[np.arange(len(both)), truth[here]] & (truth[here] >= 0)
    crowds = []  # the fewest persons who share the patterns of one release, the other, both
    for patterns in (pattern[:1], pattern[1:], pattern):
        group = np.unique(patterns, axis=1, return_inverse=True)[1]
        crowds.append(int(group_sizes(group.ravel(), owners).min()))
    certain = [len(np.unique(owners[some == 1])) for some in candidates]
    sure = len(np.unique(owners[(candidates[2] == 1) & right]))
    figures = [*certain, sure] if sensitive else [None] * 4
    return _Composition(len(np.unique(owners)), *crowds, *figures)


class _View(NamedTuple):
    """A release, the sensitive values that each class shows, and a mark for each class.

    Who fits the same classes has the same sum of marks, random 64-bit numbers.
    """

    seen: Seen
    values: Any
    marks: Array


def _view(
    table: pd.DataFrame,
    original: pd.DataFrame,
    quasi: Sequence[str],
    sensitive: str | None,
    labels: pd.Index,
    hierarchies: Hierarchies | None,
) -> _View:
    names = [name for name in quasi if name in table]
    if not names:
        raise InputError("a release has none of the quasi-identifiers; name some that it has")
    check_columns(table, names, as_names(sensitive))
    seen = see(table, scales_of(original, names, hierarchies), hierarchies=hierarchies)
    shape = len(table), max(len(labels), 1)
    rows = shares(table, sensitive, labels) if sensitive else sparse.csr_array(shape)
    marks = np.random.default_rng(0).integers(0, 1 << 63, len(seen.sizes), dtype=np.uint64)
    return _View(seen, _by_class(rows, seen.class_of, len(seen.sizes)), marks)
