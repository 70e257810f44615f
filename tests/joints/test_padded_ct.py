"""A CT whose corners are padding, as scanners write it, and its face: read by pydicom alone."""

import numpy as np
import pytest
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from scipy import ndimage

from medlab import samples
from medlab.cli import commands

CT, PADDING, AIR, SPACING = "1.2.840.10008.5.1.4.1.1.2", -2000, -1000, 3.0


def head():
    """A head in Hounsfield units, (x, y, z) in RAS+, and where its brain is."""
    made = samples.head(1, 1, spacing_mm=SPACING)
    gray, brain = (np.asanyarray(img.dataobj) for img in (made.img, made.brain_mask))
    brain = brain > 0
    noise = np.random.default_rng(0).normal(0, 4, gray.shape)
    units = np.where(gray > 20, 20.0, AIR)
    units[ndimage.binary_dilation(brain, iterations=3)] = 900  # bone
    units[ndimage.binary_dilation(brain, iterations=1)] = 8  # fluid
    units[brain] = 36
    units = np.where(units > AIR, units + noise, units).round()
    x, y = np.indices(gray.shape[:2]) - (np.array(gray.shape[:2]) / 2)[:, None, None]
    outside = np.hypot(x, y) > max(gray.shape[:2]) / 2  # the scanner's round field of view
    units[outside & (gray.max(axis=2) <= 20)] = PADDING
    return units.astype(np.int16), brain


def write(folder, units):
    folder.mkdir()
    study, series, frame = (generate_uid() for _ in range(3))
    for k in range(units.shape[2]):
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = CT
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        data.StudyInstanceUID, data.SeriesInstanceUID = study, series
        data.FrameOfReferenceUID, data.Modality = frame, "CT"
        data.PatientName, data.PatientID = "Okafor^Ngozi", "MRN-778811"
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.ImagePositionPatient = [0, 0, SPACING * k]
        data.PixelSpacing, data.SliceThickness = [SPACING, SPACING], SPACING
        data.InstanceNumber = k + 1
        plane = np.ascontiguousarray(units[::-1, ::-1, k].T).astype("<i2")
        data.Rows, data.Columns = plane.shape
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 15, 1, 1
        data.PhotometricInterpretation = "MONOCHROME2"
        data.RescaleIntercept, data.RescaleSlope = 0, 1
        data.add_new("PixelPaddingValue", "SS", PADDING)
        data.PixelData = plane.tobytes()
        data.save_as(folder / f"{k:03d}.dcm", enforce_file_format=True)


def read(folder):
    slices = [dcmread(path) for path in folder.rglob("*.dcm")]
    slices.sort(key=lambda data: data.ImagePositionPatient[2])
    stored = np.stack(
        [np.frombuffer(s.PixelData, "<i2").reshape(s.Rows, s.Columns).T for s in slices], 2
    )
    return slices, stored[::-1, ::-1]


@pytest.fixture(scope="module")
def defaced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ct")
    units, brain = head()
    write(folder / "in", units)
    call = ["deface", folder / "in", folder / "out", "--backend", "builtin"]
    done = CliRunner().invoke(commands, list(map(str, call)))
    assert done.exit_code == 0, done.output
    return units, brain, *read(folder / "out")


def test_the_face_became_air_and_no_dark_hole(defaced):
    units, _, _, stored = defaced
    changed = stored != units
    assert changed.sum() > 500
    assert set(np.unique(stored[changed])) <= {AIR, PADDING}
    front = units.shape[1] // 2  # y grows to the front
    assert changed[:, front:].sum() > 0.99 * changed.sum()


def test_padding_stays_padding_and_the_brain_stays_as_it_is(defaced):
    units, brain, _, stored = defaced
    assert (units == PADDING).sum() > 1000
    assert (stored[units == PADDING] <= AIR).all()
    assert np.array_equal(stored[brain], units[brain])


def test_the_header_says_the_same_padding_as_before(defaced):
    _, _, slices, stored = defaced
    assert {data.get("PixelPaddingValue") for data in slices} == {PADDING}
    assert stored.min() == PADDING
