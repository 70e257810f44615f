import click
import pytest
from click.testing import CliRunner

from medlab import __version__
from medlab.cli.options import commands, opened
from medlab.crypto import new_key, write_key
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


@click.command()
@opened
def show(key_file, lock):
    click.echo(f"{key_file is not None} {lock is not None}")


@pytest.fixture
def files(tmp_path):
    for name in ("key", "one", "two", "three"):
        write_key(tmp_path / name, new_key())
    (tmp_path / "words").write_text("a passphrase of several words")
    return tmp_path


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "False False"),
        (("--key-file", "key"), "True False"),
        (("--passphrase-file", "words"), "False True"),
        (("--shares", "one", "--shares", "two", "--shares", "three"), "False True"),
    ],
)
def test_a_vault_is_opened_by_a_key_or_by_a_lock(files, options, told):
    given = [option if option.startswith("--") else str(files / option) for option in options]
    assert CliRunner().invoke(show, given).output == f"{told}\n"


def test_a_key_and_a_lock_together_are_bad_usage(files):
    given = ["--key-file", str(files / "key"), "--passphrase-file", str(files / "words")]
    assert isinstance(CliRunner().invoke(show, given).exception, UsageError)


def test_each_command_tells_what_it_does_and_each_option_what_it_is_for():
    for name, command in commands.commands.items():
        result = CliRunner().invoke(commands, [name, "--help"])
        assert result.exit_code == 0
        assert command.help
