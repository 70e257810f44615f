"""A sliced picture put together without the key, and noise that gives no hold."""

import numpy as np
from pydicom import dcmread
from pydicom.data import get_testdata_file

from medlab.evaluation.jigsaw import assemble
from medlab.methods.image_slicing import slice_image

KEY = bytes(range(32))


def neighbors_found(places, truth, shows=None):
    """The share of true neighbors that are neighbors again, in the same direction.

    Pairs of blocks that show nothing fit everywhere, and are left out.
    """
    shows = np.ones(len(places), dtype=bool) if shows is None else shows
    at = {tuple(place): number for number, place in enumerate(truth.tolist())}
    found = []
    for number, (row, column) in enumerate(truth.tolist()):
        for down, across in ((0, 1), (1, 0)):
            other = at.get((row + down, column + across))
            if other is not None and (shows[number] or shows[other]):
                found.append(tuple(places[other] - places[number]) == (down, across))
    return np.mean(found)


def cut(picture, block):
    rows, columns = (side // block for side in picture.shape)
    whole = picture[: rows * block, : columns * block].reshape(rows, block, columns, block)
    return whole.swapaxes(1, 2).reshape(-1, block, block), columns


def test_a_jigsaw_puts_a_real_ct_together_without_the_key():
    before = dcmread(get_testdata_file("CT_small.dcm", download=False))
    sliced = slice_image(before, KEY)
    pieces, columns = cut(sliced.pixel_array, 16)
    originals, _ = cut(before.pixel_array, 16)
    home = {piece.tobytes(): number for number, piece in enumerate(originals)}
    assert len(home) == len(originals)
    truth = np.array([divmod(home[piece.tobytes()], columns) for piece in pieces])
    lying = np.array([divmod(number, columns) for number in range(len(pieces))])
    found = assemble(sliced.pixel_array, 16)
    assert neighbors_found(lying, truth) < 0.1
    assert neighbors_found(found.places, truth) > 0.95
    assert neighbors_found(truth, truth) == 1
    assert np.corrcoef(found.picture.ravel(), before.pixel_array.ravel())[0, 1] > 0.9


def test_noise_gives_the_jigsaw_nothing():
    noise = np.random.default_rng(0).integers(0, 255, (128, 128)).astype(np.uint8)
    order = np.random.default_rng(1).permutation(64)
    pieces, columns = cut(noise, 16)
    mixed = pieces[order].reshape(8, 8, 16, 16).swapaxes(1, 2).reshape(128, 128)
    truth = np.array([divmod(number, columns) for number in order])
    found = assemble(mixed, 16)
    assert sorted(map(tuple, found.places)) == sorted(divmod(n, columns) for n in range(64))
    assert neighbors_found(found.places, truth) < 0.15
