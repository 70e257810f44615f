"""BET with controls: f and g, the contour in three planes, the face before and after."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import ipywidgets as ipw
import numpy as np
from nibabel.spatialimages import SpatialImage

from medlab.neuro import Extraction, extract_brain, surface
from medlab.neuro.extraction import settled_backend
from medlab.viz.heads import FacePair, Planes
from medlab.widgets.interactive import LongWidget, beside
from medlab.widgets.viewer import plane_sliders

_SPACING_MM = 2.5  # of the pixels of a face: seen at a glance, rendered in a tenth of a second
_STEP = 0.05  # of f and g
_MOST_STANDING = 0.05  # of the front of a head that is not revealed


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
        stands = np.abs(face.depth_mm - before.depth_mm) < surface.CHANGED_MM
        standing = float(stands[np.isfinite(before.depth_mm)].mean())
        if hide_original and standing > _MOST_STANDING:
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

    controls = _controls(f, g, planes.shape)
    likely = None if settled_backend(backend) == "fsl" else _one_step
    return LongWidget("BET explorer", controls, draw, work, "fg", done, likely)


def _one_step(f: float, g: float) -> list[tuple[float, float]]:
    """Return the settings one step of a control away."""
    beside = [(f + _STEP, g), (f - _STEP, g), (f, g + _STEP), (f, g - _STEP)]
    return [(x, y) for x, y in beside if 0 <= x <= 1 and -1 <= y <= 1]


def _controls(f: float, g: float, shape: tuple[int, ...]) -> dict[str, Any]:
    look = {"continuous_update": False, "step": _STEP}
    return {
        "f": ipw.FloatSlider(f, min=0, max=1, description="f: smaller keeps more", **look),
        "g": ipw.FloatSlider(g, min=-1, max=1, description="g: larger keeps more below", **look),
        **plane_sliders(shape),
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
