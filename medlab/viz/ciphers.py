"""Figures of encryption: how long trying takes, what short blocks give away, what lengths tell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from medlab.viz.figure import Color, bare

_YEAR = 3.156e7  # seconds
_SPANS = {"a second": 1, "an hour": 3600, "a year": _YEAR, "age of the\nuniverse": 4.4e17}
_LOOKS = ((Color.ORANGE, "-"), (Color.BLUE, "--"), (Color.GREEN, "-."), (Color.PINK, ":"))


def enumeration_times(tries: Mapping[str, float], rate: float) -> Figure:
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


def collisions(block_bits: Mapping[str, int]) -> Figure:
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


def lengths(table: pd.DataFrame) -> Figure:
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
