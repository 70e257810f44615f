import csv
import stat

import numpy as np
import pixel_images as made
import pytest
from PIL import Image

from medlab.errors import InputError
from medlab.pixels import review
from medlab.pixels.decide import Decision
from medlab.pixels.detect import Word
from medlab.pixels.mask import Box

NAME = Word("OKAFOR", 0.98, ((10, 10), (60, 10), (60, 24), (10, 24)))
DECISIONS = [
    Decision((Box(8, 8, 63, 27),), True, "header word", NAME),
    Decision((Box(80, 60, 95, 80),), False, "allowed", Word("=R", 0.9, ((80, 60),) * 4)),
]


def test_the_table_can_be_edited_and_read_back(tmp_path):
    path = tmp_path / "boxes.csv"
    review.write_table(path, review.rows("7", DECISIONS))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert review.read_table(path) == {"7": [Box(8, 8, 63, 27)]}
    text = path.read_text().replace("remove", "keep") + "7,1,2,3,4,Remove,,,,\n8,,,,,,,,,\n"
    path.write_text(text)
    assert review.read_table(path) == {"7": [Box(1, 2, 3, 4)], "8": []}


def test_text_that_a_spreadsheet_would_run_is_disarmed(tmp_path):
    path = tmp_path / "boxes.csv"
    review.write_table(path, review.rows("7", DECISIONS))
    with path.open() as stream:
        assert [row["text"] for row in csv.DictReader(stream)] == ["OKAFOR", "'=R"]


@pytest.mark.parametrize("line", ["7,1,2,3,x,remove", "7,1,2,3,4,perhaps", "7,1,,3,4,remove"])
def test_a_bad_line_is_named_by_its_number(tmp_path, line):
    path = tmp_path / "boxes.csv"
    path.write_text(",".join(review.COLUMNS) + "\n" + line + "\n")
    with pytest.raises(InputError, match="line 2"):
        review.read_table(path)


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        review.read_table(tmp_path / "none.csv")


def test_the_contact_sheet_shows_before_boxes_after_and_is_private(tmp_path):
    ds = made.gray(np.random.default_rng(0).integers(0, 250, (100, 120), dtype=np.uint8))
    path = tmp_path / "sheet.png"
    review.contact_sheet(path, ds, DECISIONS, ds)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    sheet = np.asarray(Image.open(path))
    assert sheet.shape == (100, 380, 3)
    assert np.array_equal(sheet[:, :120], sheet[:, 260:])
    assert (sheet[8, 140:190] == (213, 94, 0)).all()
