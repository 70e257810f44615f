import numpy as np
import pytest

from medlab import neuro
from medlab.neuro import bet

# f: voxels, center of mass, axial areas at k = 20, 50, 80, 110, 140 of bet2 on ch2
BET2 = {
    0.3: (2086129, (90.79, 104.37, 80.00), (7069, 18011, 20906, 16725, 7517)),
    0.5: (1939183, (90.72, 103.75, 80.36), (5115, 17282, 20381, 16097, 6267)),
    0.7: (1753805, (90.71, 105.08, 81.27), (3689, 15199, 19239, 15220, 5535)),
}


def test_the_sphere_is_the_icosahedron_cut_in_four_four_times():
    vertices, faces = bet._sphere()
    rings, counts = bet._neighbors(faces, len(vertices))
    assert vertices.shape == (2562, 3)
    assert faces.shape == (5120, 3)
    assert np.allclose(np.linalg.norm(vertices, axis=1), 1)
    assert counts.tolist() == [5] * 12 + [6] * 2550
    assert [0.8506508, 0.5257311, 0] in np.abs(vertices[:12]).round(7).tolist()
    assert (np.linalg.det(vertices[faces]) > 0).all()  # counter-clockwise from outside
    edge = np.linalg.norm(vertices[rings] - vertices, axis=2)
    assert edge.max() < 0.1


def test_filling_a_sphere_gives_its_volume():
    vertices, faces = bet._sphere()
    mask = bet.fill(vertices * 20 + 25, faces, np.array([1.0, 1.0, 2.0]), (51, 51, 26))
    assert 20**3 < mask.sum() * 2 / (4 / 3 * np.pi) < 21**3  # the voxels of the surface count
    assert mask[25, 25, 12]
    assert not mask[0, 0, 0]


def test_a_surface_that_leaves_the_image_is_still_filled():
    vertices, faces = bet._sphere()
    mask = bet.fill(vertices * 20 + [25, 25, 5], faces, np.ones(3), (51, 51, 40))
    assert mask[25, 25, 0]
    assert mask[25, 25, 5]


@pytest.mark.needs("mricron-data")
@pytest.mark.parametrize("f", [0.3, 0.5, 0.7])
def test_bet2_is_reproduced_on_a_public_head(ch2, f):
    found = neuro.extract_brain(ch2, f=f, backend="builtin")
    voxels, middle, areas = BET2[f]
    report = found.report
    assert report["t2"] == 0
    assert report["t"] == pytest.approx(14.605)
    assert report["t98"] == pytest.approx(146.05)
    assert report["tm"] == 80
    assert report["radius_mm"] == pytest.approx(98.59, abs=0.005)
    assert report["center"] == pytest.approx((90.24, 108.05, 73.25), abs=0.005)
    mask = np.asanyarray(found.mask.dataobj) > 0
    assert mask.sum() == pytest.approx(voxels, rel=0.005)
    assert np.argwhere(mask).mean(axis=0) == pytest.approx(middle, abs=0.15)
    assert [int(mask[:, :, k].sum()) for k in (20, 50, 80, 110, 140)] == pytest.approx(
        areas, rel=0.03
    )
    assert report["warnings"] == []
