"""Files of two people for a job, and what is looked at of its outputs."""

import csv
import hashlib

from pydicom import dcmread
from pydicom.data import get_testdata_file

PLANTED = ("Okafor", "Ngozi", "MRN-778811", "Lindqvist", "MRN-200300", "19620417")


def plant(path, source, name, number, **more):
    dataset = dcmread(get_testdata_file(source, download=False))
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = name, number, "19620417"
    dataset.StudyDate = "20240301"
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path)
    return dataset


def outputs(target):
    return sorted(path for path in target.rglob("*") if path.is_file())


def rows(job):
    with (job / "map.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def digest(folder):
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in outputs(folder)
    }


def leak(data):
    return [word for word in PLANTED if word.lower().encode() in data.lower()]
