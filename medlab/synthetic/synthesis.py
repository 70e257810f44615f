"""A table of nobody: drawn from a model of a table, with a guarantee or without."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from medlab.arrays import Ints
from medlab.dp import noise
from medlab.dp.meter import LARGEST_DELTA, exact_delta, exact_epsilon
from medlab.dp.noise import rho_of
from medlab.errors import InputError, UsageError
from medlab.synthetic import copula, tree
from medlab.synthetic.domain import Axis, check_domain, decode, encode
from medlab.tabular.column_roles import check_columns

Model = Literal["tree", "copula", "independent"]
_METHODS: tuple[Model, ...] = ("tree", "copula", "independent")
_USUAL_DELTA = 1e-9
NO_GUARANTEE = "no guarantee: the rows follow exact counts, and may tell of those counted"


class Synthesis(NamedTuple):
    """A synthetic table and what is guaranteed of it.

    Attributes
    ----------
    table : DataFrame
        The columns of the domain, in its order.
    epsilon, delta : float or None
        None without guarantee.
    rho : float or None
        Zero-concentrated loss, which holds epsilon and delta; None for pure epsilon.
    left_out : int or None
        Rows with a missing cell or a category outside its list; with a guarantee nobody counts.
    """

    table: pd.DataFrame
    epsilon: float | None
    delta: float | None
    rho: float | None
    left_out: int | None


def synthesize(
    table: pd.DataFrame,
    domain: Sequence[Axis],
    method: Model = "tree",
    *,
    epsilon: float | None = None,
    delta: float | None = None,
    rows: int | None = None,
    subject: str | None = None,
    rng: np.random.Generator | None = None,
) -> Synthesis:
    """Return a table drawn from a model of a table.

    Parameters
    ----------
    table : DataFrame
        Of each patient one row is kept, by chance.
    domain : sequence of Axis
        With epsilon it must be public knowledge, not read off the table.
    method : {"tree", "copula", "independent"}
        See `medlab.synthetic.tree` and `medlab.synthetic.copula`; "independent" keeps the counts
        of each column only.
    epsilon : float, optional
        Two tables that differ in one patient have about the same chance to give this one: the
        odds differ by exp(epsilon) at most. By default there is no guarantee.
    delta : float, optional
        The chance with which that may fail; 1e-9 for a tree, 0 for independent columns.
    rows : int, optional
        By default as many as the table has; with epsilon, as many as the noisy counts say.
    subject : str, optional
        Column that tells whose row it is. Without it each row is taken for a patient.
    rng : Generator, optional
        Without epsilon only: noise that can be drawn again can be taken off again.

    Raises
    ------
    UsageError
        What makes no sense together, such as a copula with epsilon.
    InputError, MissingError
        Bounds and budgets out of range; an empty table; a column that it does not have.
    UnavailableError
        With epsilon, without the extra dp.
    """
    epsilon, delta, rho = _promise(method, epsilon, delta)
    if epsilon is not None and rng is not None:
        raise UsageError("with epsilon nothing is drawn from a seed; leave the seed out")
    names = [axis.name for axis in check_domain(domain)]
    check_columns(table, names, subject=subject)
    rng = rng or np.random.default_rng()
    shuffled = table.iloc[rng.permutation(len(table))]
    kept = shuffled if subject is None else shuffled.drop_duplicates(subject)
    codes, sizes = encode(kept, domain), [axis.size for axis in domain]
    if epsilon is None:
        if not len(codes):
            raise InputError("no row lies in the domain; compare its categories with the table")
        rows = len(table) if rows is None else rows
    if method == "tree":
        drawn = tree.draw(codes, sizes, rows, rng, rho=rho)
    elif method == "copula":
        labeled = [bool(axis.labels) for axis in domain]
        drawn = copula.draw(codes, sizes, labeled, rows or len(table), rng)
    else:
        noisy = partial(_noisy, epsilon=epsilon, rho=rho, columns=len(sizes))
        drawn = tree.sample(tree.margins_of(codes, sizes, noisy), {}, rows, rng)
    left_out = len(kept) - len(codes) if epsilon is None else None
    return Synthesis(decode(drawn, domain, rng), epsilon, delta, rho, left_out)


def _promise(
    method: str, epsilon: float | None, delta: float | None
) -> tuple[float, float, float | None] | tuple[None, None, None]:
    """Return epsilon, delta and rho as they hold, or refuse them."""
    if method not in _METHODS:
        raise UsageError(f"no model of that name; choose of {', '.join(_METHODS)}")
    if epsilon is None:
        if delta is not None:
            raise UsageError("delta goes with epsilon; give both or neither")
        return None, None, None
    if method == "copula":
        raise UsageError("a copula has no guarantee; leave epsilon out, or take a tree")
    epsilon = float(exact_epsilon(epsilon))
    delta = float(exact_delta(_USUAL_DELTA * (method == "tree") if delta is None else delta))
    if not delta < LARGEST_DELTA or (method == "tree" and not delta):
        raise InputError(
            f"delta must be below {LARGEST_DELTA:g}, and above 0 for a tree; 1e-9 is usual"
        )
    return epsilon, delta, rho_of(epsilon, delta) if delta else None


def _noisy(counts: Ints, epsilon: float | None, rho: float | None, columns: int) -> Ints:
    """Return the counts of one of several columns, which one row changes by one each."""
    if epsilon is None:
        return counts
    if rho is None:
        return noise.integer_laplace(counts, columns / epsilon)
    return noise.integer_gaussian(counts, rho / columns)
