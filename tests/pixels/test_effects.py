import pixel_images as made
import pytest
from pydicom.pixels import pixel_array

from medlab.errors import UsageError
from medlab.pixels import effects, mask
from medlab.pixels.mask import Box

CASES = made.cases()


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
