import functools

import numpy as np
import pixel_images as made
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels import pixel_array
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from medlab.errors import InputError, UsageError
from medlab.pixels import effects, frames
from medlab.pixels.effects import Box

CASES = made.cases()
BOXES = [Box(5, 7, 20, 16), Box(40, 30, 99, 35)]  # the second one leaves the image
LOSSY = {"j2k-lossy", "jls-near", "jpeg-gray", "jpeg-ybr", "jpeg-422"}


@functools.cache
def filled(name):
    """Return a case and what became of it, written and read again; not to be changed."""
    source = CASES[name]()
    before = source.to_json_dict()
    result = effects.fill(source, BOXES)
    assert source.to_json_dict() == before
    return source, made.reread(result)


def stack(values, ds):
    return values.reshape(int(ds.get("NumberOfFrames", 1)), ds.Rows, ds.Columns, -1)


def inside(ds):
    found = np.zeros((ds.Rows, ds.Columns), bool)
    found[7:16, 5:20] = True
    found[30:35, 40:] = True
    return found


@pytest.mark.parametrize("name", CASES)
def test_outside_the_boxes_every_encoding_reads_as_before(name):
    source, result = filled(name)
    source_again = made.reread(source)
    for raw in (False, True) if name not in LOSSY else (False,):
        old = stack(pixel_array(source_again, raw=raw), source)
        new = stack(pixel_array(result, raw=raw), source)
        if name == "high-bit-15":  # pydicom does not look at the high bit
            assert not (new & 0x000F).any()
        outside = ~inside(source)
        np.testing.assert_array_equal(new[:, outside], old[:, outside])
        assert not np.array_equal(new, old)


@pytest.mark.parametrize("name", CASES)
def test_the_boxes_are_black_as_shown(name):
    source, result = filled(name)
    shown = stack(pixel_array(result), source)[:, inside(source)]
    if result.SamplesPerPixel == 3:
        assert not shown.any()
        return
    old = stack(pixel_array(made.reread(source)), source)
    if "palette" in name:
        assert (shown == 255).all()
    elif name == "padding":
        assert (shown == -2000).all()
    elif name.startswith("mono1"):
        assert (shown == old.max()).all()
    else:
        least = old.min(axis=(1, 2, 3)).reshape(-1, *[1] * (shown.ndim - 1))
        assert (shown == least).all()


@pytest.mark.parametrize("name", CASES)
def test_the_labels_go_with_what_is_stored(name):
    source, result = filled(name)
    syntax = result.file_meta.TransferSyntaxUID
    assert result.ImageType[0] == "DERIVED"
    if syntax.is_encapsulated:
        assert result["PixelData"].VR == "OB"
        if name not in LOSSY and not name.startswith("jpeg-lossless"):
            assert syntax == source.file_meta.TransferSyntaxUID
    else:
        form = frames.layout(result)
        assert len(result[form.keyword].value) == form.length + form.length % 2
    if name in LOSSY:
        assert syntax in (JPEG2000Lossless, JPEGLSLossless)
        assert result.LossyImageCompression == "01"
        assert result.get("LossyImageCompressionRatio") == source.get("LossyImageCompressionRatio")
    if name in ("jpeg-ybr", "jpeg-422", "j2k-rct"):
        assert result.PhotometricInterpretation == "RGB"
    if name == "ybr-422":
        assert result.PhotometricInterpretation == "YBR_FULL"
    assert effects.same_outside(source, result, BOXES) or name == "high-bit-15"


@pytest.mark.parametrize("signed", [False, True])
def test_text_in_unused_high_bits_is_gone_though_no_reader_shows_it(signed):
    text, _ = made.text_mask((40, 120), [(2, 5, "OKAFOR", 20)])
    dtype = np.int16 if signed else np.uint16
    plain = np.random.default_rng(2).integers(0, 2000, (40, 120)).astype(dtype)
    hidden = (plain.view(np.uint16) | np.where(text > 0.5, 0x8000, 0).astype(np.uint16)).view(
        dtype
    )
    source = made.gray(hidden, stored=12)
    form = frames.layout(source)
    assert np.array_equal(pixel_array(source) & 0xFFF, plain)
    assert frames.hides(form, next(frames.stored_frames(source, form)))
    result = effects.fill(source, [])
    words = np.frombuffer(result.PixelData, dtype).reshape(40, 120)
    assert np.array_equal(words, plain)
    assert not frames.hides(form, next(frames.stored_frames(result, form)))


def test_sign_extension_is_not_taken_for_hidden_text():
    negative = made.gray(np.full((4, 4), -5, np.int16), stored=12)
    unextended = made.gray(np.full((4, 4), 0x0FFB, np.uint16).view(np.int16), stored=12)
    for ds in (negative, unextended):
        form = frames.layout(ds)
        frame = next(frames.stored_frames(ds, form))
        assert not frames.hides(form, frame)
        assert (frames.values(form, frame) == -5).all()


def test_padding_outside_the_bits_stored_is_not_used_as_fill():
    ds = made.gray(np.full((8, 8), 100, np.uint16), stored=12, PixelPaddingValue=63536)
    result = effects.fill(ds, [Box(0, 0, 4, 4)])
    assert pixel_array(result).max() == 100


def test_padding_read_as_unsigned_is_understood_as_negative():
    ds = made.gray(np.full((8, 8), 100, np.int16), PixelPaddingValue=63536)
    assert pixel_array(effects.fill(ds, [Box(0, 0, 4, 4)]))[0, 0] == -2000


def test_bytes_behind_the_last_pixel_are_cut_off():
    ds = made.gray(np.zeros((4, 4), np.uint8))
    ds.PixelData += b"OKAFOR"
    assert len(effects.fill(ds, []).PixelData) == 16


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"PixelData": b"\0" * 100}, "100 bytes"),
        ({"PixelData": b""}, "0 bytes"),
        ({"Rows": 0}, "without rows"),
        ({"BitsAllocated": 12}, "no pixel"),
        ({"PhotometricInterpretation": "RGB"}, "photometric"),
        ({"SamplesPerPixel": 4}, "photometric"),
        ({"Columns": None}, "missing or odd"),
        ({"Rows": 60000, "Columns": 60000}, "too large"),
        ({"HighBit": 40}, "no pixel"),
    ],
)
def test_pixel_data_that_contradict_their_header_are_refused(change, words):
    ds = made.gray(np.zeros((48, 64), np.uint16), stored=12)
    for name, value in change.items():
        setattr(ds, name, value)
    with pytest.raises(InputError, match=words):
        effects.fill(ds, BOXES)


def test_a_damaged_code_stream_is_refused_in_one_sentence():
    ds = CASES["jpeg-gray"]()
    ds.PixelData = ds.PixelData[:60] + b"\0" * 40
    with pytest.raises(InputError, match="cannot be decoded"):
        effects.fill(ds, BOXES)


@pytest.mark.parametrize(
    "uid",
    [
        JPEG2000Lossless,
        pytest.param(JPEGLSLossless, marks=pytest.mark.needs("pyjpegls")),
        RLELossless,
    ],
)
def test_what_an_encoder_cannot_write_is_stored_as_it_is(uid, monkeypatch):
    monkeypatch.setattr(frames, "_target", lambda form: uid)
    values = np.random.default_rng(0).integers(1, 255, (1, 3, 3, 3), np.uint8)
    source = made.jpeg(values, mode="RGB")
    result = made.reread(effects.fill(source, [Box(0, 0, 1, 1)]))
    assert effects.same_outside(source, result, [Box(0, 0, 1, 1)])


def test_fewer_frames_than_promised_are_refused():
    ds = CASES["rle-cine"]()
    ds.NumberOfFrames = 4
    with pytest.raises(InputError):
        effects.fill(ds, BOXES)


@pytest.mark.parametrize(
    "name",
    ["CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm",
     "JPEG2000.dcm", "examples_palette.dcm", "examples_rgb_color.dcm", "liver_1frame.dcm",
     "SC_rgb_small_odd.dcm", "SC_rgb_small_odd_big_endian.dcm", "SC_rgb_small_odd_jpeg.dcm",
     "SC_rgb_dcmtk_+eb+cy+s2.dcm", "SC_ybr_full_422_uncompressed.dcm"],
)  # fmt: skip
def test_real_files_are_changed_in_the_box_only(name):
    source = pydicom.dcmread(get_testdata_file(name, download=False))
    boxes = [Box(2, 3, 9, 8)]
    result = made.reread(effects.fill(source, boxes))
    assert effects.same_outside(source, result, boxes)


@pytest.mark.parametrize("name", ["mono2-s16", "mono1-u12", "rgb-1", "ybr-422", "palette", "float",
                                  "rle-rgb", "jpeg-422", "high-bit-15"])  # fmt: skip
@pytest.mark.parametrize("effect", effects.EFFECTS)
def test_an_effect_changes_its_boxes_only(name, effect):
    source = CASES[name]()
    boxes = [Box(4, 4, 60, 30)]
    result = effects.fill(source, boxes, effect, pseudonym="S1")
    assert effects.same_outside(source, result, boxes)
    assert not effects.same_outside(source, result, [])


@pytest.mark.parametrize("name", ["mono1-u12", "rgb-0", "ybr-1", "palette"])
def test_a_pseudonym_is_bright_on_black_in_every_color_space(name):
    result = effects.fill(CASES[name](), [Box(0, 0, 64, 48)], "pseudonymize", pseudonym="I")
    shown = pixel_array(made.reread(result))
    if name == "palette":
        shown = 255 - shown
    if name == "mono1-u12":
        shown = 4095 - shown
    cover = effects.lettering("I", Box(0, 0, 64, 48))
    gray = shown if shown.ndim == 2 else shown.max(axis=2)
    assert gray[cover > 0.9].min() > 0.9 * gray.max()
    assert gray[cover < 0.1].max() < 0.2 * gray.max()


def test_an_unknown_effect_or_no_pseudonym_is_bad_usage():
    with pytest.raises(UsageError):
        effects.fill(CASES["rgb-0"](), [], "smear")
    with pytest.raises(UsageError, match="needs a pseudonym"):
        effects.fill(CASES["rgb-0"](), [], "pseudonymize")
