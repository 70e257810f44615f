import csv
import hashlib
import json
import os
import shutil

import pytest
from click.testing import CliRunner
from job_hospital import PLANTED, digest, leak, outputs, plant, rows
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from medlab import crypto, dicom, pipeline
from medlab.cli import commands
from medlab.errors import InputError, RefusedError, UsageError
from medlab.pipeline import Settings, job
from medlab.pipeline.job import stream
from medlab.pipeline.settings import Outcome


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
    (tmp_path / "clean" / ".34-abc.part").mkdir()  # as scans are made in
    (tmp_path / "clean" / ".34-abc.part" / "scan.nii").write_bytes(b"left by it too")
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


def test_files_in_dst_that_the_job_did_not_make_are_told(hospital, tmp_path):
    pipeline.deidentify(hospital, tmp_path / "clean")
    (tmp_path / "clean" / "copied by hand.dcm").write_bytes(b"Okafor")
    summary = pipeline.deidentify(hospital, tmp_path / "clean")
    assert (summary.strangers, summary.ok) == (1, False)
    assert "1 files in DST" in "".join(summary.lines())
    assert "did not come from this job" in summary.report.read_text()


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


def test_no_job_takes_an_effect_that_can_be_undone():
    with pytest.raises(UsageError, match="pixel_effect is blank or pseudonymize"):
        Settings(pixel_effect="blur")


def test_progress_is_told_step_by_step_and_without_a_value(hospital, tmp_path):
    told = []
    pipeline.deidentify(hospital, tmp_path / "clean", progress=lambda *what: told.append(what))
    assert told == [(step, n, 4) for step in ("looking", "cleaning") for n in range(1, 5)]


def test_a_job_can_be_run_again_from_its_own_notes(ward, tmp_path):
    pipeline.deidentify(ward, tmp_path / "clean", Settings(policy="research"))
    outputs(tmp_path / "clean")[0].unlink()
    again = pipeline.rerun(tmp_path / "clean")
    assert again.ok
    assert again.new == 1
    with pytest.raises(InputError, match="no job stands beside"):
        pipeline.rerun(tmp_path / "nothing")


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


def test_the_vault_gets_each_row_once_and_a_newer_original_again(tmp_path):
    rows = [("study", "code", "one", "o"), ("uid", "2.25.1", "1.2", "o")]
    newer = [("study", "code", "two", "o"), ("uid", "2.25.1", "1.2", "o")]
    batches, known = [rows, rows, newer, rows], {}
    written = []
    with crypto.Vault(tmp_path / "vault.db", b"k" * 32) as vault:
        keep = vault.remember
        vault.remember = lambda new: keep(written.append(list(new)) or written[-1])
        for ways in batches:
            job._remember(vault, [Outcome(1, "done", ways_back=ways)], known)
        assert written == [rows, [], newer[:1], rows[:1]]
        assert vault.original("study", "code", reason="test") == "one"


def arrive(queue, name, **more):
    more = {"SOPInstanceUID": generate_uid()} | more
    return plant(queue / name, "CT_small.dcm", "Okafor^Ngozi", "MRN-778811", **more)


@pytest.fixture
def queue(tmp_path):
    """The folder where files wait, before the job is first opened."""
    folder = tmp_path / "out.job" / "queue"
    folder.mkdir(parents=True, mode=0o700)
    folder.parent.chmod(0o700)
    return folder


def made(tmp_path):
    return sorted((tmp_path / "out").rglob("*.dcm"))


def test_what_waits_is_done_at_the_opening_and_what_comes_later_when_asked(tmp_path, queue):
    arrive(queue, "a")
    (queue / "half.part").write_bytes(b"never acknowledged")
    with stream(tmp_path / "out", Settings()) as job:
        assert job.work.source == queue
        assert len(made(tmp_path)) == 1
        assert not [*queue.iterdir()]
        arrive(queue, "b")
        (queue / "c.part").write_bytes(b"on its way")
        job.work_off()
        assert [path.name for path in queue.iterdir()] == ["c.part"]
        summary, sent = job.finish()
    assert summary.statuses == {"done": 2}
    assert summary.new == 2
    assert summary.ok
    assert sent == (0, 0, 2)  # nobody took or refused an output yet
    assert not any(leak(path.read_bytes()) for path in made(tmp_path))
    assert len({dcmread(path).PatientID for path in made(tmp_path)} - {*PLANTED}) == 1


def test_the_same_content_again_leaves_the_queue_and_makes_no_second_output(tmp_path, queue):
    dataset = arrive(queue, "a")
    with stream(tmp_path / "out", Settings()) as job:
        dataset.save_as(queue / "a")  # a queue names files by their content
        job.work_off()
        assert not [*queue.iterdir()]
        assert job.finish()[0].statuses == {"done": 1}
    assert len(made(tmp_path)) == 1


def test_what_is_withheld_stays_and_holds_up_nothing(tmp_path, queue):
    dataset = arrive(queue, "a")
    dataset.SOPInstanceUID = generate_uid()  # another than the sender said
    dataset.save_as(queue / "a", enforce_file_format=False)
    with stream(tmp_path / "out", Settings()) as job:
        arrive(queue, "b")
        job.work_off()
        job.work_off()
        summary, _ = job.finish()
    assert [path.name for path in queue.iterdir()] == ["a"]
    assert not summary.ok
    assert summary.withheld == 1
    assert summary.statuses["done"] == len(made(tmp_path)) == 1


@pytest.mark.parametrize("settings", [{"head": "strip"}, {"policy": "safe-harbor"}])
def test_a_job_that_cannot_be_opened_leaves_no_folder(tmp_path, settings):
    with (
        pytest.raises(UsageError),
        stream(tmp_path / "out", Settings(**settings)),
    ):
        pass
    assert not [*tmp_path.iterdir()]


def test_a_refusal_keeps_what_waited_before(tmp_path, queue):
    arrive(queue, "a")
    with pytest.raises(UsageError), stream(tmp_path / "out", Settings(head="strip")):
        pass
    assert [path.name for path in queue.iterdir()] == ["a"]


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


def test_an_option_that_does_not_exist_is_bad_usage_and_leaves_nothing(hospital, tmp_path):
    with pytest.raises(UsageError):
        pipeline.deidentify(hospital, tmp_path / "clean", Settings(options=("keep-all",)))
    assert not (tmp_path / "clean.job").exists()
