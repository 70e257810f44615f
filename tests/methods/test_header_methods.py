"""Headers of a cohort whose facts are exchanged in buckets."""

from collections import Counter

import numpy as np
import pytest
from methods_cases import KEY
from pydicom import Dataset

from medlab import methods
from medlab.errors import InputError, MissingError
from medlab.methods import bucketization, pseudonymization, randomization, suppression
from medlab.methods.catalogue import METHODS
from medlab.methods.header_methods import Setting


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


FACTS = ("PatientAge", "PatientSex", "PatientWeight", "AdmittingDiagnosesDescription")


def cohort(count=60, files=2):
    rng = np.random.default_rng(3)
    headers = []
    for number in range(count):
        age, weight = int(rng.integers(20, 89)), f"{rng.normal(75, 12):.1f}"
        for _ in range(files):
            one = Dataset()
            one.PatientID, one.PatientName = f"P{number:03d}", f"Test^{number}"
            one.PatientAge, one.PatientWeight = f"{age:03d}Y", weight
            one.PatientSex = "FM"[number % 2]
            one.AdmittingDiagnosesDescription = ("asthma", "fracture", "none")[number % 3]
            headers.append(one)
    return headers


def setting(k=5):
    return Setting(bytes(32), np.random.default_rng(1), k=k)


def facts(header):
    return tuple(str(header[name].value) for name in FACTS)


def test_slicing_keeps_every_column_and_no_longer_tells_what_belongs_together():
    before = cohort()
    after = METHODS["slicing"].protect_headers(before, setting())
    for name in FACTS:
        assert Counter(h[name].value for h in before) == Counter(h[name].value for h in after)
    kept = [facts(a) == facts(b) for a, b in zip(before, after, strict=True)]
    assert np.mean(kept) < 0.35  # one of five by chance in each bucket, some pairs more often
    assert [facts(h) for h in after[::2]] == [facts(h) for h in after[1::2]]  # files agree
    assert [h.PatientID for h in before] == [h.PatientID for h in after]


def test_values_move_within_classes_of_like_patients():
    before = cohort()
    after = METHODS["slicing"].protect_headers(before, setting())
    ages = [[int(h.PatientAge[:3]) for h in some] for some in (before, after)]
    assert np.corrcoef(*ages)[0, 1] > 0.5
    assert ages[0] != ages[1]


def test_too_few_patients_or_facts_are_refused():
    with pytest.raises(InputError, match="4 are fewer than the 5"):
        METHODS["slicing"].protect_headers(cohort(4), setting())
    bare = [Dataset() for _ in range(9)]
    for number, header in enumerate(bare):
        header.PatientID, header.PatientAge = f"P{number}", f"{40 + number:03d}Y"
    with pytest.raises(InputError, match="two facts"):
        METHODS["slicing"].protect_headers(bare, setting())
