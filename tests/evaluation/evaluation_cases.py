"""Cases that several tests of this room share."""

import nibabel as nib
import numpy as np
import pandas as pd

from medlab import evaluation, samples
from medlab.evaluation import Point

HEADS = 6


SPACING = 3.0


def masked(img, mask, *, keep):
    inside = np.asarray(mask.dataobj) > 0
    data = np.where(inside == keep, np.asarray(img.dataobj), 0)
    return nib.Nifti1Image(data.astype(np.int16), img.affine)


FIVE_FACTS = ["Age", "Sex", "Weight", "Postcode", "StudyDate"]


POINTS = [("identity", 0), ("pseudonymization", 0), ("Anatomy l", 9), ("slicing k", 5)]


POINTS += [("Mondrian k", 5), ("Mondrian k", 20), ("suppression", 5)]


QUASI = ["Age", "Sex", "Weight", "Height", "Postcode", "StudyDate", "Modality"]


SENSITIVE = "Diagnosis"


def point_rows(tables, point, seed=1, quasi=QUASI, sensitive=SENSITIVE):
    return evaluation.grid({seed: tables}, [point], quasi, sensitive, progress=False)


def measured(tables, method, strength=0, seed=1, quasi=QUASI, sensitive=SENSITIVE):
    rows = point_rows(tables, Point(method, strength), seed, quasi, sensitive)
    return rows.set_index("measure")["value"]


def synthetic(tables, copied, rng):
    """Return other people's rows, a share of them replaced by rows of the training data."""
    others = samples.cohort(1500, 77).released.drop_duplicates("PatientID")
    drawn = others.sample(len(tables.released), random_state=3).reset_index(drop=True)
    rows = rng.permutation(len(drawn))[: round(copied * len(drawn))]
    drawn.iloc[rows] = tables.released.iloc[rows].to_numpy()
    return drawn.astype(tables.released.dtypes.to_dict())


WARD = pd.DataFrame(
    {
        "Age": [25, 25, 26, 27, 27, 28],
        "Sex": ["M", "F", "M", "M", "F", "M"],
        "Diagnosis": ["flu", "flu", "angina", "flu", "angina", "angina"],
    }
)


# Boxes {1,3}, {2,5}, {4,6}.
BOXES = pd.DataFrame(
    {
        "Age": [pd.Interval(a, b, closed="both") for a, b in ((25, 26), (25, 27), (25, 26))]
        + [pd.Interval(27, 28, closed="both"), pd.Interval(25, 27, closed="both")]
        + [pd.Interval(27, 28, closed="both")],
        "Sex": ["M", "F", "M", "M", "F", "M"],
        "Diagnosis": WARD["Diagnosis"],
    }
)


FACTS = ["Age", "Sex"]


def values(rows):
    return dict(zip(rows["measure"], rows["value"], strict=True))
