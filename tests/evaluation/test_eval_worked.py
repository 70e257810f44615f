"""Attacks on tables small enough to be worked out by hand."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from medlab import evaluation, tabular
from medlab.errors import InputError, MissingError
from medlab.evaluation import utility
from medlab.evaluation.attacker import nearest
from medlab.evaluation.inference import shares
from medlab.evaluation.inference import sliced as sliced_chance
from medlab.evaluation.linkage import linkability
from medlab.tabular.release import LabelSet
from medlab.tabular.released_cells import exact_values, scale, see

WARD = pd.DataFrame(
    {
        "Age": [25, 25, 26, 27, 27, 28],
        "Sex": ["M", "F", "M", "M", "F", "M"],
        "Diagnosis": ["flu", "flu", "angina", "flu", "angina", "angina"],
    }
)
# Boxes {1,3}, {2,5}, {4,6}.
BOXES = pd.DataFrame(
    {
        "Age": [pd.Interval(a, b, closed="both") for a, b in ((25, 26), (25, 27), (25, 26))]
        + [pd.Interval(27, 28, closed="both"), pd.Interval(25, 27, closed="both")]
        + [pd.Interval(27, 28, closed="both")],
        "Sex": ["M", "F", "M", "M", "F", "M"],
        "Diagnosis": WARD["Diagnosis"],
    }
)
QUASI = ["Age", "Sex"]


def values(rows):
    return dict(zip(rows["measure"], rows["value"], strict=True))


def test_three_boxes_of_two_link_half_of_the_people():
    found = values(evaluation.evaluate(WARD, BOXES, QUASI, "Diagnosis"))
    assert found["k"] == 2
    assert found["prosecutor mean"] == found["linkage"] == 0.5
    assert found["own row fits exactly"] == 1.0
    # Diagnoses of the boxes: flu angina, flu angina, flu angina: a coin in each.
    assert found["inference"] == 0.5


def test_the_same_figures_come_from_the_text_of_a_csv_file():
    text = BOXES.astype(str)
    found = evaluation.evaluate(WARD, text, QUASI, "Diagnosis")
    expected = evaluation.evaluate(WARD, BOXES, QUASI, "Diagnosis")
    pd.testing.assert_frame_equal(found, expected)


def test_classes_of_2_3_and_5_have_the_textbook_risks():
    table = pd.DataFrame({"Age": [30] * 2 + [40] * 3 + [50] * 5, "Sex": "F"})
    register = pd.concat([table, table.iloc[:4]], ignore_index=True)  # 4, 5 and 5 people
    found = values(evaluation.evaluate(table, table, QUASI, register=register))
    assert found["prosecutor max"] == 0.5
    assert found["prosecutor mean"] == pytest.approx(0.3)
    assert found["records at risk above 0.2"] == pytest.approx(0.5)
    assert found["journalist max"] == pytest.approx(1 / 4)
    assert found["marketer"] == pytest.approx((2 / 4 + 3 / 5 + 5 / 5) / 10)
    assert found["journalist mean"] == pytest.approx(3 / 14)  # larger than the marketer's


def test_gcp_of_a_cell_20_to_30_in_a_column_20_to_60_is_a_quarter():
    table = pd.DataFrame({"Age": [20, 30, 60, 60]})
    cells = [pd.Interval(20, 30, closed="both")] * 2 + [60, 60]
    released = pd.DataFrame({"Age": np.array(cells, dtype=object)})
    assert values(evaluation.evaluate(table, released, "Age"))["GCP"] == pytest.approx(0.125)


def test_gcp_agrees_with_the_tabular_room():
    cohort = pd.DataFrame({"Age": [20, 31, 44, 52, 60], "Sex": list("FMMFM")})
    released = tabular.mondrian(cohort, QUASI, k=2).table.copy()
    released.loc[0, "Age"] = "*"
    found = values(evaluation.evaluate(cohort, released, QUASI))["GCP"]
    assert found == pytest.approx(tabular.gcp(released, QUASI, cohort))


def test_a_perturbed_row_is_found_by_the_smallest_gap():
    scales = [scale(WARD["Age"])]
    released = pd.DataFrame({"Age": [25.5, 30.0]})
    seen = see(released, scales)
    (near,) = nearest(seen, exact_values(pd.DataFrame({"Age": [25, 28, 29]}), scales))
    assert near.mask.tolist() == [[True, False], [False, True], [False, True]]
    assert near.distance == pytest.approx([0.5 / 3, 2 / 3, 1 / 3])


def test_missing_equals_missing_and_a_star_fits_everybody():
    original = pd.DataFrame({"Age": [20.0, np.nan, 40.0], "Sex": ["F", None, "M"]})
    released = pd.DataFrame({"Age": [20.0, np.nan, "*"], "Sex": ["F", None, "*"]}, dtype=object)
    seen = see(released, [scale(original[name]) for name in QUASI])
    (near,) = nearest(seen, exact_values(original, seen.scales))
    assert near.mask.tolist() == [[True, False, True], [False, True, True], [False, False, True]]


def test_a_node_stands_for_the_labels_of_its_rows():
    original = pd.DataFrame({"Postcode": ["01001", "01002", "80001"]})
    released = pd.DataFrame({"Postcode": ["010**", "010**", "800**"]})
    seen = see(released, [scale(original["Postcode"])], original)
    (near,) = nearest(seen, exact_values(original, seen.scales))
    assert near.mask[:, seen.class_of].sum(axis=1).tolist() == [2, 2, 1]


def test_words_for_numbers_stand_for_the_numbers_of_their_rows():
    words = ["twenties", "twenties", "twenties", "*", "27", "28"]
    released = WARD.assign(Age=words)
    found = values(evaluation.evaluate(WARD, released, ["Age"], control=WARD))
    exact = [pd.Interval(25, 26, closed="both")] * 3 + ["*", 27, 28]
    same = values(evaluation.evaluate(WARD, WARD.assign(Age=exact), ["Age"], control=WARD))
    assert found == same
    assert found["linkage"] == pytest.approx((3 * 1 / 4 + 1 / 2 + 1 / 2 + 1 / 2) / 6)
    with pytest.raises(InputError, match="Age holds cells that are no number"):
        evaluation.evaluate(WARD, released, ["Age"], kind="synthetic")


def test_people_who_fit_are_counted_as_by_hand():
    seen = see(BOXES, [scale(WARD[name]) for name in QUASI])
    people = pd.DataFrame({"Age": [25, 26, 27, 27, 40], "Sex": ["M", "F", "M", "X", "M"]})
    assert seen.fits(exact_values(people, seen.scales))[seen.class_of].tolist() == [
        1,
        1,
        1,
        1,
        1,
        1,
    ]


def test_a_set_of_labels_allows_each_of_them():
    original = pd.DataFrame({"Sex": ["F", "M", "X"]})
    released = pd.DataFrame({"Sex": np.array([LabelSet("FM"), LabelSet("FM"), "X"], object)})
    seen = see(released, [scale(original["Sex"])])
    reading = utility.read(seen, shares(original, "Sex", pd.Index(["F"])))
    assert reading.labels[0].first(3).tolist() == [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]]


# Xiao and Tao 2006, table 1: eight patients, two groups, the query "pneumonia, age up to 30,
# zip 10001 to 20000" has the true answer 1.
HOSPITAL = pd.DataFrame(
    {
        "Age": [23, 27, 35, 59, 61, 65, 65, 70],
        "Sex": list("MMMMFFFF"),
        "Zip": [11000, 13000, 59000, 12000, 54000, 25000, 25000, 30000],
        "Disease": [
            "pneumonia",
            "dyspepsia",
            "dyspepsia",
            "pneumonia",
            "flu",
            "gastritis",
            "flu",
            "bronchitis",
        ],
    }
)


def count(table, posterior):
    ages, zips = scale(HOSPITAL["Age"]), scale(HOSPITAL["Zip"])
    reading = utility.read(see(table, [ages, zips]), posterior)
    start = [(1 - ages.low) / ages.width, (10001 - zips.low) / zips.width]
    stop = [(30 - ages.low) / ages.width, (20000 - zips.low) / zips.width]
    nothing = np.array([-1])
    asked = utility._Queries(
        np.array([[0, 1]]), np.array([start]), np.array([stop]), nothing, [], np.array([0])
    )
    return utility.count(reading, asked)[0]


def test_a_count_query_has_the_answers_of_the_anatomy_paper():
    labels = pd.Index(["pneumonia", "dyspepsia", "flu", "gastritis", "bronchitis"])
    exact = shares(HOSPITAL, "Disease", labels)
    assert count(HOSPITAL, exact) == 1.0
    boxes = HOSPITAL.astype(object)
    boxes.loc[:3, "Age"] = pd.Interval(21, 60, closed="both")
    boxes.loc[:3, "Zip"] = pd.Interval(10001, 60000, closed="both")
    # The paper's 2 * (10/40) * (10000/50000) = 0.1 counts whole years of [21, 60]. An
    # analyst who knows the range of the table, 23 to 70 and 11000 to 59000, reads
    # 2 * (30-23)/(60-23) * (20000-11000)/(59000-11000).
    assert count(boxes, exact) == pytest.approx(2 * 7 / 37 * 9 / 48)
    groups = np.repeat([[0.5, 0.5, 0, 0, 0], [0, 0, 0.5, 0.25, 0.25]], 4, axis=0)
    from scipy import sparse

    assert count(HOSPITAL, sparse.csr_array(groups)) == 1.0


def test_queries_at_once_count_as_one_by_one():
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"a": rng.normal(size=60), "c": rng.choice(list("xyz"), 60), "s": "yes"})
    table.loc[::3, "s"] = "no"
    scales = [scale(table[name]) for name in ("a", "c")]
    exact = exact_values(table, scales)
    labels = pd.Index(["yes", "no"])
    reading = utility.read_exact(scales, exact, shares(table, "s", labels))
    asked = utility._draw_queries(reading, rng, 40)
    expected = [
        sum(
            asked.start[q, 0] <= a <= asked.stop[q, 0]
            and asked.chosen[0][q, c] == 1
            and s == labels[asked.value[q]]
            for a, c, s in zip(exact["a"], exact["c"], table["s"], strict=True)
        )
        for q in range(40)
    ]
    assert utility.count(reading, asked).tolist() == expected
    assert max(expected) > 5


def test_a_missing_number_may_be_anything():
    table = pd.DataFrame({"Age": [20.0, np.nan, 60.0]})
    scales = [scale(table["Age"])]
    values = shares(table.assign(s="a"), "s", pd.Index(["a"]))
    for reading in (
        utility.read(see(table, scales), values),
        utility.read_exact(scales, exact_values(table, scales), values),
    ):
        assert reading.low[:, 0].tolist() == [0.0, 0.0, 1.0]
        assert reading.high[:, 0].tolist() == [0.0, 1.0, 1.0]


def test_slicing_is_attacked_as_the_paper_says():
    table = pd.DataFrame({"Age": [20, 30, 20, 40], "Sex": list("FFMM"), "s": list("aabb")})
    sliced = tabular.slicing(table, QUASI, "s", k=2, groups=[["Age"], ["Sex", "s"]])
    changed = sliced.table.assign(Bucket=[0, 0, 1, 1], Age=[30, 20, 20, 40])
    changed = changed.assign(Sex=list("FFMM"), s=list("aabb"))
    release = dataclasses.replace(sliced, table=changed, facts={"groups": [["Age"], ["Sex", "s"]]})
    people = pd.DataFrame({"Age": [20, 40, 20, 50], "Sex": list("FMMF"), "s": list("abba")})
    scales = [scale(table[name]) for name in QUASI]
    shown, facts = (exact_values(some, scales) for some in (changed, people))
    known = {name: (shown[name], facts[name]) for name in QUASI}
    # Nobody of age 50 is in a bucket: nothing is said of the fourth.
    chance, matched = sliced_chance(
        release, known, "s", pd.Index(["a", "b"]), np.array([0, 0, 1, 0])
    )
    assert matched.tolist() == [0, 1, 2]
    assert chance[matched].tolist() == [1.0, 0.0, 1.0]


def test_two_halves_of_exact_facts_lead_to_the_same_row():
    table = pd.DataFrame({"Age": [1, 2, 2], "Height": [5, 6, 7]})
    seen = see(table, [scale(table[name]) for name in table])
    # Rows 2 and 3 share the age: the first attacker throws a coin.
    assert linkability(seen, exact_values(table, seen.scales), (["Age"], ["Height"])).tolist() == [
        1.0,
        0.5,
        0.5,
    ]


def test_what_needs_a_table_that_is_missing_says_so():
    rows = evaluation.evaluate(WARD, BOXES, QUASI).set_index("measure")
    assert rows.loc["membership AUC", "value"] == "n/a"
    assert "control" in rows.loc["membership AUC", "note"]
    assert "register" in rows.loc["marketer", "note"]
    assert "sensitive" in rows.loc["inference", "note"]


@pytest.mark.parametrize("kind", ["microdata", "sliced", "synthetic"])
def test_class_measures_of_perturbed_rows_say_not_applicable(kind):
    rows = evaluation.evaluate(WARD, WARD, QUASI, "Diagnosis", kind=kind).set_index("measure")
    for name in ("k", "prosecutor max", "uniqueness", "journalist max", "GCP"):
        assert rows.loc[name, "value"] == "n/a"
        assert math.isnan(rows.loc[name, "low"])
        assert kind in rows.loc[name, "note"]


def test_several_rows_of_a_person_count_as_one():
    table = WARD.assign(PatientID=list("aabcde"), Age=40, Sex="F")
    found = values(evaluation.evaluate(table, table, QUASI, subject="PatientID"))
    assert found["k"] == 5
    # Persons a has two of the six rows: (2 * 2/6 + 4 * 1/6) / 6.
    assert found["linkage"] == pytest.approx(8 / 36)


def test_rows_of_one_person_are_no_crowd_for_the_journalist_either():
    table = pd.DataFrame({"PatientID": list("aaabb"), "Age": [30, 30, 30, 40, 40]})
    register = pd.DataFrame({"PatientID": list("aabc"), "Age": [30, 30, 40, 40]})
    asked = {"register": register, "subject": "PatientID"}
    found = values(evaluation.evaluate(table, table, ["Age"], **asked))
    assert found["journalist max"] == found["prosecutor max"] == 1.0
    assert found["marketer"] == pytest.approx((3 * 1 + 2 * 0.5) / 5)


def test_a_kind_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="choose of microdata, generalized"):
        evaluation.evaluate(WARD, BOXES, QUASI, kind="generalised")


def test_rows_that_do_not_match_are_refused():
    with pytest.raises(InputError, match="6 original and 2 released"):
        evaluation.evaluate(WARD, BOXES.iloc[:2], QUASI)


def test_a_missing_column_is_named():
    with pytest.raises(MissingError, match="Weight"):
        evaluation.evaluate(WARD, BOXES, ["Weight"])
