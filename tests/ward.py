"""A small ward with ties, skew, dates, labels and several studies of some patients."""

import numpy as np
import pandas as pd


def make_ward(rows=300, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "PatientID": [f"p{i:04d}" for i in rng.integers(0, max(rows * 2 // 3, 1), rows)],
            "Age": rng.integers(18, 90, rows),
            "Sex": rng.choice(["F", "M"], rows),
            "Weight": rng.normal(75, 14, rows).round(1),
            "StudyDate": pd.Timestamp("2023-01-01")
            + pd.to_timedelta(rng.integers(0, 400, rows), unit="D"),
            "Modality": rng.choice(
                ["MR", "CT", "US", "PT", "XA"], rows, p=[0.5, 0.3, 0.1, 0.07, 0.03]
            ),
            "Diagnosis": rng.choice(list("abcdef"), rows, p=[0.43, 0.2, 0.15, 0.12, 0.06, 0.04]),
        }
    )
