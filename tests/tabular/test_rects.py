"""Rectangles, their drawing, and the classes one by one."""

import time

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


def test_thirty_thousand_rows_and_two_thousand_boxes_are_two_collections():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=30_000), "b": rng.normal(size=30_000)})
    table["s"] = rng.choice(list("xyz"), 30_000)
    release = tabular.mondrian(table, ["a", "b"], "s", k=10)
    start = time.process_time()
    fig = rects.draw_rectangles(tabular.rectangles(release, table, "a", "b"))
    fig.canvas.draw()
    assert len(release.classes) > 1_900
    assert len(fig.axes[0].patches) == 0
    assert len(fig.axes[0].collections) == 2 + 3
    assert time.process_time() - start < 20


def test_labels_of_categories_and_units_stand_at_the_axes(ward):
    release = tabular.mondrian(ward, ["Age", "Modality", "StudyDate"], "Diagnosis", k=9)
    fig = rects.draw_rectangles(tabular.rectangles(release, ward, "Age", "Modality"))
    ax = fig.axes[0]
    assert ax.get_xlabel() == "Age (years)"
    assert [text.get_text() for text in ax.get_yticklabels()] == sorted(set(ward["Modality"]))
    dated = rects.draw_panels([tabular.rectangles(release, ward, "StudyDate", "Age")], ["one"])
    dated.canvas.draw()


def test_counts_say_what_the_released_table_says(ward, quasi):
    release = tabular.mondrian(ward, quasi, "Diagnosis", k=5)
    counted = tabular.count_table(release)
    assert counted["count"].sum() == len(ward)
    totals = counted.groupby("Diagnosis")["count"].sum()
    assert totals.to_dict() == ward["Diagnosis"].value_counts().to_dict()
    by_class = counted.groupby("class")["count"].sum()
    assert by_class.tolist() == release.classes["size"].tolist()


def test_the_report_of_classes_agrees_with_the_measures(ward, quasi):
    release = tabular.mondrian(ward, quasi, "Diagnosis", k=5, l=2)
    report = tabular.class_report(release)
    assert report["l"].min() == tabular.l_diversity(release.table, quasi, "Diagnosis")
    assert report["t"].max() == pytest.approx(
        tabular.t_closeness(release.table, quasi, "Diagnosis")
    )
    assert report["top_share"].max() == tabular.alpha(release.table, quasi, "Diagnosis")
    beta = tabular.beta_likeness(release.table, quasi, "Diagnosis")
    assert report["gain"].max() == pytest.approx(beta + 1)


def test_belief_is_the_share_of_the_true_value_in_the_class():
    table = pd.DataFrame({"a": [1, 1, 1, 9, 9, 9], "s": ["x", "x", "y", "z", "z", None]})
    release = tabular.mondrian(table, "a", "s", k=3)
    found = tabular.beliefs(release)
    assert found[:5].tolist() == pytest.approx([2 / 3, 2 / 3, 1 / 3, 1, 1])
    assert np.isnan(found[5])


def test_methods_and_beliefs_and_reliefs_are_drawn():
    table = pd.DataFrame({"gcp": [0.1, "n/a"], "t": [0.5, None]}, index=["one", "two"])
    fig = rects.draw_methods(table, {"gcp": "loss", "t": "distance"})
    assert "n/a" in " ".join(text.get_text() for text in fig.axes[0].texts)
    rects.draw_beliefs({"k": np.array([0.5, 1.0, np.nan])}).canvas.draw()
    rects.draw_reliefs({"face": np.random.default_rng(0).random((2, 8, 8))}).canvas.draw()


def test_each_class_says_how_far_it_is_from_the_table_and_breaks_a_smaller_t():
    table = pd.DataFrame({"a": [1, 1, 9, 9], "b": [1, 1, 2, 2], "s": list("xxxy")})
    release = tabular.mondrian(table, ["a", "b"], "s", k=2)
    boxes = tabular.rectangles(release, table, "a", "b", t=0.2).boxes
    assert boxes["t"].tolist() == [0.25, 0.25]
    assert boxes["top_share"].tolist() == [1.0, 0.5]
    assert not boxes["ok"].any()
    assert tabular.rectangles(release, table, "a", "b", t=0.25).boxes["ok"].all()
