"""Own rules over a policy, from the command line: read back with pydicom alone."""

import csv
import hashlib
import json
import re
from pathlib import Path

import pydicom
import pytest
from click.testing import CliRunner
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from medlab import dicom, samples
from medlab.cli import commands

pytestmark = pytest.mark.filterwarnings("ignore")


def call(*words):
    done = CliRunner().invoke(commands, [str(word) for word in words])
    return done.exit_code, done.output


@pytest.fixture
def study(tmp_path):
    """One MR file in which the same name stands in many places."""
    dataset = pydicom.dcmread(get_testdata_file("MR_small.dcm", download=False))
    dataset.PatientName, dataset.PatientID = "Okafor^Jane", "MRN-471188"
    dataset.OtherPatientIDs, dataset.PatientBirthDate = "XQ-990017", "19600102"
    dataset.PatientAddress, dataset.PatientTelephoneNumbers = "12 Elm Street", "555-010-9988"
    dataset.StudyDate = dataset.SeriesDate = "20200312"
    dataset.StudyDescription = "stroke protocol, Okafor"
    dataset.InstitutionName, dataset.InstitutionAddress = "Elm Hospital", "Elm Street 1"
    dataset.OperatorsName, dataset.StationName = "Smith^Adam", "MRSTATION7"
    dataset.DeviceSerialNumber, dataset.ProtocolName = "SN-443322", "T1 axial"
    dataset.AccessionNumber = "ACC-771100"
    item = Dataset()
    item.ScheduledProcedureStepID, item.RequestedProcedureID = "STEP-12345", "PROC-67890"
    item.ScheduledProcedureStepDescription = "brain with contrast"
    dataset.RequestAttributesSequence = [item]
    dataset.private_block(0x0019, "SIEMENS CSA HEADER", create=True).add_new(
        8, "LO", "IMAGE NUM 4"
    )
    dataset.private_block(0x0863, "ACME", create=True).add_new(1, "LO", "Okafor pitch 1.5")
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    folder = tmp_path / "study"
    folder.mkdir()
    dataset.save_as(folder / "one.dcm")
    return folder


def rules(tmp_path, text):
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    return path


def cleaned(study, tmp_path, text, *words, policy="basic", ok=True):
    file = rules(tmp_path, text)
    code, said = call(
        "deidentify", study, tmp_path / "out", "--policy", policy, "--rules", file, *words
    )
    if not ok:
        return code, said
    assert code == 0, said + (tmp_path / "out.job" / "report.json").read_text()
    again = [word for word in words if word not in ("--no-vault",)]
    told, said = call(
        "verify", study, tmp_path / "out", "--policy", policy, "--rules", file, *again
    )
    assert told == 0, said
    return pydicom.dcmread(next((tmp_path / "out").rglob("*.dcm")))


def claims(dataset):
    return {item.CodeValue for item in dataset.DeidentificationMethodCodeSequence}


def test_every_action_does_what_it_says(study, tmp_path):
    text = """
StudyDescription: {replace: PROJECT X}
InstitutionName: keep
OperatorsName: hash
StationName: alias
DeviceSerialNumber: blank
(0018,1030): remove
StudyDate: offset
SeriesDate: keep
RequestAttributesSequence: keep
RequestAttributesSequence.ScheduledProcedureStepID: hash
private SIEMENS CSA HEADER: keep
(0863,xx01) ACME: clean
"""
    out = cleaned(study, tmp_path, text)
    assert out.StudyDescription == "PROJECT X"
    assert out.InstitutionName == "Elm Hospital"
    for hidden, old in ((out.OperatorsName, "Smith^Adam"), (out.StationName, "MRSTATION7")):
        assert re.fullmatch("[A-Z2-7]{16}", str(hidden))
        assert str(hidden) != old
    assert out.DeviceSerialNumber in ("", None)
    assert "ProtocolName" not in out
    assert out.SeriesDate == "20200312"
    assert len(out.StudyDate) == 8
    assert out.StudyDate < "20200312"
    item = out.RequestAttributesSequence[0]
    assert re.fullmatch("[A-Z2-7]{16}", item.ScheduledProcedureStepID)
    assert "RequestedProcedureID" not in item
    assert out[0x0019, 0x1008].value == "IMAGE NUM 4"
    assert "pitch 1.5" in out[0x0863, 0x1001].value
    assert "Okafor" not in str(out)
    assert out.LongitudinalTemporalInformationModified == "UNMODIFIED"
    assert out.PatientIdentityRemoved == "YES"


@pytest.mark.parametrize(("rule", "said"), [
    ("SeriesDate: keep", "UNMODIFIED"), ("SeriesDate: offset", "MODIFIED"),
    ("TM: keep", "UNMODIFIED"), ("SeriesDate: clean", "REMOVED"), ("StudyID: keep", "REMOVED"),
    ("SecondaryReviewDate: keep", "UNMODIFIED"),
])  # fmt: skip
def test_the_file_says_what_became_of_its_dates(study, tmp_path, rule, said):
    out = cleaned(study, tmp_path, rule)
    assert out.LongitudinalTemporalInformationModified == said


def test_what_a_rule_keeps_may_stand_in_other_elements_too_but_not_the_patient(study, tmp_path):
    path = study / "one.dcm"
    dataset = pydicom.dcmread(path)
    dataset.RequestingService = dataset.InstitutionName  # goes, and says the same
    dataset.ReferringPhysicianName = dataset.OperatorsName
    dataset.StationName = "OKAFOR7"
    dataset.save_as(path)
    out = cleaned(study, tmp_path, "InstitutionName: keep\nOperatorsName: keep")
    assert (out.InstitutionName, str(out.OperatorsName)) == ("Elm Hospital", "Smith^Adam")
    dataset.OperatorsName, dataset.InstitutionName = "Okafor^Jane", "Okafor Clinic"
    dataset.save_as(path)
    file, target = tmp_path / "rules.yaml", tmp_path / "second"
    assert call("deidentify", study, target, "--rules", file)[0] == 0
    out = pydicom.dcmread(next(target.rglob("*.dcm")))
    assert "Okafor" not in str(out)
    assert "Clinic" in out.InstitutionName


def test_the_profile_is_claimed_unless_a_rule_keeps_what_it_takes(study, tmp_path):
    out = cleaned(study, tmp_path, "StudyDescription: {replace: PROJECT X}", policy="research")
    assert {"113100", "113105", "113107"} <= claims(out)


@pytest.mark.parametrize(("rule", "lost"), [
    ("InstitutionName: keep", {"113100"}),
    ("StudyDescription: keep", {"113100", "113105"}),
    ("SeriesDate: keep", {"113100", "113107"}),
    ("private ACME: keep", {"113100"}),
    ("LO: keep", {"113100", "113105", "113108"}),
])  # fmt: skip
def test_what_is_kept_is_not_claimed(study, tmp_path, rule, lost):
    out = cleaned(study, tmp_path, rule, policy="research")
    assert {"113100", "113105", "113107", "113108", "113111"} - claims(out) == lost


@pytest.mark.parametrize("rule", [
    "(0010,xxxx): keep", "(xxxx,xxxx): keep", "PN: keep", "LO: keep\nDA: keep\nSH: keep",
    "(0010,xxxx): clean\n(0008,xxxx): keep", "DA: offset", "(0010,00xx): K", "LO: C\nPN: C\nSH: C",
])  # fmt: skip
def test_no_mask_and_no_vr_keeps_the_patient(study, tmp_path, rule):
    out = cleaned(study, tmp_path, rule)
    data = next((tmp_path / "out").rglob("*.dcm")).read_bytes()
    for word in (b"Okafor", b"MRN-471188", b"XQ-990017", b"19600102", b"12 Elm", b"555-010",
                 b"ACC-771100"):  # fmt: skip
        assert word not in data, word
    assert out.PatientBirthDate in ("", None)


def test_an_identifier_is_kept_where_it_is_allowed_too_and_nowhere_else(study, tmp_path):
    allowed = ("--allow-identifiers", "PatientName")
    out = cleaned(study, tmp_path, "(0010,xxxx): keep\nStudyDescription: keep", *allowed)
    assert str(out.PatientName) == "Okafor^Jane"
    assert out.PatientID != "MRN-471188"
    assert "Okafor" not in out.StudyDescription
    assert out.PatientIdentityRemoved == "NO"
    report = json.loads((tmp_path / "out.job" / "report.json").read_text())
    assert report["allow_identifiers"] == ["PatientName"]
    assert any("not de-identified" in sentence for sentence in report["words"])
    assert "Okafor" not in json.dumps(report)


def test_a_kept_number_does_not_become_the_name_of_a_folder(study, tmp_path):
    out = cleaned(study, tmp_path, "PatientID: keep", "--allow-identifiers", "PatientID")
    assert out.PatientID == "MRN-471188"
    assert not any("MRN" in str(path) for path in (tmp_path / "out").rglob("*"))


def test_what_is_encrypted_comes_back_with_the_key_of_the_job_and_no_other(study, tmp_path):
    out = cleaned(study, tmp_path, "PatientName: encrypt\nStudyDescription: encrypt")
    assert not out.PatientName
    assert "113100" not in claims(out)
    key = (tmp_path / "out.job" / "key", tmp_path / "other")
    call("key", "new", key[1])
    for number, (file, expected) in enumerate(zip(key, (0, 1), strict=True)):
        back = tmp_path / f"back{number}"
        assert call("decrypt", tmp_path / "out", back, "--key-file", file)[0] == expected
    back = pydicom.dcmread(next((tmp_path / "back0").rglob("*.dcm")))
    assert str(back.PatientName) == "Okafor^Jane"
    assert back.StudyDescription == "stroke protocol, Okafor"


def test_of_the_sample_hospital_no_mask_keeps_a_patient(tmp_path):
    source, file = samples.default_folder() / "studies", rules(tmp_path, "(xxxx,xxxx): keep")
    assert call("deidentify", source, tmp_path / "out", "--rules", file)[0] == 0
    with (tmp_path / "out.job" / "map.csv").open(newline="") as table:
        made = {f"studies/{row['source']}": row["target"] for row in csv.DictReader(table)}
    ledger = json.loads((samples.default_folder() / "truth.json").read_text())["planted"]
    patient = {"name", "mrn", "birth-date", "phone", "address", "insurance", "accession"}
    kept, looked_for = set(), 0
    for one in ledger:
        if one["file"] in made and one["channel"] not in ("pixel", "filename"):
            data = (tmp_path / "out" / made[one["file"]]).read_bytes()
            stands = one["value"].encode() in data
            kept |= {one["kind"]} if stands else set()
            looked_for += one["kind"] in patient
            assert not (stands and one["kind"] in patient), (one["file"], one["path"])
    assert looked_for > 80
    assert {"institution", "station", "study-date"} <= kept  # so the mask had its effect


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["basic", "research"])
def test_a_policy_written_as_rules_changes_nothing(tmp_path, policy):
    source = samples.default_folder() / "studies"
    key, file = tmp_path / "key", tmp_path / "rules.yaml"
    key.write_bytes(b"k" * 32)
    code, text = call("rules", "--policy", policy)
    assert code == 0
    assert text.count("\n") > 650
    file.write_text(text)
    common = ("--policy", policy, "--key-file", key)
    call("deidentify", source, tmp_path / "plain", *common)
    call("deidentify", source, tmp_path / "ruled", *common, "--rules", file)
    made = [
        {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in (tmp_path / "plain", tmp_path / "ruled")
    ]
    assert len(made[0]) > 50
    assert made[0] == made[1]
    file.write_text(text + "Manufacturer: {replace: ACME}\n")  # one rule more shows
    call("deidentify", source, tmp_path / "other", *common, "--rules", file)
    other = list((tmp_path / "other").rglob("*.dcm"))
    assert {str(pydicom.dcmread(path).get("Manufacturer", "ACME")) for path in other} == {"ACME"}


@pytest.mark.parametrize(("text", "place", "words"), [
    ("StudyDescription: keep\nStudyDescripton: keep", "line 2, column 1", "StudyDescripton"),
    ("StudyDate: {replace: March}", "line 1, column 1", "none of VR DA"),
    ("\nRows: hash", "line 2, column 1", "cannot be read without"),
    ("PatientWeight: hash", "line 1", "does not fit an element of VR DS"),
    ("(0018,xxxx): offset", "line 1", "does not fit all"),
    ("StudyDate: keep\n(0008,0020): remove", "line 2, column 1", "line 1, column 1"),
    ("(0018,00xx): keep\n(0018,xx10): remove", "line 2", "contradicts"),
    ("SOPInstanceUID: blank", "line 1", "Type 1"),
    ("StudyInstanceUID: remove", "line 1", "Type 1"),
    ("Modality: X", "line 1", "Type 1"),
    ("PatientName: keep", "line 1", "--allow-identifiers"),
    ("PatientID: X/Z/U*", "line 1", "does not fit"),
    ("PatientName: U", "line 1", "does not fit"),
    ("(0010,xxxx): X/Z/U*", "line 1", "does not fit"),
    ("LO: U", "line 1", "does not fit"),
    ("StudyDescription: shred", "line 1", "no such action"),
    ("StudyDescription: {replace: }", "line 1", "no such action"),
    ("StudyDescription: {replace: Müller}", "line 1", "ASCII"),
    ("(0019,1008): keep", "line 1", "CREATOR"),
    ("a: [", "line 1", "no YAML"),
    ("- keep", "line 1", "KEYWORD: action"),
])  # fmt: skip
def test_what_cannot_be_followed_is_told_before_anything_is_written(
    study, tmp_path, text, place, words
):
    code, said = cleaned(study, tmp_path, text, ok=False)
    assert code == 2
    assert place in said
    assert words in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.job").exists()


def test_what_is_encrypted_needs_a_key_file_not_a_lock(study, tmp_path):
    secret = tmp_path / "passphrase"
    secret.write_text("a passphrase of many words")
    locked = ("--passphrase-file", secret)
    code, said = cleaned(study, tmp_path, "PatientName: encrypt", *locked, ok=False)
    assert code == 2
    assert "key file" in said
    assert not (tmp_path / "out.job").exists()


def test_a_permission_that_no_rule_needs_is_refused(study, tmp_path):
    allowed = ("--allow-identifiers", "PatientName")
    code, said = cleaned(study, tmp_path, "StudyDescription: keep", *allowed, ok=False)
    assert code in (1, 2)
    assert "no own rule keeps PatientName" in said
    code, said = call("deidentify", study, tmp_path / "out", *allowed)
    assert code in (1, 2)
    assert "--rules" in said


def test_rules_stand_in_report_audit_log_and_fingerprint(study, tmp_path):
    cleaned(study, tmp_path, "StudyDescription: {replace: PROJECT X}")
    report = json.loads((tmp_path / "out.job" / "report.json").read_text())
    assert report["rules"] == ["StudyDescription: {replace: PROJECT X}"]
    assert report["options_used"]["own rules"] == {"D": 1}
    assert "PROJECT X" in (tmp_path / "out.job" / "report.html").read_text()
    first = json.loads((tmp_path / "out.job" / "audit.jsonl").read_text().splitlines()[0])
    assert "StudyDescription: {replace: PROJECT X}" in json.dumps(first)
    other = rules(tmp_path, "StudyDescription: {replace: PROJECT Y}")
    code, said = call("deidentify", study, tmp_path / "out", "--rules", other)
    assert code == 1
    assert "other settings" in said


def test_a_rule_that_was_not_followed_is_found(study, tmp_path):
    cleaned(study, tmp_path, "StudyDescription: {replace: PROJECT X}\nStationName: remove")
    path = next((tmp_path / "out").rglob("*.dcm"))
    for change in ({"StudyDescription": "PROJECT Y"}, {"StationName": "MR9"}):
        altered = pydicom.dcmread(path)
        for keyword, value in change.items():
            setattr(altered, keyword, value)
        altered.save_as(tmp_path / "altered.dcm")
        words = ("--policy", "basic", "--rules", tmp_path / "rules.yaml")
        code, said = call("verify", study / "one.dcm", tmp_path / "altered.dcm", *words)
        assert code == 1
        assert "an own rule was not followed" in said


def test_the_examples_of_the_page_can_be_followed():
    page = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    plans = [dicom.lay_over(dicom.plan("research"), block) for block in blocks]
    assert len(dicom.own_rules.lines(plans[1].rules)) == 10
    actions = set(re.findall(r"^\| `\{?(\w+)", page, re.MULTILINE))
    assert {"keep", "remove", "blank", "hash", "alias", "offset", "encrypt", "clean"} <= actions
