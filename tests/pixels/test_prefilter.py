"""Rows of letters are seen; slices that hold nothing new are passed over, with text never."""

import cv2
import numpy as np
import pixel_images as made
import pytest
from nilearn.datasets import load_mni152_template

from medlab import pixels
from medlab.pixels import cleaning, decide, detect, frames, prefilter

SHAPE = (160, 160)


def head(depth, seed):
    """Return a slice: an oval with a bright rim and folds that move with depth, noise around."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    radius = np.hypot(x / 0.62, y / 0.75) / (1 - 0.05 * depth)
    folds = 90 * np.sin(14 * x + 2 * depth) * np.cos(11 * y - depth)
    inside = np.where(radius < 0.86, 500 + folds, 120) + 500 * np.exp(
        -(((radius - 0.95) / 0.04) ** 2)
    )
    image = cv2.GaussianBlur(np.where(radius < 1.05, inside, 0), (0, 0), 1.0)
    noisy = np.hypot(image + rng.normal(0, 10, SHAPE), rng.normal(0, 10, SHAPE))
    return noisy.astype(np.uint16)


def slices(count=12):
    return [head(0.05 * number, number) for number in range(count)]


def image(values, **more):
    return made.gray(values, **{"Modality": "MR", "SeriesInstanceUID": "1.2.3"} | more)


def written(values, items, ink=900.0, turn=0, add=False):
    cover, _ = made.text_mask(SHAPE, items)
    cover = np.rot90(cover, turn)
    values = values.astype(float)
    return (values + (ink * cover if add else cover * (ink - values))).astype(np.uint16)


TEXTS = {
    "7 pixels in a corner": {"items": [(3, 3, "KELLER", 7)]},
    "8 pixels over tissue": {"items": [(58, 70, "MRN 412", 8)]},
    "9 pixels, dark": {"items": [(55, 80, "KELLER", 9)], "ink": 0},
    "two letters": {"items": [(140, 150, "LI", 8)]},
    "as bright as tissue": {"items": [(100, 148, "12.03.61", 8)], "ink": 450},
    "faint over air": {"items": [(4, 142, "KELLER", 14)], "ink": 45, "add": True},
    "turned by a quarter": {"items": [(4, 4, "KELLER", 9)], "turn": 1},
    "brighter than all": {"items": [(60, 60, "KELLER", 10)], "ink": 4000},
    "large": {"items": [(5, 60, "OKAF", 60)]},
}


@pytest.fixture(scope="module")
def read_series():
    """A series after its slices: those kept were read, and the number of them."""
    one, read = prefilter.Series(), 0
    for shown in slices(24):
        if not one.passes(shown):
            one.keep()
            read += 1
    return one, read


def test_most_slices_without_text_are_passed_over(read_series):
    _, read = read_series
    assert 1 <= read <= 6


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("number", [0, 13])
def test_a_slice_with_text_is_not_passed_over(read_series, name, number):
    assert not read_series[0].passes(written(slices(24)[number], **TEXTS[name]))


def reader(values):
    """Return an engine that reads what is brighter than tissue, and the pictures it was given."""
    seen = []

    def engine(picture):
        seen.append(picture)
        rows, columns = np.nonzero(picture > values)
        if len(rows) < 20:
            return []
        x0, y0, x1, y1 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        if min(x1 - x0, y1 - y0) > 15:  # no line of text
            return []
        quad = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        return [detect.Word("KELLER", 0.99, tuple((float(x), float(y)) for x, y in quad))]

    return engine, seen


def cleaned(datasets, store):
    engine, seen = reader(250)
    options = pixels.CleaningOptions(engine=engine, second=None, series=store)
    return [pixels.clean(ds, ["KELLER"], options) for ds in datasets], seen


@pytest.mark.parametrize("late", [0, 1, 7, 11])
def test_the_result_is_that_of_reading_every_slice(late):
    every = slices()
    every[late] = written(every[late], [(3, 3, "KELLER", 9)], ink=4000)
    plain = [image(values) for values in every]
    fast, few = cleaned(plain, pixels.SeriesStore())
    slow, many = cleaned(plain, None)
    assert [done.dataset.PixelData for done in fast] == [done.dataset.PixelData for done in slow]
    assert [done.boxes for done in fast] == [done.boxes for done in slow]
    assert all(done.checked and done.complete != (done.passed > 0) for done in fast)
    assert fast[late].boxes
    assert len(few) < len(many) or late < 2
    # once text was found all that follows is read
    assert not any(done.passed for done in fast[late:])
    assert sum(done.passed for done in slow) == 0


@pytest.mark.parametrize("late", [None, 7])
def test_frames_of_one_image_are_a_series_too(late):
    every = slices()
    if late is not None:
        every[late] = written(every[late], [(3, 3, "KELLER", 9)], ink=4000)
    stack = image(np.stack(every), DimensionOrganizationType="3D")
    fast, few = cleaned([stack], pixels.SeriesStore())
    slow, many = cleaned([stack], None)
    assert fast[0].dataset.PixelData == slow[0].dataset.PixelData
    assert fast[0].boxes == slow[0].boxes
    assert fast[0].pictures == slow[0].pictures == 12
    if late is None:
        assert fast[0].passed > 6
        assert len(few) < len(many)
    else:
        assert fast[0].passed == 0


def test_the_words_are_known_when_all_frames_are_read_after_all():
    every = slices()
    for number in (7, 9):
        every[number] = written(every[number], [(3, 3, "KELLER", 9)], ink=4000)
    engine, _ = reader(250)
    how = {"policy": "match", "engine": engine, "second": None, "series": pixels.SeriesStore()}
    stack = image(np.stack(every), DimensionOrganizationType="3D")
    done = pixels.clean(stack, iter(["KELLER"]), **how)
    assert done.boxes
    assert done.passed == 0


def test_what_the_second_look_finds_has_every_slice_read():
    every = [image(values) for values in slices(3)]
    second = iter([True])

    def other(picture):
        word = detect.Word("KELLER", 0.99, ((3.0, 3.0), (40.0, 3.0), (40.0, 12.0), (3.0, 12.0)))
        return [word] if next(second, False) else []

    engine, _ = reader(250)
    options = pixels.CleaningOptions(engine=engine, second=other, series=pixels.SeriesStore())
    done = [pixels.clean(ds, ["KELLER"], options) for ds in every]
    assert done[0].boxes
    assert [one.passed for one in done] == [0, 0, 0]


@pytest.mark.parametrize(
    "other",
    [
        {"SeriesInstanceUID": "1.2.4"},
        {"Modality": "CT"},
        {"SeriesInstanceUID": ""},
        {"ImageType": ["DERIVED", "PRIMARY"]},
        {"RescaleSlope": "2"},
    ],
)
def test_only_slices_of_one_series_are_compared(other):
    store = pixels.SeriesStore()
    for more, passed in (({}, 0), ({}, 1), (other, 0)):
        done, _ = cleaned([image(slices(1)[0], **more)], store)
        assert done[0].passed == passed


def test_what_is_remembered_is_bounded():
    store = prefilter.SeriesStore()
    for number in range(40):
        ds = image(slices(1)[0], SeriesInstanceUID=f"1.2.{number + 1}")
        one = store.of(ds, frames.layout(ds))
        one.passes(slices(1)[0])
        one.keep()
    assert sum(one.size for one in store._series.values()) <= prefilter._HELD
    assert len(store._series) < 40


def template_slice(place, axis=2):
    data = load_mni152_template(resolution=1).get_fdata()
    return np.ascontiguousarray(np.rot90(data.take(place, axis) / data.max() * 2000)).astype("u2")


def test_most_slices_of_a_brain_without_text_hold_no_rows():
    pictures = [detect.rendering(template_slice(p, a)) for a in range(3) for p in (40, 70, 100)]
    assert sum(map(prefilter.has_rows, pictures)) <= 1


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
    assert prefilter.has_rows(picture)


def test_a_row_of_one_color_channel_is_seen():
    cover, _ = made.text_mask((120, 200), [(20, 50, "OKAFOR", 16)])
    picture = np.full((120, 200, 3), 200, np.uint8)
    picture[..., 2] = (200 - 150 * cover).astype(np.uint8)
    assert prefilter.has_rows(picture)


def test_a_flat_picture_and_two_dots_are_no_row():
    picture = np.zeros((64, 64), np.uint8)
    assert not prefilter.has_rows(picture)
    picture[10:14, 10:12] = picture[40:44, 50:52] = 255
    assert not prefilter.has_rows(picture)


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
