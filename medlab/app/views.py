"""What the page shows of the files, before and after: tables and figures as HTML.

Nothing of a person is shown unless `reveal` is set: no value, no picture, no face.
"""

from __future__ import annotations

import html
import tempfile
from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, ParamSpec

import pandas as pd
from nibabel.spatialimages import SpatialImage
from pydicom import Dataset

from medlab import dicom, viz
from medlab.app.intake import Item, counted
from medlab.dicom.files import quiet_pydicom
from medlab.errors import InputError, MedlabError

_HIDDEN = (
    "<p>Hidden: pictures show who a person is. Choose <b>Show pictures</b> above to see "
    "them on this screen.</p>"
)
PLANES = viz.heads.PLANES
_MOST_ROWS = 300
#: What a person is shown before and after.
_SHOWN = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientAge", "PatientSex"),
    *("PatientWeight", "StudyDate", "AccessionNumber", "InstitutionName", "StudyInstanceUID"),
)
_P = ParamSpec("_P")


def one_sentence(draw: Callable[_P, Any]) -> Callable[_P, Any]:
    """Let no error of another library out: its words may hold a patient's values."""

    @wraps(draw)
    def drawn(*args: _P.args, **kwargs: _P.kwargs) -> Any:
        try:
            return draw(*args, **kwargs)
        except MedlabError:
            raise
        except MemoryError:
            raise InputError(
                "this needs more memory than there is; look at a smaller file"
            ) from None
        except Exception as error:  # noqa: BLE001
            raise InputError(f"this did not work ({type(error).__name__})") from None

    return drawn


def _table_html(table: pd.DataFrame, caption: str) -> str:
    """Return a table as HTML that scrolls in its place; the caption says what it is."""
    body = table.head(_MOST_ROWS).to_html(
        index=False, border=0, classes="medlab-table", escape=True
    )
    rest = len(table) - _MOST_ROWS
    more = f" The first {_MOST_ROWS} of {len(table)} rows." if rest > 0 else ""
    body = body.replace("<thead>", f"<caption>{html.escape(caption + more)}</caption><thead>", 1)
    return f'<div class="medlab-scroll" tabindex="0" role="region" aria-label="table">{body}</div>'


@one_sentence
def nifti_header(item: Item, *, reveal: bool) -> str:
    """Return what a NIfTI file says beside its voxels, one row a place."""
    from medlab.neuro import nifti_header

    fields = pd.DataFrame(
        nifti_header.inspect_file(item.middle), columns=["place", "kind", "value"]
    )
    if not reveal:
        fields["value"] = dicom.tags.MASK
    return _table_html(fields, f"{len(fields)} places say something beside the voxels.")


@lru_cache(maxsize=2)
@one_sentence
def volume(item: Item) -> SpatialImage:
    """Return a series or a scan as one volume, in memory and without its header's text.

    Raises
    ------
    InputError
        If it is no volume.
    """
    from medlab import neuro

    if item.kind == "nifti":
        return neuro.read_head(item.middle)
    with tempfile.TemporaryDirectory() as folder, quiet_pydicom():
        for number, path in enumerate(item.paths):
            Path(folder, f"{number:06d}.dcm").symlink_to(path)
        return neuro.read_head(folder)


def sides(item: Item) -> tuple[int, int, int] | None:
    """Return how many voxels a volume has from left to right, back to front, bottom to top."""
    import nibabel as nib

    try:
        x, y, z = nib.funcs.as_closest_canonical(volume(item)).shape[:3]
    except MedlabError:
        return None
    return x, y, z


@one_sentence
def slices(
    item: Item, after: Item | None = None, *, reveal: bool, at: Sequence[int] | None = None
) -> Any:
    """Return slices in three planes, those of the processed volume below."""
    if not reveal:
        return _HIDDEN
    both = after is not None
    fig = viz.heads.planes(volume(item), volume(after) if after else None, at=at)
    return viz.show(
        fig,
        alt="Sagittal, coronal and axial slice" + (", original above processed" if both else ""),
        caption="Gray values from dark to bright; axes in mm."
        + (" Upper row: original. Lower row: processed." if both else ""),
    )


@one_sentence
def picture(item: Item, after: Item | None = None, *, reveal: bool) -> Any:
    """Return the image in the middle of a series, that of the result beside it."""
    if not reveal:
        return _HIDDEN
    pictures = {"before" if after else "the image": _displayed(item)}
    if after is not None:
        pictures["after"] = _displayed(after)
    return viz.show(
        viz.disclosures.images(pictures),
        alt=" and ".join(pictures) + ": one image of the series at its own window",
        caption="One image of the series at its own window.",
    )


def _displayed(item: Item) -> Any:
    return viz.disclosures.displayed(_image(item))


def _image(item: Item) -> Dataset:
    """Return the middle image of a series; InputError where it has no pixels of sane size."""
    from medlab.pixels import frames

    if item.kind == "nifti":
        raise InputError("a NIfTI scan is shown in slices")
    dataset = dicom.read(item.middle)
    frames.layout(dataset)
    return dataset


@one_sentence
def burned_in(item: Item, *, reveal: bool) -> list[Any]:
    """Return what stands in the pixels of the middle image, and what would be removed."""
    from medlab import pixels
    from medlab.pixels import box_review

    dataset = _image(item)
    decisions = pixels.find_text(dataset, pixels.identity_words(dataset))
    away = sum(decision.remove for decision in decisions)
    sentence = f"{len(decisions)} pieces of text found, {away} of them would be removed."
    parts: list[Any] = [_table_html(box_review.as_table(decisions, reveal=reveal), sentence)]
    if reveal:
        fig = viz.pixels.beside(
            {"the image": box_review.picture(dataset)}, {"the image": decisions}
        )
        parts.append(
            viz.show(
                fig,
                alt=f"The image with {away} crossed boxes around text that would be removed",
                caption="Crossed boxes would be removed, dashed ones stay. Gray values are "
                "stretched so that faint text shows.",
            )
        )
    return parts if reveal else [*parts, _HIDDEN]


@one_sentence
def saved_screen(path: Path, row: int) -> Any:
    """Return the editor for the boxes of an image that waits for a person, all of it shown."""
    from medlab import pixels
    from medlab.widgets import text_boxes

    dataset = dicom.read(path)
    found = pixels.find_text(dataset, pixels.identity_words(dataset))
    editor = text_boxes(dataset, found, file=str(row), reveal=True)
    for name in ("effect", "pseudonym", "strength"):  # chosen in step 3
        editor.controls[name].layout.display = "none"
    return editor


@one_sentence
def face(item: Item, after: Item | None = None, *, reveal: bool) -> Any:
    """Return the surface of a head, as anyone could render it."""
    if not reveal:
        return _HIDDEN
    heads = {"original": volume(item)} | ({"processed": volume(after)} if after else {})
    return viz.show(
        viz.heads.faces(heads),
        alt="The surface of the scan from the front and from 30 degrees"
        + (", original beside processed" if after else ""),
        caption="What anyone can render from the scan.",
    )


@one_sentence
def cohort(source: Path, *, reveal: bool) -> str:
    """Return the table of the patients in the headers of all files."""
    table = dicom.cohort_table(source, by="patient")
    columns = table[["PatientID", "Age", "Sex", "Weight", "Diagnosis", "Modality", "Files"]]
    if not reveal:
        hide = ["PatientID", "Age", "Sex", "Weight", "Diagnosis"]
        columns = columns.astype(dict.fromkeys(hide, object))
        columns[hide] = columns[hide].where(columns[hide].isna(), dicom.tags.MASK)
    return _table_html(columns.astype(object).fillna(""), f"{counted(len(table), 'patient')}.")


@one_sentence
def headers(item: Item, after: Item, *, reveal: bool, restored: bool = False) -> str:
    """Return the elements that name a person, before and after.

    Masked are the values of the original: those of `after` where it was `restored`.
    """
    from medlab import methods

    if item.kind == "nifti":
        before, cleaned = (nifti_header(head, reveal=reveal) for head in (item, after))
        return f"<h4>before</h4>{before}<h4>after</h4>{cleaned}"
    versions = {"before": dicom.read(item.middle), "after": dicom.read(after.middle)}
    original = "after" if restored else "before"
    versions = {original: versions.pop(original)} | versions
    table = methods.side_by_side(versions, _SHOWN, reveal=reveal)[["before", "after"]]
    return _table_html(
        table.reset_index(), "Elements that name or describe the person, before and after."
    )
