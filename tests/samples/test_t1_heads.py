"""Heads of the samples: grid, contrast, skull and masks."""

import nibabel as nib
import numpy as np
import pytest

from medlab import samples
from medlab.errors import InputError
from medlab.samples.t1_heads import Ball, Rod, _assemble, _paint, _Part, _Space, inside

pytestmark = pytest.mark.slow


def surface_depth(img, threshold=35.0):
    """Scanner y (mm) at which each (x, z) first turns bright from the front; NaN where none."""
    data = np.asarray(img.dataobj).astype(float)[:, ::-1]
    first = np.clip((data > threshold).argmax(axis=1), 1, None)[:, None]
    below, above = (np.take_along_axis(data, first - step, axis=1) for step in (1, 0))
    part = np.clip((threshold - below) / np.maximum(above - below, 1e-9), 0, 1)
    index = data.shape[1] - (first + part)[:, 0]
    depth = img.affine[1, 3] + index * img.affine[1, 1]
    return np.where((data > threshold).any(axis=1), depth, np.nan)


def test_a_nose_stands_out_between_the_eyes_and_above_the_mouth(head):
    depth = surface_depth(head.img)
    face = (head.face_mask.get_fdata() > 0).any(axis=1)
    i, k = np.unravel_index(np.nanargmax(np.where(face, depth, np.nan)), depth.shape)
    nose = nib.affines.apply_affine(head.img.affine, [i, 0, k])
    assert abs(nose[0]) < 15
    assert -95 < nose[2] < -60
    assert depth[i, k] - np.nanmedian(depth[i - 12 : i - 9, k]) > 15  # the cheek beside it


def test_twelve_faces_are_found_again_in_a_second_session():
    first, second = (
        [aligned_face(samples.head(patient, session, spacing_mm=3)) for patient in range(1, 13)]
        for session in (1, 2)
    )
    gaps = np.array([[face_gap(one, two) for two in second] for one in first])
    assert (gaps.argmin(axis=1) == np.arange(12)).sum() == 12


def aligned_face(head):
    """Front surface points (n, 3) of the face in mm, from the brain's own axes."""
    brain = nib.affines.apply_affine(head.img.affine, np.argwhere(head.brain_mask.get_fdata() > 0))
    depth = surface_depth(head.img)
    face = (head.face_mask.get_fdata() > 0).any(axis=1) & np.isfinite(depth)
    points = nib.affines.apply_affine(head.img.affine, np.insert(np.argwhere(face), 1, 0, axis=1))
    points[:, 1] = depth[face]
    return points - brain.mean(axis=0)


def face_gap(one, two):
    """Mean distance between two clouds after the best few steps of rigid alignment."""
    from scipy.spatial import cKDTree

    moved, tree = one, cKDTree(two)
    for _ in range(15):
        near = two[tree.query(moved)[1]]
        a, b = moved.mean(axis=0), near.mean(axis=0)
        u, _, vt = np.linalg.svd((moved - a).T @ (near - b))
        turn = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
        moved = (moved - a) @ turn + b
    return tree.query(moved)[0].mean()


def test_a_head_is_the_same_twice_and_differs_between_patients_and_sessions(head):
    data = head.img.get_fdata()
    np.testing.assert_array_equal(data, samples.head(1, spacing_mm=3).img.get_fdata())
    for other in (samples.head(2, spacing_mm=3), samples.head(1, 2, spacing_mm=3)):
        assert (other.img.get_fdata() != data).mean() > 0.5


def test_images_share_one_grid_in_right_anterior_superior_mm(head):
    assert all(part.shape == head.img.shape for part in head)
    assert nib.aff2axcodes(head.img.affine) == ("R", "A", "S")
    np.testing.assert_allclose(head.img.header.get_zooms(), 3)
    assert head.img.get_data_dtype() == np.int16


def test_contrast_is_that_of_a_t1_image(head):
    data = head.img.get_fdata()
    brain, face = head.brain_mask.get_fdata() > 0, head.face_mask.get_fdata() > 0
    fluid, gray, white = np.percentile(data[brain], [2, 40, 90])
    fat = np.percentile(data[face], 98)
    air = np.median(data[:, :, -1])
    assert air < 8 < fluid < gray < white < fat


def test_a_dark_skull_surrounds_the_brain(head):
    data, brain = head.img.get_fdata(), head.brain_mask.get_fdata() > 0
    i, j, k = (round(float(center)) for center in np.argwhere(brain).mean(axis=0))
    outward = data[i, j, k:]
    top = k + np.flatnonzero(brain[i, j, k:]).max()
    above = outward[top - k : top - k + 7]  # 21 mm: fluid, bone, scalp
    assert above.min() < 50
    assert above[int(above.argmin()) :].max() > 100


def test_masks_have_human_size_and_the_face_lies_before_and_below_the_brain(head):
    brain, face = head.brain_mask.get_fdata() > 0, head.face_mask.get_fdata() > 0
    liters = brain.sum() * 27e-6
    assert 1.3 < liters < 1.9
    assert not (brain & face).any()
    brain_center, face_center = np.argwhere(brain).mean(axis=0), np.argwhere(face).mean(axis=0)
    assert face_center[1] > brain_center[1]
    assert face_center[2] < brain_center[2]


@pytest.mark.parametrize(
    "wrong", [{"patient": 0}, {"session": 0}, {"spacing_mm": 0.1}, {"seed": -1}]
)
def test_head_refuses_numbers_out_of_range(wrong):
    with pytest.raises(InputError):
        samples.head(**{"patient": 1} | wrong)


def lattice(size=41):
    """Points 1 mm apart around the origin, which lies in the middle voxel."""
    half = size // 2
    x, y, z = np.mgrid[-half : half + 1, -half : half + 1, -half : half + 1].astype(float)
    return _Space(x, y, z, np.c_[np.eye(3), np.full(3, half)])


def test_the_distance_to_a_sphere_is_that_to_its_center_less_the_radius():
    space = lattice()
    distance = Ball((0, 3, -2), (7, 7, 7)).distance(space.x, space.y, space.z)
    plain = np.sqrt(space.x**2 + (space.y - 3) ** 2 + (space.z + 2) ** 2) - 7
    away = plain > -7  # at the center itself no direction leads to the surface
    assert np.allclose(distance[away], plain[away])


def test_the_distance_to_a_rod_is_that_to_the_nearest_of_its_points():
    space, start, end = lattice(21), np.array([-4.0, 0, 1]), np.array([5.0, 2, 1])
    spine = start + np.linspace(0, 1, 2001)[:, None] * (end - start)
    points = np.stack([space.x, space.y, space.z], axis=-1).reshape(-1, 3)[::37]
    nearest = np.linalg.norm(points[:, None] - spine, axis=-1).min(axis=1)
    distance = Rod(tuple(start), tuple(end), 2, 2).distance(*points.T)
    assert np.allclose(distance, nearest - 2, atol=1e-3)


def test_a_painted_sphere_has_its_volume_and_a_carved_one_is_gone():
    space, ball = lattice(), Ball((0, 0, 0), (10, 10, 10))
    image = np.zeros(space.x.shape)
    _paint(image, ball, 5.0, space, soft=1.0)
    assert image.sum() == pytest.approx(5 * 4 / 3 * np.pi * 10**3, rel=0.01)
    field = _assemble(np.full(space.x.shape, 50.0), [_Part(ball, 0), _Part(ball, 0, True)], space)
    assert inside(field, 1.0).sum() <= inside(np.abs(ball.distance(*space[:3])), 1.0).sum()


def test_what_lies_on_one_side_is_mirrored():
    space = lattice()
    field = _assemble(np.full(space.x.shape, 50.0), [_Part(Ball((8, 0, 0), (4, 4, 4)), 0)], space)
    assert np.array_equal(field, field[::-1])
    assert field[20 + 9, 20, 20] == field[20 - 9, 20, 20] < 0
