"""Names of outputs: a file's name is given away with it, so nobody may stand in it."""

import gzip
import json

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from medlab import pipeline

PERSON = ("fenwick", "rosalind", "mrn777001", "1971", "20240131", "hartley", "petrov")


def image(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    img = nib.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4))
    img.header["descrip"] = text
    nib.save(img, path)


def said(folder):
    """Everything below a folder that is no voxel: its names and its texts, in lower case."""
    paths = [p for p in folder.rglob("*") if p.is_file()]
    texts = [p.read_text() for p in paths if p.suffix in (".tsv", ".json")]
    return "\n".join([*(p.relative_to(folder).as_posix() for p in paths), *texts]).lower()


@pytest.fixture(autouse=True)
def _one_key(tmp_path_factory, monkeypatch):
    """Codes of another key may happen to spell 1971."""
    key = tmp_path_factory.mktemp("key") / "key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    monkeypatch.setenv("MEDLAB_KEY_FILE", str(key))


@pytest.fixture
def tree(tmp_path):
    """A BIDS tree that says names in file names, tables and kept keys of sidecars."""
    root = tmp_path / "tree"
    image(root / "sub-01/anat/sub-01_acq-FenwickRosalind19710304_T1w.nii.gz")
    image(root / "sub-01/anat/sub-01_FENWICK_ROSALIND_MRN777001_T1w.nii.gz")
    image(root / "sub-02/anat/sub-02_T1w_1971-03-04.nii.gz")
    image(root / "sub-02/anat/sub-02_rec-20240131T101500_T1w.nii.gz")
    image(root / "sub-02/func/sub-02_task-rest_run-01_bold.nii.gz")
    (root / "sub-02/anat/sub-02_T1w.json").write_text(
        json.dumps({"Manufacturer": "Boris Petrov", "ScanOptions": "MRN777001", "EchoTime": 2})
    )
    (root / "participants.tsv").write_text(
        "participant_id\tname\tgroup\tspecies\n"
        "sub-01\tRosalind Fenwick\tpatients of Hartley\thomo sapiens\n"
        "sub-02\tBoris Petrov\tBoris Petrov\thomo sapiens\n"
        "sub-03\tAda Quill\tBoris Petrov\tof Fenwick\n"
    )
    (root / "dataset_description.json").write_text('{"Name": "Fenwick", "BIDSVersion": "1.9.0"}')
    return root


def test_a_job_gives_no_name_away_and_its_verification_agrees(tree, tmp_path):
    summary = pipeline.deidentify(tree, tmp_path / "clean")
    assert summary.statuses == {"done": 8}
    told = said(tmp_path / "clean")
    assert not [word for word in PERSON if word in told]
    assert "_task-rest_run-01_bold.nii.gz" in told
    assert "homo sapiens" in told
    assert pipeline.verify(tree, tmp_path / "clean") == []


@pytest.mark.parametrize(
    "name",
    [
        "FENWICK_ROSALIND.nii.gz", "sub-01_acq-RosalindFenwick_T1w.nii.gz", "a-fenwick1.nii.gz",
        "sub-1_T1w_1971-03-04.nii.gz", "fenwick/a.nii.gz", "FENWICK/1.dcm", "x_20240131.nii",
        "rosalindfenwick.nii.gz", "sub-fenwickrosalind_T1w.nii.gz", "frosalind.nii.gz",
        "x31012024.nii", "scan-31.01.2024.nii", "01-31-2024.nii",
    ],
)  # fmt: skip
def test_verification_finds_a_name_or_date_in_the_name_of_any_output(tmp_path, name):
    image(tmp_path / "in/head.nii.gz", "Fenwick Rosalind")
    image(tmp_path / "out/0f3a55e201.nii.gz")
    other = tmp_path / "out" / name
    if other.suffix == ".dcm":
        other.parent.mkdir()
        dcmread(get_testdata_file("CT_small.dcm", download=False)).save_as(other)
    else:
        image(other)
    found = pipeline.verify(tmp_path / "in", tmp_path / "out")
    assert [f.severity for f in found if f.path == "file name"] == ["fail"]
    assert "enwick" not in str(found)


def test_names_of_a_dicom_patient_are_found_in_names_of_other_files(tmp_path):
    (tmp_path / "in").mkdir()
    source = dcmread(get_testdata_file("CT_small.dcm", download=False))
    source.PatientName, source.PatientID = "Fenwick^Rosalind", "MRN777001"
    source.save_as(tmp_path / "in/a.dcm")
    image(tmp_path / "out/brain_rosalind.nii")
    image(tmp_path / "out/mrn777001.nii")
    image(tmp_path / "out/brain_T1w.nii")
    found = pipeline.verify(tmp_path / "in", tmp_path / "out")
    assert [f.file for f in found if f.path == "file name"] == ["2 (name)", "3 (name)"]


@pytest.mark.parametrize("glued", ["rosalindfenwick", "FenwickRosalind", "x FENWICKROSALIND 3"])
def test_a_name_in_one_word_does_not_stay_in_a_sidecar_or_a_file_name(tmp_path, glued):
    source = dcmread(get_testdata_file("CT_small.dcm", download=False))
    source.PatientName, source.PatientID = "Fenwick^Rosalind", "MRN777001"
    (tmp_path / "in").mkdir()
    source.save_as(tmp_path / "in/a.dcm")
    image(tmp_path / f"in/{glued.replace(' ', '')}.nii.gz")
    image(tmp_path / "in/b.nii.gz")
    about = {"Manufacturer": "Siemens", "ManufacturersModelName": glued, "EchoTime": 0.01}
    (tmp_path / "in/b.json").write_text(json.dumps(about))
    pipeline.deidentify(tmp_path / "in", tmp_path / "clean")
    told = said(tmp_path / "clean")
    assert "siemens" in told
    assert not [word for word in PERSON if word in told]


def test_the_store_behind_a_tree_is_no_part_of_it(tmp_path):
    root = tmp_path / "tree"
    image(root / ".git/annex/objects/key.nii.gz")
    (root / "sub-bea/anat").mkdir(parents=True)
    link = root / "sub-bea/anat/sub-bea_T1w.nii.gz"
    link.symlink_to("../../.git/annex/objects/key.nii.gz")
    summary = pipeline.deidentify(root, tmp_path / "clean")
    assert summary.ok
    assert summary.statuses == {"done": 1, "store": 1}
    assert said(tmp_path / "clean").endswith("_t1w.nii.gz")


def test_an_analyze_pair_is_not_passed_over_by_the_verification(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "in").mkdir()
    (tmp_path / "out/a.img").write_bytes(b"Fenwick")
    (finding,) = pipeline.verify(tmp_path / "in", tmp_path / "out")
    assert finding.severity == "fail"


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("a.nii", "b.nii.gz"),
        ("a.nii.gz", "b.nii"),
        ("HEAD.NII.GZ", "b.nii"),
        ("a.nii", "B.NII.GZ"),
    ],
)
def test_one_file_has_the_form_that_its_name_says(tmp_path, source, target):
    image(tmp_path / "x.nii.gz")
    whole = (tmp_path / "x.nii.gz").read_bytes()
    packed = source.lower().endswith(".gz")
    (tmp_path / source).write_bytes(whole if packed else gzip.decompress(whole))
    assert pipeline.deidentify(tmp_path / source, tmp_path / target).ok
    raw = (tmp_path / target).read_bytes()
    assert (raw[:2] == b"\x1f\x8b") == target.lower().endswith(".gz")
    assert np.array_equal(
        nib.load(tmp_path / target).dataobj, nib.load(tmp_path / "x.nii.gz").dataobj
    )


def test_one_file_to_a_name_of_another_kind_is_withheld(tmp_path):
    image(tmp_path / "a.nii")
    summary = pipeline.deidentify(tmp_path / "a.nii", tmp_path / "b.json")
    assert not summary.ok
    assert not (tmp_path / "b.json").exists()
