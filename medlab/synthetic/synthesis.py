"""A table of nobody: what its columns may hold, and rows drawn from a model of them.

The domain is known without a look at the table. Categories are compared as text. Numbers and
days fall into bins that are closed on the right, the first on both sides. Each cell is read by
itself, so that one patient never changes how the cells of another are read.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml

from medlab.arrays import Array, Ints
from medlab.dp.noise import rho_of
from medlab.dp.queries import LARGEST_DELTA, exact
from medlab.errors import InputError, UsageError
from medlab.synthetic import table_models
from medlab.tabular.column_roles import DIRECT_IDENTIFIERS, check_columns
from medlab.tabular.table_files import cell_number

_DRAFTED = (
    "# Read off the data: replace every line by public knowledge, or a guarantee that is built "
    "on it is void.\n"
)
_MOST_BINS = 100_000  # a count for each is noise in nearly all of them
_DRAFT_BINS = 15
_FREE_TEXT = 50  # labels; a column with more, and with one for two rows, is text about persons
_FEW_ROWS = 10  # where each row has a label of its own, and there are more, they name persons
_LARGEST_WHOLE = 2.0**53  # beyond it whole numbers are not told apart
_EPOCH = date(1970, 1, 1).toordinal()


class Axis(NamedTuple):
    """What one column may hold.

    Attributes
    ----------
    name : str
    labels : tuple of str
        Categories; "" names missing cells. Empty where the column holds numbers.
    edges : tuple of float
        Ends of the bins of a number, in days since 1970 of a day.
    whole : bool
        Whether a number is drawn whole: its bounds and cuts are written without a point, and
        each bin holds a whole number.
    days : bool
        Whether the column holds days.
    """

    name: str
    labels: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()
    whole: bool = False
    days: bool = False

    @property
    def size(self) -> int:
        """Number of categories or bins."""
        return len(self.labels) or len(self.edges) - 1

    def encode(self, column: pd.Series[Any]) -> Ints:
        """Return the place of each cell in the domain, -1 where it has none.

        Numbers outside the bounds are clamped.
        """
        place, cells = pd.factorize(column)
        if self.labels:
            texts = pd.Index([*map(_text, cells), ""], dtype=object)
            codes = pd.Index(self.labels, dtype=object).get_indexer(texts)
        else:
            numbers = np.array([*map(self._number, cells), np.nan])
            codes = np.searchsorted(
                self.edges[1:], np.clip(numbers, self.edges[0], self.edges[-1])
            )
            codes = np.where(np.isnan(numbers), -1, codes)
        return np.asarray(codes)[place]

    def decode(self, codes: Ints, rng: np.random.Generator) -> Array:
        """Return categories, or numbers drawn evenly within their bins, shape of `codes`."""
        if self.labels:
            return np.array(self.labels, dtype=object)[codes]
        edges = np.array(self.edges)
        low, high = edges[codes], edges[codes + 1]
        if not self.whole:
            return np.asarray(high - (high - low) * rng.random(len(codes)))
        first, last = self._whole_ends()
        drawn = rng.integers(first[codes], last[codes] + 1)
        return drawn.astype("datetime64[D]").astype("datetime64[s]") if self.days else drawn

    def _number(self, cell: Any) -> float:
        text = str(cell)
        if not self.days:
            return cell_number(text)
        form = "%Y%m%d" if text.isdigit() else "ISO8601"
        day = pd.to_datetime(text, errors="coerce", format=form)
        return float("nan") if pd.isna(day) else float(day.toordinal() - _EPOCH)

    def _whole_ends(self) -> tuple[Ints, Ints]:
        """Return the smallest and largest whole number of each bin."""
        down = np.floor(self.edges).astype(np.int64)
        first = down[:-1] + 1
        first[0] = down[0]
        return first, down[1:]


def _text(cell: Any) -> str:
    """Return a cell as a category: 1.0 is 1, and the full stop of SAS and Stata is missing."""
    text = str(cell).removesuffix(".0") if isinstance(cell, float) else str(cell)
    return "" if text == "." else text


def parse_domain(text: str) -> list[Axis]:
    """Return the domain that a text describes: YAML with one entry a column.

    ``Sex: [F, M]``, ``Age: {bounds: [18, 90], bins: 15}`` or
    ``Age: {bounds: [0, 120], cuts: [20, 25, 30]}``. Bounds and cuts may be days, 2024-03-01.

    Raises
    ------
    InputError
        Anything else, with the name of the column.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        raise InputError("the domain is no YAML; write one entry a column") from None
    if not isinstance(root, yaml.MappingNode) or not root.value:
        raise InputError("the domain has no columns; write one entry a column")
    return _check_domain([_axis(_scalar(key, "the domain"), node) for key, node in root.value])


def _check_domain(domain: Sequence[Axis]) -> list[Axis]:
    """Return the domain, or refuse a column named twice and one that names persons."""
    names = [axis.name for axis in domain]
    if len(set(names)) < len(names):
        raise InputError("the domain names a column twice; leave one entry of each")
    direct = sorted(DIRECT_IDENTIFIERS.intersection(names))
    if direct:
        raise InputError(
            f"{', '.join(direct)} identifies people directly and is never released; take it out "
            "of the domain"
        )
    return list(domain)


def _axis(name: str, node: yaml.Node) -> Axis:
    if isinstance(node, yaml.SequenceNode):
        labels = tuple(_scalar(label, name) for label in node.value)
        if not labels or len(set(labels)) < len(labels):
            raise InputError(f"the categories of {name} are none, or one stands twice")
        return Axis(name, labels=labels)
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    parts = {_scalar(key, name): part for key, part in pairs}
    if set(parts) not in ({"bounds", "bins"}, {"bounds", "cuts"}):
        raise InputError(
            f"{name} needs a list of categories, or bounds with bins or cuts, such as "
            "{bounds: [0, 100], bins: 10}"
        )
    bounds, cuts = (_numbers(parts.get(key), name) for key in ("bounds", "cuts"))
    forms = {form for _, form in bounds + cuts}
    if len(bounds) != 2 or ("day" in forms and len(forms) > 1):
        raise InputError(f"the bounds of {name} are two numbers or days, and cuts are alike")
    count = _scalar(parts["bins"], name) if "bins" in parts else "1"
    if not (count.isdecimal() and len(count) <= 6 and 0 < int(count) <= _MOST_BINS):
        raise InputError(f"the bins of {name} are a whole number from 1 to {_MOST_BINS}")
    (low, _), (high, _) = bounds
    step = (high - low) / int(count)
    inner = [value for value, _ in cuts] or [low + step * i for i in range(1, int(count))]
    ascending = all(a < b for a, b in itertools.pairwise([*inner, high]))
    if not low < high or not ascending or (inner and inner[0] < low):
        raise InputError(f"the bounds and cuts of {name} do not ascend within the bounds")
    edges = tuple(map(float, [low, *inner, high]))
    axis = Axis(name, edges=edges, whole=True, days="day" in forms)
    fits = max(map(abs, edges)) < _LARGEST_WHOLE and "number" not in forms
    # Bins narrower than a whole number hold decimals, whatever their bounds.
    whole = fits and bool((np.subtract(*axis._whole_ends()) <= 0).all())
    if axis.days and not whole:
        raise InputError(f"{name} has more bins than days; give it fewer")
    return axis._replace(whole=whole)


def _scalar(node: yaml.Node, name: str) -> str:
    """Return the text of a scalar as it stands: 010 and 250.10 stay so."""
    if not isinstance(node, yaml.ScalarNode) or node.tag.endswith((":bool", ":null")):
        raise InputError(
            f"an entry of {name} is a list, nothing, or what YAML reads as true or false; quote it"
        )
    return str(node.value)


def _numbers(node: yaml.Node | None, name: str) -> list[tuple[Fraction, str]]:
    """Return numbers, or days since 1970, and how each is written: whole, number or day."""
    numbers = []
    for item in node.value if isinstance(node, yaml.SequenceNode) else ():
        text = _scalar(item, name)
        form = "whole" if text.lstrip("+-").isdecimal() else "number"
        try:
            value = Fraction(repr(float(text)))
        except ValueError:
            try:
                value, form = Fraction(date.fromisoformat(text).toordinal() - _EPOCH), "day"
            except ValueError:
                raise InputError(f"a bound or cut of {name} is no finite number") from None
        numbers.append((value, form))
    return numbers


def draft_domain(table: pd.DataFrame, left_out: Sequence[str] = ()) -> str:
    """Return a domain read off a table, as YAML: a form to fill in with public knowledge.

    Direct identifiers, free text and columns without any value are left out.

    Parameters
    ----------
    table : DataFrame
    left_out : column names
        Others to leave out, such as whose row it is.
    """
    entries = {
        str(name): entry
        for name in table
        if name not in DIRECT_IDENTIFIERS.union(left_out) and (entry := _entry(table[name]))
    }
    if not entries:
        raise InputError("the table has no column for a domain; identifiers and text make none")
    body = yaml.safe_dump(
        entries, sort_keys=False, default_flow_style=None, allow_unicode=True, width=99
    )
    return _DRAFTED + body


def _entry(column: pd.Series[Any]) -> Any:
    """Return what a domain says of one column, as it was found; None for free text."""
    values, types = column.dropna(), pd.api.types
    if types.is_datetime64_any_dtype(column.dtype) and values.nunique() > 1:
        low, high = values.min().date(), values.max().date()
        bins = min(_DRAFT_BINS, (high - low).days + 1)
        return {"bounds": [low.isoformat(), high.isoformat()], "bins": bins} if low < high else []
    numeric = types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype)
    if numeric and len(values):
        if not np.isfinite(values.astype(float)).all():
            raise InputError(f"column {column.name} has infinite numbers; give it bounds")
        low, high = values.min().item(), values.max().item()
        whole = values.mod(1).eq(0).all()
        if whole:
            low, high = int(low), int(high)
        if low == high:  # all alike: a bin of one number, and an empty one
            return {"bounds": [low, low + 1], "cuts": [low]}
        if whole:
            return {"bounds": [low, high], "bins": min(_DRAFT_BINS, high - low + 1)}
        return {"bounds": [low, high], "bins": _DRAFT_BINS}
    labels = sorted(set(map(_text, values)))
    unique = _FEW_ROWS < len(labels) == len(values)
    if not labels or unique or len(labels) > max(_FREE_TEXT, len(values) // 2):
        return None
    return labels + [""] * bool(column.isna().any() and "" not in labels)


def _encode(table: pd.DataFrame, domain: Sequence[Axis]) -> Ints:
    """Return the codes of the rows that lie in the domain, shape (rows, columns)."""
    codes = np.stack([axis.encode(table[axis.name]) for axis in domain], axis=1)
    return codes[(codes >= 0).all(axis=1)]


def distances(
    first: pd.DataFrame, second: pd.DataFrame, domain: Sequence[Axis]
) -> tuple[float, float]:
    """Return how far two tables are apart, in single columns and in pairs of columns.

    Returns
    -------
    tuple of float
        Mean total variation (half of the sum of differences of shares) over all columns, and over
        all pairs of columns; NaN where there is no pair.
    """
    sizes = [axis.size for axis in domain]
    codes = [_encode(table, domain) for table in (first, second)]
    columns = [_variation([c[:, j] for c in codes], size) for j, size in enumerate(sizes)]
    pairs = [
        _variation([c[:, i] * sizes[j] + c[:, j] for c in codes], sizes[i] * sizes[j])
        for i, j in itertools.combinations(range(len(sizes)), 2)
    ]
    return float(np.mean(columns)), float(np.mean(pairs)) if pairs else float("nan")


def _variation(tables: Sequence[Ints], size: int) -> float:
    shares = [np.bincount(codes, minlength=size) / max(len(codes), 1) for codes in tables]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


_METHODS = ("tree", "copula", "independent")
_USUAL_DELTA = 1e-9


class Synthesis(NamedTuple):
    """A synthetic table and what is guaranteed of it.

    Attributes
    ----------
    table : DataFrame
        The columns of the domain, in its order.
    epsilon, delta : float or None
        None without guarantee.
    rho : float or None
        Zero-concentrated loss, which holds epsilon and delta; None for pure epsilon.
    left_out : int or None
        Rows with a missing cell or a category outside its list; with a guarantee nobody counts.
    """

    table: pd.DataFrame
    epsilon: float | None
    delta: float | None
    rho: float | None
    left_out: int | None


def synthesize(
    table: pd.DataFrame,
    domain: Sequence[Axis],
    method: str = "tree",
    *,
    epsilon: float | None = None,
    delta: float | None = None,
    rows: int | None = None,
    subject: str | None = None,
    rng: np.random.Generator | None = None,
) -> Synthesis:
    """Return a table drawn from a model of a table.

    Parameters
    ----------
    table : DataFrame
        Of each patient one row is kept, by chance.
    domain : sequence of Axis
        With epsilon it must be public knowledge, not read off the table.
    method : {"tree", "copula", "independent"}
        See `medlab.synthetic.table_models`; "independent" keeps the counts
        of each column only.
    epsilon : float, optional
        Two tables that differ in one patient have about the same chance to give this one: the
        odds differ by exp(epsilon) at most. By default there is no guarantee.
    delta : float, optional
        The chance with which that may fail; 1e-9 for a tree, 0 for independent columns.
    rows : int, optional
        By default as many as the table has; with epsilon, as many as the noisy counts say.
    subject : str, optional
        Column that tells whose row it is. Without it each row is taken for a patient.
    rng : Generator, optional
        Without epsilon only: noise that can be drawn again can be taken off again.

    Raises
    ------
    UsageError
        What makes no sense together, such as a copula with epsilon.
    InputError, MissingError
        Bounds and budgets out of range; an empty table; a column that it does not have.
    UnavailableError
        With epsilon, without the extra dp.
    """
    epsilon, delta, rho = _promise(method, epsilon, delta)
    if epsilon is not None and rng is not None:
        raise UsageError("with epsilon nothing is drawn from a seed; leave the seed out")
    names = [axis.name for axis in _check_domain(domain)]
    check_columns(table, names, subject=subject)
    rng = rng or np.random.default_rng()
    shuffled = table.iloc[rng.permutation(len(table))]
    kept = shuffled if subject is None else shuffled.drop_duplicates(subject)
    codes, sizes = _encode(kept, domain), [axis.size for axis in domain]
    if epsilon is None:
        if not len(codes):
            raise InputError("no row lies in the domain; compare its categories with the table")
        rows = len(table) if rows is None else rows
    if method == "tree":
        drawn = table_models.tree(codes, sizes, rows, rng, rho=rho)
    elif method == "copula":
        labeled = [bool(axis.labels) for axis in domain]
        drawn = table_models.copula(codes, sizes, labeled, rows or len(table), rng)
    else:
        drawn = table_models.independent(codes, sizes, rows, rng, epsilon=epsilon, rho=rho)
    left_out = len(kept) - len(codes) if epsilon is None else None
    columns = {axis.name: axis.decode(drawn[:, j], rng) for j, axis in enumerate(domain)}
    return Synthesis(pd.DataFrame(columns), epsilon, delta, rho, left_out)


def _promise(
    method: str, epsilon: float | None, delta: float | None
) -> tuple[float, float, float | None] | tuple[None, None, None]:
    """Return epsilon, delta and rho as they hold, or refuse them."""
    if method not in _METHODS:
        raise UsageError(f"no model of that name; choose of {', '.join(_METHODS)}")
    if epsilon is None:
        if delta is not None:
            raise UsageError("delta goes with epsilon; give both or neither")
        return None, None, None
    if method == "copula":
        raise UsageError("a copula has no guarantee; leave epsilon out, or take a tree")
    epsilon = float(exact(epsilon, "epsilon"))
    if delta is None:
        delta = _USUAL_DELTA * (method == "tree")
    delta = float(exact(delta, "delta"))
    if not delta < LARGEST_DELTA or (method == "tree" and not delta):
        raise InputError(
            f"delta must be below {LARGEST_DELTA:g}, and above 0 for a tree; 1e-9 is usual"
        )
    return epsilon, delta, rho_of(epsilon, delta) if delta else None
