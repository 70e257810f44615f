import numpy as np
import pixel_images as made
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.pixels import pixel_array

from medlab.errors import InputError, UsageError
from medlab.pixels import attack, effects, mask
from medlab.pixels.mask import Box

CASES = made.cases()


@pytest.mark.parametrize("soften", [attack.pixelate(6), attack.blur(2.0)])
def test_a_number_is_read_back_from_its_blocks_and_its_blur(soften):
    rng = np.random.default_rng(4)
    seen = soften(attack.written("40217935"))
    seen = seen + rng.normal(0, 8, seen.shape)
    assert attack.read_back(seen, soften, 8).text == "40217935"


def test_the_parts_of_the_digits_add_up_to_the_number():
    soften = attack.blur(3.0)
    parts = attack._digits(soften, 4, 16)
    whole = soften(attack.written("7305"))
    together = parts[range(4), [7, 3, 0, 5]].sum(axis=0)
    assert np.abs(whole - together).max() < 6  # glyphs that touch are cut at white


def test_recovery_falls_with_the_strength_of_the_effect():
    table = attack.recovery(
        [("pixelate", 4), ("pixelate", 40)], np.random.default_rng(0), numbers=3, length=6
    )
    assert table["whole"].tolist()[0] == 1
    assert table["digits"].tolist()[1] < 0.6


def test_only_blur_and_pixelate_can_be_attacked():
    with pytest.raises(InputError, match="blur and pixelate"):
        attack.recovery([("blank", 1)], np.random.default_rng(0))


@given(st.integers(1, 9), st.integers(1, 30), st.integers(1, 30))
def test_pixelating_keeps_the_mean_of_whole_blocks(block, rows, columns):
    rng = np.random.default_rng(rows * columns)
    data = rng.integers(0, 255, (rows * block, columns)).astype(float)
    soft = effects.pixelated(data, block)
    assert soft.shape == data.shape
    whole = data[:, : columns - columns % block]
    assert np.isclose(soft[:, : whole.shape[1]].mean() if whole.size else 0,
                      whole.mean() if whole.size else 0)  # fmt: skip


@pytest.mark.parametrize("name", ["mono2-s16", "mono1-u12", "rgb-1", "ybr-422", "palette", "float",
                                  "rle-rgb", "jpeg-422", "high-bit-15"])  # fmt: skip
@pytest.mark.parametrize("effect", effects.EFFECTS)
def test_an_effect_changes_its_boxes_only(name, effect):
    source = CASES[name]()
    boxes = [Box(4, 4, 60, 30)]
    result = effects.apply(source, boxes, effect, pseudonym="S1")
    assert mask.same_outside(source, result, boxes)
    assert not mask.same_outside(source, result, [])


@pytest.mark.parametrize("name", ["mono1-u12", "rgb-0", "ybr-1", "palette"])
def test_a_pseudonym_is_bright_on_black_in_every_color_space(name):
    result = effects.apply(CASES[name](), [Box(0, 0, 64, 48)], "pseudonymize", pseudonym="I")
    shown = pixel_array(made.reread(result))
    if name == "palette":
        shown = 255 - shown
    if name == "mono1-u12":
        shown = 4095 - shown
    cover = effects.lettering("I", Box(0, 0, 64, 48))
    gray = shown if shown.ndim == 2 else shown.max(axis=2)
    assert gray[cover > 0.9].min() > 0.9 * gray.max()
    assert gray[cover < 0.1].max() < 0.2 * gray.max()


def test_an_unknown_effect_or_no_pseudonym_is_bad_usage():
    with pytest.raises(UsageError):
        effects.apply(CASES["rgb-0"](), [], "smear")
    with pytest.raises(UsageError, match="needs a pseudonym"):
        effects.apply(CASES["rgb-0"](), [], "pseudonymize")
