import os
import stat
import sys

import nibabel as nib
import numpy as np
import pytest
from neuro_phantoms import phantom

from medlab import neuro
from medlab.errors import InputError, UnavailableError
from medlab.neuro import extraction


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"shift_mm": (12.0, -10.0, 8.0)},
        {"shape": (100, 120, 50), "zooms": (2.0, 2.0, 4.0)},
        {"radii_mm": (70.0, 70.0, 70.0)},
    ],
    ids=["ellipsoid", "off center", "anisotropic", "sphere"],
)
def test_the_brain_of_a_phantom_is_found(kind):
    img, brain = phantom(**kind)
    found = neuro.extract_brain(img, backend="builtin")
    mask = np.asanyarray(found.mask.dataobj) > 0
    assert neuro.dice(mask, brain) > 0.93  # a voxel is 2.5 mm and more here
    assert found.report["warnings"] == []


@pytest.mark.parametrize("axes", ["LPS", "SPR", "ARI"])
def test_orientation_of_the_file_does_not_matter(head, few_steps, axes):
    img, _ = head
    straight = neuro.extract_brain(img, g=0.2, backend="builtin")
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(img.affine), nib.orientations.axcodes2ornt(axes)
    )
    turned = img.as_reoriented(turn)
    other = neuro.extract_brain(turned, g=0.2, backend="builtin")
    back = other.mask.as_reoriented(
        nib.orientations.ornt_transform(
            nib.orientations.axcodes2ornt(axes), nib.orientations.io_orientation(img.affine)
        )
    )
    assert np.array_equal(back.dataobj, straight.mask.dataobj)
    assert np.allclose(other.mesh.vertices, straight.mesh.vertices, atol=1e-6)
    assert np.array_equal(other.brain.affine, turned.affine)


def test_an_oblique_affine_keeps_its_geometry(head):
    img, brain = head
    a = np.deg2rad(20)
    turn = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    affine = img.affine.copy()
    affine[:3] = turn @ affine[:3]
    oblique = nib.Nifti1Image(np.asanyarray(img.dataobj), affine)
    found = neuro.extract_brain(oblique, backend="builtin")
    assert np.allclose(found.mask.affine, affine, atol=1e-6)
    assert neuro.dice(np.asanyarray(found.mask.dataobj) > 0, brain) > 0.93


def test_all_volumes_of_a_4d_image_are_stripped_with_one_mask(head, few_steps):
    img, _ = head
    data = np.asanyarray(img.dataobj)
    series = nib.Nifti1Image(np.stack([data, data + 1, data * 2], axis=3), img.affine)
    found = neuro.extract_brain(series, backend="builtin")
    brain, mask = np.asanyarray(found.brain.dataobj), np.asanyarray(found.mask.dataobj) > 0
    assert brain.shape == series.shape
    assert mask.shape == img.shape
    assert not brain[~mask].any()
    assert np.array_equal(brain[mask], np.asanyarray(series.dataobj)[mask])


def test_functional_mode_uses_a_lower_f_and_a_larger_mask(head, few_steps):
    img, _ = head
    plain = neuro.extract_brain(img, f=0.3, backend="builtin")
    functional = neuro.extract_brain(img, functional=True, backend="builtin")
    assert functional.report["f"] == 0.3
    small, large = (np.asanyarray(e.mask.dataobj) > 0 for e in (plain, functional))
    assert (large | small == large).all()
    assert large.sum() > small.sum()


def test_nan_and_negative_values_are_borne(head):
    img, brain = head
    data = np.asanyarray(img.dataobj).astype(np.float32) - 50
    data[:4] = np.nan
    data[-1, -1, -1] = np.inf
    found = neuro.extract_brain(nib.Nifti1Image(data, img.affine), backend="builtin")
    assert neuro.dice(np.asanyarray(found.mask.dataobj) > 0, brain) > 0.93


def test_smaller_f_keeps_more_and_g_tilts_the_mask(head):
    img, _ = head
    masks = {
        (f, g): np.asanyarray(neuro.extract_brain(img, f=f, g=g, backend="builtin").mask.dataobj)
        for f, g in [(0.2, 0), (0.8, 0), (0.5, 0.4), (0.5, -0.4)]
    }
    middle = {key: np.argwhere(mask)[:, 2].mean() for key, mask in masks.items()}
    assert masks[0.2, 0].sum() >= masks[0.8, 0].sum()
    assert middle[0.5, 0.4] < middle[0.5, -0.4]


def test_center_is_given_in_voxels_of_the_file(head):
    img, brain = head
    middle = np.argwhere(brain).mean(axis=0)
    found = neuro.extract_brain(img, center=middle, radius_mm=70, backend="builtin")
    assert found.report["center"] == pytest.approx(list(middle), abs=1e-3)
    assert found.report["radius_mm"] == 70
    with pytest.raises(InputError, match="outside the image"):
        neuro.extract_brain(img, center=(500, 0, 0))


def test_robust_center_moves_to_the_middle_of_the_brain(head):
    img, brain = head
    middle = np.argwhere(brain).mean(axis=0)
    away = neuro.extract_brain(
        img, center=middle + np.array([5, -6, 4]), robust=True, backend="builtin"
    )
    assert np.linalg.norm(np.array(away.report["center"]) - middle) < 1.5


def test_a_stack_of_few_slices_is_padded(head):
    img, brain = head
    few = img.slicer[:, :, 34:44]
    found = neuro.extract_brain(few, pad=True, backend="builtin")
    assert found.mask.shape == few.shape
    assert neuro.dice(np.asanyarray(found.mask.dataobj) > 0, brain[:, :, 34:44]) > 0.93


def test_ct_ends_at_bone_as_thin_as_that_of_the_temple(head):
    img, _ = head
    inside = [phantom(radii_mm=(66.0 + mm, 80.0 + mm, 62.0 + mm))[1] for mm in (0, 3, 18)]
    ct = np.full(img.shape, -1000, np.int16)
    for value, region in zip((55, 500, 32), inside[::-1], strict=True):  # muscle, bone, brain
        ct[region] = value
    ct[inside[0]] += np.random.default_rng(3).normal(0, 6, int(inside[0].sum())).astype(np.int16)
    ct[38:42, 46:50, 38:42] = 250  # calcium in the brain is no bone
    found = neuro.extract_brain(nib.Nifti1Image(ct, img.affine), backend="builtin")
    mask, brain = (np.asanyarray(part.dataobj) for part in (found.mask, found.brain))
    assert found.report["window"] == (0.0, 100.0)
    assert found.report["f"] == 0.01
    assert neuro.dice(mask, inside[0]) > 0.97
    assert mask[38:42, 46:50, 38:42].all()
    assert not mask[ct == 500].any()
    assert (brain[mask == 0] == -1000).all()  # air, for 0 would be water


def test_who_watches_can_end_the_work(head):
    seen = []

    def watch(share):
        seen.append(share)
        if share >= 0.1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        neuro.extract_brain(head[0], backend="builtin", watch=watch)
    assert seen == sorted(seen)
    assert seen[0] == 0 < seen[-1] < 0.15


def test_the_same_image_gives_the_same_mask(head, few_steps):
    one, two = (neuro.extract_brain(head[0], backend="builtin").mask for _ in range(2))
    assert np.array_equal(one.dataobj, two.dataobj)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"f": 1.5}, "f is 1.5"),
        ({"g": -2}, "g is -2"),
        ({"radius_mm": 0}, "radius_mm"),
        ({"smoothness": float("nan")}, "smoothness"),
        ({"center": (1, 2)}, "three voxel"),
        ({"backend": "ants"}, "no backend"),
        ({"window": "brain"}, "no window"),
    ],
)
def test_options_out_of_range_are_refused(head, options, words):
    with pytest.raises(ValueError, match=words):
        neuro.extract_brain(head[0], **options)


def test_without_fsl_the_builtin_runs_and_fsl_is_refused(head, few_steps, monkeypatch):
    monkeypatch.delenv("FSLDIR", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    assert extraction.settled_backend("auto") == "builtin"
    assert neuro.extract_brain(head[0]).report["backend"] == "builtin"
    with pytest.raises(UnavailableError, match="builtin"):
        neuro.extract_brain(head[0], backend="fsl")


def test_options_are_one_object_or_named_and_a_name_replaces_one_of_the_object(head):
    options = neuro.ExtractionOptions(f=0.4, backend="builtin")
    whole, named = (
        neuro.extract_brain(head[0], options),
        neuro.extract_brain(head[0], f=0.4, backend="builtin"),
    )
    assert whole.report == named.report
    assert neuro.extract_brain(head[0], options, f=0.7).report["f"] == 0.7
    with pytest.raises(TypeError, match="fraction"):
        neuro.extract_brain(head[0], fraction=0.4)


def box(*sides, shape=(12, 12, 12)):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, b) for a, b in sides)] = True
    return mask


def test_warnings_name_a_mask_that_ran_down_the_neck():
    data = np.random.default_rng(0).random((40, 40, 60)).astype(np.float32)
    mask = box((5, 35), (5, 35), (0, 60), shape=data.shape)
    told = " ".join(extraction._warnings_about(data, mask, np.array([4.0, 4, 4]), {}))
    assert "ml" in told
    assert "neck" in told
    assert "bottom" in told


@pytest.mark.parametrize(
    ("crown_mm", "told"), [(20, []), (80, ["the mask ends 80 mm below the crown"])]
)
def test_warnings_name_a_mask_in_the_face(crown_mm, told):
    data = np.zeros((60, 60, 60), np.float32)
    data[5:55, 5:55] = 50
    top = 60 - crown_mm // 4
    mask = box((15, 45), (15, 45), (top - 30, top), shape=data.shape)
    data[mask] = 100
    seen = extraction._warnings_about(data, mask, np.array([4.0, 4, 4]), {})
    assert [line.split(":")[0] for line in seen] == told


# A stand-in for FSL that writes what `bet` would write.
FAKE = """#!{python}
import sys
from pathlib import Path
import nibabel as nib, numpy as np
Path({log!r}).write_text(" ".join(sys.argv[3:]))
if {fails}:
    sys.exit("no brain")
img = nib.load(sys.argv[1])
assert np.linalg.det(img.affine) < 0
data = img.get_fdata()
stem = sys.argv[2].removesuffix(".nii.gz")
mask = (data > 60).astype(np.uint8)
mask[:, :, 40:] = 0
nib.save(nib.Nifti1Image(mask, img.affine), stem + "_mask.nii.gz")
mesh = "# vtk DataFile Version 3.0\\nx\\nASCII\\nDATASET POLYDATA\\nPOINTS 4 float\\n"
mesh += "10 10 10\\n100 10 10\\n10 100 10\\n10 10 100\\n"
mesh += "POLYGONS 4 16\\n3 0 1 2\\n3 0 1 3\\n3 0 2 3\\n3 1 2 3\\n"
Path(stem + "_mesh.vtk").write_text(mesh)
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    def install(fails=False):
        bet = tmp_path / "fsl" / "bin" / "bet"
        bet.parent.mkdir(parents=True, exist_ok=True)
        log = tmp_path / "log.txt"
        bet.write_text(FAKE.format(python=sys.executable, log=str(log), fails=fails))
        bet.chmod(bet.stat().st_mode | stat.S_IXUSR)
        (tmp_path / "fsl" / "etc").mkdir(exist_ok=True)
        (tmp_path / "fsl" / "etc" / "fslversion").write_text("6.0.7:abc\n")
        monkeypatch.setenv("FSLDIR", str(tmp_path / "fsl"))
        return log

    return install


@pytest.mark.needs("neuro")
def test_fsl_is_taken_when_it_is_there_and_its_version_is_told(fake):
    log = fake()
    img, _ = phantom()
    found = neuro.extract_brain(img, f=0.4, g=0.1, radius_mm=70, center=(40, 48, 39))
    assert found.report["backend"] == "fsl"
    assert found.report["version"] == "6.0.7"
    told = log.read_text().split()
    assert [told[told.index(k) + 1] for k in ("-f", "-g", "-r")] == ["0.4", "0.1", "70"]
    at = told.index("-c")
    assert [float(v) for v in told[at + 1 : at + 4]] == [39.0, 48.0, 39.0]  # mirrored: 79 - 40
    assert {"-m", "-e"} <= set(told)
    mask = np.asanyarray(found.mask.dataobj) > 0
    assert mask.any()
    assert not mask[:, :, 40:].any()
    assert found.mesh.vertices.shape == (4, 3)


@pytest.mark.needs("neuro")
def test_a_failing_bet_is_said_in_one_sentence(fake):
    fake(fails=True)
    with pytest.raises(InputError, match="failed"):
        neuro.extract_brain(phantom()[0], backend="fsl")


@pytest.mark.needs("neuro")
def test_nothing_is_left_in_the_environment(fake, monkeypatch):
    fake()
    monkeypatch.delenv("FSLOUTPUTTYPE", raising=False)
    neuro.extract_brain(phantom()[0], backend="fsl")
    assert "FSLOUTPUTTYPE" not in os.environ
    assert extraction.settled_backend("auto") == "fsl"


@pytest.mark.needs("neuro")
def test_a_bet_that_nothing_can_call_is_as_good_as_none(fake, monkeypatch):
    fake()
    monkeypatch.setattr(extraction, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "fsl.wrappers", None)
    assert extraction.settled_backend("auto") == "builtin"
    with pytest.raises(UnavailableError, match="fslpy"):
        neuro.extract_brain(phantom()[0], backend="fsl")


@pytest.mark.needs("neuro")
def test_a_bet_without_permission_to_run_is_none(fake, monkeypatch):
    fake()
    assert extraction.settled_backend("auto") == "fsl"
    monkeypatch.setenv("PATH", "")
    bet = extraction._bet()
    bet.chmod(0o644)
    assert extraction.settled_backend("auto") == "builtin"


@pytest.mark.needs("neuro")
def test_a_plain_folder_called_fsl_is_not_fslpy(fake, tmp_path, monkeypatch):
    fake()
    (tmp_path / "here" / "fsl").mkdir(parents=True)
    for name in [name for name in sys.modules if name.split(".")[0] == "fsl"]:
        monkeypatch.delitem(sys.modules, name)
    with monkeypatch.context() as alone:
        alone.setattr(sys, "path", [str(tmp_path / "here")])
        assert extraction.find_spec("fsl") is not None
        assert extraction.settled_backend("auto") == "builtin"
    sys.modules.pop("fsl", None)
