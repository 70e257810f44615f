"""One release, measured: risks, attacks and utility as one tidy table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

import numpy as np
import pandas as pd
from scipy import sparse

from medlab.arrays import Ints
from medlab.errors import InputError
from medlab.evaluation import utility
from medlab.evaluation.attack_statistics import Score, excess, rate
from medlab.evaluation.release_attacks import (
    Attacked,
    attack,
    linkability,
    membership,
    numbered,
    population_uniqueness,
    shares,
    singling_out,
    sliced,
)
from medlab.tabular import metrics
from medlab.tabular.column_roles import check_columns, counted_by
from medlab.tabular.counts import group_sizes, person_numbers
from medlab.tabular.metrics import NOT_APPLICABLE
from medlab.tabular.release import Release, ReleaseKind
from medlab.tabular.released_cells import (
    SAME,
    TRUTHFUL,
    Exact,
    Scale,
    Seen,
    exact_values,
    in_order,
    scales_of,
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
class Truth:
    """What every release of one table is compared with, read once.

    Attributes
    ----------
    original, control, register : People or None
    sensitive : str or None
    scales : list of Scale
    labels : Index
        Values of the sensitive column, the most frequent first.
    owners : int array
        The person of each row of the original.
    readings : tuple
        The original and the control group as an analyst reads them; None without a sensitive
        column.
    prediction : float
        How well the original predicts the control group.
    """

    original: _People
    control: _People | None
    register: _People | None
    sensitive: str | None
    scales: list[Scale]
    labels: pd.Index
    owners: Ints
    readings: tuple[utility.Reading | None, utility.Reading | None]
    prediction: float


@dataclass(frozen=True, kw_only=True)
class _Case(Truth):
    """What is measured: a release beside the truth.

    Attributes
    ----------
    kind : str
        Of the release, see `medlab.tabular.Release`.
    seen : Seen
        The released classes.
    posterior : sparse array, shape (released rows, values)
    release : Release or None
        What more the release says: sensitive table of Anatomy, groups of slicing.
    aligned : bool
        Whether released row i is made of original row i.
    """

    kind: str
    seen: Seen
    posterior: sparse.csr_array
    release: Release | None
    aligned: bool


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
    return judge(
        truth(original, quasi, sensitive, control, register, subject), released, rng, kind, targets
    )


def judge(
    truth: Truth,
    released: pd.DataFrame | Release,
    rng: np.random.Generator,
    kind: str = "generalized",
    targets: int = 5000,
) -> pd.DataFrame:
    """Do what `evaluate` does, with what was read of the original before."""
    case = _case(truth, released, kind)
    groups = (
        ("risk", _risks(case)),
        ("attack", _attacks(case, rng, targets)),
        ("utility", _utility(case, rng)),
    )
    rows = [
        _row(group, name, score, case.kind, in_order=case.aligned)
        for group, scores in groups
        for name, score in scores
    ]
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def truth(
    original: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: str | None = None,
    control: pd.DataFrame | None = None,
    register: pd.DataFrame | None = None,
    subject: str | None = None,
) -> Truth:
    """Read what every release of one table is compared with; see `evaluate`."""
    original, subject = counted_by(original, subject)
    quasi, _ = check_columns(original, quasi, sensitive, subject=subject)
    if control is not None:
        check_columns(control, quasi, sensitive)
    if sensitive and original[sensitive].isna().all():
        raise InputError(f"{sensitive} is missing in every row; name another sensitive column")
    if register is not None and subject in register:
        columns = [name for name in quasi if name in register]
        register = register.drop_duplicates([subject, *columns])
    scales = scales_of(original, quasi)
    labels = pd.Index(original[sensitive].astype(object).value_counts().index if sensitive else [])
    persons = person_numbers(original, subject)
    people = [
        None if table is None else _People(table, exact_values(table, scales))
        for table in (original, control, register)
    ]
    first, second = (
        utility.read_exact(scales, some.exact, shares(some.table, sensitive, labels))
        if some and sensitive
        else None
        for some in people[:2]
    )
    assert people[0] is not None
    return Truth(
        original=people[0],
        control=people[1],
        register=people[2],
        sensitive=sensitive,
        scales=scales,
        labels=labels,
        owners=np.arange(len(original)) if persons is None else persons,
        readings=(first, second),
        prediction=utility.prediction(first, second) if first and second else math.nan,
    )


def _case(truth: Truth, released: pd.DataFrame | Release, kind: str) -> _Case:
    release = released if isinstance(released, Release) else None
    table = released.table if isinstance(released, Release) else released
    kind = release.kind if release else kind
    original, sensitive = truth.original.table, truth.sensitive
    if kind not in get_args(ReleaseKind):
        raise InputError(f"no such kind of release; choose of {', '.join(get_args(ReleaseKind))}")
    check_columns(table, [scale.name for scale in truth.scales])
    if kind != "synthetic" and len(table) != len(original):
        raise InputError(
            f"{len(original)} original and {len(table)} released rows; give the same rows in "
            "the same order, or say kind='synthetic'"
        )
    seen = see(table, truth.scales, None if kind == "synthetic" else original)
    posterior = sparse.csr_array((len(table), max(len(truth.labels), 1)))
    if sensitive and (release is None or kind == "anatomized" or sensitive in table):
        posterior = shares(table, sensitive, truth.labels, release)
    return _Case(
        **vars(truth),
        kind=kind,
        seen=seen,
        posterior=posterior,
        release=release,
        aligned=kind != "synthetic" and in_order(seen, truth.original.exact, truth.owners, kind),
    )


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
    figures = metrics.register_risks(seen, register.exact, case.owners)
    for name in _WITH_REGISTER:
        yield name, Score(figures[name.replace(" ", "_")])


def _attack(case: _Case, people: Sequence[tuple[_People, Ints]]) -> list[Attacked]:
    """Run the attacks that need the nearest rows on groups of people, with the owner of each."""
    seen, owners = case.seen, np.concatenate([owner for _, owner in people])
    exact = _joined([some for some, _ in people])
    truth = np.full(len(owners), -1)
    if case.sensitive:
        columns = [some.table[case.sensitive].astype(object) for some, _ in people]
        truth = numbered(pd.concat(columns), case.labels)
    row_owners = case.owners if case.aligned else None
    results = attack(seen, exact, owners, row_owners, case.posterior, truth)
    if case.release is not None and case.kind == "sliced" and case.sensitive:
        cells = exact_values(case.release.table, case.scales)
        facts = {name: (cells[name], values) for name, values in exact.items()}
        chance, matched = sliced(case.release, facts, case.sensitive, case.labels, truth)
        results.inferred[matched] = chance[matched]
    ends = np.cumsum([len(owner) for _, owner in people])[:-1]
    return [
        Attacked(*parts) for parts in zip(*(np.split(some, ends) for some in results), strict=True)
    ]


def _joined(people: Sequence[_People]) -> Exact:
    """Return the exact values of several groups of people, one after the other."""
    return {
        name: np.concatenate([some.exact[name] for some in people]) for name in people[0].exact
    }


def _attacks(
    case: _Case, rng: np.random.Generator, most: int
) -> Iterator[tuple[str, Score | str]]:
    everybody = len(case.original.table)
    rows = _sample(everybody, most, rng)
    groups = [(case.original.take(rows), case.owners[rows])]
    if case.control is not None:
        control = case.control.take(_sample(len(case.control.table), most, rng))
        groups.append((control, np.full(len(control.table), -1)))
    members, *others = _attack(case, groups)
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
    yield from _inference(case, members, others[0])
    yield from membership(members.distance, others[0].distance).items()
    yield "singling out", _singling_out(case, case.control, rng)
    yield "linkability", _linkability(case, [some for some, _ in groups], rng)


def _singling_out(case: _Case, control: _People, rng: np.random.Generator) -> Score:
    """Single out among as many originals as there are others: chance is the same for both."""
    counts = [len(some.table) for some in (case.original, control)]
    rows, others = (_sample(count, min(counts), rng) for count in counts)
    classes = case.seen.class_of[rows] if case.aligned else case.seen.class_of
    exact = case.original.take(rows).exact, control.take(others).exact
    return singling_out(case.seen, classes, *exact, rng)


def _without_control(case: _Case, members: Attacked) -> Iterator[tuple[str, Score | str]]:
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
    case: _Case, members: Attacked, others: Attacked
) -> Iterator[tuple[str, Score | str]]:
    if not case.sensitive:
        yield "inference", "sensitive"
        yield "inference leak", "sensitive"
        return
    control = float(others.inferred.mean())
    yield "inference", rate(members.inferred, _majority(case), control)
    yield "inference leak", excess(members.inferred, others.inferred)


def _linkability(case: _Case, people: Sequence[_People], rng: np.random.Generator) -> Score | str:
    names = [part.name for part in case.scales]
    if len(names) < 2:
        return "two"
    some = [part.take(_sample(len(part.table), _LINKED_TARGETS, rng)) for part in people]
    chance = linkability(case.seen, _joined(some), (names[::2], names[1::2]))
    return excess(*np.split(chance, [len(some[0].table)]))


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
    original = case.readings[0]
    assert original is not None
    yield "query error", utility.query_error(original, released, rng)
    yield from utility.regression(original, released).items()
    if case.control is None:
        yield "prediction AUC", "control"
    else:
        assert case.readings[1] is not None
        learned = utility.prediction(released, case.readings[1])
        yield "prediction AUC", Score(learned, baseline=case.prediction)
    far = utility.distances(original, released, case.seen)
    yield "distribution distance", Score(float(np.mean(list(far.values()))), baseline=0.0)
    for name, value in far.items():
        yield f"distribution distance of {name}", Score(value, baseline=0.0)
    rows = case.kind != "anatomized"  # its sensitive values stand in a table of their own
    apart = Score(utility.telling_apart(original, released), baseline=0.0) if rows else "kind"
    yield "pMSE", apart
