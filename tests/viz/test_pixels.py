"""Figures of pixels hide what is not to be shown, and name each picture."""

import numpy as np

from medlab.viz.pixels import beside, stacked

PICTURES = {
    "before": np.arange(64, dtype=np.uint8).reshape(8, 8),
    "after": np.full((8, 8), 9, dtype=np.uint8),
}


def test_pictures_stand_side_by_side_under_their_titles():
    axes = beside(PICTURES).axes
    assert [ax.get_title() for ax in axes] == list(PICTURES)
    for ax, picture in zip(axes, PICTURES.values(), strict=True):
        assert np.array_equal(ax.images[0].get_array(), picture)


def test_hidden_pictures_leave_no_value_in_the_figure():
    for ax in beside(PICTURES, show=False).axes:
        assert not np.any(ax.images[0].get_array())


def test_stacked_pictures_are_named_at_their_left():
    assert [ax.get_ylabel() for ax in stacked(PICTURES).axes] == list(PICTURES)


def test_with_columns_pictures_stand_in_rows_and_an_empty_place_stays_empty():
    fig = beside(PICTURES | {"again": PICTURES["after"]}, columns=2)
    shown = [ax for ax in fig.axes if ax.axison]
    assert [ax.get_title() for ax in shown] == ["before", "after", "again"]
    assert [ax.get_subplotspec().rowspan.start for ax in shown] == [0, 0, 1]
    assert len(fig.axes) == 4
