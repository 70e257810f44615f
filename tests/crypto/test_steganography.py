"""Bytes hidden in pixels: what comes back, how much fits, what is refused, what tests see."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pydicom import dcmread
from pydicom.data import get_testdata_file
from scipy.ndimage import gaussian_filter

from medlab.crypto import steganography
from medlab.crypto.steganography import METHODS, capacity, chi_square, embed, extract, rs_rate
from medlab.errors import InputError, RefusedError, UsageError

KEY, OTHER = bytes(range(32)), bytes(32)
REVERSIBLE = ("shift", "expansion")
TYPES = [f"{order}{kind}{size}" for order in "<>" for kind in "iu" for size in (1, 2, 4)]


def noise(count, seed=1):
    return np.random.default_rng(seed).bytes(count)


def smooth(shape=(40, 50), dtype=np.uint16, middle=1000, spread=3, seed=1):
    rng = np.random.default_rng(seed)
    return (middle + rng.normal(0, spread, shape)).round().astype(dtype)


@st.composite
def images(draw):
    """Give any image: flat, tiny, noise, ramps, both ends of the range, few values."""
    dtype = np.dtype(draw(st.sampled_from(TYPES)))
    tiny, sides = array_shapes(min_dims=2, max_dims=4, max_side=12), st.integers(24, 48)
    shape = draw(st.one_of(tiny, st.tuples(sides, sides), st.tuples(st.just(3), sides, sides)))
    info = np.iinfo(dtype)
    low, high = sorted(draw(st.lists(st.integers(info.min, info.max), min_size=2, max_size=2)))
    bits = draw(st.sampled_from([None, (low, high)]))
    low, high = bits or (info.min, info.max)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["flat", "near", "ends", "edges", "noise", "few"]))
    start = draw(st.sampled_from([low, high, (low + high) // 2, min(low + 9, high)]))
    values = {
        "flat": lambda: np.full(shape, start),
        "near": lambda: start + rng.integers(-12, 13, shape),
        "ends": lambda: rng.choice([low, high], shape),
        "edges": lambda: np.where(
            rng.random(shape) < 0.1, high, start + rng.integers(0, 3, shape)
        ),
        "noise": lambda: rng.integers(low, high + 1, shape),
        "few": lambda: start + 5 * rng.integers(-2, 3, shape),
    }[kind]()
    return np.clip(values, low, high).astype(dtype), bits


@pytest.mark.parametrize("method", METHODS)
@given(image=images(), seed=st.integers(0, 2**32))
def test_a_full_payload_comes_back_and_so_does_the_image(method, image, seed):
    pixels, bits = image
    before = pixels.copy()
    room = capacity(pixels, method, bits=bits)
    with pytest.raises(InputError, match=f"the capacity of this image is {room} bytes"):
        embed(pixels, bytes(room + 64), KEY, method, bits=bits)
    if room == 0:
        return
    for payload in (noise(room, seed), bytes(room), b""):
        hidden = embed(pixels, payload, KEY, method, bits=bits)
        found, restored = extract(hidden, KEY, method, bits=bits)
        assert found == payload
        assert (hidden.dtype, hidden.shape) == (pixels.dtype, pixels.shape)
        low, high = bits or (np.iinfo(pixels.dtype).min, np.iinfo(pixels.dtype).max)
        assert low <= int(hidden.min()) <= int(hidden.max()) <= high
        assert restored is None if method == "lsb" else restored.tobytes() == before.tobytes()
    assert pixels.tobytes() == before.tobytes()


@given(pixels=arrays(np.uint8, array_shapes(min_dims=2, max_dims=3, max_side=12)))
def test_what_holds_nothing_says_so_and_refuses_even_an_empty_payload(pixels):
    for method in METHODS:
        if capacity(pixels, method) == 0:
            with pytest.raises((InputError, RefusedError)):
                extract(embed(pixels, b"x", KEY, method), KEY, method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "shape", [(0, 5), (5, 0), (0, 4, 4), (1, 1), (1, 9000), (9000, 1), (2, 2)]
)
def test_tiny_images_hold_nothing_or_give_it_back(method, shape):
    pixels = np.full(shape, 1000, np.int16)
    room = capacity(pixels, method)
    with pytest.raises(InputError, match="capacity"):
        embed(pixels, bytes(room + 64), KEY, method)
    if room:
        found, restored = extract(embed(pixels, noise(room), KEY, method), KEY, method)
        assert found == noise(room)
        assert restored is None or np.array_equal(restored, pixels)
    with pytest.raises(RefusedError):
        extract(pixels, KEY, method)


@pytest.mark.parametrize("method", METHODS)
def test_every_length_of_payload_comes_back(method):
    pixels = smooth((30, 40))
    assert capacity(pixels, method) >= 20
    for count in range(capacity(pixels, method) + 1):
        found, restored = extract(embed(pixels, noise(count), KEY, method), KEY, method)
        assert found == noise(count)
        assert restored is None or np.array_equal(restored, pixels)


@pytest.mark.parametrize("method", REVERSIBLE)
@pytest.mark.parametrize(
    ("usual", "spot", "share"),
    [(128, 255, 0.08), (128, 0, 0.08), (0, 1, 0.05), (255, 254, 0.05), (60, 90, 0.05)],
)
def test_spots_at_the_ends_of_the_range_are_paid_for(method, usual, spot, share):
    rng = np.random.default_rng(5)
    pixels = np.where(rng.random((48, 60)) < share, spot, usual).astype(np.uint8)
    room = capacity(pixels, method)
    if room:
        hidden = embed(pixels, noise(room), KEY, method)
        found, restored = extract(hidden, KEY, method)
        assert found == noise(room)
        assert np.array_equal(restored, pixels)
    # `shift` leaves a pixel alone whose prediction is at an end; the map of `expansion` costs more
    # than spots leave, but for few of them
    carries = usual in (60, 128) if method == "shift" else (usual, spot) in ((0, 1), (60, 90))
    assert (room > 0) is carries


def test_the_second_layer_has_room_whatever_the_bits_of_the_first():
    pixels = smooth((30, 30), np.uint8, 60, spread=9)
    room = capacity(pixels)
    for seed in range(300):  # each seal is another stream of bits
        assert extract(embed(pixels, noise(room, seed), KEY), KEY)[0] == noise(room, seed)


@pytest.mark.parametrize("method", METHODS)
def test_one_altered_pixel_anywhere_is_refused(method):
    pixels = smooth((30, 40), np.uint8, 30, spread=2)
    pixels[3:6, 4:9], pixels[20:, 28:] = 255, 0  # ends of the range, where nothing is carried
    hidden = embed(pixels, b"note", KEY, method)
    for place in np.ndindex(hidden.shape):
        for change in (1, -1, 2, 128):
            altered = hidden.copy()
            altered[place] = (int(altered[place]) + change) % 256
            with pytest.raises(RefusedError, match="altered"):
                extract(altered, KEY, method)


@pytest.mark.parametrize("method", METHODS)
def test_wrong_key_other_method_and_clean_image_are_refused_in_one_sentence(method):
    pixels = smooth()
    hidden = embed(pixels, b"Doe^Jane", KEY, method)
    others = [name for name in METHODS if name != method]
    cases = [(hidden, OTHER, method), (pixels, KEY, method), *((hidden, KEY, m) for m in others)]
    for image, key, name in cases:
        with pytest.raises(RefusedError, match="nothing is hidden") as caught:
            extract(image, key, name)
        assert "Doe" not in str(caught.value)


@pytest.mark.parametrize("method", METHODS)
def test_an_image_moved_turned_or_cut_is_refused(method):
    hidden = embed(smooth((40, 40)), b"note", KEY, method)
    for altered in (
        hidden.T,
        hidden[::-1],
        hidden[:-1],
        hidden[None, :20],
        hidden.astype("i4") + 1,
    ):
        with pytest.raises(RefusedError):
            extract(altered, KEY, method)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_payload_looks_different_each_time(method):
    pixels = smooth()
    first, second = (embed(pixels, b"note", KEY, method) for _ in range(2))
    assert not np.array_equal(first, second)


def test_lowest_bits_change_in_few_and_scattered_places():
    pixels = smooth((100, 100))
    changed = np.argwhere(embed(pixels, bytes(20), KEY, "lsb") != pixels)
    assert 100 < len(changed) < 320
    assert changed[:, 0].min() < 20
    assert changed[:, 0].max() > 80


def test_no_pixel_moves_by_more_than_eight_and_less_near_the_ends():
    pixels = smooth((64, 64), np.uint8, 6, spread=2)
    hidden = embed(pixels, noise(capacity(pixels)), KEY)
    change = np.abs(hidden.astype(int) - pixels)
    assert 0 < change.max() <= 8
    assert change[pixels == 0].max(initial=0) <= 2


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"pixels": np.zeros((9, 9))}, InputError),
        ({"pixels": np.zeros((9, 9), np.int64)}, InputError),
        ({"pixels": np.zeros((9, 9), bool)}, InputError),
        ({"pixels": np.zeros(99, np.uint8)}, InputError),
        ({"bits": (0, 70000)}, UsageError),
        ({"bits": (9, 3)}, UsageError),
        ({"bits": (0, 3)}, InputError),
        ({"method": "dct"}, UsageError),
        ({"key": b"short"}, InputError),
    ],
)
def test_what_makes_no_sense_is_an_input_error(wrong, error):
    call = {"pixels": smooth(), "payload": b"note", "key": KEY, **wrong}
    with pytest.raises(error):
        embed(**call)


def test_a_float_image_says_so_and_a_value_outside_of_the_bits_was_altered():
    with pytest.raises(InputError, match="integers"):
        extract(np.zeros((9, 9)), KEY)
    hidden = embed(smooth(), b"note", KEY, bits=(0, 2000))
    hidden[0, 0] = 2001
    with pytest.raises(RefusedError):
        extract(hidden, KEY, bits=(0, 2000))


# pydicom's own files: bits per pixel and PSNR to reach with a full payload
LIMITS = [
    ("CT_small.dcm", 0.30, 75),
    ("MR_small.dcm", 0.05, 75),
    ("examples_overlay.dcm", 0.55, 58),
    ("J2K_pixelrep_mismatch.dcm", 0.60, 65),
]


@pytest.mark.parametrize(("name", "least_bits", "least_psnr"), LIMITS)
def test_capacity_and_likeness_reach_their_limits(name, least_bits, least_psnr):
    dataset = dcmread(get_testdata_file(name, download=False))
    pixels, half = dataset.pixel_array, 1 << (dataset.BitsStored - 1)
    bits = (-half, half - 1) if dataset.PixelRepresentation else (0, 2 * half - 1)
    room = capacity(pixels, bits=bits)
    hidden = embed(pixels, noise(room), KEY, bits=bits)
    error = np.mean((hidden.astype(float) - pixels) ** 2)
    assert 8 * room / pixels.size >= least_bits
    assert 20 * np.log10((bits[1] - bits[0]) / np.sqrt(error)) >= least_psnr
    found, restored = extract(hidden, KEY, bits=bits)
    assert found == noise(room)
    assert np.array_equal(restored, pixels)


def test_the_border_is_predicted_by_its_neighbors_and_not_by_itself():
    values = np.arange(12).reshape(1, 3, 4)
    sums = steganography._sum_of_four(values)
    assert sums[0, 0, 0] == 2 * values[0, 1, 0] + 2 * values[0, 0, 1]
    assert sums[0, 1, 1] == 1 + 9 + 4 + 6


def stored(name):
    return dcmread(get_testdata_file(name, download=False)).pixel_array


def photograph():
    """Return a smooth picture with a little noise."""
    rng = np.random.default_rng(2)
    rough = gaussian_filter(rng.normal(0, 900, (256, 256)), 6)
    return np.clip(120 + rough + rng.normal(0, 1, rough.shape), 0, 255).astype(np.uint8)


def filled(pixels, share):
    room = capacity(pixels, "lsb")
    payload = np.random.default_rng(3).bytes(int(room * share))
    return embed(pixels, payload, KEY, "lsb")


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
    room = capacity(pixels, method, bits=(0, 4095))
    hidden = embed(pixels, bytes(room), KEY, method, bits=(0, 4095))
    assert chi_square(hidden) < 0.01
    assert abs(rs_rate(hidden)) < 0.15


def test_images_without_a_group_of_four_say_nothing():
    assert rs_rate(np.zeros((5, 3), np.uint8)) == 0
    assert rs_rate(np.zeros((5, 8), np.uint8)) == 0


@pytest.mark.parametrize("test", [chi_square, rs_rate])
def test_only_integers_are_looked_at(test):
    with pytest.raises(InputError, match="integers"):
        test(np.zeros((4, 4)))
    with pytest.raises(InputError, match="integers"):
        test(np.zeros((0, 4), np.uint8))
