"""Image slicing: the blocks of a picture change places by a key, and come back by it.

No protection of what is seen: every block is still there, and the edges of blocks that were
neighbors fit each other. `medlab.evaluation.image_attacks.solve_jigsaw` puts them together
without the key.
"""

from __future__ import annotations

import copy
import hmac
import secrets

import numpy as np
from pydicom import Dataset

from medlab.arrays import Array
from medlab.crypto import keyed_digest
from medlab.crypto.keys import keyed_order
from medlab.errors import InputError, MissingError, RefusedError
from medlab.methods.encryption import leave, take
from medlab.pixels import frames
from medlab.pixels.frames import rewrite

_CREATOR = "MEDLAB SLICED"
_SALT, _CHECK = 16, 16  # bytes


def slice_image(dataset: Dataset, key: bytes, block: int = 16) -> Dataset:
    """Return a copy whose blocks of pixels stand in an order that follows from the key.

    Parameters
    ----------
    dataset : Dataset
        Native or compressed without loss; each frame gets an order of its own.
    key : bytes
        32 bytes.
    block : int
        Side of a block in pixels. The strips that are left at the right and at the bottom
        change places among themselves.

    Raises
    ------
    InputError
        If there are no pixels that can be read, or fewer than four blocks.
    RefusedError
        If the stored values would not come back: compression with loss, or bits beside them;
        or if the image is sliced already.
    """
    form = frames.layout(dataset)
    if not form.lossless or any(
        frames.hides(form, f) for f in frames.stored_frames(dataset, form)
    ):
        raise RefusedError(
            "the stored values would not come back bit for bit: they are compressed with loss, or "
            "hold bits beside the values; clean the pixels first"
        )
    if block < 2 or min(form.rows, form.columns) < 2 * block:
        raise InputError("a block has 2 pixels or more, and an image two blocks or more each way")
    salt = secrets.token_bytes(_SALT)
    sliced = rewrite(dataset, lambda frame, n: _exchange(frame, block, _seed(key, salt, n)), form)
    check = _check(dataset, key)
    leave(sliced, _CREATOR, "OB", salt + check + block.to_bytes(2, "big"))
    return sliced


def restore_image(dataset: Dataset, key: bytes) -> Dataset:
    """Return a copy with the blocks where they were before `slice_image`.

    Raises
    ------
    MissingError
        If the image was not sliced by medlab.
    RefusedError
        If the key is another one, or the pixels were altered.
    """
    plain = copy.deepcopy(dataset)  # bytes are not copied
    note = take(plain, _CREATOR)
    if note is None:
        raise MissingError("this image was not sliced by medlab")
    salt, check = note[:_SALT], note[_SALT : _SALT + _CHECK]
    block = int.from_bytes(note[_SALT + _CHECK :][:2], "big")

    def back(frame: Array, number: int) -> None:
        _exchange(frame, block, _seed(key, salt, number), back=True)

    restored = rewrite(plain, back)
    if not hmac.compare_digest(_check(restored, key), check):
        raise RefusedError("the key is another one, or the pixels were altered")
    return restored


def _seed(key: bytes, salt: bytes, number: int) -> bytes:
    return keyed_digest(key, "image slicing", salt + number.to_bytes(4, "big"))


def _check(dataset: Dataset, key: bytes) -> bytes:
    """Return a keyed digest of all stored values."""
    form = frames.layout(dataset)
    stored = b"".join(
        np.ascontiguousarray(f).tobytes() for f in frames.stored_frames(dataset, form)
    )
    return keyed_digest(key, "sliced image", stored)[:_CHECK]


def _exchange(frame: Array, block: int, seed: bytes, *, back: bool = False) -> None:
    """Let the blocks of a frame (rows, columns, samples) change places, or go back.

    The strips that are left at the right and at the bottom are cut in the same way.
    """
    rows, columns = (side - side % block for side in frame.shape[:2])
    for inner in (frame[:rows], frame[rows:]):
        for area in (inner[:, :columns], inner[:, columns:]):
            if not area.size:
                continue
            blocks = area.reshape(_grid(area, block)).swapaxes(1, 2)
            shape = blocks.shape
            blocks = blocks.reshape(-1, *shape[2:])
            order = keyed_order(seed, len(blocks))
            moved = blocks[np.argsort(order) if back else order].reshape(shape)
            area[...] = moved.swapaxes(1, 2).reshape(area.shape)


def _grid(area: Array, block: int) -> tuple[int, ...]:
    """Return rows of blocks, rows of one, columns of blocks, columns of one, samples."""
    high, wide = (min(block, side) for side in area.shape[:2])
    return (area.shape[0] // high, high, area.shape[1] // wide, wide, area.shape[2])
