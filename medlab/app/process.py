"""The process that does an order, and can be stopped."""

from __future__ import annotations

import multiprocessing
import threading
from multiprocessing.connection import Connection

from medlab.app import work
from medlab.app.order import Order, Result, Tell
from medlab.disk import end_with_parent
from medlab.errors import MedlabError, RefusedError


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


def _work(order: Order, pipe: Connection) -> None:
    """Do an order in this process, telling how it goes."""
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
