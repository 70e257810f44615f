"""A figure in a notebook: its text alternative, its caption."""

import pytest
from matplotlib.figure import Figure

from medlab import viz
from medlab.errors import InputError


def test_a_figure_without_a_text_alternative_is_refused():
    with pytest.raises(InputError, match="text alternative"):
        viz.show(Figure(), " ")


def test_what_is_said_stands_in_the_page_as_text():
    page = viz.show(Figure(), 'two < "three"', "a & b")._repr_html_()
    assert 'alt="two &lt; &quot;three&quot;"' in page
    assert "<figcaption>a &amp; b</figcaption>" in page
