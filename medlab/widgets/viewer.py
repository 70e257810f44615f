"""Images to look through: DICOM frames, a volume in three planes, BET at work on a head.

The viewer has a window, before and after, a mask and three dimensions; the BET explorer has f
and g, the contour, and the face before and after.
"""

from __future__ import annotations

import html
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import ipywidgets as ipw
import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage
from PIL import Image
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut
from scipy.ndimage import binary_erosion

from medlab import dicom, neuro
from medlab.dicom.element_texts import frame_count
from medlab.errors import InputError
from medlab.neuro import Extraction, extract_brain, surface
from medlab.neuro.deface import MOST_RESIDUAL
from medlab.neuro.extraction import settled_backend
from medlab.neuro.volume import is_nifti
from medlab.viz.disclosures import decoded, displayed
from medlab.viz.figure import Shown
from medlab.viz.heads import FacePair, Planes
from medlab.widgets.interactive import InteractiveWidget, LongWidget, beside

_Source = Path | str | Dataset | SpatialImage
_STEPS = 200  # positions of the controls of the window
_AXES = ("sagittal, left to right", "coronal, back to front", "axial, upwards")
_Picture = npt.NDArray[np.uint8]
_LINE, _OUTLINE = (255, 255, 255), (240, 228, 66)  # white; yellow of Okabe and Ito
_LEAST = 512  # pixels of a picture's longer side; smaller ones are enlarged
_SPACING_MM = 2.5  # of the pixels of a face: seen at a glance, rendered in a tenth of a second
_F_STEP = 0.05  # of f and g


def image_viewer(
    before: _Source | Sequence[_Source],
    after: _Source | Sequence[_Source] | None = None,
    *,
    mask: SpatialImage | npt.NDArray[np.bool_] | None = None,
    hide_original: bool = False,
) -> InteractiveWidget:
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
    InteractiveWidget

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
    return _Frames(originals, results, mask, hide_original).widget


def _opened(source: Any) -> list[Any]:
    if source is None:
        return []
    single = isinstance(source, Path | str | Dataset | SpatialImage)
    return [_open(source)] if single else [_open(each) for each in source]


def _open(source: _Source) -> Dataset | SpatialImage:
    if isinstance(source, Dataset | SpatialImage):
        return source
    path = Path(source)
    if path.is_dir() or is_nifti(path):
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
        controls = {name: getattr(self, name) for name in ("image", "frame", "center", "width")}
        if len(originals) == 1:
            del controls["image"]
        if results:
            controls["swipe"] = self.swipe
        self.choose()
        self.image.observe(self.choose_anew, names="value")
        self.widget = InteractiveWidget("Image viewer", controls, self.draw)

    def choose(self) -> None:
        """Let the controls reach over the frames and values of the image chosen."""
        dataset = self.originals[self.image.value - 1]
        total = frame_count(dataset)
        _span(self.frame, 1, total, (total + 1) // 2)
        values = _value_range(dataset)
        for control in (self.center, self.width):
            control.disabled = values is None
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
        picture = _rgb(self.originals[number], frame - 1, window)
        sides = "the original"
        if self.hidden:
            picture, sides = np.zeros_like(picture), "not shown: set reveal to True"
        if self.results:
            result = _rgb(self.results[number], frame - 1, window)
            picture = _swiped(picture, result, self.swipe.value / 100)
            sides = f"left of the line: {sides}; right of it: the result"
        if self.mask is not None:
            picture, sides = (
                _outlined(picture, self.mask),
                f"{sides}; yellow contour: the mask",
            )
        where = f"Image {number + 1} of {len(self.originals)}, frame {frame} of {self.frame.max}"
        return _as_shown(picture, f"{where}, {sides}", f"{where}; {sides}.")


class _Range(NamedTuple):
    """Rescaled values of an image, and the window it is shown with at first.

    Attributes
    ----------
    low, high : float
        Smallest and largest value of the middle frame.
    center, width : float
        The header's window, else the whole range.
    """

    low: float
    high: float
    center: float
    width: float


def _value_range(dataset: Dataset) -> _Range | None:
    """Return the range of an image's values; None for one in color, which has no window."""
    if int(dataset.get("SamplesPerPixel") or 1) > 1:
        return None
    data = apply_modality_lut(decoded(dataset), dataset)
    low, high = float(data.min()), float(data.max())
    whole = (low + high) / 2, max(high - low, 1.0)
    window = [_first(dataset.get(name)) for name in ("WindowCenter", "WindowWidth")]
    center, width = whole if None in window else window
    return _Range(low, max(high, low + 1), float(center), max(float(width), 1.0))


def _first(value: Any) -> Any:
    """Return a value, or the first of several."""
    return value[0] if isinstance(value, list | tuple) or hasattr(value, "append") else value


def _rgb(dataset: Dataset, frame: int, window: tuple[float, float] | None) -> _Picture:
    """Return one frame in RGB.

    Parameters
    ----------
    dataset : Dataset
    frame : int
        Counted from 0.
    window : (center, width) or None
        None shows a color image as it is, another one with the header's window.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
    """
    values = displayed(dataset, frame=frame, window=window or True)
    gray = np.asarray(np.clip(values, 0, 1) * 255, dtype=np.uint8)
    return gray if gray.ndim == 3 else np.repeat(gray[..., None], 3, axis=2)


def _swiped(before: _Picture, after: _Picture, share: float) -> _Picture:
    """Return a picture that shows the original on the left and the result on the right.

    Parameters
    ----------
    before, after : ndarray of uint8, shape (rows, columns, 3)
    share : float
        How much of the width shows the original: 0 to 1.

    Raises
    ------
    InputError
        If the two are of different sizes.
    """
    if before.shape != after.shape:
        raise InputError("the original and the result are of different sizes")
    column = round(share * before.shape[1])
    both = np.concatenate([before[:, :column], after[:, column:]], axis=1)
    if 0 < column < before.shape[1]:
        both[:, column] = _LINE
    return both


def _outlined(picture: _Picture, mask: npt.NDArray[np.bool_]) -> _Picture:
    """Return a picture with the contour of a mask (rows, columns) drawn in yellow."""
    if mask.shape != picture.shape[:2]:
        raise InputError("the mask and the image are of different sizes")
    out = picture.copy()
    out[mask & ~binary_erosion(mask)] = _OUTLINE
    return out


def _as_shown(picture: _Picture, alt: str, caption: str) -> Shown:
    """Return a picture with its text alternative; a small one is enlarged, pixel by pixel."""
    times = max(1, _LEAST // max(picture.shape[:2]))
    large = picture.repeat(times, axis=0).repeat(times, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(large).save(buffer, "PNG", compress_level=1)
    return Shown(buffer.getvalue(), alt, caption)


def _volume(
    before: SpatialImage, after: SpatialImage | None, mask: Any, hidden: bool
) -> InteractiveWidget:
    masks, labels = ([], []) if mask is None else ([mask], ["mask"])
    planes = Planes(before, after, masks=masks, labels=labels, hide_original=hidden)
    low, high = planes.limits
    controls = _plane_sliders(planes.shape)
    controls["center"] = _slider("window: center", low, high, (low + high) / 2)
    controls["width"] = _slider("window: width", 0.0, 1.5 * (high - low), high - low)
    if planes.shape[3] > 1:
        controls["volume"] = _slider("volume", 1, planes.shape[3])
    if after is not None:
        controls["swipe"] = _slider("swipe: % original", 0, 100, 50)
    if mask is not None:
        controls["outline"] = ipw.Checkbox(True, description="contour of the mask", indent=False)
    if find_spec("ipyniivue") and not (hidden and after is None):
        controls["solid"] = ipw.Checkbox(False, description="in three dimensions", indent=False)
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

    widget = InteractiveWidget("Image viewer", controls, draw)
    widget.children = [*widget.children, room]
    return widget


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


def _plane_sliders(shape: Sequence[int]) -> dict[str, Any]:
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
    control = ipw.FloatSlider(readout_format=".4g", **look)
    _span(control, low, high, low if value is None else value)
    return control


def _span(control: Any, low: float, high: float, value: float) -> None:
    """Let a control reach from low to high, and from there to a value beyond."""
    with control.hold_trait_notifications():
        control.min, control.max = min(low, value), max(high, value)
        control.value = value
        if isinstance(control, ipw.FloatSlider):
            control.step = max((control.max - control.min) / _STEPS, 1e-9)


class _Stripped(NamedTuple):
    """What is kept of one run of BET."""

    mask: SpatialImage
    report: dict[str, Any]
    seconds: float | None  # None: it was at hand
    face: surface.View
    standing: float  # share of the front of the head that still stands where it stood


def bet_explorer(
    img: SpatialImage,
    extractions: Sequence[Extraction] = (),
    *,
    f: float = 0.5,
    g: float = 0.0,
    backend: str = "auto",
    hide_original: bool = False,
) -> LongWidget:
    """Return BET on one head, to be explored.

    Parameters
    ----------
    img : nibabel image
        A head, one volume.
    extractions : sequence of Extraction
        Results at hand, of the same head and backend; they are shown at once when their f
        and g are chosen.
    f, g : float
        Where the controls stand at the start.
    backend : {"auto", "fsl", "builtin"}
        See `medlab.neuro.extract_brain`. FSL's run cannot be ended: newer values wait for it.
    hide_original : bool
        Show neither face nor slices of the head, only the brain: the reader's own data. A
        head whose front still stands after BET is not shown either.

    Returns
    -------
    LongWidget
    """
    before = surface.view(img, spacing_mm=_SPACING_MM)

    def kept(extraction: Extraction, seconds: float | None) -> _Stripped:
        face = surface.view(extraction.brain, like=before)
        standing = float(surface.stands(before.depth_mm, face.depth_mm).mean())
        if hide_original and standing > MOST_RESIDUAL:
            face = face._replace(shade=np.zeros_like(face.shade))
        return _Stripped(extraction.mask, extraction.report, seconds, face, standing)

    def work(f: float, g: float, watch: Callable[[float], None]) -> _Stripped:
        start = time.perf_counter()
        extraction = extract_brain(img, f=f, g=g, backend=backend, watch=watch)
        return kept(extraction, time.perf_counter() - start)

    done: dict[tuple[float, float], _Stripped] = {
        (extraction.report["f"], extraction.report["g"]): kept(extraction, None)
        for extraction in extractions
    }
    if (f, g) not in done:
        done[f, g] = work(f, g, lambda share: None)
    start = done[f, g]
    visible = img
    if hide_original:
        data, inside = np.asanyarray(img.dataobj), np.asanyarray(start.mask.dataobj) > 0
        visible = type(img)(np.where(inside, data, data.min()), img.affine)
    planes = Planes(visible, labels=["this f and g", "as at the start"])
    pair = FacePair(before, hide_original=hide_original)

    def draw(now: _Stripped, f: float, g: float, x: int, y: int, z: int) -> list[Any]:
        said = _sentences(now, start)
        slices = planes.show((x - 1, y - 1, z - 1), masks=[now.mask, start.mask])
        alt = f"{slices.alt} Drawn on it is the contour of the brain. {said[0]}"
        faces = pair.show(now.face, f"The head before and after from the front. {said[2]}")
        words = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in said)
        slices = replace(slices, alt=alt, caption="Dotted: where the other planes lie.")
        return [slices, beside(faces, words)]

    controls = _bet_controls(f, g, planes.shape)
    likely = None if settled_backend(backend) == "fsl" else _one_step
    return LongWidget("BET explorer", controls, draw, work, "fg", done, likely)


def _one_step(f: float, g: float) -> list[tuple[float, float]]:
    """Return the settings one step of a control away."""
    beside = [(f + _F_STEP, g), (f - _F_STEP, g), (f, g + _F_STEP), (f, g - _F_STEP)]
    return [(x, y) for x, y in beside if 0 <= x <= 1 and -1 <= y <= 1]


def _bet_controls(f: float, g: float, shape: tuple[int, ...]) -> dict[str, Any]:
    look = {"continuous_update": False, "step": _F_STEP}
    return {
        "f": ipw.FloatSlider(f, min=0, max=1, description="f: smaller keeps more", **look),
        "g": ipw.FloatSlider(g, min=-1, max=1, description="g: larger keeps more below", **look),
        **_plane_sliders(shape),
    }


def _sentences(now: _Stripped, start: _Stripped) -> list[str]:
    """Return what came out: volume, time, face, warnings."""
    volume = now.report["volume_ml"]
    more = volume - start.report["volume_ml"]
    change = f", {abs(more):.0f} ml {'more' if more > 0 else 'less'} than at the start"
    took = "its result was at hand" if now.seconds is None else f"{now.seconds:.1f} s"
    return [
        f"The brain found holds {volume:.0f} ml{change if round(more) else ''}.",
        f"BET ({now.report['backend']}): {took}.",
        f"Of the front of the head, {100 * now.standing:.0f} % still stands where it stood"
        f"{'' if now.face.shade.any() else '; it is not shown unless reveal is True'}.",
        *(f"Warning: {warning}." for warning in now.report["warnings"]),
    ]
