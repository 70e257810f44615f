"""A small study of one invented patient."""

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

NAME, NUMBER = "Okafor^Ngozi", "MRN-778811"


def study(folder, files=3, name=NAME, number=NUMBER, **more):
    """Write one series of a patient; the file names tell who it is."""
    folder.mkdir(parents=True, exist_ok=True)
    series, place = generate_uid(), generate_uid()
    for count in range(files):
        dataset = dcmread(get_testdata_file("CT_small.dcm", download=False))
        dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = name, number, "19620417"
        dataset.StudyDate, dataset.PatientWeight, dataset.PatientAge = "20240301", "72.5", "061Y"
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series, place
        dataset.SOPInstanceUID = generate_uid()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        for keyword, value in more.items():
            setattr(dataset, keyword, value)
        dataset.save_as(folder / f"OKAFOR_{count}.dcm")
    return folder
