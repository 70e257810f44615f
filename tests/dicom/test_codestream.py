"""Pixel data carry nothing but samples, and what a decoder needs; verification sees the rest.

The streams are built here by hand, and decoded by pydicom and its plugins before and after.
"""

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.data.data_manager import DATA_ROOT
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_fragments, generate_frames, parse_basic_offsets
from pydicom.pixels import pixel_array
from pydicom.uid import (
    MPEG4HP41,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from medlab import dicom
from medlab.dicom.compared_elements import samples_of, without_samples
from medlab.errors import InputError, RefusedError
from medlab.pixels import clean

pytestmark = pytest.mark.filterwarnings("ignore")
KEY = b"k" * 32
SAID = b"Ottoline Quillfeather"


def image(pixels, frames=1):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = generate_uid()
    dataset.PatientName, dataset.PatientID = "Quillfeather^Ottoline", "ZQ48213"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.itemsize
    dataset.HighBit, dataset.PixelRepresentation = 8 * pixels.itemsize - 1, 0
    dataset.NumberOfFrames = frames
    dataset.PixelData = pixels.tobytes() * frames
    dataset["PixelData"].VR = "OB" if pixels.itemsize == 1 else "OW"
    return dataset


def ramp(shape=(40, 48), dtype=np.uint8):
    return (np.indices(shape).sum(axis=0) * 2 % 251).astype(dtype)


def decoded(dataset):
    """Return the pixels, read by another decoder than GDCM, which damaged streams can end."""
    plugins = {
        JPEGBaseline8Bit: "pillow",
        JPEG2000Lossless: "pylibjpeg",
        JPEGLSLossless: "pyjpegls",
    }
    plugin = plugins.get(dataset.file_meta.TransferSyntaxUID, "")
    return pixel_array(dataset, decoding_plugin=plugin)


def coded(dataset, frames, syntax, **how):
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate(frames, **how)
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    return dataset


def stored(dataset):
    """Return a data set as it is read from a file."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return dicom.parse(buffer.getvalue())


def cleaned(dataset):
    """Return source and output, both read from bytes, and the notes of the log."""
    source = stored(dataset)
    out, log = dicom.deidentify(source, "basic", key=KEY)
    notes = {action.note for action in log} & {"beside", "frames", "opaque"}
    return source, pydicom.dcmread(BytesIO(dicom.to_bytes(out))), notes


def frame_of(syntax):
    dataset = image(ramp())
    dataset.compress(syntax, generate_instance_uid=False)
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


def jpeg_frame(**how):
    buffer = BytesIO()
    Image.fromarray(ramp()).save(buffer, "JPEG", **how)
    return buffer.getvalue()


def segment(code, content):
    return b"\xff" + bytes([code]) + struct.pack(">H", len(content) + 2) + content


def behind_start(frame, *segments):
    return frame[:2] + b"".join(segments) + frame[2:]


def exif():
    tags = Image.Exif()
    tags[0x010E], tags[0x8825] = SAID.decode(), {1: "N", 2: (48.0, 12.0, 30.0)}
    return jpeg_frame(exif=tags.tobytes())


def jfif_thumbnail():
    frame = jpeg_frame()
    thumbnail = SAID.ljust(27)
    return frame[:2] + segment(0xE0, frame[6:18] + b"\3\3" + thumbnail) + frame[20:]


def in_tile_part(frame):
    at = frame.index(b"\xff\x90")
    comment = segment(0x64, b"\0\1" + SAID)
    length = struct.pack(">I", struct.unpack_from(">I", frame, at + 6)[0] + len(comment))
    return frame[: at + 6] + length + frame[at + 10 : at + 12] + comment + frame[at + 12 :]


def box(kind, content):
    return struct.pack(">I4s", len(content) + 8, kind) + content


def jp2(frame):
    size = struct.pack(">IIHBBBB", 40, 48, 1, 7, 7, 0, 0)
    head = box(b"ihdr", size) + box(b"colr", b"\1\0\0" + struct.pack(">I", 17))
    return b"".join(
        (
            box(b"jP  ", b"\r\n\x87\n"), box(b"ftyp", b"jp2 \0\0\0\0jp2 "),
            box(b"jp2h", head + box(b"res ", SAID)), box(b"xml ", b"<p>" + SAID + b"</p>"),
            box(b"uuid", bytes(16) + SAID),
            box(b"jp2c", behind_start_of_j2k(frame)),
        )
    )  # fmt: skip


def behind_start_of_j2k(frame):
    end = 4 + int.from_bytes(frame[4:6], "big")  # SIZ stands first
    return frame[:end] + segment(0x64, b"\0\1" + SAID) + frame[end:]


def rle_with_gap(frame):
    count, first, *others = struct.unpack("<16I", frame[:64])
    return struct.pack("<16I", count, first, *others) + frame[64:] + SAID


def two_segments(said):
    """Return a 16-bit image and its RLE frame with text behind the first of two segments."""
    dataset = image(ramp(dtype=np.uint16) * 200)
    dataset.compress(RLELossless, generate_instance_uid=False)
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    count, first, second = struct.unpack_from("<3I", frame)
    header = struct.pack("<16I", count, first, second + len(said), *[0] * 13)
    return header + frame[64:second] + said + frame[second:]


PLANTED = {
    "EXIF": (JPEGBaseline8Bit, exif),
    "a comment": (JPEGBaseline8Bit, lambda: jpeg_frame(comment=SAID)),
    "a thumbnail": (JPEGBaseline8Bit, jfif_thumbnail),
    "JFXX": (
        JPEGBaseline8Bit,
        lambda: behind_start(jpeg_frame(), segment(0xE0, b"JFXX\0" + SAID)),
    ),
    "Adobe's rest": (
        JPEGBaseline8Bit,
        lambda: behind_start(jpeg_frame(), segment(0xEE, b"Adobe\0d\0\0\0\0\0" + SAID)),
    ),
    "between segments": (
        JPEGBaseline8Bit,
        lambda: behind_start(jpeg_frame(), segment(0xFE, b""), SAID),
    ),
    "behind EOI": (JPEGBaseline8Bit, lambda: jpeg_frame() + SAID),
    "a comment of JPEG-LS": (
        JPEGLSLossless,
        lambda: behind_start(frame_of(JPEGLSLossless), segment(0xFE, SAID)),
    ),
    "SPIFF": (
        JPEGLSLossless,
        lambda: behind_start(frame_of(JPEGLSLossless), segment(0xE8, b"SPIFX\0" + SAID)),
    ),
    "behind EOI of JPEG-LS": (JPEGLSLossless, lambda: frame_of(JPEGLSLossless) + SAID),
    "a comment of JPEG 2000": (
        JPEG2000Lossless,
        lambda: behind_start_of_j2k(frame_of(JPEG2000Lossless)),
    ),
    "a comment of a tile-part": (
        JPEG2000Lossless,
        lambda: in_tile_part(frame_of(JPEG2000Lossless)),
    ),
    "boxes": (JPEG2000Lossless, lambda: jp2(frame_of(JPEG2000Lossless))),
    "behind EOC": (JPEG2000Lossless, lambda: frame_of(JPEG2000Lossless) + SAID),
    "behind an RLE segment": (RLELossless, lambda: rle_with_gap(frame_of(RLELossless))),
}


@pytest.mark.parametrize(("syntax", "plant"), PLANTED.values(), ids=PLANTED)
def test_text_in_a_coded_stream_goes_and_each_pixel_stays(syntax, plant):
    frame = plant()
    dataset = coded(image(ramp()), [frame], syntax)
    before = decoded(stored(dataset))
    source, after, notes = cleaned(dataset)
    assert SAID in source.PixelData
    assert notes == {"beside"}
    assert SAID not in after.PixelData
    assert b"Ottoline" not in after.PixelData
    np.testing.assert_array_equal(decoded(after), before)


@pytest.mark.parametrize(("syntax", "plant"), PLANTED.values(), ids=PLANTED)
def test_verification_finds_what_was_left_in_a_coded_stream(syntax, plant):
    source, after, _ = cleaned(coded(image(ramp()), [plant()], syntax))
    assert dicom.verify_dataset(source, after) == []
    after.PixelData = source.PixelData  # as a tool leaves it that does not look
    found = dicom.verify_dataset(source, after)
    assert {(one.kind, one.severity) for one in found} == {("identity", "fail")}


def test_text_between_two_rle_segments_goes_and_is_found():
    pixels = ramp(dtype=np.uint16) * 200
    frame = two_segments(SAID + b" ")
    source, after, notes = cleaned(coded(image(pixels), [frame], RLELossless))
    assert notes == {"beside"}
    assert SAID not in after.PixelData
    np.testing.assert_array_equal(decoded(after), pixels)
    assert SAID[1:] in without_samples(source.PixelData, source)
    assert SAID[1:] not in without_samples(after.PixelData, after)


def test_text_in_the_offset_table_goes():
    dataset = coded(image(ramp()), [jpeg_frame()], JPEGBaseline8Bit)
    table = SAID[:20]
    dataset.PixelData = b"\xfe\xff\0\xe0\x14\0\0\0" + table + dataset.PixelData[12:]
    source, after, _ = cleaned(dataset)
    assert table in source.PixelData
    assert table not in after.PixelData


def test_what_tells_the_color_stays():
    pixels = np.stack([ramp(), ramp() // 2, ramp() // 3], axis=2)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", comment=SAID, keep_rgb=True)
    adobe = segment(0xEE, b"Adobe\0d\0\0\0\0\0")
    frame = behind_start(buffer.getvalue(), adobe)
    before = np.asarray(Image.open(BytesIO(frame)))
    _, after, _ = cleaned(coded(image(pixels), [frame], JPEGBaseline8Bit))
    left = list(generate_fragments(after.PixelData))[-1]
    assert adobe in left
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(left))), before)


@pytest.mark.parametrize("kind", ["basic", "extended"])
def test_offset_tables_are_right_when_frames_become_shorter(kind):
    frames = [jpeg_frame(comment=SAID), jpeg_frame(), jpeg_frame(comment=SAID * 3, quality=40)]
    dataset = coded(image(ramp(), 3), frames, JPEGBaseline8Bit, has_bot=kind == "basic")
    if kind == "extended":
        sizes = [len(frame) + len(frame) % 2 for frame in frames]
        starts = [sum(8 + size for size in sizes[:number]) for number in range(3)]
        dataset.ExtendedOffsetTable = struct.pack("<3Q", *starts)
        dataset.ExtendedOffsetTableLengths = struct.pack("<3Q", *sizes)
    before = decoded(stored(dataset))
    _, after, _ = cleaned(dataset)
    table = parse_basic_offsets(after.PixelData)
    data = after.PixelData[8 + 4 * len(table) :]
    if kind == "extended":
        assert table == []
        table = struct.unpack("<3Q", after.ExtendedOffsetTable)
        lengths = struct.unpack("<3Q", after.ExtendedOffsetTableLengths)
        places = zip(table, lengths, strict=True)
        ends = [data[start + 8 :][:size].rstrip(b"\0")[-2:] for start, size in places]
        assert ends == [b"\xff\xd9"] * 3
    assert [data[start + 8 : start + 10] for start in table] == [b"\xff\xd8"] * 3
    assert SAID not in data
    np.testing.assert_array_equal(decoded(after), before)


def test_a_frame_in_several_fragments_is_one_frame():
    frame = jpeg_frame(comment=SAID)
    dataset = coded(
        image(ramp(), 2), [frame, jpeg_frame()], JPEGBaseline8Bit, fragments_per_frame=3
    )
    before = decoded(stored(dataset))
    _, after, notes = cleaned(dataset)
    assert notes == {"beside"}
    np.testing.assert_array_equal(decoded(after), before)


def test_a_stream_without_surplus_keeps_its_bytes():
    frames = [frame_of(JPEGLSLossless)] * 2
    source, after, notes = cleaned(
        coded(image(ramp(), 2), frames, JPEGLSLossless, fragments_per_frame=2)
    )
    assert notes == set()
    assert after.PixelData == source.PixelData


@pytest.mark.parametrize("said", [1, None], ids=["said to be one", "not said"])
@pytest.mark.parametrize(
    "syntax", [JPEGBaseline8Bit, JPEGLSLossless, JPEG2000Lossless, RLELossless]
)
def test_frames_beyond_their_number_go_and_are_told(syntax, said):
    frame = jpeg_frame() if syntax == JPEGBaseline8Bit else frame_of(syntax)
    dataset = coded(image(ramp()), [frame, frame], syntax)
    dataset.NumberOfFrames = said
    if said is None:
        del dataset.NumberOfFrames
    source, after, notes = cleaned(dataset)
    assert notes == {"frames"}
    assert len(list(generate_fragments(after.PixelData))) == 2  # the table, one frame
    np.testing.assert_array_equal(decoded(after), decoded(coded(image(ramp()), [frame], syntax)))
    after.PixelData = source.PixelData
    assert "more frames" in dicom.verify_dataset(source, after)[0].message


def native_cases():
    """Yield a name, a data set, and how many bytes of its pixel data are image."""
    yield "8 bits, odd", image(ramp((3, 5))), 15
    yield "16 bits", image(ramp((3, 5), np.uint16)), 30
    color = np.stack([ramp((3, 5))] * 3, axis=2)
    yield "RGB, odd", image(color), 45
    yield "two frames", image(ramp((3, 4)), 2), 24
    bits = image(ramp((3, 7)))
    bits.BitsAllocated = bits.BitsStored = 1
    bits.HighBit, bits.NumberOfFrames, bits.PixelData = 0, 3, b"\x55" * 8
    yield "63 bits", bits, 8
    shared = image(np.stack([ramp((30, 60))] * 3, axis=2))
    shared.PhotometricInterpretation, shared.PixelData = "YBR_FULL_422", b"\x40" * 3600
    yield "YBR_FULL_422", shared, 3600
    full = image(np.stack([ramp((3, 6))] * 3, axis=2))
    full.PhotometricInterpretation = "YBR_FULL_422"
    yield "YBR_FULL_422 that is not subsampled", full, 54
    for keyword, width in (("FloatPixelData", 4), ("DoubleFloatPixelData", 8)):
        floats = image(ramp((3, 5)))
        floats.BitsAllocated = 8 * width
        del floats.PixelData
        setattr(floats, keyword, np.arange(15, dtype=f"<f{width}").tobytes())
        yield keyword, floats, 15 * width


@pytest.mark.parametrize(("dataset", "size"), [case[1:] for case in native_cases()],
                         ids=[case[0] for case in native_cases()])  # fmt: skip
def test_native_data_end_where_the_image_ends(dataset, size):
    keyword = next(name for name in dataset.dir("PixelData") if name in dataset)
    samples = dataset[keyword].value[:size]
    exact = samples + b"\0" * (size % 2)
    dataset[keyword].value = exact
    assert cleaned(dataset)[1][keyword].value == exact
    assert cleaned(dataset)[2] == set()
    dataset[keyword].value = exact + b" " + SAID
    source, after, notes = cleaned(dataset)
    assert after[keyword].value == exact
    assert notes <= {"beside", "frames"}
    assert notes
    after[keyword].value = source[keyword].value
    assert "identity" in {one.kind for one in dicom.verify_dataset(source, after)}


def test_the_byte_that_makes_the_length_even_says_nothing():
    dataset = image(ramp((3, 5)))
    dataset.PixelData += b"Q"
    _, after, notes = cleaned(dataset)
    assert after.PixelData[15:] == b"\0"
    assert notes == set()


def test_a_native_frame_beyond_their_number_goes_and_is_told():
    dataset = image(ramp(), 2)
    dataset.NumberOfFrames = 1
    source, after, notes = cleaned(dataset)
    assert notes == {"frames"}
    assert after.PixelData == ramp().tobytes()
    after.PixelData = source.PixelData
    assert "more frames" in dicom.verify_dataset(source, after)[0].message


def test_the_last_sample_of_odd_big_endian_words_stays():
    source = dicom.read(get_testdata_file("SC_rgb_small_odd_big_endian.dcm"))
    out, _ = dicom.deidentify(source, key=KEY)
    np.testing.assert_array_equal(
        pydicom.dcmread(BytesIO(dicom.to_bytes(out))).pixel_array, source.pixel_array
    )
    assert source.file_meta.TransferSyntaxUID == ExplicitVRBigEndian


def test_pixel_data_within_a_sequence_end_with_their_image():
    dataset, item = image(ramp()), image(ramp((3, 5)))
    del item.file_meta
    item.PixelData += b"\0" + SAID
    block = dataset.private_block(0x0029, "ACME", create=True)
    block.add_new(1, "SQ", [item])
    out, _ = dicom.deidentify(stored(dataset), "research", key=KEY, keep_private=["ACME"])
    inner = pydicom.dcmread(BytesIO(dicom.to_bytes(out))).private_block(0x0029, "ACME")[1].value[0]
    assert inner.PixelData == ramp((3, 5)).tobytes() + b"\0"


def test_a_coding_that_is_not_known_is_told_and_not_called_clean():
    stream = b"\0\0\1\xb3" + bytes(range(200)) + SAID
    source, after, notes = cleaned(coded(image(ramp()), [stream], MPEG4HP41))
    assert notes == {"opaque"}
    assert "identity" in {one.kind for one in dicom.verify_dataset(source, after)}
    with pytest.raises(RefusedError, match="looked through"):
        clean(source)


@pytest.mark.parametrize("frame", [
    jpeg_frame()[:2] + b"\xff\xe1\xff\xff" + SAID,
    behind_start_of_j2k(b"\xff\x4f\xff\x51\0\4\0\0") + b"no marker",
    struct.pack("<16I", 2, 64, 9999, *[0] * 13) + SAID,
], ids=["JPEG", "JPEG 2000", "RLE"])  # fmt: skip
def test_a_damaged_stream_is_refused_without_being_repeated(frame):
    with pytest.raises(InputError, match="damaged") as caught:
        cleaned(coded(image(ramp()), [frame], JPEGBaseline8Bit))
    assert "Ottoline" not in str(caught.value)


def test_each_image_of_pydicom_decodes_to_the_same_pixels():
    decoded = 0
    for path in sorted(Path(DATA_ROOT).rglob("*.dcm")):
        try:
            source = dicom.read(path)
            before = pydicom.dcmread(path, force=True).pixel_array
        except Exception:  # noqa: BLE001 - no image, or one that nothing here decodes
            continue
        out, _ = dicom.deidentify(source, key=KEY)
        after = pydicom.dcmread(BytesIO(dicom.to_bytes(out)))
        np.testing.assert_array_equal(after.pixel_array, before, err_msg=path.name)
        assert samples_of(after)[0], path.name
        decoded += 1
    assert decoded > 50


def test_a_count_of_frames_that_bears_a_sign_keeps_all_of_them():
    dataset = image(ramp((80, 48)))
    dataset.Rows, dataset.NumberOfFrames = 40, "+2"
    source, out, notes = cleaned(dataset)
    assert out.PixelData == source.PixelData
    assert not notes
