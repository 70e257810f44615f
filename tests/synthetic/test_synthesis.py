"""Tables of nobody: their domain, and what is drawn."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medlab.dp.noise import rho_of
from medlab.errors import InputError, MissingError, UsageError
from medlab.synthetic import draft_domain, synthesis
from medlab.synthetic.synthesis import Axis, Synthesis, synthesize

RNG = np.random.default_rng(5)


def axis(text):
    return synthesis.parse_domain(f"Column: {text}")[0]


def codes(text, *cells):
    return axis(text).encode(pd.Series(cells, dtype=object)).tolist()


def test_bins_are_closed_on_the_right_and_the_first_on_both_sides():
    asked = ["0", "20", "20.5", "25", "26", "30", "31", "120"]
    got = codes("{bounds: [0, 120], cuts: [20, 25, 30]}", *asked)
    assert got == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_first_bin_may_be_one_number():
    assert codes("{bounds: [0, 99], cuts: [0, 50]}", "0", "1", "50", "51") == [0, 1, 1, 2]
    drawn = axis("{bounds: [0, 99], cuts: [0, 50]}").decode(np.array([0, 0, 1]), RNG)
    assert drawn[:2].tolist() == [0, 0]
    assert 1 <= drawn[2] <= 50


def test_numbers_outside_are_clamped_and_what_is_no_number_is_outside():
    text = "{bounds: [18, 90], bins: 4}"
    assert codes(text, "-5", "1e9", "inf", "-inf", "old", None, "", "90") == [
        0, 3, 3, 0, -1, -1, -1, 3,
    ]  # fmt: skip


def test_a_tenth_is_the_tenth_that_is_written():
    cells = [f"{i / 10:.1f}" for i in range(1, 11)]
    assert codes("{bounds: [0, 1], bins: 10}", *cells) == list(range(10))


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("{bounds: [0, 9], bins: 10}", True),
        ("{bounds: [0, 9], bins: 11}", False),
        ("{bounds: [0, 9.0], bins: 3}", False),
        ("{bounds: [0, 9], cuts: [2, 4]}", True),
        ("{bounds: [0, 9], cuts: [2.5]}", False),
        ("{bounds: [2024-01-01, 2024-01-02], bins: 2}", True),
    ],
)
def test_numbers_are_whole_where_all_bounds_and_cuts_are(text, whole):
    assert axis(text).whole is whole


def test_each_cell_is_read_by_itself():
    """Otherwise one patient would change how the cells of all others are read."""
    text = "{bounds: [0, 10], bins: 10}"
    assert codes(text, "3", "x", "1,5", "007Y") == [2, -1, 1, 6]
    typed = axis("['1', '2.5']")
    assert typed.encode(pd.Series([1.0, 2.5])).tolist() == [0, 1]
    assert typed.encode(pd.Series([1, 2])).tolist() == [0, -1]
    assert codes(text, pd.Timestamp("2024-01-01"), 3.0, True) == [-1, 2, -1]


def test_categories_are_text_as_it_stands():
    text = "[010, 250.10, 'yes', 12:30, 2024-03-01]"
    cells = ["010", "8", "250.10", "250.1", "yes", "12:30", "2024-03-01"]
    assert codes(text, *cells) == [0, -1, 1, -1, 2, 3, 4]


def test_empty_text_names_missing_cells():
    assert codes("[F, M, '']", "F", None, float("nan"), "", ".") == [0, 2, 2, 2, 2]
    assert codes("[F, M]", "F", None, "", ".") == [0, -1, -1, -1]


def test_days_are_binned_and_drawn_as_days():
    days = axis("{bounds: [2024-01-01, 2024-12-31], cuts: [2024-06-30]}")
    cells = pd.Series(["2024-06-30", "20240701", "2031-01-01", "May"])
    assert days.encode(cells).tolist() == [0, 1, 1, -1]
    assert days.encode(pd.to_datetime(cells[:1])).tolist() == [0]
    drawn = pd.Series(days.decode(np.ones(200, int), RNG))
    assert drawn.between("2024-07-01", "2024-12-31").all()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[yes, no]", "quote it"),
        ("[F, true]", "quote it"),
        ("[F, ~]", "quote it"),
        ("[F, [M]]", "quote it"),
        ("[F, M, F]", "stands twice"),
        ("[]", "none"),
        ("F", "needs a list"),
        ("", "needs a list"),
        ("{bounds: [0, 9]}", "needs a list"),
        ("{bounds: [0, 9], bins: 3, cuts: [4]}", "needs a list"),
        ("{bounds: [0, 9], size: 3}", "needs a list"),
        ("{[bounds]: 3, bins: 3}", "quote it"),
        ("{bounds: [9, 0], bins: 3}", "ascend"),
        ("{bounds: [9, 9], bins: 1}", "ascend"),
        ("{bounds: [0, 9], cuts: [5, 4]}", "ascend"),
        ("{bounds: [0, 9], cuts: [5, 5]}", "ascend"),
        ("{bounds: [0, 9], cuts: [9]}", "ascend"),
        ("{bounds: [0, 9], cuts: [-1]}", "ascend"),
        ("{bounds: [0, .inf], bins: 3}", "no finite number"),
        ("{bounds: [0, .nan], bins: 3}", "no finite number"),
        ("{bounds: [0, 1e999999999], bins: 3}", "no finite number"),
        ("{bounds: [0, x], bins: 3}", "no finite number"),
        ("{bounds: [0, 2024-01-01], bins: 3}", "numbers or days"),
        ("{bounds: [0, 4, 9], bins: 3}", "two numbers"),
        ("{bounds: 9, bins: 3}", "two numbers"),
        ("{bounds: [0, 9], bins: 0}", "whole number from 1"),
        ("{bounds: [0, 9], bins: 2.5}", "whole number from 1"),
        ("{bounds: [0, 9], bins: 1000000000}", "whole number from 1"),
        ("{bounds: [0, 9], bins: [3]}", "quote it"),
        ("{bounds: [2024-01-01, 2024-01-03], bins: 4}", "more bins than days"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_refused(text, reason):
    with pytest.raises(InputError, match=reason) as caught:
        axis(text)
    assert "Column" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: b: c", "{", "&a [*a]", "[" * 5000])
def test_what_is_no_domain_is_refused(text):
    with pytest.raises(InputError, match="domain"):
        synthesis.parse_domain(text)


def test_columns_named_twice_and_direct_identifiers_are_refused():
    with pytest.raises(InputError, match="twice"):
        synthesis.parse_domain("Sex: [F, M]\nSex: [F]")
    with pytest.raises(InputError, match="PatientID identifies people directly"):
        synthesis.parse_domain("Sex: [F, M]\nPatientID: ['1']")


@given(st.integers(-50, 50), st.integers(1, 60), st.integers(1, 61), st.integers(0, 2**32 - 1))
def test_what_is_drawn_lies_in_its_own_bin_and_is_whole(low, width, bins, seed):
    if bins > width + 1:
        return
    made = axis(f"{{bounds: [{low}, {low + width}], bins: {bins}}}")
    given_codes = np.random.default_rng(seed).integers(0, made.size, 50)
    drawn = made.decode(given_codes, np.random.default_rng(seed))
    assert drawn.dtype == np.int64
    assert made.encode(pd.Series(drawn)).tolist() == given_codes.tolist()


@given(st.floats(-1e6, 1e6), st.floats(0.001, 1e6), st.integers(1, 40))
def test_numbers_that_are_not_whole_lie_in_their_bin_too(low, width, bins):
    made = axis(f"{{bounds: [{low!r}, {low + width + 0.5!r}], bins: {bins}}}")
    if made.whole:
        return
    given_codes = np.arange(made.size).repeat(3)
    drawn = made.decode(given_codes, np.random.default_rng(0))
    assert made.encode(pd.Series(drawn)).tolist() == given_codes.tolist()


def test_a_draft_is_read_again_and_fits_the_table_that_it_was_read_off():
    table = pd.DataFrame(
        {
            "PatientID": [f"P{i}" for i in range(200)],
            "Visit": [f"note {i}" for i in range(200)],
            "Age": np.arange(200) % 70,
            "Dose": np.linspace(0, 1, 200),
            "Same": 7,
            "Flag": np.arange(200) % 2,
            "Code": ["010", "yes", "null", None] * 50,
            "Day": pd.date_range("2024-01-01", periods=200),
        }
    )
    text = draft_domain(table, ["Visit"])
    assert text.startswith("# ")
    assert "read off the data" in text.splitlines()[0].lower()
    found = synthesis.parse_domain(text)
    assert [one.name for one in found] == ["Age", "Dose", "Same", "Flag", "Code", "Day"]
    assert synthesis._encode(table, found).shape == (200, 6)
    assert next(one for one in found if one.name == "Flag").size == 2
    same = next(one for one in found if one.name == "Same")
    assert same.decode(same.encode(table["Same"]), RNG).tolist() == [7] * 200


def test_a_draft_leaves_out_text_and_refuses_a_table_of_nothing_else():
    with pytest.raises(InputError, match="no column for a domain"):
        draft_domain(pd.DataFrame({"Note": [f"note {i}" for i in range(200)]}))
    with pytest.raises(InputError, match="no column for a domain"):
        draft_domain(pd.DataFrame({"Surname": [f"Name {i}" for i in range(20)]}))


def test_distances_are_half_the_difference_of_shares():
    both = synthesis.parse_domain("A: [a, b]\nB: {bounds: [0, 2], cuts: [1]}")
    one = pd.DataFrame({"A": list("aabb"), "B": [0, 2, 0, 2]})
    other = pd.DataFrame({"A": list("aaab"), "B": [0, 2, 0, 2]})
    assert synthesis.distances(one, one, both) == (0, 0)
    # a: 2/4 against 3/4; b of each pair: (a,0) 1/4 to 2/4 and (b,0) 1/4 to 0
    assert synthesis.distances(one, other, both) == (0.125, 0.25)
    assert np.isnan(synthesis.distances(one, other, both[:1])[1])


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
