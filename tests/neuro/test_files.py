"""Whatever cuts an image: what lies outside the cut is compared with the source."""

import json

import nibabel as nib
import numpy as np
import pytest
from neuro_phantoms import body

from medlab import pipeline, samples
from medlab.errors import RefusedError
from medlab.neuro import header
from medlab.neuro.files import check_outside
from medlab.neuro.study import Removal
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
    header.clean_file(source, target, removed=REMOVED, empty=0)
    check_outside(source, target, REMOVED)
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
        check_outside(source, target, REMOVED)


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

    monkeypatch.setattr("medlab.neuro.study.deface", find_no_brain)
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
    monkeypatch.setattr("medlab.pipeline.nifti._head", lambda *_: cut)
    assert pipeline.deidentify(tmp_path / "in", tmp_path / "a", FACES).statuses == {"done": 1}
    swapped = lambda content, *rest: content[:-2] + content[-2:][::-1]  # noqa: E731
    monkeypatch.setattr(header, "_without", swapped)
    again = pipeline.deidentify(tmp_path / "in", tmp_path / "b", FACES)
    assert again.statuses == {"refused": 1}
    assert not [path for path in (tmp_path / "b").rglob("*") if path.is_file()]
