from dataclasses import replace

import cv2
import numpy as np
import pixel_images as made
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.pixels import pixel_array
from pydicom.sequence import Sequence

from medlab import pixels
from medlab.errors import InputError, RefusedError, UnavailableError, UsageError
from medlab.pixels import barcodes, cleaning, detect, frames, recipe
from medlab.pixels.decide import Decision
from medlab.pixels.detect import Word
from medlab.pixels.mask import Box

SHAPE = (100, 200)
NAME, MARK = (10, 10, 90, 24), (170, 70, 184, 90)


def engine(texts):
    """Return a recognizer that reads the texts where their place is not yet black."""

    def read(image):
        turned = image.shape[0] > image.shape[1]
        image = np.rot90(image, -1) if turned else image
        quads = {
            text: ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
            for text, (x0, y0, x1, y1) in texts.items()
            if image[y0:y1, x0:x1].max() > 60
        }
        if turned:
            quads = {
                text: [(y, SHAPE[1] - 1 - x) for x, y in quad] for text, quad in quads.items()
            }
        return [Word(text, 0.99, tuple(quad)) for text, quad in quads.items()]

    return read


TEXTS = {"OKAFOR": NAME, "R": MARK}


def image(**more):
    values = np.zeros(SHAPE, np.uint8)
    values[40:60, 80:120] = 90
    for x0, y0, x1, y1 in TEXTS.values():
        values[y0:y1, x0:x1] = 250
    return made.gray(values, **more)


def clean(ds, **more):
    more = {"engine": engine(TEXTS), "second": None, **more}
    return pixels.clean(ds, ["OKAFOR^JANE"], **more)


@pytest.mark.parametrize("policy", ["allow", "match"])
def test_the_name_goes_and_the_marker_stays(policy):
    done = clean(image(), policy=policy)
    shown = pixel_array(done.dataset)
    assert not shown[10:24, 10:90].any()
    assert (shown[70:90, 170:184] == 250).all()
    assert (shown[40:60, 80:120] == 90).all()
    assert done.checked
    assert done.complete == (policy == "allow")


def test_an_image_without_text_keeps_the_very_same_pixel_data():
    ds = image()
    done = pixels.clean(ds, engine=lambda picture: [], second=None)
    assert done.dataset.PixelData is ds.PixelData
    assert done.dataset.ImageType == ds.ImageType
    assert done.boxes == []
    assert done.complete


def widened(length, height, at=100):
    form = frames.layout(made.gray(np.zeros((200, 900), np.uint8)))
    corners = ((at, 9), (at + length, 9), (at + length, 9 + height), (at, 9 + height))
    word = Word("NAME", 1.0, corners)
    (box,) = word.boxes()
    return box, cleaning.boxes_of([Decision((box,), True, "", word)], form)[0]


def test_boxes_of_names_of_different_length_are_equally_wide():
    widths = {wide.x1 - wide.x0 for _, wide in (widened(length, 20) for length in (70, 75, 80))}
    assert len(widths) == 1


@given(st.integers(60, 500), st.integers(6, 60))  # lying, not upright
def test_a_box_is_widened_on_both_sides_by_a_quarter_to_one_height(length, height):
    box, wide = widened(length, height)
    height = box.y1 - box.y0
    for pad in (box.x0 - wide.x0, wide.x1 - box.x1):
        assert height / 4 - 1 <= pad <= height + 1
    assert (wide.y0, wide.y1) == (box.y0, box.y1)


def test_a_widened_box_stops_at_text_that_stays():
    form = frames.layout(made.gray(np.zeros((100, 400), np.uint8)))
    name = Word("NAME", 1.0, ((9, 9), (60, 9), (60, 29), (9, 29)))
    mark = Word("R", 1.0, ((70, 9), (84, 9), (84, 29), (70, 29)))
    decisions = [
        Decision(tuple(name.boxes()), True, "", name),
        Decision(tuple(mark.boxes()), False, "", mark),
    ]
    (box,) = cleaning.boxes_of(decisions, form)
    assert box.x1 <= mark.boxes()[0].x0


def test_what_a_second_look_still_reads_is_filled_too():
    late = {"OKAFOR": NAME, "JANE": (120, 10, 160, 24)}
    ds = image()
    values = pixel_array(ds).copy()
    values[10:24, 120:160] = 250
    ds.PixelData = values.tobytes()
    reads = []

    def first_misses_one(picture):
        reads.append(1)
        return engine({"OKAFOR": NAME} if len(reads) == 1 else late)(picture)

    done = clean(ds, engine=first_misses_one)
    assert not pixel_array(done.dataset)[10:24, 120:160].any()


def test_an_upright_line_overlooked_at_first_is_found_in_the_turned_image():
    sidewise = {"Lena": (140, 20, 152, 60), "Smith": (100, 70, 130, 80), "IMAGE": (20, 60, 30, 95)}
    ds = image()
    values = pixel_array(ds).copy()
    for x0, y0, x1, y1 in sidewise.values():
        values[y0:y1, x0:x1] = 250
    ds.PixelData = values.tobytes()

    def upright_or_turned(picture):
        turned = picture.shape[0] > picture.shape[1]
        known = {**TEXTS, "IMAGE": sidewise["IMAGE"]}
        words = engine(sidewise if turned else known)(picture)
        return [replace(w, text="x9x" if turned and w.text == "IMAGE" else w.text) for w in words]

    done = clean(ds, engine=upright_or_turned)
    shown = pixel_array(done.dataset)
    assert not shown[20:60, 140:152].any()
    assert (shown[70:80, 100:130] == 250).all()  # flat words that only the turned image gives
    assert (shown[60:95, 20:30] == 250).all()  # read as harmless before


def test_the_second_engine_can_find_what_the_first_does_not_see():
    done = clean(image(), engine=engine({"R": MARK}), second=engine({"OKAFOR": NAME}))
    assert not pixel_array(done.dataset)[10:24, 10:90].any()


def test_text_that_does_not_go_away_withholds_the_image():
    places = iter(range(0, 90, 15))

    def haunted(picture):
        y = next(places)
        return [Word("OKAFOR", 0.99, ((20, y), (80, y), (80, y + 9), (20, y + 9)))]

    with pytest.raises(RefusedError, match="still read"):
        clean(image(), engine=haunted)


def test_saved_screens_wait_for_a_person_and_secondary_capture_does_not():
    screen = image(ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"])
    with pytest.raises(pixels.ReviewError) as caught:
        clean(screen)
    assert any(one.remove for one in caught.value.decisions)
    assert "OKAFOR" not in str(caught.value)
    assert clean(screen, quarantine="none").complete
    assert clean(image(ImageType=["DERIVED", "SECONDARY"])).complete
    with pytest.raises(pixels.ReviewError):
        clean(image(), source=image(SeriesDescription="Dose Report"))


def test_approved_boxes_are_filled_exactly_and_count_as_complete():
    screen = image(ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"])
    done = clean(screen, boxes=[Box(0, 0, 100, 30)], policy="match")
    assert done.boxes == [Box(0, 0, 100, 30)]
    assert done.complete


def test_text_outside_of_the_approved_boxes_is_told_and_left():
    kinds = [{one.kind for one in clean(image(), boxes=[b]).findings} for b in (NAME, MARK)]
    assert kinds == [{"approved"}, {"approved", "still read"}]
    left = clean(image(), boxes=[MARK])
    assert not left.checked
    assert not left.complete


def test_an_approval_without_a_second_look_claims_nothing(monkeypatch):
    def absent(picture):
        raise UnavailableError("no recognizer here")

    for engine in (None, absent):
        done = pixels.clean(image(), boxes=[Box(0, 0, 200, 100)], engine=engine)
        assert not done.checked
        assert not done.complete
        assert {"approved", "not read"} == {one.kind for one in done.findings}
        assert not pixel_array(done.dataset).any()


def test_without_a_recognizer_rules_still_run_and_nothing_is_claimed(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rapidocr", None)
    detect._rapid.cache_clear()
    rules = [{"when": {"Modality": "ct", "Rows": 100}, "blank": [[0, 0, 200, 30]]}]
    with pytest.raises(UnavailableError, match=r"\.\[pixels\]"):
        pixels.clean(image(), rules=rules)
    done = pixels.clean(image(), rules=rules, require=False)
    assert not pixel_array(done.dataset)[:30].any()
    assert not done.checked
    assert not done.complete
    assert "not read" in {finding.kind for finding in done.findings}


def us_regions(*boxes):
    items = []
    for x0, y0, x1, y1 in boxes:
        item = Dataset()
        item.RegionLocationMinX0, item.RegionLocationMinY0 = x0, y0
        item.RegionLocationMaxX1, item.RegionLocationMaxY1 = x1, y1
        items.append(item)
    return Sequence(items)


def test_outside_the_ultrasound_regions_only_allowed_text_stays():
    ds = image(SequenceOfUltrasoundRegions=us_regions((70, 35, 129, 64)))
    shown = pixel_array(clean(ds).dataset)
    assert (shown[40:60, 80:120] == 90).all()
    assert (shown[70:90, 170:184] == 250).all()
    assert not shown[:35].any()


BOXES = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h),
    st.integers(-3, 25), st.integers(-3, 25), st.integers(0, 15), st.integers(0, 15),
)  # fmt: skip


@given(st.lists(BOXES, max_size=5))
@example([Box(9, 0, 24, 1), Box(25, 0, 26, 1)])  # an area beyond the right edge
def test_outside_boxes_cover_each_pixel_that_is_in_no_area_once(areas):
    count = np.zeros((20, 24), int)
    for x0, y0, x1, y1 in recipe.outside(areas, 20, 24):
        assert 0 <= x0 < x1 <= 24
        assert 0 <= y0 < y1 <= 20
        count[y0:y1, x0:x1] += 1
    inside = np.zeros((20, 24), bool)
    for x0, y0, x1, y1 in areas:
        inside[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
    assert np.array_equal(count, (~inside).astype(int))


def test_a_recipe_is_read_and_fits_by_pattern(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("- when: {Manufacturer: 'acme*', Rows: 100}\n  blank: [[0, 0, 10, 5]]\n")
    rules = recipe.load(path)
    assert recipe.recipe_boxes(image(Manufacturer="ACME US"), rules) == [Box(0, 0, 10, 5)]
    assert recipe.recipe_boxes(image(Manufacturer="Other"), rules) == []
    assert recipe.recipe_boxes(image(), rules) == []


@pytest.mark.parametrize(
    "text", ["when: 3", "- when: {A: b}", "- {when: {A: b}, blank: [[1, 2]]}", "[:"]
)
def test_a_recipe_that_is_none_is_refused(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(InputError):
        recipe.load(path)


def test_overlays_icons_and_curves_are_gone_and_the_source_is_not_touched():
    icon = made.gray(np.full((8, 8), 9, np.uint8))
    ds = image(IconImageSequence=Sequence([icon]))
    ds.add_new(0x60000010, "US", 100)
    ds.add_new(0x60003000, "OW", b"\xff" * 2500)
    ds.add_new(0x50000010, "US", 2)
    inner = Dataset()
    inner.IconImageSequence = Sequence([icon])
    ds.ReferencedImageSequence = Sequence([inner])
    done = clean(ds)
    assert not [tag for tag in done.dataset.keys() if tag.group in (0x6000, 0x5000)]  # noqa: SIM118
    assert "IconImageSequence" not in done.dataset
    assert "IconImageSequence" not in done.dataset.ReferencedImageSequence[0]
    assert {finding.kind for finding in done.findings} >= {"overlay", "icon"}
    assert "IconImageSequence" in ds
    assert 0x60003000 in ds


def test_pixels_in_a_sequence_withhold_the_object():
    ds = image()
    ds.ReferencedImageSequence = Sequence([made.gray(np.zeros((8, 8), np.uint8))])
    with pytest.raises(RefusedError, match="inside a sequence"):
        clean(ds)


@pytest.mark.parametrize(
    ("keyword", "option"),
    [("EncapsulatedDocument", None), ("WaveformSequence", None),
     ("GraphicAnnotationSequence", "clean-graphics"),
     ("ContentSequence", "clean-structured-content")],
)  # fmt: skip
def test_documents_reports_and_annotations_are_withheld_unless_cleaned(keyword, option):
    ds = Dataset()
    ds.PatientName = "OKAFOR^JANE"
    value = b"%PDF" if keyword == "EncapsulatedDocument" else Sequence([Dataset()])
    setattr(ds, keyword, value)
    with pytest.raises(RefusedError) as caught:
        clean(ds)
    assert "OKAFOR" not in str(caught.value)
    if option:
        done = clean(ds, header_options=[option])
        assert not done.checked


def test_an_object_without_pixels_passes_and_is_not_claimed():
    done = clean(made.header(1, 1))
    assert not done.checked
    assert [finding.kind for finding in done.findings] == ["no pixels"]


def test_hidden_bits_alone_cause_the_pixels_to_be_written_anew():
    values = np.full(SHAPE, 100, np.uint16)
    values[10:20, 10:20] |= 0x4000
    done = pixels.clean(made.gray(values, stored=12), engine=lambda picture: [], second=None)
    assert "hidden bits" in {finding.kind for finding in done.findings}
    assert not (np.frombuffer(done.dataset.PixelData, "<u2") & 0xF000).any()


def test_blur_and_pixelate_warn_and_are_never_claimed():
    for effect in ("blur", "pixelate"):
        done = clean(image(), effect=effect)
        assert not done.checked
        assert any("read back" in finding.message for finding in done.findings)


@pytest.mark.parametrize("wrong", [{"policy": "deny"}, {"quarantine": "no"}, {"effect": "smear"}])
def test_wrong_choices_are_bad_usage(wrong):
    with pytest.raises(UsageError, match="there is no such"):
        clean(image(), **wrong)


def test_a_qr_code_is_found_read_and_removed_by_what_it_says():
    for text, removed in (("OKAFOR^JANE 00412345", True), ("hello world", False)):
        code = cv2.QRCodeEncoder.create().encode(text)
        code = np.kron(code, np.ones((4, 4), np.uint8))
        values = np.full((160, 240), 255, np.uint8)
        values[20 : 20 + len(code), 40 : 40 + len(code)] = code
        (found,) = barcodes.find(values)
        assert found.text == text
        done = pixels.clean(
            made.gray(values), ["OKAFOR^JANE"], policy="match", engine=lambda p: [], second=None
        )
        assert bool(done.boxes) == removed
        assert done.codes == [found]
        if removed:
            assert barcodes.find(pixel_array(done.dataset)) == []
        allow = pixels.clean(made.gray(values), engine=lambda p: [], second=None)
        assert barcodes.find(pixel_array(allow.dataset)) == []


# OKAFOR JANE 41 as Data Matrix, a row of modules each
_MATRIX = "aaaa 8045 f340 cf31 8a32 ac5f 8586 ab51 d328 e0b9 ce70 9a87 8e40 a545 b662 ffff"


def matrix(damaged):
    """Return a Data Matrix in noise, its modules of four pixels; read or beyond reading."""
    bits = np.array([[int(bit) for bit in f"{int(row, 16):016b}"] for row in _MATRIX.split()])
    bits = np.kron(bits, np.ones((4, 4), int))
    if damaged:
        bits[16:48, 16:48] = 1 - bits[16:48, 16:48]
    image = np.full((160, 200), 200)
    image[40 : 40 + len(bits), 60 : 60 + len(bits)] -= 150 * bits
    return (image + np.random.default_rng(0).normal(0, 5, image.shape)).astype(np.uint8)


def test_a_data_matrix_is_removed_though_it_cannot_be_read():
    for damaged, reason in ((False, "header word"), (True, "code that cannot be read")):
        found = pixels.find_text(
            made.gray(matrix(damaged)), ["OKAFOR^JANE"], policy="match", engine=lambda p: []
        )
        assert [one.reason for one in found] == [reason]
        assert found[0].remove
        x0, y0, x1, y1 = found[0].boxes[0]
        assert x0 <= 62
        assert y0 <= 42
        assert min(x1 - 60, y1 - 40) >= 4 * len(_MATRIX.split()) - 2


def test_codes_that_the_reader_imagines_in_noise_are_not_believed():
    values = np.random.default_rng(3).normal(10, 4, (400, 400))
    values[100:300, 100:300] = 900
    picture = detect.rendering(values.astype(np.int16))
    assert barcodes._zxing(picture)
    assert barcodes.find(picture) == []


def test_a_very_large_image_is_read_in_tiles_that_overlap():
    values = np.zeros((1000, 3000), np.uint16)
    values[500:520, 1700:1900] = 4000
    ds = made.gray(values, stored=12)
    sizes = []

    def bright(picture):
        sizes.append(max(picture.shape))
        rows, columns = np.nonzero(picture > 200)
        if not len(rows):
            return []
        x0, y0, x1, y1 = columns.min(), rows.min(), columns.max(), rows.max()
        return [Word("OKAFOR", 0.99, ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))]

    done = pixels.clean(ds, ["OKAFOR"], engine=bright, second=None)
    assert not pixel_array(done.dataset).any()
    assert max(sizes) <= 1920


def still_and_moving(count, late=None):
    rng = np.random.default_rng(3)
    cine = np.zeros((count, 96, 160), np.uint8)
    cine[:, 20:70, 40:120] = rng.integers(0, 120, (count, 50, 80))
    text, _ = made.text_mask((96, 160), [(4, 2, "OKAFOR", 13)])
    cine[:, text > 0.5] = 250
    if late:
        text, _ = made.text_mask((96, 160), [(80, 80, "12:30", 13)])
        cine[late:, text > 0.5] = 250
    return made.gray(cine)


def numbers(ds):
    return [index for index, _ in detect.pictures(ds, frames.layout(ds))]


def test_frames_that_differ_only_in_the_moving_image_are_not_read_again():
    assert [index for index in numbers(still_and_moving(30)) if index >= 0] == [0]


def test_text_that_starts_late_makes_its_first_frame_worth_reading():
    assert [index for index in numbers(still_and_moving(30, late=17)) if index >= 0] == [0, 17]


def test_of_a_thousand_frames_few_are_read_and_the_brightest_of_all_pixels():
    cine = np.zeros((1000, 40, 80), np.uint8)
    cine[np.arange(1000), 20, np.arange(1000) % 80] = 255
    ds = made.gray(cine)
    pictures = dict(detect.pictures(ds, frames.layout(ds)))
    assert len(pictures) <= 14
    assert pictures[-1][20].all()


def test_text_over_the_moving_image_is_seen_in_the_projection():
    ds = still_and_moving(30)
    cine = pixel_array(ds).copy()
    text, _ = made.text_mask((96, 160), [(50, 40, "JANE", 14)])
    cine[11, text > 0.5] = 250
    ds.PixelData = cine.tobytes()
    brightest = [picture for index, picture in detect.pictures(ds, frames.layout(ds)) if index < 0]
    assert any((picture[text > 0.5] > 200).all() for picture in brightest)


def read_bright(picture):
    """Stand in for a recognizer: one word where the block of `six_frames` is bright."""
    if picture[10:20, 20:60].mean() < 240:
        return []
    return [Word("OKAFOR", 0.99, ((20, 10), (60, 10), (60, 20), (20, 20)))]


def six_frames(named=(3,), **more):
    """Return frames of low contrast, a bright block of text in some of them."""
    values = np.random.default_rng(2).integers(100, 130, (6, 64, 160), dtype=np.uint8)
    values[list(named), 10:20, 20:60] = 255
    return made.gray(values, **more), values


FRAMES_APART = {
    "tiles": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.6"},
    "pages": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.2"},
    "an enhanced volume": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4.1"},
    "a volume of angiography": {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.12.1.1", "DimensionOrganizationType": "3D",
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", FRAMES_APART.values(), ids=FRAMES_APART)
@pytest.mark.parametrize("effect", ["blank", "pseudonymize"])
def test_frames_of_different_places_are_filled_where_text_was_read(kind, effect):
    ds, values = six_frames((1, 3), **kind)
    done = pixels.clean(
        ds, ["OKAFOR"], engine=read_bright, second=None, effect=effect, pseudonym="A1"
    )
    got = pixel_array(done.dataset)
    assert [bool((got[k] != values[k]).any()) for k in range(6)] == [k in (1, 3) for k in range(6)]
    assert (got[[1, 3], 10:20, 20:60] < 255).mean() > (0.99 if effect == "blank" else 0.5)


@pytest.mark.parametrize("kind", [
    {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.3.1"},
    {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.2", "FrameIncrementPointer": 0x00181063},
], ids=["ultrasound", "captured with a frame time"])  # fmt: skip
def test_a_box_is_filled_in_all_frames_of_a_cine(kind):
    ds, values = six_frames((3,), **kind)
    got = pixel_array(pixels.clean(ds, ["OKAFOR"], engine=read_bright, second=None).dataset)
    assert all((got[k] != values[k])[10:20, 20:60].mean() > 0.9 for k in range(6))


def test_text_that_only_the_second_look_reads_is_filled_in_its_tile_alone():
    ds, values = six_frames((4,), **FRAMES_APART["tiles"])

    got = pixel_array(
        pixels.clean(ds, ["OKAFOR"], engine=lambda _: [], second=read_bright).dataset
    )
    assert [bool((got[k] != values[k]).any()) for k in range(6)] == [k == 4 for k in range(6)]
