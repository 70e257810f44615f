import pytest
from app_study import study

from medlab.app import process
from medlab.app.order import clean_up
from medlab.errors import RefusedError


def test_a_cancelled_run_ends_its_process_and_leaves_nothing(order, session):
    study(session / "files" / "more", 60)
    asked = order(source=session / "files")
    run, seen = process.Run(asked), []

    def stop_early(step, done, total):
        seen.append(step)
        run.cancel()

    with pytest.raises(RefusedError, match="cancelled"):
        run.wait(stop_early)
    clean_up(asked)
    assert seen
    assert not run._process.is_alive()
    assert [p for p in session.rglob("*") if p.is_file() and "files" not in p.parts] == []
