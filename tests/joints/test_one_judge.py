"""A table has one k, one risk and one loss, whichever room and whichever command tells it."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from medlab import cli, evaluation, tabular
from medlab.errors import InputError
from medlab.methods import bucketization

QUASI = ["Age", "Sex", "City"]
SHARED = {
    "k": "k",
    "prosecutor max": "prosecutor_max",
    "prosecutor mean": "prosecutor_mean",
    "uniqueness": "uniqueness",
    "journalist max": "journalist_max",
    "marketer": "marketer",
    "GCP": "gcp",
}


def cohort(seed, rows=60):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "Age": rng.integers(20, 90, rows),
            "Sex": rng.choice(["F", "M"], rows),
            "City": rng.choice(["Ulm", "Bonn", "Jena", "Trier"], rows),
            "Diagnosis": rng.choice(["flu", "angina", "asthma"], rows),
        }
    )


def both(original, released, quasi, register=None, **more):
    """What the two rooms say of the same release, by the names of the first."""
    theirs = evaluation.evaluate(original, released, quasi, register=register, **more)
    theirs = theirs.set_index("measure")["value"]
    ours = tabular.measures(released, quasi, original=original, register=register)
    return {
        name: (theirs[name], ours[key]) for name, key in SHARED.items() if ours[key] is not None
    }


@given(st.integers(0, 10_000), st.sampled_from(["mondrian", "full-domain", "k-member"]))
def test_both_rooms_tell_the_same_of_a_release_and_of_its_text(seed, method):
    original = cohort(seed)
    release = tabular.anonymize(original, QUASI, "Diagnosis", k=4, method=method)
    text = release.table.assign(**dict(tabular.range_text(release.table, QUASI)))
    register = pd.concat([original[QUASI], cohort(seed + 1, 200)[QUASI]])
    for shown in (release.table, text):
        for name, (first, second) in both(original, shown, QUASI, register).items():
            assert first == pytest.approx(second), name


FOREIGN = {  # as other programs write them: cell, what it stands for
    "20-29": (20, 29),
    "[20, 30)": (20, 30),
    "[20, 30[": (20, 30),
    "(20, 30]": (20, 30),
    "2*": (20, 29),
    ">=20": (20, np.inf),
    "20+": (20, np.inf),
    "<30": (-np.inf, 30),
}


@pytest.mark.parametrize(("cell", "ends"), FOREIGN.items())
def test_the_forms_of_other_programs_are_read_as_ranges(cell, ends):
    found = tabular.bounds(pd.Series([cell, cell]))
    assert [end[0] for end in found] == pytest.approx(list(ends), abs=1e-4)


def test_an_open_end_does_not_hold_its_own_value():
    low, high = tabular.bounds(pd.Series(["[60, 70)", "(60, 70]", "[60, 70]"]))
    assert list(high < 70) == [True, False, False]
    assert list(low > 60) == [False, True, False]


@pytest.mark.parametrize("cell", ["12", "2024-03-01", "30-20", "1-2-3", "ab*", "*", "[20, 30"])
def test_what_is_no_such_form_is_read_as_before(cell):
    low, high = tabular.bounds(pd.Series([cell]))
    assert low[0] == high[0] or np.isnan(low[0])


def test_a_month_is_all_its_days():
    (low,), (high,) = tabular.bounds(pd.Series(["2024-02"]))
    assert (pd.Timestamp(high, unit="s") - pd.Timestamp(low, unit="s")).days == 28


def test_a_release_of_another_program_loses_the_same_in_both_rooms():
    original = pd.DataFrame(
        {"Age": [20, 25, 29, 31, 38, 77], "Zip": [81001, 81500, 81999, 80001, 80500, 12345]}
    )
    shown = pd.DataFrame(
        {
            "Age": ["20-29"] * 3 + ["30-39"] * 2 + ["*"],
            "Zip": ["81***"] * 3 + ["80***"] * 2 + ["*"],
        }
    )
    found = both(original, shown, ["Age", "Zip"])
    assert all(first == pytest.approx(second) for first, second in found.values())
    assert found["k"] == (1, 1)  # the row of * is a class, and of one
    assert found["GCP"][0] == pytest.approx(
        np.mean([9 / 57] * 5 + [1] + [999 / (81999 - 12345)] * 5 + [1])
    )


def test_masked_labels_have_lost_something():
    original = pd.DataFrame({"Zip": ["01234", "01299", "01999", "80331"]})
    shown = pd.DataFrame({"Zip": ["01***", "01***", "01***", "80***"]})
    losses = [tabular.gcp(shown.iloc[[i]], "Zip", original) for i in range(4)]
    assert losses == [2 / 3, 2 / 3, 2 / 3, 0]


def test_rows_of_stars_count_for_l_as_any_class():
    shown = pd.DataFrame(
        {"Age": ["[20, 30]"] * 4 + ["*"] * 3, "Diagnosis": list("abab") + ["flu"] * 3}
    )
    assert tabular.measures(shown, "Age", "Diagnosis")["l"] == 1
    assert tabular.measures(shown, "Age", "Diagnosis")["k"] == 3


def test_more_people_on_the_register_never_raise_a_risk():
    shown = pd.DataFrame({"Zip": ["[80331, 80340]"] * 5})
    few = pd.DataFrame({"Zip": [80331, 80335, 80340] * 4})
    more = pd.concat([few.astype(str), pd.DataFrame({"Zip": ["01067"] * 40})])
    risks = [tabular.risks(shown, "Zip", people).journalist_max for people in (few, more)]
    assert risks == [1 / 12, 1 / 12]


def test_a_bucket_holds_who_was_put_into_it_and_not_who_was_not():
    weights = pd.DataFrame({"Weight": [60.0, 65.0, 70.0, 75.0, 80.0]})
    shown = weights.assign(Weight=bucketization.number(weights["Weight"], 10, label=True))
    found = evaluation.evaluate(weights, shown, "Weight").set_index("measure")
    assert found.loc["own row fits exactly", "value"] == 1.0
    assert found.loc["linkage", "value"] == pytest.approx((0.5 * 4 + 1) / 5)


def test_a_generalized_release_in_another_order_is_judged_by_whom_a_row_fits():
    original = cohort(3)
    release = tabular.mondrian(original, QUASI, "Diagnosis", k=3).table
    mixed = release.sample(frac=1, random_state=1).reset_index(drop=True)
    straight, other = (
        evaluation.evaluate(original, shown, QUASI, "Diagnosis").set_index("measure")
        for shown in (release, mixed)
    )
    assert straight.loc["linkage", "note"] == ""
    assert "another order" in other.loc["linkage", "note"]
    assert other.loc["linkage", "value"] == pytest.approx(straight.loc["linkage", "value"])
    assert other.loc["GCP", "value"] == pytest.approx(straight.loc["GCP", "value"])


def test_what_was_not_made_of_these_rows_is_not_judged():
    original = cohort(4)
    release = tabular.mondrian(cohort(5), QUASI, "Diagnosis", k=3).table
    with pytest.raises(InputError, match="fit no released row"):
        evaluation.evaluate(original, release, QUASI, "Diagnosis")


def test_rows_with_noise_in_another_order_are_not_judged():
    original = cohort(6)
    rng = np.random.default_rng(0)
    noisy = original.assign(Age=original["Age"] + rng.normal(0, 3, len(original)))
    evaluation.evaluate(original, noisy, QUASI, "Diagnosis", kind="microdata")
    mixed = noisy.sample(frac=1, random_state=0).reset_index(drop=True)
    with pytest.raises(InputError, match="another order"):
        evaluation.evaluate(original, mixed, QUASI, "Diagnosis", kind="microdata")


def test_a_person_of_several_rows_in_another_order_is_refused():
    original = cohort(7).assign(Who=np.repeat(np.arange(20), 3))
    release = tabular.mondrian(original, QUASI, "Diagnosis", k=3, subject="Who").table
    mixed = release.sample(frac=1, random_state=2).reset_index(drop=True)
    with pytest.raises(InputError, match="whose row each is"):
        evaluation.evaluate(original, mixed, QUASI, "Diagnosis", subject="Who")


def test_both_commands_print_the_same_figures(tmp_path):
    original = cohort(8)
    release = tabular.mondrian(original, QUASI, "Diagnosis", k=4).table
    shown = release.assign(**dict(tabular.range_text(release, QUASI)))
    original.to_csv(tmp_path / "a.csv", index=False)
    shown.to_csv(tmp_path / "b.csv", index=False)
    names = ["--qi", ",".join(QUASI), "--sensitive", "Diagnosis"]
    a, b = str(tmp_path / "a.csv"), str(tmp_path / "b.csv")
    risk = CliRunner().invoke(cli.commands, ["risk", b, *names, "--original", a])
    judged = CliRunner().invoke(cli.commands, ["evaluate", a, b, *names])
    values = {row["measure"]: row["value"] for row in json.loads(judged.output)["rows"]}
    for name in ("k", "prosecutor max", "GCP"):
        assert values[name] == pytest.approx(json.loads(risk.output)[SHARED[name]]), name
