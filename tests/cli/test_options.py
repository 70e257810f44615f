import click
import pytest
from click.testing import CliRunner

from medlab.cli import commands
from medlab.cli.options import opened
from medlab.crypto import new_key, write_key
from medlab.errors import UsageError


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
