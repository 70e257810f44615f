"""DICOM frames and volumes to scroll through: window, before and after, mask, three dimensions."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage
from pydicom import Dataset

from medlab import dicom, neuro
from medlab.errors import InputError
from medlab.viz import frame_pictures
from medlab.viz.figure import Shown
from medlab.viz.slices import Planes
from medlab.widgets.instrument import Instrument

_Source = Path | str | Dataset | SpatialImage
_STEPS = 200  # positions of the handles of the window
_AXES = ("sagittal, left to right", "coronal, back to front", "axial, upwards")


def image_viewer(
    before: _Source | Sequence[_Source],
    after: _Source | Sequence[_Source] | None = None,
    *,
    mask: SpatialImage | npt.NDArray[np.bool_] | None = None,
    hide_original: bool = False,
) -> Instrument:
    """Return an interactive widget to look through DICOM images or one volume.

    Parameters
    ----------
    before : path, Dataset, nibabel image, or sequence of DICOM files
        A DICOM file or several, whose frames are shown; a NIfTI file or a folder with a
        DICOM series, of which three planes are shown.
    after : likewise, optional
        The processed images, to be swiped over the originals.
    mask : nibabel image or ndarray of bool (rows, columns), optional
        Its contour is drawn; a volume's mask for a volume, a frame's for frames.
    hide_original : bool
        Leave the original black: the reader's own data, not revealed.

    Returns
    -------
    Instrument

    Raises
    ------
    InputError
        If there is no image, or before and after do not fit each other.
    """
    originals, results = _opened(before), _opened(after)
    if not originals:
        raise InputError("there is no image to show; give at least one")
    if results and len(results) != len(originals):
        raise InputError(f"{len(originals)} images before and {len(results)} after; give pairs")
    if isinstance(originals[0], SpatialImage):
        return _volume(originals[0], results[0] if results else None, mask, hide_original)
    return _Frames(originals, results, mask, hide_original).instrument


def _opened(source: Any) -> list[Any]:
    if source is None:
        return []
    one = isinstance(source, Path | str | Dataset | SpatialImage)
    return [_open(source)] if one else [_open(each) for each in source]


def _open(source: _Source) -> Dataset | SpatialImage:
    if isinstance(source, Dataset | SpatialImage):
        return source
    path = Path(source)
    if path.is_dir() or path.name.endswith((".nii", ".nii.gz")):
        return neuro.read_head(path)
    return dicom.read(path)


class _Frames:
    """The controls of a viewer of DICOM frames and what each does to the others."""

    def __init__(
        self, originals: list[Dataset], results: list[Dataset], mask: Any, hidden: bool
    ) -> None:
        self.originals, self.results, self.mask, self.hidden = originals, results, mask, hidden
        self.image = _slider("image", 1, len(originals))
        self.frame = _slider("frame", 1, 1)
        self.center = _slider("window: center", 0.0, 1.0)
        self.width = _slider("window: width", 0.0, 1.0)
        self.swipe = _slider("swipe: % original", 0, 100, 50)
        handles = {name: getattr(self, name) for name in ("image", "frame", "center", "width")}
        if len(originals) == 1:
            del handles["image"]
        if results:
            handles["swipe"] = self.swipe
        self.choose()
        self.image.observe(self.choose_anew, names="value")
        self.instrument = Instrument("Image viewer", handles, self.draw)

    def choose(self) -> None:
        """Let the controls reach over the frames and values of the image chosen."""
        dataset = self.originals[self.image.value - 1]
        total = frame_pictures.count(dataset)
        _span(self.frame, 1, total, (total + 1) // 2)
        values = frame_pictures.value_range(dataset)
        for handle in (self.center, self.width):
            handle.disabled = values is None
        if values:
            _span(self.center, values.low, values.high, values.center)
            _span(self.width, 1, 1.5 * (values.high - values.low), values.width)

    def choose_anew(self, _: Any) -> None:
        """Choose; what cannot be decoded is told when it is drawn."""
        with suppress(InputError):
            self.choose()

    def draw(self, frame: int, center: float, width: float, **_: Any) -> Shown:
        """Return the frame chosen, with its window, line and mask."""
        number = self.image.value - 1
        window = None if self.center.disabled else (center, width)
        picture = frame_pictures.picture(self.originals[number], frame - 1, window)
        sides = "the original"
        if self.hidden:
            picture, sides = np.zeros_like(picture), "not shown: set reveal to True"
        if self.results:
            result = frame_pictures.picture(self.results[number], frame - 1, window)
            picture = frame_pictures.swiped(picture, result, self.swipe.value / 100)
            sides = f"left of the line: {sides}; right of it: the result"
        if self.mask is not None:
            picture, sides = (
                frame_pictures.outlined(picture, self.mask),
                f"{sides}; yellow contour: the mask",
            )
        where = f"Image {number + 1} of {len(self.originals)}, frame {frame} of {self.frame.max}"
        return frame_pictures.as_shown(picture, f"{where}, {sides}", f"{where}; {sides}.")


def _volume(
    before: SpatialImage, after: SpatialImage | None, mask: Any, hidden: bool
) -> Instrument:
    masks, labels = ([], []) if mask is None else ([mask], ["mask"])
    planes = Planes(before, after, masks=masks, labels=labels, hide_original=hidden)
    low, high = planes.limits
    handles = plane_sliders(planes.shape)
    handles["center"] = _slider("window: center", low, high, (low + high) / 2)
    handles["width"] = _slider("window: width", 0.0, 1.5 * (high - low), high - low)
    if planes.shape[3] > 1:
        handles["volume"] = _slider("volume", 1, planes.shape[3])
    if after is not None:
        handles["swipe"] = _slider("swipe: % original", 0, 100, 50)
    if mask is not None:
        handles["outline"] = ipw.Checkbox(True, description="contour of the mask", indent=False)
    if find_spec("ipyniivue") and not (hidden and after is None):
        handles["solid"] = ipw.Checkbox(False, description="in three dimensions", indent=False)
    room = ipw.VBox()
    solid = lru_cache(maxsize=1)(lambda: _solid(before if after is None else after))

    def draw(**at: Any) -> Shown:
        room.children = [solid()] if at.get("solid") else []
        half = max(at["width"], 1e-9) / 2
        return planes.show(
            [at[name] - 1 for name in "xyz"],
            limits=(at["center"] - half, at["center"] + half),
            share=at.get("swipe", 100) / 100,
            volume=at.get("volume", 1) - 1,
            outlines=at.get("outline", True),
        )

    instrument = Instrument("Image viewer", handles, draw)
    instrument.children = [*instrument.children, room]
    return instrument


def _solid(img: SpatialImage) -> Any:
    """Return a volume rendering that the browser turns; its file goes with the kernel."""
    from ipyniivue import NiiVue, SliceType

    folder = tempfile.TemporaryDirectory(prefix="medlab-")
    path = Path(folder.name) / "volume.nii.gz"
    nib.save(neuro.volume.image_like(img, np.asanyarray(img.dataobj)), path)
    view = NiiVue(height=420)
    view.set_slice_type(SliceType.RENDER)
    view.load_volumes([{"path": path}])
    view.folder = folder  # lives as long as what shows it
    return view


def plane_sliders(shape: Sequence[int]) -> dict[str, Any]:
    """Return three sliders, in the middle of the voxels to the right, front and top (RAS+)."""
    return {
        name: _slider(label, 1, size, size // 2 + 1)
        for name, label, size in zip("xyz", _AXES, shape[:3], strict=True)
    }


def _slider(label: str, low: Any, high: Any, value: Any = None) -> Any:
    """Return a control of whole numbers or, where `low` is a float, of some two hundred steps."""
    look = {"description": label, "continuous_update": False}
    if isinstance(low, int):
        return ipw.IntSlider(low if value is None else value, low, high, **look)
    handle = ipw.FloatSlider(readout_format=".4g", **look)
    _span(handle, low, high, low if value is None else value)
    return handle


def _span(handle: Any, low: float, high: float, value: float) -> None:
    """Let a control reach from low to high, and from there to a value beyond."""
    with handle.hold_trait_notifications():
        handle.min, handle.max = min(low, value), max(high, value)
        handle.value = value
        if isinstance(handle, ipw.FloatSlider):
            handle.step = max((handle.max - handle.min) / _STEPS, 1e-9)
