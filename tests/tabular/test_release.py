"""A release holds what was named, and its boxes are tight."""

import pandas as pd
import pytest

from medlab import tabular
from medlab.errors import InputError


def test_the_box_is_as_tight_as_its_rows():
    table = pd.DataFrame({"a": [1, 2, 3, 50, 51, 52], "b": [7, 8, 9, 1, 2, 3]})
    release = tabular.mondrian(table, ["a", "b"], k=3)
    assert release.lower.to_numpy().tolist() == [[1, 7], [50, 1]]
    assert release.upper.to_numpy().tolist() == [[3, 9], [52, 3]]
    assert release.table["a"].iloc[0] == pd.Interval(1, 3, closed="both")


@pytest.mark.parametrize(
    "index", [[0, 1, 2] * 100, pd.RangeIndex(1, 301), pd.RangeIndex(300, name="PatientID")]
)
@pytest.mark.parametrize("method", tabular.ALGORITHMS)
def test_an_index_that_may_tell_who_is_who_is_refused(ward, quasi, index, method):
    with pytest.raises(InputError, match="reset_index"):
        tabular.anonymize(ward.set_axis(index), quasi, "Diagnosis", k=5, l=2, method=method)


def test_only_named_columns_are_released(ward):
    release = tabular.mondrian(ward, ["Age"], "Diagnosis", k=5)
    assert list(release.table) == ["Age", "Diagnosis"]
    kept = tabular.mondrian(ward, ["Age"], "Diagnosis", k=5, keep=["Modality"])
    assert list(kept.table) == ["Age", "Modality", "Diagnosis"]


def test_representatives_fit_the_column_and_keep_the_classes(ward, quasi):
    release = tabular.mondrian(ward, quasi, "Diagnosis", k=5)
    single = tabular.representative(release, ward)
    assert tabular.k_anonymity(single, quasi) >= 5
    for name in quasi:
        for cell, value in zip(release.table[name], single[name], strict=True):
            if isinstance(cell, pd.Interval):
                assert cell.left <= value <= cell.right
            elif isinstance(cell, frozenset):
                assert value in cell
            else:
                assert value == cell
    assert all(isinstance(age, int) for age in single["Age"])
