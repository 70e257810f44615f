"""Safe Harbor: the 18 kinds, looked for by a reader of its own against the samples' ledger."""

import csv
import json
import re
import shutil
import time

import pydicom
import pytest
from click.testing import CliRunner
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from medlab import dicom, samples
from medlab.cli import commands
from medlab.dicom import safe_harbor

pytestmark = pytest.mark.filterwarnings("ignore")
KEY = b"k" * 32
#: A picture of each of these kinds in the samples, no head among them; and files without pixels.
FOLDERS = ("CERMAKOVA_ZUZANA_69777522/S07_US", "KOBAYASHI_AIKO_24683803/S06_CR_KNEE",
           "OKAFOR_NGOZI_51563354/S03_SR", "OKAFOR_NGOZI_51563354/S04_RTSTRUCT")  # fmt: skip


def call(*words):
    done = CliRunner().invoke(commands, [str(word) for word in words])
    return done.exit_code, done.output


def person(**more):
    """A file without pixels that says one of every kind."""
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
    del dataset.PixelData
    for element in list(dataset):
        if element.tag.group & 1:
            del dataset[element.tag]
    dataset.PatientName, dataset.PatientID = "Okafor^Jane", "MRN-471188"
    dataset.PatientAddress = "12 Elm Street, Springfield, IL 62701-1234"
    dataset.PatientTelephoneNumbers, dataset.PatientAge = "217-555-0199", "093Y"
    dataset.PatientBirthDate, dataset.StudyDate = "19310102", "20240312"
    dataset.AcquisitionDateTime, dataset.ContentDate = "20240312101112", "20240101"
    dataset.OtherPatientIDs, dataset.InsurancePlanIdentification = "123-45-6789", "PLAN-5511"
    dataset.AccessionNumber, dataset.DeviceSerialNumber = "ACC-771100", "SN-443322"
    dataset.StationName, dataset.StationAETitle = "CTSTATION7", "WARD7AE"
    dataset.ImageComments = (
        "93 yo woman, fax 217-555-0188, mail jane@example.org, see https://pacs.example.org/7, "
        "host 10.1.2.3, van 1HGCM82633A004352, seen 12 Mar 2024"
    )
    dataset.ScheduledStudyLocationAETitle = "ARCHIVE9"
    dataset.private_block(0x0863, "ACME", create=True).add_new(1, "LO", "Okafor")
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    return dataset


def cleaned(dataset, **more):
    plan = dicom.plan("safe-harbor", **more)
    out, _ = dicom.deidentify(dicom.parse(dicom.to_bytes(dataset)), plan, key=KEY)
    out = dicom.parse(dicom.to_bytes(out))
    found = dicom.verify_dataset(dicom.parse(dicom.to_bytes(dataset)), out, plan)
    return out, [finding for finding in found if finding.severity == "fail"]


def test_years_ages_zip_and_no_more():
    out, failed = cleaned(person())
    assert failed == []
    assert (out.StudyDate, out.ContentDate, out.AcquisitionDateTime) == (
        "20240101", "20240101", "2024")  # fmt: skip
    assert out.PatientAge == "090Y"
    assert not out.PatientBirthDate
    assert out.PatientAddress == "627"
    assert out.LongitudinalTemporalInformationModified == "MODIFIED"
    claimed = {item.CodeValue for item in out.DeidentificationMethodCodeSequence}
    assert claimed == {"113100", "113105", "113108"}
    text = re.sub(r"2\.25\.\d+|\b[A-Z2-7]{16}\b", "", str(out))  # drawn: may hold any digits
    for told in ("Okafor", "MRN", "Elm", "62701", "555", "1931", "6789", "5511", "771100",
                 "443322", "CTSTATION7", "WARD7AE", "ARCHIVE9", "example", "10.1.2.3", "1HGCM",
                 "Mar", "ACME", "0312"):  # fmt: skip
        assert told not in text, told
    assert "woman" in out.ImageComments
    assert out.StudyInstanceUID.startswith("2.25.")


@pytest.mark.parametrize(("address", "listed", "kept"), [
    ("1 Main St, Keene, NH 03601", (), "000"),  # 036 is one of the 17 of 2000
    ("1 Main St, Keene, NH 03601", ("627",), "036"),
    ("12 Elm Street, Springfield, IL 62701", ("627",), "000"),
    ("Hauptstr. 3, 10115 Berlin", (), None),
])  # fmt: skip
def test_three_digits_of_a_zip_code_by_the_list_in_force(address, listed, kept):
    out, failed = cleaned(person(PatientAddress=address), restricted_zips=listed)
    assert failed == []
    assert out.get("PatientAddress") == kept


def test_a_year_of_birth_in_text_goes_for_the_old_and_not_for_others():
    for age, born, told in (("093Y", "19310102", True), ("043Y", "19810102", False)):
        source = person(PatientAge=age, PatientBirthDate=born, ImageComments="scar since 1931")
        _, failed = cleaned(source)
        assert bool(failed) == told


@pytest.mark.parametrize(("keyword", "value"), [
    ("StudyDate", "20240312"), ("StudyDate", "20230101"), ("PatientAge", "093Y"),
    ("PatientAddress", "IL 62701"), ("PatientAddress", "036"), ("StationAETitle", "OTHERAE"),
    ("RetrieveURL", "https://example.org"), ("OperatorsName", "Okafor"),
    ("DeviceSerialNumber", "SN-443322"), ("ImageComments", "mail jane@example.org"),
    ("ImageComments", "fax 217-555-0188"), ("ImageComments", "ssn 123-45-6789"),
    ("ImageComments", "host 10.1.2.3"), ("ImageComments", "van 1HGCM82633A004352"),
    ("ImageComments", "seen 2024-03-12"), ("ImageComments", "a 93 yo woman"),
    ("InsurancePlanIdentification", "PLAN-5511"),
])  # fmt: skip
def test_each_kind_put_back_is_found_by_the_verifier(keyword, value):
    source = person()
    out, _ = cleaned(source)
    setattr(out, keyword, value)
    found = dicom.verify_dataset(source, out, dicom.plan("safe-harbor"))
    assert any(finding.severity == "fail" for finding in found)
    # what the file says of itself is enough to know what it must not hold
    assert any(finding.severity == "fail" for finding in dicom.verify_dataset(source, out))


def test_a_private_element_put_back_is_found():
    source = person()
    out, _ = cleaned(source)
    out.private_block(0x0863, "ACME", create=True).add_new(1, "LO", "pitch")
    assert "(0863,1001)" in dict(safe_harbor.left(source, out, ()))


def test_every_kind_of_text_is_counted():
    found = safe_harbor.kinds_in(person())
    assert {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 18} <= set(found)
    assert not {11, 16, 17} & set(found)
    retina = person(SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.5.1")
    assert safe_harbor.kinds_in(retina)[16] == 1


def test_nothing_of_an_earlier_pass_is_claimed():
    research, _ = dicom.deidentify(person(), "research", key=b"another key of 32 bytes, at least")
    out, failed = cleaned(research)
    assert failed == []
    assert "113107" not in {item.CodeValue for item in out.DeidentificationMethodCodeSequence}
    assert "research" not in str(out.DeidentificationMethod)


def full_dates(dataset):
    """Dates that say more than a year, found by a walk of the test's own."""
    for element in dataset.iterall():
        if element.VR in ("DA", "DT") and element.value:
            values = element.value if element.VM > 1 else [element.value]
            yield from (v for v in values if str(v)[4:8] not in ("", "0101"))


def test_of_the_18_kinds_planted_in_the_sample_hospital_none_is_left_in_a_header():
    root = samples.default_folder()
    ledger = json.loads((root / "truth.json").read_text())["planted"]
    planted = {}
    for one in ledger:
        if one["channel"] not in ("pixel", "filename") and one["file"].endswith(".dcm"):
            planted.setdefault(one["file"], []).append(one)
    kinds = set()
    plan = dicom.plan("safe-harbor")
    for file, told in planted.items():
        source = pydicom.dcmread(root / file)
        out, _ = dicom.deidentify(dicom.read(root / file), plan, key=KEY)
        picture = source.get("PixelData", b"")
        data = dicom.to_bytes(out).replace(picture, b"") if picture else dicom.to_bytes(out)
        for one in told:
            kinds.add(one["kind"])
            for encoding in ("utf-8", "latin-1", "iso2022_jp"):
                word = one["value"].encode(encoding, "ignore")
                assert len(word) < 3 or word not in data, (file, one["path"])
        written = dicom.parse(dicom.to_bytes(out))
        assert not list(full_dates(written)), file
        assert not any(element.tag.is_private for element in written.iterall())
        for element in written.iterall():
            assert element.VR not in ("AE", "UR") or str(element.value) in (
                "",
                "ANON",
                "anonymized",
            )
            if element.VR == "AS" and element.value:
                assert int(element.value[:3]) <= 90
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            assert written.get(keyword) != source.get(keyword)
    assert {"name", "mrn", "accession", "study-date", "birth-date", "institution", "station",
            "serial", "phone", "address", "insurance", "uid", "other-person"} <= kinds  # fmt: skip


@pytest.fixture(scope="module")
def ward(tmp_path_factory):
    """Some series of the sample hospital, and what a job made of them."""
    folder = tmp_path_factory.mktemp("safe")
    for name in FOLDERS:
        shutil.copytree(samples.default_folder() / "studies" / name, folder / "ward" / name)
    (folder / "ward" / "scan.nii").write_bytes(b"\0" * 400)
    code, said = call("deidentify", folder / "ward", folder / "out", "--policy", "safe-harbor",
                      "--quarantine", "none")  # fmt: skip
    return folder, code, said


@pytest.mark.slow
def test_the_certificate_has_18_rows_and_a_box_to_sign(ward):
    folder, code, said = ward
    report = json.loads((folder / "out.job" / "report.json").read_text())
    rows = report["certificate"]["rows"]
    assert [row["number"] for row in rows] == list(range(1, 19))
    assert {row["status"] for row in rows} <= {"removed", "none present", "withheld"}
    assert rows[0]["status"] == rows[2]["status"] == rows[17]["status"] == "removed"
    assert rows[0]["removed"] >= 4
    assert report["certificate"]["holds"]
    assert report["codes"] == "drawn"
    page = (folder / "out.job" / "report.html").read_text()
    assert "actual knowledge" in page
    assert "&#9744;" in page
    assert "This is not Safe Harbor" not in page
    assert code == 1  # the surfaces and the NIfTI file are withheld
    assert "Safe Harbor: each of the 18 kinds" in said
    assert any(row["withheld"] for row in rows)


@pytest.mark.slow
def test_no_key_and_no_vault_is_kept_and_the_verifier_agrees(ward):
    folder, _, _ = ward
    kept = {path.name for path in (folder / "out.job").iterdir()}
    assert not kept & {"key", "vault.db", "vault.db.log"}
    assert "map.csv" in kept
    assert list((folder / "out").rglob("*.dcm"))
    code, said = call("verify", folder / "ward", folder / "out", "--policy", "safe-harbor")
    assert code == 0, said
    for path in (folder / "out").rglob("*.dcm"):
        written = pydicom.dcmread(path)
        if "PixelData" in written:
            claimed = {item.CodeValue for item in written.DeidentificationMethodCodeSequence}
            assert "113101" in claimed


@pytest.mark.slow
def test_a_second_run_draws_other_codes_and_one_study_stays_one(ward, tmp_path):
    source = tmp_path / "ward"
    source.mkdir()
    for number in range(2):
        dataset = person()
        dataset.StudyInstanceUID, dataset.InstanceNumber = "1.2.826.0.1.77", number
        dataset.save_as(source / f"{number}.dcm")
    studies = []
    for _ in range(2):
        code, said = call("deidentify", source, tmp_path / "out", "--policy", "safe-harbor")
        assert code == 0, said
        written = [pydicom.dcmread(path) for path in (tmp_path / "out").rglob("*.dcm")]
        assert len(written) == 2
        (study,) = {d.StudyInstanceUID for d in written}
        (patient,) = {d.PatientID for d in written}
        studies.append((study, patient))
        (tmp_path / "out" / ".half.dcm.part").write_bytes(b"what a run that was killed left")
    assert set(studies[0]).isdisjoint(studies[1])
    (tmp_path / "out" / "stranger.dcm").write_bytes(b"what nobody verified")
    code, said = call("deidentify", source, tmp_path / "out", "--policy", "safe-harbor")
    assert code == 1
    assert "NO Safe Harbor" in said
    report = json.loads((tmp_path / "out.job" / "report.json").read_text())
    assert {row["status"] for row in report["certificate"]["rows"]} == {"not checked"}
    page = (tmp_path / "out.job" / "report.html").read_text()
    assert "This is not Safe Harbor" in page
    assert "&#9744;" not in page
    with (tmp_path / "out.job" / "map.csv").open(newline="") as table:
        assert len(list(csv.DictReader(table))) == 2


def test_where_an_earlier_job_left_its_vault_no_safe_harbor_begins(tmp_path):
    (tmp_path / "in").mkdir()
    person().save_as(tmp_path / "in" / "one.dcm")
    assert call("deidentify", tmp_path / "in", tmp_path / "out")[0] == 0
    words = ("--policy", "safe-harbor", "--overwrite")
    code, said = call("deidentify", tmp_path / "in", tmp_path / "out", *words)
    assert code == 1
    assert "key or vault" in said


def test_a_job_that_wrote_nothing_is_no_safe_harbor(tmp_path):
    (tmp_path / "in").mkdir()
    person(SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.5.1").save_as(tmp_path / "in" / "retina.dcm")
    code, said = call("deidentify", tmp_path / "in", tmp_path / "out", "--policy", "safe-harbor")
    assert code == 1
    assert "nothing was written" in said
    certificate = json.loads((tmp_path / "out.job" / "report.json").read_text())["certificate"]
    assert not certificate["holds"]
    assert certificate["rows"][15]["status"] == "withheld"


def test_no_other_policy_calls_itself_so(tmp_path):
    person().save_as(tmp_path / "one.dcm")
    call("deidentify", tmp_path / "one.dcm", tmp_path / "out.dcm", "--policy", "research")
    report = json.loads((tmp_path / "out.dcm.job" / "report.json").read_text())
    assert report["certificate"] is None
    assert any("not Safe Harbor" in sentence for sentence in report["words"])


@pytest.mark.parametrize("words", [
    *(("--option", f"retain-{what}") for what in (
        "longitudinal-full-dates", "longitudinal-modified-dates", "uids", "device-identity",
        "institution-identity", "safe-private")),
    ("--option", "clean-graphics"), ("--keep-private", "ACME"), ("--codes", "random"),
    ("--key-file", "key"), ("--rules", "rules"), ("--ids", "ids"), ("--restricted-zips", "zips"),
])  # fmt: skip
def test_what_safe_harbor_cannot_have_is_refused_in_one_sentence(tmp_path, words):
    (tmp_path / "in").mkdir()
    person().save_as(tmp_path / "in" / "one.dcm")
    for name, text in (("key", "k" * 32), ("rules", "StudyID: keep"), ("zips", "62701"),
                       ("ids", "old,new\nMRN-471188,T1\n")):  # fmt: skip
        (tmp_path / name).write_text(text)
    named = [tmp_path / word if (tmp_path / word).exists() else word for word in words]
    code, said = call("deidentify", tmp_path / "in", tmp_path / "out", "--policy", "safe-harbor",
                      *named)  # fmt: skip
    assert code in (1, 2)
    assert len(said.strip().splitlines()) == 1
    assert re.search("Safe Harbor|ZIP", said)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.job").exists()


def test_a_licence_number_in_a_sequence_goes_and_is_found_when_put_back():
    item, code = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "LIC-8812", "99L", "Dr. Smith"
    item.PersonIdentificationCodeSequence = [code]
    source = person(PhysiciansOfRecordIdentificationSequence=[item])
    out, failed = cleaned(source)
    assert failed == []
    assert "LIC-8812" not in str(out)
    assert safe_harbor.kinds_in(source)[11] == 2
    out.PhysiciansOfRecordIdentificationSequence = [item]
    found = dict(safe_harbor.left(source, out, ()))
    assert any("licence" in message for message in found.values())


@pytest.mark.parametrize("sign", "a1 .-@:/(A")
def test_a_long_text_is_searched_in_time_that_grows_with_its_length(sign):
    dataset = Dataset()
    dataset.add_new(0x00204000, "LT", sign * 200_000)
    start = time.process_time()
    safe_harbor.kinds_in(dataset)
    assert time.process_time() - start < 5


def frames(count=40):
    """A file whose frames are long enough a sequence to be read side by side."""
    items = []
    for number in range(count):
        item, content = Dataset(), Dataset()
        content.FrameAcquisitionDateTime = f"202403{number % 28 + 1:02d}101112"
        content.FrameReferenceDateTime = "20240101101112"
        item.FrameContentSequence = [content]
        item.PatientAddress = f"{number} Elm Street, Springfield, IL {61000 + 100 * number}"
        items.append(item)
    return person(PerFrameFunctionalGroupsSequence=items)


def test_frames_read_side_by_side_keep_their_years_and_their_own_zip_codes():
    out, failed = cleaned(frames())
    assert failed == []
    items = out.PerFrameFunctionalGroupsSequence
    moments = {item.FrameContentSequence[0].get("FrameAcquisitionDateTime") for item in items}
    assert moments == {"2024"}
    assert [item.PatientAddress for item in items] == [str(610 + number) for number in range(40)]
    source = frames()
    content = out.PerFrameFunctionalGroupsSequence[17].FrameContentSequence[0]
    content.FrameAcquisitionDateTime = "20240318"
    found = dicom.verify_dataset(source, out, dicom.plan("safe-harbor"))
    assert any(finding.kind == "date" for finding in found)


def test_own_rules_reach_frames_read_side_by_side():
    path = "PerFrameFunctionalGroupsSequence.FrameContentSequence.FrameReferenceDateTime"
    text = f"{path}: keep\nFrameAcquisitionDateTime: {{replace: '2001'}}"
    plan = dicom.lay_over(dicom.plan("basic"), text)
    source = dicom.parse(dicom.to_bytes(frames()))
    out, _ = dicom.deidentify(source, plan, key=KEY)
    out = dicom.parse(dicom.to_bytes(out))
    for item in out.PerFrameFunctionalGroupsSequence:
        content = item.FrameContentSequence[0]
        assert content.FrameReferenceDateTime == "20240101101112"
        assert content.FrameAcquisitionDateTime == "2001"
    found = dicom.verify_dataset(source, out, plan)
    assert not [finding for finding in found if finding.severity == "fail"]
    content = out.PerFrameFunctionalGroupsSequence[30].FrameContentSequence[0]
    content.FrameAcquisitionDateTime = "2002"
    messages = {finding.message for finding in dicom.verify_dataset(source, out, plan)}
    assert "an own rule was not followed" in messages


def test_a_name_in_a_sequence_is_counted_and_removed():
    item = Dataset()
    item.PersonName, item.PersonAddress = "Smith^Adam", "7 Oak Lane"
    source = person(ContentCreatorIdentificationCodeSequence=[item])
    out, failed = cleaned(source)
    assert failed == []
    assert "Smith" not in str(out)
    assert safe_harbor.kinds_in(source)[1] == safe_harbor.kinds_in(person())[1] + 1
