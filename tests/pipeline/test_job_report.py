import csv
import json

from job_hospital import leak

from medlab import pipeline
from medlab.pipeline import Settings


def test_the_report_names_each_finding_of_each_row(hospital, tmp_path):
    summary = pipeline.deidentify(hospital, tmp_path / "clean", Settings(policy="research"))
    facts = json.loads((summary.folder / "report.json").read_text())
    named = [finding for findings in facts["rows"].values() for finding in findings]
    assert {int(row) for row in facts["rows"]} <= {1, 2, 3, 4}
    grouped = sum(group["files"] for group in facts["findings"])
    assert sum(finding["severity"] != "info" for finding in named) == grouped
    assert leak(json.dumps(facts).encode()) == []


def test_the_review_table_shows_rare_texts_first(hospital, tmp_path):
    summary = pipeline.deidentify(hospital, tmp_path / "clean", Settings(policy="research"))
    with (summary.folder / "review-text.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    counts = [int(row["files"]) for row in table]
    assert counts == sorted(counts)
    assert any("stroke" in row["text"] for row in table)
