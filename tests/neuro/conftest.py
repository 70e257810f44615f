"""Heads for the tests: phantoms whose brain is known, and a public head when installed."""

from pathlib import Path

import pytest
from needs import CH2
from neuro_phantoms import phantom

from medlab.neuro import bet


@pytest.fixture(scope="session")
def ch2() -> Path:
    return CH2


@pytest.fixture(scope="session")
def head():
    return phantom()


@pytest.fixture
def few_steps(monkeypatch):
    """BET that stops early, for claims that do not ask how good the mask is."""
    monkeypatch.setattr(bet, "_ITERATIONS", 150)
