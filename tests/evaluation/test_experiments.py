"""The grid of methods and strengths: each point, each seed, and the cache of figures."""

import json

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import QUASI, SENSITIVE, point_rows
from joblib import parallel_config

from medlab import evaluation, samples
from medlab.errors import InputError, MissingError
from medlab.evaluation import Point


def test_a_method_that_cannot_release_is_reported_and_stops_nothing(small):
    rows = point_rows(small, Point("Anatomy l", 5))
    assert rows["group"].tolist() == ["refused"]


def test_the_grid_gives_every_point_and_seed_and_reads_its_cache(small, tmp_path, monkeypatch):
    tables = {1: small, 2: evaluation.one_each(samples.cohort(200, 2))}
    points = [("identity", 0), ("Mondrian k", 5)]
    first = evaluation.grid(
        tables, points, QUASI, SENSITIVE, jobs=1, cache=tmp_path, progress=False
    )
    assert first.groupby(["method", "seed"]).ngroups == 4
    monkeypatch.setattr("medlab.evaluation.experiments._measure", None)
    again = evaluation.grid(
        tables, points, QUASI, SENSITIVE, jobs=1, cache=tmp_path, progress=False
    )
    pd.testing.assert_frame_equal(first, again)
    assert evaluation.risk_and_loss(again)["front"].all()


def test_the_cache_holds_figures_and_no_value_of_a_patient(small, tmp_path):
    evaluation.grid(
        {1: small}, [("identity", 0)], QUASI, SENSITIVE, jobs=1, cache=tmp_path, progress=False
    )
    text = "".join(path.read_text() for path in tmp_path.iterdir())
    assert json.loads(text)
    for name in ("PatientID", "PatientName", "Postcode", "Diagnosis"):
        assert not any(str(value) in text for value in small.released[name].head(50))


def test_points_side_by_side_give_the_same_figures_as_one_by_one(small):
    points = [("randomization", 0.1), ("Mondrian k", 5), ("identity", 0)]
    with parallel_config(backend="threading"):  # notebook 05 runs with processes
        found = evaluation.grid({1: small}, points, QUASI, SENSITIVE, jobs=3, progress=False)
    one_by_one = [point_rows(small, p) for p in points]
    pd.testing.assert_frame_equal(found, pd.concat(one_by_one, ignore_index=True))


def test_unknown_names_are_refused(small):
    with pytest.raises(InputError, match="choose of"):
        point_rows(small, Point("magic"))
    rows = point_rows(small, Point("identity"))
    with pytest.raises(MissingError, match="magic"):
        evaluation.risk_and_loss(rows, risk="magic")


def test_holding_back_splits_people_and_not_rows():
    table = samples.cohort(60).released
    kept = evaluation.hold_back(table, np.random.default_rng(0))
    assert not set(kept.released["PatientID"]) & set(kept.control["PatientID"])
    assert len(kept.released) + len(kept.control) == len(table)
    assert kept.released["PatientID"].nunique() == 30
