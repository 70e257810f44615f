"""Singling out: descriptions read off the release that fit exactly one original person."""

from __future__ import annotations

import numpy as np
import pandas as pd

from medlab.evaluation.attack_statistics import Score, excess
from medlab.tabular.released_cells import Exact, Scale, see


def singling_out(
    released: pd.DataFrame,
    original: Exact,
    control: Exact,
    scales: list[Scale],
    rng: np.random.Generator,
    attempts: int = 500,
) -> Score:
    """Return how much likelier a released description fits one original person than one other.

    Each attempt takes a released row and some of its quasi-identifiers, at least two where
    there are; the cells of that row are the description.

    Parameters
    ----------
    released : DataFrame
    original, control : dict of arrays
        Exact values, see `medlab.tabular.released_cells.exact_values`.
    scales : list of Scale
        The quasi-identifiers.
    rng : Generator
        Draws rows and columns.
    attempts : int

    Returns
    -------
    Score
        (member - control) / (1 - control), see `medlab.evaluation.attack_statistics.excess`.
    """
    rows = rng.integers(len(released), size=attempts)
    least = min(2, len(scales))
    order = rng.permuted(np.tile(np.arange(len(scales)), (attempts, 1)), axis=1)
    used = order < rng.integers(least, len(scales) + 1, size=attempts)[:, None]
    asked = released.iloc[rows].reset_index(drop=True).astype(object)
    for i, one in enumerate(scales):
        asked[one.name] = asked[one.name].where(used[:, i], "*")
    seen = see(asked, scales)
    inside, outside = (
        (seen.fits(people) == 1)[seen.class_of].astype(np.float64)
        for people in (original, control)
    )
    return excess(inside, outside)
