"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medlab.errors import UsageError

if TYPE_CHECKING:
    from medlab.crypto import Lock

PATH = click.Path(path_type=Path)
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace existing outputs.")
POLICIES = click.Choice(["basic", "research", "safe-harbor"])
PIXEL_POLICIES = click.Choice(["allow", "match"])
BACKEND = click.option("--backend", type=click.Choice(["auto", "fsl", "builtin"]), default="auto")
QUASI = click.option(
    "--qi", multiple=True, required=True, help="Quasi-identifiers: a,b,c or repeated."
)
SENSITIVE = click.option(
    "--sensitive", multiple=True, help="Sensitive columns, with commas or repeated."
)
SUBJECT = click.option(
    "--id", "subject", metavar="COL", help="Whose row it is: count persons, not rows."
)
HIERARCHIES = click.option(
    "--hierarchy",
    "hierarchies",
    multiple=True,
    metavar="COL=FILE",
    help="CSV: label, then coarser levels.",
)
REGISTER = click.option("--register", type=PATH, help="People an attacker knows.")
L_KIND = click.option(
    "--l-kind",
    type=click.Choice(["distinct", "entropy", "recursive"]),
    default="distinct",
    show_default=True,
)
C = click.option(
    "--c", type=float, default=3.0, show_default=True, help="c of recursive (c,l)-diversity."
)
DISTANCE = click.option(
    "--distance",
    type=click.Choice(["auto", "equal", "ordered"]),
    help="Between sensitive values, for t: auto takes ordered for numbers and dates.  "
    "[default: auto]",
)
KIND = click.option(
    "--kind",
    default="generalized",
    show_default=True,
    type=click.Choice(["generalized", "microdata", "aggregate", "synthetic"]),
    help="How the release was made: what makes no sense for it says n/a.",
)
KEY_FILE = click.option(
    "--key-file", type=PATH, help="The key; else the file named by MEDLAB_KEY_FILE."
)
KEY_OF_JOB = click.option(
    "--key-file", type=PATH, help="Secret of the project; by default the job's."
)
BUDGET = click.option(
    "--budget", metavar="B", help="Epsilon of the table for good, set by the first call."
)
KEY_OF_LEDGER = click.option(
    "--key-file",
    type=PATH,
    help="Key of the ledger; else the file named by MEDLAB_KEY_FILE, else F.key, which is made.",
)
KEY_OF_ORDER = click.option(
    "--key-file",
    type=PATH,
    help="Key of the order of the rows; else the file named by MEDLAB_KEY_FILE.",
)


_SHARES = "Key files: three lock a vault, any two open it. Repeated."


def ways_to_key(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `key_file`, `passphrase_file` and `shares`."""
    for option in (
        click.option("--shares", multiple=True, type=PATH, metavar="FILE", help=_SHARES),
        click.option("--passphrase-file", type=PATH, help="A passphrase in place of a key file."),
        click.option("--key-file", type=PATH, help="Secret of the project; by default the job's."),
    ):
        command = option(command)
    return command


def lock_of(
    key_file: Path | None, passphrase_file: Path | None, shares: tuple[Path, ...]
) -> Lock | None:
    """Return the lock of a vault that was named, if it was no key file."""
    from medlab import crypto

    lock = crypto.lock(passphrase_file, shares)
    if lock is not None and key_file is not None:
        raise UsageError("name a key file, a passphrase or shares, not several of them")
    return lock


def opened(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the ways to the key of a vault, and hand it `key_file` and `lock`."""

    @ways_to_key
    @wraps(command)
    def unlocked(
        key_file: Path | None, passphrase_file: Path | None, shares: tuple[Path, ...], **rest: Any
    ) -> None:
        lock = lock_of(key_file, passphrase_file, shares)
        command(key_file=key_file, lock=lock, **rest)

    return unlocked


VAULT = click.option(
    "--vault", "vault_file", type=PATH, help="By default that of SRC.job; its log lies beside it."
)
