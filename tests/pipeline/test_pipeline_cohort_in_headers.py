import json
from collections import Counter

import pandas as pd
import pytest
from click.testing import CliRunner
from job_hospital import outputs
from pydicom import dcmread

from medlab import cli, pipeline
from medlab.errors import UsageError
from medlab.pipeline import Settings, cohort_in_headers


def test_a_broken_file_of_another_in_dst_does_not_end_the_job_before_its_report(ward, tmp_path):
    settings = Settings(policy="research", cohort_k=3, quasi=("Age",))
    pipeline.deidentify(ward, tmp_path / "clean", settings)
    broken = tmp_path / "clean" / "foreign.dcm"
    broken.write_bytes(b"\0" * 128 + b"DICM" + b"\x08\x00\x05\x00CS\xff\xff")
    summary = pipeline.deidentify(ward, tmp_path / "clean", settings)
    assert (summary.strangers, summary.ok) == (1, False)
    assert summary.cohort.holds
    assert "did not come from this job" in summary.report.read_text()


def test_the_cohort_in_the_headers_holds_k(ward, tmp_path):
    settings = Settings(policy="research", cohort_k=3, quasi=("Age", "PatientSex"))
    assert pipeline.deidentify(ward, tmp_path / "clean", settings).ok
    headers = [dcmread(path) for path in outputs(tmp_path / "clean")]
    facts = Counter((h.PatientAge, h.PatientSex) for h in headers)
    assert len(headers) == 12
    assert min(facts.values()) >= 3
    assert len(facts) > 1


def test_released_ranges_stand_in_the_headers_and_are_counted_again(ward, tmp_path):
    settings = Settings(policy="research", cohort_k=3, quasi=("Age", "PatientSex"))
    summary = pipeline.deidentify(ward, tmp_path / "clean", settings)
    assert (summary.cohort.patients, summary.cohort.asked) == (12, 3)
    assert summary.cohort.holds
    table, promises = cohort_in_headers._released(tmp_path / "clean")
    assert promises == cohort_in_headers._Promises(3)
    assert table.groupby(["Age", "Sex"]).size().min() == summary.cohort.found
    for path in outputs(tmp_path / "clean"):
        header = dcmread(path)
        low, high = json.loads(table.loc[header.PatientID, "Age"])
        assert low <= int(header.PatientAge[:3]) <= high
    written = pd.read_csv(tmp_path / "clean.job" / "cohort-release.csv", index_col=0)
    assert sorted(written.index) == sorted(table.index)
    report = (tmp_path / "clean.job" / "report.html").read_text()
    assert "unique again" in report


def test_verify_notices_a_class_that_lost_its_size(ward, tmp_path):
    settings = Settings(policy="research", cohort_k=3, quasi=("Age",))
    pipeline.deidentify(ward, tmp_path / "clean", settings)
    one = outputs(tmp_path / "clean")[0]
    header = dcmread(one)
    header.DeidentificationMethod = ["cohort k=3: Age [1, 2]"]
    header.save_as(one)
    assert not cohort_in_headers.check(tmp_path / "clean").holds
    result = CliRunner().invoke(cli.commands, ["verify", str(ward), str(tmp_path / "clean")])
    assert result.exit_code == 1
    assert "holds 1 of 12" in result.output


def test_technical_elements_make_patients_unique_again(ward, tmp_path):
    for number, path in enumerate(sorted(ward.glob("*.dcm"))):
        header = dcmread(path)
        header.KVP = str(80 + number)
        header.save_as(path)
    settings = Settings(policy="research", cohort_k=3, quasi=("Age",))
    assert pipeline.deidentify(ward, tmp_path / "clean", settings).cohort.unique_again == 12


def test_a_quasi_identifier_that_headers_do_not_hold_is_bad_usage(ward, tmp_path):
    with pytest.raises(UsageError, match="Shoe"):
        pipeline.deidentify(ward, tmp_path / "clean", Settings(cohort_k=3, quasi=("Shoe",)))
