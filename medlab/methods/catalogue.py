"""The catalogue of methods: one entry a method, read wherever methods are offered or compared."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pydicom import Dataset

from medlab import dicom, tabular
from medlab.errors import InputError
from medlab.methods import (
    bucketization,
    encryption,
    header_methods,
    pseudonymization,
    randomization,
    suppression,
)
from medlab.methods.header_methods import Changes, Setting
from medlab.methods.image_slicing import slice_image
from medlab.synthetic.synthesis import draft_domain, parse_domain, synthesize
from medlab.tabular.algorithms import ALGORITHMS, Algorithm
from medlab.tabular.broken_links import column_groups, exchanged
from medlab.tabular.release import SUPPRESSED, Release

_Made = Release | tuple[pd.DataFrame, str]
_IDENTITY = ("PatientName", "PatientID")
_DIRECT = ("PatientName", "PatientID", "AccessionNumber")
_DATES = (
    *("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "AcquisitionDateTime"),
    "InstanceCreationDate",
)
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
_PEOPLE = (
    *("ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName"),
    *("NameOfPhysiciansReadingStudy", "InstitutionName", "StationName"),
)
#: Facts of patients, of which slicing exchanges groups.
_FACTS = (
    *("PatientAge", "PatientSex", "PatientSize", "PatientWeight"),
    *("EthnicGroup", "Occupation", "SmokingStatus", "AdmittingDiagnosesDescription"),
)
_GONE = ("PatientAge", "PatientSex", "PatientWeight", "PatientSize", "PatientAddress")


class Task(NamedTuple):
    """What a method is given.

    Attributes
    ----------
    table : DataFrame
    quasi : list of str
    sensitive : str
    strength : float
        What the method understands by it; see `medlab.methods.catalogue.Method.strengths`.
    rng : Generator
    subject : str or None
        Column that tells whose row it is.
    parameter : str
        The name of `strength`, for methods that know several.
    """

    table: pd.DataFrame
    quasi: list[str]
    sensitive: str
    strength: float
    rng: np.random.Generator
    subject: str | None = None
    parameter: str = ""


_Columns = Callable[[Task], _Made]
_Verb = Callable[..., Any]
_Verbs = Callable[[Setting], Mapping[str, _Verb]]


@dataclass(frozen=True, kw_only=True)
class Method(Algorithm):
    """A method of protection: its algorithm for tables, and what it does to headers and columns.

    Attributes
    ----------
    elements : callable, optional
        From a `header_methods.Setting` to a verb for each element that it changes.
    cohort : callable, optional
        From headers and a `Setting` to the changes of each patient, where values are
        exchanged between patients.
    header : callable, optional
        From a dataset and a key to a copy, where a header is changed as a whole.
    image : callable, optional
        From a dataset and a key to a copy with other pixels.
    columns : callable, optional
        From a `Task` to a table and its kind.
    usual : bool
        Whether it is on the map where nobody chooses.
    """

    elements: _Verbs | None = None
    cohort: Callable[[Iterable[Dataset], Setting], Changes] | None = None
    header: Callable[[Dataset, bytes], Dataset] | None = None
    image: Callable[[Dataset, bytes], Dataset] | None = None
    columns: _Columns | None = None
    usual: bool = True

    @property
    def headers(self) -> bool:
        """Whether it changes one header by itself."""
        return self.elements is not None or self.header is not None

    def protect_headers(self, datasets: Sequence[Dataset], setting: Setting) -> list[Dataset]:
        """Return copies of the datasets of a study, or of a cohort, changed alike.

        Raises
        ------
        InputError
            If the method is one of tables, or needs more patients.
        """
        if self.header is not None:
            return [self.header(dataset, setting.key) for dataset in datasets]
        changes, _ = self.changes(datasets, setting)
        return [header_methods.changed(copy.deepcopy(dataset), changes) for dataset in datasets]

    def changes(self, headers: Iterable[Dataset], setting: Setting) -> tuple[Changes, list[str]]:
        """Return what each value of each patient becomes, and keywords that had to go."""
        if self.elements is not None:
            return header_methods.changes_of(headers, self.elements, setting)
        if self.cohort is None:
            raise InputError(f"{self.name} is a property of tables; a header has no rows")
        return self.cohort(headers, setting), []

    def protect_table(self, task: Task) -> _Made:
        """Return a table, and its kind, or a release, at one strength."""
        if self.columns is not None:
            return self.columns(task)
        asked: dict[str, Any] = {"k": 5, task.parameter: task.strength}
        asked |= {name: int(asked[name]) for name in ("k", "l") if name in asked}
        roles = (task.table, task.quasi, task.sensitive)
        return tabular.anonymize(
            *roles, method=self.name, rng=task.rng, subject=task.subject, **asked
        )


def _policy(name: str) -> Callable[[Dataset, bytes], Dataset]:
    return lambda dataset, key: dicom.deidentify(dataset, name, key=key)[0]


def _of_tables(name: str, **more: Any) -> Method:
    """Return the entry of an algorithm that makes releases; see `medlab.tabular.algorithms`."""
    return Method(**vars(ALGORITHMS[name]), **more)


def _elements_suppressed(_: Setting) -> dict[str, _Verb]:
    """Names and numbers get one value for all, dates and people go blank, facts go."""
    return {
        **_all(_IDENTITY, suppression.fixed),
        **_all(("PatientBirthDate", "AccessionNumber", *_PEOPLE, *_DATES), suppression.blank),
        **_all(_GONE, suppression.remove),
    }


def _elements_randomized(setting: Setting) -> dict[str, _Verb]:
    """Names and numbers are drawn; noise moves all dates together, and each measure."""
    drawn = partial(randomization.replace, rng=setting.rng)
    noise = partial(randomization.noise, rng=setting.rng)
    # One draw for all dates, and never none: a series stays behind its study.
    days = round(setting.rng.normal(0.0, setting.spread["dates"])) or 1
    positive = {name: setting.spread[name] for name in ("PatientWeight", "PatientSize")}
    return {
        **_all(_DIRECT, drawn),
        **_all(("PatientBirthDate", *_DATES), partial(pseudonymization.offset, by=days)),
        "PatientAge": partial(noise, sd=setting.spread["PatientAge"]),
        **{name: partial(noise, sd=sd, limits=(0, np.inf)) for name, sd in positive.items()},
    }


def _elements_pseudonymized(setting: Setting) -> dict[str, _Verb]:
    """Codes drawn with the key; all dates of a patient move by one secret number of days."""
    days = dicom.dates.offset_days(setting.key, setting.patient)
    return {
        "PatientName": partial(pseudonymization.alias, key=setting.key),
        **_all(
            ("PatientID", "AccessionNumber", *_UIDS),
            partial(pseudonymization.code, key=setting.key),
        ),
        **_all(("PatientBirthDate", *_DATES), partial(pseudonymization.offset, by=days)),
    }


def _elements_bucketized(setting: Setting) -> dict[str, _Verb]:
    """Age, weight and size in classes; the year of birth, the month of the study."""
    return {
        "PatientAge": partial(bucketization.age, width=int(setting.width)),
        "PatientWeight": partial(bucketization.number, width=setting.width),
        "PatientSize": partial(bucketization.number, width=0.1),
        "PatientBirthDate": partial(bucketization.day, to="year"),
        **_all(_DATES, bucketization.day),
    }


def _elements_sliced(headers: Iterable[Dataset], setting: Setting) -> Changes:
    """Return what becomes of the facts of patients whose values are exchanged in buckets.

    The facts of one patient are a row; groups of them are permuted within classes of like
    patients (`medlab.tabular.slicing`), so that no header tells which belong together.

    Raises
    ------
    InputError
        If there are fewer patients than a bucket holds, or no two facts that all of them have.
    """
    texts: dict[str, dict[str, list[str]]] = {}
    for header in headers:
        patient = texts.setdefault(dicom.owner(header), {})
        for keyword in _FACTS:
            if header.get(keyword) is not None and (text := str(header[keyword].value)):
                patient.setdefault(keyword, []).append(text)
    if len(texts) < setting.k:
        raise InputError(
            f"slicing exchanges values between patients; {len(texts)} are fewer than the "
            f"{setting.k} of a bucket; lower k or give more files"
        )
    named = [name for name in _FACTS if all(name in patient for patient in texts.values())]
    if len(named) < 2:
        raise InputError("slicing needs two facts, such as age and weight, that all patients have")
    spelled = pd.DataFrame(
        [{name: patient[name][0] for name in named} for patient in texts.values()]
    )
    rows = _exchanged(spelled, setting)
    return {
        name: {
            (patient, text): spelled[name][row]
            for patient, row in zip(texts, rows[name], strict=True)
            for text in texts[patient][name]
        }
        for name in named
    }


def _exchanged(spelled: pd.DataFrame, setting: Setting) -> dict[str, list[int]]:
    """Return for each fact whose value every patient gets."""
    table = spelled.apply(_numbers)
    *quasi, last = table.columns
    classes = tabular.mondrian(table, quasi, k=setting.k).class_of
    rows: dict[str, list[int]] = {}
    for group in column_groups(table, quasi, last):
        rows |= dict.fromkeys(group, exchanged(classes, setting.rng).tolist())
    return rows


def _numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return the texts of an element as numbers, if they are numbers or ages in years."""
    number = pd.to_numeric(column.str.rstrip("Y"), errors="coerce")
    return column if number.isna().any() else number


def _all(keywords: Iterable[str], verb: Any) -> dict[str, Any]:
    return dict.fromkeys(keywords, verb)


def _columns_suppressed(task: Task) -> _Made:
    """Suppress the columns with most values first; all of them where strength is that large."""
    order = task.table[task.quasi].nunique().sort_values(ascending=False, kind="stable").index
    hidden = dict.fromkeys(order[: int(task.strength)], SUPPRESSED)
    return task.table.assign(**hidden), "generalized"


def _people_replaced(task: Task, replaced: Callable[[pd.Series[Any], bytes, str], Any]) -> _Made:
    """Replace name and number of the patients by what a key makes of them."""
    key, names = task.rng.bytes(32), [name for name in _IDENTITY if name in task.table]
    columns = {name: replaced(task.table[name], key, name) for name in names}
    return task.table.assign(**columns), "generalized"


def _columns_randomized(task: Task) -> _Made:
    """Add noise of strength * range to numbers and days; draw that share of labels anew."""
    table = task.table.copy()
    for name in task.quasi:
        table[name] = _noisy(table[name], task)
    return table, "microdata"


def _noisy(column: pd.Series[Any], task: Task) -> Any:
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        days = task.rng.normal(0.0, 1.0, len(column)) * task.strength
        return column + pd.to_timedelta(np.round(days * (column.max() - column.min()).days), "D")
    if pd.api.types.is_numeric_dtype(column.dtype):
        low, high = float(column.min()), float(column.max())
        sd = task.strength * (high - low)
        return randomization.noise(column, sd, task.rng, limits=(low, high))
    drawn = task.rng.random(len(column)) < task.strength
    others = column.to_numpy(copy=True)[task.rng.permutation(len(column))]
    return column.where(~drawn, others)


def _columns_bucketized(task: Task) -> _Made:
    """Put numbers and days into equal bins, postcodes into areas.

    Strength is the number of bins; named ``width``, the width of classes of age and numbers.
    """
    table = task.table.copy()
    for name in task.quasi:
        column, types = table[name], pd.api.types
        if task.parameter == "width" and types.is_numeric_dtype(column.dtype):
            table[name] = _classes(column, int(task.strength))
        elif types.is_numeric_dtype(column.dtype) or types.is_datetime64_any_dtype(column.dtype):
            table[name] = _binned(column, int(task.strength))
        elif column.astype(str).str.fullmatch(r"\d{5}").all():
            table[name] = bucketization.postcode(column.astype(object), 3, stars=True)
    return table, "generalized"


def _classes(column: pd.Series[Any], width: int) -> Any:
    if column.name == "Age":
        return bucketization.age(column, width, label=True)
    return bucketization.number(column, width, label=True)


def _binned(column: pd.Series[Any], bins: int) -> pd.Series[Any]:
    """Return the smallest and the largest value of each bin as intervals."""
    number = pd.cut(column, bins, labels=False)
    ends = column.groupby(number).agg(["min", "max"])
    cells = {
        index: pd.Interval(low, high, closed="both") if low < high else low
        for index, low, high in ends.itertuples()
    }
    return number.map(cells).astype(object)


def _of_nobody(task: Task, model: str, **more: Any) -> _Made:
    """Return rows drawn from a model over a domain that is read off the table.

    Good to see what a model does; a guarantee needs a domain of public knowledge.
    """
    table = task.table[[*task.quasi, task.sensitive]]
    domain = parse_domain(draft_domain(table))
    if len(domain) < table.shape[1]:
        raise InputError("a column has too many labels, or no value, for a model to draw from")
    if task.subject is not None:
        table = table.assign(**{task.subject: task.table[task.subject]})
    made = synthesize(table, domain, model, subject=task.subject, **more).table
    return made.replace("", None), "synthetic"


_TREE = Method(
    name="tree",
    says="rows of nobody along a tree of noisy pairs of columns; its domain is read off: for show",
    source="after McKenna, Miklau, Sheldon, Journal of Privacy and Confidentiality 11(3), 2021",
    columns=lambda task: _of_nobody(task, "tree", epsilon=task.strength),  # delta 1e-9
    strengths={"": (0.5, 1, 5)},
    usual=False,
)
_ENTRIES = (
    Method(
        name="identity",
        says="nothing is changed",
        source="for comparison",
        elements=lambda _: {},
        columns=lambda task: (task.table, "generalized"),
        strengths={"": (0,)},
    ),
    Method(
        name="suppression",
        says="names, numbers and dates go",
        source="DICOM PS3.15 Annex E, codes X, Z and D",
        elements=_elements_suppressed,
        columns=_columns_suppressed,
        strengths={"": (1, 2, 4)},
    ),
    Method(
        name="randomization",
        says="noise on dates, age and weight, random names",
        source="Agrawal, Srikant, Privacy-Preserving Data Mining, SIGMOD 2000",
        elements=_elements_randomized,
        columns=_columns_randomized,
        strengths={"": (0.02, 0.05, 0.1, 0.3)},
    ),
    Method(
        name="pseudonymization",
        says="codes drawn with a key, dates moved",
        source="ISO 25237:2017; codes by HMAC, RFC 2104",
        elements=_elements_pseudonymized,
        columns=lambda task: _people_replaced(
            task, lambda values, key, name: pseudonymization.code(values, key, field=name)
        ),
        strengths={"": (0,)},
    ),
    Method(
        name="bucketization",
        says="age, weight and dates become coarse",
        source="Sweeney, IJUFKS 10(5), 2002 (generalization)",
        elements=_elements_bucketized,
        columns=_columns_bucketized,
        strengths={"": (20, 5, 2)},
    ),
    _of_tables("slicing", cohort=_elements_sliced),
    Method(
        name="image slicing",
        says="blocks of the picture change places by a key; their edges give them away",
        source="a jigsaw solver puts them together: Gallagher, CVPR 2012; no protection",
        image=slice_image,
    ),
    Method(
        name="encryption",
        says="name and ID encrypted with a key",
        source="Fernet: AES-128-CBC with HMAC-SHA256",
        header=encryption.encrypt_elements,
        columns=lambda task: _people_replaced(
            task, lambda values, key, _: encryption.encrypt(values, key)
        ),
        strengths={"": (0,)},
    ),
    Method(
        name="plain hash",
        says="hashes without a key, which anyone undoes who can list the names",
        source="FIPS 180-4; no protection",
        elements=lambda _: _all(_DIRECT, pseudonymization.plain_hash),
    ),
    _of_tables("anatomy"),
    _of_tables("mondrian"),
    _of_tables("mdav"),
    _of_tables("k-member"),
    _of_tables("k-member-weighted"),
    _of_tables("mondrian-best"),
    _of_tables("mondrian-relaxed"),
    _of_tables("fuzzy-cmeans"),
    _of_tables("full-domain"),
    _of_tables("two-step"),
    Method(
        name="copula",
        says="rows of nobody that go together as those of the patients, without guarantee",
        source="Nelsen, An Introduction to Copulas, 2006 (Gaussian copula)",
        columns=lambda task: _of_nobody(task, "copula", rng=task.rng),
        strengths={"": (0,)},
        usual=False,
    ),
    *((_TREE,) if find_spec("opendp") else ()),
    Method(
        name="policy basic",
        says="the whole header, dates and descriptions gone",
        source="DICOM PS3.15 Annex E, Basic Profile",
        header=_policy("basic"),
    ),
    Method(
        name="policy research",
        says="the whole header, dates moved, descriptions cleaned",
        source="DICOM PS3.15 Annex E, with options",
        header=_policy("research"),
    ),
)
METHODS: Mapping[str, Method] = {method.name: method for method in _ENTRIES}


class Point(NamedTuple):
    """A method at one strength.

    Attributes
    ----------
    method : str
        A name of `ON_MAP`.
    strength : float
        What the method understands by it: k, l, columns, bins, noise as a share of the range.
    """

    method: str
    strength: float = 0.0


#: Names on the risk-utility map: the method and the parameter that varies.
ON_MAP: Mapping[str, tuple[Method, str]] = {
    f"{method.title or method.name} {parameter}".strip(): (method, parameter)
    for method in _ENTRIES
    for parameter in method.strengths
}


def protect(
    table: pd.DataFrame,
    quasi: Sequence[str],
    sensitive: str,
    point: Point,
    rng: np.random.Generator,
    subject: str | None = None,
) -> _Made:
    """Return a table protected at one point of the map: a release, or a table and its kind.

    Raises
    ------
    InputError
        A method of another name, or one that refuses.
    """
    if point.method not in ON_MAP:
        raise InputError(f"no method of that name; choose of {', '.join(ON_MAP)}")
    method, parameter = ON_MAP[point.method]
    task = Task(table, list(quasi), sensitive, point.strength, rng, subject, parameter)
    return method.protect_table(task)


def usual_points(quasi: Sequence[str], chosen: str = "all") -> list[Point]:
    """Return the methods at their usual strengths; Mondrian l and t have k = 5.

    Parameters
    ----------
    quasi : column names
    chosen : str
        Names of `ON_MAP` with commas between them, or "all".

    Raises
    ------
    InputError
        A method of another name.

    Examples
    --------
    >>> [point.strength for point in usual_points(["Age", "Sex", "Weight"], "suppression")]
    [1, 2, 3]
    """
    names = [name for name, (method, _) in ON_MAP.items() if method.usual]
    if chosen != "all":
        names = [name.strip() for name in chosen.split(",")]
    if not set(names) <= set(ON_MAP):
        raise InputError(f"no method of that name; choose of {', '.join(ON_MAP)}")
    full = len(quasi)
    points = []
    for name in names:
        method, parameter = ON_MAP[name]
        strengths = method.strengths[parameter]
        if name == "suppression":  # full suppression comes in addition
            strengths = (*(s for s in strengths if s < full), full)
        points += [Point(name, strength) for strength in strengths]
    return points


def overview() -> pd.DataFrame:
    """Return the catalogue as a table: what each method says, where it works, its source.

    Returns
    -------
    DataFrame
        Index ``method``; columns ``what it does``, ``headers``, ``tables``, ``pixels`` and
        ``source``.
    """
    rows = {
        name: (
            method.says,
            "yes" if method.headers else "of a cohort" if method.cohort else "",
            "yes" if method.columns or method.release else "",
            "yes" if method.image else "",
            method.source,
        )
        for name, method in METHODS.items()
    }
    names = ["what it does", "headers", "tables", "pixels", "source"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=names).rename_axis("method")
