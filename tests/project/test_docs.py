"""The pages: links that lead somewhere, and the checker of the built site."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def checker():
    path = ROOT / "docs" / "check_site.py"
    spec = importlib.util.spec_from_file_location("check_site", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_of_a_page_leads_to_a_file(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    own = [link for link in links if not link.startswith(("http:", "https:"))]
    assert [link for link in own if not (page.parent / link).exists()] == []


def test_every_page_of_docs_is_in_the_contents_of_the_site():
    listed = set((ROOT / "docs" / "index.md").read_text("utf-8").split())
    names = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"}
    assert names <= listed


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<a href="other.html">x</a>', []),
        ('<a href="other.html#here">x</a>', []),
        ('<a href="other.html#there">x</a>', ["other.html#there"]),
        ('<a href="gone.html">x</a>', ["gone.html"]),
        ('<a href="https://example.org/x">x</a>', []),
        ('<img src="data:image/png;base64,AA==" alt="a curve">', []),
        ('<img src="data:image/png;base64,AA==">', ["a picture without alternative text"]),
        ('<img src="https://example.org/x.png" alt="x">', ["a img from another address"]),
        ('<script src="//example.org/x.js"></script>', ["a script from another address"]),
        ("<code><span>gone.md</span></code>", ["gone.md, which does not exist"]),
        ("<code>medlab/gone.py</code>", ["medlab/gone.py, which does not exist"]),
        ("<code>pixels.md</code> and <code>medlab/cli/job_commands.py</code>, not gone.md", []),
        ("<code>results.json</code>", []),
    ],
)
def test_the_checker_tells_what_is_to_mend(checker, tmp_path, body, said):
    (tmp_path / "other.html").write_text("<p id='here'>text</p>")
    (tmp_path / "page.html").write_text(body)
    assert checker.problems(tmp_path) == [f"page.html: {what}" for what in said]


def test_a_site_without_pages_is_no_site(checker, tmp_path):
    assert checker.problems(tmp_path) == ["the site has no pages"]
