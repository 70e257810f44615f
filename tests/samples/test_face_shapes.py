"""Faces of the samples: a nose between the eyes, and twelve that differ."""

import nibabel as nib
import numpy as np
import pytest

from medlab import samples

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
