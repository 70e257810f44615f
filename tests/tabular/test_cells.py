"""Released cells read back from the text of a CSV file."""

import numpy as np
import pandas as pd
import pytest

from medlab import tabular
from medlab.tabular.cells import labels


def test_cells_survive_the_way_through_csv(ward, quasi, tmp_path):
    odd = ward.assign(Modality=ward["Modality"].replace("CT", "CT, {old}"))
    release = tabular.mondrian(odd, quasi, "Diagnosis", k=5)
    release.table.to_csv(tmp_path / "out.csv", index=False)
    back = pd.read_csv(tmp_path / "out.csv")
    assert tabular.k_anonymity(back, quasi) == tabular.k_anonymity(release.table, quasi)
    for name in ("Age", "Weight", "StudyDate"):
        for one, other in zip(
            tabular.bounds(release.table[name]), tabular.bounds(back[name]), strict=True
        ):
            assert np.allclose(one, other)
    before, after = (table["Modality"].map(labels) for table in (release.table, back))
    assert after.equals(before)
    assert tabular.gcp(back, quasi, odd) == pytest.approx(tabular.gcp(release.table, quasi, odd))
