import pixel_images as made
import pytest

from medlab.errors import InputError
from medlab.pixels import effects
from medlab.pixels.effects import Box

CASES = made.cases()


BOXES = [Box(5, 7, 20, 16), Box(40, 30, 99, 35)]  # the second one leaves the image


def test_a_damaged_head_that_makes_gdcm_end_its_process_ends_only_that():
    source = CASES["jpeg-lossless-rgb"]()
    code = bytearray(source.PixelData)
    code[code.index(b"\xff\xd8") + 17] ^= 0x2D
    source.PixelData = bytes(code)
    with pytest.raises(InputError, match="cannot be decoded"):
        effects.fill(source, BOXES)
