"""What a synthetic table promises, whose rows count, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from medlab.dp.noise import rho_of
from medlab.errors import InputError, MissingError, UsageError
from medlab.synthetic.domain import Axis
from medlab.synthetic.synthesis import Synthesis, synthesize

DOMAIN = [Axis("Sex", ("F", "M")), Axis("Age", edges=(18.0, 40.0, 60.0, 90.0), whole=True)]

METHODS = ("tree", "copula", "independent")


def ward(rows=300):
    rng = np.random.default_rng(5)
    sex = rng.choice(["F", "M"], rows)
    return pd.DataFrame({"Who": np.arange(rows), "Sex": sex, "Age": rng.integers(18, 91, rows)})


@pytest.mark.parametrize("method", METHODS)
def test_without_epsilon_nothing_is_promised_and_a_seed_draws_the_same(method):
    one, other = (synthesize(ward(), DOMAIN, method, rng=np.random.default_rng(1)) for _ in "ab")
    assert one._replace(table=None) == Synthesis(None, None, None, None, left_out=0)
    assert list(one.table) == ["Sex", "Age"]
    assert len(one.table) == 300
    pd.testing.assert_frame_equal(one.table, other.table)


@pytest.mark.parametrize("method", METHODS)
def test_of_each_patient_one_row_counts(method):
    """A hundred rows of one man beside 99 women: he is one of a hundred."""
    table = pd.DataFrame({"Who": [0] * 100 + [*range(1, 100)], "Sex": "F", "Age": 30})
    table.loc[table["Who"] == 0, "Sex"] = "M"
    rng = np.random.default_rng(2)
    drawn = synthesize(table, DOMAIN, method, rows=10_000, subject="Who", rng=rng).table
    # binomial with p = 0.01: 100 men, give or take 10; half of all if each row counted
    assert 30 <= (drawn["Sex"] == "M").sum() <= 200


def test_rows_outside_the_domain_are_left_out_and_counted():
    table = ward()
    table.loc[:6, "Sex"] = ["X", "", None, "f", "x", "Z", "?"]
    made = synthesize(table, DOMAIN, "independent", rng=np.random.default_rng(1))
    assert made.left_out == 7
    assert set(made.table["Sex"]) == {"F", "M"}
    with pytest.raises(InputError, match="no row lies in the domain"):
        synthesize(table.iloc[:7], DOMAIN)


@pytest.mark.needs("dp")
@pytest.mark.parametrize(
    ("method", "delta", "held"), [("tree", None, 1e-9), ("tree", 1e-6, 1e-6),
     ("independent", None, 0.0), ("independent", 1e-6, 1e-6)],
)  # fmt: skip
def test_with_epsilon_the_promise_says_what_holds_and_not_how_many_were_left_out(
    method, delta, held
):
    made = synthesize(ward(), DOMAIN, method, epsilon=1.0, delta=delta)
    rho = rho_of(1.0, held) if held else None
    assert made._replace(table=None) == Synthesis(None, 1.0, held, rho, left_out=None)


@pytest.mark.needs("dp")
def test_with_a_huge_epsilon_the_counts_are_those_of_the_table():
    table = ward(3000)
    made = synthesize(table, DOMAIN, "independent", epsilon=1e5).table
    assert len(made) == 3000
    assert (made["Sex"] == "M").sum() == (table["Sex"] == "M").sum()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "forest"}, "no model of that name"),
        ({"delta": 1e-6}, "delta goes with epsilon"),
        ({"method": "copula", "epsilon": 1.0}, "a copula has no guarantee"),
        ({"epsilon": 1.0, "rng": np.random.default_rng(1)}, "leave the seed out"),
    ],
)
def test_what_makes_no_sense_together_is_refused(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        synthesize(ward(), DOMAIN, **options)


@pytest.mark.parametrize("delta", [0.0, 0.5, 1.0])
def test_a_delta_that_promises_nothing_is_refused(delta):
    with pytest.raises(InputError, match="delta must be"):
        synthesize(ward(), DOMAIN, "tree", epsilon=1.0, delta=delta)


def test_a_column_that_is_not_there_is_named_by_what_was_asked():
    with pytest.raises(MissingError):
        synthesize(ward().drop(columns="Age"), DOMAIN)
