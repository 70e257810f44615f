"""What tests of headers share."""

from io import BytesIO

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from small_headers import KEY, MR

from medlab import dicom


@pytest.fixture
def study():
    """A small MR header."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.SourceApplicationEntityTitle = "WARD7"
    dataset.preamble = b"Doe^Jane" + b"\0" * 120
    dataset.SOPClassUID, dataset.SOPInstanceUID = MR, "1.2.826.1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.826.2", "1.2.826.3"
    dataset.FrameOfReferenceUID = "1.2.826.4"
    dataset.Modality, dataset.Manufacturer = "MR", "ACME"
    dataset.PatientName, dataset.PatientID = "Okafor^Jane", "4711-88"
    dataset.PatientBirthDate, dataset.PatientSex = "19600102", "F"
    dataset.PatientAge, dataset.PatientWeight = "060Y", "70"
    dataset.StudyDate, dataset.StudyTime = "20200312", "101112"
    dataset.SeriesDate, dataset.AcquisitionDateTime = "20200313", "20200313101112.5+0100"
    dataset.StudyDescription = "Okafor: stroke, mass in left lobe"
    dataset.Allergies = "Jane Okafor"
    dataset.InstitutionName, dataset.StationName = "Elm Hospital", "MR01"
    dataset.AccessionNumber, dataset.StudyID = "A123456", "17"
    dataset.ReferringPhysicianName = "Smith^Adam"
    return dataset


@pytest.fixture
def source():
    dataset = pydicom.dcmread(get_testdata_file("MR_small.dcm"))
    dataset.PatientName, dataset.PatientID = "Okafor^Jane", "47118899"
    dataset.PatientBirthDate = "19600102"
    buffer = BytesIO()
    dataset.save_as(buffer)
    return dicom.parse(buffer.getvalue())


@pytest.fixture
def clean(source):
    out, _ = dicom.deidentify(source, "research", key=KEY)
    return dicom.parse(dicom.to_bytes(out))
