from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from medlab import dicom
from medlab.dicom.files import is_dicom, parse, quiet_pydicom
from medlab.errors import InputError, MedlabError, RefusedError

pytestmark = pytest.mark.filterwarnings("ignore")


KEY = b"k" * 32


MODALITY = b"\x08\x00\x60\x00"


def bytes_of(name="CT_small.dcm"):
    return Path(get_testdata_file(name)).read_bytes()


def test_an_empty_file_text_and_a_folder_are_no_dicom(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text.dcm").write_text("Patient Doe^Jane")
    for path in (tmp_path / "empty", tmp_path / "text.dcm"):
        assert not dicom.is_dicom(path)
        with pytest.raises(InputError) as caught:
            dicom.read(path)
        assert "Doe" not in str(caught.value)
    assert not dicom.is_dicom(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        dicom.read(tmp_path)


def test_random_bytes_never_raise_anything_else(tmp_path):
    import numpy as np

    rng = np.random.default_rng(3)
    good = bytes_of("MR_small.dcm")
    for _ in range(150):
        data = bytearray(good)
        for place in rng.integers(132, 2000, 6):
            data[place] = rng.integers(0, 256)
        try:
            source = dicom.parse(bytes(data))
            out, _ = dicom.deidentify(source, "research", key=KEY)
            dicom.to_bytes(out)
        except MedlabError:
            continue


def test_a_dicomdir_is_refused():
    with pytest.raises(RefusedError, match="DICOMDIR"):
        dicom.deidentify(dicom.read(get_testdata_file("DICOMDIR")), key=KEY)


def test_links_out_of_the_folder_are_not_followed(tmp_path):
    (tmp_path / "outside.dcm").write_bytes(bytes_of())
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "a.dcm").write_bytes(bytes_of())
    (inside / "link.dcm").symlink_to(tmp_path / "outside.dcm")
    (inside / "near.dcm").symlink_to(inside / "a.dcm")
    (inside / "DICOMDIR").write_bytes(bytes_of())
    assert [path.name for path in dicom.find_files(inside)] == ["a.dcm", "near.dcm"]


def test_nothing_but_dicom_looks_like_dicom():
    assert not is_dicom(b"\x89PNG\r\n\x1a\n" + b"\0" * 200)
    assert not is_dicom(b"PK\x03\x04" + b"a" * 200)
    assert not is_dicom(b"\x5c\x01\x00\x00" + b"\0" * 344)  # NIfTI


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[:-1000], "cut off or damaged"),
        (lambda data: data + b"garbage behind", "bytes that are no element stand behind"),
        (lambda data: data + b"x", "it is cut off, or odd bytes stand behind the last"),
        (lambda data: data.replace(MODALITY + b"CS", MODALITY + b"Z9"), "representation"),
    ],
)
def test_a_refusal_says_what_is_wrong_with_the_file(change, said):
    data = Path(get_testdata_file("CT_small.dcm", download=False)).read_bytes()
    with pytest.raises(InputError, match=said), quiet_pydicom():
        list(parse(change(data)).iterall())
