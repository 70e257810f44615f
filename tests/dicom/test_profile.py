import re

import pytest
from pydicom.datadict import keyword_for_tag, tag_for_keyword

from medlab.dicom import OPTIONS, plan
from medlab.dicom.identity import roles
from medlab.dicom.profile import (
    basic_rules,
    load_profile,
    safe_elements,
    settle,
    tag_of,
    type_in_iod,
)
from medlab.errors import InputError, MissingError

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
PET = "1.2.840.10008.5.1.4.1.1.128"


def test_the_profile_has_the_656_rows_of_edition_2026c():
    assert len(load_profile()) == 656


def test_every_action_of_the_profile_is_one_the_standard_defines():
    basic = {row.basic for row in load_profile()}
    assert basic == {"X", "Z", "D", "U", "X/Z", "X/D", "X/Z/D", "Z/D", "X/Z/U*"}
    assert {c for row in load_profile() for c in row.options.values()} == {"K", "C"}


def test_the_columns_hold_as_many_rows_as_the_standard_prints():
    counts = {name: sum(name in row.options for row in load_profile()) for name in OPTIONS}
    assert counts == {
        "clean-pixel-data": 0,
        "clean-recognizable-visual-features": 0,
        "clean-graphics": 4,
        "clean-structured-content": 4,
        "clean-descriptors": 139,
        "retain-longitudinal-full-dates": 169,
        "retain-longitudinal-modified-dates": 169,
        "retain-patient-characteristics": 19,
        "retain-device-identity": 59,
        "retain-uids": 60,
        "retain-safe-private": 1,
        "retain-institution-identity": 10,
    }


def test_tags_and_keywords_agree_with_pydicoms_dictionary():
    wrong = [
        row.keyword
        for tag, row in basic_rules().items()
        if keyword_for_tag(tag) not in ("", row.keyword)
        or tag_for_keyword(row.keyword) not in (None, tag)
    ]
    assert wrong == []


def test_tags_are_written_as_four_and_four_digits():
    form = re.compile(r"[0-9A-Fgx]{2}[0-9A-Fgx]{2},[0-9A-Fxe]{4}")
    assert all(form.fullmatch(row.tag) for row in load_profile())


def test_all_18_kinds_of_identifiers_but_those_of_free_text_name_attributes():
    # fax numbers, vehicles, IP addresses (an AE title is none) and voices have no attribute
    named = {role.hipaa for role in roles().values()}
    assert named == {*range(1, 19)} - {5, 12, 15, 16}


@pytest.mark.parametrize(
    ("code", "type_", "settled"),
    [
        ("X/Z/D", 1, "D"),
        ("X/Z/D", 2, "Z"),
        ("X/Z/D", 3, "X"),
        ("X/Z/D", None, "D"),  # unknown SOP class: the most conforming letter
        ("X/D", 2, "Z"),
        ("Z/D", 3, "Z"),
        ("X", 1, "D"),
        ("X", None, "X"),
        ("X/Z/U*", 3, "U*"),
        ("C", 1, "C"),
    ],
)
def test_combined_codes_follow_the_type(code, type_, settled):
    assert settle(code, type_) == settled


@pytest.mark.parametrize(
    ("keyword", "sop_class", "type_"),
    [
        ("AcquisitionDate", PET, 2),  # PS3.3 Table C.8-63
        ("AcquisitionDate", CT, 3),
        ("ContentDate", ENHANCED_CT, 1),  # Enhanced Contrast/General modules
        ("DeviceSerialNumber", ENHANCED_CT, 1),  # Enhanced General Equipment
        ("DeviceSerialNumber", CT, 3),
        ("AcquisitionDate", "1.2.3", None),
    ],
)
def test_types_are_those_of_the_module_tables(keyword, sop_class, type_):
    assert type_in_iod(tag_of(keyword), sop_class) == type_


def test_research_is_basic_with_four_options():
    assert plan("research").options == (
        "clean-descriptors",
        "retain-longitudinal-modified-dates",
        "retain-patient-characteristics",
        "retain-safe-private",
    )
    assert [code for code, _ in plan("research").codes] == [
        "113100", "113105", "113107", "113108", "113111",
    ]  # fmt: skip


def test_the_two_date_options_exclude_each_other():
    with pytest.raises(InputError, match="exclude each other"):
        plan("research", ["retain-longitudinal-full-dates"])


def test_an_unknown_option_or_policy_is_refused_with_the_list():
    with pytest.raises(ValueError, match="retain-uids"):
        plan("basic", ["retain-everything"])
    with pytest.raises(ValueError, match="research"):
        plan("strict")
    with pytest.raises(KeyError):
        tag_of("PatientShoeSize")
    with pytest.raises(MissingError, match="PatientShoeSize"):
        tag_of("PatientShoeSize")


def test_pixel_options_are_not_claimed_by_the_header():
    codes = [code for code, _ in plan("basic", ["clean-pixel-data"]).codes]
    assert codes == ["113100"]


def test_when_options_disagree_the_stricter_one_applies():
    both = plan("basic", ["retain-patient-characteristics", "clean-descriptors"])
    allergies, birth = both.action(tag_of("Allergies")), both.action(tag_of("PatientBirthDate"))
    assert allergies is not None
    assert birth is not None
    assert (allergies.code, birth.code) == ("C", "Z")


def test_birth_date_has_no_date_option():
    for option in ("retain-longitudinal-full-dates", "retain-longitudinal-modified-dates"):
        rule = plan("basic", [option]).action(tag_of("PatientBirthDate"), CT)
        assert rule is not None
        assert rule.code == "Z"


def test_curves_and_overlays_go_unless_graphics_are_cleaned():
    for tag in (0x50003000, 0x60020010, 0x60003000):
        removed, cleaned = plan().action(tag), plan("basic", ["clean-graphics"]).action(tag)
        assert removed is not None
        assert cleaned is not None
        assert (removed.code, cleaned.code) == ("X", "C")


def test_the_table_of_safe_private_elements_has_the_479_entries_of_the_standard():
    assert sum(map(len, safe_elements().values())) == 479
    assert 0x0019000C in safe_elements()["siemens mr header"]
