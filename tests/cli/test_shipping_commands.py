"""Folders that are shipped, from outside: the command line, Python's tarfile, age and tar."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from contextlib import contextmanager

import pyrage
import pytest
from click.testing import CliRunner
from pydicom.data import get_testdata_file

from medlab import crypto
from medlab.cli import commands
from medlab.disk import hold
from medlab.pipeline import hiding, packing

FILES = {
    "Doe^Jane/1.dcm": b"first" * 3000,
    "Doe^Jane/2.dcm": bytes(300_000),
    "Doe.txt": b"a table",
    "big.nii": os.urandom(1_500_000),
    "empty": b"",
    "köln/" + "deep/" * 30 + "x" * 200: b"a name longer than 255 bytes in all",
    "z": bytes(900_000),
}
PASSPHRASE = "correct horse battery staple"


def medlab(*words, **environment):
    """Run the command line; no sentence of it says whose the files are."""
    env = {"MEDLAB_KEY_FILE": "", **environment}
    result = CliRunner().invoke(commands, [str(word) for word in words], env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Doe" not in result.output
    return result


def refused(*words, code=1, **environment):
    result = medlab(*words, **environment)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    if code == 1:
        assert result.stderr.count("\n") == 1
    return result.stderr


def fill(folder, files=FILES):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def place(tmp_path):
    fill(tmp_path / "src")
    recipient = medlab("pack", "--new-identity", tmp_path / "F").output
    (tmp_path / "to").write_text(f"# the other site\n\n{recipient}")
    return tmp_path


def pack(place, *more, out="out", to="to"):
    return "pack", place / "src", place / out, "--to", place / to, "--part-mb", 1, *more


def unpack(place, out="out", dst="dst", identity="F"):
    return "unpack", place / out, place / dst, "--identity", place / identity


def opened(path, place, identity="F"):
    text = (place / identity).read_text().splitlines()[-1]
    return pyrage.decrypt(path.read_bytes(), [pyrage.x25519.Identity.from_str(text)])


def test_a_folder_comes_back_whole_and_nothing_stands_in_clear(place):
    assert medlab(*pack(place)).exit_code == 0
    names = sorted(path.name for path in (place / "out").iterdir())
    assert names == ["manifest.age", *(f"part-{n:04d}.tar.age" for n in (1, 2, 3))]
    for path in (place / "out").iterdir():
        content = path.read_bytes()
        assert content.startswith(b"age-encryption.org/v1\n")
        assert b"Doe^Jane" not in content
    assert medlab(*unpack(place)).exit_code == 0
    assert tree(place / "dst") == FILES
    assert {p.stat().st_mode & 0o777 for p in (place / "dst").rglob("*") if p.is_file()} == {0o600}
    assert (place / "out.job").stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in place.iterdir()) == [
        "F", "dst", "out", "out.job", "src", "to"
    ]  # fmt: skip


def test_a_part_is_a_tar_of_whole_files_without_owner_or_time_in_the_order_of_names(place):
    os.utime(place / "src/z", (1, 1))
    assert medlab(*pack(place)).exit_code == 0
    parts = []
    for path in sorted((place / "out").glob("part-*")):
        with tarfile.open(fileobj=io.BytesIO(opened(path, place))) as tar:
            parts.append({one.name: tar.extractfile(one).read() for one in tar})
            told = {(m.uid, m.gid, m.uname, m.gname, m.mtime, m.mode) for m in tar}
            assert told == {(0, 0, "", "", 0, 0o644)}
    names = [name for part in parts for name in part]
    assert names == sorted(FILES)
    assert {name: data for part in parts for name, data in part.items()} == FILES
    assert [list(part) for part in parts if "big.nii" in part] == [["big.nii"]]
    content = json.loads(opened(place / "out/manifest.age", place))["parts"]
    assert content == {
        f"part-{n:04d}.tar.age": [
            {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in part.items()
        ]
        for n, part in enumerate(parts, 1)
    }


def test_what_a_job_wrote_is_packed(place):
    shutil.copy(get_testdata_file("CT_small.dcm", download=False), place / "one.dcm")
    words = "deidentify", place / "one.dcm", place / "clean/out.dcm", "--policy", "basic"
    assert medlab(*words).exit_code == 0
    shutil.move(place / "clean/out.dcm.job", place / "out.dcm.job")
    done = medlab("pack", place / "clean", place / "out", "--to", place / "to")
    assert done.exit_code == 0, done.output
    assert medlab(*unpack(place)).exit_code == 0
    assert tree(place / "dst") == tree(place / "clean")


def states(folder):
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_the_same_command_again_makes_only_what_is_missing(place):
    assert medlab(*pack(place)).exit_code == 0
    before = states(place / "out")
    assert medlab(*pack(place)).exit_code == 0
    assert states(place / "out") == before
    (place / "out/part-0002.tar.age").unlink()
    assert medlab(*pack(place)).exit_code == 0
    after = states(place / "out")
    assert {name for name in before if after[name] != before[name]} == {"part-0002.tar.age"}
    (place / "out/manifest.age").unlink()
    assert medlab(*pack(place)).exit_code == 0
    assert medlab(*unpack(place)).exit_code == 0
    assert tree(place / "dst") == FILES


KILLED = """
import os, sys
from medlab.pipeline import packing
from medlab.cli import main
write, left = packing._copied, {count}
def copied(source, sink):
    global left
    left -= 1
    if left < 0:
        sink.flush()
        os._exit(9)
    return write(source, sink)
packing._copied = copied
main()
"""


@pytest.mark.parametrize("count", [0, 3, 6])
def test_what_was_killed_goes_on(place, count):
    words = [str(word) for word in pack(place)]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED.format(count=count), *words], check=False
    )
    assert killed.returncode == 9
    before = states(place / "out") if count else {}
    assert any(name.endswith(".part") for name in before) is bool(count)
    assert medlab(*pack(place)).exit_code == 0
    after = states(place / "out")
    assert {n: s for n, s in before.items() if not n.endswith(".part")}.items() <= after.items()
    assert len(after) == 4
    words = [str(word) for word in unpack(place)]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED.format(count=count), *words], check=False
    )
    assert killed.returncode == 9
    assert medlab(*unpack(place)).exit_code == 0
    assert {n: d for n, d in tree(place / "dst").items() if not n.endswith(".part")} == FILES


@pytest.mark.parametrize("change", ["content", "added", "gone", "size", "time"])
def test_a_source_that_changed_is_refused(place, change):
    assert medlab(*pack(place)).exit_code == 0
    (place / "out/part-0003.tar.age").unlink()
    before = states(place / "out")
    path = place / "src/Doe.txt"
    {
        "content": lambda: path.write_bytes(b"A table"),
        "added": lambda: (place / "src/more").write_bytes(b""),
        "gone": path.unlink,
        "size": lambda: path.write_bytes(b""),
        "time": lambda: os.utime(path, (1, 1)),
    }[change]()
    assert "SRC is not as it was" in refused(*pack(place))
    assert states(place / "out") == before


def test_a_file_that_changes_while_it_is_read_is_refused(place, monkeypatch):
    write = packing._copied

    def copied(source, sink):
        with (place / "src/big.nii").open("ab") as file:
            file.write(b"more")
        return write(source, sink)

    monkeypatch.setattr(packing, "_copied", copied)
    assert "SRC is not as it was" in refused(*pack(place))
    assert "part-0002.tar.age" not in states(place / "out")
    assert not [name for name in states(place / "out") if name.endswith(".part")]


def test_other_recipients_or_sizes_are_another_command(place):
    assert medlab(*pack(place)).exit_code == 0
    other = medlab("pack", "--new-identity", place / "F2").output
    (place / "to2").write_text(other)
    before = states(place / "out")
    (place / "pass").write_text(PASSPHRASE)
    words = "pack", place / "src", place / "out"
    for more in (
        ("--to", place / "to2", "--part-mb", 1),
        ("--to", place / "to"),
        ("--passphrase-file", place / "pass", "--part-mb", 1),
    ):
        assert "choose another OUT" in refused(*words, *more)
    assert states(place / "out") == before


def test_each_of_several_recipients_opens_it(place):
    other = medlab("pack", "--new-identity", place / "F2").output
    (place / "both").write_text((place / "to").read_text() + other)
    assert medlab(*pack(place, to="both")).exit_code == 0
    for identity in ("F", "F2"):
        assert medlab(*unpack(place, dst=f"dst-{identity}", identity=identity)).exit_code == 0
        assert tree(place / f"dst-{identity}") == FILES


def private_job(place):
    shutil.copy(get_testdata_file("CT_small.dcm", download=False), place / "one.dcm")
    words = "deidentify", place / "one.dcm", place / "src/clean.dcm", "--policy", "basic"
    assert medlab(*words).exit_code == 0


@pytest.mark.parametrize(
    "leave",
    [
        lambda place: crypto.write_key(place / "src/Doe^Jane/scan.dcm"),
        lambda place: crypto.Vault(place / "src/table.csv", bytes(32)).close(),
        lambda place: shutil.copy(place / "F", place / "src/notes.txt"),
        private_job,
    ],
)
def test_a_folder_with_a_key_a_vault_or_a_private_folder_is_not_packed(place, leave):
    leave(place)
    assert "sent apart" in refused(*pack(place))
    assert not (place / "out").exists()
    assert not (place / "out.job").exists()


def test_a_private_folder_itself_is_not_packed_nor_what_lies_in_it(place):
    private_job(place)
    for folder in ("src/clean.dcm.job", "src/clean.dcm.job/sub"):
        fill(place / folder, {"note": b"x"})
        refused("pack", place / folder, place / "out", "--to", place / "to")
    assert not (place / "out").exists()


def test_secrets_that_the_command_or_the_environment_names_are_not_packed(place):
    fill(place / "src", {"pass": PASSPHRASE.encode(), "key": b"sixteen bytes and more"})
    words = "pack", place / "src", place / "out"
    refused(*words, "--passphrase-file", place / "src/pass", code=2)
    refused(*words, "--to", place / "to", code=2, MEDLAB_KEY_FILE=str(place / "src/key"))
    assert not (place / "out.job").exists()


def test_links_and_pipes_are_refused(place):
    (place / "src/link").symlink_to(place / "to")
    assert "links" in refused(*pack(place))
    (place / "src/link").unlink()
    os.mkfifo(place / "src/pipe")
    refused(*pack(place))
    assert not (place / "out").exists()


def test_places_that_make_no_sense_are_refused(place):
    (place / "empty").mkdir()
    to = "--to", place / "to"
    refused("pack", place / "empty", place / "out", *to)
    refused("pack", place / "src", place / "src/out", *to)
    refused("pack", place / "src/z", place / "out", *to, code=2)
    refused("pack", place / "nowhere", place / "out", *to, code=2)
    refused("pack", place / "src", place / "out", "--to", place / "nobody", code=2)
    refused("pack", place / "src", place / "out", code=2)
    refused("pack", place / "src", code=2)
    refused("pack", place / "src", place / "out", *to, "--passphrase-file", place / "to", code=2)
    refused("pack", place / "src", place / "out", "--new-identity", place / "F2", code=2)
    refused("unpack", place / "nowhere", place / "dst", "--identity", place / "F", code=2)
    refused("unpack", place / "src", place / "dst", code=2)
    refused("unpack", place / "src", place / "dst", "--identity", place / "F")
    refused("pack", "--new-identity", place / "F")
    fill(place / "full", {"mine": b"x"})
    refused("pack", place / "src", place / "full", *to)
    assert tree(place / "full") == {"mine": b"x"}
    assert not (place / "dst").exists()


def exchange(place, first, second):
    a, b, c = place / "out" / first, place / "out" / second, place / "out/c"
    a.rename(c)
    b.rename(a)
    c.rename(b)


def other_pack(place):
    fill(place / "src", {"Doe.txt": b"another"})
    assert medlab(*pack(place, out="out2")).exit_code == 0
    shutil.copy(place / "out2/part-0001.tar.age", place / "out")


def cut(place, count):
    with (place / "out/part-0002.tar.age").open("r+b") as file:
        file.truncate(count)


@pytest.mark.parametrize(
    ("spoil", "whole"),
    [
        (lambda p: (p / "out/part-0002.tar.age").unlink(), 0),
        (lambda p: (p / "out/manifest.age").unlink(), 0),
        (lambda p: shutil.copy(p / "out/part-0001.tar.age", p / "out/part-0004.tar.age"), 0),
        (lambda p: exchange(p, "part-0002.tar.age", "part-0003.tar.age"), 1),
        (lambda p: exchange(p, "part-0001.tar.age", "manifest.age"), 0),
        (other_pack, 0),
        (lambda p: cut(p, 1_200_000), 1),
        (lambda p: cut(p, 40), 1),
        (lambda p: cut(p, 0), 1),
    ],
)
def test_what_is_missing_exchanged_or_cut_is_refused_and_what_is_written_is_right(
    place, spoil, whole
):
    assert medlab(*pack(place)).exit_code == 0
    spoil(place)
    refused(*unpack(place))
    written = tree(place / "dst") if (place / "dst").exists() else {}
    assert written.items() <= FILES.items()
    assert bool(written) is bool(whole)


def test_a_stranger_opens_nothing(place):
    assert medlab(*pack(place)).exit_code == 0
    medlab("pack", "--new-identity", place / "stranger")
    assert "does not open" in refused(*unpack(place, identity="stranger"))
    assert not (place / "dst").exists()


def test_a_passphrase_does_the_same_and_its_manifest_holds_what_opens_the_parts(place):
    (place / "pass").write_text(PASSPHRASE + "\n")
    words = "pack", place / "src", place / "out", "--passphrase-file", place / "pass"
    assert medlab(*words, "--part-mb", 1).exit_code == 0
    content = json.loads(
        pyrage.passphrase.decrypt((place / "out/manifest.age").read_bytes(), PASSPHRASE)
    )
    identity = pyrage.x25519.Identity.from_str(content["identity"])
    for path in (place / "out").glob("part-*"):
        with tarfile.open(
            fileobj=io.BytesIO(pyrage.decrypt(path.read_bytes(), [identity]))
        ) as tar:
            assert tar.getnames()
    assert content["identity"].encode() not in (place / "out.job/packing.db").read_bytes()
    (place / "out/part-0001.tar.age").unlink()
    (place / "other").write_text("another passphrase")
    assert "passphrase" in refused(*words[:-1], place / "other", "--part-mb", 1)
    assert medlab(*words, "--part-mb", 1).exit_code == 0
    words = "unpack", place / "out", place / "dst", "--passphrase-file"
    assert "does not open" in refused(*words, place / "other")
    assert not (place / "dst").exists()
    assert medlab(*words, place / "pass").exit_code == 0
    assert tree(place / "dst") == FILES


def test_a_second_process_on_the_same_folder_is_refused(place):
    assert medlab(*pack(place)).exit_code == 0
    (place / "out/part-0001.tar.age").unlink()
    with hold(place / "out.job/lock"):
        assert "another run" in refused(*pack(place))
    assert "part-0001.tar.age" not in states(place / "out")


@pytest.mark.parametrize("verb", ["unpack", "hide", "reveal"])
def test_of_two_processes_that_write_one_name_the_second_to_end_is_refused(
    place, monkeypatch, verb
):
    assert medlab(*pack(place)).exit_code == 0
    (place / "key").write_bytes(b"sixteen secret bytes and more")
    (place / "payload").write_bytes(b"a note")
    image = get_testdata_file("CT_small.dcm", download=False)
    keyed = "--key-file", place / "key", "--payload"
    hide = "hide", image, place / "hidden.dcm", *keyed, place / "payload"
    if verb == "reveal":
        assert medlab(*hide).exit_code == 0
    words, name = {
        "unpack": (unpack(place), place / "dst/big.nii"),
        "hide": (hide, place / "hidden.dcm"),
        "reveal": (("reveal", place / "hidden.dcm", *keyed, place / "found"), place / "found"),
    }[verb]
    module = packing if verb == "unpack" else hiding
    appearing = module.appearing

    @contextmanager
    def late(path, *more, **options):
        with appearing(path, *more, **options) as part:
            yield part
            if path == name:
                path.write_bytes(b"of the first")

    monkeypatch.setattr(module, "appearing", late)
    assert "exists already" in refused(*words)
    assert name.read_bytes() == b"of the first"
    assert not list(place.rglob(".*.part"))


@contextmanager
def small_disk(most):
    """Let no file grow beyond a size, as on a full disk."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
@pytest.mark.parametrize("verb", ["pack", "unpack", "hide", "reveal"])
def test_a_disk_that_is_full_in_the_middle_leaves_no_half_file(place, verb):
    image = place / "image.dcm"
    shutil.copy(get_testdata_file("examples_overlay.dcm", download=False), image)
    (place / "key").write_bytes(b"sixteen secret bytes and more")
    (place / "payload").write_bytes(bytes(9000))
    keyed = "--key-file", place / "key", "--payload"
    hide = "hide", image, place / "hidden.dcm", *keyed, place / "payload"
    most = 1_000_000 if "pack" in verb else 5000
    if verb == "unpack":
        assert medlab(*pack(place)).exit_code == 0
    if verb == "reveal":
        assert medlab(*hide).exit_code == 0
    words = {
        "pack": pack(place),
        "unpack": unpack(place),
        "hide": hide,
        "reveal": ("reveal", place / "hidden.dcm", *keyed, place / "found"),
    }[verb]
    names = {path for path in place.rglob("*") if path.is_file()}
    with small_disk(most):
        assert "File too large" in refused(*words)
    new = {p for p in place.rglob("*") if p.is_file() and place / "out.job" not in p.parents}
    assert not [path for path in new if path.name.endswith(".part")]
    for path in new - names:
        below = path.relative_to(place / ("dst" if verb == "unpack" else "out")).as_posix()
        assert path.read_bytes() == FILES[below] if verb == "unpack" else opened(path, place)
    assert medlab(*words).exit_code == 0


@pytest.mark.needs("age")
def test_age_and_tar_open_each_part_alone(place):
    assert medlab(*pack(place)).exit_code == 0
    for path in sorted((place / "out").glob("part-*")):
        (place / path.stem).mkdir()
        command = f"set -o pipefail; age -d -i {place}/F {path} | tar x"
        subprocess.run(["bash", "-ec", command], cwd=place / path.stem, check=True)
        written = tree(place / path.stem)
        assert written
        assert written.items() <= FILES.items()
        for name in written:
            (place / path.stem / name).rename(place / hashlib.sha256(name.encode()).hexdigest())
