"""Check a built site: every link of its own leads somewhere, every picture says what it shows.

    python docs/check_site.py docs/_build/html

Files of the project that a page names in code font must exist as well. Standard library only.
Links to other sites are not followed.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

PAGES = Path(__file__).resolve().parent
NAMED = re.compile(r"(?:(?:docs|medlab|notebooks|benchmarks|data_samples)/[\w./-]+|[\w-]+\.md)")
LOADS = {"script": "src", "img": "src", "iframe": "src", "link": "href"}


class Page(HTMLParser):
    """What a page links to, what can be linked to in it, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.problems: list[str] = []
        self.in_code = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        at = {name: value or "" for name, value in attrs}
        self.in_code |= tag == "code"
        self.anchors.update(at[name] for name in ("id", "name") if name in at)
        if tag == "a" and at.get("href"):
            self.links.append(at["href"])
        if tag == "img" and not at.get("alt", "").strip():
            self.problems.append("a picture without alternative text")
        loaded = at.get(LOADS.get(tag, ""), "")
        if at.get("rel") != "canonical" and urlsplit(loaded).netloc:
            self.problems.append(f"a {tag} from another address")
        elif loaded and not loaded.startswith("data:"):
            self.links.append(loaded)

    def handle_endtag(self, tag: str) -> None:
        """Note the end of code font."""
        self.in_code &= tag != "code"

    def handle_data(self, data: str) -> None:
        """Note a file of the project that is named and does not exist."""
        names = self.in_code and NAMED.fullmatch(data)
        if names and not any((folder / data).exists() for folder in (PAGES, PAGES.parent)):
            self.problems.append(f"{data}, which does not exist")


def problems(site: Path) -> list[str]:
    """Return one sentence for each thing to mend in the site."""
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}
    found = [] if pages else ["the site has no pages"]
    for path, page in pages.items():
        said = page.problems + [link for link in page.links if not leads(link, path, pages)]
        found += [f"{path.relative_to(site.resolve())}: {what}" for what in said]
    return found


def leads(link: str, path: Path, pages: dict[Path, Page]) -> bool:
    """Tell whether a link of the page at `path` leads somewhere, or out of the site."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target not in pages or not parts.fragment:
        return target.is_file()
    return unquote(parts.fragment) in pages[target].anchors


if __name__ == "__main__":
    TO_MEND = problems(Path(sys.argv[1]))
    print("\n".join(TO_MEND) or "every link leads somewhere, every picture says what it shows")
    sys.exit(bool(TO_MEND))
