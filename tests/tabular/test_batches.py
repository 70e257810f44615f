"""Tables divided on the way are split as if they were whole."""

import sys

import numpy as np
import pandas as pd

from medlab import tabular


def test_many_batches_give_the_same_classes_as_one(monkeypatch):
    module = sys.modules["medlab.tabular.batches"]
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.random(4000), "b": rng.integers(0, 30, 4000)})
    table["s"] = rng.integers(0, 5, 4000)
    whole = tabular.mondrian(table, ["a", "b"], "s", k=5, l=2)
    monkeypatch.setattr(module, "_BATCH_ROWS", 100)
    divided = tabular.mondrian(table, ["a", "b"], "s", k=5, l=2)
    assert (whole.class_of == divided.class_of).all()
