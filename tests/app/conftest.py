"""A session as the page has it, and orders for it."""

import pytest
from app_study import study

from medlab.app.order import Order


@pytest.fixture
def session(tmp_path):
    folder = tmp_path / "session"
    for name in ("inbox", "files", "tmp", "out", "work"):
        (folder / name).mkdir(parents=True)
    return folder


@pytest.fixture
def order(session):
    """Make an order on a study of three files."""
    source = study(session / "files" / "upload-1")

    def make(**choices):
        usual = {"source": source, "target": session / "out" / "result", "key": bytes(range(32))}
        return Order(folder=session, **(usual | choices))

    return make
