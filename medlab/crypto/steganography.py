"""Data hiding: bytes sealed by a key stand in the pixel values of an image; and who notices.

Three methods. ``shift`` and ``expansion`` give the image back bit for bit; ``lsb`` does not.
What is hidden is sealed with AES-GCM, bound to the very image that comes back, and its length is
masked. All bookkeeping travels in the image, that of ``expansion`` in clear.

Any codec with loss, and any change of a single pixel, destroys it.

Two classic tests of lowest bits, which share no code with the methods, tell what the change shows
to those without a key. Both were made for photographs of 8 bits. On medical images they raise
false alarms (a scaled CT has pairs of equal counts by itself) and miss what is spread thinly: look
at the figures of the clean image too.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from scipy.special import chdtrc

from medlab.arrays import Array, Mask
from medlab.crypto.cipher import seal, unseal
from medlab.crypto.keys import KEY_BYTES, keyed_order, subkey
from medlab.errors import InputError, RefusedError, UsageError

METHODS = ("shift", "expansion", "lsb")
_STRENGTH = 8  # largest change of a pixel by `shift`, in gray levels: 54 dB and more of 12 bits
_NONCE, _LENGTH, _TAG = 12, 4, 16  # bytes
_OVERHEAD = _NONCE + _LENGTH + _TAG
_LEAST_COUNT = 5  # expected count of a category, the usual rule for a chi-square test
_FLIPPED = np.array([0, 1, 1, 0])  # of the paper: the two inner pixels of four are flipped
_NO_BITS = np.zeros(0, np.uint8)
_OUTSIDE = "the image holds values outside of the bits allowed"
_NOTHING = "wrong key, an altered image, or nothing is hidden there by this method"

_Bits = tuple[int, int]
_Wrap = Callable[[Array], Array]  # bookkeeping to the bits of what is hidden


def capacity(pixels: Array, method: str = "shift", *, bits: _Bits | None = None) -> int:
    """Return how many bytes can be hidden in an image, whatever they are.

    Parameters
    ----------
    pixels : ndarray of integers of 8 to 32 bits, shape (..., rows, columns)
        Frames on the first axis.
    method : {"shift", "expansion", "lsb"}
        See `embed`.
    bits : (int, int), optional
        Lowest and highest value allowed; by default those of the type.

    Returns
    -------
    int
        Net: seal and bookkeeping are counted. 0 where nothing fits.
    """
    values, limits = _checked(pixels, method, bits)
    return max(0, _room(values, limits, method))


def embed(
    pixels: Array, payload: bytes, key: bytes, method: str = "shift", *, bits: _Bits | None = None
) -> Array:
    """Return a copy of an image in which a payload is hidden.

    Parameters
    ----------
    pixels, method, bits
        As in `capacity`.
    payload : bytes
        At most `capacity` of them.
    key : bytes
        32 bytes.

    Returns
    -------
    ndarray
        Same shape and type; all values within `bits`.

    Raises
    ------
    InputError
        If the payload is larger than the capacity, or the array is no image of integers.

    Notes
    -----
    ``shift``: the errors of a prediction from four neighbors are shifted, in two layers of a
    checkerboard; Sachnev et al., "Reversible Watermarking Algorithm Using Sorting and Prediction",
    IEEE TCSVT 19(7), 2009. No value moves by more than 8, and less near the ends of the range.
    ``expansion``: differences of pixels side by side are doubled; Tian, "Reversible Data
    Embedding Using a Difference Expansion", IEEE TCSVT 13(8), 2003.
    ``lsb``: lowest bits in an order that follows from the key. What they were is lost.

    Examples
    --------
    >>> image = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint16) + 1000
    >>> hidden = embed(image, b"a note", bytes(32))
    >>> extract(hidden, bytes(32))[0]
    b'a note'
    """
    values, limits = _checked(pixels, method, bits, key)
    room = _room(values, limits, method)
    if len(payload) > room:
        raise InputError(
            f"{len(payload)} bytes do not fit: the capacity of this image is {max(0, room)} bytes"
        )
    if method == "lsb":
        places = _places(values, limits, key)[: 8 * (_OVERHEAD + len(payload))]
        bound = _bound(_lowest(values, limits, places, 0), limits, "lsb")
        hidden = _lowest(values, limits, places, _wrapped(payload, key, bound))
    else:

        def wrap(notes: Array) -> Array:
            return _wrapped(payload, key, _bound(values, limits, method, notes), values.size)

        hidden = _WRITE[method](values, limits, wrap)
    return hidden.astype(pixels.dtype).reshape(pixels.shape)


def extract(
    pixels: Array, key: bytes, method: str = "shift", *, bits: _Bits | None = None
) -> tuple[bytes, Array | None]:
    """Return what `embed` hid, and the image as it was before.

    Parameters
    ----------
    pixels, key, method, bits
        As in `embed`.

    Returns
    -------
    payload : bytes
    restored : ndarray or None
        None for ``lsb``.

    Raises
    ------
    RefusedError
        If the key is another one, the image was altered, or nothing is hidden in it.
    """
    values, limits = _checked(pixels, method, bits, key, reading=True)
    if method == "lsb":
        return _lsb_read(values, limits, key), None
    notes, content, restored = _READ[method](values, limits)
    bound = _bound(restored, limits, method, notes)
    payload = _unwrapped(content, key, lambda _: bound, filled=True)
    return payload, restored.astype(pixels.dtype).reshape(pixels.shape)


def _checked(
    pixels: Array,
    method: str,
    bits: _Bits | None,
    key: bytes = bytes(KEY_BYTES),
    *,
    reading: bool = False,
) -> tuple[Array, _Bits]:
    """Return the values as (frames, rows, columns), wide enough for sums of four, and limits."""
    if len(key) != KEY_BYTES:
        raise InputError(f"a key has {KEY_BYTES} bytes, this one {len(key)}; use load_key()")
    if method not in METHODS:
        raise UsageError(f"no method of that name; there are {', '.join(METHODS)}")
    if pixels.dtype.kind not in "iu" or pixels.dtype.itemsize > 4 or pixels.ndim < 2:
        raise InputError("data are hidden in integers of 8 to 32 bits with two axes or more")
    info = np.iinfo(pixels.dtype)
    low, high = map(int, bits or (info.min, info.max))
    if not info.min <= low <= high <= info.max:
        raise UsageError("the lowest and highest value allowed do not go with the type")
    if pixels.size and not low <= int(pixels.min()) <= int(pixels.max()) <= high:
        raise RefusedError(_NOTHING) if reading else InputError(_OUTSIDE)
    wide = np.int32 if pixels.dtype.itemsize < 4 else np.int64
    count = int(np.prod(pixels.shape[:-2]))
    return pixels.astype(wide).reshape(count, *pixels.shape[-2:]), (low, high)


def _room(values: Array, limits: _Bits, method: str) -> int:
    """Return the net capacity in bytes; below zero where not even an empty payload fits."""
    return _ROOM[method](values, limits) // 8 - _OVERHEAD


# What is hidden: nonce, then masked: length, ciphertext, tag, zeros


def _bound(values: Array, limits: _Bits, method: str, notes: Array = _NO_BITS) -> bytes:
    """Return what the seal is bound to: the image that is given back, and the bookkeeping."""
    form = f"{method} {limits} {values.shape} {notes.tobytes().hex()} ".encode()
    return hashlib.sha256(form + np.ascontiguousarray(values).tobytes()).digest()


def _masked(data: bytes, key: bytes, nonce: bytes) -> bytes:
    mode = modes.CTR(nonce + bytes(16 - _NONCE))
    return Cipher(algorithms.AES(subkey(key, "hiding mask")), mode).encryptor().update(data)


def _wrapped(payload: bytes, key: bytes, bound: bytes, least: int = 0) -> Array:
    """Return the bits of a sealed payload, and masked zeros behind them up to `least` bits."""
    sealed = seal(payload, subkey(key, "hiding seal"), bound)
    nonce, plain = sealed[:_NONCE], len(payload).to_bytes(_LENGTH, "big") + sealed[_NONCE:]
    masked = _masked(plain.ljust(-(-least // 8), b"\0"), key, nonce)
    return np.unpackbits(np.frombuffer(nonce + masked, np.uint8))


def _unwrapped(bits: Array, key: bytes, bound: Callable[[int], bytes], *, filled: bool) -> bytes:
    """Return the payload in some bits; `bound` gets the number of those that it takes up."""
    data = np.packbits(bits).tobytes()
    nonce, plain = data[:_NONCE], _masked(data[_NONCE:], key, data[:_NONCE].ljust(_NONCE, b"\0"))
    used = _OVERHEAD + int.from_bytes(plain[:_LENGTH], "big")
    behind = np.unpackbits(np.frombuffer(plain[used - _NONCE :], np.uint8))
    if 8 * used > bits.size or (filled and behind[: bits.size - 8 * used].any()):
        raise RefusedError(_NOTHING)
    try:
        sealed = nonce + plain[_LENGTH : used - _NONCE]
        return unseal(sealed, subkey(key, "hiding seal"), bound(8 * used))
    except RefusedError:
        raise RefusedError(_NOTHING) from None


# shift


class _Layer(NamedTuple):
    """Pixels of one color of the checkerboard, and what four neighbors tell of them.

    `strength` is the most that a pixel may move: a third of the way from its prediction to the
    nearer end of the range, so that no pixel that carries a bit can leave it.
    """

    color: Mask
    predicted: Array
    strength: Array

    def within(self, values: Array, wide: int = 1) -> Mask:
        """Return where the error of the prediction lies within `wide` strengths."""
        reach = wide * self.strength
        error = values - self.predicted
        return (error >= -reach) & (error < reach) & self.color

    def beyond(self, values: Array, limits: _Bits) -> Mask:
        """Return where a shift by the strength would leave the range."""
        low, high = limits
        return ((values > high - self.strength) | (values < low + self.strength)) & self.color

    def step(self, values: Array) -> Array:
        """Return the shift away from the prediction."""
        return np.where(values >= self.predicted, self.strength, -self.strength) * self.color


def _sum_of_four(values: Array) -> Array:
    # "reflect", not "edge", by which a pixel at the border would predict itself
    around = np.pad(values, ((0, 0), (1, 1), (1, 1)), mode="reflect")
    rows, columns = around[:, :, 1:-1], around[:, 1:-1]
    sums: Array = rows[:, :-2] + rows[:, 2:] + columns[:, :, :-2] + columns[:, :, 2:]
    return sums


def _layer(values: Array, limits: _Bits, number: int, more: Array | int = 0) -> _Layer:
    """Return layer 0 or 1; `more` is what may come to the sum of the neighbors."""
    predicted = np.right_shift(_sum_of_four(values) + more, 2)
    nearer = np.minimum(predicted - limits[0], limits[1] - predicted)
    rows, columns = values.shape[1:]
    color = np.add.outer(np.arange(rows), np.arange(columns)) % 2 == number
    return _Layer(color, predicted, np.minimum(nearer // 3, _STRENGTH))


def _shifted(values: Array, limits: _Bits, layer: _Layer) -> tuple[Array, Mask, Mask, Mask]:
    """Return values with zeros as bits, who carries one, who could be mistaken, who stayed.

    A pixel far from its prediction that is near an end of the range stays where it is; the
    location map tells it from one that came there.
    """
    carrier, stays = layer.within(values), layer.beyond(values, limits)
    moved = np.where(stays, values, values + layer.step(values))
    moved = np.where(carrier, 2 * values - layer.predicted, moved)
    return moved, carrier, layer.beyond(moved, limits) & ~layer.within(moved, 2), stays


def _shift_room(values: Array, limits: _Bits) -> int:
    if min(values.shape) < 1 or min(values.shape[1:]) < 2:
        return 0
    moved, carrier, unclear, _ = _shifted(values, limits, _layer(values, limits, 0))
    # The bits of the first layer move a prediction of the second by one at most: count what
    # holds for both predictions.
    both = [
        _shifted(moved, limits, _layer(moved, limits, 1, m))
        for m in (0, _sum_of_four(carrier * 1))
    ]
    rooms = (
        int(carrier.sum()) - int(unclear.sum()),
        int((both[0][1] & both[1][1]).sum()) - int((both[0][2] | both[1][2]).sum()),
    )
    return sum(rooms) if min(rooms) >= 0 else 0


def _shift_write(values: Array, limits: _Bits, wrap: _Wrap) -> Array:
    bits = wrap(_NO_BITS)
    for number in (0, 1):
        values, carrier, unclear, stays = _shifted(values, limits, _layer(values, limits, number))
        room = int(carrier.sum()) - int(unclear.sum())
        values[carrier] += np.concatenate([stays[unclear], bits[:room]])
        bits = bits[room:]
    return values


def _shift_read(values: Array, limits: _Bits) -> tuple[Array, Array, Array]:
    if min(values.shape[1:]) < 2:
        raise RefusedError(_NOTHING)
    pieces: list[Array] = []
    for number in (1, 0):
        layer = _layer(values, limits, number)
        carrier = layer.within(values, 2)
        unclear = layer.beyond(values, limits) & ~carrier
        error = values - layer.predicted
        bits, count = error[carrier] & 1, int(unclear.sum())
        if count > bits.size:
            raise RefusedError(_NOTHING)
        stays = np.zeros_like(unclear)
        stays[unclear] = bits[:count]
        back = np.where(stays, values, values - layer.step(values))
        values = np.where(carrier, layer.predicted + (error >> 1), back)
        pieces.insert(0, bits[count:])
    return _NO_BITS, np.concatenate(pieces), values


# expansion


class _Pairs(NamedTuple):
    """Pixels side by side: mean, difference, and the largest one that keeps both in range."""

    mean: Array
    difference: Array
    largest: Array

    def holds(self, difference: Array) -> Mask:
        """Return where a difference may be that, or one more: equation (4) of Tian."""
        return np.maximum(difference, ~difference) < self.largest


def _pairs(values: Array, limits: _Bits) -> _Pairs:
    even = values.shape[2] // 2 * 2
    x, y = values[..., :even:2] - limits[0], values[..., 1:even:2] - limits[0]
    mean, top = (x + y) >> 1, limits[1] - limits[0]
    return _Pairs(mean, x - y, np.minimum(2 * (top - mean), 2 * mean + 1))


def _replaced(values: Array, limits: _Bits, mean: Array, difference: Array) -> Array:
    """Return the values with other differences: equation (2) of Tian."""
    out, even = values.copy(), 2 * mean.shape[2]
    out[..., :even:2] = limits[0] + mean + ((difference + 1) >> 1)
    out[..., 1:even:2] = limits[0] + mean - (difference >> 1)
    return out


def _bookkeeping(pairs: _Pairs) -> tuple[Mask, Mask, Array]:
    """Return which differences change, which of these double, and what is told of them."""
    difference = pairs.difference
    changes = pairs.holds(difference >> 1 << 1)
    doubles = changes & pairs.holds(2 * difference)
    packed = zlib.compress(np.packbits(doubles[changes]).tobytes(), 9)
    notes = np.frombuffer(len(packed).to_bytes(_LENGTH, "big") + packed, np.uint8)
    return (
        changes,
        doubles,
        np.append(np.unpackbits(notes), (difference[changes & ~doubles] & 1).astype(np.uint8)),
    )


def _expansion_room(values: Array, limits: _Bits) -> int:
    changes, _, notes = _bookkeeping(_pairs(values, limits))
    return int(changes.sum()) - notes.size


def _expansion_write(values: Array, limits: _Bits, wrap: _Wrap) -> Array:
    pairs = _pairs(values, limits)
    changes, doubles, notes = _bookkeeping(pairs)
    new = np.where(doubles, 2 * pairs.difference, pairs.difference >> 1 << 1)[changes]
    pairs.difference[changes] = new + np.append(notes, wrap(notes))[: new.size]
    return _replaced(values, limits, pairs.mean, pairs.difference)


def _expansion_read(values: Array, limits: _Bits) -> tuple[Array, Array, Array]:
    pairs = _pairs(values, limits)
    changes = pairs.holds(pairs.difference >> 1 << 1)
    changed = pairs.difference[changes]
    bits, half = changed & 1, changed >> 1
    start = 8 * (_LENGTH + int.from_bytes(np.packbits(bits[: 8 * _LENGTH]).tobytes(), "big"))
    try:
        packed = np.packbits(bits[8 * _LENGTH : start]).tobytes()
        marks = zlib.decompressobj().decompress(packed, bits.size // 8 + 1)
        doubles = np.unpackbits(np.frombuffer(marks, np.uint8))[: bits.size].astype(bool)
        end = start + int((~doubles).sum())
        half[~doubles] = 2 * half[~doubles] + bits[start:end]
    except (zlib.error, IndexError, ValueError):
        raise RefusedError(_NOTHING) from None
    pairs.difference[changes] = half
    restored = _replaced(values, limits, pairs.mean, pairs.difference)
    return bits[:end].astype(np.uint8), bits[end:], restored


# lsb


def _partnered(values: Array, limits: _Bits) -> Mask:
    """Return where the lowest bit may be 0 or 1: the highest value may have no partner."""
    return ((values - limits[0]) | 1) <= limits[1] - limits[0]


def _lowest(values: Array, limits: _Bits, places: Array, bits: Array | int) -> Array:
    """Return a copy with other lowest bits, counted from the lowest value, in some places."""
    out = values.ravel() - limits[0]
    out[places] = out[places] & ~1 | bits
    return (out + limits[0]).reshape(values.shape)


def _places(values: Array, limits: _Bits, key: bytes) -> Array:
    places = np.flatnonzero(_partnered(values, limits))
    return places[keyed_order(subkey(key, "hiding places"), places.size)]


def _lsb_read(values: Array, limits: _Bits, key: bytes) -> bytes:
    places = _places(values, limits, key)

    def bound(count: int) -> bytes:
        return _bound(_lowest(values, limits, places[:count], 0), limits, "lsb")

    bits = (values.ravel() - limits[0])[places] & 1
    return _unwrapped(bits, key, bound, filled=False)


_ROOM = {
    "shift": _shift_room,
    "expansion": _expansion_room,
    "lsb": lambda *where: int(_partnered(*where).sum()),
}
_WRITE = {"shift": _shift_write, "expansion": _expansion_write}
_READ = {"shift": _shift_read, "expansion": _expansion_read}


# the two tests


def chi_square(pixels: Array) -> float:
    """Return the probability that pairs of values 2i, 2i + 1 are equally frequent.

    Parameters
    ----------
    pixels : ndarray of integers

    Returns
    -------
    float
        Near 1 where all lowest bits were replaced, near 0 where few were; 0 too where no pair
        is frequent enough for a test.

    Notes
    -----
    Westfeld and Pfitzmann, "Attacks on Steganographic Systems", Information Hiding 1999.
    """
    _check_integers(pixels)
    values, counts = np.unique(pixels, return_counts=True)
    pair = np.unique(values >> 1, return_inverse=True)[1]
    both = np.bincount(pair, counts)
    even = np.bincount(pair, counts * (values & 1 == 0))
    expected = both / 2
    usual = expected >= _LEAST_COUNT
    if usual.sum() < 2:
        return 0.0
    statistic = ((even - expected)[usual] ** 2 / expected[usual]).sum()
    return float(chdtrc(usual.sum() - 1, statistic))  # of chi2: scipy.stats takes half a second


def rs_rate(pixels: Array) -> float:
    """Return the share of lowest bits that RS analysis takes to be replaced by a message.

    Parameters
    ----------
    pixels : ndarray of integers, shape (..., columns)

    Returns
    -------
    float
        About 0 for a clean photograph, about 1 for a full one; 0 where nothing can be said.
        Medical images are less regular: the figure may be anything up to 1, below zero too.

    Notes
    -----
    Fridrich, Goljan and Du, "Reliable Detection of LSB Steganography in Color and Grayscale
    Images", ACM Multimedia and Security 2001, equation (4).
    """
    _check_integers(pixels)
    groups = pixels[..., : pixels.shape[-1] // 4 * 4].astype(np.int64).reshape(-1, 4)
    d0, d_0 = _excess(groups, 1), _excess(groups, -1)
    d1, d_1 = _excess(groups ^ 1, 1), _excess(groups ^ 1, -1)
    roots = np.roots([2 * (d1 + d0), d_0 - d_1 - d1 - 3 * d0, d0 - d_0])
    if not roots.size:
        return 0.0
    root = roots[np.abs(roots).argmin()]
    # In a full image noise may make both complex; they are far from 0 then, as for a rate of 1.
    x = float(root.real if np.isreal(root) else -abs(root))
    return min(1.0, x / (x - 0.5)) if x != 0.5 else 1.0


def _excess(groups: Array, sign: int) -> float:
    """Return how many more groups become rougher than smoother when flipped by the mask.

    Positive flips exchange 2i and 2i + 1, negative ones 2i - 1 and 2i.
    """
    flipped = groups ^ 1 if sign > 0 else ((groups + 1) ^ 1) - 1
    change = _roughness(np.where(_FLIPPED, flipped, groups)) - _roughness(groups)
    return float(np.sign(change).sum())


def _roughness(groups: Array) -> Array:
    return np.asarray(np.abs(np.diff(groups, axis=-1)).sum(axis=-1))


def _check_integers(pixels: Array) -> None:
    if pixels.dtype.kind not in "iu" or not pixels.size:
        raise InputError("hidden data are looked for in images of integers")
