"""Both ways in and out, medlab's and pydicom's, give equal data sets."""

from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medlab import dicom
from medlab.dicom import files, passthrough
from medlab.errors import MedlabError

pytestmark = pytest.mark.filterwarnings("ignore")
KEY = b"k" * 32
FOLDER = Path(pydicom.data.__file__).parent / "test_files"
PATHS = [p for p in sorted(FOLDER.rglob("*")) if p.is_file() and dicom.is_dicom(p)]


def slow_parse(data):
    with files.quiet_pydicom():
        return pydicom.dcmread(BytesIO(data), force=True)


def slow_bytes(dataset):
    buffer = BytesIO()
    with files.quiet_pydicom():
        dataset.save_as(buffer)
    return buffer.getvalue()


def test_real_files_are_read_alike():
    fast = 0
    for path in PATHS:
        data = path.read_bytes()
        try:
            quick = passthrough.parse(data)
        except MedlabError:
            continue
        if quick is not None:
            fast += 1
            slow = slow_parse(data)
            assert quick == slow
            assert quick.file_meta == slow.file_meta
            assert quick.original_encoding == slow.original_encoding
    assert fast > 60


def test_real_files_are_written_alike():
    fast = 0
    for path in PATHS:
        try:
            source = dicom.read(path)
            out, _ = dicom.deidentify(source, "research", key=KEY)
        except MedlabError:
            continue
        quick = passthrough.to_bytes(out)
        if quick is not None and "SOPInstanceUID" in out:
            fast += 1
            assert slow_parse(quick) == slow_parse(slow_bytes(out))
    assert fast > 60


values = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="\\"))


@st.composite
def plain_datasets(draw, depth=0):
    dataset = Dataset()
    for keyword, text in draw(
        st.dictionaries(
            st.sampled_from(["PatientComments", "StudyDescription", "ImageComments", "Modality"]),
            values,
        )
    ).items():
        setattr(dataset, keyword, text[:16])
    if draw(st.booleans()):
        dataset.Rows, dataset.PatientWeight = draw(st.integers(0, 65535)), "70.5"
    if draw(st.booleans()):
        dataset.FrameIncrementPointer = [0x00181063, 0x00200013]
    if draw(st.booleans()):
        dataset.private_block(0x0009, "ACME", create=True).add_new(
            1, "UN", draw(st.binary(max_size=9))
        )
    if depth < 2 and draw(st.booleans()):
        items = draw(st.lists(plain_datasets(depth + 1), max_size=2))
        dataset.RequestAttributesSequence = Sequence(items)
    return dataset


@given(dataset=plain_datasets(), explicit=st.booleans())
def test_generated_data_sets_go_in_and_out_alike(dataset, explicit):
    dataset.file_meta = FileMetaDataset()
    syntax = ExplicitVRLittleEndian if explicit else ImplicitVRLittleEndian
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", "1.2.3"
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.preamble = b"\0" * 128
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    data = buffer.getvalue()
    quick = passthrough.parse(data)
    assert quick is not None
    assert quick == slow_parse(data)
    untouched = passthrough.parse(data)  # comparing decoded the other, which strips padding
    del untouched.file_meta[0x00020000]
    assert passthrough.to_bytes(untouched) == data


def test_what_is_not_plain_is_left_to_pydicom():
    for name in ("image_dfl.dcm", "ExplVR_BigEnd.dcm", "UN_sequence.dcm"):
        path = next(p for p in PATHS if p.name == name)
        assert passthrough.parse(path.read_bytes()) is None  # deflated, big endian, no meta


def test_undecoded_elements_are_handed_on_untouched():
    path = next(p for p in PATHS if p.name == "MR_small.dcm")
    source = dicom.read(path)
    out, _ = dicom.deidentify(source, key=KEY)
    pixels = 0x7FE00010
    assert out.get_item(pixels) is source.get_item(pixels)
