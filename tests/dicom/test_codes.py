"""Whose a data set is: one spelling for one person."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from medlab import dicom
from medlab.dicom.codes import is_own, replace_uid


def header(**values):
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


@pytest.mark.parametrize("number", ["MRN-4711", "mrn4711", "MRN 47.11", " Mrn_4711 "])
def test_case_width_and_separators_make_no_other_person(number):
    assert dicom.owner(header(PatientID=number)) == "mrn4711"


def test_two_issuers_make_two_people_and_an_issuer_is_spelled_as_an_id_is():
    owners = {dicom.owner(header(PatientID="1", IssuerOfPatientID=who)) for who in ("A-B", "ab")}
    assert owners == {"ab\x1f1"}
    assert dicom.owner(header(PatientID="1", IssuerOfPatientID="c")) not in owners


def test_leading_zeros_are_part_of_a_number():
    assert dicom.owner(header(PatientID="0047")) != dicom.owner(header(PatientID="47"))


def test_without_a_number_the_name_counts_and_without_that_the_study():
    named = header(PatientName="Okafor^Ngozi", StudyInstanceUID="1.2")
    assert dicom.owner(named) == dicom.owner(header(PatientName="OKAFOR^NGOZI", PatientID=""))
    nobody = {dicom.owner(header(StudyInstanceUID=uid)) for uid in ("1.2", "1.3")}
    assert len(nobody) == 2
    assert dicom.owner(named) not in nobody


@given(st.text("aZ09-_. Ä", min_size=1, max_size=16))
def test_an_owner_is_a_fixed_point_of_its_spelling(number):
    owner = dicom.owner(header(PatientID=number))
    if "\x1f" not in owner:
        assert dicom.owner(header(PatientID=owner)) == owner


KEY = b"k" * 32


@given(st.from_regex(r"[12]\.[0-9]{1,3}(\.(0|[1-9][0-9]{0,8})){1,5}", fullmatch=True))
def test_a_new_uid_is_short_under_2_25_and_known_to_its_key(uid):
    new = replace_uid(KEY, uid)
    if uid.startswith("1.2.840.10008."):
        assert new == uid
        return
    assert new.startswith("2.25.")
    assert len(new) <= 44
    assert int(new[5:]) < 2**128
    assert is_own(KEY, new)
    assert not is_own(b"z" * 32, new)
    assert replace_uid(KEY, new) == new
    assert replace_uid(b"z" * 32, uid) != new
