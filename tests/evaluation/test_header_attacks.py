"""Headers: planted identifiers found again, hashes undone, dates moved back."""

import copy

import numpy as np
import pandas as pd
import pytest
from pydicom import Dataset

from medlab import methods, samples
from medlab.errors import InputError
from medlab.evaluation import header_attacks
from medlab.methods.catalogue import METHODS
from medlab.methods.pseudonymization import plain_hash

KEY = b"k" * 32


@pytest.fixture(scope="module")
def folder():
    return samples.default_folder()


@pytest.fixture(scope="module")
def truth(folder):
    return header_attacks.load_truth(folder)


@pytest.fixture(scope="module")
def files(folder):
    return header_attacks.read_files(folder)


def test_everything_planted_is_read_from_an_untouched_file(truth, files):
    found = header_attacks.recovered(truth, files)
    assert set(found["channel"]) == set(header_attacks.SEEN)
    assert (found["value"] == 1.0).all()
    assert found["planted"].sum() > 300


@pytest.fixture(scope="module")
def grid(folder, truth):
    rows = header_attacks.header_grid(folder, truth, KEY)
    return rows.pivot_table(index="method", columns="measure", values="value")


def test_only_a_policy_closes_all_channels_and_every_method_still_converts(grid):
    assert set(grid.index) == {name for name, method in METHODS.items() if method.headers}
    assert (grid["series converts"] == 1.0).all()
    assert grid.loc["identity", "all"] == 1.0
    assert grid.index[grid["all"] == 0.0].tolist() == ["policy basic", "policy research"]


def test_a_method_on_the_elements_it_knows_leaves_all_other_channels_open(grid):
    channels = ["wrong-use", "freetext", "nested", "private", "filename"]
    for method in ("suppression", "randomization", "plain hash", "pseudonymization", "encryption"):
        found = grid.loc[method]
        assert found["public"] < 0.7
        assert (found[channels] == 1.0).all()
    for method in ("suppression", "randomization", "pseudonymization", "bucketization"):
        assert grid.loc[method, "date"] < 0.2 < grid.loc["identity", "date"]
    assert grid.loc["pseudonymization", "uid"] < 0.2 < grid.loc["suppression", "uid"]


def test_the_attributes_an_analyst_needs_survive_the_research_policy(grid):
    kept = grid["attributes kept"]
    assert kept["policy basic"] < kept["policy research"] <= kept["identity"] == 1.0


def test_a_plain_hash_is_undone_by_candidates_and_a_keyed_code_is_not(grid):
    for attack in ("names by dictionary", "numbers by enumeration"):
        undone = grid.index[grid[attack] == 1.0]
        assert set(undone) == {"identity", "plain hash", "bucketization"}
        assert set(grid[attack]) == {0.0, 1.0}


def test_one_known_date_undoes_moved_dates_and_not_those_removed_or_made_coarse(grid):
    undone = grid["second visit by the first"]
    assert undone["identity"] == undone["policy research"] == 1.0
    assert undone["policy basic"] == undone["bucketization"] == 0.0
    assert (undone == grid["intervals kept"]).all()


def test_a_series_that_lost_its_geometry_makes_another_volume(folder):
    series = header_attacks._a_series(folder)
    moved = copy.deepcopy(series)
    for file in moved:
        file.dataset.PixelSpacing = [9.0, 9.0]
    voxels, affine = header_attacks._volume(series)
    again, near = header_attacks._volume(series)
    assert np.array_equal(again, voxels)
    assert np.allclose(near, affine)
    assert not np.allclose(header_attacks._volume(moved)[1], affine)
    assert header_attacks._volume(series[:-1])[0].shape != voxels.shape


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
    found = header_attacks.recovered(truth, [header_attacks.File("a", "1.dcm", dataset)])
    assert found.set_index("channel")["read"].to_dict() == {
        "public": 0,
        "wrong-use": 1,
        "private": 1,
        "filename": 0,
    }
    assert found["planted"].sum() == 4


def test_a_folder_without_a_ledger_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"truth\.json"):
        header_attacks.load_truth(tmp_path)


def test_plain_hashes_of_a_small_space_are_undone_completely():
    numbers = ["04711", "12345", "99999"]
    found = header_attacks.hash_attack(
        numbers, [plain_hash(one) for one in numbers], (f"{n:05d}" for n in range(100_000))
    )
    assert found["recovered"] == 1.0
    assert found["tried"] == 100_000


def test_what_is_not_among_the_candidates_is_not_found():
    found = header_attacks.hash_attack(
        list("abcd"), [plain_hash(one) for one in "abcd"], ["b", "x"]
    )
    assert found["recovered"] == 0.25


def test_a_keyed_code_tells_nothing_to_who_hashes_candidates():
    coded = [methods.pseudonymization.code("4711", KEY)]
    assert header_attacks.hash_attack(["4711"], coded, ["4711"])["recovered"] == 0.0


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
    table = header_attacks.date_attack(VISITS, moved, "PatientID", "StudyDate")
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
    table = header_attacks.date_attack(twice, twice["StudyDate"], "PatientID", "StudyDate")
    assert table.set_index("measure").loc["known intervals", "value"] == 0.0
