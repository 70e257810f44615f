"""Names of BIDS: only words of the specification stay as they are."""

from pathlib import PurePosixPath

import pytest

from medlab.neuro import bids


def coded(path):
    found = bids.coded_path(PurePosixPath(path), lambda label: f"c{len(label)}")
    return found and found.as_posix()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("sub-doe/ses-24/anat/sub-doe_ses-24_T1w.nii", "sub-c3/ses-c2/anat/sub-c3_ses-c2_T1w.nii"),
        ("func/sub-1_task-rest_run-02_bold.json", "func/sub-c1_task-rest_run-02_bold.json"),
        ("anat/sub-1_acq-DoeJane19710304_T1w.nii", "anat/sub-c1_acq-c15_T1w.nii"),
        ("sub-1_space-fsLR_dir-AP_part-mag_T1w.nii", "sub-c1_space-fsLR_dir-AP_part-mag_T1w.nii"),
        ("sub-1/sub-1_sessions.tsv", "sub-c1/sub-c1_sessions.tsv"),
        ("task-rest_bold.json", "task-rest_bold.json"),
        ("task-doe_bold.json", "task-c3_bold.json"),
        ("participants.tsv", "participants.tsv"),
    ],
)  # fmt: skip
def test_values_that_bids_does_not_know_get_codes(path, expected):
    assert coded(path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "sub-01_ALDER_ROWAN_MRN777001_T1w.nii.gz",
        "sub-1/anat/sub-1_T1w_DOE-JANE_1971-03-04.nii.gz",
        "sub-1/anat/sub-1_T1w_2024-01-31.nii.gz",
        "sub-1/anat/sub-1_run-19710304_T1w.nii.gz",
        "sub-1/anat/sub-1_name-doe_T1w.nii.gz",
        "sub-1/anat/sub-1_hemi-Doe_T1w.nii.gz",
        "sub-1/anat/sub-1_Doe.nii.gz",
        "sub-1/doe/sub-1_T1w.nii.gz",
        "acq-doe/sub-1_T1w.nii.gz",
        "sub-1/anat/sub-1_T1w.doe.nii.gz",
        "sub-1/anat/sub-1_T1w.NII.GZ",
        "sub-1/anat/../sub-1_T1w.nii.gz",
        "",
    ],
)
def test_of_a_path_that_bids_does_not_know_nothing_stays(path):
    assert coded(path) is None


def test_the_table_is_the_one_of_the_schema():
    schema = bids.schema()
    assert schema["entities"]["hemi"] == ["L", "R"]
    assert set(schema["words"]) <= set(schema["entities"])
    assert {"T1w", "bold", "events", "scans"} <= set(schema["suffixes"])
    assert schema["keys"]["EchoTime"] == "number"
    assert not {"ScanDate", "InstitutionName", "HeadCircumference"} & set(schema["keys"])
