"""A Parquet table that no process holds: cut coarsely, released leaf by leaf, counted again.

A sample is cut by Mondrian. Its cuts send every row to a leaf on disk; each leaf is released by
itself, with the widths and the distribution of the whole table. A leaf that cannot keep what is
asked for joins its sibling. What was written is read again, and its classes are counted anew.

Of all rows, 32 bytes each are set aside: the place in the output, and whose row it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from medlab.arrays import Array
from medlab.crypto import load_key
from medlab.crypto.keys import named_key_file
from medlab.errors import InputError, RefusedError, UsageError, not_installed
from medlab.pipeline.pool import EachDone, each_done
from medlab.tabular.column_roles import DIRECT_IDENTIFIERS, encode
from medlab.tabular.criteria import Options
from medlab.tabular.metrics import measures
from medlab.tabular.mondrian import mondrian
from medlab.tabular.released_cells import range_text
from medlab.tabular.table_files import (
    Kind,
    TableFile,
    TableRoles,
    guard_cells,
    guard_note,
    in_keyed_order,
    named_columns,
    written_tables,
)

# What was measured at 1e6 and 3e6 rows of five quasi-identifiers: bytes of a process, of every row
# of the table, and of a row while it is released, for each quasi-identifier.
_FIXED_BYTES, _KEPT_BYTES, _ROW_BYTES = 64 * 2**20, 32, 250
_FEWEST = 10_000  # rows of a leaf: in smaller ones the sample cuts worse than the table would
_BATCH = 1 << 16  # rows read at a time
_SPARE = 4  # a leaf of the sample holds so many times its share of k: samples deviate
_ROW, _PERSON, _TEXT = "\0row", "\0person", "\0text of "  # columns beside those of the table


class _Source(NamedTuple):
    """Parquet files of one schema, their rows, and the types of columns as pandas reads all."""

    paths: tuple[Path, ...]
    rows: int
    types: Mapping[str, Any]

    def batches(self, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
        """Give the rows in order, some at a time, numbered by the index."""
        import pyarrow.parquet as pq

        first = 0
        for path in self.paths:
            for batch in pq.ParquetFile(path, buffer_size=1 << 20).iter_batches(
                _BATCH, columns=list(columns), use_threads=False
            ):
                frame = batch.to_pandas().astype({name: self.types[name] for name in columns})
                frame.index = pd.RangeIndex(first, first + len(frame))
                first += len(frame)
                yield frame


@dataclass(frozen=True)
class _Work:
    """What is done to each leaf: the roles of columns, what is asked, the whole's values.

    `values` are the distinct labels of a quasi-identifier, or its smallest and largest number.
    """

    quasi: list[str]
    sensitive: list[str]
    criteria: tuple[int, float, float | None]
    options: Options
    types: Mapping[str, Any]
    values: Mapping[str, pd.Series[Any]]

    @property
    def columns(self) -> list[str]:
        """The columns that are released, in the order of the table."""
        released = {*self.quasi, *self.sensitive, *self.options.keep}
        return [name for name in self.types if name in released]

    def weights(self, part: pd.DataFrame) -> dict[str, float]:
        """Return for each quasi-identifier which share of the whole's width a part has."""
        shares = {}
        for name in self.quasi:
            width, whole = _width(part[name]), _width(self.values[name])
            shares[name] = max(width / whole, 1e-9) if whole else 1.0
        return shares


class _Leaf(NamedTuple):
    """A released leaf: its file, the quasi-identifiers that it leaves exact, what was asked."""

    path: Path
    exact: frozenset[str]
    asked: Mapping[str, Any]


def anonymize_large(
    source: Path,
    target: Path,
    quasi: Sequence[str],
    sensitive: Sequence[str] = (),
    *,
    k: int = 5,
    l: float = 1,
    t: float | None = None,
    subject: str | None = None,
    hierarchies: Mapping[str, pd.DataFrame] | None = None,
    keep: Sequence[str] = (),
    key_file: Path | None = None,
    keep_order: bool = False,
    spreadsheet: bool = False,
    overwrite: bool = False,
    memory: int = 300 * 2**20,
    each: EachDone = each_done,
    **more: Any,
) -> dict[str, Any]:
    """Release a Parquet file, or all of a folder, by Mondrian, and return the report.

    Parameters
    ----------
    source, target : Path
        Two files, or two folders; the output appears when all is done.
    quasi, sensitive, k, l, t, subject, hierarchies, keep, key_file, keep_order
        See `medlab.pipeline.tables.anonymize_file`.
    spreadsheet, overwrite
        As there.
    memory : int
        Bytes that a process may take beyond its imports.
    each : callable
        Who works on the leaves, such as a cluster (`medlab.pipeline.pool.cluster`).
    **more
        Other `Options` of the release.

    Returns
    -------
    dict
        As `medlab.pipeline.tables.anonymize_file`.

    Raises
    ------
    UsageError
        If `memory` is too little for the rows of the table.
    RefusedError
        If the output exists, or what was written does not keep what was asked for.
    InputError
        If parts have different columns, or no split keeps what is asked for.
    """
    key = load_key(key_file) if named_key_file(key_file) else None
    table = _open(source)
    _check_places(source, target, overwrite)
    most = _rows_of_a_leaf(table.rows, len(quasi), k, memory)
    roles, values, counts, sample = _look(table, (quasi, sensitive, subject, hierarchies), most)
    options = Options(
        hierarchies=roles.hierarchies or None,
        subject=_PERSON if roles.subject else None,
        keep=named_columns(keep, table.types),
        counts=counts,
        **more,
    )
    work = _Work(roles.quasi, roles.sensitive, (k, l, t), options, table.types, values)
    with TemporaryDirectory(prefix=".medlab-", dir=target.absolute().parent) as place_of_work:
        folder = Path(place_of_work)
        cuts = _coarse_cuts(sample, work, table.rows, most)
        leaves = _release(_route(table, work, roles.subject, cuts, folder), cuts, work, each)
        exact = frozenset.intersection(*(leaf.exact for leaf in leaves))
        place: Array = np.arange(table.rows)
        if not keep_order:  # drawn, or by a key and what is released
            place = np.argsort(in_keyed_order(table.rows, key, _released(leaves, work, exact)))
        parts, persons, formulas = _write(leaves, work, exact, place, folder, most, spreadsheet)
        judged = _judge(parts, persons, work, folder, most)
        _appear(parts, target, folder, whole=not source.is_dir())
    said = _said_of(roles, work, leaves[0])
    said["order"] = "kept" if keep_order else "shuffled"
    said["columns"] = roles.kinds([*roles.quasi, *roles.sensitive, *options.keep])
    said["notes"] = [*roles.notes, *guard_note(formulas, spreadsheet=spreadsheet)]
    return judged | said


def _rows_of_a_leaf(rows: int, quasi: int, k: int, memory: int) -> int:
    """Return how many rows a process may hold, or say how much memory the table needs."""
    fixed, each = _FIXED_BYTES + _KEPT_BYTES * rows, _ROW_BYTES * max(quasi, 1)
    fewest = max(4 * k, _FEWEST)
    needed = fixed + each * min(fewest, rows)
    if memory < needed:
        raise UsageError(
            f"a table of {rows} rows needs --memory {-(-needed // 2**20)}MiB or more: "
            f"{_KEPT_BYTES} bytes a row are set aside for their order"
        )
    return max((memory - fixed) // each, fewest)


def _said_of(roles: TableRoles, work: _Work, leaf: _Leaf) -> dict[str, Any]:
    """Return what the report says of what was asked for, and of what was left out."""
    return {
        "quasi": roles.quasi,
        "sensitive": roles.sensitive,
        "asked": dict(leaf.asked),
        "facts": {},
        "method": "mondrian",
        "left_out": [name for name in work.types if name not in work.columns],
    }


def _open(source: Path) -> _Source:
    """Look at the schema of a file, or of all files of a folder."""
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise not_installed("pyarrow, which reads Parquet,", "scale") from None
    paths = tuple(sorted(source.glob("*.parquet"))) if source.is_dir() else (source,)
    if not paths or not paths[0].is_file():
        raise UsageError("there is no Parquet file; give a file, or a folder of *.parquet")
    try:
        files = [pq.ParquetFile(path) for path in paths]
    except (OSError, ValueError):
        raise InputError("a file is no Parquet table, or cannot be read") from None
    schema = files[0].schema_arrow
    for number, file in enumerate(files, start=1):
        if not file.schema_arrow.equals(schema):
            raise InputError(f"part {number} has other columns or types than part 1")
    types = {str(name): kind for name, kind in schema.empty_table().to_pandas().dtypes.items()}
    for name, kind in types.items():  # missing cells change a type, as pandas reads the whole
        plain = isinstance(kind, np.dtype) and kind.kind in "iub"
        column = schema.get_field_index(name)
        missing = (
            file.metadata.row_group(i).column(column).statistics
            for file in files
            for i in range(file.num_row_groups)
        )
        # a file that says nothing of missing cells may have some
        if plain and any(counts is None or counts.null_count != 0 for counts in missing):
            types[name] = np.dtype(object if kind.kind == "b" else float)
    rows = sum(file.metadata.num_rows for file in files)
    if not rows:
        raise InputError("the table has no rows; give at least k of them")
    return _Source(paths, rows, types)


def _check_places(source: Path, target: Path, overwrite: bool) -> None:
    old, new = source.resolve(), target.resolve()
    if old == new or old in new.parents or new in old.parents:
        raise RefusedError("nothing is written over or into an original; choose another OUT")
    if target.exists() and (not overwrite or target.is_dir() != source.is_dir()):
        raise RefusedError("the output exists; choose another name or add --overwrite")
    if not target.absolute().parent.is_dir():
        raise UsageError("the folder of the output does not exist; make it first")


def _look(
    table: _Source, wishes: tuple[Any, Any, Any, Any], most: int
) -> tuple[TableRoles, dict[str, pd.Series[Any]], dict[str, pd.Series[Any]], pd.DataFrame]:
    """Read the table once; return roles, values of columns, counts of sensitive ones, a sample."""
    rng, share = np.random.default_rng(), min(1.0, most / 2 / max(table.rows, 1))
    quasi, sensitive = (named_columns(names, table.types) for names in wishes[:2])
    roles = [name for name in dict.fromkeys([*quasi, *sensitive]) if name in table.types]
    missing = dict.fromkeys(table.types, 0)
    values = {name: pd.Series(dtype=table.types[name], name=name) for name in roles}
    sample = []
    for frame in table.batches(list(table.types)):
        for name in missing:
            missing[name] += int(frame[name].isna().sum())
        for name in roles:
            values[name] = _distinct(pd.concat([values[name], frame[name]]))
        sample.append(frame[rng.random(len(frame)) < share])
    some = pd.concat(sample, ignore_index=True)
    kinds = {name: Kind(str(kind), missing[name]) for name, kind in table.types.items()}
    whose = [name for name in table.types if name in DIRECT_IDENTIFIERS]
    identifiers = pd.DataFrame({name: _repeats(table, name, missing[name]) for name in whose})
    table_roles = TableRoles.named(TableFile(some, some, kinds), *wishes, identifiers=identifiers)
    counts = {name: _count(table, name, table_roles.subject) for name in table_roles.sensitive}
    return table_roles, values, counts, some


def _repeats(table: _Source, name: str, missing: int) -> list[Any]:
    """Return two cells that are equal where any two of a column are, and missing as in it."""
    hashes = np.empty(table.rows, dtype=np.uint64)
    count = 0
    for frame in table.batches([name]):
        some = _hash(frame[name].dropna())
        hashes[count : count + len(some)] = some
        count += len(some)
    hashes = hashes[:count]
    hashes.sort()
    return [1, 1] if (hashes[1:] == hashes[:-1]).any() else [1, None if missing else 2]


def _count(table: _Source, name: str, subject: str | None) -> pd.Series[Any]:
    """Count each value of a column in the whole table; a person counts once for a value."""
    total, pairs = pd.Series(dtype=np.int64), []
    for frame in table.batches([name, *([subject] if subject else [])]):
        if subject:
            pair = pd.DataFrame({"value": frame[name], "person": _hash(frame[subject])})
            pairs.append(pair.dropna().drop_duplicates())
        else:
            total = total.add(frame[name].value_counts(), fill_value=0)
    if subject:
        total = pd.concat(pairs).drop_duplicates()["value"].value_counts()
    return total[total > 0].sort_index()


def _hash(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return 64 bits for each cell; all missing ones are one person."""
    cells = column.astype(object).where(column.notna(), "").astype(str)
    return pd.Series(pd.util.hash_array(cells.to_numpy(object)), column.index)


def _distinct(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return the smallest and largest number or date of a column, or its distinct labels."""
    if _is_ordered(column):
        return pd.Series([column.min(), column.max()], dtype=column.dtype, name=column.name)
    return column.drop_duplicates()


def _is_ordered(column: pd.Series[Any]) -> bool:
    types = pd.api.types
    plain = types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype)
    return plain or types.is_datetime64_any_dtype(column.dtype)


def _width(column: pd.Series[Any]) -> float:
    if not _is_ordered(column):
        return column.nunique() - 1.0
    width = (column.max() - column.min()) if column.notna().any() else 0.0
    return float(width.total_seconds() if isinstance(width, pd.Timedelta) else width)


def _coarse_cuts(sample: pd.DataFrame, work: _Work, rows: int, most: int) -> pd.DataFrame:
    """Cut a sample into leaves of half to all of the rows that a process may hold."""
    k = work.criteria[0]
    share = len(sample) / max(rows, 1)
    smallest = int(np.ceil(max(most * share / 2, _SPARE * k * share, k)))
    if rows <= most or len(sample) < 2 * smallest:
        return pd.DataFrame(columns=["node", "column", "value", "left", "right"])
    sample = sample[sample[work.quasi].notna().any(axis=1)]
    return mondrian(sample, work.quasi, k=smallest, hierarchies=work.options.hierarchies).cuts


def _route(
    table: _Source, work: _Work, subject: str | None, cuts: pd.DataFrame, folder: Path
) -> dict[int, tuple[Path, ...]]:
    """Send every row to a file of its leaf; return the files by the number of the leaf."""
    columns = [*work.columns, *([subject] if subject and subject not in work.columns else [])]
    ranks = _ranks(work, cuts)
    ends = zip(cuts["column"], cuts["value"], strict=True)
    cuts = cuts.assign(place=[ranks[name](pd.Series([end])).iloc[0] for name, end in ends])
    with _Files(folder / "leaf") as files:
        for frame in table.batches(columns):
            rows = frame[work.columns].assign(**{_ROW: frame.index})
            if subject:
                rows[_PERSON] = _hash(frame[subject])
            places = {name: rank(frame[name]) for name, rank in ranks.items()}
            for node, some in _leaves(places, cuts, len(frame)):
                files.add(node, rows.iloc[some])
    return {node: (path,) for node, path in files.paths.items()}


def _ranks(work: _Work, cuts: pd.DataFrame) -> dict[str, Any]:
    """Return for each column that is cut what gives a cell, or a cut's value, its place."""
    ranks: dict[str, Any] = {}
    for name in cuts["column"].unique():
        if _is_ordered(work.values[name]):
            ranks[name] = lambda cells: cells
            continue
        labels = work.values[name].dropna()
        column = encode(labels.to_frame(), name, (work.options.hierarchies or {}).get(name))
        places = dict(zip(column.values, range(len(column.values)), strict=True))
        places |= dict(zip(labels, column.codes, strict=True))
        ranks[name] = lambda cells, places=places: cells.astype(object).map(places).astype(float)
    return ranks


def _leaves(
    places: Mapping[str, pd.Series[Any]], cuts: pd.DataFrame, rows: int
) -> Iterator[tuple[int, Array]]:
    """Give each leaf that some rows fall into, and these; a missing cell goes right."""
    cut_at = cuts.set_index("node").to_dict("index")
    waiting = [(0, np.arange(rows))]
    while waiting:
        node, some = waiting.pop()
        cut = cut_at.get(node)
        if cut is None:
            if len(some):
                yield node, some
            continue
        lower = (places[cut["column"]].iloc[some] <= cut["place"]).fillna(False).to_numpy(bool)
        waiting += [(cut["left"], some[lower]), (cut["right"], some[~lower])]


class _Files:
    """Parquet files that grow, one a number."""

    def __init__(self, name: Path) -> None:
        self.paths: dict[int, Path] = {}
        self._name = name
        self._writers: dict[int, Any] = {}

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._writers.values():
            writer.close()

    def add(self, number: int, rows: pd.DataFrame) -> None:
        """Write rows at the end of a file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if number not in self._writers:
            schema = pa.Schema.from_pandas(rows, preserve_index=False)
            kinds = [f.with_type(pa.string()) if pa.types.is_null(f.type) else f for f in schema]
            schema = pa.schema(kinds, schema.metadata)
            self.paths[number] = self._name.with_name(f"{self._name.name}-{number}")
            self._writers[number] = pq.ParquetWriter(self.paths[number], schema)
        writer = self._writers[number]
        writer.write_table(pa.Table.from_pandas(rows, writer.schema, preserve_index=False))


_task: list[_Work] = []


def _start(work: _Work) -> None:
    _task[:] = [work]


def _release(
    leaves: dict[int, tuple[Path, ...]], cuts: pd.DataFrame, work: _Work, each: EachDone
) -> list[_Leaf]:
    """Release each leaf; one that cannot keep what is asked for joins its sibling."""
    parent = {
        child: node
        for node, left, right in cuts[["node", "left", "right"]].itertuples(index=False)
        for child in (left, right)
    }
    done: dict[int, _Leaf] = {}
    waiting = leaves
    while waiting:
        again = set()
        for (node, _), released in each(_release_leaf, iter(waiting.items()), 1, _start, work):
            if isinstance(released, _Leaf):
                done[node] = released
            elif node == 0:
                raise InputError(released or "a process died on the table; give less --memory")
            else:
                again.add(parent[node])
        above = {node: _above(node, parent) for node in leaves}
        again = {node for node in again if not again & set(_above(node, parent)[1:])}
        waiting = {
            top: tuple(p for node in leaves if top in above[node] for p in leaves[node])
            for top in again
        }
        leaves = {node: paths for node, paths in leaves.items() if not again & set(above[node])}
        leaves |= waiting
        done = {node: leaf for node, leaf in done.items() if node in leaves}
    return list(done.values())


def _above(node: int, parent: Mapping[int, int]) -> list[int]:
    """Return a node and all those above it."""
    nodes = [node]
    while nodes[-1] in parent:
        nodes.append(parent[nodes[-1]])
    return nodes


def _release_leaf(task: tuple[int, tuple[Path, ...]]) -> _Leaf | str:
    """Release the rows of a leaf into a file beside them; or tell why it cannot be done."""
    import pyarrow.parquet as pq

    work, (node, paths) = _task[-1], task
    frame = pd.concat([pq.read_table(path).to_pandas() for path in paths], ignore_index=True)
    frame = frame.astype({name: work.types[name] for name in work.columns})
    columns = [name for name in frame if name != _ROW]
    weights = work.weights(frame)
    try:
        release = mondrian(
            frame[columns],
            work.quasi,
            work.sensitive,
            *work.criteria,
            weights=weights,
            options=work.options,
        )
        released = written_tables(release, TableFile(frame, frame, {}))[""]
    except InputError as error:
        return str(error)
    text = range_text(release.table, work.quasi).add_prefix(_TEXT)
    text = text.where(text != "")
    rows = pd.concat([frame[[name for name in frame if name not in released]], released], axis=1)
    path = paths[0].with_name(f"released-{node}.parquet")
    pd.concat([rows.assign(**frame[work.quasi]), text], axis=1).to_parquet(path, index=False)
    exact = {name for name in work.quasi if release.table[name].equals(frame[name])}
    return _Leaf(path, frozenset(exact), dict(release.asked))


def _released(
    leaves: Iterable[_Leaf], work: _Work, exact: frozenset[str], *, all_columns: bool = False
) -> Iterator[pd.DataFrame]:
    """Give the released rows, leaf by leaf; all columns: with row and person."""
    for leaf in leaves:
        frame = pd.read_parquet(leaf.path).astype({n: work.types[n] for n in work.columns})
        text = {name: frame[_TEXT + name] for name in work.quasi if name not in exact}
        others = [name for name in (_ROW, _PERSON) if all_columns and name in frame]
        yield frame[[*work.columns, *others]].assign(**text)


def _write(
    leaves: list[_Leaf],
    work: _Work,
    exact: frozenset[str],
    place: Array,
    folder: Path,
    most: int,
    spreadsheet: bool,
) -> tuple[list[Path], list[Array | None], int]:
    """Write the parts of the output; return them, whose the rows are, how many formulas."""
    count = -(-len(place) // most)
    size = -(-len(place) // max(count, 1))
    with _Files(folder / "place") as files:
        for frame in _released(leaves, work, exact, all_columns=True):
            frame[_ROW] = place[frame[_ROW]]
            for key, some in frame.groupby((frame[_ROW] // size).to_numpy()):
                files.add(int(str(key)), some)
    parts, persons, formulas = [], [], 0
    for number, path in sorted(files.paths.items()):
        part = pd.read_parquet(path).sort_values(_ROW)
        persons.append(part[_PERSON].to_numpy() if _PERSON in part else None)
        kinds = {name: work.types[name] for name in work.columns if name in exact}
        kinds |= {name: work.types[name] for name in work.columns if name not in work.quasi}
        cells = {"": part[work.columns].astype(kinds)}
        formulas += guard_cells(cells, spreadsheet=spreadsheet)
        parts.append(folder / f"part-{number:05}.parquet")
        cells[""].to_parquet(parts[-1], index=False)
    return parts, persons, formulas


def _judge(
    parts: Sequence[Path],
    persons: Sequence[Array | None],
    work: _Work,
    folder: Path,
    most: int,
) -> dict[str, Any]:
    """Count the classes of what was written, by code that did not cut.

    Rows with equal cells meet in one file, by a hash of their cells; each file is measured.
    """
    buckets = 2 * len(parts)
    with _Files(folder / "judge") as files:
        for path, people in zip(parts, persons, strict=True):
            frame = pd.read_parquet(path)
            frame = frame if people is None else frame.assign(**{_PERSON: people})
            cells = pd.util.hash_pandas_object(frame[work.quasi].astype(str), index=False)
            for number, some in frame.groupby((cells % buckets).to_numpy()):
                files.add(int(str(number)), some)
    longest = max(len(column) for column in work.values.values())
    scales = pd.DataFrame(
        {
            name: work.values[name].iloc[np.arange(longest) % len(work.values[name])].array
            for name in work.quasi
        }
    )
    k, l, _ = work.criteria
    measured = [
        measures(
            pd.read_parquet(path),
            work.quasi,
            work.sensitive,
            original=scales,
            k=k,
            options=work.options,
        )
        for path in files.paths.values()
    ]
    judged = _joined(measured, k)
    if judged["k"] < k or (work.sensitive and judged["l"] < np.floor(l)):
        raise RefusedError("what was written does not keep what was asked for; nothing is left")
    return judged


def _joined(measured: Sequence[Mapping[str, Any]], k: int) -> dict[str, Any]:
    """Return the measures of a table from those of its parts, no class of which is in two."""
    table = pd.DataFrame(measured)
    rows = table["rows"] / table["rows"].sum()
    joined = dict(measured[0])
    for name in ("rows", "suppressed", "classes", "discernibility"):
        joined[name] = int(table[name].sum())
    for name in ("uniqueness", "prosecutor_mean", "gcp"):
        joined[name] = float((table[name] * rows).sum())
    for name, worst in (("k", min), ("l", min), ("t", max), ("alpha", max)):
        joined[name] = None if joined[name] is None else worst(leaf[name] for leaf in measured)
    joined["prosecutor_max"] = float(table["prosecutor_max"].max())
    joined["c_avg"] = joined["rows"] / joined["classes"] / k
    return joined


def _appear(parts: Sequence[Path], target: Path, folder: Path, *, whole: bool) -> None:
    """Let the parts appear under the name of the output, as one file or as a folder."""
    import pyarrow.parquet as pq

    made = folder / "made"
    if whole:
        schema = pq.read_schema(parts[0])
        with pq.ParquetWriter(made, schema) as writer:
            for path in parts:
                writer.write_table(pq.read_table(path, schema=schema))
        made.replace(target)
        return
    made.mkdir()
    for path in parts:
        path.rename(made / path.name)
    if target.exists():
        target.rename(folder / "earlier")
    made.rename(target)
