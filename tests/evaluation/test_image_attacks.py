"""Faces, scans and cut pictures told again: by hand, and on heads of the samples and a CT."""

import math

import nibabel as nib
import numpy as np
import pytest
from evaluation_cases import HEADS, masked
from pydicom import dcmread
from pydicom.data import get_testdata_file

from medlab import samples
from medlab.errors import InputError
from medlab.evaluation import image_attacks
from medlab.methods.image_slicing import slice_image


@pytest.fixture(scope="module")
def maps(heads):
    found = image_attacks.depth_maps([one.img for one in heads.values()])
    return found[:HEADS], found[HEADS:]


def test_ranks_of_a_table_worked_by_hand():
    distances = np.array([[0.1, 0.5, 0.9], [0.4, 0.4, 0.9], [0.1, 0.2, 0.3]])
    found = image_attacks._ranked(distances)
    assert found.rank1 == pytest.approx((1 + 0.5 + 0) / 3)
    assert found.mean_rank == pytest.approx((1 + 1.5 + 3) / 3)
    assert found.chance == pytest.approx(1 / 3)


def test_nothing_to_compare_is_chance():
    found = image_attacks._ranked(np.full((4, 4), np.inf))
    assert found.rank1 == found.chance == 0.25
    assert found.mean_rank == 2.5


def test_a_second_scan_of_a_face_finds_the_first(maps):
    assert image_attacks._identify(*maps).rank1 >= 4 / HEADS


def test_the_same_scan_is_found_every_time(maps):
    found = image_attacks._identify(maps[0], maps[0])
    assert found.rank1 == 1.0
    assert np.diag(found.distances) == pytest.approx(0, abs=1e-9)


def test_a_moved_and_tilted_face_is_the_same_face(maps):
    rows, columns = np.indices(maps[0][0].shape)
    moved = [np.roll(depth, 2, axis=1) + 0.05 * rows - 0.03 * columns + 4 for depth in maps[0]]
    assert image_attacks._identify(maps[0], moved).rank1 == 1.0


def test_taking_the_skull_or_the_face_away_brings_recognition_down_to_chance(heads, maps):
    known, second = maps[0], [heads[p, 2] for p in range(1, HEADS + 1)]
    for kept in (
        [masked(one.img, one.brain_mask, keep=True) for one in second],
        [masked(one.img, one.face_mask, keep=False) for one in second],
    ):
        probes = image_attacks.depth_maps([heads[1, 1].img, *kept])[1:]
        found = image_attacks._identify(known, probes)
        assert found.rank1 <= 2 / HEADS
        assert found.mean_rank > 2


def test_an_empty_scan_is_no_face(maps):
    nothing = [np.full(maps[0][0].shape, np.nan)] * HEADS
    assert image_attacks._identify(maps[0], nothing).rank1 == pytest.approx(1 / HEADS)


def test_one_probe_too_few_is_refused(maps):
    with pytest.raises(InputError):
        image_attacks._identify(maps[0], maps[1][:-1])


def test_the_table_has_a_row_for_each_protection_and_a_withheld_head_is_nobody(heads, maps):
    first, second = ([heads[p, s].img for p in range(1, HEADS + 1)] for s in (1, 2))
    probes = {"before": second, "withheld": [None] * HEADS}
    table = image_attacks.reidentify(first, probes)
    assert list(table.index) == list(probes)
    found = image_attacks._identify(*maps)
    assert table.loc["before", ["rank1", "mean_rank"]].tolist() == [found.rank1, found.mean_rank]
    assert table["chance"].tolist() == pytest.approx([1 / HEADS] * 2)
    assert table.loc["withheld", "rank1"] == pytest.approx(1 / HEADS)


def test_pixels_find_their_copy_whatever_was_done_to_the_header_or_the_brightness(heads):
    published = [heads[p, 1].img for p in range(1, HEADS + 1)]
    rng = np.random.default_rng(0)
    disguised = [image_attacks.disguises(img, rng) for img in published]
    changes = {change: [one[change] for one in disguised] for change in disguised[0]}
    for change, found in image_attacks.pixel_linkage(published, changes).iterrows():
        exact = 1.0 if change == "header only" else pytest.approx(1 / HEADS)
        assert found["SHA-256"] == exact
        assert found["correlation inside the mask"] == 1.0, change
        assert found["perceptual hash"] >= 0.9, change


def test_stripping_does_not_hide_which_scan_it_was(heads):
    first = [heads[p, 1] for p in range(1, HEADS + 1)]
    published = [one.img for one in first]
    stripped = [masked(one.img, one.brain_mask, keep=True) for one in first]
    table = image_attacks.pixel_linkage(published, {"stripped": stripped})
    assert table.loc["stripped", "correlation inside the mask"] == 1.0
    assert table.loc["stripped", "SHA-256"] == pytest.approx(1 / HEADS)


def test_the_hash_is_of_voxels_and_not_of_headers(heads):
    img = heads[1, 1].img
    other = nib.Nifti1Image(np.asarray(img.dataobj), img.affine)
    other.header["descrip"] = b"something else"
    changed = np.array(img.dataobj)
    changed[0, 0, 0] += 1
    images = [img, other, nib.Nifti1Image(changed, img.affine)]
    first, same, another = image_attacks._marks(images)[0]
    assert first == same != another


def measures(*given):
    return image_attacks.image_utility(*given).set_index("measure")["value"]


def test_an_untouched_head_has_lost_nothing(heads):
    one = heads[1, 1]
    table = image_attacks.image_utility(one.img, one.img, one.brain_mask, one.brain_mask)
    assert (table["value"] == table["baseline"]).all()
    assert table.set_index("measure").loc["PSNR in the brain (dB)", "value"] == math.inf


def test_a_perfect_strip_keeps_the_brain_though_the_picture_changed(heads):
    one = heads[1, 1]
    found = measures(one.img, masked(one.img, one.brain_mask, keep=True), one.brain_mask)
    assert found["brain kept"] == 1.0
    assert found["SSIM in the eroded brain"] > 0.98
    assert found["change of mean"] == 0.0
    assert found["registration shift (mm)"] < 1


def test_half_a_brain_is_half_a_brain(heads):
    one = heads[1, 1]
    data = np.array(one.img.dataobj)
    middle = int(np.median(np.argwhere(np.asarray(one.brain_mask.dataobj) > 0)[:, 0]))
    data[:middle] = 0
    found = measures(one.img, nib.Nifti1Image(data, one.img.affine), one.brain_mask)
    assert found["brain kept"] == pytest.approx(0.5, abs=0.05)
    assert found["volume change"] == pytest.approx(found["brain kept"] - 1)
    assert found["SSIM in the eroded brain"] < 0.8


def test_noise_lowers_contrast_and_raises_texture(heads):
    one = heads[1, 1]
    rng = np.random.default_rng(2)
    data = np.asarray(one.img.dataobj) + rng.normal(0, 20, one.img.shape)
    noisy = nib.Nifti1Image(np.maximum(data, 1).astype(np.int16), one.img.affine)
    table = image_attacks.image_utility(one.img, noisy, one.brain_mask).set_index("measure")
    contrast = table.loc["gray-white contrast"]
    assert contrast["value"] < contrast["baseline"]
    assert table.loc["change of texture contrast", "value"] > 0.1
    assert table.loc["PSNR in the brain (dB)", "value"] < 40


def test_other_grids_are_refused(heads):
    one, other = heads[1, 1], samples.head(1, spacing_mm=6.0)
    with pytest.raises(InputError, match="grids"):
        image_attacks.image_utility(one.img, other.img, one.brain_mask)


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
    found = image_attacks.solve_jigsaw(sliced.pixel_array, 16)
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
    found = image_attacks.solve_jigsaw(mixed, 16)
    assert sorted(map(tuple, found.places)) == sorted(divmod(n, columns) for n in range(64))
    assert neighbors_found(found.places, truth) < 0.15
