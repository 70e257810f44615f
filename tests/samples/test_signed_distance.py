"""Signed distances: exact for spheres and rods, and what is painted has their volume."""

import numpy as np
import pytest

from medlab.samples.signed_distance import Ball, Part, Rod, Space, assemble, inside, paint


def lattice(size=41):
    """Points 1 mm apart around the origin, which lies in the middle voxel."""
    half = size // 2
    x, y, z = np.mgrid[-half : half + 1, -half : half + 1, -half : half + 1].astype(float)
    return Space(x, y, z, np.c_[np.eye(3), np.full(3, half)])


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
    paint(image, ball, 5.0, space, soft=1.0)
    assert image.sum() == pytest.approx(5 * 4 / 3 * np.pi * 10**3, rel=0.01)
    field = assemble(np.full(space.x.shape, 50.0), [Part(ball, 0), Part(ball, 0, True)], space)
    assert inside(field, 1.0).sum() <= inside(np.abs(ball.distance(*space[:3])), 1.0).sum()


def test_what_lies_on_one_side_is_mirrored():
    space = lattice()
    field = assemble(np.full(space.x.shape, 50.0), [Part(Ball((8, 0, 0), (4, 4, 4)), 0)], space)
    assert np.array_equal(field, field[::-1])
    assert field[20 + 9, 20, 20] == field[20 - 9, 20, 20] < 0
