"""Roles of columns: what a table's columns are to the privacy of its rows.

*Direct identifiers* name a person and are never released. *Quasi-identifiers*
(age, sex, weight ...) are known to others and are generalized. *Sensitive* columns
are what nobody should learn about a named person. Everything is checked here once;
the algorithms then work on integer codes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medlab.errors import InputError, KindError, MissingError

_Kind = Literal["number", "date", "ordered", "category"]
Hierarchies = Mapping[str, pd.DataFrame]

# DICOM keywords that name a person, a visit or an object by themselves.
DIRECT_IDENTIFIERS = frozenset(
    {
        "AccessionNumber",
        "FrameOfReferenceUID",
        "OtherPatientIDs",
        "OtherPatientNames",
        "PatientAddress",
        "PatientBirthName",
        "PatientID",
        "PatientName",
        "PatientTelephoneNumbers",
        "SOPInstanceUID",
        "SeriesInstanceUID",
        "StudyID",
        "StudyInstanceUID",
    }
)
# Which of them tell persons apart; StudyID and the like are the same for many.
_PERSONS = ("PatientID", "OtherPatientIDs", "PatientName", "PatientBirthName", "StudyInstanceUID")
_SMALL_RANGE = 1 << 16


@dataclass(frozen=True)
class Column:
    """One column as integer codes in the order in which it may be cut.

    Attributes
    ----------
    name : str
    kind : "number", "date", "ordered" or "category"
    codes : int array, shape (rows,)
        Positions in `values`; missing cells have the code ``len(values)``.
    values : array, shape (values,)
        Distinct values in cutting order. Integer columns of a small range list the
        whole range, absent numbers included.
    place : float array, shape (values + 1,)
        Where each code stands on the column's own scale from 0 to 1; missing stands
        at 2, farther from every value than the values are from each other.
    labels : int
        Number of distinct values that occur, missing not counted.
    missing : bool
        Whether any cell is missing.
    first, last : int arrays, shape (levels, values + 1), or None
        For a hierarchy: the first and last code below the same node, by level.
    nodes : object array, shape (levels, values), or None
        For a hierarchy: the node above each value; level 0 is the value itself.
    """

    name: str
    kind: _Kind
    codes: NDArray[Any]
    values: NDArray[Any]
    place: NDArray[np.float64]
    labels: int
    missing: bool
    first: NDArray[np.int32] | None = None
    last: NDArray[np.int32] | None = None
    nodes: NDArray[np.object_] | None = None


def check_columns(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: Sequence[str] | str | None = None,
    *,
    keep: Sequence[str] = (),
    identifiers: Sequence[str] = (),
    subject: str | None = None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Check the roles of a table's columns and return them as two tuples.

    Parameters
    ----------
    table : DataFrame, one row per record
    quasi, sensitive : column name or names
        One name may be given without a list.
    keep : column names
        Other columns that shall pass through unchanged.
    identifiers : column names
        Direct identifiers, beside those known by their DICOM keyword.
    subject : str, optional
        Column that tells which rows belong to one person.

    Returns
    -------
    quasi, sensitive : tuples of str

    Raises
    ------
    InputError
        Empty table; no quasi-identifier; duplicate column names; one column in two
        roles; a direct identifier named as quasi-identifier, sensitive or kept.
    MissingError
        A column that the table does not have.
    KindError
        `table` is not a DataFrame; a column name is no text.
    """
    if not isinstance(table, pd.DataFrame):
        raise KindError(f"the table is a {type(table).__name__}; give a pandas DataFrame")
    if not all(isinstance(name, str) for name in table.columns):
        raise KindError("column names are text; set table.columns = table.columns.astype(str)")
    quasi = (quasi,) if isinstance(quasi, str) else tuple(quasi)
    sensitive = as_names(sensitive)
    named = (*quasi, *sensitive, *keep)
    _check_names(table, (*named, *identifiers, *([] if subject is None else [subject])))
    if table.empty:
        raise InputError("the table has no rows; give at least k of them")
    if not quasi:
        raise InputError("no quasi-identifier was named; name at least one column in `quasi`")
    _check_overlap(quasi, sensitive, keep)
    direct = (DIRECT_IDENTIFIERS | set(identifiers) | {subject}).intersection(named)
    if direct:
        raise InputError(
            f"{_listed(direct)} identifies people directly and is never released; "
            "take it out of the quasi-identifiers, the sensitive and the kept columns"
        )
    return quasi, sensitive


def as_names(names: Sequence[str] | str | None) -> tuple[str, ...]:
    """Return column names as a tuple; None is no column, a text is one."""
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else tuple(names)


def counted_by(table: pd.DataFrame, subject: str | None = None) -> tuple[pd.DataFrame, str | None]:
    """Return a table and the column that tells whose row it is.

    Parameters
    ----------
    table : DataFrame
    subject : str, optional
        That column, if it was named. Else it is a direct identifier that repeats; rows without
        one then count as one person together, which makes no class look larger than it is.

    Returns
    -------
    table : DataFrame
    subject : str or None
        None if each row is a person of its own.
    """
    for name in _PERSONS if subject is None else ():
        if name in table:
            repeats = table[name].duplicated() & table[name].notna()
            if repeats.any():
                column = table[name].astype(object)
                return table.assign(**{name: column.where(column.notna(), "")}), name
            if table[name].notna().all():
                return table, None
    return table, subject


def _check_names(table: pd.DataFrame, names: Iterable[str]) -> None:
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()].unique()
        raise InputError(f"columns named twice: {_listed(twice)}; rename one of each")
    unknown = [name for name in names if name not in table.columns]
    if unknown:
        raise MissingError(f"no column {_listed(unknown)}; the table has {_listed(table.columns)}")


def _check_overlap(quasi: Sequence[str], sensitive: Sequence[str], keep: Sequence[str]) -> None:
    names = [*quasi, *sensitive, *keep]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InputError(
            f"{_listed(twice)} was named in two roles; a column is a quasi-identifier, "
            "sensitive or kept, and named once"
        )


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(sorted(map(str, names)))


def encode(table: pd.DataFrame, name: str, hierarchy: pd.DataFrame | None = None) -> Column:
    """Return one column of a table as codes in cutting order.

    Numbers and dates keep their order, ordered categoricals theirs; other labels are
    sorted as text, or in the order of their hierarchy.

    Parameters
    ----------
    table : DataFrame
    name : str
    hierarchy : DataFrame, optional
        One row a label (its index), one column a level from fine to coarse. Each cell
        names the node above the label at that level.

    Returns
    -------
    Column

    Raises
    ------
    InputError
        Infinite numbers; a label that the hierarchy does not know.
    KindError
        Values of several types in one column.
    """
    column = table[name]
    if hierarchy is not None:
        return _encode_tree(column, hierarchy)
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _encode_categorical(column)
    kind, plain = _plain(column)
    if kind == "category":
        codes, uniques = pd.factorize(plain, sort=True, use_na_sentinel=True)
        labels: NDArray[Any] = np.asarray(uniques, dtype=object)
        return _column(name, kind, codes, labels, np.arange(len(labels), dtype=np.float64))
    return _encode_numbers(name, kind, plain)


def _plain(column: pd.Series[Any]) -> tuple[_Kind, pd.Series[Any]]:
    """Return the kind of a column and its values as numbers, dates or labels."""
    types = pd.api.types
    dtype = column.dtype
    if types.is_bool_dtype(dtype):
        return "category", column.map({True: "True", False: "False"}, na_action="ignore")
    if types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype):
        wide = types.is_unsigned_integer_dtype(dtype) and (column > np.iinfo(np.int64).max).any()
        return "number", column.astype(float) if wide else column
    if types.is_datetime64_any_dtype(dtype):
        plain = isinstance(dtype, np.dtype | pd.DatetimeTZDtype)
        return "date", column if plain else pd.to_datetime(column.astype(object))
    if types.is_object_dtype(dtype):
        return _plain_objects(column)
    if types.is_string_dtype(dtype):
        return "category", column
    raise KindError(f"column {column.name} has the type {dtype}; give numbers, dates or text")


def _plain_objects(column: pd.Series[Any]) -> tuple[_Kind, pd.Series[Any]]:
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind in {"integer", "floating", "mixed-integer-float", "decimal"}:
        return "number", column.astype(float)
    if kind in {"date", "datetime", "datetime64"}:
        zones = {moment.tzinfo for moment in column.dropna() if hasattr(moment, "tzinfo")}
        return "date", pd.to_datetime(column, utc=len(zones) > 1)
    if kind in {"string", "empty"}:
        return "category", column
    if kind == "boolean":
        return "category", column.map({True: "True", False: "False"}, na_action="ignore")
    raise KindError(
        f"column {column.name} mixes types ({kind}); make them all numbers, dates or text"
    )


def _encode_numbers(name: str, kind: _Kind, column: pd.Series[Any]) -> Column:
    if kind == "number" and pd.api.types.is_integer_dtype(column.dtype) and not column.hasnans:
        values = column.to_numpy()
        low, high = int(values.min()), int(values.max())
        if high - low < _SMALL_RANGE:
            return _encode_range(name, values, low, high)
    codes, values = _sorted_codes(column)
    if kind == "number":
        values = np.asarray(values)
        if values.dtype.kind == "f" and np.isinf(values).any():
            raise InputError(
                f"column {name} holds infinite numbers; make them missing or a large finite number"
            )
        scale = values.astype(np.float64)
    else:
        scale = np.asarray(values.asi8 if hasattr(values, "asi8") else values).astype(np.float64)
    return _column(name, kind, codes, values, scale)


def _encode_range(name: str, values: NDArray[Any], low: int, high: int) -> Column:
    """Encode integers of a small range by their distance from the smallest one."""
    dtype = np.uint8 if high - low < 255 else np.uint16 if high - low < 65535 else np.int32
    codes = np.subtract(values, low, dtype=np.int64).astype(dtype)
    numbers = np.arange(low, high + 1)
    labels = int(np.count_nonzero(np.bincount(codes, minlength=1)))
    column = _column(name, "number", codes, numbers, numbers.astype(np.float64))
    return replace(column, labels=labels)


def _sorted_codes(column: pd.Series[Any]) -> tuple[NDArray[Any], Any]:
    codes, labels = pd.factorize(column, sort=True, use_na_sentinel=True)
    values: Any = labels
    if pd.api.types.is_extension_array_dtype(column.dtype) and not hasattr(values, "asi8"):
        kind = "i8" if pd.api.types.is_integer_dtype(column.dtype) else "f8"
        values = np.asarray(values).astype(kind)
    return codes, values


def _encode_categorical(column: pd.Series[Any]) -> Column:
    present = column.cat.remove_unused_categories()
    labels = present.cat.categories.astype(object).to_numpy()
    kind: _Kind = "ordered" if present.cat.ordered else "category"
    codes = present.cat.codes.to_numpy()
    scale = np.arange(len(labels), dtype=np.float64)
    return _column(str(column.name), kind, codes, labels, scale)


def _encode_tree(column: pd.Series[Any], hierarchy: pd.DataFrame) -> Column:
    """Encode labels so that everything below one node of the hierarchy stands together."""
    name = str(column.name)
    hierarchy = hierarchy.set_axis(label_text(hierarchy.index.to_series()), axis=0)
    codes, uniques = pd.factorize(label_text(column), sort=True, use_na_sentinel=True)
    labels: NDArray[Any] = np.asarray(uniques, dtype=object)
    if not hierarchy.index.is_unique:
        raise InputError(f"the hierarchy of {name} lists a label twice; give each one row")
    if not pd.Index(labels).isin(hierarchy.index).all():
        raise InputError(
            f"column {name} has labels that its hierarchy does not know; add a row for each"
        )
    levels = hierarchy.loc[labels].astype(str).to_numpy().T if len(labels) else np.empty((0, 0))
    _check_tree(name, levels)
    order = np.lexsort((labels.astype(str), *levels))
    rank = np.empty(len(labels) + 1, dtype=np.int64)
    rank[order], rank[-1] = np.arange(len(labels)), -1
    nodes = np.vstack([labels, *levels]).astype(object)[:, order]
    place = np.arange(len(labels), dtype=np.float64)
    plain = _column(name, "category", rank[codes], labels[order], place)
    first, last = _blocks(nodes)
    return replace(plain, first=first, last=last, nodes=nodes)


def label_text(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return labels as text, numbers such as postcodes without a decimal point."""
    types = pd.api.types
    if types.is_float_dtype(column.dtype) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    return column.astype(object).map(str, na_action="ignore")


def _check_tree(name: str, levels: NDArray[Any]) -> None:
    for fine, coarse in itertools.pairwise(levels):
        pairs = pd.DataFrame({"fine": fine, "coarse": coarse}).drop_duplicates()
        if pairs["fine"].duplicated().any():
            raise InputError(
                f"the hierarchy of {name} puts one node below two others; make it a tree"
            )


def _blocks(nodes: NDArray[np.object_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return for each level and code the first and last code below the same node."""
    count = nodes.shape[1]
    first = np.full((len(nodes), count + 1), count, dtype=np.int32)
    last = first.copy()
    for level, row in enumerate(nodes):
        starts = np.flatnonzero(np.r_[True, row[1:] != row[:-1]]) if count else np.empty(0, int)
        sizes = np.diff(np.r_[starts, count])
        first[level, :count] = np.repeat(starts, sizes)
        last[level, :count] = np.repeat(starts + sizes - 1, sizes)
    return first, last


def _column(
    name: str, kind: _Kind, codes: NDArray[Any], values: Any, scale: NDArray[np.float64]
) -> Column:
    count = len(scale)
    missing = bool(len(codes)) and int(codes.min()) < 0
    dtype = np.uint8 if count < 255 else np.uint16 if count < 65535 else np.int32
    codes = np.where(codes < 0, count, codes).astype(dtype) if missing else codes.astype(dtype)
    width = float(scale[-1] - scale[0]) if count else 0.0
    place = np.full(count + 1, 2.0)
    place[:count] = (scale - scale[0]) / width if width > 0 else 0.0
    return Column(name, kind, codes, values, place, count, missing)
