"""One value for a class, as a header needs it."""

import pandas as pd

from medlab import tabular


def test_representatives_fit_the_column_and_keep_the_classes(ward, quasi):
    release = tabular.mondrian(ward, quasi, "Diagnosis", k=5)
    single = tabular.representative(release, ward)
    assert tabular.k_anonymity(single, quasi) >= 5
    for name in quasi:
        for cell, value in zip(release.table[name], single[name], strict=True):
            if isinstance(cell, pd.Interval):
                assert cell.left <= value <= cell.right
            elif isinstance(cell, frozenset):
                assert value in cell
            else:
                assert value == cell
    assert all(isinstance(age, int) for age in single["Age"])
