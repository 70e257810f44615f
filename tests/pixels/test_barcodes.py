import cv2
import numpy as np
import pixel_images as made
from pydicom.pixels import pixel_array

from medlab import pixels
from medlab.pixels import barcodes, detect


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
