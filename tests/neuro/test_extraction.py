import nibabel as nib
import numpy as np
import pytest
from neuro_phantoms import phantom

from medlab import neuro
from medlab.errors import InputError, UnavailableError
from medlab.neuro import fsl
from medlab.neuro.extraction import needs_fsl


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


def test_options_of_other_fsl_tools_say_so():
    assert "needs FSL" in needs_fsl("B")


def test_without_fsl_the_builtin_runs_and_fsl_is_refused(head, few_steps, monkeypatch):
    monkeypatch.delenv("FSLDIR", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    assert fsl.find() is None
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
