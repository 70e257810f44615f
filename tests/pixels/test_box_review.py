import csv
import stat
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pixel_images as made
import pytest
from click.testing import CliRunner
from PIL import Image

from medlab.cli import commands
from medlab.errors import InputError, RefusedError
from medlab.pixels import box_review, effects
from medlab.pixels.decide import Decision
from medlab.pixels.detect import Word
from medlab.pixels.effects import Box

NAME = Word("OKAFOR", 0.98, ((10, 10), (60, 10), (60, 24), (10, 24)))
DECISIONS = [
    Decision((Box(8, 8, 63, 27),), True, "header word", NAME),
    Decision((Box(80, 60, 95, 80),), False, "allowed", Word("=R", 0.9, ((80, 60),) * 4)),
]


def test_the_table_can_be_edited_and_read_back(tmp_path):
    path = tmp_path / "boxes.csv"
    box_review.write_table(path, box_review.rows("7", DECISIONS))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert box_review.read_table(path) == {"7": [Box(8, 8, 63, 27)]}
    text = path.read_text().replace("remove", "keep") + "7,1,2,3,4,Remove,,,,\n8,,,,,,,,,\n"
    path.write_text(text)
    assert box_review.read_table(path) == {"7": [Box(1, 2, 3, 4)], "8": []}


def test_text_that_a_spreadsheet_would_run_is_disarmed(tmp_path):
    path = tmp_path / "boxes.csv"
    box_review.write_table(path, box_review.rows("7", DECISIONS))
    with path.open() as stream:
        assert [row["text"] for row in csv.DictReader(stream)] == ["OKAFOR", "'=R"]


@pytest.mark.parametrize("line", ["7,1,2,3,x,remove", "7,1,2,3,4,perhaps", "7,1,,3,4,remove"])
def test_a_bad_line_is_named_by_its_number(tmp_path, line):
    path = tmp_path / "boxes.csv"
    path.write_text(",".join(box_review.COLUMNS) + "\n" + line + "\n")
    with pytest.raises(InputError, match="line 2"):
        box_review.read_table(path)


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        box_review.read_table(tmp_path / "none.csv")


def test_the_contact_sheet_shows_before_boxes_after_and_is_private(tmp_path):
    ds = made.gray(np.random.default_rng(0).integers(0, 250, (100, 120), dtype=np.uint8))
    path = tmp_path / "sheet.png"
    box_review.contact_sheet(path, ds, DECISIONS, ds)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    sheet = np.asarray(Image.open(path))
    assert sheet.shape == (100, 380, 3)
    assert np.array_equal(sheet[:, :120], sheet[:, 260:])
    assert (sheet[8, 140:190] == (213, 94, 0)).all()


def proposal(tmp_path):
    path = tmp_path / "pixels.csv"
    box_review.write_table(path, box_review.rows("7", DECISIONS) + box_review.rows("8", DECISIONS))
    return path, tmp_path / "approved.csv"


def test_only_files_that_a_person_names_are_approved(tmp_path):
    table, approved = proposal(tmp_path)
    assert box_review.approve(table, approved, accept=["8"]) == 1
    assert box_review.read_table(approved) == {"8": [Box(8, 8, 63, 27)]}
    assert box_review.approve(table, approved, accept=["all"]) == 2


def test_boxes_are_added_and_dropped_and_earlier_approvals_stay(tmp_path):
    table, approved = proposal(tmp_path)
    box_review.approve(table, approved, accept=["8"])
    box_review.approve(table, approved, add=[("7", Box(0, 0, 9, 9))], drop=[2])
    assert box_review.read_table(approved) == {"8": [Box(8, 8, 63, 27)], "7": [Box(0, 0, 9, 9)]}


@pytest.mark.parametrize(
    "wrong", [{"accept": ["9"]}, {"drop": [1]}, {"add": [("9", Box(0, 0, 1, 1))]}]
)
def test_what_is_not_in_the_table_cannot_be_approved(tmp_path, wrong):
    with pytest.raises(InputError, match="not in the review table"):
        box_review.approve(*proposal(tmp_path), **wrong)


def test_a_file_without_text_can_be_approved_and_added_to(tmp_path):
    table, approved = tmp_path / "pixels.csv", tmp_path / "approved.csv"
    box_review.write_table(table, box_review.rows("9", []))
    assert box_review.approve(table, approved, accept=["9"]) == 1
    assert box_review.read_table(approved) == {"9": []}
    box_review.approve(table, approved, add=[("9", Box(0, 0, 9, 9))])
    assert box_review.read_table(approved) == {"9": [Box(0, 0, 9, 9)]}


def test_a_table_that_anyone_may_read_becomes_private_and_is_never_half_written(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text("old")
    path.chmod(0o644)
    with pytest.raises(ZeroDivisionError):
        box_review.write_table(path, ({"file": 1 / 0} for _ in range(1)))
    assert path.read_text() == "old"
    box_review.write_table(path, [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_contact_sheet_shows_the_frame_that_was_read(tmp_path):
    cine = np.zeros((3, 40, 40), np.uint8)
    cine[2] = np.random.default_rng(0).integers(0, 250, (40, 40))
    late = [Decision((Box(0, 0, 9, 9),), True, "date", replace(NAME, frame=2))]
    box_review.contact_sheet(tmp_path / "sheet.png", made.gray(cine), late, made.gray(cine))
    assert np.asarray(Image.open(tmp_path / "sheet.png"))[:, :40].any()


def test_the_command_line_counts_and_never_shows_what_was_read(tmp_path, monkeypatch):
    ds = made.gray(np.zeros((40, 40), np.uint8))
    ds.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    monkeypatch.setattr(box_review, "find_text", lambda *_, **__: DECISIONS)
    done = CliRunner().invoke(commands, ["pixels", "find", str(tmp_path / "a.dcm")])
    assert done.exit_code == 0
    assert "1 boxes to remove, 1 that may stay, 0 files not checked" in done.output
    assert "OKAFOR" not in done.output


def test_the_command_line_approves_and_runs_the_job_again(tmp_path, monkeypatch):
    folder = tmp_path / "clean.job"
    folder.mkdir()
    box_review.write_table(folder / "pixels.csv", box_review.rows("7", DECISIONS))
    asked = []

    def rerun(target, **options):
        asked.append(target)
        return SimpleNamespace(ok=True, lines=lambda: ["1 done"])

    monkeypatch.setattr("medlab.pipeline.rerun", rerun, raising=False)
    target = str(tmp_path / "clean")
    done = CliRunner().invoke(commands, ["pixels", "review", target, "--accept", "7"])
    assert done.exit_code == 0, done.output
    assert asked == [tmp_path / "clean"]
    assert box_review.read_table(folder / "pixels-approved.csv") == {"7": [Box(8, 8, 63, 27)]}
    wrong = CliRunner().invoke(commands, ["pixels", "review", target, "--add", "7:1,2"])
    assert wrong.exit_code == 2


def test_two_pictures_in_one_window_have_equal_grays_for_equal_stored_values():
    before = made.cases()["mono2-s16"]()
    after = effects.fill(before, [Box(4, 4, 60, 30)])
    pictures = [box_review.picture(one, like=before) for one in (before, after)]
    outside = np.ones(pictures[0].shape, bool)
    outside[4:30, 4:60] = False
    assert (pictures[0][outside] == pictures[1][outside]).all()
    assert not (pictures[0] == pictures[1]).all()
    assert (pictures[0].min(), pictures[0].max()) == (0, 255)


def saved(folder, count=1):
    folder.mkdir()
    for number in range(count):
        ds = made.gray(np.zeros((40, 40), np.uint8))
        ds.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return folder


def test_a_survey_writes_nothing_into_its_source_and_over_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(box_review, "find_text", lambda *_, **__: DECISIONS)
    source, table = saved(tmp_path / "in"), tmp_path / "boxes.csv"
    for place in ({"table": source / "boxes.csv"}, {"sheets": source / "sheets"}):
        with pytest.raises(RefusedError, match="outside of SRC"):
            list(box_review.look(source, **place))
    assert len(list(box_review.look(source, table=table))) == 1
    with pytest.raises(RefusedError, match="overwrite"):
        list(box_review.look(source, table=table))
    assert len(list(box_review.look(source, table=table, overwrite=True))) == 1


def test_a_survey_knows_dicom_without_preamble_and_refuses_a_folder_without_any(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(box_review, "find_text", lambda *_, **__: [])
    source = saved(tmp_path / "in")
    path = source / "0.dcm"
    path.write_bytes(path.read_bytes()[132:])
    assert [one.problem for one in box_review.look(source)] == [""]
    path.write_text("a note about OKAFOR")
    with pytest.raises(InputError, match="no DICOM file"):
        list(box_review.look(source))
    assert "not a DICOM" in next(box_review.look(path)).problem


def test_a_survey_counts_boxes_and_goes_on_after_a_broken_file(tmp_path, monkeypatch):
    source = tmp_path / "in"
    source.mkdir()
    broken = made.gray(np.zeros((8, 8), np.uint16))
    for name, ds in (("a", made.gray(np.zeros((40, 40), np.uint8))), ("b", broken)):
        ds.save_as(source / f"{name}.dcm", enforce_file_format=True)
    ds.PixelData = b"\0\0"
    ds.save_as(source / "c.dcm", enforce_file_format=True)
    (source / "note.txt").write_text("OKAFOR")
    monkeypatch.setattr(box_review, "find_text", lambda *_, **__: DECISIONS)
    found = list(box_review.look(source, table=tmp_path / "t.csv", sheets=tmp_path / "sheets"))
    assert [(one.number, one.removed, one.kept) for one in found] == [
        (1, 1, 1),
        (2, 1, 1),
        (3, 0, 0),
    ]
    assert "bytes of pixel data" in found[2].problem
    assert set(box_review.read_table(tmp_path / "t.csv")) == {"a.dcm", "b.dcm"}
    assert sorted(path.name for path in (tmp_path / "sheets").iterdir()) == ["1.png", "2.png"]
