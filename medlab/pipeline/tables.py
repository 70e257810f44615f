"""A table file released: read, protected, measured, written in an order of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medlab import federated
from medlab.arrays import Array, Floats
from medlab.crypto import load_key
from medlab.crypto.keys import named_key_file
from medlab.disk import write_whole
from medlab.dp import Ledger
from medlab.errors import InputError, MissingError, RefusedError, UsageError
from medlab.federated import logistic
from medlab.synthetic.synthesis import Axis, Synthesis, draft_domain, parse_domain, synthesize
from medlab.tabular.algorithms import anonymize
from medlab.tabular.metrics import measures
from medlab.tabular.table_files import (
    TableFile,
    TableRoles,
    guard_cells,
    guard_note,
    in_keyed_order,
    named_columns,
    read_file,
    write_table,
    written_tables,
)


def anonymize_file(
    source: Path,
    target: Path,
    quasi: Sequence[str],
    sensitive: Sequence[str] = (),
    *,
    overwrite: bool = False,
    k: int = 5,
    l: float = 1,
    t: float | None = None,
    subject: str | None = None,
    hierarchies: Mapping[str, pd.DataFrame] | None = None,
    method: str = "mondrian",
    keep: Sequence[str] = (),
    key_file: Path | None = None,
    keep_order: bool = False,
    spreadsheet: bool = False,
    **more: Any,
) -> dict[str, Any]:
    """Release a table file and return the report.

    Parameters
    ----------
    source, target : Path
        CSV or Parquet, by their suffix.
    quasi, sensitive, k, l, t, subject, hierarchies, method, keep, **more
        See `medlab.tabular.anonymize`. Without `subject` a direct identifier that repeats, such
        as PatientID, tells whose row it is.
    overwrite : bool
        Replace an existing output.
    key_file : Path, optional
        Key of the order in which the rows are written, so that `medlab evaluate` can put them
        back; else the file named by MEDLAB_KEY_FILE; without either the order is drawn.
    keep_order : bool
        Write the rows in the order of the source, where row i is person i.
    spreadsheet : bool
        Write an apostrophe before cells that a spreadsheet would run.

    Returns
    -------
    dict
        What `measures` found, what was asked, the columns that were left out, ``order``
        (shuffled or kept), ``columns`` (what each was taken for), ``notes`` (sentences).

    Raises
    ------
    RefusedError
        If the output exists, or is the input, or a released row has no value at all.
    """
    _check_target(source, target, two=method == "anatomy", overwrite=overwrite)
    key = load_key(key_file) if named_key_file(key_file) else None
    read = TableRoles.of(source, quasi, sensitive, subject, hierarchies)
    keep = named_columns(keep, read.file.table.columns)
    table = read.file.table
    roles: dict[str, Any] = {"subject": read.subject, "hierarchies": read.hierarchies or None}
    options = {"method": method, "keep": keep or None} | roles | more
    release = anonymize(table, read.quasi, read.sensitive, k, l, t, **options)
    counting = {name: more[name] for name in ("l_kind", "c", "distance") if more.get(name)}
    figures = measures(release, original=table, k=k, **roles, **counting)
    tables = written_tables(release, read.file)
    formulas = guard_cells(tables, spreadsheet=spreadsheet)
    notes = [*read.notes, *guard_note(formulas, spreadsheet=spreadsheet)]
    if not keep_order:
        main = tables[""]
        tables[""] = main.iloc[in_keyed_order(len(main), key, [main])]
    for title, some in tables.items():
        write_table(some, _second(target) if title else target)
    return figures | {
        "quasi": list(release.quasi),
        "sensitive": list(release.sensitive),
        "asked": dict(release.asked),
        "facts": dict(release.facts),
        "method": method,
        "left_out": [name for name in table if name not in release.table],
        "order": "kept" if keep_order else "shuffled",
        "columns": read.kinds([*read.quasi, *read.sensitive, *keep]),
        "notes": notes,
    }


def synthesize_file(
    source: Path,
    target: Path,
    domain: Path | None = None,
    method: str = "tree",
    *,
    epsilon: float | None = None,
    delta: float | None = None,
    rows: int | None = None,
    subject: str | None = None,
    seed: int | None = None,
    ledger: Path | None = None,
    budget: str | None = None,
    key_file: Path | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Draw a table of nobody from a model of a table file, and return the report.

    Parameters
    ----------
    source, target : Path
        CSV or Parquet, by their suffix.
    domain : Path, optional
        See `medlab.synthetic.parse_domain`. Without epsilon it may be read off the data.
    method, epsilon, delta, rows, subject
        See `medlab.synthetic.synthesize`.
    seed : int, optional
        Without epsilon the same seed gives the same bytes.
    ledger, budget, key_file
        See `medlab.dp.Ledger`. The cost is written down before the table is.

    Returns
    -------
    dict
        ``method``, ``rows``, ``epsilon``, ``delta``, ``rho``, ``columns``, ``notes`` (sentences),
        and ``note`` where there is no guarantee.
    """
    _check_target(source, target, two=False, overwrite=overwrite)
    _check_budget(epsilon, domain, seed, ledger, budget or key_file)
    if target.resolve() in {path.resolve() for path in (domain, ledger, key_file) if path}:
        raise RefusedError("the output is another file of this call; choose another name")
    file = read_file(source)
    axes = _read_domain(domain) if domain else parse_domain(_draft(file, subject))
    purse = Ledger(ledger, source, budget, key_file=key_file) if ledger else None
    made = synthesize(
        file.text,
        axes,
        method,
        epsilon=epsilon,
        delta=delta,
        rows=rows,
        subject=subject,
        rng=np.random.default_rng(seed) if epsilon is None else None,
    )
    if purse and made.epsilon is not None and made.delta is not None:
        purse.spend(made.epsilon, made.delta)
    write_table(made.table, target)
    report: dict[str, Any] = {"method": method, "rows": len(made.table), "epsilon": made.epsilon}
    report |= {"delta": made.delta, "rho": made.rho, "columns": list(made.table)}
    report |= {"notes": _notes_of(made, file, by_row=epsilon is not None and not subject)}
    if epsilon is None:
        report["note"] = (
            "no guarantee: the rows follow exact counts, and may tell of those counted"
        )
    return report


def _read_domain(path: Path) -> list[Axis]:
    try:
        return parse_domain(path.read_text("utf-8"))
    except OSError:
        raise UsageError("the domain file does not exist; --draft-domain writes one") from None
    except UnicodeError:
        raise InputError("the domain is no text in UTF-8") from None


def _check_budget(
    epsilon: float | None, domain: object, seed: object, ledger: object, rest: object
) -> None:
    """Refuse what makes no sense with epsilon, or without; `rest` goes with a ledger."""
    if epsilon is not None and (domain is None or seed is not None):
        raise UsageError(
            "with epsilon a public domain is needed (--domain), and no seed: noise that can be "
            "drawn again can be taken off again"
        )
    if (ledger and epsilon is None) or (not ledger and rest):
        raise UsageError("a ledger goes with epsilon, and budget and key file with a ledger")


def _notes_of(made: Synthesis, file: TableFile, *, by_row: bool) -> list[str]:
    others = [str(name) for name in file.table if name not in made.table]
    sentences = {
        f"left out, since the domain does not name them: {', '.join(others)}": others,
        f"rows with a missing cell or a category outside its list: {made.left_out}": made.left_out,
        "each row is taken for a patient; --id names the column that tells whose it is": by_row,
    }
    return [sentence for sentence, holds in sentences.items() if holds]


def draft_domain_file(
    source: Path, target: Path, subject: str | None = None, *, overwrite: bool = False
) -> None:
    """Write a first domain of a table file, read off the data, for its owner's eyes (0600)."""
    _check_target(source, target, two=False, overwrite=overwrite)
    write_whole(target, _draft(read_file(source), subject).encode(), 0o600)


def _draft(file: TableFile, subject: str | None) -> str:
    # A time is read by its column's name, and a domain reads each cell by itself.
    hours = [name for name, kind in file.kinds.items() if kind.kind == "hour of the day"]
    return draft_domain(file.table, [*hours, *([subject] if subject else [])])


def _check_target(source: Path, target: Path, *, two: bool, overwrite: bool) -> None:
    paths = [target, _second(target)] if two else [target]
    if source.resolve() in {path.resolve() for path in paths}:
        raise RefusedError("the output is the input; nothing is written over an original")
    if any(path.exists() for path in paths) and not overwrite:
        raise RefusedError("the output exists; choose another name or add --overwrite")
    if not target.parent.is_dir():
        raise UsageError("the folder of the output does not exist; make it first")


def _second(target: Path) -> Path:
    return target.with_name(f"{target.stem}-sensitive{target.suffix}")


def federate_file(
    source: Path,
    site: str,
    target: str,
    features: Sequence[str],
    *,
    test: Path | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Train over the sites of a table (CSV or Parquet); see `medlab.federated.train`.

    Parameters
    ----------
    source : Path
    site, target : str
        Columns: whose row it is, and what is foretold. The target has two values; the second,
        sorted, counts as 1.
    features : sequence of str
        Columns of numbers.
    test : Path, optional
        A table of other rows with the target and the features.
    **options
        Of `medlab.federated.train`.

    Returns
    -------
    dict
        ``weights``, ``rounds``, ``sites``, ``epsilon``, ``delta``, ``notes``; with a test
        ``auc_federated``, ``auc_central``, ``auc_local``. Sites are numbered from 1 in order of
        first appearance.

    Raises
    ------
    UsageError, MissingError, InputError, RefusedError
        A message names columns, and neither sites nor values.
    """
    table = read_file(source, labels=[site]).table
    names = named_columns(features, table.columns)
    if not names or len({site, target, *names}) < len(names) + 2:
        raise UsageError("site, target and features are different columns, each named once")
    X, labels = _numbers(table, names), _column(table, target)
    classes = np.unique(labels)
    if len(classes) != 2:
        raise InputError(f"the target, column {target}, needs two values; it has {len(classes)}")
    y = (labels == classes[1]).astype(np.float64)
    site_of, known = pd.factorize(_column(table, site))
    sites = [(X[site_of == i], y[site_of == i]) for i in range(len(known))]
    trial = _test_rows(test, target, names, classes) if test else None
    done = federated.train(sites, **options)
    report = {
        "weights": done.weights.tolist(),
        "rounds": options["rounds"],
        "sites": done.sites,
        "epsilon": done.epsilon,
        "delta": done.delta,
        "notes": _notes(done, test is not None),
    }
    if trial is None:
        return report
    from sklearn.metrics import roc_auc_score

    steps = {word: options[word] for word in ("rate", "l2")}
    how = logistic.Descent(
        options["local_steps"], mu=options["mu"] * (options["strategy"] == "fedprox"), **steps
    )
    apart = [
        logistic.fit(logistic.with_intercept(X), y, options["rounds"], how)
        for X, y in [(X, y), *sites]
    ]
    tested = logistic.with_intercept(trial[0])
    auc = [float(roc_auc_score(trial[1], tested @ w)) for w in (done.weights, *apart)]
    return report | {"auc_federated": auc[0], "auc_central": auc[1], "auc_local": auc[2:]}


def _column(table: pd.DataFrame, name: str) -> Array:
    if name not in table:
        raise MissingError(f"the table has no column {name}")
    if table[name].isna().any():
        raise InputError(f"column {name} has missing cells; leave such rows out")
    return table[name].to_numpy()


def _numbers(table: pd.DataFrame, names: Sequence[str]) -> Floats:
    """Return columns of numbers, shape (rows, names)."""
    columns = [_column(table, name) for name in names]
    for name, cells in zip(names, columns, strict=True):
        if not pd.api.types.is_numeric_dtype(table[name]) or not np.isfinite(cells).all():
            raise InputError(f"column {name} holds cells that are no finite number")
    return np.column_stack(columns).astype(np.float64)


def _test_rows(
    path: Path, target: str, names: Sequence[str], classes: Array
) -> tuple[Floats, Array]:
    table = read_file(path).table
    labels = _column(table, target).astype(str)
    if not np.array_equal(np.unique(labels), np.unique(classes.astype(str))):
        raise InputError(f"in the test column {target} needs both values of the target, no other")
    return _numbers(table, names), labels == str(classes[1])


def _notes(done: Any, tested: bool) -> list[str]:
    """Return what a reader of the report must know of its protection."""
    if done.epsilon is None:
        return ["without epsilon the weights may tell who is in the table"]
    notes = [
        f"each row has spent epsilon {done.epsilon:.4g} at delta {done.delta:g} over all steps; "
        "the number of rows of a site is not hidden"
    ]
    if tested:
        notes.append("auc_central and auc_local are computed without noise: they are not covered")
    return notes
