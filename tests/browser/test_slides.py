"""A slide of the course fits on the screen that it is projected to."""

import nbformat
import pytest

from medlab import course


@pytest.mark.parametrize("height", [720, 1080])
def test_a_slide_taller_than_the_screen_is_drawn_smaller_as_one_that_fits_is_not(
    browser, tmp_path, height
):
    long = "\n\n".join(f"Line {n}" for n in range(height // 50))
    cells = [nbformat.v4.new_markdown_cell(f"# {text}") for text in ("Short", f"Long\n\n{long}")]
    page = tmp_path / "slides.html"
    page.write_text(course._slides(nbformat.v4.new_notebook(cells=cells), "set"))
    opened = browser.new_page(viewport={"width": 1280, "height": height})
    opened.goto(page.as_uri())
    zooms, heights = opened.evaluate(
        "() => { const all = [...document.querySelectorAll('section')];"
        " return [all.map(s => Number(s.style.zoom || 1)),"
        " all.map(s => s.getBoundingClientRect().height)]; }"
    )
    opened.close()
    assert zooms[0] == 1
    assert 0.7 <= zooms[1] < 1
    assert max(heights) <= height + 1
