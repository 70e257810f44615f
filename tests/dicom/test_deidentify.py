"""What happens to which element, on small data sets whose right answer is known."""

import sqlite3

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from small_headers import KEY, MR, coded, read_back, run, stored_with

from medlab import dicom
from medlab.dicom.codes import is_own
from medlab.dicom.dates import offset_days, shift_date
from medlab.dicom.profile import tag_of

pytestmark = pytest.mark.filterwarnings("ignore")


def test_basic_leaves_neither_dates_nor_descriptions_nor_people(study):
    out, _ = run(study)
    assert (out.StudyDate, out.StudyTime) == ("", "")
    assert out.PatientBirthDate == ""
    gone = ["StudyDescription", "Allergies", "InstitutionName", "StationName", "SeriesDate"]
    gone += ["PatientAge", "PatientWeight", "AcquisitionDateTime"]
    assert not any(keyword in out for keyword in gone)
    assert out.ReferringPhysicianName == ""
    assert out.LongitudinalTemporalInformationModified == "REMOVED"


def test_research_keeps_what_the_study_needs(study):
    out, _ = run(study, "research")
    days = offset_days(KEY, "471188")
    assert out.StudyDate == shift_date("20200312", days)
    assert out.StudyTime == "101112"
    assert out.AcquisitionDateTime == shift_date("20200313", days) + "101112.5+0100"
    assert out.StudyDescription == "[removed]: stroke, mass in left lobe"
    assert out.Allergies == "[removed]"
    assert (out.PatientSex, out.PatientAge, out.PatientWeight) == ("F", "060Y", 70)
    assert out.PatientBirthDate == ""
    assert out.LongitudinalTemporalInformationModified == "MODIFIED"


def test_full_dates_stay_but_for_the_birth_date(study):
    study.AdmittingDate = "19600102"  # wrong use: the birth date
    out, _ = run(study, options=["retain-longitudinal-full-dates"])
    assert (out.StudyDate, out.SeriesDate) == ("20200312", "20200313")
    assert out.PatientBirthDate == ""
    assert out.AdmittingDate == "19000101"
    assert out.LongitudinalTemporalInformationModified == "UNMODIFIED"


def test_a_birth_date_is_never_shifted_through(study):
    study.AdmittingDate = "19600102"
    study.PatientComments = "born 2 Jan 1960, seen 12 Mar 2020"
    out, _ = run(study, "research")
    assert out.AdmittingDate == "19000101"
    assert out.PatientComments.startswith("born [removed], seen")


def test_a_newborns_study_date_moves_although_it_is_the_birth_date(study):
    study.PatientBirthDate, study.PatientAge = "20200312", "000D"
    out, _ = run(study, "research")
    assert out.StudyDate == shift_date("20200312", offset_days(KEY, "471188"))
    assert out.PatientAge == "000Y"


def test_patient_codes_are_consistent_keyed_and_idempotent(study):
    out, _ = run(study)
    assert out.PatientName == out.PatientID == dicom.codes.patient_code(KEY, "471188")
    assert is_own(KEY, str(out.PatientID))
    assert is_own(KEY, out.AccessionNumber)
    other, _ = dicom.deidentify(read_back(study), key=b"z" * 32)
    assert other.PatientID != out.PatientID
    again, _ = dicom.deidentify(out, key=KEY)
    assert again.PatientID == out.PatientID


def test_references_still_join(study):
    first, _ = run(study)
    contours = read_back(study)
    contours.SOPClassUID, contours.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.481.3", "1.2.826.9"
    reference, frame = Dataset(), Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = MR, "1.2.826.1"
    frame.FrameOfReferenceUID = "1.2.826.4"
    contours.ReferencedFrameOfReferenceSequence = Sequence([frame])
    contours.ReferencedImageSequence = Sequence([reference])
    out, _ = run(contours)
    item = out.ReferencedImageSequence[0]
    assert item.ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert item.ReferencedSOPClassUID == MR
    joined = out.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID
    assert joined == first.FrameOfReferenceUID
    assert out.file_meta.MediaStorageSOPInstanceUID == out.SOPInstanceUID


def test_uids_outside_the_table_are_mapped_too_and_class_uids_stay(study):
    study.VolumeFrameOfReferenceUID = "1.2.826.4"
    study.CodingSchemeUID = "1.2.276.0.1"
    out, _ = run(study)
    assert out.VolumeFrameOfReferenceUID == out.FrameOfReferenceUID
    assert out.CodingSchemeUID == "1.2.276.0.1"


def test_uids_may_be_retained_unless_they_hold_the_record_number(study):
    study.PatientID = "47118899"
    study.SeriesInstanceUID = "1.2.826.47118899.3"
    out, _ = run(study, options=["retain-uids"])
    assert out.StudyInstanceUID == "1.2.826.2"
    assert out.SeriesInstanceUID.startswith("2.25.")


def test_rules_hold_at_every_level_and_in_sequences_of_no_table(study):
    inner, outer = Dataset(), Dataset()
    inner.PatientName, inner.StudyDate, inner.ContentDate = "Okafor^Jane", "20200312", "20200312"
    inner.StudyInstanceUID = "1.2.826.2"
    outer.AnatomicRegionSequence = Sequence([inner])
    study.ReferencedSeriesSequence = Sequence([outer])
    out, log = run(study)
    item = out.ReferencedSeriesSequence[0].AnatomicRegionSequence[0]
    assert item.PatientName == out.PatientID
    assert item.StudyInstanceUID == out.StudyInstanceUID
    assert item.StudyDate == ""
    assert "(0008,1115)[0].(0008,2218)[0].(0010,0010)" in {action.path for action in log}


def test_meta_header_preamble_group_lengths_padding_and_signatures_go(study):
    study.add_new(0x00080000, "UL", 100)
    study.add_new(0xFFFCFFFC, "OB", b"\0" * 8)
    study.DigitalSignaturesSequence = Sequence([Dataset()])
    study.OriginalAttributesSequence = Sequence([Dataset()])
    study.IconImageSequence = Sequence([Dataset()])
    out, _ = run(study)
    assert not any(tag & 0xFFFF == 0 for tag in out.keys())  # noqa: SIM118
    for tag in (0xFFFCFFFC, 0xFFFAFFFA, 0x04000561, 0x00880200):
        assert tag not in out
    assert out.preamble == b"\0" * 128
    assert "SourceApplicationEntityTitle" not in out.file_meta
    assert out.file_meta.ImplementationVersionName.startswith("MEDLAB")


def test_overlays_and_curves_go_as_whole_groups(study):
    study.add_new(0x60000010, "US", 8)
    study.add_new(0x60003000, "OW", b"\0" * 8)
    study.add_new(0x60024000, "LT", "Okafor")
    study.add_new(0x50003000, "OW", b"\0" * 8)
    out, _ = run(study)
    assert not any(tag >> 16 & 0xFF00 in (0x5000, 0x6000) for tag in out.keys())  # noqa: SIM118
    kept, _ = run(study, options=["clean-graphics"])
    assert 0x60003000 in kept
    assert kept[0x60024000].value == "[removed]"


def test_private_elements_go_and_safe_ones_stay_with_their_creator_in_any_block(study):
    block = study.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    other = study.private_block(0x0019, "ACME", create=True)
    study.add_new(0x00190077, "LO", "SIEMENS MR HEADER")  # a second block of the same creator
    study.add_new(0x0019770C, "IS", "1000")
    block.add_new(0x0E, "FD", [0.0, 0.6, 0.8])
    block.add_new(0x51, "LO", "Okafor")
    other.add_new(0x0C, "IS", "1")
    out, _ = run(study)
    assert not any(tag >> 16 & 1 for tag in out.keys())  # noqa: SIM118
    kept, _ = run(study, "research")
    odd = sorted(int(tag) for tag in kept.keys() if tag >> 16 & 1)  # noqa: SIM118
    assert odd == [0x00190010, 0x00190077, 0x0019100E, 0x0019770C]


def test_a_private_block_may_be_kept_by_name_and_is_searched_all_the_same(study):
    block = study.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    text = b"\1\2\3\4<x>Okafor</x> 20200312 1.3.12.2.1107.5.2.19.45 b_value=1000\0\xff\xfe"
    block.add_new(0x10, "OB", text)
    item = Dataset()
    item.PatientName, item.StudyDate = "Okafor^Jane", "20200312"
    block.add_new(0x20, "SQ", [item])
    block.add_new(0x21, "DA", "20200401")
    block.add_new(0x22, "DA", "19600102")
    block.add_new(0x23, "DA", "19990101")
    block.add_new(0x24, "UI", "1.2.826.2")
    out, _ = run(study, "research", keep_private=["SIEMENS CSA HEADER"])
    days = offset_days(KEY, "471188")
    kept = out[0x00291010].value
    assert len(kept) == len(text)
    assert b"b_value=1000" in kept
    assert b"<x>XXXXXX</x>" in kept
    assert shift_date("20200312", days).encode() in kept
    assert b"1107" not in kept
    assert out[0x00291020].value[0].PatientName == out.PatientID
    assert out[0x00291021].value == shift_date("20200401", days)
    assert 0x00291022 not in out  # the birth date
    assert 0x00291023 not in out  # long before the study
    assert out[0x00291024].value == out.StudyInstanceUID


def test_a_file_may_declare_its_private_elements_safe(study):
    block = study.private_block(0x0041, "ACME", create=True)
    block.add_new(0x05, "LO", "kernel 7")
    block.add_new(0x06, "LO", "kernel 8")
    item = Dataset()
    item.PrivateGroupReference, item.PrivateCreatorReference = 0x0041, "ACME"
    item.BlockIdentifyingInformationStatus = "MIXED"
    item.NonidentifyingPrivateElements = [0x0005]
    study.PrivateDataElementCharacteristicsSequence = Sequence([item])
    out, _ = run(study, "research")
    assert 0x00411005 in out
    assert 0x00411006 not in out


def test_device_and_institution_may_be_retained(study):
    study.DeviceSerialNumber, study.StationAETitle = "SN4711", "MR01"
    out, _ = run(study, options=["retain-device-identity", "retain-institution-identity"])
    assert (out.DeviceSerialNumber, out.StationName) == ("SN4711", "MR01")
    assert out.InstitutionName == "Elm Hospital"


def test_codes_of_options_are_named_and_earlier_passes_kept(study):
    study.DeidentificationMethod = "CTP Default"
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "113101", "DCM", "earlier"
    study.DeidentificationMethodCodeSequence = Sequence([item])
    out, _ = run(study, "research")
    assert out.DeidentificationMethod[0] == "CTP Default"
    assert out.PatientIdentityRemoved == "YES"
    codes = [code.CodeValue for code in out.DeidentificationMethodCodeSequence]
    assert codes == ["113101", "113100", "113105", "113107", "113108", "113111"]
    assert not dicom.verify_dataset(study, out)  # by what the output says of itself


def test_pixels_and_faces_are_claimed_only_by_who_looked(study):
    out, _ = run(study, options=["clean-pixel-data"])
    assert "BurnedInAnnotation" not in out
    dicom.claim(out, "clean-pixel-data")
    dicom.claim(out, "clean-recognizable-visual-features")
    assert (out.BurnedInAnnotation, out.RecognizableVisualFeatures) == ("NO", "NO")
    with pytest.raises(ValueError, match="not about pixels"):
        dicom.claim(out, "retain-uids")


def test_full_dates_of_a_file_moved_before_stay_marked_as_moved(study):
    moved, _ = run(study, "research")
    out, _ = dicom.deidentify(moved, options=["retain-longitudinal-full-dates"], key=KEY)
    assert out.StudyDate == moved.StudyDate
    assert out.LongitudinalTemporalInformationModified == "MODIFIED"


def report_of(study):
    """A report: a text, a person, a subject's name, a date."""

    def item(value_type, code, **values):
        made, name = Dataset(), Dataset()
        name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = code, "DCM", "x"
        made.RelationshipType, made.ValueType = "CONTAINS", value_type
        made.ConceptNameCodeSequence = Sequence([name])
        for keyword, value in values.items():
            setattr(made, keyword, value)
        return made

    study.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    study.ContentSequence = Sequence(
        [
            item("TEXT", "121071", TextValue="Okafor: mass in left lobe, 12 Mar 2020"),
            item("PNAME", "121008", PersonName="Smith^Adam"),
            item("TEXT", "121029", TextValue="somebody"),
            item("DATE", "121031", Date="19600102"),
        ]
    )
    return study


def test_a_report_loses_its_content_unless_it_is_cleaned(study):
    out, _ = run(report_of(study))
    assert [item.TextValue for item in out.ContentSequence] == ["ANONYMIZED"]
    kept, _ = run(report_of(study), options=["clean-structured-content"])
    text, person, subject, birth = kept.ContentSequence
    assert text.TextValue == "[removed]: mass in left lobe, [removed]"
    assert person.PersonName == "ANONYMIZED"
    assert subject.TextValue == "ANONYMIZED"
    assert birth.Date == "19000101"


def test_kept_text_can_be_reviewed(study):
    out, _ = run(study, "research")
    said = "[removed]: stroke, mass in left lobe"
    assert ("(0008,1030)", "StudyDescription", said) in dicom.kept_text(out)


def test_mistakes_of_the_caller_are_not_blamed_on_the_file(study):
    with pytest.raises(TypeError, match="key of bytes"):
        dicom.deidentify(study, key="secret" * 8)
    with pytest.raises(TypeError, match="pydicom Dataset"):
        dicom.deidentify("IM0001", key=KEY)

    def locked(kind, original):
        raise sqlite3.OperationalError("database is locked")

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        run(study, code_of=locked)


SEQUENCES = ("DeidentificationMethodCodeSequence", "PrivateDataElementCharacteristicsSequence",
             "OtherPatientIDsSequence", "RequestAttributesSequence", "ReferencedStudySequence",
             "ConceptNameCodeSequence", "SourceImageSequence", "ContentSequence")  # fmt: skip


@pytest.mark.parametrize("policy", ["basic", "research"])
@pytest.mark.parametrize("vr", ["LO", "UT"])
@pytest.mark.parametrize("said", [b"Header Anonymizer 2", b"Header Anonymizer 2, Jane Okafor"])
@pytest.mark.parametrize("keyword", SEQUENCES)
def test_a_sequence_written_as_text_is_treated_by_its_tag(study, keyword, said, vr, policy):
    source = stored_with(study, tag_of(keyword), vr, said)
    out, _ = dicom.deidentify(source, policy, key=KEY)
    data = dicom.to_bytes(out)
    assert b"Okafor" not in data
    out = dicom.parse(data)
    codes = [item.CodeValue for item in out.DeidentificationMethodCodeSequence]
    assert codes[0] == "113100"
    assert out.PatientIdentityRemoved == "YES"
    if dicom.plan(policy).action(tag_of(keyword), MR) == ("X", ""):
        assert keyword not in out
    found = dicom.verify_dataset(source, out, dicom.plan(policy), output_bytes=data)
    assert [one for one in found if one.severity == "fail"] == []


def test_an_instance_below_the_root_of_the_standard_is_replaced_and_found(study):
    study.SOPInstanceUID = "1.2.840.10008.20200312.471188"
    study.FrameOfReferenceUID = "1.2.840.10008.1.4.1.1"  # Talairach, which PS3.6 registers
    study.StudyDescription = "see 1.2.840.10008.20200312.471188"
    source = read_back(study)
    out, _ = dicom.deidentify(source, "research", key=KEY)
    assert out.SOPInstanceUID.startswith("2.25.")
    assert out.FrameOfReferenceUID == "1.2.840.10008.1.4.1.1"
    assert out.SOPClassUID == MR
    assert "20200312" not in out.StudyDescription
    assert dicom.verify_dataset(source, dicom.parse(dicom.to_bytes(out))) == []
    out.SOPInstanceUID = out.file_meta.MediaStorageSOPInstanceUID = source.SOPInstanceUID
    found = dicom.verify_dataset(source, dicom.parse(dicom.to_bytes(out)))
    assert "uid" in {one.kind for one in found}


def test_a_class_newer_than_the_dictionary_stays_unless_it_holds_a_number_of_the_patient(study):
    study.PatientID = "471188"
    study.SOPClassUID = "1.2.840.10008.5.1.4.1.1.9999.7"
    study.CodingSchemeUID = "1.2.840.10008.2.16.471188"
    out, _ = run(study, "research")
    assert out.SOPClassUID == "1.2.840.10008.5.1.4.1.1.9999.7"
    assert out.CodingSchemeUID.startswith("2.25.")


@pytest.mark.parametrize("declared", [b" " * 10, b"ISO_IR 100", b"ISO_IR 144", b"ISO_IR 127"])
@pytest.mark.parametrize("name", ["Müller^Jürgen", "Тарковский^Андрей"])
def test_a_name_in_utf_8_under_another_character_set_is_found(study, declared, name):
    family = name.split("^")[0]
    study.SpecificCharacterSet, study.PatientName = "ISO_IR 192", name
    study.StudyDescription, study.ImageComments = f"{family}, größer", "Mueller, cough"
    study.DerivationDescription = "x" * 20
    data = dicom.to_bytes(study).replace(b"ISO_IR 192", declared)
    out, _ = dicom.deidentify(dicom.parse(data), "research", key=KEY)
    written = dicom.to_bytes(out)
    assert "[removed], größer".encode() in written  # what was UTF-8 stays so
    assert (b"[removed], cough" in written) == (family == "Müller")
    assert family.encode() not in written
    left = written.replace(b"x" * 20, family.encode().ljust(20))
    for output, kinds in ((written, set()), (left, {"identity"})):
        found = dicom.verify_dataset(
            dicom.parse(data), dicom.parse(output), dicom.plan("research"), output_bytes=output
        )
        assert {finding.kind for finding in found if finding.severity == "fail"} == kinds


def test_the_declared_reading_of_a_name_counts_as_well(study):
    study.SpecificCharacterSet = "ISO_IR 100"
    study.PatientName, study.StudyDescription = "Müller^Jürgen", "Müller, größer"
    out, _ = run(study, "research")
    assert out.StudyDescription == "[removed], größer"


def test_elements_that_no_edition_lists_go_and_research_keeps_their_numbers(study):
    unknown = {
        0x0010FFF1: ("LO", "next of kin Hettie Vane"), 0x0022FFF3: ("UN", b"Hettie Vane "),
        0x0022FFF5: ("OB", b"Hettie Vane "), 0x0022FFF7: ("DS", "12.5"), 0x0022FFF9: ("US", 7),
        0x0022FFFB: ("SQ", [coded("99", "Hettie")]),
        0x0022FFFD: ("UC", "Hettie"),
    }  # fmt: skip
    inner = Dataset()
    for where in (study, inner):
        for tag, (vr, value) in unknown.items():
            where.add_new(tag, vr, value)
    study.SharedFunctionalGroupsSequence = [inner]
    for policy, kept in (("basic", set()), ("research", {0x0022FFF7, 0x0022FFF9})):
        out, log = run(study, policy)
        nested = out.SharedFunctionalGroupsSequence[0]
        assert {tag for tag in unknown if tag in out} == kept
        assert {tag for tag in unknown if tag in nested} == kept
        assert b"Hettie" not in dicom.to_bytes(out)
        assert ("(0010,FFF1)", "X") in {(action.path, action.code) for action in log}
    reviewed = {(place, text) for _, place, text in dicom.kept_text(out)}
    assert {("(0022,FFF7)", "12.5"), ("(0022,FFF9)", "7")} <= reviewed


def test_bytes_of_unknown_meaning_are_listed_for_review(study):
    study.private_block(0x0009, "ACME", create=True).add_new(1, "UN", b"\1\2left lobe\xff\0")
    out, _ = run(study, "research", keep_private=["ACME"])
    assert ("(0009,1001)", "13 bytes: left lobe") in {
        (place, text) for _, place, text in dicom.kept_text(out)
    }
