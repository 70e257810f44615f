"""A verb on one element of the files of a study."""

import numpy as np
import pytest
from methods_cases import KEY

from medlab import methods
from medlab.errors import MissingError
from medlab.methods import bucketization, pseudonymization, randomization, suppression


def ages(datasets):
    return [dataset.PatientAge for dataset in datasets]


def test_a_verb_changes_one_element_of_all_files_and_leaves_the_originals(datasets):
    out = methods.apply(datasets, "PatientAge", bucketization.age)
    assert ages(out) == ["020Y", "040Y", "090Y"]
    assert ages(datasets) == ["023Y", "047Y", "091Y"]
    out[0].PatientAge = datasets[0].PatientAge
    assert out[0] == datasets[0]


def test_the_vr_of_the_element_reaches_the_verb(datasets):
    out = methods.apply(datasets, "StudyInstanceUID", pseudonymization.code, KEY)
    assert out[0].StudyInstanceUID.startswith("2.25.")


def test_a_cohort_is_permuted_between_its_files(datasets):
    out = methods.apply(datasets, "PatientAge", randomization.permute, np.random.default_rng(2))
    assert sorted(ages(out)) == sorted(ages(datasets))


def test_removed_and_blank_are_two_things(datasets):
    assert "PatientAge" not in methods.apply(datasets, "PatientAge", suppression.remove)[0]
    blank = methods.apply(datasets, "PatientAge", suppression.blank)[0]
    assert "PatientAge" in blank
    assert not blank.PatientAge


def test_a_dataset_without_the_element_is_left_alone(datasets):
    del datasets[1].PatientAge
    out = methods.apply(datasets, "PatientAge", bucketization.age)
    assert "PatientAge" not in out[1]
    with pytest.raises(MissingError, match="Agee"):
        methods.apply(datasets, "PatientAgee", bucketization.age)


def test_versions_stand_side_by_side_and_the_original_is_masked_wherever_it_stands(datasets):
    original = datasets[0]
    out = methods.apply([original], "PatientID", suppression.blank)[0]
    out = methods.apply([out], "PatientAge", bucketization.age)[0]
    del out.PatientSex
    keywords = ["PatientName", "PatientID", "PatientAge", "PatientSex", "PatientComments"]
    masked = methods.side_by_side({"before": original, "after": out}, keywords)
    assert masked["before"].to_list() == ["••••"] * 4 + ["(absent)"]
    assert masked["after"].to_list() == ["••••", "(empty)", "020Y", "(absent)", "(absent)"]
    shown = methods.side_by_side({"before": original, "after": out}, keywords, reveal=True)
    assert shown.loc["PatientName", "after"] == str(original.PatientName)
