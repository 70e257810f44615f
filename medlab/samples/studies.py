"""The imaging studies of the sample hospital, as DICOM data sets full of identifiers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray
from pydicom import dcmread, uid
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.utils import compress
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID

from medlab.samples import people, pictures
from medlab.samples.ledger import IMPLEMENTATION_UID
from medlab.samples.people import Person
from medlab.samples.pictures import Text


class Made(NamedTuple):
    """One file to be written: its path, its data set, what is burned in, what may be kept.

    `safe` lists the private elements, as (path, value), that tell nothing of the patient and that
    an analysis needs.
    """

    file: str
    dataset: Dataset
    texts: list[Text]
    safe: list[tuple[str, str]]
    who: Person


class Visit(NamedTuple):
    """One study being made: the patient, the folder, the UIDs still to be used, the generator."""

    who: Person
    folder: str
    study: str
    uids: Iterator[str]
    rng: np.random.Generator


def visit(number: int, seed: int, session: int = 1) -> Visit:
    """Open the study of patient `number`; its UID tells hospital, date, time and patient."""
    who, rng = people.person(number, seed), np.random.default_rng([seed, 5, number, session])
    later = np.datetime64(f"{who.date[:4]}-{who.date[4:6]}-{who.date[6:]}") + 182 * (session - 1)
    who = who._replace(date=str(later).replace("-", ""))
    study = f"1.2.840.99999.7.{who.date}.{int(who.time)}.{who.mrn}.{session}"
    folder = f"studies/{who.plain}_{who.mrn}"
    return Visit(who, folder, study, iter(people.uids(2000, rng)), rng)


# ---- what all files share ------------------------------------------------------------------


def _new(at: Visit, sop_class: str, modality: str, number: int, series: str) -> Dataset:
    """Return a data set with patient, study, series and equipment."""
    who, dataset = at.who, Dataset()
    _put(
        dataset, SpecificCharacterSet=who.charset, SOPClassUID=sop_class,
        SOPInstanceUID=next(at.uids), StudyDate=who.date, SeriesDate=who.date,
        ContentDate=who.date, StudyTime=who.time, SeriesTime=who.time, ContentTime=who.time,
        AccessionNumber=who.accession, Modality=modality, Manufacturer="Medlab Samples",
        InstitutionName=who.institution, ReferringPhysicianName=who.referring,
        StationName=who.station, OperatorsName=who.operator, ManufacturerModelName="Phantom One",
        PatientName=who.name, PatientID=who.mrn, PatientBirthDate=who.birth, PatientSex=who.sex,
        PatientAge=f"{who.age:03d}Y", PatientSize=f"{who.height / 100:.2f}",
        PatientWeight=str(who.weight), DeviceSerialNumber=who.serial, SoftwareVersions="1.0",
        StudyInstanceUID=at.study, SeriesInstanceUID=series, StudyID="1", SeriesNumber=number,
        InstanceNumber=1,
    )  # fmt: skip
    meta = FileMetaDataset()
    _put(
        meta, MediaStorageSOPClassUID=sop_class, MediaStorageSOPInstanceUID=dataset.SOPInstanceUID,
        TransferSyntaxUID=uid.ExplicitVRLittleEndian,
        ImplementationClassUID=IMPLEMENTATION_UID, ImplementationVersionName="MEDLAB_SAMPLES",
        SourceApplicationEntityTitle=who.station,
    )  # fmt: skip
    dataset.file_meta = meta
    return dataset


def _put(dataset: Dataset, **elements: Any) -> None:
    """Set elements by keyword."""
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)


def _item(**elements: Any) -> Dataset:
    """Return a sequence item."""
    item = Dataset()
    _put(item, **elements)
    return item


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    """Return a code sequence item."""
    return _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _pixels(dataset: Dataset, frames: NDArray[Any], photometric: str, bits: int) -> None:
    """Set the image pixel module; `frames` has shape (frames, rows, columns[, 3])."""
    color = frames.ndim == 4
    _put(
        dataset, SamplesPerPixel=3 if color else 1, PhotometricInterpretation=photometric,
        Rows=frames.shape[1], Columns=frames.shape[2], BitsAllocated=8 * frames.dtype.itemsize,
        BitsStored=bits, HighBit=bits - 1, PixelRepresentation=int(frames.dtype.kind == "i"),
    )  # fmt: skip
    if color:
        dataset.PlanarConfiguration = 0
    data = frames.tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if frames.dtype.itemsize == 1 else "OW"


def _rle(dataset: Dataset) -> None:
    """Compress in place with pydicom's own RLE encoder, which needs no plugin."""
    compress(dataset, uid.RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)


def _private(dataset: Dataset, group: int, creator: str, *elements: tuple[int, str, Any]) -> None:
    """Add private elements, each (low byte, VR, value), under a creator."""
    block = dataset.private_block(group, creator, create=True)
    for element in elements:
        block.add_new(*element)


def _copies(who: Person) -> Dataset:
    """Return an item with copies of name, ID and accession number, as vendors keep them."""
    return _item(
        AccessionNumber=who.accession, InstitutionName=who.institution, PatientName=who.name,
        PatientID=who.mrn,
    )  # fmt: skip


# ---- MR heads ------------------------------------------------------------------------------

# How the series of a head is cut: plane, slices to step, name of the folder.
CUTS = (
    ("axial", 2, "S01_T1_TRA_4MM"),
    ("sagittal", 2, "S01_T1_SAG_4MM"),
    ("coronal", 1, "S01_T1_COR"),
)
# Axes of the RAS+ grid along a row, down a column, through the slices; -1 where it runs backwards.
PLANES = {
    "axial": ((0, 1, 2), (-1, -1, 1)),
    "sagittal": ((1, 2, 0), (-1, -1, 1)),
    "coronal": ((0, 2, 1), (-1, -1, -1)),
}


def mr_series(number: int, seed: int, session: int, img: Nifti1Image) -> Iterator[Made]:
    """Yield the slices of a patient's head; plane, syntax and vendor change with the patient."""
    at = visit(number, seed, session)
    plane, step, name = CUTS[(number - 1) % 3]
    folder = f"{at.folder}/{name}" + (f"_{session}" if session > 1 else "")
    series, frame = next(at.uids), next(at.uids)
    for n, (pixels, geometry) in enumerate(_slices(img, plane, step)):
        dataset = _new(at, uid.MRImageStorage, "MR", 1, series)
        _mr(dataset, at.who)
        _put(dataset, FrameOfReferenceUID=frame, InstanceNumber=n + 1, **geometry)
        _pixels(dataset, pixels[None], "MONOCHROME2", 12)
        safe = (_siemens, _philips, _ge)[(number - 1) % 3](dataset, at.who)
        if plane == "sagittal":
            _rle(dataset)
        elif plane == "coronal":
            dataset.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
        yield Made(f"{folder}/IM{n + 1:04d}.dcm", dataset, [], safe, at.who)


def slice_count(number: int, shape: Sequence[int]) -> int:
    """Return how many slices the series of a head of this shape has."""
    plane, step, _ = CUTS[(number - 1) % 3]
    return -(-int(shape[PLANES[plane][0][2]]) // step)


def _mr(dataset: Dataset, who: Person) -> None:
    """Set the elements of an MR image."""
    _put(
        dataset, ImageType=["ORIGINAL", "PRIMARY", "OTHER"], AcquisitionDate=who.date,
        AcquisitionTime=who.time, StudyDescription="MRI HEAD", BodyPartExamined="HEAD",
        SeriesDescription="T1 3D", ProtocolName="T1 3D head", PatientPosition="HFS",
        ScanningSequence=["GR", "IR"], SequenceVariant="MP", ScanOptions="",
        MRAcquisitionType="3D", RepetitionTime="2000", EchoTime="2.9", EchoTrainLength="1",
        InversionTime="900",
        FlipAngle="9", MagneticFieldStrength="3", PositionReferenceIndicator="",
        WindowCenter="100", WindowWidth="200", AcquisitionNumber=1,
    )  # fmt: skip


def _slices(
    img: Nifti1Image, plane: str, step: int
) -> Iterator[tuple[NDArray[np.int16], dict[str, Any]]]:
    """Yield each slice and where it lies; the affine has no rotation (PS3.3 C.7.6.2)."""
    order, signs = PLANES[plane]
    affine, data = img.affine, np.asarray(img.dataobj).astype(np.int16)
    spacing = np.diag(affine)[list(order)]
    ends = [
        data.shape[axis] - 1 if sign < 0 else 0 for axis, sign in zip(order, signs, strict=True)
    ]
    turned = data.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    lps = np.diag([-1, -1, 1]) @ (np.eye(3)[:, list(order)] * signs)
    for n in range(0, turned.shape[2], step):
        index = np.zeros(3)
        index[list(order)] = [ends[0], ends[1], ends[2] + signs[2] * n]
        place = np.array([-1, -1, 1]) * (affine[:3, :3] @ index + affine[:3, 3])
        yield (
            np.ascontiguousarray(turned[:, :, n].T),
            {
                "ImagePositionPatient": [f"{value:.4f}" for value in place],
                "ImageOrientationPatient": [f"{value:.0f}" for value in lps[:, :2].T.ravel()],
                "PixelSpacing": [f"{spacing[1]:g}", f"{spacing[0]:g}"],
                "SliceThickness": f"{spacing[2] * step:g}",
                "SpacingBetweenSlices": f"{spacing[2] * step:g}",
            },
        )


def _siemens(dataset: Dataset, who: Person) -> list[tuple[str, str]]:
    header = (
        f"SV10\4\3\2\1tPatientName = {who.plain} ; PatientID = {who.mrn} ; ulDate = {who.date} "
    )
    _private(
        dataset, 0x0019, "SIEMENS MR HEADER", (0x0C, "IS", "1000"), (0x08, "CS", "IMAGE NUM 4")
    )
    _private(
        dataset, 0x0029, "SIEMENS CSA HEADER", (0x08, "CS", "IMAGE NUM 4"),
        (0x09, "LO", "20100114"),
        (0x10, "OB", header.encode("latin-1").ljust(256, b"\0")), (0x18, "CS", "MR"),
        (0x20, "UN", f"<XProtocol> tReferenceImage0 {who.mrn}".encode().ljust(128, b"\0")),
    )  # fmt: skip
    return [("(0019,100C)", "1000")]


def _philips(dataset: Dataset, who: Person) -> list[tuple[str, str]]:
    _private(
        dataset, 0x2001, "Philips Imaging DD 001", (0x03, "FL", 800.0), (0x0B, "CS", "SAGITTAL")
    )
    _private(
        dataset, 0x2005, "Philips MR Imaging DD 002", (0x32, "SQ", Items([_copies(who)])),
        (0x37, "PN", who.name), (0x38, "LO", who.accession),
    )  # fmt: skip
    return [("(2001,1003)", "800.0")]


def _ge(dataset: Dataset, who: Person) -> list[tuple[str, str]]:
    _private(
        dataset, 0x0009, "GEMS_IDEN_01", (0x01, "LO", "GE_GENESIS_FF"), (0x02, "SH", who.station)
    )
    _private(dataset, 0x0043, "GEMS_PARM_01", (0x39, "IS", ["1000", "8", "0", "0"]))
    _private(dataset, 0x0033, "GEMS_CTHD_01", (0x10, "UN", f"{who.plain}/{who.mrn} ".encode()))
    return [("(0043,1039)", "1000\\8\\0\\0")]


# ---- the other modalities ------------------------------------------------------------------


def ct_and_report(number: int, seed: int) -> Iterator[Made]:
    """Yield a CT (implicit VR) with burned-in name, a report on it, and contours drawn on it."""
    at = visit(number, seed)
    who, series, frame = at.who, next(at.uids), next(at.uids)
    slices = pictures.spine_ct(2, at.rng)
    texts = pictures.write_lines(
        slices, [(shown(who), "name"), (f"ID {who.mrn}", "mrn")], (6, 5), 11, 2400
    )
    texts += [
        pictures.burn(slices, people.day_in_words(who.date), "study-date", (6, 236), 11, 2400),
        pictures.burn(slices, "R", "keep", (236, 120), 15, 2600),
    ]
    images = []
    for n in range(len(slices)):
        dataset = _new(at, uid.CTImageStorage, "CT", 2, series)
        _ct(dataset, who, n)
        _put(dataset, FrameOfReferenceUID=frame)
        _pixels(dataset, slices[n : n + 1], "MONOCHROME2", 16)
        dataset.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian
        images.append(dataset)
        file = f"{at.folder}/S02_CT_{who.date}/{who.plain}_CT_{n + 1}.dcm"
        yield Made(file, dataset, [text._replace(frames=(1, 1)) for text in texts], [], who)
    yield Made(f"{at.folder}/S03_SR/{who.accession}.dcm", _report(at, images[0]), [], [], who)
    yield Made(f"{at.folder}/S04_RTSTRUCT/RS1.dcm", _contours(at, images[0]), [], [], who)


def shown(who: Person) -> str:
    """Return the name as machines burn it in."""
    return who.plain.replace("_", ", ")


def _ct(dataset: Dataset, who: Person, n: int) -> None:
    """Set the elements of a CT image; identifiers stand in descriptions and request."""
    _put(
        dataset, ImageType=["ORIGINAL", "PRIMARY", "AXIAL"], AcquisitionNumber=1, KVP="120",
        AcquisitionDate=who.date, AcquisitionTime=who.time, PatientPosition="HFS",
        StudyDescription=f"CT thoracic spine {shown(who)}", BodyPartExamined="TSPINE",
        ImagePositionPatient=["-42.3", "-42.3", f"{5 * n}"], SliceThickness="5",
        ImageOrientationPatient=["1", "0", "0", "0", "1", "0"], PositionReferenceIndicator="",
        PixelSpacing=["0.330734", "0.330734"], RescaleIntercept="-1024", RescaleSlope="1",
        RescaleType="HU", InstanceNumber=n + 1, WindowCenter="40", WindowWidth="400",
        BurnedInAnnotation="NO", PatientAddress=who.address, PatientTelephoneNumbers=who.phone,
        OtherPatientIDs=[who.insurance], PatientMotherBirthName=who.mother,
        AdditionalPatientHistory=f"Pt {who.name.split('^')[0]} fell on "
        f"{people.day_in_words(who.date)}; mother {who.mother} called from {who.phone}.",
        RequestAttributesSequence=[_request(who)],
    )  # fmt: skip


def _request(who: Person) -> Dataset:
    """Return what was ordered, with the name typed into the description."""
    return _item(
        RequestedProcedureID="RP1",
        ScheduledProcedureStepID="SP1",
        RequestedProcedureDescription=f"Spine, {shown(who)}, MRN {who.mrn}",
        RequestedProcedureCodeSequence=[_code("CTSP", "99SBH", "CT spine")],
    )


def _reference(image: Dataset) -> Dataset:
    """Return an item that points at an image."""
    return _item(
        ReferencedSOPClassUID=image.SOPClassUID, ReferencedSOPInstanceUID=image.SOPInstanceUID
    )


def _content(relation: str, kind: str, name: Dataset, **value: Any) -> Dataset:
    """Return a content item of a structured report (PS3.3 C.17.3)."""
    return _item(
        RelationshipType=relation, ValueType=kind, ConceptNameCodeSequence=[name], **value
    )


def _report(at: Visit, image: Dataset) -> Dataset:
    """Return a Basic Text SR with names, dates and numbers in its text and its PNAME items."""
    who, dataset = at.who, _new(at, uid.BasicTextSRStorage, "SR", 3, next(at.uids))
    finding = (
        f"{shown(who)}, born {people.day_in_words(who.birth)} (MRN {who.mrn}): no fracture. "
        f"Discussed with Dr. {who.referring.split('^')[0]} on {people.day_in_words(who.date)}."
    )
    evidence = _item(
        StudyInstanceUID=at.study,
        ReferencedSeriesSequence=[
            _item(
                SeriesInstanceUID=image.SeriesInstanceUID,
                ReferencedSOPSequence=[_reference(image)],
            )
        ],
    )
    observer = _item(
        VerifyingOrganization=who.institution, VerificationDateTime=who.date + who.time,
        VerifyingObserverName=who.operator, VerifyingObserverIdentificationCodeSequence=[],
    )  # fmt: skip
    section = _content(
        "CONTAINS", "CONTAINER", _code("121070", "DCM", "Findings"),
        ContinuityOfContent="SEPARATE", ContentSequence=[
            _content("CONTAINS", "TEXT", _code("121071", "DCM", "Finding"), TextValue=finding)
        ],
    )  # fmt: skip
    _put(
        dataset, StudyDescription="CT thoracic spine", ReferencedPerformedProcedureStepSequence=[],
        CompletionFlag="COMPLETE", VerificationFlag="VERIFIED", PerformedProcedureCodeSequence=[],
        VerifyingObserverSequence=[observer], CurrentRequestedProcedureEvidenceSequence=[evidence],
        ValueType="CONTAINER", ContinuityOfContent="SEPARATE",
        ConceptNameCodeSequence=[_code("18748-4", "LN", "Diagnostic imaging report")],
        ContentSequence=[
            _content("HAS OBS CONTEXT", "PNAME", _code("121008", "DCM", "Person Observer Name"),
                     PersonName=who.operator),
            _content("HAS OBS CONTEXT", "PNAME", _code("121029", "DCM", "Subject Name"),
                     PersonName=who.name),
            section,
            _content("CONTAINS", "IMAGE", _code("121112", "DCM", "Source of Measurement"),
                     ReferencedSOPSequence=[_reference(image)]),
        ],
    )  # fmt: skip
    return dataset


def _contours(at: Visit, image: Dataset) -> Dataset:
    """Return an RT structure set that points at the CT and carries the name in its labels."""
    who = at.who
    dataset = _new(at, uid.RTStructureSetStorage, "RTSTRUCT", 4, next(at.uids))
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = np.stack([12 * np.cos(turn), 12 * np.sin(turn), 0 * turn], axis=1).ravel()
    contour = _item(
        ContourImageSequence=[_reference(image)], ContourGeometricType="CLOSED_PLANAR",
        NumberOfContourPoints=len(turn), ContourData=[f"{value:.2f}" for value in ring],
    )  # fmt: skip
    roi = _item(
        ROINumber=1, ReferencedFrameOfReferenceUID=image.FrameOfReferenceUID, ROIName="Cord",
        ROIGenerationAlgorithm="MANUAL",
    )  # fmt: skip
    seen = _item(ObservationNumber=1, ReferencedROINumber=1, RTROIInterpretedType="ORGAN",
                 ROIInterpreter=who.operator)  # fmt: skip
    _put(
        dataset, StructureSetLabel=who.plain.split("_")[0][:16], StructureSetDate=who.date,
        StructureSetTime=who.time, StructureSetName=f"Plan for {shown(who)}"[:64],
        StructureSetROISequence=[roi], RTROIObservationsSequence=[seen],
        ROIContourSequence=[_item(ReferencedROINumber=1, ContourSequence=[contour])],
        FrameOfReferenceUID=image.FrameOfReferenceUID, PositionReferenceIndicator="",
    )  # fmt: skip
    return dataset


def xrays(number: int, seed: int) -> Iterator[Made]:
    """Yield a DX with overlay and EOS block, and a MONOCHROME1 CR; both with burned-in text."""
    at = visit(number, seed)
    who = at.who
    for modality, sop_class, rows, columns in (
        ("DX", uid.DigitalXRayImageStorageForPresentation, 360, 280),
        ("CR", uid.ComputedRadiographyImageStorage, 240, 200),
    ):
        dataset = _new(at, sop_class, modality, 5 if modality == "DX" else 6, next(at.uids))
        image = pictures.knee(rows, columns, at.rng)
        texts = pictures.write_lines(
            image, [(shown(who), "name"), (who.mrn, "mrn")], (5, 4), 12, 4000
        )
        texts.append(pictures.burn(image, "R", "keep", (columns - 34, rows - 60), 24, 4095))
        side = people.day_in_words(who.birth)
        texts.append(pictures.burn(image, side, "birth-date", (5, rows - 18), 11, 4000))
        _xray(dataset, who)
        safe = _digital(dataset, who, image) if modality == "DX" else []
        if modality == "CR":
            image = 4095 - image
            _put(dataset, ViewPosition="AP", PlateType="")
        _pixels(dataset, image, "MONOCHROME2" if modality == "DX" else "MONOCHROME1", 12)
        file = f"{at.folder}/S0{dataset.SeriesNumber}_{modality}_KNEE/{who.plain}_{who.birth}.dcm"
        yield Made(file, dataset, texts, safe, who)


def _xray(dataset: Dataset, who: Person) -> None:
    """Set what the two radiographs share; words stand where they do not belong."""
    _put(
        dataset, StudyDescription="KNEE AP", BodyPartExamined="KNEE", AcquisitionDate=who.date,
        PatientOrientation=["L", "F"], ImageType=["ORIGINAL", "PRIMARY"], KVP="60",
        AcquisitionNumber=1, Laterality="R", BurnedInAnnotation="YES",
        Allergies=who.name.split("=")[0], PatientComments=f"call {who.phone} before discharge",
        Occupation=f"MRN {who.mrn}",
    )  # fmt: skip


def _digital(dataset: Dataset, who: Person, image: NDArray[Any]) -> list[tuple[str, str]]:
    """Set the elements of a DX image, its overlay with the name, and an EOS private block."""
    del dataset.Laterality
    ink = np.zeros((1, *image.shape[1:]), np.uint8)
    pictures.burn(ink, shown(who), "name", (5, 40), 12, 255)
    _put(
        dataset, PresentationIntentType="FOR PRESENTATION", ImageLaterality="R",
        ImageType=["ORIGINAL", "PRIMARY", ""], PixelIntensityRelationship="LOG",
        PixelIntensityRelationshipSign=-1, RescaleIntercept="0", RescaleSlope="1",
        RescaleType="US", PresentationLUTShape="IDENTITY", LossyImageCompression="00",
        WindowCenter="2048", WindowWidth="4096", ImagerPixelSpacing=["0.7", "0.7"],
        DetectorType="DIRECT", PositionerType="NONE",
        ViewCodeSequence=[_code("399348003", "SCT", "antero-posterior")],
        AnatomicRegionSequence=[_code("72696002", "SCT", "Knee")], AcquisitionContextSequence=[],
    )  # fmt: skip
    overlay = {0x0010: ("US", image.shape[1]), 0x0011: ("US", image.shape[2]), 0x0040: ("CS", "G"),
               0x0050: ("SS", [1, 1]), 0x0100: ("US", 1), 0x0102: ("US", 0),
               0x3000: ("OW", pictures.octets(ink))}  # fmt: skip
    for element, (vr, value) in overlay.items():
        dataset.add_new((0x6000, element), vr, value)
    _private(
        dataset, 0x0863, "EOS IMAGING", (0x10, "DS", "0.179363"), (0x11, "LO", who.plain),
        (0x12, "SQ", Items([_copies(who)])), (0x13, "DA", who.birth),
    )  # fmt: skip
    return [("(0863,1010)", "0.179363")]


def ultrasounds(number: int, seed: int) -> Iterator[Made]:
    """Yield a color loop (RLE, text that changes with time) and a still in YBR_FULL_422."""
    at = visit(number, seed)
    who, series = at.who, next(at.uids)
    loop = pictures.ultrasound(6, 216, 288, at.rng)
    texts = [
        pictures.burn(loop, who.institution, "institution", (6, 2), 10, 230),
        pictures.burn(loop, shown(who), "name", (6, 16), 11, 230),
        pictures.burn(loop, f"ID {who.mrn}", "mrn", (170, 2), 10, 230),
        pictures.burn(loop, people.day_in_words(who.date), "study-date", (170, 16), 10, 230),
        pictures.burn(loop, "MI 0.9  TIS 0.4", "keep", (190, 198), 10, 230),
        pictures.burn(loop, who.phone, "phone", (6, 198), 10, 230, first=4),
    ]
    dataset = _new(at, uid.UltrasoundMultiFrameImageStorage, "US", 7, series)
    _sound(dataset, loop)
    _put(dataset, NumberOfFrames=len(loop), FrameTime="40", FrameIncrementPointer=0x00181063)
    _pixels(dataset, loop, "RGB", 8)
    _rle(dataset)
    yield Made(f"{at.folder}/S07_US/{who.plain}_LOOP.dcm", dataset, texts, [], who)
    still = _new(at, uid.UltrasoundImageStorage, "US", 7, series)
    _sound(still, loop[5:])
    _put(still, InstanceNumber=2)
    _pixels(still, loop[5:], "YBR_FULL_422", 8)
    still.PixelData = _halve_chroma(loop[5])
    texts = [text._replace(frames=(1, 1)) for text in texts]
    yield Made(f"{at.folder}/S07_US/{who.plain}_STILL.dcm", still, texts, [], who)


def _sound(dataset: Dataset, loop: NDArray[Any]) -> None:
    """Set the elements of an ultrasound image; its one region leaves the header band out."""
    rows, columns = loop.shape[1:3]
    region = _item(
        RegionSpatialFormat=1, RegionDataType=1, RegionFlags=0, RegionLocationMinX0=40,
        RegionLocationMinY0=34, RegionLocationMaxX1=columns - 40, RegionLocationMaxY1=rows - 24,
        PhysicalUnitsXDirection=3, PhysicalUnitsYDirection=3, PhysicalDeltaX=0.05,
        PhysicalDeltaY=0.05,
    )  # fmt: skip
    _put(
        dataset, ImageType=["ORIGINAL", "PRIMARY"], StudyDescription="US carotid", Laterality="L",
        SequenceOfUltrasoundRegions=[region], PatientOrientation="", LossyImageCompression="00",
    )  # fmt: skip


def _halve_chroma(rgb: NDArray[np.uint8]) -> bytes:
    """Return YBR_FULL_422 bytes: two luminances, then the mean Cb and Cr of both pixels."""
    weights = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    ybr = rgb.astype(np.float64) @ weights.T + np.array([0, 128, 128])
    pairs = ybr.reshape(rgb.shape[0], -1, 2, 3)
    packed = np.concatenate([pairs[..., 0], pairs[..., 1:].mean(axis=2)], axis=-1)
    return bytes(np.clip(np.round(packed), 0, 255).astype(np.uint8).tobytes())


def captures(number: int, seed: int) -> Iterator[Made]:
    """Yield a worklist (palette color), which names other patients too, and a card (planar)."""
    at = visit(number, seed)
    who, series = at.who, next(at.uids)
    others = people.names(np.array(["F", "M", "F"]), at.rng)
    page = pictures.slate(216, 300, 1)
    lines = [("WORKLIST", "keep"), (f"{shown(who)}   {who.mrn}", "name")]
    lines += [(str(name).replace("^", ", "), "other-person") for name in others]
    texts = pictures.write_lines(page, lines, (8, 4), 12, 240)
    dataset = _new(at, uid.SecondaryCaptureImageStorage, "OT", 8, series)
    _captured(dataset, ["DERIVED", "SECONDARY", "SCREEN SAVE"])
    _pixels(dataset, page, "PALETTE COLOR", 8)
    ramp = (np.arange(256, dtype=np.uint16) * 257)[::-1].astype("<u2")  # dark ink on a bright page
    for color in ("Red", "Green", "Blue"):
        setattr(dataset, f"{color}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"{color}PaletteColorLookupTableData", ramp.tobytes())
    yield Made(f"{at.folder}/S08_SC/WORKLIST_{who.date}.dcm", dataset, texts, [], who)
    card = pictures.slate(120, 240, 3)
    texts = pictures.write_lines(
        card,
        [(shown(who), "name"), (who.address, "address"), (who.insurance, "insurance")],
        (8, 20), 13, 235,
    )  # fmt: skip
    second = _new(at, uid.SecondaryCaptureImageStorage, "OT", 8, series)
    _captured(second, ["DERIVED", "SECONDARY"])
    _put(second, InstanceNumber=2)
    _pixels(second, card, "RGB", 8)
    second.PlanarConfiguration = 1
    second.PixelData = card[0].transpose(2, 0, 1).tobytes()
    yield Made(f"{at.folder}/S08_SC/CARD_{who.mrn}.dcm", second, texts, [], who)


def _captured(dataset: Dataset, kind: list[str]) -> None:
    """Set the elements of a secondary capture."""
    _put(dataset, ConversionType="WSD", ImageType=kind, PatientOrientation="")
    _put(dataset, StudyDescription="Scanned papers", Laterality="")


IMAGE_PIXEL = (
    "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation",
)  # fmt: skip
# Single slices of pydicom's wheel, with the transfer syntax in which they are kept.
SYNTAXES = (
    ("MR_small.dcm", uid.ExplicitVRBigEndian, "BIG_ENDIAN"),
    ("MR_small_jpeg_ls_lossless.dcm", uid.JPEGLSLossless, "JPEG_LS"),
    ("MR_small_jp2klossless.dcm", uid.JPEG2000Lossless, "JPEG_2000"),
    ("MR_small.dcm", uid.ImplicitVRLittleEndian, "IMPLICIT"),
)


def odd_syntaxes(number: int, seed: int) -> Iterator[Made]:
    """Yield one small real slice in several transfer syntaxes."""
    at = visit(number, seed)
    who, series, frame = at.who, next(at.uids), next(at.uids)
    for n, (name, syntax, label) in enumerate(SYNTAXES):
        source = dcmread(str(get_testdata_file(name, download=False)))
        dataset = _new(at, uid.MRImageStorage, "MR", 9, series)
        _mr(dataset, who)
        _put(
            dataset, FrameOfReferenceUID=frame, InstanceNumber=n + 1, PixelSpacing=["1", "1"],
            ImagePositionPatient=["0", "0", f"{3 * n}"], SliceThickness="3",
            ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
            ImageComments=f"{shown(who)} {people.day_in_words(who.birth)}, see {who.accession}",
            WindowCenter="600", WindowWidth="1600",
        )  # fmt: skip
        _put(dataset, **{keyword: source[keyword].value for keyword in IMAGE_PIXEL})
        raw = source.PixelData
        if syntax == uid.ExplicitVRBigEndian:
            raw = np.frombuffer(raw, "<i2").astype(">i2").tobytes()
        dataset.PixelData = raw
        dataset["PixelData"].VR = "OB" if UID(syntax).is_compressed else "OW"
        dataset["PixelData"].is_undefined_length = UID(syntax).is_compressed
        dataset.file_meta.TransferSyntaxUID = syntax
        yield Made(f"{at.folder}/S09_MR_{label}/{who.mrn}.dcm", dataset, [], [], who)
