"""The cohort: facts that follow from how it is made."""

import numpy as np
import pandas as pd
import pytest

from medlab import samples
from medlab.errors import InputError
from medlab.samples.people import _COLUMNS


@pytest.mark.slow
def test_no_name_or_number_of_a_patient_stands_where_the_ledger_does_not_know(datasets, truth):
    listed: dict[str, set[str]] = {}
    for entry in truth["planted"]:
        key = entry["file"].rpartition("/")[0] if entry.get("series") else entry["file"]
        listed.setdefault(key, set()).add(entry["path"])
    for file, dataset in datasets.items():
        known = listed.get(file, set()) | listed.get(file.rpartition("/")[0], set())
        number = str(dataset.PatientID)
        top = {
            f"({e.tag.group:04X},{e.tag.element:04X})"
            for e in dataset
            if number in str(e.value) and e.VR != "SQ" and e.keyword != "PixelData"
        }
        assert top <= known


@pytest.mark.slow
def test_names_come_in_three_character_sets(datasets):
    names = {str(ds.PatientName) for ds in datasets.values()}
    assert {"Müller-Østergård^Søren", "Čermáková^Zuzana"} <= names
    assert any(len(name.split("=")) == 3 and "小林" in name for name in names)


@pytest.fixture(scope="module")
def cohort():
    return samples.cohort()


@pytest.fixture(scope="module")
def people(cohort):
    return cohort.released.drop_duplicates("PatientID")


def test_the_same_seed_gives_the_same_tables_and_another_seed_others(cohort):
    again, other = samples.cohort(), samples.cohort(seed=5)
    for table, same, different in zip(cohort, again, other, strict=True):
        pd.testing.assert_frame_equal(table, same)
        assert not table.equals(different)


def test_released_and_control_have_the_promised_columns_and_enough_studies(cohort, people):
    assert tuple(cohort.released) == tuple(cohort.control) == _COLUMNS
    assert len(people) == 1500
    assert len(cohort.released) >= 2000
    assert cohort.released["StudyInstanceUID"].is_unique
    assert cohort.released["Postcode"].str.fullmatch(r"\d{5}").all()


def test_no_patient_is_both_released_and_in_the_control_group(cohort):
    assert not set(cohort.released["PatientID"]) & set(cohort.control["PatientID"])


def test_everybody_of_the_cohort_is_in_the_register(cohort):
    facts = list(cohort.register)
    known = pd.MultiIndex.from_frame(cohort.register)
    for table in (cohort.released, cohort.control):
        assert pd.MultiIndex.from_frame(table[facts]).isin(known).all()


def test_diagnoses_are_uneven_with_a_long_tail(people):
    shares = people["Diagnosis"].value_counts(normalize=True)
    assert len(shares) >= 8
    assert 0.35 < shares.iloc[0] < 0.45
    assert shares.iloc[-1] < 0.02


def test_most_patients_are_alone_with_age_sex_postcode_and_weight(people):
    sizes = people.groupby(["Age", "Sex", "Postcode", "Weight"])["PatientID"].transform("size")
    assert (sizes == 1).mean() > 0.9


def test_facts_hang_together_as_in_a_clinic(people):
    height = people.groupby("Sex")["Height"].mean()
    age = people.groupby("Diagnosis")["Age"].mean()
    assert 10 < height["M"] - height["F"] < 16
    assert people["Weight"].corr(people["Height"]) > 0.4
    assert age["Dementia"] > 70 > 50 > age["Multiple sclerosis"]
    assert (people.loc[people["Diagnosis"] == "Pregnancy complication", "Sex"] == "F").all()


def test_facts_of_a_patient_are_the_same_in_all_studies(cohort):
    facts = ["PatientName", "Age", "Sex", "Weight", "Height", "Postcode"]
    assert (cohort.released.groupby("PatientID")[facts].nunique() == 1).to_numpy().all()
    assert np.isin(cohort.released["PatientID"].value_counts().max(), range(3, 10))


@pytest.mark.parametrize(("patients", "seed"), [(9, 1), (1_000_001, 1), (100, -1)])
def test_numbers_out_of_range_are_refused(patients, seed):
    with pytest.raises(InputError):
        samples.cohort(patients, seed)
