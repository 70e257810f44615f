"""The one list of methods, and who reads it."""

import pytest

from medlab import methods
from medlab.app.order import DECRYPTION, NOTHING, POLICY, TASKS
from medlab.cli import commands
from medlab.errors import InputError, UsageError
from medlab.methods.catalogue import METHODS, ONE_VALUE
from medlab.pipeline import Settings
from medlab.tabular import ALGORITHMS
from medlab.widgets import comparer


def test_whoever_offers_methods_reads_the_one_list():
    offered = commands.commands["anonymize"].help.split("Methods: ")[1].split(".")[0]
    assert {name.strip() for name in offered.replace("\n", " ").split(",")} == set(ALGORITHMS)
    assert set(TASKS) - {POLICY, DECRYPTION, NOTHING} <= set(METHODS)
    assert set(comparer._NOTES) <= set(METHODS)
    assert all(method.source and method.says for method in METHODS.values())
    assert list(methods.overview().index) == list(METHODS)


def test_a_method_of_tables_says_so_of_a_header():
    with pytest.raises(InputError, match="anatomy is a property of tables"):
        METHODS["anatomy"].protect_headers([], None)


def test_only_methods_with_one_value_a_class_go_into_headers():
    asked = {"cohort_k": 3, "quasi": ("PatientAge",)}
    for name in ALGORITHMS:
        if name in ONE_VALUE:
            assert Settings(**asked, cohort_method=name).cohort_method == name
        else:
            with pytest.raises(UsageError, match="cohort_method is mondrian or"):
                Settings(**asked, cohort_method=name)
