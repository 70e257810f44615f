"""The folder of samples: the committed bytes, made again, and refused where it must not go."""

import gzip
import hashlib
import zlib
from pathlib import Path

import nibabel as nib
import pydicom
import pytest
from click.testing import CliRunner

from medlab import samples
from medlab.cli import commands
from medlab.errors import InputError, RefusedError

pytestmark = pytest.mark.slow


COMMITTED = Path(__file__).parents[2] / "data_samples"


def content(path: Path) -> bytes:
    """The bytes of a file; of a compressed one what is inside, as zlibs pack differently."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    if b"1.2.840.10008.1.2.1.99" in data[:400]:
        start = 144 + int.from_bytes(data[140:144], "little")
        return data[:start] + zlib.decompress(data[start:], -zlib.MAX_WBITS)
    return data


def test_a_fresh_folder_is_the_committed_one(folder):
    sums = (COMMITTED / "SHA256SUMS").read_text("utf-8")
    names = [line[66:] for line in sums.splitlines()]
    assert sum(file.stat().st_size for file in COMMITTED.rglob("*") if file.is_file()) <= 10e6
    if (folder / "SHA256SUMS").read_text("utf-8") != sums:
        assert [
            name for name in names if content(folder / name) != content(COMMITTED / name)
        ] == []


def test_the_sums_are_those_of_the_committed_files():
    for line in (COMMITTED / "SHA256SUMS").read_text("utf-8").splitlines():
        assert hashlib.sha256((COMMITTED / line[66:]).read_bytes()).hexdigest() == line[:64]


def test_the_default_folder_of_a_checkout_is_the_committed_one():
    assert samples.default_folder() == COMMITTED


def test_away_from_a_checkout_the_default_folder_is_made_once(tmp_path, monkeypatch):
    made = []

    def fake(target):
        target.mkdir()
        (target / "SHA256SUMS").write_text("")
        made.append(target)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("medlab.samples.folder.write", fake)
    monkeypatch.setattr("medlab.samples.folder.__file__", str(tmp_path / "a" / "b" / "c.py"))
    assert samples.default_folder() == samples.default_folder()
    assert len(made) == 1


def test_the_nifti_file_leaks_in_header_extension_and_gzip_name(folder):
    file = folder / "heads/head-01/t1.nii.gz"
    header = nib.load(file).header
    assert b"MUELLER" in bytes(header["descrip"])
    assert b"MUELLER_SOEREN" in header.extensions[0].get_content()
    assert b"MUELLER_SOEREN" in file.read_bytes()[:60]


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    """A larger hospital, written where a note lay; its files and what was told on the way."""
    folder, calls = tmp_path_factory.mktemp("larger"), []
    (folder / "notes.txt").write_text("mine")
    files = samples.write(
        folder, 7, heads=4, sessions=2, spacing_mm=8, cohort_patients=20, overwrite=True,
        progress=lambda done, total: calls.append((done, total)),
    )  # fmt: skip
    return folder, files, calls


def test_more_heads_sessions_and_another_seed_on_demand(larger):
    _, files, calls = larger
    assert len([file for file in files if file.name == "t1.nii.gz"]) == 8
    assert calls[-1] == (len(files) - 1, len(files) - 1)
    names = [file.as_posix() for file in files if "/S01_" in file.as_posix()]
    first, second = (
        pydicom.dcmread(next(n for n in names if f"{part}/" in n)) for part in ("4MM", "4MM_2")
    )
    assert first.PatientID == second.PatientID
    assert first.StudyInstanceUID != second.StudyInstanceUID
    assert first.StudyDate < second.StudyDate


def test_a_folder_that_holds_something_is_refused_unless_told(larger, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RefusedError, match="not empty"):
        samples.write(tmp_path)
    assert (larger[0] / "notes.txt").read_text() == "mine"
    assert (larger[0] / "SHA256SUMS").is_file()


@pytest.mark.parametrize(
    "wrong", [{"heads": 0}, {"sessions": 10}, {"spacing_mm": 0.5}, {"cohort_patients": 3}]
)
def test_wrong_numbers_are_refused_before_anything_is_written(tmp_path, wrong):
    with pytest.raises(InputError):
        samples.write(tmp_path / "new", **wrong)
    assert not (tmp_path / "new").exists()


def test_a_target_that_is_a_file_or_cannot_be_made_gets_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    for target in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError) as caught:
            samples.write(target)
        assert "\n" not in str(caught.value)


def test_the_command_writes_and_says_how_much(tmp_path):
    run = CliRunner().invoke(
        commands,
        ["samples", str(tmp_path / "a"), "--heads", "1", "--spacing", "8", "--patients", "20"],
    )
    assert run.exit_code == 0
    assert "files written" in run.output
    again = CliRunner().invoke(commands, ["samples", str(tmp_path / "a")])
    assert again.exit_code == 1
    assert "not empty" in again.output
    assert CliRunner().invoke(commands, ["samples", str(tmp_path), "--heads", "0"]).exit_code == 2


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
