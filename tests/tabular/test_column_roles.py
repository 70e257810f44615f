"""Columns of every type, and those that are refused."""

import numpy as np
import pandas as pd
import pytest

from medlab import tabular
from medlab.errors import InputError, KindError


@pytest.mark.parametrize(
    "make",
    [
        lambda s: s.astype("Int64"),
        lambda s: s.astype("float32"),
        lambda s: s.astype("category"),
        lambda s: s.astype(str),
        lambda s: pd.Categorical(s, ordered=True),
        lambda s: pd.to_datetime("2020-01-01") + pd.to_timedelta(s, unit="D"),
        lambda s: (pd.to_datetime("2020-01-01") + pd.to_timedelta(s, unit="D")).dt.date,
        lambda s: s.astype(object),
        lambda s: s > 30,
        lambda s: s.astype("uint8"),
        lambda s: s.astype(np.int64) * 10**15,
        pytest.param(lambda s: s.astype("int64[pyarrow]"), marks=pytest.mark.needs("scale")),
    ],
)
def test_every_type_of_column_is_understood(make):
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"x": pd.Series(rng.integers(20, 60, 60)), "y": rng.random(60)})
    table["x"] = make(table["x"])
    release = tabular.mondrian(table, ["x", "y"], k=5)
    assert tabular.k_anonymity(release.table, ["x", "y"]) >= 5
    assert 0 < tabular.gcp(release.table, ["x", "y"], table) < 1
    assert len(tabular.mondrian(table, ["x"], k=60).classes) == 1


def test_numbers_too_long_to_be_told_apart_are_released_as_one():
    # As floats all of these are equal: the original must not slip through as "exact".
    table = pd.DataFrame({"x": np.uint64(2**63) + np.arange(30, dtype=np.uint64)})
    release = tabular.mondrian(table, "x", k=5)
    assert tabular.k_anonymity(release.table, "x") >= 5


@pytest.mark.parametrize("kind", ["timedelta64[ns]", "complex128", "period[D]"])
def test_columns_of_other_types_are_refused(kind):
    made = {
        "timedelta64[ns]": pd.to_timedelta(np.arange(6), unit="h"),
        "complex128": np.arange(6) * 1j,
        "period[D]": pd.period_range("2020-01-01", periods=6, freq="D"),
    }
    with pytest.raises(KindError, match="give numbers, dates or text"):
        tabular.mondrian(pd.DataFrame({"x": made[kind]}), "x", k=2)


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean", "datetime64[ns]", "category"])
@pytest.mark.parametrize("quality", ["fast", "best"])
def test_missing_cells_of_every_type_keep_k(dtype, quality):
    cells = [None if i % 7 == 0 else i % 2 for i in range(60)]
    table = pd.DataFrame({"x": pd.Series(cells, dtype="Int64").astype(dtype), "y": range(60)})
    release = tabular.mondrian(table, ["x", "y"], k=4, quality=quality)
    assert tabular.k_anonymity(release.table, ["x", "y"]) >= 4


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        (pd.DataFrame({"a": []}), InputError, "no rows"),
        (pd.DataFrame({"a": [1.0, np.inf, 2]}), InputError, "infinite"),
        (pd.DataFrame({"a": pd.Series([1, "x", 2.5], dtype=object)}), KindError, "mixes types"),
        (pd.DataFrame([[1, 2]] * 4, columns=["a", "a"]), InputError, "named twice"),
        ([1, 2], KindError, "pandas DataFrame"),
    ],
)
def test_bad_tables_have_one_clear_answer(table, error, words):
    with pytest.raises(error, match=words):
        tabular.mondrian(table, ["a"], k=1)
