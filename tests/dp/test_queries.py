"""Noisy answers, their budget and its ledger."""

import json
import math
import stat
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medlab import dp
from medlab.crypto import write_key
from medlab.dp import Ledger, Meter, queries
from medlab.errors import (
    InputError,
    KindError,
    MedlabError,
    MissingError,
    RefusedError,
    UsageError,
)

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
    monkeypatch.delenv("MEDLAB_KEY_FILE", raising=False)
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


pytestmark = pytest.mark.needs("dp")
RICH = 1e6
DRAWS = 2000
WARD = pd.DataFrame(
    {
        "PatientID": [f"MRN{number}" for number in range(200)],
        "Age": [20 + number % 60 for number in range(200)],
        "Weight": [50.5 + number % 40 for number in range(200)],
        "Sex": ["F", "M", "F", "F", "M"] * 40,
        "Modality": ["CT", "MR"] * 100,
    }
)
QUERIES = {
    "count": lambda table, meter, epsilon: dp.count(table, meter, epsilon),
    "histogram": lambda *rest: dp.histogram(rest[0], "Sex", ["F", "M"], *rest[1:]),
    "contingency": lambda *rest: dp.contingency(
        rest[0], ["Sex", "Modality"], [["F", "M"], ["CT", "MR"]], *rest[1:]
    ),
    "total": lambda *rest: dp.total(rest[0], "Age", (18, 90), *rest[1:]),
    "mean": lambda *rest: dp.mean(rest[0], "Age", (18, 90), *rest[1:]),
    "quantile": lambda *rest: dp.quantile(rest[0], "Age", 0.5, range(18, 91), *rest[1:]),
}
each_query = pytest.mark.parametrize("ask", QUERIES.values(), ids=QUERIES)


def mean_near(draws, expected):
    draws = np.asarray(draws, dtype=float)
    assert abs(draws.mean() - expected) <= 6 * draws.std() / math.sqrt(len(draws))


@each_query
def test_with_a_very_large_epsilon_the_answer_is_the_truth(ask):
    value = ask(WARD, dp.Meter(RICH), RICH).value
    truth = {
        "count": 200,
        "histogram": [120, 80],
        "contingency": [[60, 60], [40, 40]],
        "total": WARD["Age"].sum(),
        "mean": WARD["Age"].mean(),
        "quantile": WARD["Age"].median(),
    }
    expected = truth[next(name for name, query in QUERIES.items() if query is ask)]
    assert np.asarray(value) == pytest.approx(np.asarray(expected), abs=0.51)


@each_query
def test_an_answer_costs_what_was_asked_and_one_too_many_costs_nothing(ask):
    meter = dp.Meter(1)
    answer = ask(WARD, meter, 0.4)
    assert (answer.epsilon, meter.spent) == (0.4, 0.4)
    with pytest.raises(RefusedError):
        ask(WARD, meter, 0.7)
    assert meter.left == 0.6


@each_query
def test_scales_follow_from_the_arguments_alone(ask):
    wild = WARD.assign(Age=10**6, Sex="?", Modality="?")
    meter = dp.Meter(100, contributions=3)
    assert ask(WARD, meter, 0.5).scale == ask(wild, meter, 0.5).scale
    assert ask(WARD, meter, 0.25).scale == pytest.approx(2 * ask(WARD, meter, 0.5).scale)
    assert ask(WARD, dp.Meter(1), 0.5).scale == pytest.approx(ask(WARD, meter, 0.5).scale / 3)


def test_scales_are_those_of_the_formulas():
    meter = dp.Meter(100)
    assert dp.count(WARD, meter, 0.5).scale == 2
    assert dp.total(WARD, "Age", (-100, 90), meter, 0.5).scale == 200
    assert dp.mean(WARD, "Age", (18, 90), meter, 1).scale == 180
    assert dp.quantile(WARD, "Age", 0.25, [30, 40], meter, 0.5).scale == pytest.approx(3)


@pytest.mark.parametrize("epsilon", [0.1, 1, 2])
def test_errors_of_counts_are_as_large_as_said_and_have_no_side(epsilon):
    meter = dp.Meter(RICH)
    answers = [dp.count(WARD, meter, epsilon) for _ in range(DRAWS)]
    errors = np.array([answer.value - 200 for answer in answers])
    mean_near(errors, 0)
    mean_near(np.abs(errors), answers[0].error)


def test_errors_of_cells_are_independent_and_as_large_as_said():
    meter = dp.Meter(RICH)
    answers = [dp.histogram(WARD, "Sex", ["F", "M"], meter, 0.5) for _ in range(DRAWS)]
    errors = np.array([answer.value - [120, 80] for answer in answers])
    mean_near(np.abs(errors).ravel(), answers[0].error)
    assert abs(np.corrcoef(errors.T)[0, 1]) < 6 / math.sqrt(DRAWS)


@pytest.mark.parametrize("column", ["Age", "Weight"])
def test_errors_of_totals_are_as_large_as_said(column):
    meter = dp.Meter(RICH)
    answers = [dp.total(WARD, column, (18, 90), meter, 1) for _ in range(DRAWS)]
    errors = [answer.value - WARD[column].sum() for answer in answers]
    mean_near(errors, 0)
    mean_near(np.abs(errors), answers[0].error)


def test_errors_of_means_are_as_large_as_said():
    ward = pd.concat([WARD] * 20).assign(PatientID=range(4000))
    meter = dp.Meter(RICH)
    answers = [dp.mean(ward, "Age", (18, 90), meter, 1) for _ in range(1000)]
    errors = np.array([answer.value - ward["Age"].mean() for answer in answers])
    said = np.mean([answer.error for answer in answers])
    # The formula is that of a ratio whose divisor hardly moves: good to a percent here.
    spread = np.abs(errors).std() / math.sqrt(len(errors))
    assert abs(np.abs(errors).mean() - said) < 6 * spread + 0.01 * said


def test_quantiles_have_the_chances_of_the_exponential_mechanism():
    table = pd.DataFrame({"PatientID": range(7), "x": [1, 2, 2, 3, 5, 8, 9]})
    candidates = [0, 2, 3, 4, 10]
    meter, draws = dp.Meter(RICH), 3000
    chosen = [dp.quantile(table, "x", 0.5, candidates, meter, 1).value for _ in range(draws)]
    scores = [
        -abs(sum(x < c for x in table["x"]) - sum(x > c for x in table["x"])) / 2
        for c in candidates
    ]
    weights = np.exp(np.array(scores))  # epsilon * score / (2 * sensitivity), which is 1/2
    chances = weights / weights.sum()
    for candidate, chance in zip(candidates, chances, strict=True):
        spread = math.sqrt(chance * (1 - chance) / draws)
        assert abs(chosen.count(candidate) / draws - chance) <= 6 * spread


def test_quantiles_miss_by_no_more_rows_than_said():
    meter = dp.Meter(RICH)
    answers = [dp.quantile(WARD, "Age", 0.5, range(18, 91), meter, 0.5) for _ in range(500)]
    missed = [abs((WARD["Age"] < a.value).sum() - 100) for a in answers]
    assert np.mean(missed) < answers[0].error


def log_ratios(first, second):
    """The log-ratio of each outcome seen often enough, and its standard error."""
    for outcome in set(first) | set(second):
        a, b = first.count(outcome), second.count(outcome)
        if a >= 30 and b >= 30:
            yield abs(math.log(a / b)), math.sqrt(1 / a + 1 / b)


def seven_rows(rest):
    one = pd.DataFrame({"PatientID": ["MRN0"] * 7, "Age": [90] * 7, "Sex": ["F"] * 7})
    return pd.concat([one, rest], ignore_index=True), rest


REST = pd.DataFrame({"PatientID": ["a", "b", "c"], "Age": [20, 30, 40], "Sex": ["F", "M", "M"]})


@pytest.mark.parametrize(
    "ask",
    [
        lambda table, meter: dp.count(table, meter, 1).value,
        lambda table, meter: int(dp.histogram(table, "Sex", ["F", "M"], meter, 1).value["F"]),
        lambda table, meter: round(dp.total(table, "Age", (0, 90), meter, 1).value / 60),
        lambda table, meter: round(dp.mean(table, "Age", (0, 90), meter, 1).value / 10),
        lambda table, meter: dp.quantile(table, "Age", 0.9, range(0, 91, 10), meter, 1).value,
    ],
    ids=["count", "histogram", "total", "mean", "quantile"],
)
def test_a_patient_of_seven_rows_moves_no_outcome_by_more_than_epsilon(ask):
    meter = dp.Meter(RICH, contributions=3)
    drawn = [[ask(table, meter) for _ in range(1000)] for table in seven_rows(REST)]
    ratios = list(log_ratios(*drawn))
    assert ratios
    assert all(ratio <= 1 + 6 * error for ratio, error in ratios)


def test_counting_rows_in_place_of_patients_would_be_found():
    meter = dp.Meter(RICH, subject=None)
    tables = seven_rows(REST)
    large = [[dp.count(table, meter, 0.3).value >= 10 for _ in range(1500)] for table in tables]
    assert any(ratio > 0.3 + 6 * error for ratio, error in log_ratios(*large))


def test_an_outlier_counts_for_no_more_than_the_bound():
    outlier = WARD.assign(Age=[10**9, *WARD["Age"][1:]])
    meter = dp.Meter(1e9)
    assert dp.total(outlier, "Age", (18, 90), meter, RICH).value == pytest.approx(
        WARD["Age"].sum() - 20 + 90, abs=0.01
    )
    for infinite in (math.inf, -math.inf):
        table = WARD.assign(Age=[infinite, *WARD["Age"][1:]])
        assert 18 <= dp.mean(table, "Age", (18, 90), meter, 1).value <= 90


def test_categories_are_compared_as_text_in_the_order_given():
    table = pd.DataFrame({"PatientID": range(5), "Grade": [1.0, 2.0, 2.0, np.nan, 7.5]})
    answer = dp.histogram(table, "Grade", [2, "1", 3, "", 7.5], dp.Meter(RICH), RICH).value
    assert answer.to_dict() == {"2": 2, "1": 1, "3": 0, "": 1, "7.5": 1}
    assert list(answer.index) == ["2", "1", "3", "", "7.5"]


def test_a_pair_of_columns_by_names_or_by_place():
    categories = {"Modality": ["MR", "US"], "Sex": ["M", "F"]}
    for labels in (categories, [["M", "F"], ["MR", "US"]]):
        answer = dp.contingency(WARD, ["Sex", "Modality"], labels, dp.Meter(RICH), RICH).value
        assert answer.loc["F", "MR"] == 60
        assert answer.to_numpy().tolist() == [[40, 0], [60, 0]]


def test_arguments_go_by_name_and_none_may_be_left_out():
    meter = dp.Meter(1)
    dp.total(table=WARD, column="Age", bounds=(18, 90), meter=meter, epsilon=0.1)
    dp.quantile(WARD, column="Age", q=0.5, candidates=[1, 2], meter=meter, epsilon=0.1)
    for call in (
        lambda: dp.total(WARD, "Age", meter=meter, epsilon=0.1),
        lambda: dp.histogram(WARD, "Sex", meter=meter, epsilon=0.1),
        lambda: dp.quantile(WARD, "Age", 0.5, meter=meter, epsilon=0.1),
        lambda: dp.count(WARD, meter),
    ):
        with pytest.raises(TypeError):
            call()
    assert meter.spent == 0.2


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda m: dp.total(WARD, "Gone", (0, 1), m, 1), MissingError),
        (lambda m: dp.histogram(WARD, "Gone", ["F"], m, 1), MissingError),
        (lambda m: dp.total(WARD, "Age", (90, 18), m, 1), InputError),
        (lambda m: dp.total(WARD, "Age", (18, 18), m, 1), InputError),
        (lambda m: dp.total(WARD, "Age", (0, math.inf), m, 1), InputError),
        (lambda m: dp.mean(WARD, "Age", (0, math.nan), m, 1), InputError),
        (lambda m: dp.mean(WARD, "Age", (0, 1e300), m, 1), InputError),
        (lambda m: dp.mean(WARD, "Age", None, m, 1), InputError),
        (lambda m: dp.mean(WARD, "Sex", (0, 1), m, 1), InputError),
        (lambda m: dp.mean(WARD.assign(Age=math.nan), "Age", (0, 1), m, 1), InputError),
        (lambda m: dp.quantile(WARD.assign(Age=math.nan), "Age", 0.5, [1], m, 1), InputError),
        (lambda m: dp.quantile(WARD, "Age", 1.5, [1], m, 1), InputError),
        (lambda m: dp.quantile(WARD, "Age", 0.5, [], m, 1), InputError),
        (lambda m: dp.quantile(WARD, "Age", 0.5, [1, 1], m, 1), InputError),
        (lambda m: dp.quantile(WARD, "Age", 0.5, ["MRN7"], m, 1), InputError),
        (lambda m: dp.histogram(WARD, "Sex", ["F", "F"], m, 1), InputError),
        (lambda m: dp.histogram(WARD, "Sex", [1, "1"], m, 1), InputError),
        (lambda m: dp.histogram(WARD, "Sex", "FM", m, 1), InputError),
        (lambda m: dp.histogram(WARD, "Sex", [], m, 1), InputError),
        (lambda m: dp.contingency(WARD, ["Sex"], [["F"]], m, 1), InputError),
        (lambda m: dp.contingency(WARD, ["Sex", "Age"], [["F"]], m, 1), InputError),
        (lambda m: dp.count(WARD.iloc[:0], m, 1), InputError),
        (lambda m: dp.count(WARD, m, 0), InputError),
        (lambda m: dp.count(WARD, m, 1e308), InputError),
    ],
)
def test_what_cannot_be_answered_costs_nothing_and_repeats_no_value(ask, error):
    meter = dp.Meter(2)
    with pytest.raises(error) as caught:
        ask(meter)
    assert isinstance(caught.value, MedlabError)
    assert "MRN7" not in str(caught.value)
    assert meter.spent == 0


def test_a_pair_of_a_million_cells_is_refused_with_its_size():
    meter = dp.Meter(1)
    with pytest.raises(InputError, match="1,000,000 cells"):
        dp.contingency(WARD, ["Age", "Weight"], [range(1000), range(1000)], meter, 1)
    assert meter.spent == 0


def test_patients_who_are_all_alike_are_answered_like_others():
    alike = WARD.assign(Age=50, Sex="F")
    meter = dp.Meter(1e9)
    assert dp.mean(alike, "Age", (18, 90), meter, RICH).value == pytest.approx(50, abs=0.01)
    assert dp.quantile(alike, "Age", 0.5, range(18, 91), meter, RICH).value == 50


@pytest.mark.parametrize("scale", [0.05, 0.2, 1.0, 7.5, 200.0])
def test_the_expected_error_is_that_of_the_distribution(scale):
    weights = [(k, math.exp(-k / scale)) for k in range(1, int(60 * scale) + 10)]
    error = 2 * sum(k * w for k, w in weights) / (1 + 2 * sum(w for _, w in weights))
    assert queries._laplace_error(scale) == pytest.approx(error, rel=1e-9)
