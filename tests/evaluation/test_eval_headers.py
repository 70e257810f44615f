"""Headers: planted identifiers found again, hashes undone, dates moved back."""

import numpy as np
import pandas as pd
import pytest
from pydicom import Dataset

from medlab import methods, samples
from medlab.errors import InputError
from medlab.evaluation import headers

KEY = b"k" * 32


@pytest.fixture(scope="module")
def folder():
    return samples.default_folder()


@pytest.fixture(scope="module")
def truth(folder):
    return headers.load_truth(folder)


@pytest.fixture(scope="module")
def files(folder):
    return headers.read_files(folder)


def shares(truth, files, method):
    found = headers.recovered(truth, headers.HEADER_METHODS[method](files, KEY))
    return found.set_index("channel")["value"]


def test_everything_planted_is_read_from_an_untouched_file(truth, files):
    found = headers.recovered(truth, files)
    assert set(found["channel"]) == set(headers.SEEN)
    assert (found["value"] == 1.0).all()
    assert found["planted"].sum() > 300


@pytest.mark.parametrize(
    "method",
    [
        "suppression of name and ID",
        "plain hash of name and ID",
        "pseudonymization of name and ID",
        "encryption of name and ID",
    ],
)
def test_four_elements_changed_leave_all_other_channels_open(truth, files, method):
    found = shares(truth, files, method)
    assert found["public"] < 0.6
    assert (found.drop("public") == 1.0).all()


@pytest.mark.parametrize("policy", ["policy basic", "policy research"])
def test_a_policy_closes_every_channel(truth, files, policy):
    assert (shares(truth, files, policy) == 0.0).all()


def test_the_attributes_an_analyst_needs_survive_the_research_policy(files):
    kept = {}
    for policy in ("policy basic", "policy research"):
        made = headers.HEADER_METHODS[policy](files, KEY)
        kept[policy] = headers.attributes_kept(files, made)[0]
    assert kept["policy basic"] < kept["policy research"] <= 1.0
    assert headers.attributes_kept(files, files)[0] == 1.0


def test_the_grid_is_tidy_and_series_still_convert(folder, truth):
    rows = headers.header_grid(folder, truth, KEY, ["identity", "policy research"])
    assert set(rows["method"]) == {"identity", "policy research"}
    converts = rows[rows["measure"] == "series converts"]["value"]
    assert (converts == 1.0).all()
    total = rows[rows["measure"] == "all"].set_index("method")["value"]
    assert total.to_dict() == {"identity": 1.0, "policy research": 0.0}


def test_a_planted_value_counts_only_where_it_stood():
    dataset = Dataset()
    dataset.PatientName = "CODE^"
    dataset.Allergies = "see Doe^Jane"
    dataset.add_new((0x0009, 0x0010), "LO", "ACME")
    dataset.add_new((0x0009, 0x1001), "UN", b"Doe^Jane")
    truth = pd.DataFrame(
        [
            ("a", "public", "Doe", "(0010,0010)"),
            ("a", "wrong-use", "Doe", "(0010,2110)"),
            ("a", "private", "Jane", "(0009,1001)"),
            ("a", "filename", "Doe", ""),
            ("b", "public", "Doe", "(0010,0010)"),
        ],
        columns=["file", "channel", "value", "path"],
    )
    found = headers.recovered(truth, [headers.File("a", "1.dcm", dataset)])
    assert found.set_index("channel")["read"].to_dict() == {
        "public": 0,
        "wrong-use": 1,
        "private": 1,
        "filename": 0,
    }
    assert found["planted"].sum() == 4


def test_a_folder_without_a_ledger_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"truth\.json"):
        headers.load_truth(tmp_path)


def test_plain_hashes_of_a_small_space_are_undone_completely():
    numbers = ["04711", "12345", "99999"]
    found = headers.hash_attack(numbers, (f"{n:05d}" for n in range(100_000)))
    assert found["recovered"] == 1.0
    assert found["tried"] == 100_000


def test_what_is_not_among_the_candidates_is_not_found():
    found = headers.hash_attack(["a", "b", "c", "d"], ["b", "x"])
    assert found["recovered"] == 0.25


def test_a_wrong_key_finds_nothing():
    guess = b"g" * 32
    found = headers.hash_attack(
        ["4711"], ["4711"], lambda text: str(methods.pseudonymization.code(text, guess))
    )
    assert found["recovered"] == 0.0


VISITS = pd.DataFrame(
    {
        "PatientID": list("aaabbcd"),
        "StudyDate": pd.to_datetime(
            [
                f"2024-{day}"
                for day in ("01-01", "01-08", "03-01", "02-01", "02-03", "05-05", "06-06")
            ]
        ),
    }
)


def undone(moved):
    table = headers.date_attack(VISITS, moved, "PatientID", "StudyDate")
    return table.set_index("measure")["value"]


def test_one_known_date_undoes_an_offset_and_intervals_are_kept_for_friend_and_foe():
    days = VISITS["PatientID"].map({"a": -100, "b": -200, "c": -300, "d": -400})
    found = undone(VISITS["StudyDate"] + pd.to_timedelta(days, "D"))
    assert found.to_dict() == {
        "one known date": 1.0,
        "known intervals": 1.0,
        "intervals kept": 1.0,
    }


def test_dates_moved_one_by_one_tell_nothing_and_are_of_no_use():
    days = pd.Series(np.arange(7) ** 3 - 500)
    found = undone(VISITS["StudyDate"] + pd.to_timedelta(days, "D"))
    assert found["one known date"] == found["known intervals"] == found["intervals kept"] == 0.0


def test_people_with_the_same_intervals_hide_each_other():
    twice = pd.concat([VISITS, VISITS.assign(PatientID=VISITS["PatientID"] + "2")])
    twice = twice.reset_index(drop=True)
    table = headers.date_attack(twice, twice["StudyDate"], "PatientID", "StudyDate")
    assert table.set_index("measure").loc["known intervals", "value"] == 0.0
