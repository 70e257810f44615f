import numpy as np
import pixel_images as made
import pytest

from medlab.errors import InputError, RefusedError
from medlab.pixels import box_review, cleaning, survey
from medlab.pixels.decide import Decision
from medlab.pixels.detect import Word
from medlab.pixels.effects import Box

NAME = Word("OKAFOR", 0.98, ((10, 10), (60, 10), (60, 24), (10, 24)))


DECISIONS = [
    Decision((Box(8, 8, 63, 27),), True, "header word", NAME),
    Decision((Box(80, 60, 95, 80),), False, "allowed", Word("=R", 0.9, ((80, 60),) * 4)),
]


def saved(folder, count=1):
    folder.mkdir()
    for number in range(count):
        ds = made.gray(np.zeros((40, 40), np.uint8))
        ds.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return folder


def test_a_survey_writes_nothing_into_its_source_and_over_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(cleaning, "find_text", lambda *_, **__: DECISIONS)
    source, table = saved(tmp_path / "in"), tmp_path / "boxes.csv"
    for place in ({"table": source / "boxes.csv"}, {"sheets": source / "sheets"}):
        with pytest.raises(RefusedError, match="outside of SRC"):
            list(survey.look(source, **place))
    assert len(list(survey.look(source, table=table))) == 1
    with pytest.raises(RefusedError, match="overwrite"):
        list(survey.look(source, table=table))
    assert len(list(survey.look(source, table=table, overwrite=True))) == 1


def test_a_survey_knows_dicom_without_preamble_and_refuses_a_folder_without_any(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(cleaning, "find_text", lambda *_, **__: [])
    source = saved(tmp_path / "in")
    path = source / "0.dcm"
    path.write_bytes(path.read_bytes()[132:])
    assert [one.problem for one in survey.look(source)] == [""]
    path.write_text("a note about OKAFOR")
    with pytest.raises(InputError, match="no DICOM file"):
        list(survey.look(source))
    assert "not a DICOM" in next(survey.look(path)).problem


def test_a_survey_counts_boxes_and_goes_on_after_a_broken_file(tmp_path, monkeypatch):
    source = tmp_path / "in"
    source.mkdir()
    broken = made.gray(np.zeros((8, 8), np.uint16))
    for name, ds in (("a", made.gray(np.zeros((40, 40), np.uint8))), ("b", broken)):
        ds.save_as(source / f"{name}.dcm", enforce_file_format=True)
    ds.PixelData = b"\0\0"
    ds.save_as(source / "c.dcm", enforce_file_format=True)
    (source / "note.txt").write_text("OKAFOR")
    monkeypatch.setattr(cleaning, "find_text", lambda *_, **__: DECISIONS)
    found = list(survey.look(source, table=tmp_path / "t.csv", sheets=tmp_path / "sheets"))
    assert [(one.number, one.removed, one.kept) for one in found] == [
        (1, 1, 1),
        (2, 1, 1),
        (3, 0, 0),
    ]
    assert "bytes of pixel data" in found[2].problem
    assert set(box_review.read_table(tmp_path / "t.csv")) == {"a.dcm", "b.dcm"}
    assert sorted(path.name for path in (tmp_path / "sheets").iterdir()) == ["1.png", "2.png"]
