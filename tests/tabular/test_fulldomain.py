"""Full-domain generalization: one level a column, suppressed rows as a class."""

import numpy as np
import pandas as pd
import pytest

from medlab import tabular


def test_full_domain_shows_one_level_a_column(ward):
    tree = pd.DataFrame(
        {"kind": ["rays", "none", "none", "rays", "rays"], "all": ["*"] * 5},
        index=["CT", "MR", "US", "XA", "PT"],
    )
    release = tabular.full_domain(
        ward, ["Modality", "Sex", "Age"], k=20, suppress=0.0, hierarchies={"Modality": tree}
    )
    assert set(release.table["Modality"]) <= {"rays", "none"} or (
        set(release.table["Modality"]) in ({"*"}, set(ward["Modality"]))
    )
    assert (release.class_of >= 0).all()
    assert set(release.facts["levels"]) == {"Modality", "Sex", "Age"}


def test_suppressed_rows_are_a_class_that_keeps_k_or_there_are_none(ward, quasi):
    for k in (3, 5, 11):
        release = tabular.full_domain(ward, quasi, k=k, suppress=0.08)
        hidden = int((release.class_of < 0).sum())
        assert hidden == 0 or k <= hidden <= 0.08 * len(ward)
        assert tabular.k_anonymity(release.table, quasi) >= k
        assert tabular.measures(release)["suppressed"] == hidden


def test_t_is_the_distance_from_the_whole_table_with_its_suppressed_rows(ward, quasi):
    release = tabular.full_domain(ward, quasi, "Diagnosis", k=11, t=0.3, suppress=0.2)
    shown = release.class_of >= 0
    assert not shown.all()
    share = ward["Diagnosis"].value_counts(normalize=True)
    classes = ward["Diagnosis"][shown].groupby(release.class_of[shown])
    far = [(one.value_counts(normalize=True).sub(share, fill_value=0)).abs() for _, one in classes]
    expected = max(one.sum() / 2 for one in far)
    assert tabular.measures(release)["t"] == pytest.approx(expected)
    assert tabular.class_report(release)["t"].max() == pytest.approx(expected)


def test_full_domain_walks_a_lattice_that_nobody_could_build():
    rng = np.random.default_rng(1)
    wide = pd.DataFrame({f"c{i}": rng.integers(0, 3, 60) for i in range(30)})
    release = tabular.full_domain(wide.assign(D=list("ab") * 30), list(wide), "D", k=5)
    assert tabular.k_anonymity(release.table, list(wide)) >= 5
