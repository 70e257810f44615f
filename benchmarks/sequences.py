"""Files of many items, timed against pydicom's plain read and save.

    python benchmarks/sequences.py                  # 6,000 contours, 4,000 frames
    python benchmarks/sequences.py --items 0.1 --repeat 9

An RT Structure Set and an Enhanced MR are built by pydicom, with sequences of defined length,
in explicit and implicit VR. Printed are medians of the CPU time over the rounds, in milliseconds
and as ratios to pydicom, which copies such sequences unread.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from deidentify import KEY, floor
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medlab import dicom

ROOT = "1.2.826.0.1.3680043.8"
CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4.1"
warnings.simplefilter("ignore")


def item(**values: Any) -> Dataset:
    """Return a data set; a data set as a value makes a sequence of one item."""
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, [value] if isinstance(value, Dataset) else value)
    return made


def written(made: Dataset, sop_class: str, syntax: UID) -> bytes:
    """Return a file of somebody's."""
    made.SOPClassUID, made.SOPInstanceUID = sop_class, f"{ROOT}.1.1"
    made.StudyInstanceUID, made.SeriesInstanceUID = f"{ROOT}.1", f"{ROOT}.1.2"
    made.PatientName, made.PatientID, made.PatientBirthDate = "Okafor^Jane", "47118899", "19600102"
    made.StudyDate = made.SeriesDate = made.ContentDate = "20240228"
    made.AccessionNumber, made.ReferringPhysicianName = "A4711234", "Brandt^Uwe"
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    buffer = BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def contour(number: int, points: np.ndarray) -> Dataset:
    """Return a contour of 100 points on one of 150 slices."""
    image = item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=f"{ROOT}.7.{number % 150}")
    return item(
        ContourImageSequence=image,
        ContourGeometricType="CLOSED_PLANAR",
        NumberOfContourPoints=len(points) // 3,
        ContourNumber=number + 1,
        ContourData=[f"{value:.2f}" for value in points],
    )


def structure_set(syntax: UID, many: int) -> bytes:
    """Return an RT Structure Set of 20 regions."""
    rng = np.random.default_rng(1)
    regions = [
        item(
            ROIDisplayColor=[255, 0, region],
            ContourSequence=[contour(n, rng.normal(0, 120, 300)) for n in range(many // 20)],
            ReferencedROINumber=region + 1,
        )
        for region in range(20)
    ]
    return written(item(ROIContourSequence=regions), "1.2.840.10008.5.1.4.1.1.481.3", syntax)


def frame(number: int) -> Dataset:
    """Return the functional groups of a frame of an fMRI series of 40 slices."""
    moment = f"20240228{10 + number // 3600:02}{number // 60 % 60:02}{number % 60:02}.{number:06}"
    purpose = item(CodeValue="121311", CodingSchemeDesignator="DCM", CodeMeaning="Localizer")
    return item(
        FrameContentSequence=item(
            FrameAcquisitionDateTime=moment,
            FrameReferenceDateTime=moment,
            FrameAcquisitionDuration=12.5,
            FrameAcquisitionNumber=number + 1,
            StackID="1",
            InStackPositionNumber=number % 40 + 1,
            TemporalPositionIndex=number // 40 + 1,
            DimensionIndexValues=[number // 40 + 1, number % 40 + 1],
        ),
        PlanePositionSequence=item(ImagePositionPatient=["-120.5", "-99", f"{number % 40 * 3.3}"]),
        PlaneOrientationSequence=item(ImageOrientationPatient=["1", "0", "0", "0", "1", "0"]),
        MRTimingAndRelatedParametersSequence=item(
            RepetitionTime="2000",
            FlipAngle="90",
            EchoTrainLength=1,
            SpecificAbsorptionRateSequence=item(
                SpecificAbsorptionRateDefinition="IEC_HEAD", SpecificAbsorptionRateValue=0.1
            ),
        ),
        MREchoSequence=item(EffectiveEchoTime=30.0),
        MRImageFrameTypeSequence=item(
            FrameType=["ORIGINAL", "PRIMARY", "FMRI", "NONE"],
            PixelPresentation="MONOCHROME",
            VolumetricProperties="VOLUME",
            ComplexImageComponent="MAGNITUDE",
            AcquisitionContrast="T2_STAR",
        ),
        FrameVOILUTSequence=item(
            WindowCenter=f"{500 + number % 37}", WindowWidth=f"{980 + number % 41}"
        ),
        PixelValueTransformationSequence=item(
            RescaleIntercept="0", RescaleSlope="1", RescaleType="US"
        ),
        ReferencedImageSequence=item(
            ReferencedSOPClassUID=MR,
            ReferencedSOPInstanceUID=f"{ROOT}.1.77",
            ReferencedFrameNumber=number % 40 + 1,
            PurposeOfReferenceCodeSequence=purpose,
        ),
    )


def enhanced(syntax: UID, many: int) -> bytes:
    """Return an Enhanced MR of tiny frames."""
    made = item(
        NumberOfFrames=many,
        Rows=4,
        Columns=4,
        BitsAllocated=16,
        BitsStored=16,
        HighBit=15,
        SamplesPerPixel=1,
        PixelRepresentation=0,
        PhotometricInterpretation="MONOCHROME2",
        PerFrameFunctionalGroupsSequence=[frame(number) for number in range(many)],
        PixelData=b"\1\0" * (16 * many),
    )
    return written(made, MR, syntax)


def clean(data: bytes, policy: str) -> bytes:
    """De-identify from bytes to bytes."""
    return dicom.to_bytes(dicom.deidentify(dicom.parse(data), policy, key=KEY)[0])


def verify(data: bytes, output: bytes, policy: str) -> None:
    """Verify from bytes; a finding would be timed too, and is an error here."""
    plan = dicom.plan(policy)
    found = dicom.verify_dataset(dicom.parse(data), dicom.parse(output), plan, output_bytes=output)
    assert not found, found


def seconds(run: Callable[[], object]) -> float:
    """Return the CPU time of a run."""
    begun = time.process_time()
    run()
    return time.process_time() - begun


def measured(data: bytes, policy: str, repeat: int) -> list[float]:
    """Return medians over rounds: pydicom's read and save, de-identification, verification."""
    output = clean(data, policy)
    runs = (
        lambda: floor(data),
        lambda: clean(data, policy),
        lambda: verify(data, output, policy),
    )
    rounds = [[seconds(run) for run in runs] for _ in range(repeat)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def main() -> None:
    """Print a table of milliseconds and ratios."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--items", type=float, default=1.0, help="share of the numbers above")
    options.add_argument("--repeat", type=int, default=7)
    chosen = options.parse_args()
    print(f"load of the machine {os.getloadavg()[0]:.1f}")
    for name, build, many in (
        ("RT Structure Set", structure_set, int(6000 * chosen.items)),
        ("Enhanced MR", enhanced, int(4000 * chosen.items)),
    ):
        for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
            data = build(syntax, many)
            for policy in ("basic", "research"):
                base, *times = measured(data, policy, chosen.repeat)
                row = "".join(f"{1e3 * t:9.0f} ms {t / base:5.0f} x" for t in times)
                title = f"{name}, {many:,}, {syntax.name.split()[0]}, {policy}"
                print(f"{title:52}{1e3 * base:7.1f} ms{row}")


if __name__ == "__main__":
    main()
