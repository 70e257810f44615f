"""Codes, offsets, aliases and hashes: consistent with a key, and undone without one."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from methods_cases import DAYS

from medlab.errors import InputError
from medlab.methods import (
    pseudonymization,
    values,
)

KEY, OTHER = bytes(range(32)), bytes(32)


def test_codes_are_consistent_within_a_project_and_strange_to_another():
    codes = pseudonymization.code(pd.Series(["123", "456", " 123"]), KEY)
    assert codes[0] == codes[2] != codes[1]
    assert codes[0] != pseudonymization.code("123", OTHER)
    assert codes[0] != pseudonymization.code("123", KEY, field="AccessionNumber")


@pytest.mark.parametrize("vr", ["LO", "SH", "PN", "AE", "CS", "UI", "UT"])
def test_a_code_fits_its_vr(vr):
    assert values.is_valid(pseudonymization.code("1.2.840.113619.2", KEY, vr=vr), vr)


def test_a_code_never_goes_where_it_does_not_fit():
    with pytest.raises(InputError, match="VR DA"):
        pseudonymization.code("20240101", KEY, vr="DA")


@given(DAYS, DAYS, st.integers(-3650, -30))
def test_an_offset_keeps_the_interval_between_two_dates(first, second, days):
    if min(first, second) > "19110101":
        moved = pd.to_datetime(
            pseudonymization.offset(pd.Series([first, second]), days), format="%Y%m%d"
        ).to_list()
        exact = [pd.Timestamp(first), pd.Timestamp(second)]
        assert moved[0] - moved[1] == exact[0] - exact[1]


def test_an_offset_keeps_time_zone_and_legacy_form():
    assert pseudonymization.offset("20240301101500.5+0100", -1, vr="DT") == "20240229101500.5+0100"
    assert pseudonymization.offset("2024.03.01", -1) == "2024.02.29"
    assert pseudonymization.offset("100", 7, vr="IS") == "107"


def test_an_alias_is_a_valid_name_and_the_same_for_the_same_person():
    aliases = pseudonymization.alias(pd.Series([f"P{n}" for n in range(200)] + ["P0"]), KEY)
    assert all(values.is_valid(name, "PN") for name in aliases)
    assert aliases.iloc[0] == aliases.iloc[-1]
    assert aliases.nunique() == 200


def test_a_plain_hash_of_a_record_number_is_enumerated_and_a_keyed_code_is_not():
    hidden = pseudonymization.plain_hash(pd.Series(["004711", "000042"]))
    candidates = [f"{n:06d}" for n in range(5000)]
    found = pseudonymization.enumerate_hashes(hidden, candidates)
    assert set(found.values()) == {"004711", "000042"}
    keyed = pseudonymization.code(pd.Series(["004711", "000042"]), KEY)
    assert pseudonymization.enumerate_hashes(keyed, candidates) == {}
