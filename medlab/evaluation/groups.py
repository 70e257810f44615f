"""Who is released, who is held back as a control group, who is on a register."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from medlab.errors import InputError


class Tables(NamedTuple):
    """The tables of one experiment, in the order of `medlab.samples.cohort`.

    Attributes
    ----------
    released : DataFrame
        The original, to be protected and released.
    register : DataFrame or None
        People an attacker knows by name.
    control : DataFrame or None
        People of the same population who are not released.
    """

    released: pd.DataFrame
    register: pd.DataFrame | None = None
    control: pd.DataFrame | None = None


def one_each(tables: Sequence[pd.DataFrame | None], subject: str = "PatientID") -> Tables:
    """Return the tables with one row a person: the first of each.

    Several rows of one person make a class look larger than the crowd in it.

    Parameters
    ----------
    tables : released, register, control
        As `medlab.samples.cohort` returns them; the last two may be None.
    subject : str
        Column that tells whose row it is.
    """
    released, register, control = (
        table.drop_duplicates(subject, ignore_index=True)
        if table is not None and subject in table
        else table
        for table in tables
    )
    if released is None:
        raise InputError("there is no table to release")
    return Tables(released, register, control)


def hold_back(table: pd.DataFrame, rng: np.random.Generator, subject: str = "PatientID") -> Tables:
    """Split a table by chance: half of the people to be released, half as control group.

    Parameters
    ----------
    table : DataFrame
    rng : Generator
    subject : str
        All rows of a person go to one side.

    Raises
    ------
    InputError
        Fewer than four people.
    """
    people, names = pd.factorize(table[subject], use_na_sentinel=False)
    if len(names) < 4:
        raise InputError(f"{len(names)} people are too few to hold half of them back; 4 will do")
    chosen = rng.permutation(len(names)) < len(names) // 2
    nullable = table.select_dtypes(["Int64", "Float64"]).columns
    table = table.astype(dict.fromkeys(nullable, "float64"))
    sides = (table[chosen[people] == side].reset_index(drop=True) for side in (True, False))
    return Tables(next(sides), None, next(sides))
