import os

import pytest

from medlab.errors import InputError, RefusedError
from medlab.pipeline import job_files


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "in"
    (root / "a").mkdir(parents=True)
    (root / "a" / "one.dcm").write_bytes(b"x")
    (root / "scan.nii.gz").write_bytes(b"xy")
    return root


def kinds(root):
    return {str(path): kind for path, kind, _, _ in job_files.walk(root)}


def test_walk_gives_everything_once_in_the_same_order(source):
    assert kinds(source) == {"a/one.dcm": "file", "scan.nii.gz": "nifti"}
    assert list(job_files.walk(source)) == list(job_files.walk(source))


@pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")
def test_links_out_of_the_folder_pipes_and_circles_are_never_opened(source, tmp_path):
    (tmp_path / "secret.dcm").write_bytes(b"secret")
    (source / "out.dcm").symlink_to(tmp_path / "secret.dcm")
    (source / "all").symlink_to(tmp_path)
    (source / "in.dcm").symlink_to(source / "a" / "one.dcm")
    (source / "circle").symlink_to(source / "circle")
    (source / "gone").symlink_to(source / "nothing")
    os.mkfifo(source / "pipe")
    found = kinds(source)
    assert found.pop("in.dcm") == found.pop("a/one.dcm") == "file"
    assert found.pop("pipe") == "special"
    assert set(found) == {"out.dcm", "all", "circle", "gone", "scan.nii.gz"}
    assert {kind for name, kind in found.items() if name != "scan.nii.gz"} == {"link"}


@pytest.mark.parametrize("inner", ["in", "in/deep/out", "."])
def test_places_within_one_another_are_refused(source, tmp_path, inner):
    with pytest.raises((RefusedError, InputError)):
        job_files.check_places(source, tmp_path / inner)


def test_a_link_does_not_hide_that_places_lie_within_one_another(source, tmp_path):
    (tmp_path / "alias").symlink_to(source)
    with pytest.raises(RefusedError):
        job_files.check_places(source, tmp_path / "alias" / "out")


def test_one_file_goes_to_a_file_and_a_folder_to_a_folder(source, tmp_path):
    job_files.check_places(source / "a" / "one.dcm", tmp_path / "new.dcm")
    with pytest.raises(InputError, match="must be a file"):
        job_files.check_places(source / "a" / "one.dcm", tmp_path)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="must be a folder"):
        job_files.check_places(source, tmp_path / "file")
    with pytest.raises(RefusedError, match="the same"):
        job_files.check_places(source / "a" / "one.dcm", source / "a" / "one.dcm")
    with pytest.raises(InputError, match="does not exist"):
        job_files.check_places(tmp_path / "none", tmp_path / "out")


def test_the_private_folder_is_marked_and_closed_to_others(tmp_path):
    folder = job_files.private_folder(tmp_path / "out", make=True)
    assert folder.name == "out.job"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "patient data" in (folder / "PATIENT-DATA.txt").read_text()
