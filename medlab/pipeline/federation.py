"""Federated training on a table that has a column of sites, and what it is worth on a test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medlab import federated
from medlab.arrays import Array, Floats
from medlab.errors import InputError, MissingError, UsageError
from medlab.federated import logistic
from medlab.tabular.reading import named_columns, read_table


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
    table = read_table(source, labels=[site])
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
    table = read_table(path)
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
