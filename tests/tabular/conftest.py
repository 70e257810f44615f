"""Fixtures that several tests of tables share."""

import pytest
from ward import make_ward

QUASI = ["Age", "Sex", "Weight", "StudyDate", "Modality"]


@pytest.fixture
def ward():
    return make_ward()


@pytest.fixture
def quasi():
    return list(QUASI)


@pytest.fixture
def file(ward, tmp_path):
    path = tmp_path / "in.csv"
    ward.assign(Postcode="01234").to_csv(path, index=False)
    return path
