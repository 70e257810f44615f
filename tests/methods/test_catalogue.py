"""The one list of methods, and who reads it."""

import numpy as np
import pytest

from medlab import evaluation, methods, samples
from medlab.app.order import _TASKS, DECRYPTION, NOTHING, POLICY
from medlab.cli import commands
from medlab.errors import InputError, UsageError
from medlab.evaluation import Point
from medlab.methods.catalogue import METHODS, protect
from medlab.pipeline import Settings
from medlab.tabular import ALGORITHMS
from medlab.widgets import comparer

QUASI = ["Age", "Sex", "Weight", "Height", "Postcode", "StudyDate", "Modality"]
SENSITIVE = "Diagnosis"


def test_whoever_offers_methods_reads_the_one_list():
    offered = commands.commands["anonymize"].help.split("Methods: ")[1].split(".")[0]
    assert {name.strip() for name in offered.replace("\n", " ").split(",")} == set(ALGORITHMS)
    assert set(_TASKS) - {POLICY, DECRYPTION, NOTHING} <= set(METHODS)
    assert set(comparer._NOTES) <= set(METHODS)
    assert all(method.source and method.says for method in METHODS.values())
    assert list(methods.overview().index) == list(METHODS)


def test_a_method_of_tables_says_so_of_a_header():
    with pytest.raises(InputError, match="anatomy is a property of tables"):
        METHODS["anatomy"].protect_headers([], None)


def test_only_methods_with_one_value_a_class_go_into_headers():
    asked = {"cohort_k": 3, "quasi": ("PatientAge",)}
    for name, algorithm in ALGORITHMS.items():
        if algorithm.one_value:
            assert Settings(**asked, cohort_method=name).cohort_method == name
        else:
            with pytest.raises(UsageError, match="cohort_method is mondrian or"):
                Settings(**asked, cohort_method=name)


@pytest.fixture(scope="module")
def small():
    return evaluation.one_each(samples.cohort(300))


def test_names_and_numbers_were_hidden_indeed(small):
    asked = (small.released, QUASI, SENSITIVE, Point("pseudonymization"))
    table, _ = protect(*asked, np.random.default_rng(1))
    for name in ("PatientID", "PatientName"):
        assert not set(table[name]) & set(small.released[name])
