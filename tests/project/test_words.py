"""One term for one thing: words that were retired, and the glossary that has the terms."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "notebooks" / "course" / "README.md",
    *sorted((ROOT / "notebooks").rglob("*.ipynb")),
]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text("utf-8")
RETIRED = {
    r"instruments?": "interactive widget",
    r"handles?": "control",
    r"stands? alone": "unique",
    r"usefulness": "utility",
    r"ways? back": "re-identification",
    r"promis(?:e|es|ed)": "privacy criterion",
    r"invented": "fictitious",
    r"of concern": "flagged",
    r"wrong use": "misused element",
    r"page without code": "web app",
    r"curtain": "swipe",
    r"cuts? forbidden": "rejected split",
    r"hand(?:s|ed)? (?:out|in)": "release",
    r"rooms?": "module",
    r"ledger of (?:all|every|planted)": "ground truth",
    r"outlines?": "contour",
    r"(?<!skull-)stripped": "skull-stripped",
    r"faces? (?:is |are |was |were )?taken away": "defaced",
}


def prose(page: Path) -> str:
    """A page without code, file names and links: names of code keep their words."""
    text = page.read_text("utf-8")
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    text = re.sub(r"(?ms)^```.*?^```", "", text)
    return re.sub(r"`[^`]*`|\]\([^)]*\)", "", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_page_says_the_terms_of_the_field(page):
    text = prose(page)
    met = {
        term: found[0]
        for word, term in RETIRED.items()
        if (found := re.search(rf"(?i)\b{word}\b", text))
    }
    assert met == {}


def test_each_term_is_in_the_glossary_which_has_each_once_in_order():
    terms = re.findall(r"(?m)^\| (?!term )([^|]+) \|", GLOSSARY)
    order = [term.lower().replace("-", "") for term in terms]
    assert order == sorted(set(order))
    assert [
        term for term in RETIRED.values() if term not in GLOSSARY and f"{term}s" not in terms
    ] == []
