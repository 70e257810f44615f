"""Variants of training side by side: what the model is worth, and what an attacker gets."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from medlab.viz.figure import Color, bare


def draw_variants(table: pd.DataFrame, guess: float = 0.5) -> Figure:
    """Return one row a variant and one panel a column, on scales from 0 to 1.

    Parameters
    ----------
    table : DataFrame, one row a variant
        Two columns of shares from 0 to 1; empty where a variant has none.
    guess : float
        What guessing reaches in both, drawn as a dashed line.
    """
    fig = Figure(figsize=(8.5, 0.45 * len(table) + 1.5), layout="constrained")
    places = np.arange(len(table))[::-1]
    panels = fig.subplots(1, table.shape[1], sharey=True)
    looks = ((Color.BLUE, ""), (Color.ORANGE, "///"))
    for ax, name, (color, hatch) in zip(panels, table, looks, strict=True):
        values = pd.to_numeric(table[name]).to_numpy(float)
        ax.barh(places, np.nan_to_num(values), 0.6, color=color, alpha=0.8, hatch=hatch)
        for place, value in zip(places, values, strict=True):
            words = "no update to attack" if np.isnan(value) else f"{value:.2f}"
            ax.annotate(words, (np.nan_to_num(value), place), (4, 0), va="center",
                        textcoords="offset points", fontsize=9,
                        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
        ax.axvline(guess, color="black", linestyle="--", linewidth=1)
        ax.set_xlim(0, 1.15)
        ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
        ax.set_xlabel(name)
        bare(ax)
    panels[0].set_yticks(places, list(table.index))
    return fig
