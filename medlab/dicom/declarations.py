"""What a de-identified data set says about itself (PS3.15 E.1.1, PS3.3 C.12.1 and C.7.1.1)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from io import BytesIO

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from medlab import __version__
from medlab.dicom import passthrough
from medlab.dicom.element_texts import raw_element, sequence_at, text_at
from medlab.dicom.profile import EDITION, OPTIONS, PIXEL_OPTIONS, PIXELS, SAFE_HARBOR, Plan
from medlab.errors import InputError

_IMPLEMENTATION_UID = "2.25.160468915264017418043811570219826114517"
_SCHEME = "DCM"


_METHOD, _CODES, _TIMES_SAID = 0x00120063, 0x00120064, 0x00280303
_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_META_CLASS, _META_INSTANCE = 0x00020002, 0x00020003
#: What every de-identification says of itself.
MARKS = (
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
)
_TIMES = ("UNMODIFIED", "MODIFIED", "REMOVED")


def _method_text(plan: Plan) -> str:
    """Return product, version, edition and policy, as (0012,0063) carries them."""
    return f"medlab {__version__} PS3.15 {EDITION} {plan.policy}"


def stamp(dataset: FileDataset, plan: Plan) -> None:
    """Write the markers of this pass, keeping those of earlier passes, and the file meta.

    BurnedInAnnotation and RecognizableVisualFeatures are left as they are: only who looked
    at the pixels may say NO (see `claim`).
    """
    implicit, little = dataset.original_encoding
    elements = passthrough.elements(dataset)
    if implicit is None or any(tag in elements for tag in (_METHOD, _CODES, _TIMES_SAID)):
        _stamp_again(dataset, plan)
    else:
        elements.update(_first_marks(plan, implicit, bool(little)))
    for source, tag in ((_SOP_CLASS, _META_CLASS), (_SOP_INSTANCE, _META_INSTANCE)):
        uid = text_at(dataset, source)
        if uid:
            passthrough.elements(dataset.file_meta)[BaseTag(tag)] = _meta_element(tag, "UI", uid)


def method_lines(dataset: Dataset) -> list[str]:
    """Return the values of De-identification Method (0012,0063), none where it is empty."""
    value = dataset.get("DeidentificationMethod") or MultiValue(str, [])
    return [str(line) for line in (value if isinstance(value, MultiValue) else [value])]


def _stamp_again(dataset: FileDataset, plan: Plan) -> None:
    """Add the markers of this pass to those of an earlier one."""
    dataset.PatientIdentityRemoved = "NO" if plan.allowed else "YES"
    if plan.policy == SAFE_HARBOR:  # what an earlier pass retained is not retained now
        for tag in {_METHOD, _CODES} & set(dataset.keys()):
            del dataset[tag]
    methods = method_lines(dataset)
    if _method_text(plan) not in methods:
        methods.append(_method_text(plan))
    dataset.DeidentificationMethod = methods
    add_codes(dataset, plan.codes)
    times = {"remove": "REMOVED", "year": "MODIFIED", "shift": "MODIFIED", "keep": "UNMODIFIED"}
    now = plan.temporal or times[plan.dates]
    said = dataset.get("LongitudinalTemporalInformationModified")
    claims = [name for name in (now, said) if name in _TIMES]
    dataset.LongitudinalTemporalInformationModified = max(claims, key=_TIMES.index)


@lru_cache(maxsize=64)
def _first_marks(plan: Plan, implicit: bool, little: bool) -> dict[BaseTag, RawDataElement]:
    """Return the markers as encoded elements: they are the same for every file of a job."""
    marked = Dataset()
    _stamp_again(marked, plan)  # type: ignore[arg-type]
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = little, implicit
    write_dataset(buffer, marked)
    syntax = (implicit, little)
    marks = read_dataset(BytesIO(buffer.getvalue()), *syntax)
    return {tag: marks.get_item(tag) for tag in marks.keys()}  # type: ignore[misc]  # noqa: SIM118


def _meta_element(tag: int, vr: str, value: str | bytes) -> RawDataElement:
    data = value if isinstance(value, bytes) else value.encode("ascii")
    data += (b"\0" if vr in ("UI", "OB") else b" ") * (len(data) & 1)
    return raw_element(tag, vr, data, implicit=False, little=True)


def new_meta(syntax: str) -> FileMetaDataset:
    """Return file meta that knows nothing of the sender (PS3.10 7.1)."""
    return passthrough.new_meta(dict(_of_ours(syntax)))


@lru_cache(maxsize=64)
def _of_ours(syntax: str) -> dict[BaseTag, RawDataElement]:
    version = f"MEDLAB_{__version__}".replace(".", "_")[:16]
    values = (
        (0x00020001, "OB", b"\0\1"),
        (0x00020010, "UI", syntax),
        (0x00020012, "UI", _IMPLEMENTATION_UID),
        (0x00020013, "SH", version),
    )
    return {BaseTag(tag): _meta_element(tag, vr, value) for tag, vr, value in values}


def add_codes(dataset: Dataset, codes: Iterable[tuple[str, str]]) -> None:
    """Append codes of CID 7050 to (0012,0064), once each."""
    items = sequence_at(dataset, "DeidentificationMethodCodeSequence")
    present = {item.get("CodeValue") for item in items}
    for value, meaning in codes:
        if value not in present:
            item = Dataset()
            item.CodeValue, item.CodingSchemeDesignator = value, _SCHEME
            item.CodeMeaning = meaning
            items.append(item)
    dataset.add_new(_CODES, "SQ", Sequence(items))  # by name, a VR that was wrong would stay


def claim(dataset: Dataset, option: str) -> None:
    """Mark in place that the pixels or the face of a data set were seen to.

    Parameters
    ----------
    dataset : Dataset
        De-identified, its pixels checked or changed by who calls this.
    option : {"clean-pixel-data", "clean-recognizable-visual-features"}
        What was done.
    """
    if option not in PIXEL_OPTIONS:
        raise InputError(f"{option} is not about pixels; there are {', '.join(PIXEL_OPTIONS)}")
    if option == PIXELS:
        dataset.BurnedInAnnotation = "NO"
    else:
        dataset.RecognizableVisualFeatures = "NO"
    add_codes(dataset, [OPTIONS[option]])
