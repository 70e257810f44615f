"""Ages, dates, weights and postcodes in buckets."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medlab.errors import InputError
from medlab.methods import (
    bucketization,
    values,
)


@pytest.mark.parametrize(
    ("value", "low", "label"),
    [("047Y", "040Y", "[40, 49]"), ("089Y", "080Y", "[80, 89]"), ("090Y", "090Y", "[90, 130]"),
     ("104Y", "090Y", "[90, 130]"), ("013M", "000Y", "[0, 9]"),
     ("400D", "000Y", "[0, 9]"), ("530W", "010Y", "[10, 19]")],
)  # fmt: skip
def test_ages_fall_into_decades_and_those_over_89_into_one_class(value, low, label):
    assert bucketization.age(value) == low
    assert bucketization.age(value, label=True) == label


def test_the_last_class_before_90_ends_at_89():
    assert bucketization.age("088Y", 25, label=True) == "[75, 89]"


def test_dates_become_their_month_or_year():
    assert bucketization.day("20240229") == "20240201"
    assert bucketization.day("20240229103000+0100", "year") == "20240101"
    assert bucketization.day("20240229", label=True) == "2024-02"


def test_weights_fall_into_classes_and_keep_their_kind():
    assert bucketization.number("72.5", 10) == "70"
    assert bucketization.number(pd.Series([72.5, 69.9]), 10).to_list() == [70.0, 60.0]
    assert bucketization.number("-0.5", 1, label=True) == "[-1, 0)"


def test_postcodes_of_small_areas_become_zeros():
    assert bucketization.postcode("02139") == "021"
    assert bucketization.postcode("03655") == "000"
    assert bucketization.postcode("10115", people={"101": 20_000}) == "000"
    assert bucketization.postcode("10115", people={"101": 20_001}, stars=True) == "101**"


def test_a_postcode_that_is_a_number_is_refused():
    with pytest.raises(InputError, match="leading zeros"):
        bucketization.postcode(2139)


@given(st.integers(0, 999), st.sampled_from("DWMY"), st.integers(1, 90))
def test_a_bucket_holds_the_age_and_bucketing_twice_changes_nothing(number, unit, width):
    once = bucketization.age(f"{number:03d}{unit}", width)
    assert values.is_valid(once, "AS")
    assert bucketization.age(once, width) == once
