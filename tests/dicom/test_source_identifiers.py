"""Identifiers of a source are found as they may be written, and nothing else is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from small_headers import KEY, kinds

from medlab import dicom
from medlab.dicom.source_identifiers import Secrets, occurrences

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_name_in_utf_16_is_found(source, clean):
    clean.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(
        0x0D, "UN", "Okafor".encode("utf-16-le")
    )
    assert kinds(source, clean) == {"identity"}


def test_a_birth_date_in_text_is_found(source, clean):
    clean.ImageComments = "dob 02.01.1960"
    assert "date" in kinds(source, clean)


@pytest.mark.parametrize("charset", ["ISO_IR 100", ["", "ISO 2022 IR 87"], "ISO_IR 192"])
def test_a_name_is_found_in_the_encoding_of_the_file(source, charset):
    name = "Müller^Jürgen" if charset == "ISO_IR 100" else "Yamada^Tarou=山田^太郎"
    source.SpecificCharacterSet, source.PatientName = charset, name
    source = dicom.parse(dicom.to_bytes(source))
    out, _ = dicom.deidentify(source, "research", key=KEY)
    assert kinds(source, dicom.parse(dicom.to_bytes(out))) == set()
    out.ImageComments = "患者山田太郎の肺" if "山" in name else "bei Müller"
    assert kinds(source, dicom.parse(dicom.to_bytes(out))) == {"identity"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("नीता^देवी", "श्रीमती नीता, बुखार"), ("राम^लाल", "श्री राम को"), ("สมชาย^ใจดี", "คุณสมชายไอ"),
        ("O'Hara^Una", "OHARA knee"), ("de la Cruz^Ivo", "Delacruz"), ("Al-Masri^Noor", "ALMASRI"),
        ("Quillfeather^Ottoline", "OQUILLFEATHER"), ("Quillfeather^Ottoline", "Quillfeathers"),
        ("Тарковский^Андрей", "Тарковскому"), ("Müller^Jo", "Muller"),
        ("Müller^Jo", "Mu\u0308ller"),
        ("Okafor^Jane", "Ｏｋａｆｏｒ"), ("Okafor^Jane", "Oka\u00adfor"),
        ("Doe^Jane", "471 188 99"), ("Doe^Jane", "47-11-88-99"), ("Doe^Jane", "٤٧١١٨٨٩٩"),
    ],
)  # fmt: skip
def test_names_and_numbers_are_found_as_people_write_them(source, name, text):
    source.SpecificCharacterSet, source.PatientName = "ISO_IR 192", name
    source = dicom.parse(dicom.to_bytes(source))
    out, _ = dicom.deidentify(source, "research", key=KEY)
    out.SpecificCharacterSet = "ISO_IR 192"
    assert kinds(source, dicom.parse(dicom.to_bytes(out))) == set()
    out.ImageComments = text
    assert kinds(source, dicom.parse(dicom.to_bytes(out))) == {"identity"}


@pytest.mark.parametrize(
    ("name", "text"),
    [("Welling^Ann", "swelling"), ("राम^लाल", "आराम करो"), ("Doe^Jane", "471 188 990"),
     ("Æøåa^Bo", "a mass")],
)  # fmt: skip
def test_words_and_numbers_that_only_hold_them_are_no_finding(source, name, text):
    source.SpecificCharacterSet, source.PatientName = "ISO_IR 192", name
    source = dicom.parse(dicom.to_bytes(source))
    out, _ = dicom.deidentify(source, "research", key=KEY)
    out.SpecificCharacterSet, out.ImageComments = "ISO_IR 192", text
    assert kinds(source, dicom.parse(dicom.to_bytes(out))) == set()


def test_a_short_id_among_the_settings_of_the_scanner_is_chance_a_long_one_is_not(source):
    source.PatientID, source.RepetitionTime = "1000", "1000"
    source.AccessionNumber = "10008"  # stands in every UID of a SOP class
    clean, _ = dicom.deidentify(source, "research", key=KEY)
    assert kinds(source, clean) == set()
    source.PatientID = source.RepetitionTime = clean.RepetitionTime = "100000"
    assert "identity" in kinds(source, clean)


def test_an_id_without_its_leading_zeros_is_found(source, clean):
    source.PatientID = "00884422"
    clean.ImageComments = "see 884422"
    assert "identity" in kinds(source, clean)


def test_one_uid_of_many_with_the_same_root_is_found(source):
    for number in range(30):
        item = Dataset()
        item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
        item.ReferencedSOPInstanceUID = f"1.2.826.0.1.3680043.77.{number}"
        source.add_new(0x00081140, "SQ", [*source.get("ReferencedImageSequence", []), item])
    source = dicom.parse(dicom.to_bytes(source))
    out, _ = dicom.deidentify(source, "research", key=KEY)
    assert kinds(source, out) == set()
    out.ImageComments = "see 1.2.826.0.1.3680043.77.29"
    assert kinds(source, out) == {"uid"}


@settings(deadline=None)
@given(
    numbers=st.lists(st.decimals(-99999, 99999, places=2).map(str), min_size=1),
    planted=st.lists(st.sampled_from(["19600102", "1960.01.02", "47118899", "1.2.826.1", "-"])),
)
def test_many_numbers_searched_apart_count_as_among_all_bytes(numbers, planted):
    secrets = Secrets(
        {"okafor": "j"}, {"47118899", "2-10"}, births={"19600102"}, uids={"1.2.826.1"}
    )
    many = "\\".join(numbers + planted).encode()
    apart = dict(occurrences(secrets, (), b"rest", many))
    assert apart == dict(occurrences(secrets, (), b"rest\\" + many))
