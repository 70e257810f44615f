"""The command line as a shell sees it: exit code, output, errors."""

import pytest
from click.testing import CliRunner

from medlab.cli import commands


@pytest.fixture
def medlab():
    """Run one command and give its result."""
    return lambda *words: CliRunner().invoke(commands, [str(word) for word in words])
