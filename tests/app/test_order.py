"""Orders done: what makes sense, what comes out and says of itself, and what a stop leaves."""

import csv
import io
import zipfile
from datetime import date

import numpy as np
import pytest
from app_study import NAME, NUMBER, study
from pydicom import dcmread

from medlab import crypto, dicom, pixels, samples
from medlab.app.order import Order, Run, _do, clean_up
from medlab.dicom.codes import patient_code
from medlab.errors import RefusedError, UsageError
from medlab.methods import encryption

PLANTED = ("Okafor", "Ngozi", NUMBER, "19620417")


def told(*what):
    pass


def outputs(session, zipped="result.zip"):
    with zipfile.ZipFile(session / zipped) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def images(session):
    files = outputs(session).items()
    return [dcmread(io.BytesIO(data)) for name, data in files if name.endswith(".dcm")]


@pytest.mark.parametrize(
    ("choices", "error", "words"),
    [
        ({"task": "magic"}, UsageError, "task is one of"),
        ({"text": "hide"}, UsageError, "text is one of"),
        ({"head": "melt"}, UsageError, "head is one of"),
        ({"text": "blur"}, RefusedError, "can be read back"),
        ({"task": "nothing"}, RefusedError, "nothing was chosen"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(tmp_path, choices, error, words):
    with pytest.raises(error, match=words):
        Order(tmp_path, tmp_path / "out", tmp_path, **choices)


def test_cleaning_up_takes_what_a_run_made_and_leaves_the_source(order):
    placed = order()
    made = [
        placed.target / "a.dcm",
        placed.target.with_name("result.job") / "map.csv",
        placed.folder / "work" / "report.txt",
        placed.folder / "result.zip",
        placed.folder / "key.txt",
    ]
    for path in made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    sources = sorted(placed.source.rglob("*"))
    clean_up(placed)
    assert not any(path.exists() for path in made)
    assert sorted(placed.source.rglob("*")) == sources
    assert sources


def test_the_key_of_an_order_is_not_shown(order):
    assert "kkk" not in repr(order(key=b"k" * 32))


def test_a_policy_leaves_nothing_planted_in_any_name_or_byte_of_the_zip(order, session):
    result = _do(order(task="policy"), told)
    assert (result.outputs, result.withheld) == (3, 0)
    assert any("text in pixels in 3 images" in line for line in result.cautions)
    for name, data in outputs(session).items():
        assert not any(word.lower() in name.lower() for word in PLANTED)
        assert not any(word.lower().encode() in data.lower() for word in PLANTED)
    assert not (session / "out" / "result.job").exists()
    assert not (session / "private.zip").exists()


def test_a_result_folder_gets_the_files_and_the_zip_the_report_alone(order, session, tmp_path):
    result = _do(order(task="policy", target=tmp_path / "clean", zipped=False), told)
    assert len(list((tmp_path / "clean").rglob("*.dcm"))) == result.outputs == 3
    assert set(outputs(session)) == {"report.html", "deidentification.html"}
    assert not (tmp_path / "clean.job").exists()


def test_the_way_back_comes_in_a_zip_of_its_own(order, session):
    _do(order(task="policy", way_back=True), told)
    assert {"key", "vault.db", "map.csv"} <= set(outputs(session, "private.zip"))
    assert not any("vault" in name or "map" in name for name in outputs(session))


@pytest.mark.parametrize("method", ["randomization", "pseudonymization", "suppression"])
def test_the_files_of_a_patient_agree_after_a_method(order, session, method):
    _do(order(task=method), told)
    after = images(session)
    for keyword in ("PatientName", "PatientID", "StudyDate", "PatientWeight"):
        assert len({str(one.get(keyword)) for one in after}) == 1
    assert NAME not in {str(one.PatientName) for one in after}
    assert len({one.SOPInstanceUID for one in after}) == 3
    assert all(one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID for one in after)


@pytest.mark.parametrize("task", ["pseudonymization", "randomization", "bucketization"])
def test_the_pseudonym_in_a_picture_is_the_one_of_its_header(order, session, monkeypatch, task):
    written = []
    clean = pixels.clean

    def recorded(*datasets, pseudonym, **options):
        written.append(pseudonym)
        return clean(*datasets, pseudonym=pseudonym, **options)

    monkeypatch.setattr(pixels, "clean", recorded)
    placed = order(task=task, text="pseudonymize")
    _do(placed, told)
    numbers = {str(one.PatientID) for one in images(session)}
    if task == "bucketization":  # which leaves the ID where it is
        assert numbers == {NUMBER}
        numbers = {patient_code(placed.key, dicom.owner(one)) for one in images(session)}
    assert set(written) == numbers


def test_random_dates_move_by_one_draw_and_keep_their_intervals(order, session):
    dates = {"StudyDate": "20240301", "SeriesDate": "20240302", "ContentDate": "20240311"}
    source = study(session / "files" / "dated", **dates)
    _do(order(task="randomization", source=source), told)
    for one in images(session):
        moved = [date.fromisoformat(str(one[keyword].value)) for keyword in dates]
        assert [(later - moved[0]).days for later in moved] == [0, 1, 10]
        assert moved[0] != date(2024, 3, 1)


def test_the_page_refuses_to_encrypt_twice(order, session):
    _do(order(task="encryption"), told)
    (session / "out" / "result").rename(session / "files" / "encrypted")
    again = order(task="encryption", source=session / "files" / "encrypted")
    with pytest.raises(RefusedError, match="encrypted already"):
        _do(again, told)


def test_buckets_are_coarse_and_a_method_says_that_it_is_no_deidentification(order, session):
    result = _do(order(task="bucketization"), told)
    (age,) = {one.PatientAge for one in images(session)}
    assert age == "060Y"
    assert {one.StudyDate for one in images(session)} == {"20240301"}
    assert {str(one.PatientWeight) for one in images(session)} == {"70"}
    assert any("1 of 1 file looked at" in line for line in result.cautions)
    assert "no de-identification" in outputs(session)["report.html"].decode()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_value_that_fits_no_method_goes(session, order):
    source = study(session / "files" / "odd", StudyDate="about Easter")
    result = _do(order(task="bucketization", source=source), told)
    assert all("StudyDate" not in one for one in images(session))
    assert any("removed" in line and "StudyDate" in line for line in result.cautions)


def test_what_was_encrypted_is_decrypted_with_the_key_of_the_download_alone(order, session):
    first = order(task="encryption")
    _do(first, told)
    assert all(not one.PatientName and not one.PatientID for one in images(session))
    key = crypto.keys.parse_key((session / "key.txt").read_bytes())
    assert encryption.decrypt_elements(images(session)[0], key).PatientID == NUMBER
    (session / "out" / "result").rename(session / "files" / "encrypted")
    clean_up(first)
    again = {"task": "decryption", "source": session / "files" / "encrypted"}
    with pytest.raises(RefusedError, match="wrong key"):
        _do(order(**again, key=bytes(32)), told)
    _do(order(**again, key=key), told)
    assert {str(one.PatientName) for one in images(session)} == {NAME}


def test_slicing_gives_a_table_and_refuses_too_few_patients(order, session):
    ward = session / "files" / "ward"
    for number in range(4):
        study(ward / str(number), 1, number=f"P{number}", PatientWeight=str(60 + number))
    with pytest.raises(RefusedError, match=r"4 patients .* fewer than the 5"):
        _do(order(task="slicing", source=ward), told)
    result = _do(order(task="slicing", source=ward, k=2), told)
    rows = list(csv.DictReader(io.StringIO(outputs(session)["files/cohort-sliced.csv"].decode())))
    assert sorted(row["Weight"] for row in rows) == ["60.0", "61.0", "62.0", "63.0"]
    assert not {"PatientID", "PatientName"} & set(rows[0])
    assert sorted(one.PatientWeight for one in images(session)) == [60, 61, 62, 63]
    assert any("no de-identification" in line for line in result.cautions)


def test_a_dicom_head_is_stripped_and_comes_back_as_dicom_without_the_name(order, session):
    (head,) = samples.default_folder().glob("studies/MUELLER*/S01*")
    result = _do(order(task="policy", head="strip", source=head), told)
    after = images(session)
    assert result.withheld == 0
    assert len(after) == len(list(head.iterdir()))
    assert {one.RecognizableVisualFeatures for one in after} == {"NO"}
    assert {one.PatientIdentityRemoved for one in after} == {"YES"}
    stored = np.stack([one.pixel_array for one in after])
    assert 0.1 < (stored > 0).mean() < 0.4  # the brain, and neither nothing nor the head
    assert not any(b"MUELLER" in data.upper() for data in outputs(session).values())


@pytest.mark.parametrize("task", ["policy", "nothing"])
def test_a_head_that_cannot_be_treated_is_withheld_and_the_reason_told(order, session, task):
    with pytest.raises(RefusedError, match="3 files withheld"):
        _do(order(task=task, head="strip"), told)
    assert not [path for path in (session / "out" / "result").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("choices", "why"),
    [
        ({"task": "policy", "text": "blur"}, "can be read back"),
        ({"task": "nothing"}, "nothing was chosen"),
        ({"task": "magic"}, "task is one of"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_before_it_starts(order, choices, why):
    with pytest.raises((RefusedError, ValueError), match=why):
        order(**choices)


def test_a_cancelled_run_ends_its_process_and_leaves_nothing(order, session):
    study(session / "files" / "more", 60)
    asked = order(source=session / "files")
    run, seen = Run(asked), []

    def stop_early(step, done, total):
        seen.append(step)
        run.cancel()

    with pytest.raises(RefusedError, match="cancelled"):
        run.wait(stop_early)
    clean_up(asked)
    assert seen
    assert not run._process.is_alive()
    assert [p for p in session.rglob("*") if p.is_file() and "files" not in p.parts] == []
