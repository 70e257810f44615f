"""Invented names and numbers: common names put together by chance; nobody here exists."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray


@cache
def _listed(kind: str) -> NDArray[np.str_]:
    """Return the names of one kind: ``"family"``, ``"female"`` or ``"male"``."""
    table = files("medlab.samples").joinpath("data/names.csv").read_text("utf-8").splitlines()
    return np.array([name for group, name in (line.split(",") for line in table) if group == kind])


def names(sex: NDArray[np.str_], rng: np.random.Generator) -> NDArray[np.str_]:
    """Return one DICOM person name (``Family^Given``) for each ``"F"`` or ``"M"`` of `sex`."""
    count = len(sex)
    female, male = rng.choice(_listed("female"), count), rng.choice(_listed("male"), count)
    family = np.strings.add(rng.choice(_listed("family"), count), "^")
    return np.strings.add(family, np.where(sex == "F", female, male))


def record_numbers(count: int, rng: np.random.Generator) -> NDArray[np.str_]:
    """Return `count` different medical record numbers of eight digits."""
    numbers = rng.choice(90_000_000, count, replace=False) + 10_000_000
    return numbers.astype("U8")


def uids(count: int, rng: np.random.Generator) -> list[str]:
    """Return `count` UIDs under 2.25, the root for UIDs made of a UUID (PS3.5 B.2)."""
    words = rng.integers(0, 2**61, (count, 2), dtype=np.int64)
    return [f"2.25.{(int(high) << 61) | int(low)}" for high, low in words]
