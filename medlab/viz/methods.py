"""What the methods do to a column, what an attacker still gets, what two policies do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from medlab.errors import InputError
from medlab.viz.figure import Color, bare

_HATCHES = ("", "///", "...", "xx")


def draw_distributions(columns: Mapping[str, pd.Series], label: str, bins: int = 30) -> Figure:
    """Return small histograms of one column as each method leaves it, on common axes.

    Parameters
    ----------
    columns : mapping of method to Series of numbers
        The first is the original and drawn as an outline in every panel.
    label : str
        What is counted, with its unit, such as ``"weight (kg)"``.
    bins : int
    """
    if not columns:
        raise InputError("there is no column to draw")
    arrays = {name: np.asarray(values.dropna(), dtype=float) for name, values in columns.items()}
    everything = np.concatenate(list(arrays.values()))
    edges = np.linspace(everything.min(), everything.max() + 1e-9, bins + 1)
    fig = Figure(figsize=(2.6 * len(arrays), 2.6), layout="constrained")
    axes = fig.subplots(1, len(arrays), sharex=True, sharey=True, squeeze=False)[0]
    original = next(iter(arrays.values()))
    for ax, (name, values) in zip(axes, arrays.items(), strict=True):
        ax.hist(values, edges, color=Color.BLUE, alpha=0.75)
        ax.hist(original, edges, histtype="step", color="black", linewidth=1)
        ax.set_title(name, fontsize=10)
        ax.set_xlabel(label)
        bare(ax)
    axes[0].set_ylabel("records")
    return fig


def draw_attack(
    rates: pd.DataFrame,
    title: str = "",
    label: str = "people re-identified (%)",
    *,
    width: float = 7,
) -> Figure:
    """Return one line a method: how often an attack succeeds, with interval and baseline.

    Parameters
    ----------
    rates : DataFrame, one row a method
        Columns ``value``, ``low``, ``high``, ``baseline``: shares from 0 to 1. The index
        names the methods.
    title, label : str
    width : float
        In inches.
    """
    fig = Figure(figsize=(width, 0.42 * len(rates) + 1.6), layout="constrained")
    ax = fig.subplots()
    places = np.arange(len(rates))[::-1]
    value, low, high, baseline = (
        100 * pd.to_numeric(rates[name]).to_numpy(dtype=float)
        for name in ("value", "low", "high", "baseline")
    )
    ax.barh(places, value, height=0.55, color=Color.BLUE, alpha=0.8)
    ax.hlines(places, low, high, color="black", linewidth=1.2)
    guess: dict[str, Any] = {
        "color": Color.ORANGE,
        "markersize": 5,
        "label": "guessing without the data",
    }
    ax.plot(baseline, places, "D", **guess)
    for place, share, end in zip(places, value, high, strict=True):
        ax.annotate(f"{share:.1f}", (max(share, end), place), (5, 0), va="center",
                    textcoords="offset points", fontsize=9)  # fmt: skip
    ax.set_yticks(places, list(rates.index))
    ax.set_xlim(0, 112)
    ax.set_xticks(range(0, 101, 20))
    ax.set_xlabel(label)
    ax.set_title(title, fontsize=10)
    bare(ax)
    fig.legend(loc="outside lower center", frameon=False, fontsize=9)
    return fig


def draw_actions(counts: pd.DataFrame) -> Figure:
    """Return grouped bars: how many elements met each action, under each policy.

    Parameters
    ----------
    counts : DataFrame
        One row an action, one column a policy.
    """
    fig = Figure(figsize=(7, 0.5 * len(counts) + 1.2), layout="constrained")
    ax = fig.subplots()
    height = 0.8 / max(1, counts.shape[1])
    for number, name in enumerate(counts):
        places = np.arange(len(counts))[::-1] + (counts.shape[1] / 2 - number - 0.5) * height
        bars = ax.barh(
            places, counts[name], height * 0.92, label=name, edgecolor="white",
            color=(Color.BLUE, Color.ORANGE, Color.GRAY)[number % 3], hatch=_HATCHES[number % 4],
        )  # fmt: skip
        ax.bar_label(bars, padding=3, fontsize=9)
    ax.set_yticks(np.arange(len(counts))[::-1], list(counts.index))
    ax.set_xlabel("elements")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.margins(x=0.1)
    bare(ax)
    ax.legend(title="policy", frameon=False, fontsize=9)
    return fig
