"""Private folders: made for their owner, swept when their server is gone, wiped by session."""

import signal
import subprocess
import sys
import tempfile
from uuid import uuid4

import pytest

from medlab.app import folders
from medlab.errors import RefusedError

SERVER = """
import sys, time
from medlab.app import folders
with folders.server_folder() as folder:
    (folder / "upload").write_text("patient data")
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_the_folder_of_a_server_is_private_and_goes_with_it(place):
    with folders.server_folder() as folder:
        assert folder.parent == place
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_a_killed_server_leaves_a_folder_that_the_next_start_sweeps(place):
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True
    ) as server:
        left = place / server.stdout.readline().strip().rsplit("/", 1)[1]
        with folders.server_folder():
            assert (left / "upload").exists()  # its server lives
        server.send_signal(signal.SIGKILL)
        server.wait()
        with folders.server_folder():
            assert not left.exists()


def test_a_folder_that_is_only_a_link_is_never_swept(place):
    precious = place / "precious"
    precious.mkdir()
    (place / f"{folders._PREFIX}x").symlink_to(precious)
    assert folders._sweep() == 0
    assert precious.is_dir()


def test_only_sessions_whose_kernel_ended_are_wiped(place):
    living, ended = str(uuid4()), str(uuid4())
    for name in (living, ended, "voila_connections"):
        (place / name).mkdir()
    folders.wipe_ended(place, [living])
    assert {path.name for path in place.iterdir()} == {living, "voila_connections"}


@pytest.mark.parametrize(
    ("name", "length", "why"),
    [
        ("new", folders.CAP, "50 MB in all; give the path of the folder"),
        ("there", 1, "waiting already"),
        ("../there", 1, "leads out of its folder"),
    ],
)
def test_an_upload_that_does_not_fit_is_refused_in_a_sentence(
    place, monkeypatch, name, length, why
):
    monkeypatch.setenv("MEDLAB_APP_FOLDER", str(place))
    inbox = place / "session" / "inbox"
    inbox.mkdir(parents=True)
    (inbox / "there").write_text("patient data")
    with pytest.raises(RefusedError, match=why):
        folders.upload_place("session", name, length)
    assert folders.upload_place("session", "a/new", 1) == inbox / "a" / "new"
