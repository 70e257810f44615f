"""docs/names.md lists what each room offers: its `__all__`, no more and no less."""

import importlib
import re
from contextlib import suppress
from pathlib import Path

import pytest

from medlab.errors import UnavailableError

ROOT = Path(__file__).resolve().parents[2]
ROOMS = sorted(path.parent.name for path in (ROOT / "medlab").glob("*/__init__.py"))
PAGE = (ROOT / "docs" / "names.md").read_text(encoding="utf-8")
LISTED = {
    room: re.findall(r"`(\w+)`", names)
    for room, names in re.findall(r"^\| `medlab\.(\w+)` \| (.*) \|$", PAGE, flags=re.M)
}


@pytest.mark.parametrize("room", ROOMS)
def test_the_page_lists_what_a_room_offers(room):
    offered = sorted(getattr(importlib.import_module(f"medlab.{room}"), "__all__", []))
    row = f"| `medlab.{room}` | {', '.join(f'`{name}`' for name in offered)} |"
    assert LISTED.get(room, []) == offered, f"write into docs/names.md:\n{row}"


def test_every_name_of_the_page_is_there():
    for room, names in LISTED.items():
        module = importlib.import_module(f"medlab.{room}")
        for name in names:
            with suppress(UnavailableError):  # what needs an extra says so, and is there
                assert hasattr(module, name)
