"""Letters in rows are seen; what tesseract reads is not passed over."""

import numpy as np
import pixel_images as made
import pytest
from nilearn.datasets import load_mni152_template

from medlab import pixels
from medlab.pixels import candidates, cleaning, decide, detect


def template_slice(place, axis=2):
    data = load_mni152_template(resolution=1).get_fdata()
    return np.ascontiguousarray(np.rot90(data.take(place, axis) / data.max() * 2000)).astype("u2")


def test_most_slices_of_a_brain_without_text_hold_no_rows():
    pictures = [detect.rendering(template_slice(p, a)) for a in range(3) for p in (40, 70, 100)]
    assert sum(map(candidates.has_rows, pictures)) <= 1


def flat(ink, noise, size, turn=0):
    rng = np.random.default_rng(size)
    cover, _ = made.text_mask((256, 256), [(40, 120, "OKAFOR JANE", size)])
    cover = np.rot90(cover, turn // 90)
    return np.clip(rng.normal(1000, noise, (256, 256)) + ink * cover, 0, 4095).astype(np.uint16)


@pytest.mark.parametrize(("ink", "noise", "size"), [
    (2000, 5, 7), (2000, 5, 9), (2000, 0, 12), (-600, 5, 12), (60, 4, 20), (16, 4, 20),
    (300, 30, 30),
])  # fmt: skip
@pytest.mark.parametrize("turn", [0, 90, 180])
def test_a_row_of_letters_is_seen_sharp_and_faint_bright_and_dark(ink, noise, size, turn):
    picture = detect.rendering(flat(ink, noise, size, turn))
    assert candidates.has_rows(picture)


def test_a_row_of_one_color_channel_is_seen():
    cover, _ = made.text_mask((120, 200), [(20, 50, "OKAFOR", 16)])
    picture = np.full((120, 200, 3), 200, np.uint8)
    picture[..., 2] = (200 - 150 * cover).astype(np.uint8)
    assert candidates.has_rows(picture)


def test_a_flat_picture_and_two_dots_are_no_row():
    picture = np.zeros((64, 64), np.uint8)
    assert not candidates.has_rows(picture)
    picture[10:14, 10:12] = picture[40:44, 50:52] = 255
    assert not candidates.has_rows(picture)


@pytest.mark.needs("tesseract")
def test_tesseract_finds_the_same_where_it_is_started_less_often():
    brain = template_slice(70)
    cover, _ = made.text_mask(brain.shape, [(10, 6, "OKAFOR JANE", 14)])
    named = (brain * (1 - cover) + 2000 * cover).astype(np.uint16)
    known = decide.identity(["OKAFOR^JANE"])
    found = []
    for values in (template_slice(40), named, flat(60, 4, 20), flat(2000, 5, 24)):
        picture = detect.rendering(values, closer=True)
        looks = [
            cleaning._second_look(
                picture, cleaning._Task(known, pixels.CleaningOptions(prefilter=prefilter))
            )
            for prefilter in (True, False)
        ]
        assert looks[0] == looks[1]
        found += looks[0]
    assert found
