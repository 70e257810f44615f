"""Files whole or not at all, and locks that another process sees."""

import stat
import subprocess
import sys

import pytest

from medlab.disk import alone, appearing, clear_parts, hold, page_from, write_whole


def test_a_file_appears_when_all_went_well(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with appearing(path) as part:
        part.write_text("half")
        assert not path.exists()
        assert "a.txt" not in part.name  # a name may tell of a patient
        part.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path):
    path = write_whole(tmp_path / "a.txt", b"old")

    def fail():
        with appearing(path) as part:
            part.write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_the_mode_is_there_from_the_first_byte(tmp_path):
    with appearing(tmp_path / "a", 0o600) as part:
        assert stat.S_IMODE(part.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


def elsewhere(path) -> str:
    """What another process says when it asks for the lock."""
    code = (
        "import sys; from pathlib import Path; from medlab.disk import hold; "
        "print(hold(Path(sys.argv[1])) is not None)"
    )
    words = [sys.executable, "-c", code, str(path)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def test_a_lock_keeps_other_processes_out_until_it_is_released(tmp_path):
    path = tmp_path / "lock"
    lock = hold(path)
    assert elsewhere(path) == "False"
    assert hold(path) is None
    lock.release()
    assert elsewhere(path) == "True"
    with alone(path):
        assert hold(path) is None
    assert hold(path) is not None


def test_a_process_that_was_killed_holds_no_lock(tmp_path):
    code = (
        "import sys, os, signal; from pathlib import Path; from medlab.disk import hold; "
        "lock = hold(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "lock")], check=False)
    assert hold(tmp_path / "lock") is not None


def test_what_is_put_into_a_page_is_escaped(tmp_path):
    template = tmp_path / "page.html"
    template.write_text("{% for name in names %}\n<p>{{ name | loud }}</p>\n{% endfor %}\n")
    page = page_from(template, {"names": ["a<b", "c"]}, {"loud": str.upper})
    assert page == "<p>A&lt;B</p>\n<p>C</p>\n"


def test_what_a_killed_process_left_half_made_goes_files_and_folders(tmp_path):
    whole = tmp_path / "a" / "b.part"
    folder = tmp_path / "a" / ".scan.part"
    folder.mkdir(parents=True)
    (folder / ".1-2-3.part").write_bytes(b"half")
    (tmp_path / ".4-5-6.part").write_bytes(b"half")
    (tmp_path / ".7.part").symlink_to(tmp_path / "a")
    whole.write_bytes(b"a name like any other")
    clear_parts(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [whole]
    clear_parts(tmp_path / "none")
