"""DICOM series of a phantom, as a scanner would write them."""

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid


def slice_dataset(pixels, number, position, orientation, spacing, thickness, modality="MR"):
    """Return one slice; `pixels` has the shape (rows, columns)."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.SOPClassUID = MRImageStorage if modality == "MR" else CTImageStorage
    ds.SOPInstanceUID = generate_uid(entropy_srcs=["slice", str(number), modality])
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.PatientName, ds.PatientID = "Doe^Jane", "4711"
    ds.PatientBirthDate, ds.PatientSex = "19700101", "F"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = "20240301"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "101500"
    ds.AccessionNumber, ds.ReferringPhysicianName, ds.StudyID = "A1", "", "1"
    ds.Modality, ds.Manufacturer = modality, "Phantom"
    ds.PatientPosition, ds.PositionReferenceIndicator = "HFS", ""
    ds.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=["series", modality])
    ds.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame"])
    ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = 3, number + 1, 1
    ds.SeriesDescription = "T1 head"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "M" if modality == "MR" else "AXIAL"]
    ds.ImagePositionPatient = [round(float(v), 5) for v in position]
    ds.ImageOrientationPatient = [round(float(v), 6) for v in orientation]
    ds.PixelSpacing, ds.SliceThickness = [float(s) for s in spacing], float(thickness)
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, int(pixels.dtype.kind == "i")
    if modality == "MR":
        ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions = "GR", "SP", ""
        ds.MRAcquisitionType, ds.EchoTime, ds.RepetitionTime = "3D", 3.0, 8.0
        ds.EchoTrainLength, ds.InversionTime, ds.FlipAngle = 1, 900, 8
        ds.MagneticFieldStrength, ds.ImagingFrequency = 3, 123.2
    else:
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType, ds.KVP = -1024, 1, "HU", 120
    ds.SmallestImagePixelValue, ds.LargestImagePixelValue = int(pixels.min()), int(pixels.max())
    block = ds.private_block(0x0009, "PHANTOM", create=True)
    block.add_new(1, "LO", "Doe^Jane")
    ds.PixelData = np.ascontiguousarray(pixels).tobytes()
    return ds


def write_series(folder, data, affine, modality="MR", shuffle=True):
    """Write a volume (column, row, slice) with an affine in RAS+ mm as one file a slice."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lps = np.diag([-1.0, -1, 1, 1]) @ affine
    zooms = np.linalg.norm(lps[:3, :3], axis=0)
    turn = np.concatenate([lps[:3, 0] / zooms[0], lps[:3, 1] / zooms[1]])
    order = np.random.default_rng(0).permutation(data.shape[2])
    for k in range(data.shape[2]):
        position = lps[:3, 3] + lps[:3, 2] * k
        pixels = data[:, :, k].T.astype(np.int16 if modality == "MR" else np.uint16)
        ds = slice_dataset(pixels, k, position, turn, zooms[1::-1], zooms[2], modality)
        name = f"{order[k] if shuffle else k:04d}.dcm"
        ds.save_as(folder / name, enforce_file_format=True)
    return folder


def files(folder):
    """Return the datasets of a folder in the order of their instance numbers."""
    found = [pydicom.dcmread(p) for p in Path(folder).iterdir()]
    return sorted(found, key=lambda ds: int(ds.InstanceNumber))
