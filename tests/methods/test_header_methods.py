"""Headers of a cohort whose facts are exchanged in buckets."""

from collections import Counter

import numpy as np
import pytest
from pydicom import Dataset

from medlab.errors import InputError
from medlab.methods.catalogue import METHODS
from medlab.methods.header_methods import Setting

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
