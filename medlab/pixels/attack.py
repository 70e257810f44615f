"""Read blurred or pixelated digits back: why neither is a redaction.

Hill, Zhou, Saul and Shacham, "On the (In)effectiveness of Mosaicing and Blurring as Tools
for Document Redaction", PoPETs 2016(4). Here with a beam search over the digits, the font
and its size known, as they are for every device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medlab.errors import InputError
from medlab.pixels.effects import blurred, font_path, pixelated

_Soften = Callable[[NDArray[np.float64]], NDArray[np.float64]]
_SIGNS = "0123456789"
_BRIGHT = 255.0
_BEAM = 40  # candidates kept after each digit


class _Readback(NamedTuple):
    """What the attack reads: the likeliest text and its mean squared distance per pixel."""

    text: str
    distance: float


def written(text: str, size: int = 16, length: int | None = None) -> NDArray[np.float64]:
    """Return text as gray values 0 to 255, (rows, columns), in DejaVu Sans of `size` pixels.

    With `length`, the picture is as wide as a text of so many digits.
    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(font_path(), size)
    wide = int(np.ceil(font.getlength("0") * (length or len(text)))) + 2 * size
    canvas = Image.new("L", (wide, 2 * size), 0)
    ImageDraw.Draw(canvas).text((size, size // 2), text, fill=255, font=font)
    return np.asarray(canvas, float)


def read_back(
    image: NDArray[np.float64], soften: _Soften, length: int, size: int = 16
) -> _Readback:
    """Guess a number of `length` digits from its blurred or pixelated picture.

    Both effects are linear, so the softened picture of a number is the sum of those of its
    digits, each at its place. Digit by digit from the left, the candidates nearest to what is
    seen are kept; only columns that later digits hardly reach are compared before the end.

    Parameters
    ----------
    image : ndarray
        What `written(number, size)` looks like after `soften`, noise allowed.
    soften : callable
        The effect: `effects.blurred` or `effects.pixelated`, its strength bound.
    length : int
        Digits of the number.
    size : int
        Size of the font in pixels.
    """
    if length < 1:
        raise InputError("a number to read back has at least one digit")
    parts = _digits(soften, length, size)
    digits = np.zeros((1, 0), int)
    sums = np.zeros((1, *image.shape))
    for place in range(length):
        sums = (sums[:, None] + parts[place]).reshape(-1, *image.shape)
        last = np.tile(np.arange(10), len(digits))[:, None]
        digits = np.hstack([np.repeat(digits, 10, axis=0), last])
        end = size + int((image.shape[1] - 2 * size) * (place + 0.5) / length)
        seen = slice(None) if place == length - 1 else slice(end)
        away = np.square(sums[..., seen] - image[:, seen]).mean(axis=(1, 2))
        best = away.argsort()[:_BEAM]
        digits, sums = digits[best], sums[best]
    return _Readback("".join(map(str, digits[0])), float(away[best[0]]))


def _digits(soften: _Soften, length: int, size: int) -> NDArray[np.float64]:
    """Return softened pictures (places, ten digits, rows, columns) of single digits."""
    before = [written("0" * place, size, length) for place in range(length)]
    return np.array(
        [
            [soften(written("0" * place + sign, size, length) - before[place]) for sign in _SIGNS]
            for place in range(length)
        ]
    )


def recovery(
    effects: Sequence[tuple[str, float]],
    rng: np.random.Generator,
    *,
    numbers: int = 3,
    length: int = 8,
    size: int = 16,
    noise: float = 8.0,
) -> pd.DataFrame:
    """Measure how much of random numbers is read back.

    Parameters
    ----------
    effects : sequence of (str, float)
        ``("blur", sigma)`` or ``("pixelate", block)``, in pixels.
    rng : Generator
    numbers, length, size, noise
        How many numbers, their digits, the font's size in pixels, and the standard deviation
        of the noise added after the effect (of 255).

    Returns
    -------
    DataFrame
        One row an effect: effect, strength, ``digits`` (share of digits right; a tenth by
        chance) and ``whole`` (share of numbers right).
    """
    if any(name not in ("blur", "pixelate") for name, _ in effects):
        raise InputError("the effects that can be attacked are blur and pixelate")
    rows = []
    for name, strength in effects:
        blur, block = partial(blurred, sigma=strength), partial(pixelated, block=int(strength))
        soften = blur if name == "blur" else block
        right = []
        for _ in range(numbers):
            number = "".join(map(str, rng.integers(0, 10, length)))
            seen = soften(written(number, size))
            seen = np.clip(seen + rng.normal(0, noise, seen.shape), 0, _BRIGHT)
            guess = read_back(seen, soften, length, size).text
            right.append([a == b for a, b in zip(number, guess, strict=True)])
        hits = np.array(right)
        rows.append((name, strength, hits.mean(), hits.all(axis=1).mean()))
    return pd.DataFrame(rows, columns=["effect", "strength", "digits", "whole"])
