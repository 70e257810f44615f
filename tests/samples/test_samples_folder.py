"""The written folder: bytes, ledger, and files that other programs can read."""

import gzip
import hashlib
import json
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

from medlab import samples
from medlab.cli import commands
from medlab.errors import InputError, RefusedError

pytestmark = pytest.mark.slow
COMMITTED = Path(__file__).parents[2] / "data_samples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("hospital") / "Größe und Maß"
    samples.write(path)
    return path


@pytest.fixture(scope="module")
def truth(folder):
    return json.loads((folder / "truth.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def datasets(folder):
    files = sorted((folder / "studies").rglob("*.dcm"))
    return {file.relative_to(folder).as_posix(): pydicom.dcmread(file) for file in files}


def test_every_instance_has_a_uid_of_its_own_and_a_series_one_modality(datasets):
    instances = [ds.SOPInstanceUID for ds in datasets.values()]
    assert len(set(instances)) == len(instances)
    series = {(ds.SeriesInstanceUID, ds.Modality) for ds in datasets.values()}
    assert len(series) == len({uid for uid, _ in series})


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


def test_no_name_or_number_of_a_patient_stands_where_the_ledger_does_not_know(datasets, truth):
    listed: dict[str, set[str]] = {}
    for entry in truth["planted"]:
        key = entry["file"].rpartition("/")[0] if entry.get("series") else entry["file"]
        listed.setdefault(key, set()).add(entry["path"])
    for file, dataset in datasets.items():
        known = listed.get(file, set()) | listed.get(file.rpartition("/")[0], set())
        number = str(dataset.PatientID)
        top = {
            f"({e.tag.group:04X},{e.tag.element:04X})"
            for e in dataset
            if number in str(e.value) and e.VR != "SQ" and e.keyword != "PixelData"
        }
        assert top <= known


def test_burned_in_text_is_inside_its_box(datasets, truth):
    for entry in truth["planted"] + truth["keep"]:
        if "box" not in entry:
            continue
        x0, y0, x1, y1 = entry["box"]
        dataset = datasets[entry["file"]]
        pixels = pydicom.pixels.pixel_array(dataset, raw=True).astype(float)
        grey = pixels if dataset.SamplesPerPixel == 1 else pixels[..., 0]
        frame = grey if grey.ndim == 2 else grey[entry["frames"][0] - 1]
        inside = frame[y0:y1, x0:x1]
        assert inside.size
        assert np.ptp(inside) > 0.3 * np.ptp(frame)


def test_series_lie_in_space_where_the_nifti_head_lies(folder, datasets):
    head = nib.load(folder / "heads/head-03/t1.nii.gz")
    series = [ds for name, ds in datasets.items() if "S01_T1_COR" in name]
    assert len(series) == head.shape[1]
    check_slices(series, head)
    for number, plane in ((1, "TRA"), (2, "SAG")):
        head = nib.load(folder / f"heads/head-{number:02d}/t1.nii.gz")
        check_slices([ds for name, ds in datasets.items() if f"S01_T1_{plane}" in name], head)


def check_slices(series, head):
    """Compare some voxels with the head through the geometry of PS3.3 C.7.6.2.1.1."""
    volume, back = np.asarray(head.dataobj), np.linalg.inv(head.affine)
    rng = np.random.default_rng(1)
    normals = set()
    for dataset in series[:: max(1, len(series) // 6)]:
        along, down = np.reshape(dataset.ImageOrientationPatient, (2, 3)).astype(float)
        row, column = rng.integers(0, dataset.Rows, 200), rng.integers(0, dataset.Columns, 200)
        lps = np.array(dataset.ImagePositionPatient, float) + np.outer(
            column * float(dataset.PixelSpacing[1]), along
        ) + np.outer(row * float(dataset.PixelSpacing[0]), down)  # fmt: skip
        index = nib.affines.apply_affine(back, lps * [-1, -1, 1])
        np.testing.assert_allclose(index, np.round(index), atol=1e-3)
        i, j, k = np.round(index).astype(int).T
        np.testing.assert_array_equal(dataset.pixel_array[row, column], volume[i, j, k])
        normals.add(tuple(np.round(np.cross(along, down))))
    steps = [float(np.dot(ds.ImagePositionPatient, next(iter(normals)))) for ds in series]
    np.testing.assert_allclose(np.diff(steps), float(series[0].SpacingBetweenSlices), atol=1e-3)


def test_names_come_in_three_character_sets(datasets):
    names = {str(ds.PatientName) for ds in datasets.values()}
    assert {"Müller-Østergård^Søren", "Čermáková^Zuzana"} <= names
    assert any(len(name.split("=")) == 3 and "小林" in name for name in names)


def test_syntaxes_photometries_and_objects_are_many(datasets):
    syntaxes = {ds.file_meta.TransferSyntaxUID for ds in datasets.values()}
    assert len(syntaxes) == 7
    images = [ds for ds in datasets.values() if "PixelData" in ds]
    assert {ds.PhotometricInterpretation for ds in images} == {
        "MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL_422", "PALETTE COLOR",
    }  # fmt: skip
    modalities = {ds.Modality for ds in datasets.values()}
    assert modalities == {"MR", "CT", "US", "OT", "DX", "CR", "SR", "RTSTRUCT"}


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
