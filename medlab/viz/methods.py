"""What the methods do to a column, what an attacker still gets, what two policies do."""

from __future__ import annotations

import html
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from medlab.errors import InputError

_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#8a8f94"  # Okabe and Ito: safe for color blindness
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
        ax.hist(values, edges, color=_BLUE, alpha=0.75)
        ax.hist(original, edges, histtype="step", color="black", linewidth=1)
        ax.set_title(name, fontsize=10)
        ax.set_xlabel(label)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("records")
    return fig


def draw_attack(
    rates: pd.DataFrame, title: str = "", label: str = "people an attacker finds (%)"
) -> Figure:
    """Return one line a method: how often an attack succeeds, with interval and baseline.

    Parameters
    ----------
    rates : DataFrame, one row a method
        Columns ``value``, ``low``, ``high``, ``baseline``: shares from 0 to 1. The index
        names the methods.
    title, label : str
    """
    fig = Figure(figsize=(7, 0.42 * len(rates) + 1.6), layout="constrained")
    ax = fig.subplots()
    places = np.arange(len(rates))[::-1]
    value, low, high, baseline = (
        100 * pd.to_numeric(rates[name]).to_numpy(dtype=float)
        for name in ("value", "low", "high", "baseline")
    )
    ax.barh(places, value, height=0.55, color=_BLUE, alpha=0.8)
    ax.hlines(places, low, high, color="black", linewidth=1.2)
    ax.plot(baseline, places, "D", color=_ORANGE, markersize=5, label="guessing without the data")
    for place, share, end in zip(places, value, high, strict=True):
        ax.annotate(f"{share:.1f}", (max(share, end), place), (5, 0), va="center",
                    textcoords="offset points", fontsize=9)  # fmt: skip
    ax.set_yticks(places, list(rates.index))
    ax.set_xlim(0, 112)
    ax.set_xticks(range(0, 101, 20))
    ax.set_xlabel(label)
    ax.set_title(title, fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    fig.legend(loc="outside lower center", frameon=False, fontsize=9)
    return fig


def attack_bars(rates: Mapping[str, pd.Series]) -> str:
    """Return how often an attack succeeds as an HTML table with bars: quick, and read aloud.

    Parameters
    ----------
    rates : mapping of method to Series
        With ``value``, ``low``, ``high``, ``baseline``: shares from 0 to 1.
    """
    guess = next(iter(rates.values()))["baseline"]
    shares = {
        name: (rate["value"], f"{rate['value']:.1%} ({rate['low']:.1%} to {rate['high']:.1%})")
        for name, rate in rates.items()
    }
    shares["guessing"] = (guess, f"{guess:.1%}")
    bar = '<div style="width: 200px; border: 1px solid {0}"><div style="{1}"></div></div>'
    rows = []
    for name, (share, text) in shares.items():
        look = f"width: {100 * share:.1f}%; height: 0.9em; background: {_BLUE}"
        cells = (html.escape(name), bar.format(_GREY, look), text)
        rows.append("".join(f"<td>{cell}</td>" for cell in cells))
    caption = "people an attacker finds, with the 95 % interval"
    body = "".join(f"<tr style='white-space: nowrap'>{row}</tr>" for row in rows)
    return f"<table><caption>{caption}</caption>{body}</table>"


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
            color=(_BLUE, _ORANGE, _GREY)[number % 3], hatch=_HATCHES[number % 4],
        )  # fmt: skip
        ax.bar_label(bars, padding=3, fontsize=9)
    ax.set_yticks(np.arange(len(counts))[::-1], list(counts.index))
    ax.set_xlabel("elements")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.margins(x=0.1)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(title="policy", frameon=False, fontsize=9)
    return fig
