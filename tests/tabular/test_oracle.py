"""The measures against pycanon, an independent implementation."""

import numpy as np
import pytest
from pycanon import anonymity

from medlab import tabular


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
