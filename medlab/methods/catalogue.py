"""The catalogue of methods: one entry a method, read wherever methods are offered or compared."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pydicom import Dataset

from medlab import dicom, tabular
from medlab.errors import InputError
from medlab.methods import columns, encryption, study
from medlab.methods.columns import Columns, Made, Task
from medlab.methods.image_slicing import slice_image
from medlab.methods.study import Changes, Setting, Verbs
from medlab.tabular.release import Release
from medlab.tabular.roles import as_names


@dataclass(frozen=True)
class Method:
    """What a method is called, and what it does to headers and to tables.

    Attributes
    ----------
    name : str
    says : str
        What becomes of what, in a few words.
    source : str
        Where it was described.
    elements : callable, optional
        From a `study.Setting` to a verb for each element that it changes.
    cohort : callable, optional
        From headers and a `study.Setting` to the changes of each patient, where values are
        exchanged between patients.
    header : callable, optional
        From a dataset and a key to a copy, where a header is changed as a whole.
    image : callable, optional
        From a dataset and a key to a copy with other pixels.
    columns : callable, optional
        From a `columns.Task` to a table and its kind.
    release : callable, optional
        From a table to a `Release` that keeps promises.
    strengths : mapping of str to sequence of float
        What it is tried with on the risk-utility map, by parameter; one without a name is "".
    title : str
        Its name on the map, before the parameter.
    cannot : sequence of str
        Arguments of `anonymize` that it must not be asked for.
    draws : bool
        Whether a release is made with chance.
    one_value : bool
        Whether one value can stand for each class, as a header needs.
    """

    name: str
    says: str
    source: str
    elements: Verbs | None = None
    cohort: Callable[[Iterable[Dataset], Setting], Changes] | None = None
    header: Callable[[Dataset, bytes], Dataset] | None = None
    image: Callable[[Dataset, bytes], Dataset] | None = None
    columns: Columns | None = None
    release: Callable[..., Release] | None = None
    strengths: Mapping[str, Sequence[float]] = field(default_factory=dict)
    title: str = ""
    cannot: Sequence[str] = ("suppress",)
    draws: bool = False
    one_value: bool = False

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
        return [study.changed(copy.deepcopy(dataset), changes) for dataset in datasets]

    def changes(self, headers: Iterable[Dataset], setting: Setting) -> tuple[Changes, list[str]]:
        """Return what each value of each patient becomes, and keywords that had to go."""
        if self.elements is not None:
            return study.changes_of(headers, self.elements, setting)
        if self.cohort is None:
            raise InputError(f"{self.name} is a property of tables; a header has no rows")
        return self.cohort(headers, setting), []

    def protect_table(self, task: Task) -> Made:
        """Return a table, and its kind, or a release, at one strength."""
        if self.columns is not None:
            return self.columns(task)
        asked: dict[str, Any] = {"k": 5, task.parameter: task.strength}
        asked |= {name: int(asked[name]) for name in ("k", "l") if name in asked}
        roles = (task.table, task.quasi, task.sensitive)
        return anonymize(*roles, method=self.name, rng=task.rng, subject=task.subject, **asked)


def _policy(name: str) -> Callable[[Dataset, bytes], Dataset]:
    return lambda dataset, key: dicom.deidentify(dataset, name, key=key)[0]


_NOT_BY_ROWS = ("suppress", "t", "alpha", "l_kind", "c", "distance")
_ENTRIES = (
    Method(
        "identity",
        "nothing is changed",
        "for comparison",
        elements=lambda _: {},
        columns=columns.unchanged,
        strengths={"": (0,)},
    ),
    Method(
        "suppression",
        "names, numbers and dates go",
        "DICOM PS3.15 Annex E, codes X, Z and D",
        elements=study.suppressed,
        columns=columns.suppressed,
        strengths={"": (1, 2, 4)},
    ),
    Method(
        "randomization",
        "noise on dates, age and weight, random names",
        "Agrawal, Srikant, Privacy-Preserving Data Mining, SIGMOD 2000",
        elements=study.randomized,
        columns=columns.randomized,
        strengths={"": (0.02, 0.05, 0.1, 0.3)},
    ),
    Method(
        "pseudonymization",
        "codes drawn with a key, dates moved",
        "ISO 25237:2017; codes by HMAC, RFC 2104",
        elements=study.pseudonymized,
        columns=columns.pseudonymized,
        strengths={"": (0,)},
    ),
    Method(
        "bucketization",
        "age, weight and dates become coarse",
        "Sweeney, IJUFKS 10(5), 2002 (generalization)",
        elements=study.bucketized,
        columns=columns.bucketized,
        strengths={"": (20, 5, 2)},
    ),
    Method(
        "slicing",
        "the table of the patients, cells exchanged in buckets",
        "Li, Li, Zhang, Molloy, IEEE TKDE 24(3), 2012",
        cohort=study.sliced,
        release=tabular.slicing,
        strengths={"k": (5, 25)},
        title="slicing",
        cannot=("suppress", "keep"),
        draws=True,
    ),
    Method(
        "image slicing",
        "blocks of the picture change places by a key; their edges give them away",
        "a jigsaw solver puts them together: Gallagher, CVPR 2012; no protection",
        image=slice_image,
    ),
    Method(
        "encryption",
        "name and ID encrypted with a key",
        "Fernet: AES-128-CBC with HMAC-SHA256",
        header=encryption.encrypt_elements,
        columns=columns.encrypted,
        strengths={"": (0,)},
    ),
    Method(
        "plain hash",
        "hashes without a key, which anyone undoes who can list the names",
        "FIPS 180-4; no protection",
        elements=study.hashed,
    ),
    Method(
        "anatomy",
        "exact facts in one table, counts of sensitive values in another",
        "Xiao, Tao, VLDB 2006",
        release=tabular.anatomy,
        strengths={"l": (2,)},
        title="Anatomy",
        cannot=(*_NOT_BY_ROWS, "subject", "hierarchies"),
        draws=True,
    ),
    Method(
        "mondrian",
        "classes cut at medians, facts become ranges",
        "LeFevre, DeWitt, Ramakrishnan, ICDE 2006",
        release=tabular.mondrian,
        strengths={"k": (2, 5, 10, 25, 50, 100), "l": (2, 3), "t": (0.4, 0.2)},
        title="Mondrian",
        one_value=True,
    ),
    Method(
        "mdav",
        "classes of near patients, facts become means",
        "Domingo-Ferrer, Torra, DMKD 11(2), 2005",
        release=tabular.mdav,
        strengths={"k": (5, 25)},
        title="microaggregation",
        one_value=True,
    ),
    Method(
        "k-member",
        "classes of near patients, facts become ranges",
        "Byun, Kamra, Bertino, Li, DASFAA 2007",
        release=tabular.k_member,
        strengths={"k": (5, 25)},
        title="k-member",
        one_value=True,
    ),
    Method(
        "k-member-weighted",
        "as k-member, outlying patients served first",
        "after Yan, Herman, Mahmood, Feng, Xie, Computing 103, 2021",
        release=partial(tabular.k_member, record_weights="outlyingness"),
        one_value=True,
    ),
    Method(
        "mondrian-best",
        "as mondrian, the cut that costs least",
        "LeFevre, DeWitt, Ramakrishnan, ICDE 2006",
        release=partial(tabular.mondrian, quality="best"),
        one_value=True,
    ),
    Method(
        "mondrian-relaxed",
        "as mondrian, equal values may part",
        "LeFevre, DeWitt, Ramakrishnan, ICDE 2006",
        release=partial(tabular.mondrian, strict=False),
        one_value=True,
    ),
    Method(
        "fuzzy-cmeans",
        "classes around fuzzy means",
        "Bezdek, Pattern Recognition with Fuzzy Objective Function Algorithms, 1981",
        release=tabular.fuzzy_cmeans,
        draws=True,
    ),
    Method(
        "full-domain",
        "one level of a hierarchy for a whole column",
        "Sweeney, IJUFKS 10(5), 2002; Kohlmayer et al., Flash, PASSAT 2012",
        release=tabular.full_domain,
        cannot=(),
        one_value=True,
    ),
    Method(
        "two-step",
        "classes of k, and diagnoses replaced where a class has too few",
        "scalable l-diversity in two steps; see docs/tabular.md",
        release=tabular.two_step,
        cannot=_NOT_BY_ROWS,
        draws=True,
    ),
    Method(
        "policy basic",
        "the whole header, dates and descriptions gone",
        "DICOM PS3.15 Annex E, Basic Profile",
        header=_policy("basic"),
    ),
    Method(
        "policy research",
        "the whole header, dates moved, descriptions cleaned",
        "DICOM PS3.15 Annex E, with options",
        header=_policy("research"),
    ),
)
METHODS: Mapping[str, Method] = {method.name: method for method in _ENTRIES}
#: Methods that change headers; that make a release, for `anonymize`; whose classes one value
#: stands for.
ON_HEADERS = tuple(name for name, method in METHODS.items() if method.headers)
RELEASING = tuple(name for name, method in METHODS.items() if method.release is not None)
ONE_VALUE = tuple(name for name, method in METHODS.items() if method.one_value)


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
) -> Made:
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
    names = list(ON_MAP) if chosen == "all" else [name.strip() for name in chosen.split(",")]
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


def anonymize(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: Sequence[str] | str | None = None,
    k: int = 5,
    l: float = 1,
    t: float | None = None,
    *,
    method: str = "mondrian",
    rng: np.random.Generator | None = None,
    **more: Any,
) -> Release:
    """Release a table by a method named in `RELEASING`.

    Parameters
    ----------
    table, quasi, sensitive, k, l, t
        See `medlab.tabular.mondrian`. Anatomy and the two-step method take l as a
        whole number, at least 2; Anatomy generalizes nothing and has no k.
    method : str
    rng : Generator, optional
        For methods that draw; the others do without.
    **more
        Further arguments of the method; None counts as not given.

    Raises
    ------
    InputError
        An unknown method, or a promise that the method cannot make.
    """
    if method not in RELEASING:
        raise InputError(f"no method {method!r}; choose of {', '.join(RELEASING)}")
    entry = METHODS[method]
    assert entry.release is not None
    asked = {name: value for name, value in ({"t": t} | more).items() if value is not None}
    impossible = set(asked) & set(entry.cannot)
    if impossible:
        why = "; it counts rows, so leave one row a person" if "subject" in impossible else ""
        raise InputError(f"{method} does not go with {', '.join(sorted(impossible))}{why}")
    if rng is not None and entry.draws:
        asked["rng"] = rng
    names = as_names(sensitive)
    if method in ("anatomy", "two-step", "slicing") and not names:
        raise InputError(f"{method} is about sensitive values; name a sensitive column")
    if method == "anatomy":
        if len(names) > 1:
            raise InputError("anatomy takes one sensitive column")
        return entry.release(table, quasi, names[0], max(int(l), 2), **asked)
    if method == "two-step":
        return entry.release(table, quasi, names, k, max(int(l), 2), **asked)
    return entry.release(table, quasi, sensitive, k=k, l=l, **asked)


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
