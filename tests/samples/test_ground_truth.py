"""The list of planted identifiers, against the files."""

import pydicom
import pytest

pytestmark = pytest.mark.slow


def test_what_the_ledger_lists_stands_in_the_files(datasets, truth):
    for entry in truth["planted"] + truth["keep"]:
        if entry["path"].startswith("(") and entry["channel"] != "pixel":
            assert entry["value"] in text_at(datasets[entry["file"]], entry["path"])
        elif entry["channel"] == "filename":
            assert entry["value"] in entry["file"]


def text_at(dataset, path):
    for step in path.split("."):
        tag, _, number = step.partition("[")
        group, element = (int(part, 16) for part in tag.strip("()").split(","))
        where = dataset.file_meta if group == 2 else dataset
        value = where[group, element].value
        dataset = value[int(number[:-1])] if number else dataset
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return (
        "\\".join(map(str, value))
        if isinstance(value, (list, pydicom.multival.MultiValue))
        else str(value)
    )


def test_every_channel_of_leaks_is_there(truth):
    channels = {entry["channel"] for entry in truth["planted"]}
    assert channels >= {
        "public", "nested", "private", "freetext", "wrong-use", "filename", "uid", "date",
        "pixel", "meta", "nifti-header",
    }  # fmt: skip
