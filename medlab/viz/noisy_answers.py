"""Noisy answers: their errors beside the formula, neighbors apart by epsilon, attacks on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from medlab.arrays import Ints
from medlab.errors import InputError
from medlab.viz.figure import Color, bare


def draw_errors(errors: Mapping[str, Sequence[int]], scales: Sequence[float]) -> Figure:
    """Return a histogram of the errors of counts in a panel each, the formula over it.

    Parameters
    ----------
    errors : mapping of title to whole numbers
        Noisy answer minus the exact one, of many draws.
    scales : sequence of float
        Of the integer Laplace noise of each panel.
    """
    if not errors or not all(len(drawn) for drawn in errors.values()):
        raise InputError("there are no errors to draw")
    fig = Figure(figsize=(3.6 * len(errors), 3.0), layout="constrained")
    axes = fig.subplots(1, len(errors), squeeze=False)[0]
    for ax, (title, drawn), scale in zip(axes, errors.items(), scales, strict=True):
        edge = int(np.ceil(5 * scale))
        places = np.arange(-edge, edge + 1)
        q = np.exp(-1 / scale)
        shares = _shares(drawn, places)
        ax.bar(places, shares, width=1.0, color=Color.BLUE, alpha=0.6, label="drawn")
        formula = (1 - q) / (1 + q) * q ** np.abs(places)
        ax.plot(places, formula, color="black", linewidth=1.3, label="formula")
        ax.set_title(title, fontsize=10)
        ax.set_xlabel("error of the count (patients)")
        bare(ax)
    axes[0].set_ylabel("share of answers")
    axes[0].legend(frameon=False, fontsize=9)
    return fig


def draw_neighbors(
    answers: Mapping[str, tuple[Sequence[int], Sequence[int]]], names: tuple[str, str]
) -> Figure:
    """Return how often each count was answered for two tables that differ in one patient.

    Parameters
    ----------
    answers : mapping of title to two sequences of whole numbers
        A panel each: answers for the one table and for the other.
    names : two str
        What the tables are called in the legend.
    """
    if not answers:
        raise InputError("there are no answers to draw")
    fig = Figure(figsize=(4.2 * len(answers), 3.0), layout="constrained")
    axes = fig.subplots(1, len(answers), sharex=True, sharey=True, squeeze=False)[0]
    everything = np.concatenate([np.concatenate(pair) for pair in answers.values()])
    places = np.arange(everything.min(), everything.max() + 1)
    for ax, (title, pair) in zip(axes, answers.items(), strict=True):
        looks = ((Color.BLUE, "-"), (Color.ORANGE, "--"))
        for drawn, name, (color, line) in zip(pair, names, looks, strict=True):
            ax.step(places, _shares(drawn, places), line, where="mid", color=color, label=name)
        ax.set_title(title, fontsize=10)
        ax.set_xlabel("noisy count")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        bare(ax)
    axes[0].set_ylabel("share of answers")
    axes[0].legend(frameon=False, fontsize=9)
    return fig


def draw_success(
    rates: pd.DataFrame, title: str, label: str, bound: pd.Series | None = None
) -> Figure:
    """Return how well an attack does over epsilon, with intervals, guessing and a bound.

    Parameters
    ----------
    rates : DataFrame
        Index: epsilon. Columns ``value``, ``low``, ``high``: from 0 to 1.
    title, label : str
    bound : Series, optional
        Index: epsilon. The most that any attack can reach.
    """
    fig = Figure(figsize=(5.4, 3.2), layout="constrained")
    ax = fig.subplots()
    epsilon, value = rates.index.to_numpy(dtype=float), rates["value"].to_numpy(dtype=float)
    spread = np.abs(rates[["low", "high"]].to_numpy(dtype=float).T - value)
    ax.errorbar(epsilon, value, spread, fmt="o-", color=Color.BLUE, capsize=3, label="measured")
    if bound is not None:
        ax.plot(bound.index, bound, "--", color="black", label="no attack does better")
    ax.axhline(0.5, color=Color.GRAY, linestyle=":", label="guessing")
    ax.set_xscale("log")
    ax.set_xticks(epsilon, [f"{epsilon_value:g}" for epsilon_value in epsilon])
    ax.minorticks_off()
    ax.set_xlabel("epsilon (smaller: more noise)")
    ax.set_ylabel(label)
    ax.set_ylim(0.4, 1.02)
    ax.set_title(title, fontsize=10)
    ax.legend(frameon=False, fontsize=9)
    bare(ax)
    return fig


def _shares(drawn: Sequence[int], places: Ints) -> np.ndarray:
    values = np.asarray(drawn)
    return np.array([(values == place).sum() for place in places]) / len(values)
