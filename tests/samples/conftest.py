"""Fixtures that several tests of this room share."""

import json

import pydicom
import pytest

from medlab import samples


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("hospital") / "Größe und Maß"
    samples.write(path)
    return path


@pytest.fixture(scope="session")
def truth(folder):
    return json.loads((folder / "truth.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def datasets(folder):
    files = sorted((folder / "studies").rglob("*.dcm"))
    return {file.relative_to(folder).as_posix(): pydicom.dcmread(file) for file in files}


@pytest.fixture(scope="session")
def head():
    return samples.head(1, spacing_mm=3)
