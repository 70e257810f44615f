"""Fictitious people: their names and numbers, and cohorts of them with an attacker's register.

Names are common ones put together by chance; nobody here exists.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medlab.errors import InputError


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

    @property
    def shown(self) -> str:
        """The name as machines burn it in."""
        return self.plain.replace("_", ", ")


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


DEFAULT_SEED = 20240301
_REGISTER_PER_PATIENT = 10

_MODALITIES = ["CT", "MR", "US", "DX", "MG", "NM"]
_DEVICES = np.array(["Aurora", "Meridian", "Tessera", "Halcyon", "Pelican", "Corvus"])
_INSTITUTIONS = np.array(["St. Brigid Hospital", "Lakeside Clinic", "Northmoor Infirmary"])
_REGIONS = np.array(["010", "104", "317", "552", "800"])


class Cohort(NamedTuple):
    """Three tables: the studies of the released patients, the register, the control group.

    Attributes
    ----------
    released, control : DataFrame, one row a study
        PatientID, PatientName, StudyInstanceUID, Age (years), Sex, Weight (kg), Height (cm),
        Postcode (text of five digits), StudyDate, Modality, BodyPart, Institution, Device and
        the sensitive Diagnosis. The two groups share no patient.
    register : DataFrame, one row a person
        PatientName, Age, Sex, Postcode, Height, Weight of the population around the hospital,
        such as a list of driving licenses. Everybody of `released` and of `control` is in it.
    """

    released: pd.DataFrame
    register: pd.DataFrame
    control: pd.DataFrame


def cohort(patients: int = 1500, seed: int = DEFAULT_SEED) -> Cohort:
    """Return a cohort of `patients` fictitious people, a control group as large, and a register.

    Age, sex, height and weight hang together; the diagnosis depends on age, sex and body mass
    index, the modality and the body part on the diagnosis, the hospital on the postcode. About
    two diagnoses of five are "No acute finding", with a long tail behind it. One patient in seven
    has more than one study; age, weight and height are those of the register in all of them.

    Parameters
    ----------
    patients : int, 10 to 1,000,000
        People in the released cohort. The register holds ten times as many.
    seed : int, 0 or more
        The same seed gives the same tables.

    Raises
    ------
    InputError
        If a number is out of its range.
    """
    if not 10 <= patients <= 1_000_000:
        raise InputError(f"a cohort of {patients} patients is outside 10 to 1,000,000")
    if seed < 0:
        raise InputError(f"the seed is {seed}; it must be 0 or more")
    rng = np.random.default_rng([seed, 7])
    population = _population(_REGISTER_PER_PATIENT * patients, rng)
    chosen = rng.choice(len(population), 2 * patients, replace=False)
    released = _studies(population.iloc[chosen[:patients]], rng)
    control = _studies(population.iloc[chosen[patients:]], rng)
    facts = ["PatientName", "Age", "Sex", "Postcode", "Height", "Weight"]
    register = population[facts].sort_values(facts, ignore_index=True)
    return Cohort(released, register, control)


@cache
def _diagnoses() -> pd.DataFrame:
    """Return what goes with each diagnosis, one row a diagnosis.

    Logits of its chance (constant; per decade above 60; for women; per 5 kg/m2 of body mass index
    above 26), the shares of the modalities, and the body parts, the usual one first.
    """
    with files("medlab.samples").joinpath("data/diagnoses.csv").open("rb") as file:
        return pd.read_csv(file)


def _population(count: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return `count` people: name, record number and what a register knows of them."""
    sex = np.where(rng.random(count) < 0.53, "F", "M")
    age = np.round(18 + 80 * rng.beta(2.1, 1.9, count)).astype(np.int64)
    male = sex == "M"
    height = np.round(rng.normal(164.5, 6.6, count) + 13.0 * male - 0.06 * (age - 45))
    middle = 1 - ((age - 58) / 45.0) ** 2  # people are heaviest in their late fifties
    bmi = np.clip(rng.normal(25.0, 3.9, count) + 2.2 * middle + 0.6 * male, 16, 48)
    region = rng.choice(len(_REGIONS), count, p=[0.38, 0.25, 0.18, 0.12, 0.07])
    town = np.minimum(rng.geometric(0.16, count), 23) * 4 + region
    return pd.DataFrame(
        {
            "PatientName": names(sex, rng),
            "PatientID": (rng.choice(90_000_000, count, replace=False) + 10_000_000).astype("U8"),
            "Age": age,
            "Sex": sex,
            "Postcode": np.strings.add(_REGIONS[region], np.strings.zfill(town.astype("U2"), 2)),
            "Height": height.astype(np.int64),
            "Weight": np.round(bmi * (height / 100) ** 2).astype(np.int64),
            "Region": region,
        }
    )


def _studies(patients: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return one row a study of `patients`, ordered by date."""
    count = len(patients)
    diagnosis = _draw(_diagnosis_shares(patients), rng)
    visits = np.where(rng.random(count) < 0.14, 2 + rng.geometric(0.42, count), 1)
    rows = np.repeat(np.arange(count), np.minimum(visits, 9))
    table = patients.iloc[rows].reset_index(drop=True)
    code = diagnosis[rows]
    modality = _draw(_diagnoses()[_MODALITIES].to_numpy()[code], rng)
    region = table["Region"].to_numpy()
    nearest = np.array(
        [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.2, 0.6, 0.2], [0.1, 0.1, 0.8], [0.5, 0, 0.5]]
    )
    hospital = _draw(nearest[region], rng)
    model = np.strings.add(
        np.where(hospital == 1, " II", " "), np.array(["X", "S", "R"])[hospital]
    )
    day = np.datetime64("2022-01-03") + rng.integers(0, 726, len(rows))
    table["StudyInstanceUID"] = uids(len(rows), rng)
    table["StudyDate"] = day.astype("datetime64[s]")
    table["Modality"] = np.array(_MODALITIES)[modality]
    # The first body part that goes with a diagnosis is the usual one.
    parts = np.array([(names * 3)[:3] for names in _diagnoses()["body_parts"].str.split()])
    table["BodyPart"] = parts[code, rng.choice(3, len(code), p=[0.6, 0.25, 0.15])]
    table["Institution"] = _INSTITUTIONS[hospital]
    table["Device"] = np.strings.add(_DEVICES[modality], model)
    table["Diagnosis"] = _diagnoses()["diagnosis"].to_numpy(dtype="U")[code]
    return table.sort_values(["StudyDate", "StudyInstanceUID"], ignore_index=True)[list(_COLUMNS)]


_COLUMNS = (
    "PatientID", "PatientName", "StudyInstanceUID", "Age", "Sex", "Weight", "Height", "Postcode",
    "StudyDate", "Modality", "BodyPart", "Institution", "Device", "Diagnosis",
)  # fmt: skip


def _diagnosis_shares(patients: pd.DataFrame) -> NDArray[np.float64]:
    """Return the chance of each diagnosis for each patient, shape (patients, diagnoses)."""
    age = patients["Age"].to_numpy()
    female = (patients["Sex"] == "F").to_numpy()
    bmi = patients["Weight"].to_numpy() / (patients["Height"].to_numpy() / 100) ** 2
    facts = np.stack([np.ones(len(age)), (age - 60) / 10, female, (bmi - 26) / 5], axis=1)
    shares = np.exp(facts @ _diagnoses()[["constant", "decade", "female", "bmi"]].to_numpy().T)
    pregnancy = (_diagnoses()["diagnosis"] == "Pregnancy complication").to_numpy()
    shares[np.ix_(~female | (age > 48), pregnancy)] = 0
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _draw(shares: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return one column number for each row of `shares`, drawn with these chances."""
    edges = np.cumsum(shares, axis=1) / shares.sum(axis=1, keepdims=True)
    return np.asarray((rng.random((len(shares), 1)) >= edges[:, :-1]).sum(axis=1))
