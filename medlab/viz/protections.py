"""Protections at work: what they do to values, and what an attacker still gets.

Columns and headers after a method, noisy answers, ciphertexts, models trained on many sites, the
order of what is released.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from medlab.arrays import Ints
from medlab.errors import InputError
from medlab.viz.figure import Color, bare

_HATCHES = ("", "///", "...", "xx")
_YEAR = 3.156e7  # seconds
_SPANS = {"a second": 1, "an hour": 3600, "a year": _YEAR, "age of the\nuniverse": 4.4e17}
_LOOKS = ((Color.ORANGE, "-"), (Color.BLUE, "--"), (Color.GREEN, "-."), (Color.PINK, ":"))


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


def draw_enumeration_times(tries: Mapping[str, float], rate: float) -> Figure:
    """Draw how long it takes to try all values that something may have.

    Parameters
    ----------
    tries : mapping of str to float
        What is hidden, and how many values there are of it.
    rate : float
        Tries a second.
    """
    seconds = np.array(list(tries.values()), dtype=float) / rate
    fig = Figure(figsize=(7.6, 0.42 * len(tries) + 1.5), layout="constrained")
    ax = fig.subplots()
    colors = [Color.ORANGE if duration < _YEAR else Color.BLUE for duration in seconds]
    ax.barh(list(tries), seconds, color=colors, height=0.6)
    for name, span in _SPANS.items():
        ax.axvline(span, color="0.35", linestyle=":", linewidth=1)
        ax.annotate(
            name, (span, 1.0), (0, 3), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", va="bottom", fontsize=8,
        )  # fmt: skip
    for place, duration in enumerate(seconds):
        digits = (
            f"{duration:.2g}"
            if duration < 10
            else f"{duration:,.0f}"
            if duration < 1e6
            else f"{duration:.0e}"
        )
        ax.annotate(
            digits, (duration, place), (4, 0), va="center",
            textcoords="offset points", fontsize=9, bbox={"fc": "white", "ec": "none", "pad": 1},
        )  # fmt: skip
    ax.set(xscale="log", xlim=(1e-3, 1e4 * max(seconds.max(), 1e16)), xlabel="seconds for all")
    ax.invert_yaxis()
    bare(ax)
    return fig


def draw_collisions(block_bits: Mapping[str, int]) -> Figure:
    """Draw how likely two blocks of a ciphertext are equal, over the data under one key.

    Two equal blocks of CBC tell the exclusive or of what stands before them: that is the end of
    a cipher of short blocks.

    Parameters
    ----------
    block_bits : mapping of str to int
        Ciphers, and the bits of their blocks.

    Notes
    -----
    With n blocks of b bits, 1 - exp(-n (n - 1) / 2^(b + 1)): the birthday bound.
    """
    size = np.logspace(6, 24, 400)  # bytes
    fig = Figure(figsize=(7.6, 3.2), layout="constrained")
    ax = fig.subplots()
    for (name, bits), (color, line) in zip(block_bits.items(), _LOOKS, strict=False):
        blocks = size / (bits / 8)
        share = -np.expm1(-blocks * (blocks - 1) / 2.0 ** (bits + 1))
        ax.plot(size, 100 * share, line, color=color, linewidth=2.2, label=name)
    for name, amount in {"a CT of 500 MB": 5e8, "a year's archive of 50 TB": 5e13}.items():
        ax.axvline(amount, color="0.35", linestyle=":", linewidth=1)
        ax.annotate(
            name, (amount, 1.0), (0, 3), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", va="bottom", fontsize=8,
        )  # fmt: skip
    ax.set(xscale="log", ylim=(-2, 104), xlabel="bytes encrypted under one key")
    ax.set_ylabel("chance of two equal blocks, %")
    ax.legend(framealpha=1, edgecolor="none", loc="center", fontsize=9)
    bare(ax)
    return fig


def draw_lengths(table: pd.DataFrame) -> Figure:
    """Draw how long a ciphertext is over the length of what is in it.

    Parameters
    ----------
    table : DataFrame, one column a way to encrypt
        The index is the length of the plaintext in bytes, the cells that of the ciphertext.
    """
    fig = Figure(figsize=(7.6, 3.4), layout="constrained")
    ax = fig.subplots()
    for name, (color, line) in zip(table, _LOOKS, strict=False):
        added = table[name] - table[name].iloc[0]
        ax.step(table.index, added, line, where="mid", color=color, linewidth=2.2, label=name)
    ax.set_xlabel("length of the name, characters")
    ax.set_ylabel(f"bytes more than for {table.index[0]}")
    ax.legend(frameon=False, fontsize=9)
    bare(ax)
    return fig


def draw_variants(table: pd.DataFrame) -> Figure:
    """Return one row a variant and one panel a column, on scales from 0 to 1.

    Parameters
    ----------
    table : DataFrame, one row a variant
        Two columns of shares from 0 to 1; empty where a variant has none. What guessing
        reaches in both, 0.5, is a dashed line.
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
        ax.axvline(0.5, color="black", linestyle="--", linewidth=1)
        ax.set_xlim(0, 1.15)
        ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
        ax.set_xlabel(name)
        bare(ax)
    panels[0].set_yticks(places, list(table.index))
    return fig


def draw_places(places: Mapping[str, Sequence[int]], what: str = "row") -> Figure:
    """Return a panel for each release: the place of each row in the source and in the release.

    Parameters
    ----------
    places : mapping of title to whole numbers
        For each row of the release, from the first, its place in the source, from 0.
    what : str
        What has a place: a row, a file.

    Raises
    ------
    InputError
        If there is nothing to draw.
    """
    if not places or not all(len(some) for some in places.values()):
        raise InputError("there are no places to draw")
    fig = Figure(figsize=(3.2 * len(places), 3.3), layout="constrained")
    axes = fig.subplots(1, len(places), squeeze=False)[0]
    for ax, (title, some) in zip(axes, places.items(), strict=True):
        ax.plot(np.arange(len(some)), some, ".", color=Color.BLUE, markersize=4)
        ax.set_title(title, fontsize=10)
        ax.set_xlabel(f"{what} of the release")
        ax.set_aspect("equal")
        bare(ax)
    axes[0].set_ylabel(f"{what} of the source")
    return fig
