"""The statistics of attacks against textbook figures, and by comparing all pairs."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medlab.errors import InputError
from medlab.evaluation.attack_statistics import (
    auc,
    excess,
    rate,
    tpr_at,
    wilson,
)


def test_wilson_gives_the_textbook_interval_of_five_in_ten():
    assert wilson(5, 10) == pytest.approx((0.23659, 0.76341), abs=1e-5)


def test_wilson_of_no_success_begins_at_zero():
    assert wilson(0, 10) == pytest.approx((0.0, 0.27753), abs=1e-5)


@given(st.integers(1, 500), st.floats(0, 1))
def test_wilson_lies_between_0_and_1_and_holds_the_rate(n, share):
    low, high = wilson(share * n, n)
    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1


def test_more_successes_than_attempts_are_refused():
    with pytest.raises(InputError):
        wilson(11, 10)


def test_a_rate_is_the_mean_of_chances():
    score = rate([1.0, 0.5, 0.0, 0.5], baseline=0.25)
    assert score.value == 0.5
    assert score.baseline == 0.25


def test_excess_takes_the_control_out():
    member, control = np.r_[np.ones(80), np.zeros(20)], np.r_[np.ones(20), np.zeros(80)]
    score = excess(member, control)
    assert score.value == pytest.approx((0.8 - 0.2) / (1 - 0.2))
    assert score.low < score.value < score.high


def test_excess_of_equal_groups_is_zero_and_not_negative():
    assert excess([0.0, 1.0], [1.0, 1.0, 0.0]).value == 0.0


def test_auc_counts_ties_half():
    assert auc([3, 2], [1, 2]).value == 0.875


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=12),
    st.lists(st.integers(0, 4), min_size=1, max_size=12),
)
def test_auc_equals_all_pairs_compared(positive, negative):
    pairs = [(a > b) + 0.5 * (a == b) for a in positive for b in negative]
    assert auc(positive, negative).value == pytest.approx(np.mean(pairs))


def test_auc_of_nobody_is_not_a_number():
    assert math.isnan(auc([], [1.0]).value)


def test_the_interval_of_a_certain_auc_has_no_width():
    assert auc(np.ones(5), np.zeros(5)) == (
        1.0,
        1.0,
        1.0,
        0.5,
        pytest.approx(math.nan, nan_ok=True),
    )


def test_an_attacker_facing_a_tie_throws_a_coin():
    # All members and half of the others are at the same distance: of them, 1 in 10 gives
    # a false positive rate of 0.05 and a true one of 0.1.
    assert tpr_at(np.zeros(50), np.r_[np.zeros(10), -np.ones(10)], 0.05) == pytest.approx(0.1)


def test_separated_scores_have_no_false_positives():
    assert tpr_at(np.ones(50), np.zeros(50), 0.01) == 1.0
