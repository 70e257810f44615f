"""Faces matched between scans: worked ranks, and heads of the samples before and after."""

import numpy as np
import pytest
from evaluation_cases import HEADS, masked

from medlab.errors import InputError
from medlab.evaluation import face_recognition


@pytest.fixture(scope="module")
def maps(heads):
    found = face_recognition.depth_maps([one.img for one in heads.values()])
    return found[:HEADS], found[HEADS:]


def test_ranks_of_a_table_worked_by_hand():
    distances = np.array([[0.1, 0.5, 0.9], [0.4, 0.4, 0.9], [0.1, 0.2, 0.3]])
    found = face_recognition.ranked(distances)
    assert found.rank1 == pytest.approx((1 + 0.5 + 0) / 3)
    assert found.mean_rank == pytest.approx((1 + 1.5 + 3) / 3)
    assert found.chance == pytest.approx(1 / 3)


def test_nothing_to_compare_is_chance():
    found = face_recognition.ranked(np.full((4, 4), np.inf))
    assert found.rank1 == found.chance == 0.25
    assert found.mean_rank == 2.5


def test_a_second_scan_of_a_face_finds_the_first(maps):
    assert face_recognition.identify(*maps).rank1 >= 4 / HEADS


def test_the_same_scan_is_found_every_time(maps):
    found = face_recognition.identify(maps[0], maps[0])
    assert found.rank1 == 1.0
    assert np.diag(found.distances) == pytest.approx(0, abs=1e-9)


def test_a_moved_and_tilted_face_is_the_same_face(maps):
    rows, columns = np.indices(maps[0][0].shape)
    moved = [np.roll(depth, 2, axis=1) + 0.05 * rows - 0.03 * columns + 4 for depth in maps[0]]
    assert face_recognition.identify(maps[0], moved).rank1 == 1.0


def test_taking_the_skull_or_the_face_away_brings_recognition_down_to_chance(heads, maps):
    known, second = maps[0], [heads[p, 2] for p in range(1, HEADS + 1)]
    for kept in (
        [masked(one.img, one.brain_mask, keep=True) for one in second],
        [masked(one.img, one.face_mask, keep=False) for one in second],
    ):
        probes = face_recognition.depth_maps([heads[1, 1].img, *kept])[1:]
        found = face_recognition.identify(known, probes)
        assert found.rank1 <= 2 / HEADS
        assert found.mean_rank > 2


def test_an_empty_scan_is_no_face(maps):
    nothing = [np.full(maps[0][0].shape, np.nan)] * HEADS
    assert face_recognition.identify(maps[0], nothing).rank1 == pytest.approx(1 / HEADS)


def test_one_probe_too_few_is_refused(maps):
    with pytest.raises(InputError):
        face_recognition.identify(maps[0], maps[1][:-1])


def test_the_table_has_a_row_for_each_protection(maps):
    table = face_recognition.identification_table({"before": face_recognition.identify(*maps)})
    assert table.loc[0, "protection"] == "before"
    assert table.loc[0, "chance"] == pytest.approx(1 / HEADS)
