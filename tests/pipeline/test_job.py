import csv
import hashlib
import json
import os
import shutil

import pytest
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from medlab import crypto, dicom, pipeline
from medlab.cli import commands
from medlab.errors import InputError, RefusedError, UsageError
from medlab.pipeline import Settings

PLANTED = ("Okafor", "Ngozi", "MRN-778811", "Lindqvist", "MRN-200300", "19620417")


def plant(path, source, name, number, **more):
    dataset = dcmread(get_testdata_file(source, download=False))
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = name, number, "19620417"
    dataset.StudyDate = "20240301"
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path)
    return dataset


@pytest.fixture
def hospital(tmp_path):
    root = tmp_path / "hospital"
    study = generate_uid()
    for number in range(3):
        plant(
            root / "OKAFOR_NGOZI" / f"MRN-778811_{number}.dcm", "CT_small.dcm",
            "Okafor^Ngozi", "MRN-778811", SOPInstanceUID=generate_uid(), StudyInstanceUID=study,
            StudyDescription="stroke, mass in left lobe, Okafor",
        )  # fmt: skip
    plant(
        root / "LINDQVIST" / "a.dcm", "MR_small.dcm", "Lindqvist^Pär", "MRN-200300",
        SpecificCharacterSet="ISO_IR 100", PatientWeight="53", Allergies="Lindqvist",
        ImageComments="compare with Ngozi Okafor",
    )  # fmt: skip
    return root


@pytest.fixture
def key_file(tmp_path):
    crypto.write_key(tmp_path / "key", bytes(range(32)))
    return tmp_path / "key"


def outputs(target):
    return sorted(path for path in target.rglob("*") if path.is_file())


def rows(job):
    with (job / "map.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def digest(folder):
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in outputs(folder)
    }


def leak(data):
    return [word for word in PLANTED if word.lower().encode() in data.lower()]


@pytest.mark.parametrize("policy", ["basic", "research"])
def test_a_folder_becomes_a_clean_folder(hospital, tmp_path, policy):
    before = digest(hospital)
    summary = pipeline.deidentify(hospital, tmp_path / "clean", Settings(policy=policy))
    assert summary.ok
    assert summary.statuses == {"done": 4}
    files = outputs(tmp_path / "clean")
    assert len(files) == 4
    for path in files:
        assert dcmread(path).PatientIdentityRemoved == "YES"
        assert leak(path.read_bytes()) == []
        assert leak(str(path.relative_to(tmp_path)).encode()) == []
    assert digest(hospital) == before


def test_clinical_words_stay_where_the_policy_keeps_them_and_the_names_between_them_go(
    hospital, tmp_path
):
    pipeline.deidentify(hospital, tmp_path / "clean", Settings(policy="research"))
    kept = [dcmread(path).get("StudyDescription", "") for path in outputs(tmp_path / "clean")]
    assert sum("stroke, mass in left lobe" in text for text in kept) == 3
    comments = [dcmread(path).get("ImageComments", "") for path in outputs(tmp_path / "clean")]
    assert not any("Okafor" in text for text in comments)  # the name of another patient


def test_series_and_studies_stay_together(hospital, tmp_path):
    pipeline.deidentify(hospital, tmp_path / "clean")
    headers = [dcmread(path) for path in outputs(tmp_path / "clean")]
    assert len({h.StudyInstanceUID for h in headers}) == 2
    assert len({path.parent for path in outputs(tmp_path / "clean")}) == 2


def test_the_map_has_one_row_a_file_and_reports_and_logs_have_no_value(hospital, tmp_path):
    (hospital / "notes.txt").write_text("Okafor")
    (hospital / "broken.dcm").write_bytes(b"Okafor^Ngozi" * 20)
    summary = pipeline.deidentify(hospital, tmp_path / "clean", map_file=tmp_path / "map.csv")
    assert summary.statuses == {"done": 4, "not-dicom": 1, "unreadable": 1}
    assert not summary.ok
    found = rows(summary.folder)
    assert len(found) == 6
    assert {"source": "notes.txt", "target": "", "status": "not-dicom"} in found
    assert all((tmp_path / "clean" / r["target"]).is_file() for r in found if r["target"])
    assert (tmp_path / "map.csv").read_bytes() == (summary.folder / "map.csv").read_bytes()
    assert (tmp_path / "map.csv").stat().st_mode & 0o777 == 0o600
    for name in ("report.html", "report.json", "audit.jsonl", "ledger.db", "vault.db"):
        if name != "ledger.db":  # which knows the old file names
            assert leak((summary.folder / name).read_bytes()) == []
    facts = json.loads((summary.folder / "report.json").read_text())
    assert facts["withheld"] == [{"status": "unreadable", "files": 1, "rows": [1]}]
    assert facts["not_checked"] == {"face": 4, "text in pixels": 4}
    assert sum(facts["actions"].values()) > 20


def test_the_map_is_never_put_among_the_data(hospital, tmp_path):
    (tmp_path / "clean").mkdir()
    with pytest.raises(RefusedError, match="old names"):
        pipeline.deidentify(hospital, tmp_path / "clean", map_file=tmp_path / "clean" / "map.csv")
    with pytest.raises(RefusedError, match="old names"):
        pipeline.deidentify(hospital, tmp_path / "clean", map_file=hospital / "map.csv")


def test_a_map_of_something_else_is_not_written_over(hospital, tmp_path):
    (tmp_path / "map.csv").write_text("mine")
    with pytest.raises(RefusedError, match="add --overwrite"):
        pipeline.deidentify(hospital, tmp_path / "clean", map_file=tmp_path / "map.csv")
    assert (tmp_path / "map.csv").read_text() == "mine"
    assert not (tmp_path / "clean").exists()


def test_the_audit_log_holds_one_sealed_line_a_file(hospital, tmp_path):
    summary = pipeline.deidentify(hospital, tmp_path / "clean")
    log = summary.folder / "audit.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["job started", *["file"] * 4, "job ended"]
    digests = {hashlib.sha256(p.read_bytes()).hexdigest() for p in outputs(tmp_path / "clean")}
    assert {line["target_digest"] for line in lines[1:5]} == digests
    assert lines[0]["edition"] == dicom.EDITION
    key = crypto.audit_key(crypto.load_key(summary.folder / "key"))
    head = json.loads((summary.folder / "report.json").read_text())["audit"]["head"]
    assert crypto.audit.check(log, key, head) == []


def test_a_second_run_does_only_what_is_missing(hospital, tmp_path):
    first = pipeline.deidentify(hospital, tmp_path / "clean")
    before = digest(tmp_path / "clean")
    assert pipeline.deidentify(hospital, tmp_path / "clean").new == 0
    gone, cut = outputs(tmp_path / "clean")[:2]
    gone.unlink()
    cut.write_bytes(b"")
    (tmp_path / "clean" / ".12-abc.part").write_bytes(b"left by a killed run")
    plant(hospital / "new.dcm", "MR_small.dcm", "New^One", "MRN-5", SOPInstanceUID="1.2.3.4")
    again = pipeline.deidentify(hospital, tmp_path / "clean")
    assert again.new == 3
    after = digest(tmp_path / "clean")
    assert len(after) == 5
    assert after.items() >= before.items()
    assert first.folder == again.folder


def test_a_file_that_changed_is_done_again_under_the_same_name(hospital, tmp_path):
    pipeline.deidentify(hospital, tmp_path / "clean")
    before = digest(tmp_path / "clean")
    path = hospital / "LINDQVIST" / "a.dcm"
    dataset = dcmread(path)
    dataset.RepetitionTime = "1234"
    dataset.save_as(path)
    assert pipeline.deidentify(hospital, tmp_path / "clean").new == 1
    after = digest(tmp_path / "clean")
    assert after.keys() == before.keys()
    assert sum(after[name] != before[name] for name in before) == 1


def test_the_output_of_a_file_that_changed_does_not_outlive_it(hospital, tmp_path):
    pipeline.deidentify(hospital, tmp_path / "clean")
    before = set(digest(tmp_path / "clean"))
    path = hospital / "LINDQVIST" / "a.dcm"
    path.write_bytes(path.read_bytes()[:2000])  # now it can't be read
    summary = pipeline.deidentify(hospital, tmp_path / "clean")
    assert summary.statuses == {"done": 3, "unreadable": 1}
    assert len(before - set(digest(tmp_path / "clean"))) == 1


def test_the_output_of_a_file_that_is_gone_is_withdrawn_and_told(hospital, tmp_path):
    pipeline.deidentify(hospital, tmp_path / "clean", Settings(policy="research"))
    before = digest(tmp_path / "clean")
    (hospital / "LINDQVIST" / "a.dcm").unlink()
    summary = pipeline.deidentify(hospital, tmp_path / "clean", Settings(policy="research"))
    assert summary.statuses == {"done": 3, "gone": 1}
    assert "no longer in SRC, outputs withdrawn: 1" in summary.lines()
    assert digest(tmp_path / "clean").items() < before.items()
    assert [row["target"] for row in rows(summary.folder) if row["status"] == "gone"] == [""]
    assert "its output, if there was one, was withdrawn" in summary.report.read_text()
    assert summary.ok
    plant(hospital / "LINDQVIST" / "a.dcm", "MR_small.dcm", "Back^Again", "MRN-5")
    assert pipeline.deidentify(
        hospital, tmp_path / "clean", Settings(policy="research")
    ).statuses == {"done": 4}


def test_a_copy_takes_the_place_of_the_file_that_is_gone(hospital, tmp_path):
    first = hospital / "LINDQVIST" / "a.dcm"
    shutil.copy(first, hospital / "z.dcm")
    pipeline.deidentify(hospital, tmp_path / "clean")
    before = digest(tmp_path / "clean")
    first.unlink()
    summary = pipeline.deidentify(hospital, tmp_path / "clean")
    assert summary.statuses == {"done": 4, "gone": 1}
    assert digest(tmp_path / "clean") == before


def test_an_empty_source_withdraws_nothing(hospital, tmp_path):
    pipeline.deidentify(hospital, tmp_path / "clean")
    before = digest(tmp_path / "clean")
    hospital.rename(tmp_path / "elsewhere")
    hospital.mkdir()
    with pytest.raises(InputError, match="is it mounted"):
        pipeline.deidentify(hospital, tmp_path / "clean")
    assert digest(tmp_path / "clean") == before


def test_the_review_table_counts_each_file_once_and_drops_stale_text(hospital, tmp_path):
    def review():
        with (tmp_path / "clean.job" / "review-text.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def run():
        pipeline.deidentify(hospital, tmp_path / "clean", Settings(policy="research"))

    run()
    first = review()
    for path in outputs(tmp_path / "clean"):
        path.unlink()
    run()
    assert review() == first
    path = hospital / "LINDQVIST" / "a.dcm"
    dataset = dcmread(path)
    dataset.StudyDescription = "knee left"
    dataset.save_as(path)
    run()
    assert ("knee left", "1") in {(line["text"], line["files"]) for line in review()}
    path.unlink()
    run()
    assert "knee left" not in {line["text"] for line in review()}


def test_the_report_names_each_finding_of_each_row(hospital, tmp_path):
    summary = pipeline.deidentify(hospital, tmp_path / "clean", Settings(policy="research"))
    facts = json.loads((summary.folder / "report.json").read_text())
    named = [finding for findings in facts["rows"].values() for finding in findings]
    assert {int(row) for row in facts["rows"]} <= {1, 2, 3, 4}
    grouped = sum(group["files"] for group in facts["findings"])
    assert sum(finding["severity"] != "info" for finding in named) == grouped
    assert leak(json.dumps(facts).encode()) == []


def test_files_in_dst_that_the_job_did_not_make_are_told(hospital, tmp_path):
    pipeline.deidentify(hospital, tmp_path / "clean")
    (tmp_path / "clean" / "copied by hand.dcm").write_bytes(b"Okafor")
    summary = pipeline.deidentify(hospital, tmp_path / "clean")
    assert (summary.strangers, summary.ok) == (1, False)
    assert "1 files in DST" in "".join(summary.lines())
    assert "did not come from this job" in summary.report.read_text()


def test_other_settings_or_a_strange_folder_are_refused_without_overwrite(
    hospital, tmp_path, key_file
):
    pipeline.deidentify(hospital, tmp_path / "clean")
    with pytest.raises(RefusedError, match="other settings"):
        pipeline.deidentify(hospital, tmp_path / "clean", Settings(policy="research"))
    with pytest.raises(RefusedError):
        pipeline.deidentify(hospital, tmp_path / "clean", key_file=key_file)
    again = pipeline.deidentify(
        hospital, tmp_path / "clean", Settings(policy="research"), overwrite=True
    )
    assert again.new == 4
    assert len(outputs(tmp_path / "clean")) == 4
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "x").write_text("mine")
    with pytest.raises(RefusedError, match="not empty"):
        pipeline.deidentify(hospital, tmp_path / "strange")
    assert not (tmp_path / "strange.job").exists()


def test_two_processes_make_the_same_files_as_one(hospital, tmp_path, key_file):
    for name, jobs in (("one", 1), ("two", 2)):
        pipeline.deidentify(hospital, tmp_path / name, key_file=key_file, jobs=jobs)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


def test_random_codes_are_the_patients_own_and_stand_in_no_relation_to_the_key(
    hospital, tmp_path, key_file
):
    codes = {}
    for name, how in (("keyed", "keyed"), ("random", "random")):
        pipeline.deidentify(hospital, tmp_path / name, Settings(codes=how), key_file=key_file)
        codes[name] = {dcmread(path).PatientID for path in outputs(tmp_path / name)}
    assert len(codes["random"]) == 2
    assert not codes["random"] & codes["keyed"]
    (tmp_path / "random" / next(iter(codes["random"]))).is_dir()
    gone = outputs(tmp_path / "random")[0]
    gone.unlink()
    pipeline.deidentify(hospital, tmp_path / "random", Settings(codes="random"), key_file=key_file)
    assert gone.is_file()  # the vault remembers the code


def test_a_file_that_does_not_stand_verification_is_withheld(hospital, tmp_path, monkeypatch):
    monkeypatch.setattr(dicom, "deidentify", lambda dataset, *_, **__: (dataset, []))
    summary = pipeline.deidentify(hospital, tmp_path / "clean")
    assert summary.statuses == {"unverified": 4}
    assert outputs(tmp_path / "clean") == []
    facts = json.loads((summary.folder / "report.json").read_text())
    assert facts["findings"][0]["severity"] == "fail"


@pytest.mark.parametrize("step", ["deidentify", "verify_file", "to_bytes"])
def test_whatever_fails_nothing_appears_and_nothing_is_told(
    hospital, tmp_path, monkeypatch, step, caplog
):
    def fail(*_, **__):
        raise RuntimeError("Okafor^Ngozi")

    monkeypatch.setattr(dicom, step, fail)
    with caplog.at_level("DEBUG"):
        summary = pipeline.deidentify(hospital, tmp_path / "clean")
    assert summary.statuses == {"failed": 4}
    assert outputs(tmp_path / "clean") == []
    assert "Okafor" not in caplog.text


def test_a_file_seen_twice_is_written_once_and_another_form_of_it_beside_it(hospital, tmp_path):
    original = hospital / "LINDQVIST" / "a.dcm"
    shutil.copy(original, hospital / "copy.dcm")
    dataset = dcmread(original)
    dataset.RepetitionTime = "77"
    dataset.save_as(hospital / "other.dcm")
    summary = pipeline.deidentify(hospital, tmp_path / "clean")
    assert summary.statuses == {"done": 5, "duplicate": 1}
    found = {row["source"]: row["target"] for row in rows(summary.folder)}
    assert found["copy.dcm"] == found["LINDQVIST/a.dcm"]
    assert found["other.dcm"] == found["LINDQVIST/a.dcm"].replace(".dcm", "-2.dcm")


@pytest.mark.skipif(os.name != "posix", reason="links, pipes and odd names of POSIX")
def test_hostile_folders_do_not_stop_a_job(hospital, tmp_path):
    (tmp_path / "secret.dcm").write_bytes((hospital / "LINDQVIST" / "a.dcm").read_bytes())
    (hospital / "out.dcm").symlink_to(tmp_path / "secret.dcm")
    os.mkfifo(hospital / "pipe.dcm")
    (hospital / "empty.dcm").write_bytes(b"")
    (hospital / "folder.dcm").mkdir()
    (hospital / "half.dcm").write_bytes((hospital / "LINDQVIST" / "a.dcm").read_bytes()[:2000])
    shutil.copy(get_testdata_file("DICOMDIR", download=False), hospital / "DICOMDIR")
    odd = os.fsencode(hospital) + b"/M\xfcller.dcm"
    shutil.copy(hospital / "LINDQVIST" / "a.dcm", os.fsdecode(odd))
    summary = pipeline.deidentify(hospital, tmp_path / "clean")
    assert summary.statuses["done"] == 4
    assert summary.statuses["link"] == summary.statuses["special"] == 1
    assert summary.statuses["dicomdir"] == summary.statuses["duplicate"] == 1
    assert summary.statuses["unreadable"] == 2
    assert not summary.ok


def test_one_file_goes_to_one_file(hospital, tmp_path):
    source, target = hospital / "LINDQVIST" / "a.dcm", tmp_path / "clean.dcm"
    assert pipeline.deidentify(source, target).ok
    assert dcmread(target).PatientIdentityRemoved == "YES"
    assert rows(tmp_path / "clean.dcm.job") == [
        {"source": "a.dcm", "target": "clean.dcm", "status": "done"}
    ]
    with pytest.raises(RefusedError, match="exists"):
        pipeline.deidentify(source, target)
    assert pipeline.deidentify(source, target, overwrite=True).ok


def test_the_vault_leads_back(hospital, tmp_path):
    summary = pipeline.deidentify(hospital, tmp_path / "clean", Settings(policy="research"))
    with pipeline.open_vault(tmp_path / "clean") as vault:
        done = pipeline.reidentify(tmp_path / "clean", tmp_path / "back", vault, reason="finding")
    assert done == (4, 0)
    keywords = (
        "PatientName", "PatientID", "PatientBirthDate", "StudyDate", "AccessionNumber",
        "StudyInstanceUID", "SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
        "StudyDescription", "PatientWeight",
    )  # fmt: skip

    def facts(folder):
        headers = [dcmread(path) for path in outputs(folder)]
        return sorted([str(h.get(word, "")) for word in keywords] for h in headers)

    assert facts(tmp_path / "back") == facts(hospital)
    restored = dcmread(outputs(tmp_path / "back")[0])
    assert "DeidentificationMethod" not in restored
    assert restored.file_meta.MediaStorageSOPInstanceUID == restored.SOPInstanceUID
    log = (summary.folder / "vault.db.log").read_text()
    assert log.count('"reason":"finding"') == log.count('"vault read"') > 4
    assert leak(log.encode()) == []


def test_a_rotated_vault_opens_with_the_new_key_only_and_codes_stay(hospital, tmp_path, key_file):
    pipeline.deidentify(hospital, tmp_path / "clean", key_file=key_file)
    names = digest(tmp_path / "clean")
    with pipeline.open_vault(tmp_path / "clean", None, key_file) as vault:
        vault.rotate(crypto.write_key(tmp_path / "new"))
    with pytest.raises(RefusedError, match="another key"):
        pipeline.open_vault(tmp_path / "clean", None, key_file)
    outputs(tmp_path / "clean")[0].unlink()
    assert pipeline.deidentify(hospital, tmp_path / "clean", key_file=tmp_path / "new").new == 1
    assert digest(tmp_path / "clean") == names


def test_a_job_without_a_vault_keeps_no_way_back(hospital, tmp_path):
    summary = pipeline.deidentify(hospital, tmp_path / "clean", Settings(vault=False))
    assert not (summary.folder / "vault.db").exists()
    assert "pseudonymized" not in (summary.folder / "report.html").read_text()


def test_the_review_table_shows_rare_texts_first(hospital, tmp_path):
    summary = pipeline.deidentify(hospital, tmp_path / "clean", Settings(policy="research"))
    with (summary.folder / "review-text.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    counts = [int(row["files"]) for row in table]
    assert counts == sorted(counts)
    assert any("stroke" in row["text"] for row in table)


def test_no_job_takes_an_effect_that_can_be_undone():
    with pytest.raises(UsageError, match="pixel_effect is blank or pseudonymize"):
        Settings(pixel_effect="blur")


def test_progress_is_told_step_by_step_and_without_a_value(hospital, tmp_path):
    told = []
    pipeline.deidentify(hospital, tmp_path / "clean", progress=lambda *what: told.append(what))
    assert told == [(step, n, 4) for step in ("looking", "cleaning") for n in range(1, 5)]


def test_an_option_that_does_not_exist_is_bad_usage_and_leaves_nothing(hospital, tmp_path):
    with pytest.raises(UsageError):
        pipeline.deidentify(hospital, tmp_path / "clean", Settings(options=("keep-all",)))
    assert not (tmp_path / "clean.job").exists()


def test_the_command_ends_with_0_1_or_2(hospital, tmp_path, key_file):
    def run(*words):
        return CliRunner().invoke(commands, [str(word) for word in words])

    good = run(
        "deidentify", hospital, tmp_path / "a", "--key-file", key_file, "--policy", "research"
    )
    assert good.exit_code == 0, good.output
    assert leak(good.output.replace(str(tmp_path), "").encode()) == []
    (hospital / "bad.dcm").write_bytes(b"x")
    assert run("deidentify", hospital, tmp_path / "b").exit_code == 1
    assert run("deidentify", hospital, hospital / "c").exit_code == 1
    assert run("deidentify", tmp_path / "none", tmp_path / "c").exit_code == 2
    assert run("deidentify", hospital, tmp_path / "c", "--policy", "all").exit_code == 2
    assert run("deidentify", hospital, tmp_path / "c", "--option", "all").exit_code == 2
    assert run("audit", tmp_path / "a.job" / "audit.jsonl", "--key-file", key_file).exit_code == 0
    restoring = ("reidentify", tmp_path / "a", tmp_path / "r", "--key-file", key_file)
    assert run(*restoring).exit_code == run(*restoring, "--reason", " ").exit_code == 2
    assert not (tmp_path / "r").exists()
    back = run(*restoring, "--reason", "finding")
    assert back.exit_code == 0, back.output
    log = tmp_path / "a.job" / "vault.db.log"
    lines = len(log.read_text().splitlines())
    assert f"whole up to line {lines}; its end was not checked" in run("audit", log).output
    assert run("audit", log, "--key-file", key_file).output == (
        f"the log is whole up to line {lines}\n"
    )
    new = tmp_path / "new-key"
    assert (
        run("reidentify", tmp_path / "a", "--key-file", key_file, "--rotate-to", new).exit_code
        == 0
    )
    again = ("reidentify", tmp_path / "a", tmp_path / "r2", "--reason", "finding", "--key-file")
    assert run(*again, key_file).exit_code == 1
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    assert run("audit", log, "--key-file", new).exit_code == 1
    assert run(*again, new).exit_code == 1
    log.unlink()
    assert run("audit", log, "--key-file", new).exit_code == 1


def test_some_headers_passes_over_what_cannot_be_read(hospital, tmp_path):
    (hospital / "half.dcm").write_bytes((hospital / "LINDQVIST" / "a.dcm").read_bytes()[:2000])
    assert len(pipeline.some_headers(hospital)) == 4
    assert len(pipeline.some_headers(hospital, most=2)) == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no DICOM"):
        pipeline.some_headers(tmp_path / "empty")


def test_a_misspelt_name_is_removed_and_counted_unless_other_patients_texts_say_the_word(tmp_path):
    root = tmp_path / "in"
    said = {"a": ("Gartner^Una", "4711801", "Gartnar: Gartne seen"),
            "b": ("Winter^Bo", "4711802", "gartnar sign positive"),
            "c": ("Summer^Di", "4711803", "no comment")}  # fmt: skip
    for name, (person, number, text) in said.items():
        plant(
            root / f"{name}.dcm", "MR_small.dcm", person, number, SOPInstanceUID=generate_uid(),
            StudyInstanceUID=generate_uid(), StudyDescription=text,
        )  # fmt: skip
    summary = pipeline.deidentify(root, tmp_path / "out", Settings(policy="research"))
    texts = {dcmread(path).StudyDescription for path in outputs(tmp_path / "out")}
    assert texts == {"Gartnar: [removed] seen", "gartnar sign positive", "no comment"}
    assert summary.ok
    told = json.loads((tmp_path / "out.job" / "report.json").read_text())
    (found,) = [one for one in told["findings"] if "one letter from" in one["message"]]
    assert found["files"] == 1
    assert list(told["rows"]) == ["1"]
    assert "artn" not in told
