"""A saved screen of a fictitious patient, with words in its pixels; drawn by PIL."""

import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

NAME_BOX = (20, 20, 330, 60)  # left, top, right, bottom of the name that is drawn


def saved_screen(path, name="Okafor^Ngozi", number="MRN-778811"):
    """Write a saved screen of 400 by 200 pixels that shows the patient's name."""
    picture = Image.new("L", (400, 200), 30)
    font = ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", 32)
    words = name.replace("^", " ").upper()
    ImageDraw.Draw(picture).text((30, 22), words, fill=240, font=font)
    dataset = dcmread(get_testdata_file("CT_small.dcm", download=False))
    dataset.PatientName, dataset.PatientID = name, number
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    pixels = np.asarray(picture)
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = pixels.tobytes()
    for keyword in ("PixelPaddingValue", "DataSetTrailingPadding"):
        if keyword in dataset:
            del dataset[keyword]
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path)
    return path
