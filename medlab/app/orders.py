"""What a person asked for on the page, and the process that does it and can be stopped."""

from __future__ import annotations

import multiprocessing
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from medlab.app import folders
from medlab.disk import end_with_parent
from medlab.errors import MedlabError, RefusedError, UsageError

POLICY, NOTHING = "policy", "nothing"
ENCRYPTION, DECRYPTION, SLICING = "encryption", "decryption", "slicing"
METHODS = ("suppression", "randomization", "pseudonymization", "bucketization", ENCRYPTION)
TASKS = (POLICY, *METHODS, DECRYPTION, SLICING, NOTHING)
TEXTS = ("leave", "remove", "pseudonymize", "blur")
HEADS = ("leave", "deface", "strip")
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

    def __post_init__(self) -> None:
        for name, choices in (("task", TASKS), ("text", TEXTS), ("head", HEADS)):
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} is one of: {', '.join(choices)}")
        if self.task == POLICY and self.text == "blur":
            raise RefusedError(
                "blurred text can be read back, so a policy does not offer it; "
                "choose to remove the text, or see the effect with one method alone"
            )
        if self.task == NOTHING and self.text == self.head == "leave":
            raise RefusedError("nothing was chosen that would change the files")


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
    """

    outputs: int
    withheld: int
    lines: tuple[str, ...]
    cautions: tuple[str, ...]
    pairs: tuple[tuple[Path, Path], ...] = ()


class Run:
    """A process at work on an order."""

    def __init__(self, order: Order) -> None:
        context = multiprocessing.get_context("spawn")
        self._order = order
        self._here, there = context.Pipe()
        self._process = context.Process(target=_work, args=(order, there), daemon=True)
        self._process.start()
        there.close()
        self.cancelled = False

    def wait(self, tell: Tell) -> Result:
        """Pass progress on until the work ends.

        Raises
        ------
        MedlabError
            What the work raised; RefusedError where it was cancelled or its process died.
        """
        try:
            while True:
                kind, *what = self._here.recv()
                if kind == "result":
                    return what[0]  # type: ignore[no-any-return]
                if kind == "error":
                    raise what[0]
                tell(*what)
        except (EOFError, OSError):
            said = "cancelled" if self.cancelled else "the process that did the work has died"
            raise RefusedError(f"{said}; what it had made was taken away") from None
        finally:
            self._process.join()
            self._here.close()

    def cancel(self) -> None:
        """Stop the work; `wait` then raises."""
        self.cancelled = True
        self._process.terminate()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()


def clean_up(order: Order) -> None:
    """Take away what a run has made."""
    for path in (order.target, order.target.with_name(order.target.name + ".job")):
        shutil.rmtree(path, ignore_errors=True)
    for name in ("work", "tmp"):
        folders.emptied(order.folder / name)
    for name in folders.RESULTS:
        (order.folder / name).unlink(missing_ok=True)


def _work(order: Order, pipe: Connection) -> None:
    """Do an order in this process, telling how it goes."""
    from medlab.app import work

    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        pipe.send(("result", work.do(order, lambda *what: pipe.send(("progress", *what)))))
    except MedlabError as error:
        pipe.send(("error", RefusedError(str(error))))
    except MemoryError:
        pipe.send(("error", RefusedError("the files need more memory than there is")))
    except OSError as error:
        why = error.strerror or type(error).__name__
        pipe.send(("error", RefusedError(f"a file could not be written or read ({why})")))
    except Exception as error:  # noqa: BLE001 - its words may hold a patient's values
        pipe.send(("error", RefusedError(f"a step failed ({type(error).__name__})")))
