from dataclasses import replace

import numpy as np
import pixel_images as made
import pytest
from pixel_labels import MARK, NAME, SHAPE, TEXTS, clean, engine, image
from pydicom.dataset import Dataset
from pydicom.pixels import pixel_array
from pydicom.sequence import Sequence

from medlab import pixels
from medlab.errors import RefusedError, UnavailableError, UsageError
from medlab.pixels import detect, frames
from medlab.pixels.detect import Word
from medlab.pixels.effects import Box


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

    for reader in (None, absent):
        done = pixels.clean(image(), boxes=[Box(0, 0, 200, 100)], engine=reader)
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


def test_options_are_one_object_or_named_and_a_name_replaces_one_of_the_object():
    options = pixels.CleaningOptions(policy="match", engine=engine(TEXTS), second=None)
    done = pixels.clean(image(), ["OKAFOR^JANE"], options)
    named = pixels.clean(
        image(), ["OKAFOR^JANE"], policy="match", engine=engine(TEXTS), second=None
    )
    assert done.boxes == named.boxes
    assert not done.complete
    assert pixels.clean(image(), ["OKAFOR^JANE"], options, policy="allow").complete
    with pytest.raises(UsageError, match="pixel policy"):
        pixels.CleaningOptions(policy="all")


def test_tesseract_is_started_only_where_letters_stand_in_rows(monkeypatch):
    started = []
    monkeypatch.setattr(detect, "tesseract", lambda picture: started.append(1) or [])
    nothing = made.gray(np.full(SHAPE, 90, np.uint8))
    letters, _ = made.text_mask(SHAPE, [(20, 40, "OKAFOR JANE", 14)])
    text = made.gray((90 + 150 * letters).astype(np.uint8))
    for ds, prefilter, count in ((nothing, True, 0), (nothing, False, 1), (text, True, 1)):
        started.clear()
        clean(ds, engine=lambda _: [], second=detect.tesseract, prefilter=prefilter)
        assert len(started) == count


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


@pytest.mark.parametrize("keyword", frames.KEYWORDS)
def test_pixels_of_any_kind_in_a_private_sequence_are_removed(keyword):
    ds, inner = image(), Dataset()
    vr = {"PixelData": "OW", "FloatPixelData": "OF", "DoubleFloatPixelData": "OD"}[keyword]
    inner.add_new(keyword, vr, b"\0" * 8)
    ds.private_block(0x0009, "ACME", create=True).add_new(1, "SQ", Sequence([inner]))
    assert 0x00091001 not in clean(ds).dataset


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
