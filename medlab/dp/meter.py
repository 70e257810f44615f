"""The privacy budget of one table towards one reader, in exact fractions, and its ledger."""

from __future__ import annotations

import hmac
import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medlab.arrays import Indices
from medlab.crypto.keys import KEY_VARIABLE, keyed_digest, load_key
from medlab.disk import alone, appearing
from medlab.errors import InputError, KindError, MissingError, RefusedError, UsageError

#: A number, or its decimal text.
Amount = float | Fraction | str
#: Below, an answer is nothing but noise; above, a budget is none.
_EPSILONS = (1e-15, 1e12)
_MOST_CONTRIBUTIONS = 1_000_000
#: A delta near 1 / patients allows a release that shows one of them as they are.
LARGEST_DELTA = 0.001


class Meter:
    """A budget that answers spend, and what a patient may contribute to each of them.

    Parameters
    ----------
    epsilon : float
        What all answers together may cost. Two readers who share answers share one budget.
    delta : float
        0 for the answers of `queries`, whose guarantee is pure.
    subject : str or None
        The column that tells whose row it is; None takes each row for a patient.
    contributions : int
        The most rows that are kept of a patient, chosen by chance anew for each answer.

    Raises
    ------
    InputError
        A number out of its range.

    Notes
    -----
    Sums are exact fractions of the decimal text of a number: three spends of .4, .4 and .2 are
    1, which they are not in floats. Sequential composition: Dwork, Roth, "The algorithmic
    foundations of differential privacy", 2014, theorem 3.16.

    Examples
    --------
    >>> meter = Meter(1)
    >>> for epsilon in (0.4, 0.4, 0.2):
    ...     meter.spend(epsilon)
    >>> meter.left
    0.0
    """

    def __init__(
        self,
        epsilon: Amount,
        *,
        delta: Amount = 0.0,
        subject: str | None = "PatientID",
        contributions: int = 1,
    ) -> None:
        if isinstance(contributions, bool) or not isinstance(contributions, int | np.integer):
            raise KindError("contributions is a whole number of rows, 1 or more")
        if not 1 <= contributions <= _MOST_CONTRIBUTIONS:
            raise InputError(
                f"contributions must be 1 to {_MOST_CONTRIBUTIONS:,} rows of a patient"
            )
        self.subject, self.contributions = subject, int(contributions)
        self._budget = exact_epsilon(epsilon), exact_delta(delta)
        self._spent = Fraction(0), Fraction(0)

    @property
    def spent(self) -> float:
        """Epsilon of all answers so far."""
        return float(self._spent[0])

    @property
    def left(self) -> float:
        """Epsilon that can still be spent, to the last digit."""
        return float(self._budget[0] - self._spent[0])

    def spend(self, epsilon: Amount, delta: Amount = 0.0) -> None:
        """Take the cost of an answer from the budget.

        Raises
        ------
        RefusedError
            If that is more than what is left; nothing is spent then.
        """
        cost, chance = exact_epsilon(epsilon), exact_delta(delta)
        rest = self._budget[0] - self._spent[0]
        if float(cost) == float(rest):  # `left` is rounded: who asks for it means all of it
            cost = rest
        spent = self._spent[0] + cost, self._spent[1] + chance
        if spent[0] > self._budget[0]:
            raise RefusedError(
                f"this costs epsilon {float(cost):g}, and {float(rest):g} of "
                f"{float(self._budget[0]):g} is left; nothing was spent"
            )
        if spent[1] > self._budget[1]:
            raise RefusedError("this costs more delta than is left; nothing was spent")
        self._spent = spent

    def rows(self, table: pd.DataFrame) -> Indices:
        """Return the places of the rows that are kept: of each patient `contributions` at most.

        Raises
        ------
        KindError, MissingError, InputError
            No DataFrame; no subject column; an empty table, or a row that is nobody's.
        """
        if not isinstance(table, pd.DataFrame):
            raise KindError("a table is a pandas DataFrame")
        if table.empty:
            raise InputError("the table has no rows")
        if self.subject is None:
            return np.arange(len(table))
        codes, people = pd.factorize(column_of(table, self.subject))
        if (codes < 0).any():
            raise InputError("a row without a patient; the subject column has missing cells")
        if len(people) == len(codes):
            return np.arange(len(codes))
        order = np.random.default_rng().permutation(len(codes))
        order = order[np.argsort(codes[order], kind="stable")]
        place = np.arange(len(codes))
        first = np.r_[True, np.diff(codes[order]) != 0]
        return order[place - np.maximum.accumulate(np.where(first, place, 0)) < self.contributions]


class Ledger(Meter):
    """A meter that remembers in a file (mode 0600) what was spent on a table file.

    Each line of the file is sealed together with the line before, under a key, and the last
    one tells that it is the last. A copy of an older state that is put back is not noticed.

    Parameters
    ----------
    path : Path
        The ledger. It is made by the first spend.
    table_file : Path
        The ledger is bound to its bytes.
    epsilon : float, optional
        The budget; needed as long as there is no ledger, and never changed.
    key_file : Path, optional
        Else the file named by ``MEDLAB_KEY_FILE``, else ``PATH.key``, made with the ledger.
    **unit
        Subject and contributions, see `Meter`.

    Raises
    ------
    UsageError
        No ledger yet, and no budget; no folder to put it in.
    RefusedError
        A ledger of another table or budget, cut or edited.
    """

    def __init__(
        self,
        path: Path,
        table_file: Path,
        epsilon: Amount | None = None,
        *,
        key_file: Path | None = None,
        **unit: Any,
    ) -> None:
        self.path, self._table_file, self._key_file = path, table_file, key_file
        if not path.parent.is_dir():
            raise UsageError("the folder of the ledger does not exist; make it first")
        if key_file or os.environ.get(KEY_VARIABLE):
            self._key()  # a key that is named is there, before anything is made
        entries = self._entries()
        if not entries and epsilon is None:
            raise UsageError("the first call sets the budget of the table; give one (--budget)")
        budget = Fraction(entries[0]["budget"]) if epsilon is None else epsilon
        super().__init__(budget, delta=LARGEST_DELTA, **unit)
        self._go_on(entries)

    def spend(self, epsilon: Amount, delta: Amount = 0.0) -> None:
        """Take the cost of an answer from the budget, and write that down."""
        if not self.path.exists():  # a first call that is refused leaves nothing behind
            Meter(self._budget[0], delta=self._budget[1]).spend(epsilon, delta)
        with alone(_beside(self.path, "lock")):
            entries = self._entries()
            self._go_on(entries)
            super().spend(epsilon, delta)
            first = {"table": self._digest(), "budget": str(self._budget[0])}
            spent = {"epsilon": str(self._spent[0]), "delta": str(self._spent[1])}
            with appearing(self.path, mode=0o600) as part:
                part.write_bytes(_sealed([*(entries or [first]), spent], self._key()))

    def _go_on(self, entries: list[dict[str, str]]) -> None:
        """Set what was spent so far: budget and table come first, then the sums of each answer."""
        if entries and Fraction(entries[0]["budget"]) != self._budget[0]:
            raise RefusedError(
                f"the ledger has a budget of {float(Fraction(entries[0]['budget'])):g}, "
                "set by its first call; leave the budget out"
            )
        if entries:
            self._spent = Fraction(entries[-1]["epsilon"]), Fraction(entries[-1]["delta"])

    def _entries(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        try:
            content = self.path.read_bytes()
            lines = content.decode("ascii").splitlines()
            entries = [json.loads(line.partition(" ")[2]) for line in lines[:-1]]
            sound = hmac.compare_digest(_sealed(entries, self._key()), content)
        except (OSError, ValueError, RecursionError):
            sound = False
        if not sound:
            raise RefusedError("the ledger was cut or edited, or this is not its key")
        if entries[0]["table"] != self._digest():
            raise RefusedError("the ledger belongs to another table; each has one of its own")
        return entries

    def _key(self) -> bytes:
        """Return the key, which is made only where there is no ledger yet."""
        own = _beside(self.path, "key")
        made = own.exists() or not self.path.exists()
        return load_key(self._key_file, fallback=own if made else None)

    def _digest(self) -> str:
        if not self._table_file.is_file():
            raise UsageError("the table file does not exist; give the path of a table")
        return keyed_digest(self._key(), "dp table", self._table_file.read_bytes()).hex()


def exact_epsilon(epsilon: Amount) -> Fraction:
    """Return epsilon as the fraction that its decimal text is.

    Raises
    ------
    InputError
        No number, or not within 1e-15 and 1e12.
    """
    return _exact(epsilon, "epsilon", *_EPSILONS)


def exact_delta(delta: Amount) -> Fraction:
    """Return delta, from 0 to below 1, as the fraction that its decimal text is."""
    return _exact(delta, "delta", 0.0, np.nextafter(1.0, 0.0))


def column_of(table: pd.DataFrame, name: str) -> pd.Series[Any]:
    """Return a column; MissingError if there is none, InputError if there are two of the name."""
    if name not in table:
        raise MissingError(f"no column {name}; the table has {', '.join(map(str, table))}")
    values = table[name]
    if isinstance(values, pd.DataFrame):
        raise InputError(f"two columns are named {name}; rename one of them")
    return values


def _exact(number: Any, name: str, low: float, high: float) -> Fraction:
    try:
        if low <= float(number) <= high:
            return Fraction(str(number))
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{name} must be a number from {low:g} to {high:g}")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}.{suffix}")


def _sealed(entries: list[dict[str, str]], key: bytes) -> bytes:
    """Return the content of a ledger: a line an entry, each sealed with those before it."""
    seal, lines = b"", []
    for entry in [*entries, {"entries": len(entries)}]:
        text = json.dumps(entry)
        seal = keyed_digest(key, "dp ledger", seal, text)
        lines.append(f"{seal.hex()} {text}\n")
    return "".join(lines).encode("ascii")
