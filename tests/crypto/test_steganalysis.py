"""Two tests of lowest bits: what they see, what they miss, and where they are wrong."""

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from scipy.ndimage import gaussian_filter

from medlab.crypto import embedding, steganalysis
from medlab.crypto.steganalysis import chi_square, rs_rate
from medlab.errors import InputError

KEY = bytes(range(32))


def stored(name):
    return dcmread(get_testdata_file(name, download=False)).pixel_array


def photograph():
    """Return a smooth picture with a little noise."""
    rng = np.random.default_rng(2)
    rough = gaussian_filter(rng.normal(0, 900, (256, 256)), 6)
    return np.clip(120 + rough + rng.normal(0, 1, rough.shape), 0, 255).astype(np.uint8)


def filled(pixels, share):
    room = embedding.capacity(pixels, "lsb")
    payload = np.random.default_rng(3).bytes(int(room * share))
    return embedding.embed(pixels, payload, KEY, "lsb")


def test_chi_square_of_counts_that_were_made_by_hand():
    equal = np.repeat([0, 1, 2, 3], [50, 50, 80, 80]).reshape(4, 65)
    uneven = np.repeat([0, 1, 2, 3], [90, 10, 150, 10]).reshape(4, 65)
    assert chi_square(equal) == 1
    # (90-50)^2/50 + (150-80)^2/80 = 93.25, one degree of freedom
    assert chi_square(uneven) == pytest.approx(4.6e-22, rel=0.01)


def test_negative_values_have_the_partner_of_their_lowest_bit():
    pixels = np.repeat([-4, -3, -2, -1], [50, 50, 80, 80]).reshape(4, 65)
    assert chi_square(pixels) == 1
    assert chi_square(pixels - 1) < 0.01


def test_too_few_values_for_a_test_are_no_finding():
    assert chi_square(np.zeros((8, 8), np.int16)) == 0
    assert chi_square(np.arange(64).reshape(8, 8)) == 0


@pytest.mark.parametrize("share", [0, 0.1, 0.3, 0.5, 0.8, 1])
@pytest.mark.parametrize("picture", ["made", "examples_overlay.dcm"])
def test_rs_finds_the_share_of_lowest_bits_that_were_replaced(picture, share):
    pixels = photograph() if picture == "made" else stored(picture)
    hidden = filled(pixels, share) if share else pixels
    assert rs_rate(hidden) == pytest.approx(share, abs=0.2)


def test_chi_square_sees_a_full_image_and_not_a_tenth_that_is_scattered():
    pixels = stored("examples_overlay.dcm")
    assert chi_square(pixels) < 0.01
    assert chi_square(filled(pixels, 0.1)) < 0.01
    assert chi_square(filled(pixels, 1)) > 0.99


def test_a_small_scaled_ct_is_a_false_alarm():
    pixels = stored("CT_small.dcm")
    assert chi_square(pixels) > 0.99  # nothing is hidden in it
    assert abs(rs_rate(pixels)) < 0.2


@pytest.mark.parametrize("method", ["shift", "expansion"])
def test_reversible_methods_are_not_seen_by_tests_of_lowest_bits(method):
    pixels = stored("examples_overlay.dcm")
    room = embedding.capacity(pixels, method, bits=(0, 4095))
    hidden = embedding.embed(pixels, bytes(room), KEY, method, bits=(0, 4095))
    assert chi_square(hidden) < 0.01
    assert abs(rs_rate(hidden)) < 0.15


def test_images_without_a_group_of_four_say_nothing():
    assert rs_rate(np.zeros((5, 3), np.uint8)) == 0
    assert rs_rate(np.zeros((5, 8), np.uint8)) == 0


@pytest.mark.parametrize("test", [steganalysis.chi_square, steganalysis.rs_rate])
def test_only_integers_are_looked_at(test):
    with pytest.raises(InputError, match="integers"):
        test(np.zeros((4, 4)))
    with pytest.raises(InputError, match="integers"):
        test(np.zeros((0, 4), np.uint8))
