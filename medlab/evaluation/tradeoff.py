"""Risk against loss: points with bars, the front of those that nothing beats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medlab.errors import MissingError
from medlab.evaluation.scores import mean_interval


def numbers(values: pd.Series[Any]) -> pd.Series[float]:
    """Return a column of values as floats, "n/a" as NaN."""
    return pd.to_numeric(values, errors="coerce").astype(np.float64)


def summarize(rows: pd.DataFrame, measures: list[str] | None = None) -> pd.DataFrame:
    """Return mean and interval over the seeds, one row a method, strength and measure.

    Parameters
    ----------
    rows : DataFrame
        From `medlab.evaluation.grid`.
    measures : list of str, optional
        Only these.

    Returns
    -------
    DataFrame
        method, strength, measure, value, low, high (mean -+ t * sd / sqrt(seeds); with one
        seed the interval of that run), seeds, baseline and control (means). A measure that is
        "n/a" everywhere has the value NaN.
    """
    chosen = rows if measures is None else rows[rows["measure"].isin(measures)]
    chosen = chosen.assign(value=numbers(chosen["value"]))
    keys = ["method", "strength", "measure"]
    found = []
    for key, some in chosen.groupby(keys, sort=False):
        value, low, high = mean_interval(some["value"].to_numpy())
        if len(some) == 1 and not np.isnan(some["low"].iloc[0]):
            low, high = some[["low", "high"]].iloc[0]
        low = max(low, 0.0)  # no measure is below 0; shares and AUC are not above 1 either
        high = min(high, 1.0) if some["value"].max() <= 1 else high
        others = some["baseline"].mean(), some["control"].mean()
        found.append((*key, value, low, high, int(some["value"].notna().sum()), *others))
    names = [*keys, "value", "low", "high", "seeds", "baseline", "control"]
    return pd.DataFrame(found, columns=names)


def risk_and_loss(rows: pd.DataFrame, risk: str = "linkage", loss: str = "GCP") -> pd.DataFrame:
    """Return one point a method and strength: risk and loss with bars, and the Pareto front.

    Parameters
    ----------
    rows : DataFrame
        From `medlab.evaluation.grid`.
    risk, loss : str
        Measures; less is better for both. A loss is shown up to 1.

    Returns
    -------
    DataFrame
        method, strength, risk, risk_low, risk_high, loss, loss_low, loss_high, front (bool).
        Points where either is "n/a" are left out.

    Raises
    ------
    MissingError
        A measure that the rows do not have.
    """
    for name in (risk, loss):
        if not (rows["measure"] == name).any():
            raise MissingError(f"no measure {name!r}; see the column measure of the rows")
    found = summarize(rows, [risk, loss]).set_index(["method", "strength"])
    ends = ["value", "low", "high"]
    sides = []
    for name, measure in (("risk", risk), ("loss", loss)):
        side = found.loc[found["measure"] == measure, ends].clip(0.0, 1.0)
        sides.append(side.set_axis([name, f"{name}_low", f"{name}_high"], axis=1))
    points = sides[0].join(sides[1], how="inner").dropna().reset_index()
    points["front"] = pareto(points["risk"].to_numpy(), points["loss"].to_numpy())
    return points


def pareto(risk: NDArray[np.float64], loss: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which points nothing beats: none other has both smaller or equal, one smaller.

    Examples
    --------
    >>> pareto(np.array([1.0, 0.5, 0.6, 0.0]), np.array([0.0, 0.2, 0.3, 1.0])).tolist()
    [True, True, False, True]
    """
    order = np.lexsort((loss, risk))
    best, front = np.inf, np.zeros(len(risk), dtype=bool)
    last = (np.nan, np.nan)
    for i in order:
        if loss[i] < best or (risk[i], loss[i]) == last:
            front[i], best, last = True, min(best, loss[i]), (risk[i], loss[i])
    return front


def point_name(method: str, strength: float) -> str:
    """Return how a point is spoken of.

    Examples
    --------
    >>> point_name("Mondrian k", 5.0), point_name("suppression", 2.0), point_name("identity", 0)
    ('Mondrian k = 5', 'suppression 2', 'identity')
    """
    if not strength:
        return method
    return f"{method} = {strength:g}" if method[-2:-1] == " " else f"{method} {strength:g}"


def acceptable(points: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Return the points whose risk, upper end of the bar included, is within the threshold.

    Cheapest first.
    """
    return points[points["risk_high"] <= threshold].sort_values("loss", kind="stable")
