"""What a de-identified data set says about itself (PS3.15 E.1.1, PS3.3 C.12.1 and C.7.1.1)."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.dataset import Dataset, FileDataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import UID

from medlab import __version__
from medlab.dicom.profile import EDITION, OPTIONS, PIXEL_OPTIONS, Plan
from medlab.errors import InputError

IMPLEMENTATION_UID = "2.25.160468915264017418043811570219826114517"
_SCHEME = "DCM"
_TIMES = ("UNMODIFIED", "MODIFIED", "REMOVED")


def method_text(plan: Plan) -> str:
    """Return product, version, edition and policy, as (0012,0063) carries them."""
    return f"medlab {__version__} PS3.15 {EDITION} {plan.policy}"


def was_shifted(dataset: Dataset) -> bool:
    """Tell whether a data set says that its dates were moved."""
    return bool(dataset.get("LongitudinalTemporalInformationModified") == "MODIFIED")


def stamp(dataset: FileDataset, plan: Plan) -> None:
    """Write the markers of this pass, keeping those of earlier passes, and the file meta.

    BurnedInAnnotation and RecognizableVisualFeatures are left as they are: only who looked
    at the pixels may say NO (see `claim`).
    """
    dataset.PatientIdentityRemoved = "YES"
    earlier = dataset.get("DeidentificationMethod") or []
    methods = list(earlier) if isinstance(earlier, MultiValue) else [str(earlier)] * bool(earlier)
    if method_text(plan) not in methods:
        methods.append(method_text(plan))
    dataset.DeidentificationMethod = methods
    add_codes(dataset, plan.codes)
    now = {"remove": "REMOVED", "shift": "MODIFIED", "keep": "UNMODIFIED"}[plan.dates]
    said = dataset.get("LongitudinalTemporalInformationModified")
    known = [name for name in (now, said) if name in _TIMES]
    dataset.LongitudinalTemporalInformationModified = max(known, key=_TIMES.index)
    _write_meta(dataset)


def _write_meta(dataset: FileDataset) -> None:
    """Write file meta that knows nothing of the sender (PS3.10 7.1)."""
    meta = dataset.file_meta
    meta.FileMetaInformationVersion = b"\0\1"
    for keyword in ("SOPClassUID", "SOPInstanceUID"):
        if dataset.get(keyword):
            setattr(meta, f"MediaStorage{keyword}", dataset[keyword].value)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = f"MEDLAB_{__version__}".replace(".", "_")[:16]


def add_codes(dataset: Dataset, codes: Iterable[tuple[str, str]]) -> None:
    """Append codes of CID 7050 to (0012,0064), once each."""
    items = list(dataset.get("DeidentificationMethodCodeSequence") or [])
    present = {item.get("CodeValue") for item in items}
    for value, meaning in codes:
        if value not in present:
            item = Dataset()
            item.CodeValue, item.CodingSchemeDesignator = value, _SCHEME
            item.CodeMeaning = meaning
            items.append(item)
    dataset.DeidentificationMethodCodeSequence = Sequence(items)


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
    if option == "clean-pixel-data":
        dataset.BurnedInAnnotation = "NO"
    else:
        dataset.RecognizableVisualFeatures = "NO"
    add_codes(dataset, [OPTIONS[option]])
