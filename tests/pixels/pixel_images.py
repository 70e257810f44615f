"""Small DICOM images in every encoding, made without medlab. Shared by tests and benchmark."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder
from pydicom.uid import (
    JPEG2000,
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    generate_uid,
)

WRITES_JPEG_LS = get_encoder(JPEGLSLossless).is_available  # pyjpegls: not for Python 3.14
FONTS = Path(get_data_path()) / "fonts" / "ttf"
JPEG_LOSSLESS = UID("1.2.840.10008.1.2.4.70")


def text_mask(shape, items, font="DejaVuSans.ttf"):
    """Return (rows, columns) coverage 0..1 of (x, y, text, size) and the boxes of the texts."""
    canvas = Image.new("L", (shape[1], shape[0]), 0)
    draw = ImageDraw.Draw(canvas)
    boxes = []
    for x, y, text, size in items:
        face = ImageFont.truetype(str(FONTS / font), size)
        draw.text((x, y), text, fill=255, font=face)
        boxes.append(draw.textbbox((x, y), text, font=face))
    return np.asarray(canvas) / 255.0, boxes


def header(rows, columns, **more):
    """Return a minimal CT data set without pixels."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = generate_uid()
    ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.PatientName, ds.PatientID, ds.Modality = "OKAFOR^JANE", "MRN00412345", "CT"
    ds.Rows, ds.Columns = rows, columns
    for name, value in more.items():
        setattr(ds, name, value)
    return ds


def gray(values, *, stored=None, photometric="MONOCHROME2", **more):
    """Return a data set of (rows, columns) or (frames, rows, columns) values as stored."""
    values = np.asarray(values)
    ds = header(*values.shape[-2:], **more)
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, photometric
    ds.BitsAllocated = values.dtype.itemsize * 8
    ds.BitsStored = stored or ds.BitsAllocated
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(values.dtype.kind == "i")
    if values.ndim == 3:
        ds.NumberOfFrames = len(values)
    _native(ds, values.tobytes())
    return ds


def color(values, *, photometric="RGB", planar=0, **more):
    """Return a data set of (rows, columns, 3) or (frames, rows, columns, 3) 8-bit values."""
    values = np.asarray(values, np.uint8)
    ds = header(*values.shape[-3:-1], **more)
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 3, photometric
    ds.PlanarConfiguration = planar
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    if values.ndim == 4:
        ds.NumberOfFrames = len(values)
    _native(ds, (np.moveaxis(values, -1, -3) if planar else values).tobytes())
    return ds


def subsampled(values, **more):
    """Return a YBR_FULL_422 data set of (rows, columns, 3) luma and chroma."""
    values = np.asarray(values, np.uint8)
    ds = color(values, photometric="YBR_FULL_422", **more)
    luma = values[..., 0].reshape(values.shape[0], -1, 2)
    _native(ds, np.concatenate([luma, values[:, ::2, 1:]], axis=2).tobytes())
    return ds


def palette(indices, *, first=0, bright_first=True, **more):
    """Return a PALETTE COLOR data set; with `bright_first`, index 0 is white."""
    ds = gray(indices, photometric="PALETTE COLOR", **more)
    ramp = np.arange(256, dtype="<u2") * 257
    ramp = ramp[::-1] if bright_first else ramp
    for name in ("Red", "Green", "Blue"):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, first, 16])
        setattr(ds, f"{name}PaletteColorLookupTableData", ramp.tobytes())
    return ds


def _native(ds, data):
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OB" if ds.BitsAllocated <= 8 else "OW"


def big_endian(ds, vr="OW"):
    """Return the data set in Explicit VR Big Endian."""
    size = ds.BitsAllocated // 8 if ds.BitsAllocated > 8 else 2
    if vr == "OW":
        ds.PixelData = np.frombuffer(ds.PixelData, f"u{size}").byteswap().tobytes()
    ds["PixelData"].VR = vr
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    return ds


def compressed(ds, uid, **more):
    """Return the data set compressed by pydicom's own encoders."""
    ds.compress(uid, generate_instance_uid=False, **more)
    return ds


def jpeg(values, *, mode, subsampling=0, **more):
    """Return a JPEG baseline data set; `values` (frames, rows, columns[, 3])."""
    ds = color(values, **more) if mode != "L" else gray(values, **more)
    coded = []
    for frame in values:
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG", quality=90, subsampling=subsampling)
        coded.append(buffer.getvalue())
    ds.PixelData = encapsulate(coded)
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    if mode != "L":
        ds.PhotometricInterpretation = "YBR_FULL_422" if subsampling else "YBR_FULL"
    ds.LossyImageCompression, ds.LossyImageCompressionRatio = "01", "7.5"
    return ds


def jpeg_lossless(ds):
    """Return the data set in JPEG Lossless, written by GDCM."""
    import gdcm

    reader = gdcm.ImageReader()
    path = Path("/tmp") / f"{generate_uid()}.dcm"
    ds.save_as(path, enforce_file_format=True)
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(path))
    assert writer.Write()
    result = pydicom.dcmread(path)
    path.unlink()
    return result


def reread(ds):
    """Return the data set written and read again by pydicom."""
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    result = pydicom.dcmread(buffer)
    result.remove_private_tags()
    return result


def cases(shape=(48, 64), seed=1):
    """Return name -> function making one data set for each row of the table of encodings."""
    rng = np.random.default_rng(seed)
    u8 = rng.integers(1, 255, shape, dtype=np.uint8)
    u12 = rng.integers(0, 4096, shape, dtype=np.uint16)
    s16 = rng.integers(-1024, 3000, shape, dtype=np.int16)
    rgb = rng.integers(1, 255, (*shape, 3), dtype=np.uint8)
    smooth = np.clip(np.add.outer(np.arange(shape[0]), np.arange(shape[1])) * 2, 0, 250)
    smooth = np.repeat(smooth[..., None], 3, axis=2).astype(np.uint8)
    cine = rng.integers(0, 255, (3, *shape), dtype=np.uint8)
    color_cine = rng.integers(0, 255, (3, *shape, 3), dtype=np.uint8)
    low12 = (u12 << 4).astype(np.uint16)
    found = {
        "mono2-u8": lambda: gray(u8),
        "mono2-u8-odd": lambda: gray(u8[:47, :63]),
        "mono2-u12": lambda: gray(u12, stored=12),
        "mono2-u16": lambda: gray(u12 * 15),
        "mono2-s16": lambda: gray(s16),
        "mono2-s12": lambda: gray(np.clip(s16, -1024, 2047), stored=12),
        "mono2-s8": lambda: gray(u8.view(np.int8)),
        "mono2-u32": lambda: gray(u12.astype(np.uint32) * 70000),
        "mono1-u12": lambda: gray(u12, stored=12, photometric="MONOCHROME1"),
        "mono1-s16": lambda: gray(s16, photometric="MONOCHROME1"),
        "padding": lambda: gray(s16, PixelPaddingValue=-2000),
        "high-bit-15": lambda: gray(low12, stored=12, HighBit=15),
        "float": lambda: _float(shape, rng),
        "one-bit": lambda: _one_bit(shape, rng),
        "rgb-0": lambda: color(rgb),
        "rgb-1": lambda: color(rgb, planar=1),
        "ybr-0": lambda: color(rgb, photometric="YBR_FULL"),
        "ybr-1": lambda: color(rgb, photometric="YBR_FULL", planar=1),
        "ybr-422": lambda: subsampled(rgb),
        "palette": lambda: palette(u8),
        "cine": lambda: gray(cine),
        "cine-rgb-0": lambda: color(color_cine),
        "cine-rgb-1": lambda: color(color_cine, planar=1),
        "big-u12": lambda: big_endian(gray(u12, stored=12)),
        "big-s16": lambda: big_endian(gray(s16)),
        "big-u8-ow": lambda: big_endian(gray(u8)),
        "big-u8-ob": lambda: big_endian(gray(u8), "OB"),
        "big-rgb": lambda: big_endian(color(rgb), "OB"),
        "big-rgb-odd-ow": lambda: big_endian(color(rgb[:47, :63])),
        "deflated": lambda: _deflated(gray(u12, stored=12)),
        "rle-u12": lambda: compressed(gray(u12, stored=12), RLELossless),
        "rle-s16": lambda: compressed(gray(s16), RLELossless),
        "rle-rgb": lambda: compressed(color(rgb), RLELossless),
        "rle-ybr": lambda: compressed(color(rgb, photometric="YBR_FULL"), RLELossless),
        "rle-palette": lambda: compressed(palette(u8), RLELossless),
        "rle-cine": lambda: compressed(gray(cine), RLELossless),
        "j2k-u12": lambda: compressed(gray(u12, stored=12), JPEG2000Lossless),
        "j2k-s16": lambda: compressed(gray(s16), JPEG2000Lossless),
        "j2k-rgb": lambda: compressed(color(rgb), JPEG2000Lossless),
        "j2k-rct": lambda: _rct(color(rgb)),
        "j2k-lossy": lambda: compressed(gray(u12, stored=12), JPEG2000, j2k_cr=[5]),
        "j2k-cine": lambda: compressed(color(color_cine), JPEG2000Lossless),
        "jls-u12": lambda: compressed(gray(u12, stored=12), JPEGLSLossless),
        "jls-rgb": lambda: compressed(color(rgb), JPEGLSLossless),
        "jls-near": lambda: compressed(gray(u12, stored=12), JPEGLSNearLossless, jls_error=2),
        "jpeg-gray": lambda: jpeg(smooth[None, ..., 0], mode="L"),
        "jpeg-ybr": lambda: jpeg(smooth[None], mode="RGB"),
        "jpeg-422": lambda: jpeg(np.stack([smooth, smooth[::-1]]), mode="RGB", subsampling=1),
        "jpeg-lossless-s16": lambda: jpeg_lossless(gray(s16)),
        "jpeg-lossless-rgb": lambda: jpeg_lossless(color(rgb)),
    }
    return {name: make for name, make in found.items() if WRITES_JPEG_LS or name[:3] != "jls"}


def _rct(ds):
    ds.PhotometricInterpretation = "YBR_RCT"
    values = np.frombuffer(ds.PixelData, np.uint8).reshape(ds.Rows, ds.Columns, 3)
    coded = get_encoder(JPEG2000Lossless).encode(
        values,
        rows=ds.Rows,
        columns=ds.Columns,
        number_of_frames=1,
        samples_per_pixel=3,
        bits_allocated=8,
        bits_stored=8,
        pixel_representation=0,
        photometric_interpretation="YBR_RCT",
        planar_configuration=0,
    )
    ds.PixelData = encapsulate([coded])
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
    return ds


def _deflated(ds):
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return ds


def _float(shape, rng):
    ds = gray(np.zeros(shape, np.uint16))
    del ds.PixelData, ds.BitsStored, ds.HighBit, ds.PixelRepresentation
    ds.BitsAllocated = 32
    ds.FloatPixelData = rng.normal(size=shape).astype("<f4").tobytes()
    return ds


def _one_bit(shape, rng):
    ds = gray(np.zeros(shape, np.uint8))
    ds.BitsAllocated = ds.BitsStored = 1
    ds.HighBit = 0
    bits = rng.integers(0, 2, shape, dtype=np.uint8)
    ds.PixelData = np.packbits(bits.ravel(), bitorder="little").tobytes()
    return ds
