"""Numbers worked out by hand, or printed in the papers that define the models."""

import numpy as np
import pandas as pd
import pytest

from medlab import tabular


def table(**columns):
    return pd.DataFrame(columns)


INPATIENTS = list("HHVVCHVVCCCC")  # heart disease, viral infection, cancer
ULCER, GASTRITIS, CANCER, FLU, BRONCHITIS, PNEUMONIA = (
    "gastric ulcer",
    "gastritis",
    "stomach cancer",
    "flu",
    "bronchitis",
    "pneumonia",
)


def inpatients(*classes):
    number = np.zeros(12, dtype=int)
    for name, rows in enumerate(classes):
        number[np.array(rows) - 1] = name
    return table(box=number, disease=INPATIENTS)


def test_the_homogeneous_inpatient_table_has_k_4_but_l_1():
    ward = inpatients([1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12])
    assert tabular.k_anonymity(ward, ["box"]) == 4
    assert tabular.l_diversity(ward, ["box"], "disease") == 1


def test_the_diverse_inpatient_table_has_l_3_and_entropy_l_of_two_roots_of_two():
    ward = inpatients([1, 4, 9, 10], [5, 6, 7, 8], [2, 3, 11, 12])
    assert tabular.l_diversity(ward, "box", "disease") == 3
    entropy_l = tabular.l_diversity(ward, "box", "disease", "entropy")
    assert entropy_l == pytest.approx(2 * np.sqrt(2))
    assert tabular.l_diversity(ward, "box", "disease", "recursive", c=3) >= 3
    assert tabular.l_diversity(ward, "box", "disease", "recursive", c=2) < 3


@pytest.mark.parametrize(
    ("classes", "t"),
    [
        ([[3, 4, 5], [6, 8, 11], [7, 9, 10]], 0.375),
        ([[3, 5, 9], [6, 8, 11], [4, 7, 10]], 1 / 6),
    ],
)
def test_t_of_the_salary_table(classes, t):
    rows = [(number, pay) for number, pays in enumerate(classes) for pay in pays]
    box, pay = zip(*rows, strict=True)
    assert tabular.t_closeness(table(box=box, pay=pay), "box", "pay") == pytest.approx(t)


DISEASES = pd.DataFrame(
    {
        "organ": ["ulcer/gastritis", "ulcer/gastritis", "tumor", "flu-like", "lung", "lung"],
        "system": ["stomach", "stomach", "stomach", "respiratory", "respiratory", "respiratory"],
        "any": ["*"] * 6,
    },
    index=[ULCER, GASTRITIS, CANCER, FLU, BRONCHITIS, PNEUMONIA],
)


def test_the_tree_distance_of_two_leaves_is_the_level_of_their_ancestor_over_the_height():
    tree = pd.DataFrame(
        {
            "one": ["infection", "infection", "vascular", "stomach"],
            "two": ["respiratory", "respiratory", "respiratory", "digestive"],
            "any": ["*"] * 4,
        },
        index=[FLU, BRONCHITIS, "pulmonary embolism", CANCER],
    )
    for other, expected in ((BRONCHITIS, 1 / 3), ("pulmonary embolism", 2 / 3), (CANCER, 1)):
        pair = table(box=[0, 1], disease=[FLU, other])
        # Each class holds one of two equal halves: half of the mass moves.
        t = tabular.t_closeness(pair, "box", "disease", hierarchy=tree)
        assert t == pytest.approx(expected / 2)


def test_single_dimensional_and_multidimensional_recoding_of_the_patient_table():
    multi = table(box=[0, 1, 0, 2, 1, 2])
    single = table(box=[0, 1, 0, 0, 1, 0])
    assert tabular.c_avg(multi, "box", 2) == 1.0
    assert tabular.discernibility(multi, "box") == 12
    assert tabular.c_avg(single, "box", 2) == 1.5
    assert tabular.discernibility(single, "box") == 20


def test_mondrian_keeps_k_on_the_patient_table():
    patients = table(
        age=[25, 25, 26, 27, 27, 28],
        sex=list("MFMMFM"),
        zip=[53711, 53712, 53711, 53710, 53712, 53711],
    )
    release = tabular.mondrian(patients, ["age", "sex", "zip"], k=2)
    assert tabular.k_anonymity(release.table, release.quasi) >= 2
    assert tabular.c_avg(release.table, release.quasi, 2) <= 1.5


def test_risks_of_classes_of_two_three_and_five():
    sizes = table(box=np.repeat([0, 1, 2], [2, 3, 5]))
    found = tabular.risks(sizes, "box")
    assert found.prosecutor_max == 0.5
    assert found.prosecutor_mean == pytest.approx(0.3)
    assert tabular.discernibility(sizes, "box") == 38


def test_five_rows_of_one_person_hide_nobody():
    rows = table(id=list("aaaaabbbbc"), box=[0] * 5 + [1] * 5)
    found = tabular.risks(rows, "box", table(box=[0, 1, 1, 1, 1]), subject="id")
    assert found == pytest.approx((1, (5 / 1 + 5 / 2) / 10, 1, (5 / 1 + 5 / 4) / 10))
    assert tabular.measures(rows, "box", subject="id")["prosecutor_mean"] == pytest.approx(0.75)


def test_ncp_of_a_quarter_of_the_range():
    original = table(age=[20, 30, 60])
    cell = pd.Interval(20, 30, closed="both")
    released = table(age=pd.Series([cell, cell, 60], dtype=object))
    assert tabular.ncp(released, "age", original)["age"].tolist() == [0.25, 0.25, 0.0]


def test_ncp_of_labels_counts_those_beyond_the_first():
    original = table(place=list("abcde"))
    released = table(place=["{a, b, c}", "a", "*", "{a, b, c}", "e"])
    assert tabular.ncp(released, "place", original)["place"].tolist() == [0.5, 0, 1, 0.5, 0]


def test_alpha_beta_and_delta_of_a_small_table():
    ward = table(box=[0, 0, 0, 0, 1, 1, 1, 1], disease=list("aaab") + list("abbb"))
    assert tabular.alpha(ward, "box", "disease") == 0.75
    assert tabular.beta_likeness(ward, "box", "disease") == pytest.approx(0.5)
    assert tabular.delta_disclosure(ward, "box", "disease") == pytest.approx(np.log(2))
    assert tabular.enhanced_beta_holds(ward, "box", "disease", 0.5)
    assert not tabular.enhanced_beta_holds(ward, "box", "disease", 0.4)


def test_delta_presence_is_the_share_of_a_population_class_that_was_released():
    population = table(age=["30-39"] * 4 + ["40-49"] * 5 + ["50-59"])
    released = population.iloc[[0, 4, 5, 6]]
    assert tabular.delta_presence(released, "age", population) == (0.0, 0.6)
    inside = population.iloc[:9]
    assert tabular.delta_presence(released, "age", inside) == (0.25, 0.6)


def test_journalist_risk_counts_the_people_of_the_register_who_fit():
    released = table(
        age=["[30, 39]", "[30, 39]", "[40, 49]", "[40, 49]"], sex=["*", "*", "F", "F"]
    )
    register = table(age=[30, 31, 39, 40, 41, 45, 49, 60], sex=list("FFMFFMFF"))
    found = tabular.risks(released, ["age", "sex"], register)
    assert found.journalist_max == pytest.approx(1 / 3)
    assert found.marketer == pytest.approx((2 / 3 + 2 / 3) / 4)
    assert found.prosecutor_max == 0.5
