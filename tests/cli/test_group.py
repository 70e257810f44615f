import click
import pytest
from click.testing import CliRunner

from medlab import __version__
from medlab.cli.group import commands
from medlab.errors import InputError, MissingError, RefusedError, UnavailableError, UsageError


def ended(error):
    """How the command line ends when a command raises."""

    @click.command("fails")
    def fails():
        raise error

    commands.add_command(fails)
    try:
        return CliRunner().invoke(commands, ["fails"])
    finally:
        del commands.commands["fails"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("the file is damaged"), 1),
        (RefusedError("not safe"), 1),
        (UnavailableError("no such tool"), 1),
        (MissingError("no such column"), 1),
        (UsageError("no such method"), 2),
    ],
)
def test_an_error_of_medlab_is_one_sentence_and_an_exit_code(error, code):
    result = ended(error)
    assert result.exit_code == code
    assert result.stderr == f"medlab: {error}\n"
    assert result.stdout == ""


def test_a_folder_that_may_not_be_written_is_told_without_its_name():
    result = ended(PermissionError(13, "Permission denied", "/data/OKAFOR"))
    assert result.exit_code == 1
    assert "OKAFOR" not in result.output
    assert "may write to" in result.stderr


def test_the_version_is_told():
    assert __version__ in CliRunner().invoke(commands, ["--version"]).stdout
