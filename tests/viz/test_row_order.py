"""Places of rows drawn: each row one mark, at its place in the release and in the source."""

import pytest

from medlab.errors import InputError
from medlab.viz import row_order


def test_each_row_is_a_mark_at_its_two_places():
    fig = row_order.draw_places({"kept": [0, 1, 2], "shuffled": [2, 0, 1]}, "file")
    kept, shuffled = fig.axes
    assert [*shuffled.lines[0].get_xdata()] == [0, 1, 2]
    assert [*shuffled.lines[0].get_ydata()] == [2, 0, 1]
    assert kept.get_title() == "kept"
    assert kept.get_ylabel() == "file of the source"


@pytest.mark.parametrize("places", [{}, {"empty": []}])
def test_nothing_to_draw_is_refused(places):
    with pytest.raises(InputError, match="no places"):
        row_order.draw_places(places)
