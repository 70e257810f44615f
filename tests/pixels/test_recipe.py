import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pixel_labels import image

from medlab.errors import InputError
from medlab.pixels import recipe
from medlab.pixels.effects import Box

BOXES = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h),
    st.integers(-3, 25), st.integers(-3, 25), st.integers(0, 15), st.integers(0, 15),
)  # fmt: skip


@given(st.lists(BOXES, max_size=5))
@example([Box(9, 0, 24, 1), Box(25, 0, 26, 1)])  # an area beyond the right edge
def test_outside_boxes_cover_each_pixel_that_is_in_no_area_once(areas):
    count = np.zeros((20, 24), int)
    for x0, y0, x1, y1 in recipe.outside(areas, 20, 24):
        assert 0 <= x0 < x1 <= 24
        assert 0 <= y0 < y1 <= 20
        count[y0:y1, x0:x1] += 1
    inside = np.zeros((20, 24), bool)
    for x0, y0, x1, y1 in areas:
        inside[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
    assert np.array_equal(count, (~inside).astype(int))


def test_a_recipe_is_read_and_fits_by_pattern(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("- when: {Manufacturer: 'acme*', Rows: 100}\n  blank: [[0, 0, 10, 5]]\n")
    rules = recipe.load(path)
    assert recipe.recipe_boxes(image(Manufacturer="ACME US"), rules) == [Box(0, 0, 10, 5)]
    assert recipe.recipe_boxes(image(Manufacturer="Other"), rules) == []
    assert recipe.recipe_boxes(image(), rules) == []


@pytest.mark.parametrize(
    "text", ["when: 3", "- when: {A: b}", "- {when: {A: b}, blank: [[1, 2]]}", "[:"]
)
def test_a_recipe_that_is_none_is_refused(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(InputError):
        recipe.load(path)
