"""What the report of a run says of a number."""

import csv
import io
import json

import pytest

from medlab import runs
from medlab.errors import InputError
from medlab.runs.headlines import Meaning, as_csv, lines


@pytest.mark.parametrize(
    ("value", "meaning", "said"),
    [
        (
            7,
            Meaning("Smallest class", "people", ">= 5"),
            ("7 people", "good", "at least 5 people"),
        ),
        (0.0833, Meaning("Found", "%", "<= 0.05"), ("8.3 %", "bad", "at most 5 %")),
        (0.05, Meaning("Found", "%", "<= 0.05"), ("5 %", "good", "at most 5 %")),
        (0, Meaning("Names left", "names", "== 0"), ("0 names", "good", "none")),
        (0.51, Meaning("AUC", "", "low"), ("0.51", "", "lower is better")),
        (9747, Meaning("Elements", "elements"), ("9,747 elements", "", "")),
        (True, Meaning("Kept", "", ">= 1"), ("yes", "", "at least 1")),  # no number
    ],
)
def test_a_line_says_value_unit_and_verdict(value, meaning, said):
    (line,) = lines("name", value, meaning)
    assert (line.value, line.verdict, line.wish) == said
    assert line.label == meaning.label


def test_a_number_without_a_label_is_called_by_its_name():
    (line,) = lines("k_found", 5, Meaning())
    assert line == ("k found", "5", "", "")


def test_numbers_by_name_are_a_line_each_and_each_is_judged():
    both = {"before": 0.9, "after": {"x": 0.01}}
    said = [(one.label, one.verdict) for one in lines("n", both, Meaning("Found", "%", "<= 0.1"))]
    assert said == [("Found, before", "bad"), ("Found, after, x", "good")]


def test_csv_holds_one_number_a_row_as_measured():
    rows = [({"notebook": "03"}, "share", {"a, b": 0.25}, Meaning('Sha"re', "%", "<= 0.1"))]
    (row,) = csv.DictReader(io.StringIO(as_csv(rows).decode()))
    assert row == {
        "notebook": "03", "name": "share", "of": "a, b", "value": "0.25", "label": 'Sha"re',
        "unit": "share of 1", "good": "<= 0.1", "verdict": "bad",
    }  # fmt: skip


def test_keep_takes_a_meaning_or_none_and_writes_both_files_in_the_order_of_the_story(tmp_path):
    run = runs.begin(output_dir=str(tmp_path))
    run.keep("Zeal", "people", "high", zeal=3)
    run.keep(label=1, alone=2)  # numbers may bear any name
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["numbers"] == {"zeal": 3, "label": 1, "alone": 2}
    assert [one["name"] for one in content["meanings"]] == ["zeal", "label", "alone"]
    rows = list(csv.DictReader((tmp_path / "results.csv").open()))
    assert [(row["name"], row["value"]) for row in rows] == [
        ("zeal", "3"),
        ("label", "1"),
        ("alone", "2"),
    ]
    with pytest.raises(InputError, match="good is low, high, or a limit"):
        run.keep("Zeal", "", "better", zeal=4)
    assert run.numbers["zeal"] == 3
