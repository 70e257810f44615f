"""Released cells as they are seen from outside, worked by hand."""

import numpy as np
import pandas as pd
import pytest

from medlab import evaluation, tabular
from medlab.errors import InputError
from medlab.evaluation import utility
from medlab.evaluation.release_attacks import nearest, shares
from medlab.tabular.released_cells import _allowed, exact_values, scales_of, see

WARD = pd.DataFrame(
    {
        "Age": [25, 25, 26, 27, 27, 28],
        "Sex": ["M", "F", "M", "M", "F", "M"],
        "Diagnosis": ["flu", "flu", "angina", "flu", "angina", "angina"],
    }
)


FACTS = ["Age", "Sex"]


def values(rows):
    return dict(zip(rows["measure"], rows["value"], strict=True))


def test_missing_equals_missing_and_a_star_fits_everybody():
    original = pd.DataFrame({"Age": [20.0, np.nan, 40.0], "Sex": ["F", None, "M"]})
    released = pd.DataFrame({"Age": [20.0, np.nan, "*"], "Sex": ["F", None, "*"]}, dtype=object)
    seen = see(released, scales_of(original, FACTS))
    (near,) = nearest(seen, exact_values(original, seen.scales))
    assert near.mask.tolist() == [[True, False, True], [False, True, True], [False, False, True]]


def test_a_node_stands_for_the_labels_of_its_rows():
    original = pd.DataFrame({"Postcode": ["01001", "01002", "80001"]})
    released = pd.DataFrame({"Postcode": ["010**", "010**", "800**"]})
    seen = see(released, scales_of(original, ["Postcode"]), original)
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


def test_a_set_of_labels_allows_each_of_them():
    original = pd.DataFrame({"Sex": ["F", "M", "X"]})
    released = pd.DataFrame({"Sex": np.array([frozenset("FM"), frozenset("FM"), "X"], object)})
    seen = see(released, scales_of(original, ["Sex"]))
    reading = utility.read(seen, shares(original, "Sex", pd.Index(["F"])))
    assert reading.labels[0].first(3).tolist() == [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]]


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
    before, after = (table["Modality"].map(_allowed) for table in (release.table, back))
    assert after.equals(before)
    assert tabular.gcp(back, quasi, odd) == pytest.approx(tabular.gcp(release.table, quasi, odd))
