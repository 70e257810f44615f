"""Heads for the tests: phantoms whose brain is known, and a public head when installed."""

from pathlib import Path

import pytest
from neuro_phantoms import phantom

from medlab.neuro import bet

CH2 = Path("/usr/share/mricron/templates/ch2.nii.gz")


@pytest.fixture(scope="session")
def ch2() -> Path:
    if not CH2.is_file():
        pytest.skip("the package mricron-data is not installed")
    return CH2


@pytest.fixture(scope="session")
def head():
    return phantom()


@pytest.fixture
def few_steps(monkeypatch):
    """BET that stops early, for claims that do not ask how good the mask is."""
    monkeypatch.setattr(bet, "ITERATIONS", 150)
