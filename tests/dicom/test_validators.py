"""Independent validators: dciodvfy (dicom3tools) and dcmdump (dcmtk)."""

import re
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import pydicom
import pytest

from medlab import dicom
from medlab.errors import MedlabError

FOLDER = Path(pydicom.data.__file__).parent / "test_files"
KEY = b"k" * 32
OPTIONS = {
    "basic": ("basic", ()),
    "research": ("research", ()),
    "everything kept": (
        "basic",
        [
            "clean-graphics", "clean-structured-content", "clean-descriptors",
            "retain-longitudinal-full-dates", "retain-patient-characteristics",
            "retain-device-identity", "retain-uids", "retain-safe-private",
            "retain-institution-identity",
        ],
    ),
}  # fmt: skip


def real_files():
    """Return the wheel's files that can be read and are no index."""
    found = []
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file() and dicom.is_dicom(path):
            try:
                dataset = dicom.read(path)
            except MedlabError:
                continue
            if "SOPClassUID" in dataset and path.parent.parent.name != "dicomdirtests":
                found.append(path)
    return found


FILES = real_files()


@cache
def errors_of_source(path):
    """Return dciodvfy's errors of an original, asked once."""
    return errors_of(path)


def errors_of(path):
    """Return how often dciodvfy reports each kind of error, without values."""
    done = subprocess.run(
        ["dciodvfy", "-new", str(path)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    lines = (line for line in (done.stdout + done.stderr).splitlines() if "Error" in line)
    return Counter(re.sub(r"= <[^>]*>|<[^>]*>|\[\d+\]|0x[0-9a-f]+", "", line) for line in lines)


def test_there_are_real_files_to_try():
    assert len(FILES) > 50


@pytest.mark.needs("dicom3tools")
@pytest.mark.parametrize("choice", list(OPTIONS))
def test_dciodvfy_shows_no_error_that_the_source_did_not_have(tmp_path, choice):
    policy, options = OPTIONS[choice]
    worse = {}
    for path in FILES:
        out, _ = dicom.deidentify(dicom.read(path), policy, options=options, key=KEY)
        target = tmp_path / "out.dcm"
        target.write_bytes(dicom.to_bytes(out))
        new = errors_of(target) - errors_of_source(path)
        if new:
            worse[path.name] = list(new)
    assert worse == {}


@pytest.mark.needs("dcmtk")
@pytest.mark.parametrize("policy", ["basic", "research"])
def test_dcmdump_reads_every_output(tmp_path, policy):
    targets = []
    for number, path in enumerate(FILES):
        out, _ = dicom.deidentify(dicom.read(path), policy, key=KEY)
        targets.append(tmp_path / f"{number}.dcm")
        targets[-1].write_bytes(dicom.to_bytes(out))
    done = subprocess.run(
        ["dcmdump", "-q", *map(str, targets)], capture_output=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[:2000]
