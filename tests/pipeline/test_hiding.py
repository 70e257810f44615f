"""Data hidden in files, seen from outside: pydicom and nibabel alone, and the command line."""

import json
import stat

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import JPEG2000Lossless, RLELossless

from medlab import crypto
from medlab.cli import commands
from medlab.crypto import steganography
from medlab.pipeline import hiding

DICOM_METHODS = hiding._METHODS
PAYLOAD = b"a second picture, or a note of 39 bytes"


def source(name="CT_small.dcm"):
    return get_testdata_file(name, download=False)


def medlab(*words):
    """Run the command line; no sentence of it may say whose the file is."""
    result = CliRunner().invoke(
        commands, [str(word) for word in words], env={"MEDLAB_KEY_FILE": ""}
    )
    assert result.exception is None or isinstance(result.exception, SystemExit)
    for value in ("CompressedSamples", "1CT1", "4MR1", "20040119"):
        assert value not in result.output
    return result


@pytest.fixture
def place(tmp_path):
    (tmp_path / "key").write_bytes(b"sixteen secret bytes and more")
    (tmp_path / "payload").write_bytes(PAYLOAD)
    return tmp_path


def hide(place, image, target, *more):
    words = ("--payload", place / "payload", "--key-file", place / "key")
    return medlab("hide", image, place / target, *words, *more)


def reveal(place, image, *more, key="key"):
    words = ("--payload", place / "found", "--key-file", place / key)
    return medlab("reveal", place / image, *words, *more)


def names(place):
    return sorted(path.name for path in place.iterdir())


@pytest.mark.parametrize("method", DICOM_METHODS)
@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small_bigendian.dcm", "examples_overlay.dcm"]
)
def test_a_dicom_file_and_its_payload_come_back_byte_for_byte(place, name, method):
    done = hide(place, source(name), "out.dcm", "--method", method)
    assert done.exit_code == 0, done.output
    restore = () if method == "lsb" else ("--restore", place / "back.dcm")
    assert reveal(place, "out.dcm", *restore).exit_code == 0
    assert (place / "found").read_bytes() == PAYLOAD
    assert stat.S_IMODE((place / "found").stat().st_mode) == 0o600
    before, out = dcmread(source(name)), dcmread(place / "out.dcm")
    assert (out.PixelData == before.PixelData) is (method == "private")
    if method != "lsb":
        assert dcmread(place / "back.dcm").PixelData == before.PixelData


@pytest.mark.parametrize("method", DICOM_METHODS)
def test_the_header_stays_but_for_the_number_of_the_instance(place, method):
    before = dcmread(source())
    before.add_new(0x00280106, "SS", 128)  # Smallest Image Pixel Value
    before.save_as(place / "in.dcm")
    assert hide(place, place / "in.dcm", "out.dcm", "--method", method).exit_code == 0
    out = dcmread(place / "out.dcm")
    assert out.file_meta.MediaStorageSOPInstanceUID == out.SOPInstanceUID
    changed = {e.keyword for e in before if e.keyword and out[e.tag] != e}
    assert changed == ({"SOPInstanceUID", "PixelData"} if method != "private" else set())
    added = [e.tag.group for e in out if e.tag not in before]
    assert added == ([0x0011, 0x0011] if method == "private" else [])


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("method", DICOM_METHODS)
def test_what_was_compressed_without_loss_is_so_again(place, syntax, method):
    before = dcmread(source())
    values = before.pixel_array.copy()
    plugin = {} if syntax == RLELossless else {"encoding_plugin": "pylibjpeg"}
    before.compress(syntax, **plugin)
    before.save_as(place / "in.dcm")
    assert hide(place, place / "in.dcm", "out.dcm", "--method", method).exit_code == 0
    out = dcmread(place / "out.dcm")
    assert out.file_meta.TransferSyntaxUID == syntax
    assert np.abs(out.pixel_array.astype(int) - values).max() < 200
    restore = () if method == "lsb" else ("--restore", place / "back.dcm")
    assert reveal(place, "out.dcm", *restore).exit_code == 0
    if method != "lsb":
        assert np.array_equal(dcmread(place / "back.dcm").pixel_array, values)


@pytest.mark.parametrize("method", ["shift", "expansion", "lsb"])
def test_pixels_coded_anew_without_loss_keep_the_payload(place, method):
    assert hide(place, source(), "out.dcm", "--method", method).exit_code == 0
    coded = dcmread(place / "out.dcm")
    coded.compress(RLELossless, generate_instance_uid=False)
    coded.save_as(place / "coded.dcm")
    assert reveal(place, "coded.dcm").exit_code == 0
    assert (place / "found").read_bytes() == PAYLOAD


def test_a_window_on_eight_bits_destroys_it(place):
    assert hide(place, source(), "out.dcm").exit_code == 0
    shown = dcmread(place / "out.dcm")
    gray = np.clip((shown.pixel_array.astype(float) - 128) / 8, 0, 255).astype(np.uint8)
    shown.PixelData, shown.BitsAllocated, shown.BitsStored = gray.tobytes(), 8, 8
    shown.HighBit, shown.PixelRepresentation = 7, 0
    shown.save_as(place / "shown.dcm")
    assert reveal(place, "shown.dcm").exit_code == 1
    assert not (place / "found").exists()


def test_values_stay_within_the_bits_stored_wherever_these_lie(place):
    rng = np.random.default_rng(1)
    before = dcmread(source())
    values = rng.normal(0, 3, (3, 60, 70)).round() + rng.choice([-2048, 2047, 0, 500], (3, 1, 1))
    values = np.clip(values, -2048, 2047).astype(np.int16)
    before.Rows, before.Columns, before.NumberOfFrames = 60, 70, 3
    before.BitsStored, before.HighBit = 12, 13  # the two lowest bits belong to no value
    before.PixelData = (values << 2).tobytes()
    before.save_as(place / "in.dcm")
    assert hide(place, place / "in.dcm", "out.dcm").exit_code == 0
    words = np.frombuffer(dcmread(place / "out.dcm").PixelData, np.int16)
    assert not (words & 3).any()
    assert -2048 <= (words >> 2).min() <= (words >> 2).max() <= 2047
    assert reveal(place, "out.dcm", "--restore", place / "back.dcm").exit_code == 0
    assert dcmread(place / "back.dcm").PixelData == before.PixelData


def test_colors_carry_a_payload_too(place):
    before = dcmread(source("SC_rgb_small_odd.dcm"))
    values = np.random.default_rng(1).integers(90, 96, (40, 41, 3), np.uint8)
    before.Rows, before.Columns, before.PixelData = 40, 41, values.tobytes()
    before.save_as(place / "in.dcm")
    assert hide(place, place / "in.dcm", "out.dcm").exit_code == 0
    assert reveal(place, "out.dcm", "--restore", place / "back.dcm").exit_code == 0
    assert dcmread(place / "back.dcm").PixelData == before.PixelData


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<u2", "<i4"])
@pytest.mark.parametrize("method", ["shift", "expansion", "lsb"])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_nifti_file_comes_back_byte_for_byte(place, dtype, method, ending):
    voxels = np.random.default_rng(1).integers(60, 70, (20, 21, 9)).astype(dtype)
    img = nib.Nifti1Image(voxels, np.diag([1.0, 1, 2, 1]), dtype=voxels.dtype)
    if dtype == ">i2":
        img = nib.Nifti1Image(voxels, img.affine, img.header.as_byteswapped(">"))
    img.header.set_slope_inter(0.5, 3)
    img.header["descrip"] = b"a scan"
    img.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"what else stands there"))
    nib.save(img, place / f"in{ending}")
    done = hide(place, place / f"in{ending}", "out.nii.gz", "--method", method)
    assert done.exit_code == 0, done.output
    out = nib.load(place / "out.nii.gz")
    assert out.header["descrip"] == img.header["descrip"]
    assert len(out.header.extensions) == 1
    assert not np.array_equal(out.dataobj.get_unscaled(), voxels)
    restore = () if method == "lsb" else ("--restore", place / "back.nii")
    assert reveal(place, "out.nii.gz", *restore).exit_code == 0
    assert (place / "found").read_bytes() == PAYLOAD
    if method != "lsb":
        nib.save(nib.load(place / f"in{ending}"), place / "plain.nii")
        back = nib.load(place / "back.nii")
        assert back.dataobj.get_unscaled().tobytes() == voxels.tobytes()
        assert back.header.binaryblock == nib.load(place / f"in{ending}").header.binaryblock


@pytest.mark.parametrize("method", DICOM_METHODS)
def test_a_refused_file_leaves_nothing_behind(place, method):
    (place / "other").write_bytes(b"another secret of sixteen bytes")
    assert hide(place, source(), "out.dcm", "--method", method).exit_code == 0
    altered = dcmread(place / "out.dcm")
    altered.PixelData = bytes([altered.PixelData[0] ^ 1]) + altered.PixelData[1:]
    altered.save_as(place / "altered.dcm")
    before = names(place)
    for image, key in (("out.dcm", "other"), ("altered.dcm", "key")):
        result = reveal(place, image, "--restore", place / "back.dcm", key=key)
        assert result.exit_code == 1
        assert result.output.count("\n") == 1
        assert names(place) == before
    if method == "lsb":
        result = reveal(place, "out.dcm", "--restore", place / "back.dcm")
        assert result.exit_code == 1
        assert "cannot restore" in result.output
        assert names(place) == before


def test_a_lossy_source_a_picture_and_another_kind_are_refused(place):
    before = names(place)
    for image, target in (
        (source("JPEG2000.dcm"), "out.dcm"),
        (source(), "out.jpg"),
        (source(), "out.nii"),
        (place / "payload", "out.nii"),
    ):
        result = hide(place, image, target)
        assert result.exit_code == 1
        assert result.output.count("\n") == 1
        assert names(place) == before
    nib.save(nib.Nifti1Image(np.zeros((9, 9, 9), np.float32), np.eye(4)), place / "a.nii")
    for target, *more in (("out.nii",), ("out.dcm",), ("out.nii", "--method", "private")):
        assert hide(place, place / "a.nii", target, *more).exit_code == 1
    assert names(place) == ["a.nii", *before]


def test_bits_beside_the_values_would_be_lost_so_they_are_refused(place):
    before = dcmread(source("examples_overlay.dcm"))
    words = before.pixel_array.copy()
    words[5, 5] |= 1 << 15
    before.PixelData = words.tobytes()
    before.save_as(place / "in.dcm")
    result = hide(place, place / "in.dcm", "out.dcm")
    assert result.exit_code == 1
    assert "bit for bit" in result.output


def test_what_is_too_large_is_told_how_much_fits(place):
    (place / "payload").write_bytes(bytes(5000))
    result = hide(place, source(), "out.dcm")
    assert result.exit_code == 1
    assert "the capacity of this image is" in result.output
    assert names(place) == ["key", "payload"]


def test_no_key_is_made_and_no_output_replaced(place):
    words = ("--payload", place / "payload")
    assert medlab("hide", source(), place / "out.dcm", *words).exit_code == 1
    assert names(place) == ["key", "payload"]
    (place / "out.dcm").write_bytes(b"mine")
    assert hide(place, source(), "out.dcm").exit_code == 1
    assert (place / "out.dcm").read_bytes() == b"mine"
    assert medlab("hide", source(), place / "gone.dcm").exit_code == 2
    assert medlab("hide", place / "nowhere", place / "gone.dcm", *words).exit_code == 2


def test_one_name_for_both_outputs_is_bad_usage(place):
    assert hide(place, source(), "out.dcm").exit_code == 0
    assert reveal(place, "out.dcm", "--restore", place / "found").exit_code == 2
    assert names(place) == ["key", "out.dcm", "payload"]


def test_a_full_disk_leaves_no_half_file(place, monkeypatch):
    def full(path, content):
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hiding.Path, "write_bytes", full)
    result = hide(place, source(), "out.dcm")
    assert result.exit_code == 1
    assert "No space left" in result.output
    assert names(place) == ["key", "payload"]


def test_pydicom_alone_gives_the_pixels_that_hold_the_payload(place):
    assert hide(place, source("examples_overlay.dcm"), "out.dcm").exit_code == 0
    seen = dcmread(place / "out.dcm").pixel_array
    key = crypto.load_key(place / "key")
    found, restored = steganography.extract(seen, key, bits=(0, 4095))
    assert found == PAYLOAD
    assert np.array_equal(restored, dcmread(source("examples_overlay.dcm")).pixel_array)
    assert seen.max() <= 4095


def test_the_key_may_be_named_by_the_environment(place):
    words = [source(), place / "out.dcm", "--payload", place / "payload"]
    called = CliRunner().invoke(
        commands, ["hide", *map(str, words)], env={"MEDLAB_KEY_FILE": str(place / "key")}
    )
    assert called.exit_code == 0
    assert reveal(place, "out.dcm").exit_code == 0


def test_the_command_offers_the_methods_that_there_are():
    (choices,) = (p.type.choices for p in commands.commands["hide"].params if p.name == "method")
    assert tuple(choices) == hiding._METHODS


def test_two_payloads_in_private_elements_are_refused(place):
    assert hide(place, source(), "one.dcm", "--method", "private").exit_code == 0
    assert hide(place, place / "one.dcm", "two.dcm", "--method", "private").exit_code == 1


def test_detect_looks_at_images_that_cannot_be_changed_too():
    assert medlab("detect", source("JPEG2000.dcm")).exit_code == 0


def test_detect_gives_the_figures_of_both_images_as_json(place):
    (place / "payload").write_bytes(np.random.default_rng(1).bytes(18000))
    image = source("examples_overlay.dcm")
    assert hide(place, image, "out.dcm", "--method", "lsb").exit_code == 0
    alone = json.loads(medlab("detect", place / "out.dcm").output)
    both = json.loads(medlab("detect", place / "out.dcm", "--clean", image).output)
    assert set(alone) == {"chi_square_p", "rs_rate"}
    assert set(both) == {*alone, "clean_chi_square_p", "clean_rs_rate"}
    assert both["chi_square_p"] > 0.99 > 0.01 > both["clean_chi_square_p"]
    assert both["rs_rate"] > 0.8
    assert abs(both["clean_rs_rate"]) < 0.1
