"""The editor for text in pixels, without a browser."""

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from medlab import widgets
from medlab.pixels import box_review
from medlab.pixels.decide import Decision
from medlab.pixels.detect import Word
from medlab.pixels.effects import Box

NAME, RULE, MARKER = Box(4, 4, 60, 20), Box(0, 90, 100, 100), Box(80, 50, 90, 60)


@pytest.fixture
def image():
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.Rows, made.Columns, made.BitsAllocated, made.BitsStored = 100, 100, 8, 8
    made.HighBit, made.PixelRepresentation = 7, 0
    made.PixelData = np.random.default_rng(0).integers(0, 250, 10_000, "uint8").tobytes()
    return made


@pytest.fixture
def found():
    word = Word("OKAFOR", 0.98, ((4, 4), (60, 4), (60, 20), (4, 20)))
    return [
        Decision((NAME,), True, "header word", word),
        Decision((RULE,), True, "recipe"),
        Decision((MARKER,), False, "allowed", Word("R", 0.9, word.quad)),
    ]


@pytest.fixture
def editor(image, found):
    return widgets.text_boxes(image, found, file="7")


def pixels(editor):
    """The stored values of the result that is shown."""
    result = editor._result(*editor.settings())
    return np.frombuffer(result.PixelData, "uint8").reshape(100, 100)


def test_what_was_found_is_ticked_and_what_it_says_is_masked(editor):
    ticks = {name: h.value for name, h in editor.controls.items() if name.startswith("box")}
    assert ticks == {"box1": True, "box2": True, "box3": False}
    assert editor.controls["box1"].description == "1: header word"
    assert "OKAFOR" not in editor.view.value + editor.table().to_csv()
    assert "OKAFOR" in editor.table(reveal=True).to_csv()


def test_a_box_goes_by_its_tick(editor, image):
    stored = np.frombuffer(image.PixelData, "uint8").reshape(100, 100)
    assert not pixels(editor)[4:20, 4:60].any()
    editor.controls["box1"].value = False
    assert np.array_equal(pixels(editor)[:90], stored[:90])
    assert "1 boxes blackened, 3 in all" in editor.view.value


def test_a_box_is_added_by_numbers(editor):
    editor.controls["added"].value = "70,30,75,35; 10, 40, 20, 50"
    assert not pixels(editor)[30:35, 70:75].any()
    assert not pixels(editor)[40:50, 10:20].any()


@pytest.mark.parametrize("text", ["70,30,75", "a,b,c,d", "9,9,3,12"])
def test_numbers_that_are_no_box_are_refused_in_a_sentence(editor, text):
    before = editor.view.value
    editor.controls["added"].value = text
    assert "a box to add is" in editor.status.value
    assert editor.view.value == before


def test_a_pseudonym_is_written_where_text_was_and_not_over_rules(editor):
    editor.controls["effect"].value = "pseudonymize"
    assert pixels(editor)[4:20, 4:60].max() > 200
    assert not pixels(editor)[90:].any()


def test_effects_that_can_be_undone_say_so(editor):
    editor.controls["effect"].value = "blur"
    assert "can be read back" in editor.view.value
    assert editor.controls["pseudonym"].disabled
    assert not editor.controls["strength"].disabled


def test_a_hidden_image_leaves_boxes_alone(image, found):
    shown = widgets.text_boxes(image, found, hide_original=True)
    plain = widgets.text_boxes(image, found)
    assert len(shown.view.value) < len(plain.view.value) / 2  # noise does not compress


def test_the_saved_table_is_what_a_review_accepts(editor, tmp_path):
    editor.controls["box2"].value = False
    editor.controls["added"].value = "70,30,75,35"
    editor.save(tmp_path / "boxes.csv")
    approved = tmp_path / "approved.csv"
    assert box_review.approve(tmp_path / "boxes.csv", approved, accept=["all"]) == 1
    assert box_review.read_table(approved) == {"7": [NAME, Box(70, 30, 75, 35)]}
