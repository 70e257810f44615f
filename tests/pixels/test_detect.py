"""With the real recognizer: few and small images, since each takes seconds."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pixel_images as made
import pixel_scenes as scenes
import pytest
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont
from pydicom.pixels import pixel_array

from medlab import pixels
from medlab.pixels import decide, detect, effects, frames
from medlab.pixels.detect import Word
from medlab.pixels.effects import Box


def read_texts(ds):
    form = frames.layout(ds)
    words = [
        word
        for index, picture in detect.pictures(ds, form)
        for word in detect.read(picture, frame=index)
    ]
    return {decide.squeezed(word.text) for word in words}


def test_a_scene_is_cleaned_of_all_but_markers_and_scale():
    scene = scenes.scene("us", 5, shape=(320, 400))
    ds = scene.dataset
    done = pixels.clean(ds, pixels.identity_words(ds))
    filled = np.zeros((ds.Rows, ds.Columns), bool)
    for x0, y0, x1, y1 in done.boxes:
        filled[y0:y1, x0:x1] = True
    for text in scene.texts:
        x0, y0, x1, y1 = text.box
        share = filled[y0:y1, x0:x1].mean()
        assert share > 0.97 if text.kind in ("known", "unknown") else share == 0
    assert done.complete
    assert pixels.same_outside(ds, done.dataset, done.boxes)


def test_text_a_few_counts_above_air_is_read_though_the_full_range_hides_it():
    rng = np.random.default_rng(1)
    values = rng.normal(100, 4, (160, 240))
    values[80:, 120:] = 3000
    text, _ = made.text_mask((160, 240), [(10, 20, "OKAFOR", 20)])
    ds = made.gray((values + 16 * text).astype(np.uint16), stored=12)
    shown = frames.displayed(ds, frames.layout(ds), pixel_array(ds)[..., None])
    whole = frames.window(shown, *frames.bright_range(shown))
    assert "OKAFOR" not in {decide.squeezed(word.text) for word in detect.read(whole)}
    assert "OKAFOR" in read_texts(ds)


def test_a_pseudonym_is_drawn_in_place_and_read_back_and_nothing_else_changes():
    values = np.random.default_rng(2).integers(0, 600, (160, 300)).astype(np.uint16)
    ds = made.gray(values, stored=12)
    boxes = [Box(20, 60, 280, 100)]
    result = effects.fill(ds, boxes, "pseudonymize", pseudonym="SUBJ4711")
    assert pixels.same_outside(ds, result, boxes)
    assert pixel_array(result).max() <= values.max()
    assert "SUBJ4711" in read_texts(result)


@pytest.mark.needs("tesseract")
def test_the_second_engine_reads_plain_text_and_places_it():
    text, ((x0, y0, x1, y1),) = made.text_mask((120, 300), [(20, 40, "OKAFOR", 28)])
    words = detect.tesseract((text * 255).astype(np.uint8))
    (word,) = [word for word in words if word.text == "OKAFOR"]
    assert np.abs(np.array(word.quad[0]) - (x0, y0)).max() < 6
    assert np.abs(np.array(word.quad[2]) - (x1, y1)).max() < 6


def test_both_readings_of_an_image_cost_little_more_than_one_call_each():
    """The rendering and the choice of frames add less than the call itself costs."""
    scene = scenes.scene("ct", 2, shape=(320, 400))
    form = frames.layout(scene.dataset)
    list(detect.pictures(scene.dataset, form))
    started = time.process_time()
    ((_, picture),) = detect.pictures(scene.dataset, form)
    prepared = time.process_time() - started
    started = time.process_time()
    detect.read(picture)
    assert prepared < 0.3 * (time.process_time() - started)


def test_an_upright_name_is_read_from_below_though_the_recognizer_takes_it_upside_down():
    font = ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", "STIXGeneralItalic.ttf"), 16)
    drawn = Image.new("L", (200, 60))
    ImageDraw.Draw(drawn).text((5, 5), "Okafor", font=font, fill=255)
    name = np.rot90(np.asarray(drawn.crop(drawn.getbbox())))
    image = np.random.default_rng(0).normal(20, 4, (400, 500)).clip(0, 255).astype(np.uint8)
    place = image[100 : 100 + name.shape[0], 200 : 200 + name.shape[1]]
    np.maximum(place, name, out=place)
    assert "Okafor" not in detect._rapid()(image).txts
    assert [word.text for word in detect.rapidocr(image)] == ["Okafor"]


def test_a_line_in_a_script_that_cannot_be_read_is_found_and_removed():
    text, ((x0, y0, x1, y1),) = made.text_mask((160, 320), [(40, 60, "Окафор Иван", 20)])
    image = np.random.default_rng(0).normal(20, 4, text.shape) + 200 * text
    words = detect.rapidocr(image.clip(0, 255).astype(np.uint8))
    assert [word.text.strip() for word in words] == [""]
    for policy in decide.POLICIES:
        (decision,) = decide.decide(words, decide.identity([]), policy)
        (box,) = decision.boxes
        assert decision.remove
        assert box.x0 <= x0
        assert box.y0 <= y0
        assert box.x1 >= x1
        assert box.y1 >= y1


READS = """
import socket, sys, numpy
from medlab.pixels import detect

def fetched(*_, **__):
    print("asked for the network")
    raise OSError

socket.getaddrinfo = socket.create_connection = socket.socket.connect = fetched
image = numpy.load(sys.argv[1])
print([word.text for word in detect.rapidocr(image)], detect.rapidocr(0 * image))
"""


def test_the_recognizer_reads_without_network_and_without_a_word_on_standard_error(tmp_path):
    text, _ = made.text_mask((120, 300), [(20, 40, "OKAFOR", 28)])
    np.save(tmp_path / "image.npy", (text * 255).astype(np.uint8))
    command = [sys.executable, "-c", READS, str(tmp_path / "image.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("['OKAFOR'] []\n", "")


def test_a_model_that_is_missing_is_not_fetched(monkeypatch):
    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, lambda *_, **__: pytest.fail("asked for the network"))
    monkeypatch.setitem(detect._MODELS, "Rec", "gone.onnx")
    monkeypatch.setattr(detect, "_rapid", detect._rapid.__wrapped__)  # not the one at hand
    text, _ = made.text_mask((120, 300), [(20, 40, "OKAFOR", 28)])
    with pytest.raises(FileNotFoundError, match=r"gone\.onnx"):
        detect.rapidocr((text * 255).astype(np.uint8))


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


def test_a_qr_code_is_found_read_and_removed_by_what_it_says():
    for text, removed in (("OKAFOR^JANE 00412345", True), ("hello world", False)):
        code = cv2.QRCodeEncoder.create().encode(text)
        code = np.kron(code, np.ones((4, 4), np.uint8))
        values = np.full((160, 240), 255, np.uint8)
        values[20 : 20 + len(code), 40 : 40 + len(code)] = code
        (found,) = detect.find_codes(values)
        assert found.text == text
        done = pixels.clean(
            made.gray(values), ["OKAFOR^JANE"], policy="match", engine=lambda p: [], second=None
        )
        assert bool(done.boxes) == removed
        assert done.codes == [found]
        if removed:
            assert detect.find_codes(pixel_array(done.dataset)) == []
        allow = pixels.clean(made.gray(values), engine=lambda p: [], second=None)
        assert detect.find_codes(pixel_array(allow.dataset)) == []


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
    assert detect._zxing(picture)
    assert detect.find_codes(picture) == []
