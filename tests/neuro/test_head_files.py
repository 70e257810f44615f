"""Heads are found in folders; whatever cuts one, what lies outside is compared with its source."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from neuro_phantoms import body

from medlab import neuro, pipeline, samples
from medlab.errors import InputError, KindError, RefusedError
from medlab.neuro import head_files, nifti_header, series
from medlab.neuro.head_files import _check_outside
from medlab.neuro.head_study import Removal
from medlab.pipeline.settings import Settings

FACES = Settings(options=("clean-recognizable-visual-features",))
REMOVED = np.zeros((4, 5, 6), dtype=bool)
REMOVED[:2] = True


def image(path, dtype=">i2", shape=(4, 5, 6), scale=None):
    data = np.random.default_rng(0).integers(-99, 99, shape).astype(dtype)
    if data.dtype.kind == "f":
        data[-1, 0, 0] = np.nan
    kind = nib.Nifti1Header(endianness=">" if data.dtype.byteorder == ">" else "<")
    img = nib.Nifti1Image(data, np.diag([2, 3, 4, 1.0]), kind, dtype=data.dtype)
    if scale:
        img.header.set_slope_inter(*scale)
    nib.save(img, path)
    return path


@pytest.mark.parametrize(
    ("dtype", "shape", "scale"),
    [
        (">i2", (4, 5, 6), None),
        ("<u2", (4, 5, 6), (0.1, -5)),
        ("<f4", (4, 5, 6), None),
        ("<f8", (4, 5, 6, 3), None),
        (">f4", (4, 5, 6), None),
    ],
)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_cut_leaves_each_stored_value_elsewhere(tmp_path, dtype, shape, scale, ending):
    source, target = image(tmp_path / f"a{ending}", dtype, shape, scale), tmp_path / f"b{ending}"
    nifti_header.clean_file(source, target, removed=REMOVED, empty=0)
    _check_outside(source, target, REMOVED)
    assert not (nib.load(source).get_fdata()[0] == nib.load(target).get_fdata()[0]).all()


@pytest.mark.parametrize("change", ["one voxel", "byte order", "type", "shape"])
def test_a_changed_value_elsewhere_is_refused(tmp_path, change):
    source, target = image(tmp_path / "a.nii"), tmp_path / "b.nii"
    data = np.asanyarray(nib.load(source).dataobj).copy()
    if change == "one voxel":
        data[3, 4, 5] += 1
    data = {"byte order": data.astype("<i2"), "type": data.astype(">i4")}.get(change, data)
    data = data[..., :-1] if change == "shape" else data
    endian = "<" if change == "byte order" else ">"
    nib.save(nib.Nifti1Image(data, np.eye(4), nib.Nifti1Header(endianness=endian)), target)
    with pytest.raises(RefusedError, match="changed voxels elsewhere"):
        _check_outside(source, target, REMOVED)


@pytest.mark.parametrize(
    ("zoom", "shape", "radii", "sidecar"),
    [
        (4.0, (100, 75, 30), (170, 120), None),  # wider than any head
        (2.0, (80, 80, 40), (65, 62), {"BodyPart": "KNEE"}),  # solid, and said to be another part
    ],
)
def test_what_was_measured_and_holds_no_head_passes(
    tmp_path, monkeypatch, zoom, shape, radii, sidecar
):
    def find_no_brain(img):
        raise RefusedError("no brain was found")  # which takes BET all its settings

    monkeypatch.setattr("medlab.neuro.head_study.deface_image", find_no_brain)
    (tmp_path / "in").mkdir()
    nib.save(body(zoom, shape, *radii, 600), tmp_path / "in" / "scan.nii.gz")
    if sidecar:
        (tmp_path / "in" / "scan.json").write_text(json.dumps(sidecar))
    summary = pipeline.deidentify(tmp_path / "in", tmp_path / "out", FACES)
    assert summary.statuses == {"done": 1 + bool(sidecar)}
    assert not summary.unchecked
    assert len(list((tmp_path / "out").rglob("*.nii.gz"))) == 1
    assert "no head was found" in (summary.folder / "report.json").read_text()


def test_a_head_that_moved_between_volumes_is_withheld(tmp_path):
    (tmp_path / "in").mkdir()
    head = samples.head(1, 1, spacing_mm=3.0).img
    data = np.asanyarray(head.dataobj)
    moved = np.stack([data, np.roll(data, 3, axis=1)], axis=3)
    nib.save(nib.Nifti1Image(moved, head.affine), tmp_path / "in" / "scan.nii.gz")
    summary = pipeline.deidentify(tmp_path / "in", tmp_path / "out", FACES)
    assert summary.statuses == {"refused": 1}


def test_a_job_withholds_what_a_cut_changed_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    image(tmp_path / "in" / "scan.nii")
    report = {"residual_face": 0.0, "brain_changed": 0, "head_kept": 0.9}
    cut = Removal(nib.Nifti1Image(np.zeros((4, 5, 6)), np.eye(4)), REMOVED, report)
    monkeypatch.setattr("medlab.pipeline.steps._cut_head", lambda *_: cut)
    assert pipeline.deidentify(tmp_path / "in", tmp_path / "a", FACES).statuses == {"done": 1}
    swapped = lambda content, *rest: content[:-2] + content[-2:][::-1]  # noqa: E731
    monkeypatch.setattr(nifti_header, "_without", swapped)
    again = pipeline.deidentify(tmp_path / "in", tmp_path / "b", FACES)
    assert again.statuses == {"refused": 1}
    assert not [path for path in (tmp_path / "b").rglob("*") if path.is_file()]


def pair(folder, kind, unit="mm"):
    """A head as a pair of integers with a scale, its two transforms unlike each other."""
    head = samples.head(1, spacing_mm=4).img
    scale = {"mm": 1, "meter": 1e-3}[unit]
    affine = np.diag([scale, scale, scale, 1.0]) @ head.affine
    img = kind(np.asanyarray(head.dataobj).astype("<i2"), affine, dtype="<i2")
    img.header.set_slope_inter(0.5, 0)
    img.header.set_xyzt_units(unit)
    img.header["descrip"] = "Jane Doe"
    img.set_sform(affine, 4)
    img.set_qform(affine, 1)
    folder.mkdir(exist_ok=True)
    nib.save(img, folder / "a.img")
    return folder / "a.img"


@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.Nifti2Pair])
@pytest.mark.parametrize("verb", ["strip", "deface", "job"])
def test_a_pair_stays_a_pair_of_scaled_integers(tmp_path, kind, verb):
    source, target = pair(tmp_path / "src", kind), tmp_path / "dst" / "b.img"
    if verb == "job":
        summary = pipeline.deidentify(source.parent, target.parent, settings=FACES)
        assert summary.statuses == {"done": 2}
        (target,) = target.parent.rglob("*.img")
    else:
        target.parent.mkdir()
        {"strip": head_files.strip, "deface": head_files.deface}[verb](
            source, target, backend="builtin"
        )
    before, after = nib.load(source), nib.load(target)
    assert type(after) is kind
    assert after.get_data_dtype() == np.dtype("<i2")
    assert after.dataobj.slope == 0.5
    old, new = (np.asanyarray(img.dataobj.get_unscaled()) for img in (before, after))
    assert 0.01 < (old != new).mean() < 0.9
    assert not new[old != new].any()
    assert "Doe" not in str(after.header)
    assert "Doe" not in target.with_suffix(".hdr").read_bytes().decode("latin-1")


def test_masks_beside_an_image_in_meters_have_its_transforms_and_codes(tmp_path):
    source, target = pair(tmp_path, nib.Nifti1Pair, "meter"), tmp_path / "b.nii"
    pieces = ("mask", "outline", "skull")
    head_files.strip(
        source, target, pieces=pieces, mask_file=tmp_path / "m.nii", backend="builtin"
    )
    before = nib.load(source)
    for path in (target, tmp_path / "m.nii", *(tmp_path / f"b_{p}.nii.gz" for p in pieces)):
        after = nib.load(path)
        assert after.header.get_xyzt_units()[0] == "meter"
        for name in ("get_sform", "get_qform"):
            (old, code), (new, same) = (getattr(i, name)(coded=True) for i in (before, after))
            assert same == code
            assert np.allclose(new, old, atol=1e-7)


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [(nib.MGHImage, "a.mgz", "MGH"), (nib.AnalyzeImage, "a.img", "Analyze")],
)
def test_other_formats_are_refused_by_name(tmp_path, kind, name, words):
    nib.save(kind(np.ones((9, 9, 9), np.int16), np.eye(4)), tmp_path / name)
    for verb in (head_files.strip, head_files.deface):
        with pytest.raises(KindError, match=words):
            verb(tmp_path / name, tmp_path / "b.nii")
    assert not (tmp_path / "b.nii").exists()


def test_a_pair_replaces_neither_half_of_another(tmp_path):
    source, target = pair(tmp_path / "src", nib.Nifti1Pair), tmp_path / "b.img"
    target.with_suffix(".hdr").write_bytes(b"another's")
    with pytest.raises(RefusedError, match="exists"):
        head_files.deface(source, target)
    with pytest.raises(InputError, match="one name"):
        head_files.deface(source, target, also=[(source, target.with_suffix(".hdr"))])


def test_half_a_pair_is_refused_in_a_sentence(tmp_path):
    source = pair(tmp_path / "src", nib.Nifti1Pair)
    source.unlink()
    summary = pipeline.deidentify(source.parent, tmp_path / "dst")
    assert "done" not in summary.statuses
    assert not [*(tmp_path / "dst").rglob("*.hdr")]


@pytest.mark.parametrize("ending", [".img", ".IMG"])
def test_a_job_of_one_half_writes_both_and_neither_tells_when(tmp_path, ending):
    source = pair(tmp_path / "src", nib.Nifti1Pair)
    summary = pipeline.deidentify(source, tmp_path / f"b{ending}")
    assert summary.statuses == {"done": 1}
    assert type(nib.load(tmp_path / f"b{ending}")) is nib.Nifti1Pair
    both = nifti_header.halves(tmp_path / f"b{ending}")
    assert len({path.stat().st_mtime for path in both}) == 1


def test_heads_are_found_by_name_and_by_geometry():
    folder = samples.default_folder()
    heads = neuro.find_heads(folder, most=9)
    assert {path.name for path in heads} == {"t1.nii.gz"}
    (series,) = neuro.find_series(folder / "studies")
    assert min(neuro.read_head(series).shape) > 16
    with pytest.raises(InputError, match="no NIfTI"):
        neuro.find_heads(folder / "cohort")


def test_a_head_with_a_time_axis_is_read_as_its_mean(tmp_path):
    data = np.random.default_rng(0).integers(0, 99, (5, 6, 7, 2)).astype(np.int16)
    path = neuro.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / "bold.nii.gz")
    assert np.allclose(np.asanyarray(neuro.read_head(path).dataobj), data.mean(axis=3))


def test_header_changes_say_no_patient_value(tmp_path):
    folder = samples.default_folder() / "studies"
    (source,) = neuro.find_series(folder)
    read = series.read_series(source)
    keep = np.ones(read.stored.shape, bool)
    out = series.write_series(read, keep, tmp_path / "o", kind="defacing", description="x")
    table = head_files.header_changes(source, out)
    assert isinstance(table, pd.DataFrame)
    assert table.loc["PatientName"].item() == "same"
    assert table.loc["PatientIdentityRemoved"].item() == "not set"
    assert str(read.datasets[0].PatientID) not in table.to_string()


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("sub-segal01_T1w.nii.gz", True), ("segal01.nii", True), ("sub-01_T2w.nii.gz", True),
        ("sub-01_dseg.nii.gz", False), ("aseg.nii", False), ("brainmask.nii", False),
        ("sub-01_label-GM_probseg.nii", False), ("sub-01_dwi.nii", False), ("head_seg.nii", False),
        ("T1.NII", True),
    ],
)  # fmt: skip
def test_a_head_is_told_by_words_of_its_name_and_not_by_a_patients_code(tmp_path, name, head):
    img = nib.Nifti1Image(np.ones((4, 4, 4), np.int16), np.eye(4))
    nib.save(img, tmp_path / name)
    if head:
        assert neuro.find_heads(tmp_path) == [tmp_path / name]
    else:
        with pytest.raises(InputError):
            neuro.find_heads(tmp_path)


@pytest.mark.parametrize("name", ["b.nii", "b.NII.GZ", "b.IMG", "b"])
def test_pieces_stand_beside_the_image_under_its_name_without_the_ending(tmp_path, name):
    assert head_files._beside(tmp_path / name, "mask") == tmp_path / "b_mask.nii.gz"
