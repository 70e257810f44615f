"""A head as a scan shows it: slices in three planes with contours, and its face as a surface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import nibabel as nib
import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from nibabel.spatialimages import SpatialImage

from medlab.errors import InputError
from medlab.neuro import surface
from medlab.viz.figure import Color, Shown, Stage

PLANES = ("sagittal", "coronal", "axial")
_Extent = tuple[float, float, float, float]
_OUTLINES = (Color.AMBER, Color.SKY, Color.PINK, Color.GREEN)
_STYLES: tuple[Literal["solid", "dashed", "dotted", "dashdot"], ...] = (
    "solid",
    "dashed",
    "dotted",
    "dashdot",
)
_ANGLES = (surface.FRONT, surface.THREE_QUARTER)
_ANGLE_NAMES = {0.0: "front", 30.0: "three-quarter"}


def _ras(img: SpatialImage) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    """Return the first volume in RAS+ order, and the affine that belongs to it."""
    data, affine = _series(img)
    return data[..., 0], affine


def _series(img: SpatialImage) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    """Return all volumes in RAS+ order, the last axis counting them, and the affine."""
    img = nib.funcs.as_closest_canonical(img)
    data = np.nan_to_num(np.asanyarray(img.dataobj))
    return data.reshape(*data.shape[:3], -1), np.asarray(img.affine)


def _middle(data: npt.NDArray[Any], at: Sequence[int] | None) -> tuple[int, int, int]:
    if at is None:
        x, y, z = (n // 2 for n in data.shape)
        return x, y, z
    if len(at) != 3 or any(not 0 <= i < n for i, n in zip(at, data.shape, strict=False)):
        raise InputError(f"`at` is three voxel numbers inside the shape {data.shape} (RAS+ order)")
    return at[0], at[1], at[2]


def _draw(
    ax: Axes,
    data: npt.NDArray[Any],
    affine: npt.NDArray[np.float64],
    plane: int,
    index: int,
    limits: tuple[float, float],
) -> _Extent:
    """Draw one slice in mm; patient's left on the right of the picture, as a reader faces them."""
    across, up = [axis for axis in range(3) if axis != plane]
    picture = np.take(data, index, axis=plane).T
    zoom = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    first = affine[:3, 3] - zoom / 2
    last = first + data.shape * zoom
    extent = (first[across], last[across], first[up], last[up])
    low, high = limits
    ax.imshow(picture, origin="lower", extent=extent, cmap="gray", vmin=low, vmax=high)
    ax.set_xlim(*(extent[:2][::-1] if across == 0 else extent[:2]))
    ax.set_xlabel(("left to right", "back to front", "")[across] + " (mm)", fontsize=8)
    if across == 0:
        ax.set_xlabel("right to left (mm)", fontsize=8)
    ax.set_ylabel(("", "back to front", "up")[up] + " (mm)", fontsize=8)
    ax.tick_params(labelsize=7)
    return extent


def _row(
    axes: Sequence[Axes],
    data: npt.NDArray[Any],
    affine: npt.NDArray[np.float64],
    point: Sequence[int],
    limits: tuple[float, float],
    name: str = "",
) -> list[_Extent]:
    """Draw the three planes through a point on axes side by side; return what each covers."""
    extents = []
    for plane, ax in enumerate(axes):
        extents.append(_draw(ax, data, affine, plane, point[plane], limits))
        ax.set_title(f"{PLANES[plane]}{name}", fontsize=9)
    return extents


def _limits(data: npt.NDArray[Any]) -> tuple[float, float]:
    low, high = np.percentile(data, (1, 99.5))
    return float(low), float(high) if high > low else float(low) + 1


def planes(
    before: SpatialImage,
    after: SpatialImage | None = None,
    *,
    masks: Sequence[SpatialImage] = (),
    labels: Sequence[str] = (),
    at: Sequence[int] | None = None,
    hide_original: bool = False,
) -> Figure:
    """Draw sagittal, coronal and axial slices, of the original above those of the processed image.

    Parameters
    ----------
    before : nibabel image
        The original.
    after : nibabel image, optional
        The processed image, shown with the same gray scale.
    masks : sequence of nibabel images
        Masks whose contours are drawn on the original (at most four).
    labels : sequence of str
        Their names.
    at : three int, optional
        The voxel (RAS+ order) through which the slices go; the middle, if not given.
    hide_original : bool
        Leave the original blank: a face of the reader's own data.

    Returns
    -------
    Figure
    """
    data, affine = _ras(before)
    point, limits = _middle(data, at), _limits(data)
    inside = [_ras(mask)[0] for mask in masks]
    rows = [("original", data)] + ([("processed", _ras(after)[0])] if after is not None else [])
    fig = Figure(figsize=(10, 3.6 * len(rows) + 0.4), layout="constrained")
    axes = fig.subplots(len(rows), 3, squeeze=False)
    for line, (name, values) in zip(axes, rows, strict=True):
        if values is data and hide_original:
            for ax in line:
                _blank(ax)
            continue
        extents = _row(line, values, affine, point, limits, f", {name}")
        if values is data:
            _outlines(line, inside, point, extents)
    if labels:
        _legend(fig, labels)
    return fig


def _outlines(
    axes: Sequence[Axes],
    masks: Sequence[npt.NDArray[Any]],
    point: Sequence[int],
    extents: Sequence[_Extent],
) -> list[Artist]:
    """Draw the contours of masks on the three planes through a point."""
    drawn: list[Artist] = []
    for plane, (ax, (left, right, bottom, top)) in enumerate(zip(axes, extents, strict=True)):
        for mask, color, style in zip(masks, _OUTLINES, _STYLES, strict=False):
            cut = np.take(mask, point[plane], axis=plane).T > 0
            if cut.any() and not cut.all():
                wide, high = (right - left) / cut.shape[1] / 2, (top - bottom) / cut.shape[0] / 2
                x = np.linspace(left + wide, right - wide, cut.shape[1])
                y = np.linspace(bottom + high, top - high, cut.shape[0])
                look: dict[str, Any] = {"colors": color, "linestyles": style, "linewidths": 1.3}
                drawn.append(ax.contour(x, y, cut, [0.5], **look))
    return drawn


def _legend(fig: Figure, labels: Sequence[str]) -> None:
    lines = [
        Line2D([], [], color=color, linestyle=style)
        for color, style, _ in zip(_OUTLINES, _STYLES, labels, strict=False)
    ]
    fig.legend(lines, list(labels), loc="outside lower center", ncols=len(lines), fontsize=9)


class Planes:
    """Three planes through a head, drawn again in less than a tenth of a second.

    Parameters
    ----------
    before : nibabel image
        The original; of a series of volumes, one is shown at a time.
    after : nibabel image, optional
        The processed image on the same voxels; it stands right of a line that can be moved.
    masks : sequence of nibabel images
        Masks whose contours are drawn (at most four).
    labels : sequence of str
        Their names.
    hide_original : bool
        Leave the original blank: a face of the reader's own data.

    Attributes
    ----------
    shape : tuple of four int
        Voxels to the right, front and top (RAS+), and volumes.
    limits : (low, high)
        The intensities drawn black and white, unless others are asked for.

    Raises
    ------
    InputError
        If the images differ in their voxels.
    """

    def __init__(
        self,
        before: SpatialImage,
        after: SpatialImage | None = None,
        *,
        masks: Sequence[SpatialImage] = (),
        labels: Sequence[str] = (),
        hide_original: bool = False,
    ) -> None:
        self._before, self._affine = _series(before)
        self._after = None if after is None else _series(after)[0]
        self._masks = [_ras(mask)[0] for mask in masks]
        self.shape = self._before.shape
        others = [*self._masks, *([] if self._after is None else [self._after])]
        if any(other.shape[:3] != self.shape[:3] for other in others):
            raise InputError("images shown together need the same voxels; resample one of them")
        self.limits = _limits(self._before)
        if hide_original:
            self._before = np.full_like(self._before, self._before.min())
        self._hidden = " (not shown: set reveal to True)" * hide_original
        self._fig = Figure(figsize=(9, 3.3), layout="constrained")
        self._axes = list(self._fig.subplots(1, 3))
        still = self._before[..., 0]
        self._extents = _row(self._axes, still, self._affine, (0, 0, 0), self.limits)
        for ax in self._axes:
            ax.title.set_animated(True)
            ax.images[0].set_animated(True)
        if labels:
            _legend(self._fig, labels)
        self._stage = Stage(self._fig)

    def show(
        self,
        at: Sequence[int] | None = None,
        *,
        limits: tuple[float, float] | None = None,
        share: float = 1.0,
        volume: int = 0,
        outlines: bool = True,
        masks: Sequence[SpatialImage] | None = None,
    ) -> Shown:
        """Return the planes through one voxel.

        Parameters
        ----------
        at : three int, optional
            The voxel (RAS+ order); the middle, if not given.
        limits : (low, high), optional
            The intensities drawn black and white.
        share : float
            How much of each plane, from the left, shows the original: 0 to 1.
        volume : int
            Which volume of a series.
        outlines : bool
            Draw the contours of the masks.
        masks : sequence of nibabel images, optional
            These masks instead, under the same names.
        """
        if masks is not None:
            self._masks = [_ras(mask)[0] for mask in masks]
        point = _middle(self._before[..., 0], at)
        share = 1.0 if self._after is None else share
        drawn: list[Artist] = []
        for plane, ax in enumerate(self._axes):
            picture, title = ax.images[0], ax.title
            picture.set_data(self._cut(plane, point[plane], share, volume))
            picture.set_clim(*(limits or self.limits))
            title.set_text(f"{PLANES[plane]}, {self._mm(plane, point[plane]):.0f} mm")
            drawn += [picture, title]
        marks = self._marks(point, share, outlines)
        planes = self._stage.show([*drawn, *marks], *self._said(point, share))
        for mark in marks:
            mark.remove()
        return planes

    def _mm(self, axis: int, index: float) -> float:
        """Return where the center of a voxel lies on one axis, in mm."""
        zoom = np.sqrt((self._affine[:3, axis] ** 2).sum())
        return float(self._affine[axis, 3] + index * zoom)

    def _cut(self, plane: int, index: int, share: float, volume: int) -> npt.NDArray[Any]:
        """Return one slice, left of the line of the original, right of it of the result."""
        last = self._before.shape[3] - 1
        before: npt.NDArray[Any] = np.take(self._before[..., min(volume, last)], index, plane).T
        if self._after is None or share >= 1:
            return before
        last = self._after.shape[3] - 1
        after = np.take(self._after[..., min(volume, last)], index, plane).T
        columns = np.arange(before.shape[1]) + 0.5
        if plane != 0:  # the patient's right is on the left of the picture
            columns = columns[::-1]
        return np.asarray(np.where(columns <= share * before.shape[1], before, after))

    def _marks(self, point: Sequence[int], share: float, outlines: bool) -> list[Artist]:
        """Return what is drawn onto the slices: where the others lie, the line, contours."""
        marks: list[Artist] = []
        thin: dict[str, Any] = {"color": Color.YELLOW, "linewidth": 0.6, "linestyle": ":"}
        for plane, ax in enumerate(self._axes):
            across, up = [axis for axis in range(3) if axis != plane]
            marks.append(ax.axvline(self._mm(across, point[across]), **thin))
            marks.append(ax.axhline(self._mm(up, point[up]), **thin))
            if 0 < share < 1:
                start, end = ax.get_xlim()
                marks.append(
                    ax.axvline(start + share * (end - start), color="white", linewidth=1.2)
                )
        if outlines:
            marks += _outlines(self._axes, self._masks, point, self._extents)
        return marks

    def _said(self, point: Sequence[int], share: float) -> tuple[str, str]:
        """Return the text alternative and the caption."""
        where = ", ".join(f"{self._mm(axis, i):.0f}" for axis, i in enumerate(point))
        alt = f"Sagittal, coronal and axial slice through {where} mm (right, front, up)."
        sides = f"the original{self._hidden}"
        if share <= 0:
            sides = "the result"
        elif share < 1:
            sides = f"left of the line the original{self._hidden}, right of it the result"
        return f"{alt} Shown is {sides}.", f"Shown: {sides}. Dotted: where the other planes lie."


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
                _blank(ax)
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


class FacePair:
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
            _blank(first)
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


def _blank(ax: Axes) -> None:
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
