from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medlab.dicom import shift_date
from medlab.dicom.dates import coarsen_age, offset_days, shift_datetime
from medlab.errors import InputError

KEY = b"k" * 32


@pytest.mark.parametrize(
    ("value", "days", "moved"),
    [
        ("20240228", 2, "20240301"),  # across a leap day
        ("20230228", 2, "20230302"),
        ("", -400, ""),  # an empty Type 2 element stays empty
        ("2024.03.01", -1, "2024.02.29"),  # ACR-NEMA form
        ("20240101\\20240103", 1, "20240102\\20240104"),
        ("20240101-20240131", -1, "20231231-20240130"),
        ("20240101 ", 1, "20240102"),
    ],
)
def test_shift_date_moves_whole_days(value, days, moved):
    assert shift_date(value, days) == moved


def test_an_unreadable_date_is_refused_without_being_repeated():
    with pytest.raises(ValueError, match="not YYYYMMDD") as caught:
        shift_date("28 Feb Doe^Jane", 2)
    assert "Doe" not in str(caught.value)
    with pytest.raises(InputError):
        shift_date("20240230", 2)


@pytest.mark.parametrize(
    ("value", "days", "moved"),
    [
        ("20240228235959.123456+0100", 2, "20240301235959.123456+0100"),
        ("2024022823", 2, "2024030123"),
        ("20240228-0500", 2, "20240301-0500"),
        ("202402", -31, "202401"),
        ("2024", -366, "2023"),
        ("", 3, ""),
        ("20240101\\20240102", 1, "20240102\\20240103"),
    ],
)
def test_a_date_and_time_moves_and_keeps_precision_fraction_and_zone(value, days, moved):
    assert shift_datetime(value, days) == moved


def test_a_date_and_time_that_is_none_is_refused():
    for value in ("today", "20241301", "20240101Doe"):
        with pytest.raises(InputError):
            shift_datetime(value, 1)


@given(st.dates(date(1900, 1, 1), date(2099, 12, 31)), st.integers(-3650, 3650))
def test_moving_there_and_back_gives_the_same_day(day, days):
    moved = shift_date(f"{day:%Y%m%d}", days)
    assert moved == f"{day + timedelta(days):%Y%m%d}"
    assert shift_date(moved, -days) == f"{day:%Y%m%d}"


@given(st.text(max_size=20))
def test_the_offset_lies_between_30_and_3650_days_back(owner):
    days = offset_days(KEY, owner)
    assert -3650 <= days <= -30
    assert offset_days(KEY, owner) == days
    weeks = offset_days(KEY, owner, weeks=True)
    assert weeks % 7 == 0
    assert -3650 <= weeks <= -30


def test_the_offset_hangs_on_owner_and_key():
    assert offset_days(KEY, "a\x1f1") != offset_days(KEY, "b\x1f1")
    assert offset_days(KEY, "a\x1f1") != offset_days(b"z" * 32, "a\x1f1")


@pytest.mark.parametrize(
    ("age", "infants", "kept"),
    [
        ("089Y", False, "089Y"),
        ("090Y", False, "090Y"),
        ("103Y", False, "090Y"),
        ("018M", False, "018M"),
        ("018M", True, "001Y"),
        ("010D", True, "000Y"),
        ("099W", True, "001Y"),
        ("Doe", False, ""),
    ],
)
def test_ages_over_89_are_one_class_and_infants_are_told_in_years(age, infants, kept):
    assert coarsen_age(age, infants=infants) == kept
