"""Invented names and numbers: common names put together by chance; nobody here exists."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import NamedTuple

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
    """Return `count` UIDs under 2.25, the root for UIDs made of a number (PS3.5 B.2)."""
    return [f"2.25.{number}" for number in rng.integers(10**18, 2**63 - 1, count)]


class Person(NamedTuple):
    """A patient of the sample hospital, and the visit at which the images were made.

    Dates are YYYYMMDD and times HHMMSS; `name` is a DICOM person name with up to three groups;
    `charset` is what Specific Character Set must say; `plain` the name in ASCII capitals.
    """

    name: str
    plain: str
    charset: list[str]
    sex: str
    birth: str
    age: int
    height: int
    weight: int
    mrn: str
    accession: str
    insurance: str
    phone: str
    address: str
    mother: str
    referring: str
    operator: str
    institution: str
    station: str
    serial: str
    date: str
    time: str


# The first five show what names can look like; the others are drawn from the lists.
_ROSTER = (
    ("Müller-Østergård^Søren", "MUELLER_SOEREN", "M", ["ISO_IR 100"]),
    ("Čermáková^Zuzana", "CERMAKOVA_ZUZANA", "F", ["ISO_IR 192"]),
    (
        "Kobayashi^Aiko=小林^愛子=こばやし^あいこ",
        "KOBAYASHI_AIKO",
        "F",
        ["", "ISO 2022 IR 87"],
    ),
    ("Okafor^Ngozi^Adaeze", "OKAFOR_NGOZI", "F", ["ISO_IR 100"]),
    ("Whitlock^George^^Dr.", "WHITLOCK_GEORGE", "M", ["ISO_IR 100"]),
)
_STREETS = ("Mill Lane", "Station Road", "Harbour Street", "Orchard Way", "Chapel Hill")


def person(number: int, seed: int) -> Person:
    """Return patient `number` (1 or more) of the sample hospital."""
    rng = np.random.default_rng([seed, 4, number])
    sex = np.array(["F", "M"])[rng.integers(0, 2, 1)]
    drawn = names(sex, rng)[0]
    listed = (str(drawn), str(drawn).replace("^", "_").upper(), str(sex[0]), ["ISO_IR 100"])
    name, plain, kind, charset = _ROSTER[number - 1] if number <= len(_ROSTER) else listed
    others = names(np.array(["F", "F", "M"]), rng)
    birth = np.datetime64("1931-02-01") + rng.integers(0, 365 * 62)
    visit = np.datetime64("2023-01-09") + rng.integers(0, 350)
    digits = [str(n) for n in rng.integers(1_000_000, 9_999_999, 5)]
    return Person(
        name=name, plain=plain, charset=charset, sex=kind,
        birth=str(birth).replace("-", ""), age=int((visit - birth).astype(int) // 365.25),
        height=int(rng.integers(155, 190)), weight=int(rng.integers(52, 104)),
        mrn=digits[0] + str(number), accession="ACC" + digits[1], insurance="9" + digits[2] + "44",
        phone=f"555-{digits[3][:3]}-{digits[3][3:]}",
        address=f"{rng.integers(2, 180)} {rng.choice(_STREETS)}",
        mother=str(others[0]).split("^")[0], referring=str(others[1]),
        operator=str(others[2]),
        institution="St. Brigid Hospital", station=f"SBMR{number:02d}", serial="SN" + digits[4],
        date=str(visit).replace("-", ""),
        time=f"{rng.integers(8, 18):02d}{rng.integers(10, 60)}12",
    )  # fmt: skip


def day_in_words(date: str) -> str:
    """Return a date as people type it: ``20230314`` becomes ``14 Mar 2023``."""
    month = "JanFebMarAprMayJunJulAugSepOctNovDec"[3 * int(date[4:6]) - 3 :][:3]
    return f"{int(date[6:])} {month} {date[:4]}"


def facts(who: Person) -> list[tuple[str, str]]:
    """Return what identifies a patient, as (kind, text that must not be found)."""
    groups = [part for group in who.name.split("=") for part in group.split("^")[:2]]
    groups += [who.plain.split("_")[n] for n in (0, 1)]
    staff = [who.referring.split("^")[0], who.operator.split("^")[0], who.mother]
    return [
        *(("name", part) for part in {part.casefold(): part for part in groups}.values()),
        *(("other-person", part) for part in staff),
        ("mrn", who.mrn), ("accession", who.accession), ("insurance", who.insurance),
        ("phone", who.phone), ("address", who.address), ("institution", who.institution),
        ("station", who.station), ("serial", who.serial),
        ("birth-date", who.birth), ("birth-date", day_in_words(who.birth)),
        ("study-date", who.date), ("study-date", day_in_words(who.date)),
    ]  # fmt: skip
