"""Noisy answers about the patients of a table, and the budget that they are paid from.

Bounds and categories are arguments, never read off the data: what follows from the data is an
answer that was not paid for. All noise is integer Laplace, on a grid where values are not whole.
A budget is that of one table towards one reader, in exact fractions; its ledger lasts.
"""

from __future__ import annotations

import hmac
import json
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from medlab.arrays import Indices, Ints
from medlab.crypto.keys import keyed_digest, load_key, named_key_file
from medlab.disk import alone, appearing
from medlab.dp import noise
from medlab.errors import InputError, KindError, MissingError, RefusedError, UsageError

#: A number, or its decimal text.
_Amount = float | Fraction | str
#: Below, an answer is nothing but noise; above, a budget is none.
_EPSILONS = (1e-15, 1e12)
_DELTAS = (0.0, np.nextafter(1.0, 0.0))
_MOST_CONTRIBUTIONS = 1_000_000
#: A delta near 1 / patients allows a release that shows one of them as they are.
LARGEST_DELTA = 0.001


class Meter:
    """A budget that answers spend, and what a patient may contribute to each of them.

    Parameters
    ----------
    epsilon : float
        What all answers together may cost. Two readers who share answers share one budget.
    delta : float
        0 for the answers of `queries`, whose guarantee is pure.
    subject : str or None
        The column that tells whose row it is; None takes each row for a patient.
    contributions : int
        The most rows that are kept of a patient, chosen by chance anew for each answer.

    Raises
    ------
    InputError
        A number out of its range.

    Notes
    -----
    Sums are exact fractions of the decimal text of a number: three spends of .4, .4 and .2 are
    1, which they are not in floats. Sequential composition: Dwork, Roth, "The algorithmic
    foundations of differential privacy", 2014, theorem 3.16.

    Examples
    --------
    >>> meter = Meter(1)
    >>> for epsilon in (0.4, 0.4, 0.2):
    ...     meter.spend(epsilon)
    >>> meter.left
    0.0
    """

    def __init__(
        self,
        epsilon: _Amount,
        *,
        delta: _Amount = 0.0,
        subject: str | None = "PatientID",
        contributions: int = 1,
    ) -> None:
        if isinstance(contributions, bool) or not isinstance(contributions, int | np.integer):
            raise KindError("contributions is a whole number of rows, 1 or more")
        if not 1 <= contributions <= _MOST_CONTRIBUTIONS:
            raise InputError(
                f"contributions must be 1 to {_MOST_CONTRIBUTIONS:,} rows of a patient"
            )
        self.subject, self.contributions = subject, int(contributions)
        self._budget = exact(epsilon, "epsilon"), exact(delta, "delta")
        self._spent = Fraction(0), Fraction(0)

    @property
    def spent(self) -> float:
        """Epsilon of all answers so far."""
        return float(self._spent[0])

    @property
    def left(self) -> float:
        """Epsilon that can still be spent, to the last digit."""
        return float(self._budget[0] - self._spent[0])

    def spend(self, epsilon: _Amount, delta: _Amount = 0.0) -> None:
        """Take the cost of an answer from the budget.

        Raises
        ------
        RefusedError
            If that is more than what is left; nothing is spent then.
        """
        cost, chance = exact(epsilon, "epsilon"), exact(delta, "delta")
        rest = self._budget[0] - self._spent[0]
        if float(cost) == float(rest):  # `left` is rounded: who asks for it means all of it
            cost = rest
        spent = self._spent[0] + cost, self._spent[1] + chance
        if spent[0] > self._budget[0]:
            raise RefusedError(
                f"this costs epsilon {float(cost):g}, and {float(rest):g} of "
                f"{float(self._budget[0]):g} is left; nothing was spent"
            )
        if spent[1] > self._budget[1]:
            raise RefusedError("this costs more delta than is left; nothing was spent")
        self._spent = spent

    def rows(self, table: pd.DataFrame) -> Indices:
        """Return the places of the rows that are kept: of each patient `contributions` at most.

        Raises
        ------
        KindError, MissingError, InputError
            No DataFrame; no subject column; an empty table, or a row that is nobody's.
        """
        if not isinstance(table, pd.DataFrame):
            raise KindError("a table is a pandas DataFrame")
        if table.empty:
            raise InputError("the table has no rows")
        if self.subject is None:
            return np.arange(len(table))
        codes, people = pd.factorize(_column_of(table, self.subject))
        if (codes < 0).any():
            raise InputError("a row without a patient; the subject column has missing cells")
        if len(people) == len(codes):
            return np.arange(len(codes))
        order = np.random.default_rng().permutation(len(codes))
        order = order[np.argsort(codes[order], kind="stable")]
        place = np.arange(len(codes))
        first = np.r_[True, np.diff(codes[order]) != 0]
        return order[place - np.maximum.accumulate(np.where(first, place, 0)) < self.contributions]


class Ledger(Meter):
    """A meter that remembers in a file (mode 0600) what was spent on a table file.

    Each line of the file is sealed together with the line before, under a key, and the last
    one tells that it is the last. A copy of an older state that is put back is not noticed.

    Parameters
    ----------
    path : Path
        The ledger. It is made by the first spend.
    table_file : Path
        The ledger is bound to its bytes.
    epsilon : float, optional
        The budget; needed as long as there is no ledger, and never changed.
    key_file : Path, optional
        Else the file named by ``MEDLAB_KEY_FILE``, else ``PATH.key``, made with the ledger.
    **unit
        Subject and contributions, see `Meter`.

    Raises
    ------
    UsageError
        No ledger yet, and no budget; no folder to put it in.
    RefusedError
        A ledger of another table or budget, cut or edited.
    """

    def __init__(
        self,
        path: Path,
        table_file: Path,
        epsilon: _Amount | None = None,
        *,
        key_file: Path | None = None,
        **unit: Any,
    ) -> None:
        self.path, self._table_file, self._key_file = path, table_file, key_file
        if not path.parent.is_dir():
            raise UsageError("the folder of the ledger does not exist; make it first")
        if named_key_file(key_file):
            self._key()  # a key that is named is there, before anything is made
        entries = self._entries()
        if not entries and epsilon is None:
            raise UsageError("the first call sets the budget of the table; give one (--budget)")
        budget = Fraction(entries[0]["budget"]) if epsilon is None else epsilon
        super().__init__(budget, delta=LARGEST_DELTA, **unit)
        self._go_on(entries)

    def spend(self, epsilon: _Amount, delta: _Amount = 0.0) -> None:
        """Take the cost of an answer from the budget, and write that down."""
        if not self.path.exists():  # a first call that is refused leaves nothing behind
            Meter(self._budget[0], delta=self._budget[1]).spend(epsilon, delta)
        with alone(_beside(self.path, "lock")):
            entries = self._entries()
            self._go_on(entries)
            super().spend(epsilon, delta)
            first = {"table": self._digest(), "budget": str(self._budget[0])}
            spent = {"epsilon": str(self._spent[0]), "delta": str(self._spent[1])}
            with appearing(self.path, mode=0o600) as part:
                part.write_bytes(_sealed([*(entries or [first]), spent], self._key()))

    def _go_on(self, entries: list[dict[str, str]]) -> None:
        """Set what was spent so far: budget and table come first, then the sums of each answer."""
        if entries and Fraction(entries[0]["budget"]) != self._budget[0]:
            raise RefusedError(
                f"the ledger has a budget of {float(Fraction(entries[0]['budget'])):g}, "
                "set by its first call; leave the budget out"
            )
        if entries:
            self._spent = Fraction(entries[-1]["epsilon"]), Fraction(entries[-1]["delta"])

    def _entries(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        try:
            content = self.path.read_bytes()
            lines = content.decode("ascii").splitlines()
            entries = [json.loads(line.partition(" ")[2]) for line in lines[:-1]]
            sound = hmac.compare_digest(_sealed(entries, self._key()), content)
        except (OSError, ValueError, RecursionError):
            sound = False
        if not sound:
            raise RefusedError("the ledger was cut or edited, or this is not its key")
        if entries[0]["table"] != self._digest():
            raise RefusedError("the ledger belongs to another table; each has one of its own")
        return entries

    def _key(self) -> bytes:
        """Return the key, which is made only where there is no ledger yet."""
        own = _beside(self.path, "key")
        made = own.exists() or not self.path.exists()
        return load_key(self._key_file, fallback=own if made else None)

    def _digest(self) -> str:
        if not self._table_file.is_file():
            raise UsageError("the table file does not exist; give the path of a table")
        return keyed_digest(self._key(), "dp table", self._table_file.read_bytes()).hex()


def exact(number: Any, name: str) -> Fraction:
    """Return epsilon or delta as the fraction that its decimal text is.

    Parameters
    ----------
    number : float, Fraction or str
    name : {"epsilon", "delta"}

    Raises
    ------
    InputError
        No number; an epsilon not within 1e-15 and 1e12, a delta not from 0 to below 1.
    """
    low, high = _EPSILONS if name == "epsilon" else _DELTAS
    try:
        if low <= float(number) <= high:
            return Fraction(str(number))
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{name} must be a number from {low:g} to {high:g}")


def _column_of(table: pd.DataFrame, name: str) -> pd.Series[Any]:
    """Return a column; MissingError if there is none, InputError if there are two of the name."""
    if name not in table:
        raise MissingError(f"no column {name}; the table has {', '.join(map(str, table))}")
    values = table[name]
    if isinstance(values, pd.DataFrame):
        raise InputError(f"two columns are named {name}; rename one of them")
    return values


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}.{suffix}")


def _sealed(entries: list[dict[str, str]], key: bytes) -> bytes:
    """Return the content of a ledger: a line an entry, each sealed with those before it."""
    seal, lines = b"", []
    for entry in [*entries, {"entries": len(entries)}]:
        text = json.dumps(entry)
        seal = keyed_digest(key, "dp ledger", seal, text)
        lines.append(f"{seal.hex()} {text}\n")
    return "".join(lines).encode("ascii")


_Bounds = tuple[float, float]  # low, high
_MOST_CELLS = 100_000  # of noise: 0.7 s
_GRID_BITS = 30  # a bound is 2**30 steps at most, so that the sum of 2**33 rows fits into 64 bits
_LARGEST_BOUND = 2.0**53  # up to here each whole number is a float


class Answer(NamedTuple):
    """A noisy answer.

    Attributes
    ----------
    value : number, Series or DataFrame
        Counts are whole and may be negative.
    scale : float
        Of the noise: of the total for a mean; of the scores, in rows, for a quantile.
    error : float
        Expected absolute error, of a cell if there are several. For a mean, as the noisy count
        has it; for a quantile, in rows, the most that it can be.
    epsilon : float
        What it cost.
    """

    value: Any
    scale: float
    error: float
    epsilon: float


def count(table: pd.DataFrame, meter: Meter, epsilon: _Amount) -> Answer:
    """Return the number of rows, of each patient as many as the meter keeps.

    Parameters
    ----------
    table : DataFrame
        With the subject column of the meter.
    meter : Meter
    epsilon : float
        What this answer may cost.

    Raises
    ------
    RefusedError
        If the budget does not hold it; nothing is spent then.
    InputError, MissingError, KindError
        A table or argument that cannot be used; nothing is spent then.
    """
    answer = _counts(np.array([len(meter.rows(table))]), meter, epsilon)
    return answer._replace(value=int(answer.value[0]))


def histogram(
    table: pd.DataFrame, column: str, categories: Sequence[Any], meter: Meter, epsilon: _Amount
) -> Answer:
    """Return the number of rows of each category, as a Series; it costs epsilon once.

    Parameters
    ----------
    table, meter, epsilon
        See `count`.
    column : str
    categories : sequence
        Compared as text. Other cells are counted nowhere.
    """
    cells, (labels,) = _cells(table, [column], [categories], meter)
    answer = _counts(cells, meter, epsilon)
    return answer._replace(value=pd.Series(answer.value, labels, name=column))


def contingency(
    table: pd.DataFrame,
    columns: Sequence[str],
    categories: Sequence[Sequence[Any]] | Mapping[str, Sequence[Any]],
    meter: Meter,
    epsilon: _Amount,
) -> Answer:
    """Return the number of rows of each pair of categories; it costs epsilon once.

    Parameters
    ----------
    table, meter, epsilon
        See `count`.
    columns : sequence of two str
        That of the rows of the answer, and that of its columns.
    categories : sequence of two sequences, or mapping of column to sequence
        See `histogram`.
    """
    if isinstance(columns, str) or len(columns) != 2:
        raise InputError("a contingency table is of two columns")
    if isinstance(categories, Mapping):
        categories = [categories.get(name, ()) for name in columns]
    cells, labels = _cells(table, columns, categories, meter)
    answer = _counts(cells, meter, epsilon)
    rows, across = map(pd.Index, labels)
    value = pd.DataFrame(answer.value, rows, across)
    return answer._replace(value=value.rename_axis(index=columns[0], columns=columns[1]))


def total(
    table: pd.DataFrame, column: str, bounds: _Bounds, meter: Meter, epsilon: _Amount
) -> Answer:
    """Return the sum of a column of numbers.

    Parameters
    ----------
    table, meter, epsilon
        See `count`.
    column : str
    bounds : (low, high)
        Public knowledge. Values outside are clamped, so that no outlier counts for more.

    Notes
    -----
    One row more or less moves the sum by max(abs(low), abs(high)). Values are rounded to a grid
    of 2**-30 of that, and the sum and its noise are whole numbers of steps.
    """
    values = _clamped(table, column, bounds)[meter.rows(table)]
    answer = _total(values, bounds, meter.contributions, float(exact(epsilon, "epsilon")))
    meter.spend(epsilon)
    return answer


def mean(
    table: pd.DataFrame, column: str, bounds: _Bounds, meter: Meter, epsilon: _Amount
) -> Answer:
    """Return the mean of a column of numbers, for parameters see `total`.

    The number of rows is private too: this is a noisy total over a noisy count, each with half
    of epsilon. A result outside the bounds is set to the nearer one.
    """
    values = _clamped(table, column, bounds)[meter.rows(table)]
    cost = float(exact(epsilon, "epsilon"))
    sums = _total(values, bounds, meter.contributions, cost / 2)
    scale = meter.contributions / (cost / 2)
    rows = max(1, int(noise.integer_laplace(np.array([len(values)]), scale)[0]))
    low, high = bounds
    value = min(max(sums.value / rows, low), high)
    # E abs(X + Y) of two Laplace variables of scales a and b: (a**2 + ab + b**2) / (a + b)
    a, b = sums.scale, abs(value) * scale
    error = min((a * a + a * b + b * b) / (a + b) / rows, high - low)
    meter.spend(epsilon)
    return Answer(value, sums.scale, error, cost)


def quantile(
    table: pd.DataFrame,
    column: str,
    q: float,
    candidates: Sequence[float],
    meter: Meter,
    epsilon: _Amount,
) -> Answer:
    """Return one of the candidates, near the quantile with high chance.

    Parameters
    ----------
    table, meter, epsilon
        See `count`.
    column : str
    q : float, 0 to 1
        0.5 for the median.
    candidates : sequence of numbers
        Public knowledge, such as the years of an age.

    Notes
    -----
    Exponential mechanism on -abs((1 - q) * rows below - q * rows above), in whole numbers. Smith,
    "Privacy-preserving statistical estimation with optimal convergence rates", STOC 2011. The
    expected error in rows is at most scale * (ln(candidates) + 1).
    """
    if not 0 <= float(q) <= 1:
        raise InputError("q is a share from 0 to 1, such as 0.5 for the median")
    points = _numbers(candidates, "candidates")
    if not 0 < len(points) <= _MOST_CELLS or len(np.unique(points)) < len(points):
        raise InputError(f"candidates are 1 to {_MOST_CELLS:,} different numbers")
    values = np.sort(_column(table, column)[meter.rows(table)])
    share = Fraction(str(float(q))).limit_denominator(10**6)  # scores of 1e9 rows are whole floats
    above, below = share.numerator, share.denominator - share.numerator
    ranks = np.searchsorted(values, points, "left")
    right = len(values) - np.searchsorted(values, points, "right")
    cost = float(exact(epsilon, "epsilon"))
    most = meter.contributions * max(above, below)
    scores = -np.abs(below * ranks - above * right)
    place = noise.choice(scores.astype(np.float64), cost**2 / 8, most)
    scale = 2 * most / share.denominator / cost
    meter.spend(epsilon)
    return Answer(points[place].item(), scale, scale * (math.log(len(points)) + 1), cost)


def _counts(cells: Ints, meter: Meter, epsilon: _Amount) -> Answer:
    cost = float(exact(epsilon, "epsilon"))
    scale = meter.contributions / cost
    noisy = noise.integer_laplace(cells, scale)
    meter.spend(epsilon)  # last: what fails costs nothing, and nothing is seen before it is paid
    return Answer(noisy, scale, _laplace_error(scale), cost)


def _laplace_error(scale: float) -> float:
    """Return the expected absolute value of the noise of `noise.integer_laplace`.

    2q / (1 - q^2) with q = exp(-1 / scale): below `scale`, and nearly `scale` where it is large.
    """
    return 1 / math.sinh(1 / scale) if scale > 0.01 else 0.0  # there it is below 1e-42


def _total(values: Any, bounds: _Bounds, contributions: int, epsilon: float) -> Answer:
    largest = max(map(abs, bounds))
    exponent = math.frexp(largest)[1] - _GRID_BITS
    steps = np.rint(np.ldexp(values, -exponent)).astype(np.int64)
    scale = contributions * round(math.ldexp(largest, -exponent)) / epsilon
    noisy = int(noise.integer_laplace(np.array([steps.sum()]), scale)[0])
    value, wide, error = (
        math.ldexp(number, exponent) for number in (noisy, scale, _laplace_error(scale))
    )
    return Answer(value, wide, error, epsilon)


def _cells(
    table: pd.DataFrame, columns: Sequence[str], categories: Sequence[Sequence[Any]], meter: Meter
) -> tuple[Ints, list[list[str]]]:
    """Return the exact counts, an axis a column, and the categories as text."""
    if len(categories) != len(columns):
        raise InputError("give the categories of each column")
    labels = [_labels(some) for some in categories]
    shape = tuple(map(len, labels))
    if math.prod(shape) > _MOST_CELLS:
        raise InputError(f"{math.prod(shape):,} cells are too many, {_MOST_CELLS:,} the most")
    rows = meter.rows(table)
    columns_and_labels = zip(columns, labels, strict=True)
    codes = np.stack(
        [_codes(_column_of(table, name), some)[rows] for name, some in columns_and_labels]
    )
    flat = np.ravel_multi_index(tuple(codes[:, (codes >= 0).all(axis=0)]), shape)
    return np.bincount(flat, minlength=math.prod(shape)).reshape(shape), labels


def _labels(categories: Sequence[Any]) -> list[str]:
    if isinstance(categories, str) or not len(categories):
        raise InputError("categories are a list of labels, one at least")
    labels = [_text(label) for label in categories]
    if len(set(labels)) < len(labels):
        raise InputError("a category is named twice")
    return labels


def _codes(cells: pd.Series[Any], labels: Sequence[str]) -> Ints:
    """Return the place of each cell's category, -1 where it is none; "" is a missing cell."""
    codes, values = pd.factorize(cells)
    places = {label: place for place, label in enumerate(labels)}
    return np.array([*(places.get(_text(value), -1) for value in values), places.get("", -1)])[
        codes
    ]


def _text(value: Any) -> str:
    """Return a category as text; 2.0 is 2, whatever else stands in the column."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _clamped(table: pd.DataFrame, column: str, bounds: _Bounds) -> Any:
    limits = _numbers(bounds, "bounds")
    if len(limits) != 2 or not -_LARGEST_BOUND <= limits[0] < limits[1] <= _LARGEST_BOUND:
        raise InputError("bounds are two numbers, (low, high) with low below high")
    return np.clip(_column(table, column), *limits)


def _column(table: pd.DataFrame, column: str) -> Any:
    cells = _column_of(table, column)
    if not pd.api.types.is_numeric_dtype(cells):
        raise InputError(f"column {column} does not hold numbers alone")
    values = cells.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isnan(values).any():
        raise InputError(f"column {column} has missing cells; leave such rows out, or fill them")
    return values


def _numbers(values: Sequence[float], name: str) -> Any:
    try:
        numbers = np.array(values)
        if numbers.ndim == 1 and np.isfinite(numbers.astype(np.float64)).all():
            return numbers
    except (TypeError, ValueError):
        pass
    raise InputError(f"{name} are finite numbers")
