import pytest

from medlab.app.order import Order, clean_up
from medlab.errors import RefusedError, UsageError


@pytest.mark.parametrize(
    ("choices", "error", "words"),
    [
        ({"task": "magic"}, UsageError, "task is one of"),
        ({"text": "hide"}, UsageError, "text is one of"),
        ({"head": "melt"}, UsageError, "head is one of"),
        ({"text": "blur"}, RefusedError, "can be read back"),
        ({"task": "nothing"}, RefusedError, "nothing was chosen"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(tmp_path, choices, error, words):
    with pytest.raises(error, match=words):
        Order(tmp_path, tmp_path / "out", tmp_path, **choices)


def test_cleaning_up_takes_what_a_run_made_and_leaves_the_source(order):
    placed = order()
    made = [
        placed.target / "a.dcm",
        placed.target.with_name("result.job") / "map.csv",
        placed.folder / "work" / "report.txt",
        placed.folder / "result.zip",
        placed.folder / "key.txt",
    ]
    for path in made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    sources = sorted(placed.source.rglob("*"))
    clean_up(placed)
    assert not any(path.exists() for path in made)
    assert sorted(placed.source.rglob("*")) == sources
    assert sources


def test_the_key_of_an_order_is_not_shown(order):
    assert "kkk" not in repr(order(key=b"k" * 32))
