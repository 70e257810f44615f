"""One release, measured: risks, attacks and utility as one tidy table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

import numpy as np
import pandas as pd
from scipy import sparse

from medlab.arrays import Floats, Ints
from medlab.errors import InputError
from medlab.evaluation import utility
from medlab.evaluation.attack_statistics import Score, excess, rate
from medlab.evaluation.release_attacks import (
    by_class,
    inferred,
    linkability,
    linked,
    membership,
    nearest,
    numbered,
    population_uniqueness,
    shares,
    singling_out,
    sliced,
    true_pairs,
)
from medlab.tabular import metrics
from medlab.tabular.column_roles import check_columns, counted_by
from medlab.tabular.metrics import NOT_APPLICABLE
from medlab.tabular.models import group_sizes, person_numbers
from medlab.tabular.release import Release, ReleaseKind
from medlab.tabular.released_cells import (
    SAME,
    TRUTHFUL,
    Exact,
    Scale,
    Seen,
    exact_values,
    in_order,
    scale,
    see,
)

_COLUMNS = ("group", "measure", "value", "low", "high", "baseline", "control", "note")
_AT_RISK = (0.2, 0.09, 0.05)
_LINKED_TARGETS = 500
_NOTES = {
    "kind": "makes no sense for a release of the kind {kind}",
    "control": "needs a control group",
    "register": "needs a register that has some of the quasi-identifiers",
    "sensitive": "needs a sensitive column",
    "two": "needs two quasi-identifiers",
}
_NO_ORDER = (
    "the rows stand in another order than the original's: whom a row fits counts as its person"
)
_CLASSED = (*TRUTHFUL, "aggregate")


class _People(NamedTuple):
    """People and their exact quasi-identifiers.

    Attributes
    ----------
    table : DataFrame
    exact : dict of arrays
        See `medlab.tabular.released_cells.exact_values`.
    """

    table: pd.DataFrame
    exact: Exact

    def take(self, rows: Ints) -> _People:
        """Return some of them."""
        exact = {name: values[rows] for name, values in self.exact.items()}
        return _People(self.table.iloc[rows], exact)


@dataclass(frozen=True)
class _Case:
    """What is measured: the tables, read once.

    Attributes
    ----------
    kind : str
        Of the release, see `medlab.tabular.Release`.
    original, control, register : People or None
    sensitive : str or None
    scales : list of Scale
    seen : Seen
        The released classes.
    posterior : sparse array, shape (released rows, values)
    labels : Index
        Values of the sensitive column, the most frequent first.
    owners : int array
        The person of each row of the original.
    release : Release or None
        What more the release says: sensitive table of Anatomy, groups of slicing.
    aligned : bool
        Whether released row i is made of original row i.
    """

    kind: str
    original: _People
    control: _People | None
    register: _People | None
    sensitive: str | None
    scales: list[Scale]
    seen: Seen
    posterior: sparse.csr_array
    labels: pd.Index
    owners: Ints
    release: Release | None
    aligned: bool


class _Attacked(NamedTuple):
    """What the attacks reach on each target."""

    linked: Floats
    inferred: Floats
    distance: Floats


def evaluate(
    original: pd.DataFrame,
    released: pd.DataFrame | Release,
    quasi: Sequence[str] | str,
    sensitive: str | None = None,
    control: pd.DataFrame | None = None,
    register: pd.DataFrame | None = None,
    rng: np.random.Generator | None = None,
    *,
    kind: str = "generalized",
    subject: str | None = None,
    targets: int = 5000,
) -> pd.DataFrame:
    """Attack a release and measure what it is still good for.

    Parameters
    ----------
    original : DataFrame, one row a record
        Before. Its columns say how numbers and labels are measured.
    released : DataFrame or Release
        After: released row i is made of original row i, unless the kind is "synthetic". Where
        a generalized release stands in another order, a person's rows are those that he fits.
    quasi : column names
        What an attacker knows of a person.
    sensitive : str, optional
        What he wants to know.
    control : DataFrame, optional
        People of the same population who were not released. Without it, attacks on
        attributes, membership and singling out cannot be told from ordinary statistics, and
        say "n/a".
    register : DataFrame, optional
        People an attacker knows by name, with some of the quasi-identifiers.
    rng : Generator, optional
        Draws queries, descriptions and, of large tables, targets. Default: seed 0.
    kind : str
        What kind of release a DataFrame is; a Release brings its own.
    subject : str, optional
        Column of `original`, and of the register if it has it, that tells whose row it is;
        without it a direct identifier that repeats, such as PatientID. A link then counts when
        it meets any row of the person.
    targets : int
        At most so many rows of the original and of the control group are attacked.

    Returns
    -------
    DataFrame
        One row a measure: ``group`` (risk, attack, utility), ``measure``, ``value``, ``low``,
        ``high`` (95 % interval), ``baseline`` (without the release; of utility: the
        untouched table), ``control``, ``note``. A value is "n/a" where a measure makes no
        sense for the kind of the release or a table is missing; the note says which.

    Raises
    ------
    InputError
        Different numbers of rows; a column in two roles; an unknown kind; a release that cannot
        have been made of these rows in this order.
    MissingError
        A column that a table does not have.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    case = _case(original, released, quasi, sensitive, (control, register), kind, subject)
    groups = (
        ("risk", _risks(case)),
        ("attack", _attacks(case, rng, targets)),
        ("utility", _utility(case, rng)),
    )
    rows = [
        _row(group, name, score, case.kind, in_order=case.aligned)
        for group, found in groups
        for name, score in found
    ]
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _case(
    original: pd.DataFrame,
    released: pd.DataFrame | Release,
    quasi: Sequence[str] | str,
    sensitive: str | None,
    others: tuple[pd.DataFrame | None, pd.DataFrame | None],
    kind: str,
    subject: str | None,
) -> _Case:
    release = released if isinstance(released, Release) else None
    table = released.table if isinstance(released, Release) else released
    kind = release.kind if release else kind
    control, register = others
    original, subject = counted_by(original, subject)
    quasi, _ = check_columns(original, quasi, sensitive, subject=subject)
    _check_tables(original, table, control, (quasi, sensitive), kind)
    if register is not None and subject in register:
        columns = [name for name in quasi if name in register]
        register = register.drop_duplicates([subject, *columns])
    scales = [scale(original[name]) for name in quasi]
    seen = see(table, scales, None if kind == "synthetic" else original)
    labels = pd.Index(original[sensitive].astype(object).value_counts().index if sensitive else [])
    posterior = sparse.csr_array((len(table), max(len(labels), 1)))
    if sensitive and (release is None or kind == "anatomized" or sensitive in table):
        posterior = shares(table, sensitive, labels, release)
    persons = person_numbers(original, subject)
    owners = np.arange(len(original)) if persons is None else persons
    exact = exact_values(original, scales)
    some = [
        None if one is None else _People(one, exact_values(one, scales))
        for one in (control, register)
    ]
    return _Case(
        kind=kind,
        original=_People(original, exact),
        control=some[0],
        register=some[1],
        sensitive=sensitive,
        scales=scales,
        seen=seen,
        posterior=posterior,
        labels=labels,
        owners=owners,
        release=release,
        aligned=kind != "synthetic" and in_order(seen, exact, owners, kind),
    )


def _check_tables(
    original: pd.DataFrame,
    table: pd.DataFrame,
    control: pd.DataFrame | None,
    columns: tuple[Sequence[str], str | None],
    kind: str,
) -> None:
    """Refuse tables that cannot be compared; see `evaluate`."""
    quasi, sensitive = columns
    if kind not in get_args(ReleaseKind):
        raise InputError(f"no such kind of release; choose of {', '.join(get_args(ReleaseKind))}")
    check_columns(table, quasi)
    if kind != "synthetic" and len(table) != len(original):
        raise InputError(
            f"{len(original)} original and {len(table)} released rows; give the same rows in "
            "the same order, or say kind='synthetic'"
        )
    if control is not None:
        check_columns(control, quasi, sensitive)
    if sensitive and original[sensitive].isna().all():
        raise InputError(f"{sensitive} is missing in every row; name another sensitive column")


def _sample(rows: int, most: int, rng: np.random.Generator) -> Ints:
    return np.arange(rows) if rows <= most else np.sort(rng.choice(rows, most, replace=False))


def _row(
    group: str, name: str, score: Score | str, kind: str, *, in_order: bool
) -> tuple[Any, ...]:
    if isinstance(score, str):
        note = _NOTES.get(score, score).format(kind=kind)
        return group, name, NOT_APPLICABLE, math.nan, math.nan, math.nan, math.nan, note
    if math.isnan(score.value):
        return group, name, NOT_APPLICABLE, *score[1:], "could not be measured"
    return group, name, *score, _NO_ORDER if name == "linkage" and not in_order else ""


def _risks(case: _Case) -> Iterator[tuple[str, Score | str]]:
    names = ("k", "prosecutor max", "prosecutor mean", "uniqueness")
    if case.kind not in _CLASSED:
        for name in (*names, *map(_at_risk, _AT_RISK), "population uniqueness", *_WITH_REGISTER):
            yield name, "kind"
        return
    figures = metrics.class_figures(case.seen.class_of, case.owners)
    for name in names:
        yield name, Score(float(figures[name.replace(" ", "_")]))
    people = group_sizes(case.seen.class_of, case.owners)[case.seen.class_of]
    for share in _AT_RISK:
        yield _at_risk(share), Score(float((1 / people > share).mean()))
    yield from _register_risks(case)


def _at_risk(share: float) -> str:
    return f"records at risk above {share:g}"


_WITH_REGISTER = ("journalist max", "journalist mean", "marketer")


def _register_risks(case: _Case) -> Iterator[tuple[str, Score | str]]:
    """Yield what an attacker with a register may hope for.

    He uses the columns that the register has.
    """
    register = case.register
    if register is None or not register.exact:
        for name in ("population uniqueness", *_WITH_REGISTER):
            yield name, "register"
        return
    seen = case.seen.only(list(register.exact))
    crowd = group_sizes(seen.class_of, case.owners)
    population = max(len(register.table), int(crowd.sum()))
    yield "population uniqueness", Score(population_uniqueness(crowd, population))
    if case.kind not in TRUTHFUL:
        for name in _WITH_REGISTER:
            yield name, "kind"
        return
    _, people = metrics.people_of(seen, register.exact, case.owners)
    marketer = metrics.marketer(seen, people)
    mean = max(marketer, len(people) / float(people.sum()))
    yield "journalist max", Score(float(1 / people.min()))
    yield "journalist mean", Score(mean)
    yield "marketer", Score(marketer)


def _attack(case: _Case, people: _People, owners: Ints) -> _Attacked:
    """Run the attacks that need the nearest rows, in one pass over the targets."""
    seen, count = case.seen, len(people.table)
    row_owners = case.owners if case.aligned else np.empty(0, dtype=np.int64)
    pairs = true_pairs(owners, row_owners)
    posterior = by_class(case.posterior, seen.class_of, len(seen.sizes))
    truth = np.full(count, -1)
    if case.sensitive:
        truth = numbered(people.table[case.sensitive], case.labels)
    results = _Attacked(*(np.empty(count) for _ in _Attacked._fields))
    for near in nearest(seen, people.exact):
        results.linked[near.targets] = (
            linked(near, seen, pairs) if case.aligned else 1 / (near.mask @ seen.sizes)
        )
        results.inferred[near.targets] = inferred(near, posterior, truth)
        results.distance[near.targets] = near.distance
    if case.release is not None and case.kind == "sliced" and case.sensitive:
        cells = exact_values(case.release.table, case.scales)
        known = {name: (cells[name], values) for name, values in people.exact.items()}
        chance, matched = sliced(case.release, known, case.sensitive, case.labels, truth)
        results.inferred[matched] = chance[matched]
    return results


def _attacks(
    case: _Case, rng: np.random.Generator, most: int
) -> Iterator[tuple[str, Score | str]]:
    everybody = len(case.original.table)
    rows = _sample(everybody, most, rng)
    targets = case.original.take(rows)
    members = _attack(case, targets, case.owners[rows])
    if case.kind != "synthetic":
        fits = members.distance <= SAME
        if not case.aligned and not fits.all():
            raise InputError(
                f"{int((~fits).sum())} original rows fit no released row: it is no generalized "
                "release of them; check the files, or say how it was made (kind)"
            )
        yield "linkage", rate(members.linked, baseline=1 / everybody)
        own = (members.linked > 0) & fits
        yield "own row fits exactly", rate(own)
    else:
        yield "linkage", "kind"
        yield "own row fits exactly", "kind"
    if case.control is None:
        yield from _without_control(case, members)
        return
    control = case.control.take(_sample(len(case.control.table), most, rng))
    others = _attack(case, control, np.full(len(control.table), -1))
    yield from _inference(case, members, others)
    yield from membership(members.distance, others.distance).items()
    yield "singling out", _singling_out(case, case.control, rng)
    yield "linkability", _linkability(case, targets, control, rng)


def _singling_out(case: _Case, control: _People, rng: np.random.Generator) -> Score:
    """Single out among as many originals as there are others: chance is the same for both."""
    counts = [len(some.table) for some in (case.original, control)]
    rows, others = (_sample(count, min(counts), rng) for count in counts)
    spelled = case.seen.cells.iloc[
        case.seen.class_of[rows] if case.aligned else case.seen.class_of
    ]
    exact = case.original.take(rows).exact, control.take(others).exact
    return singling_out(spelled, *exact, case.scales, rng)


def _without_control(case: _Case, members: _Attacked) -> Iterator[tuple[str, Score | str]]:
    if case.sensitive:
        yield "inference", rate(members.inferred, baseline=_majority(case))
    else:
        yield "inference", "sensitive"
    names = ("inference leak", "membership AUC", "membership TPR at 1% FPR")
    for name in (*names, "membership TPR at 5% FPR", "singling out", "linkability"):
        yield name, "control"


def _majority(case: _Case) -> float:
    return float(case.original.table[case.sensitive].value_counts(normalize=True).iloc[0])


def _inference(
    case: _Case, members: _Attacked, others: _Attacked
) -> Iterator[tuple[str, Score | str]]:
    if not case.sensitive:
        yield "inference", "sensitive"
        yield "inference leak", "sensitive"
        return
    control = float(others.inferred.mean())
    yield "inference", rate(members.inferred, _majority(case), control)
    yield "inference leak", excess(members.inferred, others.inferred)


def _linkability(
    case: _Case, people: _People, control: _People, rng: np.random.Generator
) -> Score | str:
    names = [part.name for part in case.scales]
    if len(names) < 2:
        return "two"
    halves = names[::2], names[1::2]
    some = (
        part.take(_sample(len(part.table), _LINKED_TARGETS, rng)) for part in (people, control)
    )
    return excess(*(linkability(case.seen, part.exact, halves) for part in some))


def _utility(case: _Case, rng: np.random.Generator) -> Iterator[tuple[str, Score | str]]:
    if case.kind in TRUTHFUL:
        cells = case.seen.loss()[case.seen.class_of]
        yield "GCP", Score(float(cells.mean()), baseline=0.0)
    else:
        yield "GCP", "kind"
    if not case.sensitive:
        for name in ("query error", "coefficient bias", "interval overlap", "prediction AUC"):
            yield name, "sensitive"
        return
    released = utility.read(case.seen, case.posterior)
    original = _exact(case, case.original)
    yield "query error", utility.query_error(original, released, rng)
    yield from utility.regression(original, released).items()
    if case.control is None:
        yield "prediction AUC", "control"
    else:
        yield "prediction AUC", utility.prediction(original, released, _exact(case, case.control))
    far = utility.distances(original, released, case.seen)
    yield "distribution distance", Score(float(np.mean(list(far.values()))), baseline=0.0)
    for name, value in far.items():
        yield f"distribution distance of {name}", Score(value, baseline=0.0)
    rows = case.kind != "anatomized"  # its sensitive values stand in a table of their own
    apart = Score(utility.telling_apart(original, released), baseline=0.0) if rows else "kind"
    yield "pMSE", apart


def _exact(case: _Case, people: _People) -> utility.Reading:
    """Return an untouched table as an analyst reads it."""
    assert case.sensitive is not None
    values = shares(people.table, case.sensitive, case.labels)
    return utility.read_exact(case.scales, people.exact, values)
