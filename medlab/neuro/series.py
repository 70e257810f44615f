"""DICOM series as volumes: exact geometry in, a derived series out, voxel by voxel."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import generate_uid

from medlab.arrays import Floats, Mask
from medlab.dicom.declarations import claim
from medlab.dicom.element_texts import frame_count
from medlab.dicom.files import quiet_pydicom, read, to_bytes
from medlab.disk import write_whole
from medlab.errors import InputError, RefusedError, not_installed, usable
from medlab.neuro.volume import AIR_HU
from medlab.pixels.effects import cut_frames
from medlab.pixels.frames import layout, padding, stored_frames, values

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_GAP_MM = 0.02  # slices may lie this far off their place (rounded positions)
_TURNED = 1e-3
_OWN_NAME = re.compile(r"\d{5,}\.dcm")


class Series(NamedTuple):
    """One series as a volume.

    Attributes
    ----------
    img : Nifti1Image
        Values after rescaling; voxels in the order (column, row, slice), affine in RAS+ mm.
        A fourth axis where several images lie in each place: echoes, phases, repetitions.
    stored : ndarray, shape (columns, rows, slices) or (columns, rows, slices, volumes)
        The stored values, as in the files.
    datasets : tuple of Dataset
        The files: one a slice, or a single multi-frame one.
    frames : tuple of (int, int)
        For each slice of the first volume, then of the next: number of its file, number of
        its frame.
    """

    img: nib.Nifti1Image
    stored: npt.NDArray[Any]
    datasets: tuple[Dataset, ...]
    frames: tuple[tuple[int, int], ...]


class _Frame(NamedTuple):
    file: int
    number: int
    order: tuple[Any, ...]
    position: Floats
    orientation: Floats
    spacing: Floats
    slope: float
    intercept: float


def is_series(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is a folder, or a file that begins as DICOM files do."""
    path = Path(path)
    if path.is_dir():
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_series(source: str | os.PathLike[str]) -> Series:
    """Read a DICOM series as one volume, or as volumes on one grid, without resampling.

    Parameters
    ----------
    source : path
        A folder with the files of one series (any names, any order; other files are
        passed over), or one enhanced multi-frame file.

    Raises
    ------
    InputError
        If there is not exactly one series, if slices are missing or turned against each
        other, differ in number from place to place, in size or spacing, or cannot be decoded.
    """
    with quiet_pydicom():
        return _volume(_datasets(Path(source)))


def _volume(datasets: Sequence[Dataset]) -> Series:
    """Return the datasets of one series as a volume."""
    if len({d.get("SeriesInstanceUID") for d in datasets}) != 1:
        raise InputError("the folder holds more than one series; give a folder with one")
    frames = [frame for number, d in enumerate(datasets) for frame in _frames(d, number)]
    frames, count = _in_order(frames)
    pixels = [_pixels(d) for d in datasets]
    if len({p.shape[1:] for p in pixels}) != 1:
        raise InputError("the slices of this series differ in rows and columns")
    stored = np.stack([pixels[f.file][f.number].T for f in frames], axis=2)
    values = _rescaled(stored, frames)
    for at, frame in enumerate(frames):
        values[..., at][_padded(datasets[frame.file], stored[..., at])] = AIR_HU
    if count < len(frames):
        stored, values = (
            np.stack(np.split(a, len(frames) // count, axis=2), axis=3) for a in (stored, values)
        )
    img = nib.Nifti1Image(values, _affine(frames[:count]))
    img.header.set_xyzt_units("mm")
    return Series(img, stored, tuple(datasets), tuple((f.file, f.number) for f in frames))


def _datasets(source: Path) -> list[Dataset]:
    """Return the images in a folder, or the one file."""
    paths = sorted(p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]
    slices = (
        [read(paths[0])] if len(paths) == 1 else (dataset for _, _, dataset in usable(paths, read))
    )
    datasets: list[Dataset] = [dataset for dataset in slices if "PixelData" in dataset]
    if not datasets:
        raise InputError("there is no DICOM image here; give the folder of one series")
    return datasets


def _group(dataset: Dataset, number: int, name: str) -> Dataset:
    """Return one macro of a frame: from its own functional groups, else from the shared ones."""
    own = dataset.PerFrameFunctionalGroupsSequence[number]
    shared = dataset.get("SharedFunctionalGroupsSequence") or [Dataset()]
    value = own.get(name) or shared[0].get(name)
    return value[0] if value else Dataset()


def _frames(dataset: Dataset, file: int) -> list[_Frame]:
    """Return where each frame of a file lies."""
    if "PerFrameFunctionalGroupsSequence" not in dataset:
        if frame_count(dataset) != 1:
            raise InputError("a multi-frame file without positions of its frames is no volume")
        return [_frame(file, 0, _contrast(dataset), dataset, dataset, dataset, dataset)]
    names = (
        "PlanePositionSequence",
        "PlaneOrientationSequence",
        "PixelMeasuresSequence",
        "PixelValueTransformationSequence",
    )
    count = len(dataset.PerFrameFunctionalGroupsSequence)
    return [
        _frame(file, number, (number,), *(_group(dataset, number, name) for name in names))
        for number in range(count)
    ]


def _contrast(dataset: Dataset) -> tuple[Any, ...]:
    """Return what tells the images of one place from each other, kind and echo first."""
    names = ("EchoTime", "TemporalPositionIdentifier", "AcquisitionNumber", "InstanceNumber")
    kind = "\\".join(map(str, dataset.get("ImageType") or []))
    return (kind, *(float(dataset.get(name) or 0) for name in names))


def _frame(
    file: int,
    number: int,
    order: tuple[Any, ...],
    place: Dataset,
    turn: Dataset,
    measures: Dataset,
    values: Dataset,
) -> _Frame:
    try:
        return _Frame(
            file,
            number,
            order,
            np.array(place.ImagePositionPatient, dtype=float),
            np.array(turn.ImageOrientationPatient, dtype=float).reshape(2, 3),
            np.array(measures.PixelSpacing, dtype=float),
            float(values.get("RescaleSlope", 1) or 1),
            float(values.get("RescaleIntercept", 0) or 0),
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            "a slice has no usable position, orientation or pixel spacing, so there is no volume"
        ) from error


def _in_order(frames: list[_Frame]) -> tuple[list[_Frame], int]:
    """Return the frames, volume by volume along the normal of the slices, and the slices of each.

    Images in one place are told by their contrast; each place has to hold as many of them.
    """
    if len(frames) < 2:
        raise InputError("one slice is no volume; give all slices of the series")
    turns = np.array([f.orientation for f in frames])
    if np.abs(turns - turns[0]).max() > _TURNED:
        raise InputError("the slices of this series have different orientations")
    if np.ptp(np.array([f.spacing for f in frames]), axis=0).max() > 1e-4:
        raise InputError("the slices of this series differ in pixel spacing")
    normal = np.cross(*turns[0])
    frames = sorted(frames, key=lambda frame: float(frame.position @ normal))
    along = np.array([f.position @ normal for f in frames])
    places = np.split(np.arange(len(frames)), np.flatnonzero(np.diff(along) >= _GAP_MM) + 1)
    if len({len(place) for place in places}) > 1:
        raise InputError(
            "slices lie in one place, and not as many in each; give the volumes one by one"
        )
    if len(places) < 2:
        raise InputError("all slices lie in one place, so there is no volume")
    stacks = [
        sorted((frames[i] for i in place), key=lambda frame: frame.order) for place in places
    ]
    frames = [frame for volume in zip(*stacks, strict=True) for frame in volume]
    positions = np.array([f.position for f in frames[: len(places)]])
    steps = np.diff(positions @ normal)
    even = positions[0] + np.outer(np.arange(len(positions)), _step(positions))
    if np.abs(positions - even).max() > max(_GAP_MM, 0.01 * float(steps.mean())):
        raise InputError(
            "the slices are not evenly spaced: some are missing, or the series is mixed"
        )
    return frames, len(positions)


def _step(positions: Floats) -> Floats:
    return np.asarray((positions[-1] - positions[0]) / (len(positions) - 1))


def _affine(frames: Sequence[_Frame]) -> Floats:
    """Return the affine from (column, row, slice) to RAS+ mm (PS3.3 C.7.6.2.1.1)."""
    first = frames[0]
    affine = np.eye(4)
    affine[:3, 0] = first.orientation[0] * first.spacing[1]
    affine[:3, 1] = first.orientation[1] * first.spacing[0]
    affine[:3, 2] = _step(np.array([f.position for f in frames]))
    affine[:3, 3] = first.position
    return np.asarray(_LPS_TO_RAS @ affine)


def _pixels(dataset: Dataset) -> npt.NDArray[Any]:
    """Return the stored values of a file, shape (frames, rows, columns)."""
    form = layout(dataset)
    if form.samples != 1:
        raise InputError("color images are no head volume; give the series of gray slices")
    return np.stack([values(form, f)[..., 0] for f in stored_frames(dataset, form)])


def _rescaled(stored: npt.NDArray[Any], frames: Sequence[_Frame]) -> npt.NDArray[Any]:
    """Return modality values; integers stay integers where rescaling leaves them whole."""
    slope, intercept = (np.array([getattr(f, n) for f in frames]) for n in ("slope", "intercept"))
    if (slope == 1).all() and (intercept == np.round(intercept)).all():
        whole = stored.astype(np.int32) + intercept.astype(np.int32)
        return whole.astype(np.int16) if np.abs(whole).max() < 2**15 else whole
    return np.asarray(stored * slope + intercept, dtype=np.float32)


def _padded(dataset: Dataset, stored: npt.NDArray[Any]) -> Mask:
    """Return which stored values of a CT are padding (PS3.3 C.7.5.1.1.2), which is no tissue."""
    form = layout(dataset)
    ends = [padding(dataset, form, f"PixelPadding{name}") for name in ("Value", "RangeLimit")]
    first, other = ends[0], ends[0] if ends[1] is None else ends[1]
    if dataset.get("Modality") != "CT" or first is None or other is None:
        return np.zeros(stored.shape, bool)
    return (stored >= min(first, other)) & (stored <= max(first, other))


def write_series(
    series: Series,
    keep: Mask,
    folder: str | os.PathLike[str],
    *,
    kind: str,
    description: str,
    faceless: bool = True,
    overwrite: bool = False,
) -> Path:
    """Write a derived series in which only a part of the voxels is left.

    Geometry, frame of reference and patient stay; UIDs of series and instances are new;
    private elements, overlays, icons and references to source images are left out, for
    they may still show what was removed. Identity in the header stays:
    ``PatientIdentityRemoved`` is not set.

    Parameters
    ----------
    series : Series
        The original.
    keep : ndarray of bool, shape (columns, rows, slices)
        Voxels that stay, in each volume; the others get the padding value of the file, else
        air in CT, else 0.
    folder : path
        Where the files go: a new folder, or a new file for a multi-frame original given
        a name that ends in ``.dcm``.
    kind : {"skull stripping", "defacing"}
        What was done, in the words of the series description.
    description : str
        What was done, exactly; no patient's value.
    faceless : bool
        Say that recognizable visual features were removed; only for what was checked.
    overwrite : bool
        Replace an existing folder, if nothing but a derived series is in it.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    RefusedError
        If the folder exists and may not be replaced.
    """
    folder = Path(folder)
    _check_replaceable(folder, overwrite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".medlab-"))
    try:
        for number in range(len(series.datasets)):
            with quiet_pydicom():
                derived = _derived(_blanked(series, keep, number), kind, description)
                if faceless:
                    claim(derived, "clean-recognizable-visual-features")
            (part / f"{number + 1:05d}.dcm").write_bytes(to_bytes(derived))
        _put(part, folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return folder


def _check_replaceable(folder: Path, overwrite: bool) -> None:
    """Refuse to replace what no derived series is: a mistyped name must not empty a folder."""
    if folder.exists() and not overwrite:
        raise RefusedError("the output exists already; choose another name or overwrite it")
    if folder.is_symlink() or (folder.is_file() and folder.suffix.lower() != ".dcm"):
        raise RefusedError("the output is a file or a link and not a folder of a derived series")
    if folder.is_dir() and not all(_OWN_NAME.fullmatch(p.name) for p in folder.iterdir()):
        raise RefusedError("the folder holds more than a derived series, so it is not replaced")


def _put(part: Path, folder: Path) -> None:
    """Move a finished folder to its place; a single file, if its name asks for one."""
    files = sorted(part.iterdir())
    if folder.suffix.lower() == ".dcm" and len(files) == 1:
        files[0].replace(folder)
        part.rmdir()
        return
    if folder.is_dir():
        shutil.rmtree(folder)
    part.chmod(0o755)
    part.replace(folder)


def _blanked(series: Series, keep: Mask, file: int) -> Dataset:
    """Return one file without the other voxels."""
    dataset = series.datasets[file]
    count = frame_count(dataset)
    removed = np.zeros((count, dataset.Rows, dataset.Columns), bool)
    for at, (owner, number) in enumerate(series.frames):
        if owner == file:
            removed[number] = ~keep[:, :, at % keep.shape[2]].T
    return cut_frames(dataset, removed, _background(dataset))


def _background(dataset: Dataset) -> int:
    """Return the stored value of nothing: the padding value, air in CT, else 0."""
    if isinstance(dataset.get("PixelPaddingValue"), int):
        return int(dataset.PixelPaddingValue)
    if dataset.get("Modality") != "CT" or "RescaleSlope" not in dataset:
        return 0
    bits, signed = int(dataset.BitsStored), int(dataset.PixelRepresentation)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    air = (AIR_HU - float(dataset.RescaleIntercept)) / float(dataset.RescaleSlope)
    return int(np.clip(round(air), low, high))


_STALE = (
    *("SmallestImagePixelValue", "LargestImagePixelValue", "SmallestPixelValueInSeries"),
    *("LargestPixelValueInSeries", "IconImageSequence", "SourceImageSequence"),
    *("ReferencedImageSequence", "DigitalSignaturesSequence", "MACParametersSequence"),
    *("OriginalAttributesSequence", "EncryptedAttributesSequence"),
)


def _derived(dataset: Dataset, kind: str, description: str) -> Dataset:
    """Return the dataset of a derived image (PS3.3 C.7.6.1.1.2), its pixels cut already."""
    derived = Dataset()
    derived.update({e.tag: deepcopy(e) for e in dataset if _travels(e.tag)})
    derived.remove_private_tags()
    for name in _STALE:
        if name in derived:
            delattr(derived, name)
    derived.file_meta = pydicom.dataset.FileMetaDataset()
    derived.SeriesInstanceUID = _new_uid(dataset.SeriesInstanceUID, kind, description)
    derived.SOPInstanceUID = _new_uid(dataset.SOPInstanceUID, kind, description)
    derived.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    derived.file_meta.MediaStorageSOPInstanceUID = derived.SOPInstanceUID
    derived.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    derived.ImageType = ["DERIVED", *(list(dataset.get("ImageType", []))[1:] or ["PRIMARY"])]
    derived.DerivationDescription = description
    derived.SeriesDescription = f"{dataset.get('SeriesDescription', '')} {kind}".strip()[:64]
    derived.SeriesNumber = int(dataset.get("SeriesNumber") or 0) + 1000
    derived.update(dataset.group_dataset(0x7FE0))
    for frame in derived.get("PerFrameFunctionalGroupsSequence", []):
        if "DerivationImageSequence" in frame:
            del frame.DerivationImageSequence
    return derived


def _travels(tag: BaseTag) -> bool:
    """Return whether an element goes on: no old pixels, overlays or curves."""
    drawn = 0x6000 <= tag.group <= 0x60FF or 0x5000 <= tag.group <= 0x50FF
    return not drawn and tag.group != 0x7FE0


def _new_uid(uid: str, kind: str, description: str) -> str:
    """Return a UID that the same input and options always give again."""
    return generate_uid(entropy_srcs=[str(uid), kind, description])


def write_segmentation(
    series: Series, mask: Mask, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a brain mask as a DICOM Segmentation object that refers to its series.

    Parameters
    ----------
    series : Series
        The original (one file a slice, or one enhanced file).
    mask : ndarray of bool, shape (columns, rows, slices)
        The brain.
    path : path
        A new ``.dcm`` file. It carries the patient's identity, as its series does.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    UnavailableError
        If the highdicom package is not installed.
    RefusedError
        If the file exists.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise RefusedError("the output exists already; choose another name or overwrite it")
    content = BytesIO()
    try:
        with quiet_pydicom():
            _segmentation(series, mask).save_as(content)
    except InputError:
        raise InputError("highdicom cannot write a Segmentation for this series") from None
    return write_whole(path, content.getvalue())


def _in_unicode(dataset: Dataset) -> Dataset:
    """Return a copy whose text is in UTF-8; highdicom knows no code extensions."""
    copied = Dataset()
    copied.update({e.tag: deepcopy(e) for e in dataset if _travels(e.tag)})
    copied.file_meta = dataset.file_meta
    copied.decode()
    copied.SpecificCharacterSet = "ISO_IR 192"
    return copied


def _segmentation(series: Series, mask: Mask) -> Any:
    from medlab import __version__

    try:
        import highdicom as hd
        from pydicom.sr.codedict import codes
    except ImportError as error:
        raise not_installed("highdicom", "neuro") from error
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Brain",
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=codes.SCT.Brain,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name="BET", version=__version__, family=codes.DCM.EdgeDetection
        ),
    )
    frames = np.moveaxis(mask, (2, 1, 0), (0, 1, 2)).astype(np.uint8)
    first_volume = series.frames[: len(frames)]
    files = [_in_unicode(series.datasets[file]) for file, _ in first_volume]
    if len(series.datasets) == 1:  # frames of one file, in the order of that file
        files, numbers = files[:1], [number for _, number in first_volume]
        frames = frames[np.argsort(numbers)]
    first = series.datasets[0]
    return hd.seg.Segmentation(
        source_images=files,
        pixel_array=frames,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        series_instance_uid=_new_uid(first.SeriesInstanceUID, "segmentation", "brain"),
        series_number=int(first.get("SeriesNumber") or 0) + 2000,
        sop_instance_uid=_new_uid(first.SOPInstanceUID, "segmentation", "brain"),
        instance_number=1,
        manufacturer="medlab",
        manufacturer_model_name="medlab.neuro",
        software_versions=__version__,
        device_serial_number="0",
    )
