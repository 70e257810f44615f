"""What headers give away, as pictures; an image at its own window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from medlab.dicom.safe_harbor import KINDS
from medlab.pixels import frames
from medlab.viz.figure import Color, bare

_LAYERS = ("file meta", "public", "nested", "private")
_COLUMNS = 3


def _layer_of(table: pd.DataFrame) -> pd.Series[str]:
    """Return for each element of a tag table in which layer of the file it stands.

    Parameters
    ----------
    table : DataFrame
        As `dicom.tag_table` makes it.

    Returns
    -------
    Series of str
        One of `_LAYERS`. A private element is private wherever it stands.
    """
    odd = table["tag"].str[4].isin(list("13579bBdDfF"))
    meta = table["tag"].str.startswith("(0002")
    choice = np.select(
        [odd, meta, table["level"] > 0], ["private", "file meta", "nested"], "public"
    )
    return pd.Series(choice, index=table.index, name="layer")


def layer_counts(table: pd.DataFrame) -> pd.DataFrame:
    """Return the elements of each layer, in all and those flagged.

    Parameters
    ----------
    table : DataFrame
        One or several tag tables, one below the other.

    Returns
    -------
    DataFrame
        One row a layer; columns ``elements`` and ``flagged``.
    """
    counts = pd.DataFrame({"elements": 1, "flagged": table["concern"].ne("").astype(int)})
    return counts.groupby(_layer_of(table)).sum().reindex(list(_LAYERS), fill_value=0)


def layers(counts: pd.DataFrame) -> Figure:
    """Draw how many elements of each layer are flagged.

    Parameters
    ----------
    counts : DataFrame
        From `layer_counts`.

    Returns
    -------
    Figure
    """
    fig = Figure(figsize=(7, 2.6), layout="constrained")
    ax = fig.subplots()
    names = list(counts.index)[::-1]
    concern = counts["flagged"].reindex(names)
    rest = counts["elements"].reindex(names) - concern
    ax.barh(names, concern, color=Color.RUST, label="flagged", hatch="///", edgecolor="white")
    ax.barh(names, rest, left=concern, color=Color.PALE, label="nothing found")
    for place, (few, many) in enumerate(zip(concern, rest, strict=True)):
        ax.annotate(f" {few} of {few + many}", (few + many, place), va="center", fontsize=9)
    ax.margins(x=0.14)
    _plain(ax, "elements")
    return fig


def hipaa_counts(table: pd.DataFrame) -> pd.DataFrame:
    """Return how many elements hold each of the 18 HIPAA identifiers, by number.

    Parameters
    ----------
    table : DataFrame
        One or several tag tables, one below the other.

    Returns
    -------
    DataFrame
        18 rows, index 1 to 18; columns ``identifier`` and ``elements`` (not empty ones).
    """
    kinds = table.loc[table["concern"].ne(""), "hipaa"].value_counts()
    numbers = pd.Index(range(1, 19), name="number")
    counts = kinds.reindex(numbers, fill_value=0)
    return pd.DataFrame(
        {"identifier": [KINDS[number].short for number in numbers], "elements": counts}
    )


def identifiers(counts: pd.DataFrame) -> Figure:
    """Draw which of the 18 HIPAA identifiers stand in elements made for them.

    Parameters
    ----------
    counts : DataFrame
        From `hipaa_counts`.

    Returns
    -------
    Figure
        Bars on a logarithmic scale, the kinds that no element holds in grey.
    """
    fig = Figure(figsize=(7.5, 4.6), layout="constrained")
    ax = fig.subplots()
    names = [f"{number}  {word}" for number, word in counts["identifier"].items()]
    ax.barh(names, counts["elements"], color=Color.RUST)
    ax.set_xscale("symlog", linthresh=1)
    ax.set_xlim(left=0)
    ax.invert_yaxis()
    for place, count in enumerate(counts["elements"]):
        text = f" {count}" if count else " none"
        color = Color.INK if count else Color.SLATE
        ax.annotate(text, (count, place), va="center", fontsize=8, color=color)
    ax.margins(x=0.1)
    ax.tick_params(axis="y", labelsize=8)
    _plain(ax, "elements (logarithmic)")
    return fig


def decoded(dataset: Dataset, frame: int | None = None) -> npt.NDArray[Any]:
    """Return the values of a frame, the middle one if not given: gray as stored, or RGB.

    Raises
    ------
    InputError
        If the pixel data are missing, damaged or of a kind that cannot be decoded here.
    """
    form = frames.layout(dataset)
    wanted = (form.frames - 1) // 2 if frame is None else frame
    (stored,) = frames.stored_frames(dataset, form, [wanted])
    if form.samples == 1 and form.photometric != "PALETTE COLOR":
        return frames.values(form, stored)[..., 0]
    return frames.displayed(dataset, form, stored)


def displayed(
    dataset: Dataset, *, frame: int | None = None, window: bool | tuple[float, float] = True
) -> npt.NDArray[np.float64]:
    """Return a frame as a viewer shows it, between 0 (black) and 1 (white).

    Parameters
    ----------
    dataset : Dataset
        With pixel data.
    frame : int, optional
        Counted from 0; the middle one, if not given.
    window : bool or (center, width)
        Apply the header's window, or this one (in the unit of the rescaled values). Without
        one, the full range of the stored values.

    Returns
    -------
    ndarray, shape (rows, columns) or (rows, columns, 3)
        MONOCHROME1 is turned, so that a low value is bright as the standard asks.
    """
    data = decoded(dataset, frame)
    if data.ndim == 3:
        return np.asarray(data, dtype=float) / np.iinfo(data.dtype).max
    low, high = data.min(), data.max()
    if isinstance(window, tuple):
        data = apply_modality_lut(data, dataset)
        low, high = window[0] - window[1] / 2, window[0] + window[1] / 2
    elif window and ("WindowCenter" in dataset or "VOILUTSequence" in dataset):
        data = apply_modality_lut(data, dataset)
        # The window maps what lies outside of it to black and white: ask where those are.
        limits = np.finfo(np.float32) if data.dtype.kind == "f" else np.iinfo(data.dtype)
        ends = np.array([[limits.min, limits.max]], dtype=data.dtype)
        low, high = apply_voi_lut(ends, dataset)[0]
        data = apply_voi_lut(data, dataset)
    picture = (np.asarray(data, dtype=float) - float(low)) / (float(high) - float(low) or 1.0)
    return 1 - picture if dataset.PhotometricInterpretation == "MONOCHROME1" else picture


def images(pictures: Mapping[str, npt.NDArray[np.float64]]) -> Figure:
    """Draw pictures side by side, three in a row.

    Parameters
    ----------
    pictures : mapping of str to ndarray
        Title and picture with values from 0 to 1, gray or RGB.

    Returns
    -------
    Figure
        Without pictures, one that says that none is shown.
    """
    if not pictures:
        fig = Figure(figsize=(5, 1))
        fig.text(0.5, 0.5, "no picture shown", ha="center", va="center", color=Color.SLATE)
        return fig
    columns = min(len(pictures), _COLUMNS)
    rows = -(-len(pictures) // columns)
    fig = Figure(figsize=(3.3 * columns, 3.6 * rows), layout="constrained")
    axes = fig.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, (title, picture) in zip(axes, pictures.items(), strict=False):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
        ax.set_title(title, fontsize=9)
    return fig


def _plain(ax: Axes, label: str) -> None:
    ax.set_xlabel(label)
    bare(ax)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, loc="lower right")
