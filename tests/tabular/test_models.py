"""Privacy models: worked tables of the papers, and the figures of pycanon."""

import numpy as np
import pytest
from pycanon import anonymity
from tabular_cases import table

from medlab import tabular

INPATIENTS = list("HHVVCHVVCCCC")  # heart disease, viral infection, cancer


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


def test_five_rows_of_one_person_hide_nobody():
    rows = table(id=list("aaaaabbbbc"), box=[0] * 5 + [1] * 5)
    found = tabular.risks(rows, "box", table(box=[0, 1, 1, 1, 1]), subject="id")
    assert found == pytest.approx((1, (5 / 1 + 5 / 2) / 10, 1, (5 / 1 + 5 / 4) / 10))
    assert tabular.measures(rows, "box", subject="id")["prosecutor_mean"] == pytest.approx(0.75)


def test_alpha_beta_and_delta_of_a_small_table():
    ward = table(box=[0, 0, 0, 0, 1, 1, 1, 1], disease=list("aaab") + list("abbb"))
    assert tabular.alpha(ward, "box", "disease") == 0.75
    assert tabular.beta_likeness(ward, "box", "disease") == pytest.approx(0.5)
    assert tabular.delta_disclosure(ward, "box", "disease") == pytest.approx(np.log(2))


def test_delta_presence_is_the_share_of_a_population_class_that_was_released():
    population = table(age=["30-39"] * 4 + ["40-49"] * 5 + ["50-59"])
    released = population.iloc[[0, 4, 5, 6]]
    assert tabular.delta_presence(released, "age", population) == (0.0, 0.6)
    inside = population.iloc[:9]
    assert tabular.delta_presence(released, "age", inside) == (0.25, 0.6)


@pytest.mark.parametrize("k", [2, 7])
def test_k_l_t_alpha_and_beta_agree_with_pycanon(ward, quasi, k):
    table = tabular.mondrian(ward.head(80), quasi, "Diagnosis", k=k).table
    text = table.astype(str)
    assert tabular.k_anonymity(table, quasi) == anonymity.k_anonymity(text, quasi)
    l = tabular.l_diversity(table, quasi, "Diagnosis")
    assert l == anonymity.l_diversity(text, quasi, ["Diagnosis"])
    entropy = tabular.l_diversity(table, quasi, "Diagnosis", "entropy")
    assert int(entropy + 1e-9) == anonymity.entropy_l_diversity(text, quasi, ["Diagnosis"])
    t = tabular.t_closeness(table, quasi, "Diagnosis")
    assert np.isclose(t, anonymity.t_closeness(text, quasi, ["Diagnosis"]))
    alpha, _ = anonymity.alpha_k_anonymity(text, quasi, ["Diagnosis"])
    assert np.isclose(tabular.alpha(table, quasi, "Diagnosis"), alpha)
    beta = anonymity.basic_beta_likeness(text, quasi, ["Diagnosis"])
    assert np.isclose(tabular.beta_likeness(table, quasi, "Diagnosis"), beta)


def test_the_ordered_distance_agrees_with_pycanon(ward, quasi):
    table = tabular.mondrian(ward, ["Sex", "Modality"], "Age", k=5).table
    text = table.astype({"Sex": str, "Modality": str})
    t = tabular.t_closeness(table, ["Sex", "Modality"], "Age")
    assert np.isclose(t, anonymity.t_closeness(text, ["Sex", "Modality"], ["Age"]))
