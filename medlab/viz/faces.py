"""Faces as a scan shows them: before, after, from the front and from the side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from nibabel.spatialimages import SpatialImage

from medlab.neuro import surface
from medlab.viz.figure import Shown, Stage

_ANGLES = (surface.FRONT, surface.THREE_QUARTER)
_ANGLE_NAMES = {0.0: "front", 30.0: "three-quarter"}


def faces(
    heads: Mapping[str, SpatialImage],
    angles: Sequence[float] = _ANGLES,
    *,
    hide_original: bool = False,
) -> Figure:
    """Draw heads as shaded surfaces, one column a head, one row an angle; one head in one row.

    Parameters
    ----------
    heads : mapping of str to nibabel image
        Names and heads; the first is the original, whose viewpoint all share.
    angles : sequence of float
        Degrees by which the viewer steps to the patient's left.
    hide_original : bool
        Leave the first head blank: a face of the reader's own data.

    Returns
    -------
    Figure
    """
    first, *others = heads.values()
    rows, columns = (len(angles), len(heads)) if others else (1, len(angles))
    fig = Figure(figsize=(3.2 * columns, 3.6 * rows), layout="constrained")
    axes = fig.subplots(rows, columns, squeeze=False).reshape(len(angles), len(heads))
    for row, angle in zip(axes, angles, strict=True):
        original = surface.view(first, angle)
        views = [original, *(surface.view(head, like=original) for head in others)]
        for ax, name, view in zip(row, heads, views, strict=True):
            if hide_original and view is original:
                blank(ax)
                continue
            _shaded(ax, view, f"{name}, {_ANGLE_NAMES.get(float(angle), f'{angle:g} degrees')}")
    return fig


def _shaded(ax: Axes, view: surface.View, title: str) -> None:
    height, width = (n * view.sight.spacing for n in view.shade.shape)
    ax.imshow(
        view.shade, cmap="gray", vmin=0, vmax=1, extent=(0, width, 0, height),
        interpolation="bilinear",
    )  # fmt: skip
    ax.set_title(title, fontsize=9)
    ax.tick_params(labelsize=7)
    ax.set_xlabel("mm", fontsize=8)


class Pair:
    """A face before and after, of which the second changes again and again.

    Parameters
    ----------
    before : View
        The original.
    hide_original : bool
        Leave it blank: a face of the reader's own data.
    """

    def __init__(self, before: surface.View, *, hide_original: bool = False) -> None:
        fig = Figure(figsize=(4.8, 3.4), layout="constrained")
        first, second = fig.subplots(1, 2)
        if hide_original:
            blank(first)
        else:
            _shaded(first, before, "before")
        _shaded(second, before, "after")
        self._image = second.images[0]
        self._image.set_data(np.zeros_like(before.shade))
        self._stage = Stage(fig)

    def show(self, after: surface.View, alt: str, caption: str = "") -> Shown:
        """Return the pair with another face after.

        Parameters
        ----------
        after : View
            Seen from where `before` was (made with ``like=``).
        alt, caption : str
            See `medlab.viz.show`.
        """
        self._image.set_data(after.shade)
        return self._stage.show([self._image], alt, caption)


def blank(ax: Axes) -> None:
    """Say in an empty panel that what belongs there is not shown."""
    ax.text(0.5, 0.5, "not shown:\nset reveal to True", ha="center", va="center", fontsize=9)
    ax.set_axis_off()


def depth_change(before: surface.View, after: surface.View) -> Figure:
    """Draw by how many mm the surface went back, pixel by pixel; white where it did not move.

    Parameters
    ----------
    before, after : View
        Two views of one viewpoint (the second made with ``like=``).

    Returns
    -------
    Figure
    """
    moved = before.depth_mm - np.where(np.isnan(after.depth_mm), -np.inf, after.depth_mm)
    fig = Figure(figsize=(4.2, 4.2), layout="constrained")
    ax = fig.subplots()
    height, width = (n * before.sight.spacing for n in moved.shape)
    change = np.where(np.isnan(before.depth_mm), np.nan, np.clip(moved, 0, 30))
    image = ax.imshow(change, cmap="Greys", vmin=0, vmax=30, extent=(0, width, 0, height))
    fig.colorbar(image, ax=ax, label="moved back (mm, 30 and more in black)")
    ax.set_xlabel("mm", fontsize=8)
    ax.set_title("what changed, from the front", fontsize=9)
    return fig
