import nibabel as nib
import numpy as np
import pytest
from job_hospital import plant

from medlab.pipeline import verification


@pytest.fixture
def pair(tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    plant(source / "a.dcm", "CT_small.dcm", "Okafor^Ngozi", "MRN-778811")
    target.mkdir()
    return source, target


def scan(path, words=""):
    img = nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4))
    img.header["descrip"] = words.encode()
    nib.save(img, path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Okafor-1.nii", "identity"),
        ("scanOKAFOR.nii", "identity"),  # within a word
        ("MRN778811.nii", "identity"),
        ("scan-1962-04-17.nii", "date"),
        ("17.04.1962.nii", "date"),
    ],
)
def test_a_name_of_an_output_that_tells_is_found(pair, name, kind):
    source, target = pair
    scan(target / name)
    findings = verification.verify(source, target)
    assert [(f.severity, f.kind if hasattr(f, "kind") else f[2]) for f in findings] == [
        ("fail", kind)
    ]
    assert "kafor" not in "".join(map(str, findings[0])).lower()


@pytest.mark.parametrize("name", ["sub-01_T1w.nii", "7F3A91B2.nii", "brain.nii"])
def test_a_name_that_tells_nothing_passes(pair, name):
    source, target = pair
    scan(target / name)
    assert verification.verify(source, target) == []


def test_words_beside_the_voxels_are_found_without_being_repeated(pair):
    source, target = pair
    scan(target / "scan.nii", "Okafor Ngozi")
    (finding,) = verification.verify(source, target)
    assert finding.severity == "fail"
    assert "Okafor" not in str(finding)


def test_a_scan_is_inspected_masked_unless_revealed(tmp_path):
    scan(tmp_path / "scan.nii", "Okafor Ngozi")
    for reveal in (False, True):
        lines = []
        verification.inspect_to(lines.append, tmp_path / "scan.nii", reveal=reveal)
        assert ("Okafor" in "".join(lines)) is reveal
