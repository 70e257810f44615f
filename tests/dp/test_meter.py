"""The budget: exact to the last digit, remembered in a file, one spend at a time."""

import json
import math
import stat
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from multiprocessing import get_context

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medlab.crypto import write_key
from medlab.crypto.keys import KEY_VARIABLE
from medlab.dp import Ledger, Meter
from medlab.errors import InputError, KindError, MissingError, RefusedError, UsageError

VISITS = pd.DataFrame({"PatientID": list("aaaaaaabbc"), "Day": range(10)})
tenths = st.integers(1, 30).map(lambda number: number / 10)


def test_three_spends_of_two_digits_make_the_whole():
    meter = Meter(1)
    for epsilon in (0.4, 0.4, 0.2):
        meter.spend(epsilon)
    assert (meter.spent, meter.left) == (1.0, 0.0)
    with pytest.raises(RefusedError):
        meter.spend(1e-15)


@given(st.lists(tenths, max_size=12), tenths)
def test_spends_add_up_exactly_and_refusals_cost_nothing(spends, budget):
    meter, tenth_parts = Meter(budget), 0
    for epsilon in spends:
        if tenth_parts + round(10 * epsilon) <= round(10 * budget):
            meter.spend(epsilon)
            tenth_parts += round(10 * epsilon)
        else:
            with pytest.raises(RefusedError, match="nothing was spent"):
                meter.spend(epsilon)
        assert meter.spent == tenth_parts / 10
        assert meter.left == (round(10 * budget) - tenth_parts) / 10


@given(st.floats(1e-6, 1 - 1e-14))
def test_what_is_left_can_be_spent_to_the_last_digit(epsilon):
    meter = Meter(1.0)
    meter.spend(epsilon)
    meter.spend(meter.left)
    assert (meter.spent, meter.left) == (1.0, 0.0)


def test_delta_has_a_budget_of_its_own():
    meter = Meter(1, delta=3e-9)
    meter.spend(0.1, 1e-9)
    meter.spend(0.1, 2e-9)
    with pytest.raises(RefusedError, match="delta"):
        meter.spend(0.1, 1e-15)
    assert meter.spent == 0.2
    with pytest.raises(RefusedError, match="delta"):
        Meter(1).spend(0.1, 1e-9)


@pytest.mark.parametrize(
    "epsilon", [0, -1, math.inf, math.nan, 1e308, 1e-300, "1e999999999", "x", None, True]
)
def test_an_epsilon_that_protects_nothing_or_hides_all_is_refused(epsilon):
    with pytest.raises(InputError, match="epsilon must be"):
        Meter(epsilon)
    meter = Meter(1)
    with pytest.raises(InputError, match="epsilon must be"):
        meter.spend(epsilon)
    assert meter.spent == 0


@pytest.mark.parametrize("contributions", [0, -1, 10**400, 1.5, True, None])
def test_contributions_are_one_or_more(contributions):
    with pytest.raises((InputError, KindError), match="contributions"):
        Meter(1, contributions=contributions)


@pytest.mark.parametrize(("most", "expected"), [(1, [1, 1, 1]), (2, [2, 2, 1]), (9, [7, 2, 1])])
def test_of_each_patient_so_many_rows_are_kept_and_no_more(most, expected):
    rows = Meter(1, contributions=most).rows(VISITS)
    assert len(set(rows)) == len(rows)
    assert VISITS["PatientID"].iloc[rows].value_counts()[list("abc")].tolist() == expected


def test_each_of_a_patients_rows_is_kept_as_often():
    meter = Meter(1, contributions=2)
    kept = [row for _ in range(1400) for row in meter.rows(VISITS)]
    # 400 times each of seven rows; standard deviation sqrt(1400 * 2/7 * 5/7) = 17
    assert all(abs(kept.count(row) - 400) < 6 * 17 for row in range(7))


def test_without_a_subject_each_row_is_a_patient():
    assert Meter(1, subject=None).rows(VISITS).tolist() == list(range(10))


@pytest.mark.parametrize(
    ("table", "error"),
    [
        (VISITS.drop(columns="PatientID"), MissingError),
        (VISITS.iloc[:0], InputError),
        (VISITS.replace("c", None), InputError),
        (VISITS.to_dict(), KindError),
        (pd.concat([VISITS, VISITS[["PatientID"]]], axis=1), InputError),
    ],
)
def test_a_table_without_patients_is_refused(table, error):
    with pytest.raises(error):
        Meter(1).rows(table)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    (tmp_path / "table.csv").write_text("PatientID,Age\nMRN7,50\n")
    return tmp_path


def ledger(place, budget=None, **more):
    return Ledger(place / "ledger", place / "table.csv", budget, **more)


def test_a_ledger_remembers_and_is_the_owners_alone(place):
    ledger(place, "1").spend("0.4")
    again = ledger(place)
    assert (again.spent, again.left) == (0.4, 0.6)
    again.spend(again.left, 1e-9)
    with pytest.raises(RefusedError, match="nothing was spent"):
        ledger(place, 1).spend(1e-9)
    for name in ("ledger", "ledger.key"):
        assert stat.S_IMODE((place / name).stat().st_mode) == 0o600
    assert "MRN7" not in (place / "ledger").read_text()


def test_a_first_spend_that_is_refused_leaves_nothing_behind(place):
    with pytest.raises(RefusedError):
        ledger(place, 1).spend(2)
    with pytest.raises(UsageError, match="budget"):
        ledger(place)
    assert [path.name for path in place.iterdir()] == ["table.csv"]


def test_another_budget_is_refused(place):
    ledger(place, 1).spend(0.5)
    with pytest.raises(RefusedError, match="leave the budget out"):
        ledger(place, 2)
    assert ledger(place, Fraction(1)).left == 0.5


def drop_last(lines):
    return lines[:-1]


def drop_last_spend(lines):
    return [*lines[:-2], lines[-1]]


def drop_spend_and_count_anew(lines):
    return [*lines[:-2], lines[-1].replace('"entries": 3', '"entries": 2')]


def spend_less(lines):
    return [line.replace('"3/4"', '"5/8"') for line in lines]


def allow_more(lines):
    return [line.replace('"budget": "1"', '"budget": "9"') for line in lines]


def reorder(lines):
    return [lines[0], lines[2], lines[1], *lines[3:]]


@pytest.mark.parametrize(
    "change",
    [drop_last, drop_last_spend, drop_spend_and_count_anew, spend_less, allow_more, reorder,
     lambda lines: [], lambda lines: ["{}"], lambda lines: [*lines, lines[-1]],
     lambda lines: [lines[0][:-9], *lines[1:]]],
)  # fmt: skip
def test_a_ledger_cut_or_edited_is_refused(place, change):
    for epsilon in (0.5, 0.25):
        ledger(place, 1).spend(epsilon)
    path = place / "ledger"
    lines = path.read_text().splitlines()
    path.write_text("".join(f"{line}\n" for line in change(lines)))
    assert path.read_text().splitlines() != lines
    with pytest.raises(RefusedError, match="cut or edited"):
        ledger(place)


def test_a_ledger_of_another_table_or_key_is_refused(place):
    one = ledger(place, 1)
    one.spend(0.5)
    (place / "table.csv").write_text("PatientID,Age\nMRN8,50\n")
    with pytest.raises(RefusedError, match="another table"):
        ledger(place)
    with pytest.raises(RefusedError, match="another table"):
        one.spend(0.1)
    write_key(place / "other")
    with pytest.raises(RefusedError, match="key"):
        ledger(place, key_file=place / "other")
    (place / "ledger.key").unlink()
    with pytest.raises(MissingError, match="no key"):
        ledger(place)
    assert not (place / "ledger.key").exists()


def spend_a_tenth(place):
    try:
        ledger(place, 1).spend("0.1")
    except RefusedError:
        return 0
    return 1


def test_processes_that_spend_at_once_cannot_spend_more_than_there_is(place):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        granted = sum(pool.map(spend_a_tenth, [place] * 40))
    assert granted == 10
    assert ledger(place).left == 0
    assert len((place / "ledger").read_text().splitlines()) == 12
    assert json.loads((place / "ledger").read_text().splitlines()[-1][65:]) == {"entries": 11}
