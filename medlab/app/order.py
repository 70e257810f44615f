"""What a person asked for on the page, and what is told of it afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from medlab.app import folders
from medlab.errors import RefusedError, UsageError
from medlab.pipeline.settings import HEADS

POLICY, NOTHING = "policy", "nothing"
ENCRYPTION, DECRYPTION, SLICING = "encryption", "decryption", "slicing"
#: Methods of the catalogue that change elements, one at a time.
BY_ELEMENTS = ("suppression", "randomization", "pseudonymization", "bucketization")
TASKS = (POLICY, *BY_ELEMENTS, SLICING, ENCRYPTION, DECRYPTION, NOTHING)
_TEXTS = ("leave", "remove", "pseudonymize", "blur")
WAITING = "waiting"  # of a session: the private folder of a job whose saved screens wait
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Order:
    """One run: from `source`, which is only read, to a new folder `target`.

    Parameters
    ----------
    source, target : Path
        `target` does not exist, or is empty.
    folder : Path
        Private folder of the session; the zips for download go there.
    task : str
        One of `TASKS`.
    policy : {"basic", "research"}
        For the task *policy*.
    text : {"leave", "remove", "pseudonymize", "blur"}
        What is done with text in pixels.
    head : {"leave", "deface", "strip"}
        What is done with heads.
    f : float
        BET's fractional intensity, 0 to 1.
    key : bytes
        32 bytes; drawn anew for each run, or a person's own.
    way_back : bool
        Keep key, vault and map in a second zip (task *policy*).
    k : int
        Smallest bucket of the task *slicing*.
    zipped : bool
        Pack the outputs into the zip for download, not only the report.
    review : bool
        Keep the private folder for the session while saved screens wait (task *policy*).
    again : bool
        Run the job of `target` again, with the boxes that a person approved.
    left_out : frozenset of int
        Rows of its map that a person looked at and left out.
    """

    source: Path
    target: Path
    folder: Path
    task: str = POLICY
    policy: str = "basic"
    text: str = "leave"
    head: str = "leave"
    f: float = 0.5
    key: bytes = field(default=b"", repr=False)
    way_back: bool = False
    k: int = 5
    zipped: bool = True
    review: bool = False
    again: bool = False
    left_out: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        for name, choices in (("task", TASKS), ("text", _TEXTS), ("head", HEADS)):
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} is one of: {', '.join(choices)}")
        if self.task == POLICY and self.text == "blur":
            raise RefusedError(
                "blurred text can be read back, so a policy does not offer it; "
                "choose to remove the text, or see the effect with one method alone"
            )
        if self.task == NOTHING and self.text == self.head == "leave":
            raise RefusedError("nothing was chosen that would change the files")

    @property
    def job(self) -> Path:
        """Private folder of the job while it is at work; with `way_back` also afterwards."""
        return self.target.with_name(self.target.name + ".job")

    @property
    def waiting(self) -> Path:
        """Private folder of the job while images wait: in the session, which is wiped."""
        return self.job if self.way_back else self.folder / WAITING


@dataclass(frozen=True)
class Result:
    """What a run left.

    Attributes
    ----------
    outputs : int
        Files written.
    withheld : int
        Files that got no output though they might have had one.
    lines : tuple of str
        What was done.
    cautions : tuple of str
        What was not done or not checked, and what may not be claimed.
    pairs : tuple of (Path, Path)
        Some source files and their outputs, to be shown side by side.
    waiting : dict of int to Path
        The saved screens and dose reports that wait for a person, by row of the map.
    """

    outputs: int
    withheld: int
    lines: tuple[str, ...]
    cautions: tuple[str, ...]
    pairs: tuple[tuple[Path, Path], ...] = ()
    waiting: dict[int, Path] = field(default_factory=dict)


def clean_up(order: Order) -> None:
    """Take away what a run has made; a job that was run again keeps what it had."""
    if order.again:
        put_by(order)
        return
    for path in (order.target, order.job, order.folder / WAITING):
        shutil.rmtree(path, ignore_errors=True)
    for name in ("work", "tmp"):
        folders.emptied(order.folder / name)
    for name in folders.RESULTS:
        (order.folder / name).unlink(missing_ok=True)


def put_by(order: Order) -> None:
    """Move the private folder of a job to where it waits for a person."""
    if order.job != order.waiting and order.job.exists():
        shutil.rmtree(order.waiting, ignore_errors=True)
        shutil.move(order.job, order.waiting)
