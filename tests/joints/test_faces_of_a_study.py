"""Who is cut with what, and what is claimed of it: looked at from outside, by the files alone."""

import csv
import warnings

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from medlab import samples
from medlab.cli import commands
from medlab.neuro import head_study
from medlab.neuro.surface import _FrontChange

pytestmark = pytest.mark.filterwarnings("ignore")
STORAGE, FRAME = "1.2.840.10008.5.1.4.1.1.", generate_uid()
FACE = ("--option", "clean-recognizable-visual-features")


def save(folder, name, storage, modality="MR", **more):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = STORAGE + storage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.PatientName, dataset.PatientID, dataset.Modality = "Fenwick^Rosalind", "P1", modality
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = generate_uid()
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    folder.mkdir(parents=True, exist_ok=True)
    dataset.save_as(folder / f"{name}.dcm", enforce_file_format=True)


def pixels(values):
    return {
        "Rows": values.shape[0], "Columns": values.shape[1], "BitsAllocated": 16, "HighBit": 15,
        "BitsStored": 16, "PixelRepresentation": 0, "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelData": np.ascontiguousarray(values).astype("<u2").tobytes(),
    }  # fmt: skip


def floats(values):
    left_out = ("PixelData", "BitsStored", "HighBit", "PixelRepresentation")
    more = {"BitsAllocated": 32, "FloatPixelData": values.astype("<f4").tobytes()}
    return {name: value for name, value in pixels(values).items() if name not in left_out} | more


def write(folder, data, spacing, corner=(0.0, 0.0, 0.0), **more):
    """Write axial slices of an (x, y, z) RAS array."""
    new = {name: generate_uid() for name in ("StudyInstanceUID", "SeriesInstanceUID")}
    more = new | {"FrameOfReferenceUID": FRAME} | more
    for k in range(data.shape[2]):
        save(
            folder, f"{more['SeriesInstanceUID']}-{more.get('EchoTime', 0)}-{k:03d}", "4",
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0], PixelSpacing=[spacing, spacing],
            ImagePositionPatient=[corner[0], corner[1], corner[2] + spacing * k],
            InstanceNumber=k + 1, **pixels(data[::-1, ::-1, k].T), **more,
        )  # fmt: skip


def outputs(folder):
    return [dcmread(path) for path in sorted(folder.rglob("*.dcm"))]


def run(*args):
    result = CliRunner().invoke(commands, list(map(str, args)))
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """One job: a T1, its two echoes in one series, the head moved, another patient, an abdomen."""
    folder = tmp_path_factory.mktemp("faces")
    one, other = (samples.head(n, 1, spacing_mm=3.0) for n in (1, 5))
    data = np.asanyarray(one.img.dataobj)
    study = generate_uid()
    first = {"PatientID": "P1", "StudyInstanceUID": study}
    echoes = first | {"SeriesInstanceUID": generate_uid(), "SeriesDescription": "echoes"}
    write(folder / "src/a", data, 3.0, SeriesDescription="T1", **first)
    write(folder / "src/b", data, 3.0, EchoTime=10.0, **echoes)
    write(folder / "src/b", data // 2, 3.0, EchoTime=90.0, **echoes)
    write(folder / "src/c", data, 3.0, (0.0, 32.0, -12.0), SeriesDescription="moved", **first)
    write(
        folder / "src/d", np.asanyarray(other.img.dataobj), 3.0, (8.0, -28.0, 0.0),
        PatientID="P2", SeriesDescription="other",
    )  # fmt: skip
    x, y = np.indices((100, 75)) - np.array([50, 37])[:, None, None]
    slab = np.where((x / 49) ** 2 + (y / 36) ** 2 < 1, 400, 5)
    belly = slab[..., None] + np.random.default_rng(0).integers(0, 20, (100, 75, 12))
    write(
        folder / "src/e", belly, 3.0, FrameOfReferenceUID=generate_uid(), SeriesDescription="belly"
    )
    code, text = run("deidentify", folder / "src", folder / "dst", "--policy", "research", *FACE)
    return folder, one, other, code, text


def of(folder, words):
    found = [d for d in outputs(folder) if words in str(d.get("SeriesDescription"))]
    return sorted(found, key=lambda d: (float(d.get("EchoTime") or 0), d.ImagePositionPatient[2]))


def array(datasets):
    return np.stack([d.pixel_array.T for d in datasets], axis=2)[::-1, ::-1].astype(int)


def first_hit(data, skin_level):
    skin = (data > skin_level)[:, ::-1]
    return np.where(skin.any(axis=1), data.shape[1] - 1 - skin.argmax(axis=1), -1)


def stands(before, after, face, skin_level):
    """Return the share of the columns whose first voxel from the front is face and still there."""
    a, b = first_hit(before, skin_level), first_hit(after, skin_level)
    x, z = np.nonzero(a >= 0)
    on = face[x, a[x, z], z]
    return float((a[x, z] == b[x, z])[on].mean())


@pytest.mark.parametrize(
    ("words", "scale"), [("T1", 1), ("moved", 1), ("other", 1), ("echoes", 2)]
)
@pytest.mark.slow
def test_each_series_loses_its_own_face_and_no_brain(job, words, scale):
    folder, one, other, code, text = job
    head = other if words == "other" else one
    before, face, brain = (
        np.asanyarray(img.dataobj) for img in (head.img, head.face_mask, head.brain_mask)
    )
    found = of(folder / "dst", words)
    assert (code, len(found)) == (0, before.shape[2] * scale), text
    for part in range(scale):
        data = array(found[part * before.shape[2] :][: before.shape[2]])
        original = before // (part + 1)
        assert stands(original, data, face > 0, 100 // (part + 1)) < 0.05
        assert np.array_equal(data[brain > 0], original[brain > 0])
    assert all(d.RecognizableVisualFeatures == "NO" for d in found)


@pytest.mark.slow
def test_what_was_measured_and_holds_no_head_passes_and_claims_nothing(job):
    folder = job[0]
    found = of(folder / "dst", "belly")
    assert len(found) == 12
    assert "RecognizableVisualFeatures" not in found[0]
    codes = [code.CodeValue for code in found[0].DeidentificationMethodCodeSequence]
    assert "113102" not in codes
    assert "no head was found" in (folder / "dst.job" / "report.html").read_text()


def test_what_shows_a_face_and_is_no_volume_waits_for_a_person(tmp_path):
    source = tmp_path / "src"
    picture = pixels(np.arange(4096).reshape(64, 64))
    save(source, "photo", "77.1.4", "XC", BodyPartExamined="KNEE", **picture)
    save(source, "capture", "7", "CT", ImageType=["DERIVED", "SECONDARY"], **picture)
    save(source, "surface", "68.1", "LSCAN")
    save(source, "outline", "481.3", "RTSTRUCT")
    save(source, "localizer", "4", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], **picture)
    save(source, "map", "30", **floats(np.ones((64, 64))))
    save(source, "x-ray", "1.1", "DX", **picture)
    code, text = run("deidentify", source, tmp_path / "dst", *FACE)
    assert (code, [d.Modality for d in outputs(tmp_path / "dst")]) == (1, ["DX"])
    private = tmp_path / "dst.job"
    with (private / "faces.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert all("face not" in row["reason"] for row in rows)
    approved = private / "faces-approved.csv"
    approved.write_text("file\n" + "".join(f"{row['file']}\n" for row in rows))
    code, text = run("deidentify", source, tmp_path / "dst", *FACE)
    assert code == 0
    assert "not checked: face in 6 images" in text
    assert len(outputs(tmp_path / "dst")) == 7
    assert all("RecognizableVisualFeatures" not in d for d in outputs(tmp_path / "dst"))
    approved.unlink()
    assert run("deidentify", source, tmp_path / "dst", *FACE)[0] == 1
    assert len(outputs(tmp_path / "dst")) == 1  # the others were withdrawn


def test_without_the_option_they_are_counted(tmp_path):
    save(tmp_path / "src", "photo", "77.1.4", "XC", **pixels(np.arange(4096).reshape(64, 64)))
    code, text = run("deidentify", tmp_path / "src", tmp_path / "dst")
    assert code == 0
    assert "not checked: face in 1 images" in text


def test_heads_are_read_and_written_without_a_word_of_their_headers(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = np.asanyarray(samples.head(1, 1, spacing_mm=3.0).img.dataobj)
        write(tmp_path / "s", data, 3.0, FrameOfReferenceUID="1.2.FENWICK", StudyDate="Rosalind")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        code, text = run("deface", tmp_path / "s", tmp_path / "o", "--backend", "builtin")
    words = text + " ".join(str(one.message) for one in said)
    assert code == 0, text
    assert "FENWICK" not in words
    assert "Rosalind" not in words


def test_a_head_is_stripped_to_its_brain_in_dicom_and_nifti_by_the_same_job(tmp_path):
    head = samples.head(1, 1, spacing_mm=3.0)
    data, brain = (np.asanyarray(img.dataobj) for img in (head.img, head.brain_mask))
    tissue, brain = data > 100, brain > 0
    write(tmp_path / "src/dicom", data, 3.0)
    nib.save(head.img, tmp_path / "src/head.nii.gz")
    code, said = run("deidentify", tmp_path / "src", tmp_path / "out", "--head", "strip")
    assert code == 0, said
    assert "heads skull-stripped: 2; brains of " in said
    files = outputs(tmp_path / "out")
    (scan,) = (tmp_path / "out").rglob("*.nii.gz")
    for after in (array(of(tmp_path / "out", "")), np.asanyarray(nib.load(scan).dataobj)):
        assert (after == data)[brain].mean() > 0.95
        assert (after == data)[tissue & ~brain].mean() < 0.25
    assert {d.RecognizableVisualFeatures for d in files} == {"NO"}
    assert not any(d.PatientName == "Fenwick^Rosalind" for d in files)
    page = (tmp_path / "out.job/report.html").read_text()
    assert "heads skull-stripped: 2" in page
    assert "Fenwick" not in page


def test_the_face_of_a_pair_named_in_capitals_is_cut(tmp_path):
    head = samples.head(1, 1, spacing_mm=4.0)
    nib.save(nib.Nifti1Pair(head.img.dataobj, head.img.affine), tmp_path / "head.hdr")
    (tmp_path / "src").mkdir()
    for ending in (".hdr", ".img"):
        name = "HEAD" + ending.upper()
        (tmp_path / "head").with_suffix(ending).rename(tmp_path / "src" / name)
    code, said = run("deidentify", tmp_path / "src", tmp_path / "out", "--head", "deface")
    assert code == 0, said
    assert "heads defaced: 2" in said  # once for each half
    (voxels,) = (tmp_path / "out").rglob("*.IMG")
    before, after = (
        np.frombuffer(p.read_bytes(), "u1") for p in (tmp_path / "src/HEAD.IMG", voxels)
    )
    assert before.size == after.size
    assert (before != after).mean() > 0.02


def test_a_brain_that_takes_the_face_with_it_is_withheld(tmp_path, monkeypatch):
    monkeypatch.setattr(
        head_study, "front_change", lambda *_: _FrontChange(None, np.array([1, 1, 0]))
    )
    data = np.asanyarray(samples.head(1, 1, spacing_mm=4.0).img.dataobj)
    write(tmp_path / "src", data, 4.0)
    code, _ = run("deidentify", tmp_path / "src", tmp_path / "out", "--head", "strip")
    assert code == 1
    assert not outputs(tmp_path / "out")
    assert (
        "67% of the front of the head would stay" in (tmp_path / "out.job/faces.csv").read_text()
    )
