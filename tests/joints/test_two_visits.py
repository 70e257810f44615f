"""One patient who came twice: what joins the visits, what tells the days. Read by pydicom."""

from datetime import datetime

import pytest
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from medlab.cli import commands

VISITS = {"first": ("20230111", "061Y"), "second": ("20240302", "062Y")}


@pytest.fixture(scope="module", params=["basic", "research"])
def job(request, tmp_path_factory):
    """Two visits, the second of two series, by a policy: sources, outputs, both by visit."""
    folder = tmp_path_factory.mktemp("visits")
    sources, numbers = [], {}
    for visit, (day, age) in VISITS.items():
        study = generate_uid()
        for series in range(1 if visit == "first" else 2):
            header = dcmread(get_testdata_file("MR_small.dcm", download=False))
            header.PatientName, header.PatientID = "Okafor^Ngozi", "MRN-778811"
            header.PatientBirthDate, header.PatientAge = "19620417", age
            header.StudyDate = header.SeriesDate = header.ContentDate = day
            header.StudyInstanceUID, header.SeriesInstanceUID = study, generate_uid()
            header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            header.AccessionNumber, header.StudyID = f"ACC-{visit}", visit
            header.InstanceNumber = numbers[f"{visit}{series}"] = len(sources) + 1
            path = folder / "in" / f"{len(sources)}.dcm"
            path.parent.mkdir(exist_ok=True)
            header.save_as(path)
            sources.append(header)
    call = ["deidentify", folder / "in", folder / "out", "--policy", request.param]
    done = CliRunner().invoke(commands, list(map(str, call)))
    assert done.exit_code == 0, done.output
    outputs = [dcmread(path) for path in (folder / "out").rglob("*.dcm")]
    ordered = sorted(outputs, key=lambda header: header.InstanceNumber)
    return request.param, sources, ordered


def test_both_visits_are_of_one_code_that_is_not_the_number(job):
    _, _, outputs = job
    assert len(outputs) == 3
    (code,) = {header.PatientID for header in outputs}
    assert "778811" not in code


def test_the_visits_stay_two_studies_and_the_series_of_a_visit_stay_together(job):
    _, sources, outputs = job
    old = [header.StudyInstanceUID for header in sources]
    new = [header.StudyInstanceUID for header in outputs]
    assert not set(old) & set(new)
    assert [new.index(uid) for uid in new] == [old.index(uid) for uid in old] == [0, 1, 1]
    assert len({header.SeriesInstanceUID for header in outputs}) == 3


def test_no_day_of_a_visit_is_told_and_the_time_between_them_stays_where_dates_do(job):
    policy, _, outputs = job
    days = [str(header.get("StudyDate") or "") for header in outputs]
    assert not set(days) & {day for day, _ in VISITS.values()}
    if policy == "basic":
        assert not any(days)
        return
    first, second, third = (datetime.strptime(day, "%Y%m%d") for day in days)
    assert (second - first).days == 416  # 11 January 2023 to 2 March 2024, counted by hand
    assert third == second


def test_no_accession_number_or_name_of_a_visit_is_left_in_a_byte(job):
    _, _, outputs = job
    text = "\n".join(str(header) for header in outputs)
    assert not [word for word in ("ACC-", "Okafor", "778811", "19620417") if word in text]
