"""Noisy answers: their errors over thousands of draws, neighbors, outliers, bad arguments.

Bounds are six standard errors: a right answer fails one in five hundred million times.
"""

import math

import numpy as np
import pandas as pd
import pytest

from medlab import dp
from medlab.errors import InputError, MedlabError, MissingError, RefusedError

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
    for given in (categories, [["M", "F"], ["MR", "US"]]):
        answer = dp.contingency(WARD, ["Sex", "Modality"], given, dp.Meter(RICH), RICH).value
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
