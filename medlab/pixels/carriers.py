"""Text of an image object that does not stand in its pixel data: overlays, icons, documents."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from pydicom.dataset import Dataset

from medlab.errors import RefusedError
from medlab.pixels import frames

# overlays, and the curves of old
_GRAPHICS = {*range(0x6000, 0x6100, 2), *range(0x5000, 0x5100, 2)}
_CARRIERS = {
    "EncapsulatedDocument": ("an encapsulated document (PDF, CDA)", None),
    "WaveformSequence": ("a waveform and its annotations", None),
    "GraphicAnnotationSequence": ("a presentation state's annotations", "clean-graphics"),
    "ContentSequence": ("a structured report", "clean-structured-content"),
}


class Finding(NamedTuple):
    """Something a person should know about the image; never a value. `severity`: info, review."""

    kind: str
    message: str
    severity: str = "info"


def strip(dataset: Dataset, header_options: Collection[str] = ()) -> list[Finding]:
    """Remove in place what repeats text outside the pixel data: overlays, icons, curves.

    Raises
    ------
    RefusedError
        If a sequence holds pixel data other than an icon, or there is text elsewhere than in
        pixels that none of the `header_options` cleaned.
    """
    for keyword, (what, option) in _CARRIERS.items():
        if keyword in dataset and option not in header_options:
            hint = f"; use the option {option}" if option else ""
            raise RefusedError(f"{what} cannot be checked for text{hint}")
    findings = []
    graphics = [tag for tag in dataset.keys() if tag.group in _GRAPHICS]  # noqa: SIM118
    for tag in graphics:
        del dataset[tag]
    if graphics:
        findings.append(Finding("overlay", "overlays or curves were removed"))
    if _without_icons(dataset):
        findings.append(Finding("icon", "icon images were removed"))
    return findings


def _without_icons(dataset: Dataset) -> bool:
    removed = dataset.pop("IconImageSequence", None) is not None
    for tag in [tag for tag, element in dataset.items() if element.VR in ("SQ", "UN", None)]:
        element = dataset[tag]
        if element.VR != "SQ":
            continue
        for item in element.value:
            removed |= _without_icons(item)
            if any(name in item for name in frames.KEYWORDS) and not tag.is_private:
                raise RefusedError("pixel data inside a sequence cannot be checked")
        if tag.is_private and any(
            name in item for item in element.value for name in ("PixelData",)
        ):
            del dataset[tag]
            removed = True
    return removed
