"""Noisy answers about the patients of a table: counts, totals, means, quantiles.

Bounds and categories are arguments, never read off the data: what follows from the data is an
answer that was not paid for. All noise is integer Laplace, on a grid where values are not whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from medlab.arrays import Ints
from medlab.dp import noise
from medlab.dp.meter import Amount, Meter, column_of, exact_epsilon
from medlab.errors import InputError

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


def count(table: pd.DataFrame, meter: Meter, epsilon: Amount) -> Answer:
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
    table: pd.DataFrame, column: str, categories: Sequence[Any], meter: Meter, epsilon: Amount
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
    epsilon: Amount,
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
    table: pd.DataFrame, column: str, bounds: _Bounds, meter: Meter, epsilon: Amount
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
    answer = _total(values, bounds, meter.contributions, float(exact_epsilon(epsilon)))
    meter.spend(epsilon)
    return answer


def mean(
    table: pd.DataFrame, column: str, bounds: _Bounds, meter: Meter, epsilon: Amount
) -> Answer:
    """Return the mean of a column of numbers, for parameters see `total`.

    The number of rows is private too: this is a noisy total over a noisy count, each with half
    of epsilon. A result outside the bounds is set to the nearer one.
    """
    values = _clamped(table, column, bounds)[meter.rows(table)]
    cost = float(exact_epsilon(epsilon))
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
    epsilon: Amount,
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
    cost = float(exact_epsilon(epsilon))
    most = meter.contributions * max(above, below)
    scores = -np.abs(below * ranks - above * right)
    place = noise.choice(scores.astype(np.float64), cost**2 / 8, most)
    scale = 2 * most / share.denominator / cost
    meter.spend(epsilon)
    return Answer(points[place].item(), scale, scale * (math.log(len(points)) + 1), cost)


def _counts(cells: Ints, meter: Meter, epsilon: Amount) -> Answer:
    cost = float(exact_epsilon(epsilon))
    scale = meter.contributions / cost
    noisy = noise.integer_laplace(cells, scale)
    meter.spend(epsilon)  # last: what fails costs nothing, and nothing is seen before it is paid
    return Answer(noisy, scale, noise.laplace_error(scale), cost)


def _total(values: Any, bounds: _Bounds, contributions: int, epsilon: float) -> Answer:
    largest = max(map(abs, bounds))
    exponent = math.frexp(largest)[1] - _GRID_BITS
    steps = np.rint(np.ldexp(values, -exponent)).astype(np.int64)
    scale = contributions * round(math.ldexp(largest, -exponent)) / epsilon
    noisy = int(noise.integer_laplace(np.array([steps.sum()]), scale)[0])
    value, wide, error = (
        math.ldexp(number, exponent) for number in (noisy, scale, noise.laplace_error(scale))
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
        [_codes(column_of(table, name), some)[rows] for name, some in columns_and_labels]
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
    cells = column_of(table, column)
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
