"""Faces drawn as surfaces: hidden where they must be, and how far a surface went back."""

import numpy as np
import pytest

from medlab import samples
from medlab.neuro import surface
from medlab.viz import faces


@pytest.fixture(scope="module")
def head():
    return samples.head(1, spacing_mm=4.0)


def test_a_hidden_original_is_not_drawn_and_says_how_to_see_it(head):
    drawn = faces.faces({"before": head.img, "after": head.img}, [0], hide_original=True)
    first, second = drawn.axes[:2]
    assert not first.images
    assert "reveal" in first.texts[0].get_text()
    assert second.images


def test_the_change_of_depth_is_nothing_for_the_same_view(head):
    view = surface.view(head.img)
    shown = faces.depth_change(view, view).axes[0].images[0].get_array()
    assert np.isfinite(shown).any()
    assert np.nanmax(np.abs(shown)) == 0
