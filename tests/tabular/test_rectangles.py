"""The rectangles of a release, cut by cut."""

import numpy as np
import pandas as pd
import pytest

from medlab import tabular
from medlab.errors import InputError, MissingError
from medlab.tabular.rectangles import _parts_after
from medlab.viz import rects


def test_rectangles_are_the_classes_padded_so_that_one_value_can_be_seen():
    table = pd.DataFrame({"Age": [20, 21, 22, 50, 50, 50], "Sex": list("FFFMMM")})
    release = tabular.mondrian(table, ["Age", "Sex"], k=3)
    shown = tabular.rectangles(release, table, "Age", "Sex")
    found = shown.boxes[["left", "bottom", "width", "height", "size"]].to_numpy().tolist()
    assert found == [[19.5, -0.4, 3, 0.8, 3], [49.5, 0.6, 1, 0.8, 3]]
    assert shown.y.labels == ("F", "M")
    assert shown.boxes["ok"].all()


def test_violations_are_marked():
    table = pd.DataFrame({"a": [1, 1, 9, 9], "b": [1, 1, 2, 2], "s": list("xxxy")})
    release = tabular.mondrian(table, ["a", "b"], "s", k=2)
    assert tabular.rectangles(release, table, "a", "b", l=2).boxes["ok"].tolist() == [False, True]
    assert not tabular.rectangles(release, table, "a", "b", k=3).boxes["ok"].any()


def test_every_cut_makes_one_part_more(ward):
    release = tabular.mondrian(ward, ["Age", "Weight"], k=9)
    cuts = len(release.cuts)
    for step in (0, 1, 2, cuts // 2, cuts):
        parts = _parts_after(release, step)
        assert len(np.unique(parts)) == step + 1
        assert np.bincount(parts).min() >= 9
    assert tabular.frames(release, 5)[0] == 0
    assert tabular.frames(release, 5)[-1] == cuts


def test_rectangles_refuse_what_is_no_quasi_identifier_or_was_not_cut(ward):
    release = tabular.mondrian(ward, ["Age", "Weight"], k=9)
    with pytest.raises(MissingError, match="Sex"):
        tabular.rectangles(release, ward, "Age", "Sex")
    with pytest.raises(InputError, match="number of rows"):
        tabular.rectangles(release, ward.head(9), "Age", "Weight")
    uncut = tabular.mdav(ward, ["Age", "Weight"], k=9)
    with pytest.raises(InputError, match="not made by cuts"):
        tabular.rectangles(uncut, ward, "Age", "Weight", cuts=1)


def test_labels_of_categories_and_units_stand_at_the_axes(ward):
    release = tabular.mondrian(ward, ["Age", "Modality", "StudyDate"], "Diagnosis", k=9)
    fig = rects.draw_rectangles(tabular.rectangles(release, ward, "Age", "Modality"))
    ax = fig.axes[0]
    assert ax.get_xlabel() == "Age (years)"
    assert [text.get_text() for text in ax.get_yticklabels()] == sorted(set(ward["Modality"]))
    dated = rects.draw_panels([tabular.rectangles(release, ward, "StudyDate", "Age")], ["one"])
    dated.canvas.draw()


def test_each_class_says_how_far_it_is_from_the_table_and_breaks_a_smaller_t():
    table = pd.DataFrame({"a": [1, 1, 9, 9], "b": [1, 1, 2, 2], "s": list("xxxy")})
    release = tabular.mondrian(table, ["a", "b"], "s", k=2)
    boxes = tabular.rectangles(release, table, "a", "b", t=0.2).boxes
    assert boxes["t"].tolist() == [0.25, 0.25]
    assert boxes["top_share"].tolist() == [1.0, 0.5]
    assert not boxes["ok"].any()
    assert tabular.rectangles(release, table, "a", "b", t=0.25).boxes["ok"].all()
