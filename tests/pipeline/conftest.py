"""A ward of twelve people with one image each, and a hospital of two with several."""

import pytest
from job_hospital import plant
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from medlab import crypto


@pytest.fixture
def ward(tmp_path):
    root = tmp_path / "ward"
    root.mkdir()
    for number in range(12):
        dataset = dcmread(get_testdata_file("CT_small.dcm", download=False))
        dataset.PatientName, dataset.PatientID = f"Person{number}^Test", f"MRN-77{number:04d}"
        dataset.PatientAge, dataset.PatientSex = f"{40 + 4 * number:03d}Y", "FM"[number % 2]
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.save_as(root / f"{number}.dcm")
    return root


@pytest.fixture
def hospital(tmp_path):
    root = tmp_path / "hospital"
    study = generate_uid()
    for number in range(3):
        plant(
            root / "OKAFOR_NGOZI" / f"MRN-778811_{number}.dcm", "CT_small.dcm",
            "Okafor^Ngozi", "MRN-778811", SOPInstanceUID=generate_uid(), StudyInstanceUID=study,
            StudyDescription="stroke, mass in left lobe, Okafor",
        )  # fmt: skip
    plant(
        root / "LINDQVIST" / "a.dcm", "MR_small.dcm", "Lindqvist^Pär", "MRN-200300",
        SpecificCharacterSet="ISO_IR 100", PatientWeight="53", Allergies="Lindqvist",
        ImageComments="compare with Ngozi Okafor",
    )  # fmt: skip
    return root


@pytest.fixture
def key_file(tmp_path):
    crypto.write_key(tmp_path / "key", bytes(range(32)))
    return tmp_path / "key"
