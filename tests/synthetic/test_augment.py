"""Copies keep shape and type, image and label move by one field, and nothing wraps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medlab.errors import InputError
from medlab.synthetic import augment

MOVES = [augment.affine, augment.elastic]
GRAYS = [augment.bias_field, augment.noise, augment.motion]


def ball(dtype=np.int16, shape=(24, 30, 20)):
    """A bright ball in the dark, off the center, and its label."""
    z, y, x = np.indices(shape)
    inside = (z - 10) ** 2 + (y - 16) ** 2 + (x - 9) ** 2 < 36
    return np.where(inside, 200, 20).astype(dtype), np.where(inside, 7, 3).astype(np.uint8)


@pytest.mark.parametrize("name", augment.ALL)
@pytest.mark.parametrize("dtype", ["<i2", ">i2", "u1", "<f4", ">f8", "<u2", "<i4"])
def test_shape_type_and_input_stay_and_the_seed_says_it_all(name, dtype):
    image, label = ball(dtype)
    before = image.copy(), label.copy()
    first, second = (augment.ALL[name](image, np.random.default_rng(3), label) for _ in range(2))
    assert first[0].dtype == np.dtype(dtype)
    assert first[0].shape == image.shape
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
    assert np.array_equal(image, before[0])
    assert np.array_equal(label, before[1])
    assert not np.array_equal(first[0], image)
    assert augment.ALL[name](image, np.random.default_rng(3))[1] is None


@pytest.mark.parametrize("move", MOVES)
@given(seed=st.integers(0, 2**32))
def test_image_and_label_move_by_one_field(move, seed):
    image, label = ball(np.float32)
    seen, told = move(image, np.random.default_rng(seed), label)
    assert set(np.unique(told)) <= {3, 7}
    # linear at the same place: where all eight neighbors agree, the nearest one says the same
    sure = np.isin(seen, [20, 200])
    assert sure.mean() > 0.5
    assert np.array_equal(seen[sure] == 200, told[sure] == 7)
    assert ((seen > 110) == (told == 7)).mean() > 0.98


@pytest.mark.parametrize("move", MOVES)
def test_a_label_in_another_order_of_bytes_keeps_its_values(move):
    image, label = ball()
    wide = (label.astype(">i4") - 5) * 1000
    told = move(image, np.random.default_rng(0), wide)[1]
    assert told.dtype == wide.dtype
    assert set(np.unique(told)) == {-2000, 2000}


@pytest.mark.parametrize("change", GRAYS)
def test_what_changes_gray_levels_leaves_the_label_alone(change):
    image, label = ball()
    assert np.array_equal(change(image, np.random.default_rng(1), label)[1], label)


@pytest.mark.parametrize("name", augment.ALL)
@pytest.mark.parametrize("ends", [(-32768, 32767), (32000, 32767), (-32768, -32000)])
def test_whole_numbers_are_cut_off_and_never_wrap(name, ends):
    image = np.where(ball()[0] > 100, ends[1], ends[0]).astype(np.int16)
    seen, _ = augment.ALL[name](image, np.random.default_rng(2))
    exact, _ = augment.ALL[name](image.astype(np.float64), np.random.default_rng(2))
    np.testing.assert_allclose(seen, np.clip(exact, -32768, 32767), atol=0.55)


def test_a_turn_is_a_turn_in_mm():
    # voxels of 1 x 1 x 4 mm: turned in mm, the distance between two points stays
    z, y, x = np.indices((60, 60, 15))
    points = [(20, 20, 5), (40, 36, 9)]
    image = sum(
        1000 * np.exp(-((z - p[0]) ** 2 + (y - p[1]) ** 2 + 16 * (x - p[2]) ** 2) / 18)
        for p in points
    )
    turned = {"scale": 0, "degrees": 15, "voxel_mm": (1, 1, 4)}
    seen, _ = augment.affine(image, np.random.default_rng(4), **turned)
    found = []
    for half in (z + y < 60, z + y >= 60):
        mass = seen * half
        found.append([float((axis * mass).sum() / mass.sum()) for axis in (z, y, x)])
    mm, known = (np.linalg.norm(np.subtract(*p) * (1, 1, 4)) for p in (found, points))
    assert mm == pytest.approx(known, rel=0.03)


def test_the_elastic_field_does_not_fold():
    for seed in range(5):
        ramps = [
            augment.elastic(axis, np.random.default_rng(seed))[0]
            for axis in np.indices((60, 60, 60)).astype(float)
        ]
        slopes = np.stack([np.stack(np.gradient(ramp)) for ramp in ramps])
        inner = np.moveaxis(slopes[:, :, 8:-8, 8:-8, 8:-8], (0, 1), (-2, -1))
        assert np.linalg.det(inner).min() > 0


def test_motion_keeps_the_head_where_its_label_is():
    image, label = ball(np.float64, (40, 40, 40))
    for seed in range(6):
        seen, _ = augment.motion(image, np.random.default_rng(seed), label)
        places = np.argwhere(label == 7).mean(axis=0), np.argwhere(seen > 110).mean(axis=0)
        assert np.abs(np.subtract(*places)).max() < 1


@pytest.mark.parametrize("name", augment.ALL)
def test_what_cannot_be_varied_is_refused(name):
    image, label = ball(np.float32)
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="another shape"):
        augment.ALL[name](image, rng, label[1:])
    with pytest.raises(InputError, match="three axes"):
        augment.ALL[name](image[0], rng)
    image[3, 3, 3] = np.nan
    with pytest.raises(InputError, match="finite"):
        augment.ALL[name](image, rng)
