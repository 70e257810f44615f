import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medlab.errors import InputError, KindError
from medlab.methods import (
    bucketization,
    pseudonymization,
    randomization,
    suppression,
    values,
)

KEY, OTHER = bytes(range(32)), bytes(32)
DAYS = st.dates(min_value=pd.Timestamp(1900, 1, 1).date()).map(lambda day: f"{day:%Y%m%d}")


def rng():
    return np.random.default_rng(7)


# Suppression


@pytest.mark.parametrize(
    "vr",
    ["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI", "UT"],
)
def test_every_dummy_fits_its_vr(vr):
    assert values.is_valid(suppression.fixed("x", vr), vr)


def test_suppression_removes_blanks_or_fixes_one_value_and_a_column():
    column = pd.Series(["a", "", None, "b"], index=[3, 4, 5, 6], name="PatientName")
    assert suppression.remove("a") is None
    assert suppression.blank("a") == ""
    assert (suppression.blank(column) == "").all()
    fixed = suppression.fixed(column, "PN", value="Anon^")
    assert fixed.fillna("-").to_list() == ["Anon^", "", "-", "Anon^"]
    assert fixed.index.to_list() == [3, 4, 5, 6]


def test_a_dummy_that_does_not_fit_is_refused_without_being_repeated():
    with pytest.raises(InputError, match="VR DA") as caught:
        suppression.fixed("20240101", "DA", value="Doe^Jane")
    assert "Doe" not in str(caught.value)


# Randomization


def test_noise_has_the_asked_mean_and_spread():
    column = pd.Series(np.full(20_000, 70.0))
    noisy = randomization.noise(column, 5.0, rng())
    assert abs(noisy.mean() - 70) < 4 * 5 / np.sqrt(20_000)
    assert noisy.std() == pytest.approx(5, rel=0.03)


@given(DAYS, st.integers(0, 2**32))
def test_noise_on_a_date_is_a_date(value, seed):
    if "1910" < value[:4] < "9980":
        assert values.is_valid(
            randomization.noise(value, 30, np.random.default_rng(seed), vr="DA"), "DA"
        )


def test_noise_keeps_form_and_limits():
    assert randomization.noise("047Y", 0, rng(), vr="AS") == "047Y"
    assert randomization.noise("002M", 1e6, rng(), vr="AS")[-1] == "M"
    assert values.is_valid(randomization.noise("1.7", 3.3, rng()), "DS")
    assert values.is_valid(randomization.noise("170", 3.3, rng()), "IS")
    assert (
        randomization.noise(pd.Series([1.0] * 50), 100, rng(), limits=(0, 2)).between(0, 2).all()
    )


@pytest.mark.parametrize(("value", "vr"), [("Doe^Jane", "DS"), ("47 Doe", "AS"), ("Doe", "DA")])
def test_noise_on_what_is_no_number_is_refused_without_repeating_it(value, vr):
    with pytest.raises(InputError) as caught:
        randomization.noise(value, 1, rng(), vr=vr)
    assert "Doe" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "vr"),
    [("Doe^Jane", "PN"), ("12345", "LO"), ("19620417", "DA"), ("047Y", "AS"), ("72.5", "DS"),
     ("12", "IS"), ("20240101120000", "DT"), ("M", "CS")],
)  # fmt: skip
def test_a_random_replacement_fits_the_vr(value, vr):
    assert values.is_valid(randomization.replace(value, rng(), vr=vr), vr)


def test_a_replacement_comes_from_the_pool_and_the_seed_decides_it():
    column = pd.Series(["x"] * 200)
    first = randomization.replace(column, rng(), vr="CS", pool=["F", "M", "O"])
    assert set(first) == {"F", "M", "O"}
    assert first.equals(randomization.replace(column, rng(), vr="CS", pool=["F", "M", "O"]))
    with pytest.raises(InputError):
        randomization.replace("1.2.3", rng(), vr="UI")


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(0, 2**32))
def test_permutation_keeps_the_values_of_every_group(numbers, seed):
    column = pd.Series(numbers, index=range(100, 100 + len(numbers)))
    sex = pd.Series(["F" if n % 2 else "M" for n in range(len(numbers))], index=column.index)
    out = randomization.permute(column, np.random.default_rng(seed), within=sex)
    for group in ("F", "M"):
        assert sorted(out[sex == group]) == sorted(column[sex == group])
    assert out.index.equals(column.index)


def test_one_value_cannot_be_permuted():
    with pytest.raises(KindError):
        randomization.permute("x", rng())


# Pseudonymization


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


# Bucketization


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


@pytest.mark.parametrize("number", [
    -1.234567891e-100, -1.2345678912e-5, 123456789.123456789, 0.1 + 0.2, -9.99999999999e300, 7e19,
])  # fmt: skip
@pytest.mark.parametrize("value", ["1.5", "12"])
def test_a_moved_number_is_rounded_and_never_cut(number, value):
    text = values.like(number, value)
    assert len(text) <= 16
    if value == "1.5":
        assert float(text) == pytest.approx(number, rel=1e-7)
    else:
        assert float(text) == pytest.approx(number, rel=1e-7, abs=0.5)
