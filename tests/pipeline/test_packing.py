"""Packing: how files fall into parts, what comes back of them, what age and tar say of a part."""

import io
import json
import os
import re
import subprocess
import tarfile
from functools import partial
from itertools import pairwise

import pyrage
import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from medlab import crypto
from medlab.errors import InputError, RefusedError
from medlab.pipeline import packing


def fill(folder, files):
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@given(
    sizes=st.lists(st.sampled_from([0, 1, 511, 512, 513, 4000]), min_size=1, max_size=12),
    most=st.sampled_from([512, 1024, 1536, 4096, 9000]),
)
def test_no_part_is_larger_than_was_asked_but_for_one_file_that_is(tmp_path_factory, sizes, most):
    place = tmp_path_factory.mktemp("law")
    fill(place / "src", {f"{n:02d}": bytes([n]) * size for n, size in enumerate(sizes)})
    packing.new_identity(place / "F")
    identities = packing.read_identities(place / "F")
    to = [one.to_public() for one in identities]
    done = packing.pack(place / "src", place / "out", to, part_mb=most / 2**20)
    held = []
    for path in sorted((place / "out").glob("part-*")):
        with tarfile.open(
            fileobj=io.BytesIO(pyrage.decrypt(path.read_bytes(), identities))
        ) as tar:
            held.append([512 + -(-member.size // 512) * 512 for member in tar])
    assert done == (len(sizes), len(held))
    assert all(sum(part) <= most or len(part) == 1 for part in held)
    assert all(sum(a) + b[0] > most for a, b in pairwise(held))
    assert packing.unpack(place / "out", place / "dst", identities) == done
    assert tree(place / "dst") == tree(place / "src")


def test_a_name_in_no_encoding_and_one_of_many_scripts_come_back(tmp_path):
    files = {b"caf\xe9": b"latin", "東京 ♥".encode(): b"utf-8"}
    (tmp_path / "src").mkdir()
    for name, data in files.items():
        (tmp_path / "src" / os.fsdecode(name)).write_bytes(data)
    identity = pyrage.x25519.Identity.generate()
    packing.pack(tmp_path / "src", tmp_path / "out", [identity.to_public()])
    packing.unpack(tmp_path / "out", tmp_path / "dst", [identity])
    assert {os.fsencode(name): data for name, data in tree(tmp_path / "dst").items()} == files


def test_a_part_that_got_its_name_is_noted_whatever_stops_the_packer_then(tmp_path, monkeypatch):
    fill(tmp_path / "src", {"a": b"1", "b": b"2"})
    identity = pyrage.x25519.Identity.generate()
    to, encrypt_to = [identity.to_public()], packing._encrypt_to

    def stopped(target, *more):
        encrypt_to(target, *more)
        raise KeyboardInterrupt

    monkeypatch.setattr(packing, "_encrypt_to", stopped)
    with pytest.raises(KeyboardInterrupt):
        packing.pack(tmp_path / "src", tmp_path / "out", to, part_mb=0.001)
    monkeypatch.undo()
    with pytest.raises(RefusedError, match="no manifest"):
        packing.unpack(tmp_path / "out", tmp_path / "dst", [identity])
    assert packing.pack(tmp_path / "src", tmp_path / "out", to, part_mb=0.001) == (2, 2)
    packing.unpack(tmp_path / "out", tmp_path / "dst", [identity])
    assert tree(tmp_path / "dst") == {"a": b"1", "b": b"2"}


CONTENT = {"a/x.dcm": b"first" * 999, "b": b"", "ü/" + "long" * 40: bytes(70_000)}


@pytest.fixture
def identity(tmp_path):
    packing.new_identity(tmp_path / "identity")
    return packing.read_identities(tmp_path / "identity")


def tarred(content):
    """Return a tar of files made by tarfile."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def members(content):
    from hashlib import sha256

    return [
        packing._Member(name, len(data), sha256(data).hexdigest())
        for name, data in content.items()
    ]


def sealed(tmp_path, identities, plain):
    part = tmp_path / "part"
    part.write_bytes(pyrage.encrypt(plain, [one.to_public() for one in identities]))
    return part


def test_an_identity_is_in_the_form_of_age_keygen_and_never_overwritten(tmp_path):
    recipient = packing.new_identity(tmp_path / "F")
    assert (tmp_path / "F").stat().st_mode & 0o777 == 0o600
    note, secret = (tmp_path / "F").read_text().splitlines()
    assert note == f"# public key: {recipient}"
    assert str(pyrage.x25519.Identity.from_str(secret).to_public()) == recipient
    with pytest.raises(RefusedError):
        packing.new_identity(tmp_path / "F")


def test_recipients_stand_one_a_line_and_remarks_are_passed_over(tmp_path):
    keys = [packing.new_identity(tmp_path / str(n)) for n in range(2)]
    ssh = ed25519.Ed25519PrivateKey.generate().public_key()
    keys.append(ssh.public_bytes(pem.Encoding.OpenSSH, pem.PublicFormat.OpenSSH).decode())
    (tmp_path / "to").write_text(f"# us\r\n{keys[0]}\n\n  {keys[1]}  \n#{keys[0]}\n{keys[2]} me\n")
    assert len(packing.read_recipients(tmp_path / "to")) == 3


@pytest.mark.parametrize(
    "text", ["", "# nobody\n\n", "age1nothing", "AGE-SECRET-KEY-1XYZ", "\xff"]
)
def test_no_recipient_and_what_is_none_are_refused_without_being_repeated(tmp_path, text):
    (tmp_path / "to").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match="recipient") as caught:
        packing.read_recipients(tmp_path / "to")
    assert "XYZ" not in str(caught.value)


def test_an_ssh_key_opens_what_was_encrypted_to_it(tmp_path):
    key = ed25519.Ed25519PrivateKey.generate()
    form = pem.PrivateFormat.OpenSSH
    (tmp_path / "id").write_bytes(key.private_bytes(pem.Encoding.PEM, form, pem.NoEncryption()))
    (tmp_path / "to").write_bytes(
        key.public_key().public_bytes(pem.Encoding.OpenSSH, pem.PublicFormat.OpenSSH)
    )
    to = packing.read_recipients(tmp_path / "to")
    packing._encrypt_to(tmp_path / "out", to, lambda sink: sink.write(b"a note"))
    opened = pyrage.decrypt(
        (tmp_path / "out").read_bytes(), packing.read_identities(tmp_path / "id")
    )
    assert opened == b"a note"


@pytest.mark.parametrize("content", [b"", b"nothing", b"-----BEGIN RSA\n", b"\xff\xfe"])
def test_a_file_without_an_identity_opens_nothing(tmp_path, identity, content):
    (tmp_path / "F").write_bytes(content)
    part = sealed(tmp_path, identity, tarred(CONTENT))
    with pytest.raises((InputError, RefusedError)):
        packing._read_part(
            part, members(CONTENT), packing.read_identities(tmp_path / "F"), tmp_path / "dst"
        )


def test_a_tar_that_others_made_and_sealed_is_read(tmp_path, identity):
    part = sealed(tmp_path, identity, tarred(CONTENT))
    packing._read_part(part, members(CONTENT), identity, tmp_path / "dst")
    assert tree(tmp_path / "dst") == CONTENT


def test_no_byte_of_a_part_may_change_and_none_may_be_missing(tmp_path, identity):
    part = sealed(tmp_path, identity, tarred(CONTENT))
    whole = part.read_bytes()
    places = [*range(0, 400, 7), *range(400, len(whole), 4999), len(whole) - 1]
    for broken in (
        *(whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1 :] for n in places),
        *(whole[:n] for n in places),
        whole + b"\0",
    ):
        part.write_bytes(broken)
        with pytest.raises(RefusedError):
            packing._read_part(part, members(CONTENT), identity, tmp_path / "dst")
        assert not (tmp_path / "dst").exists() or tree(tmp_path / "dst") == {}


def other(name="a/x.dcm", **changes):
    """Return a tar whose first member is something else than the manifest says."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(CONTENT["a/x.dcm"])
        for key, value in changes.items():
            setattr(info, key, value)
        tar.addfile(info, io.BytesIO(CONTENT["a/x.dcm"]) if info.isreg() else None)
    return out.getvalue()


@pytest.mark.parametrize(
    "tar",
    [
        other("../x.dcm"),
        other("/outside/x.dcm"),
        other(type=tarfile.SYMTYPE, linkname="/etc/passwd", size=0),
        other(type=tarfile.LNKTYPE, linkname="/etc/passwd", size=0),
        other(type=tarfile.CHRTYPE, size=0),
        other(type=tarfile.DIRTYPE, size=0),
        other(size=4),
        b"",
        b"no tar" * 999,
        tarred(dict(list(CONTENT.items())[::-1])),
        tarred(CONTENT | {"more": b"x"}),
        tarred(CONTENT | {"b": b"x"}),
        tarred({"b": b""}),
    ],
)
def test_what_is_not_in_the_manifest_is_not_written(tmp_path, identity, tar):
    part = sealed(tmp_path, identity, tar)
    with pytest.raises(RefusedError):
        packing._read_part(part, members(CONTENT), identity, tmp_path / "dst")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] in (
        ["part", "identity"],
        ["identity", "part"],
    )


def test_what_is_there_and_right_stays_and_what_is_other_is_never_written_over(tmp_path, identity):
    part = sealed(tmp_path, identity, tarred(CONTENT))
    (tmp_path / "dst/a").mkdir(parents=True)
    (tmp_path / "dst/a/x.dcm").write_bytes(CONTENT["a/x.dcm"])
    before = (tmp_path / "dst/a/x.dcm").stat()
    packing._read_part(part, members(CONTENT), identity, tmp_path / "dst")
    assert tree(tmp_path / "dst") == CONTENT
    assert (tmp_path / "dst/a/x.dcm").stat().st_ino == before.st_ino
    (tmp_path / "dst/b").write_bytes(b"mine")
    with pytest.raises(RefusedError, match="DST"):
        packing._read_part(part, members(CONTENT), identity, tmp_path / "dst")
    assert (tmp_path / "dst/b").read_bytes() == b"mine"


def test_a_link_that_stands_in_the_target_is_not_followed_out_of_it(tmp_path, identity):
    part = sealed(tmp_path, identity, tarred(CONTENT))
    (tmp_path / "dst").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "dst/a").symlink_to(tmp_path / "outside")
    with pytest.raises(RefusedError, match="link"):
        packing._read_part(part, members(CONTENT), identity, tmp_path / "dst")
    assert not any((tmp_path / "outside").iterdir())


def manifest(names, **more):
    return json.dumps(
        {"parts": {"p": [{"name": n, "size": 1, "sha256": ""} for n in names]}, **more}
    )


@pytest.mark.parametrize(
    "text",
    [
        *(manifest([name]) for name in ("../x", "/x", "a/../../x", "..", ".", "")),
        manifest(["x"])[:-1],
        "[]",
        '{"parts": 3}',
        '{"parts": {"p": [{"name": "x"}]}}',
        '{"parts": {"p": [{"name": 3, "size": 1, "sha256": ""}]}}',
        "\ud800",
    ],
)
def test_a_manifest_that_leads_out_or_is_none_is_refused(tmp_path, identity, text):
    path = sealed(tmp_path, identity, text.encode("utf-8", "surrogatepass"))
    with pytest.raises(RefusedError):
        packing._read_manifest(path, identity, None)


def test_the_manifest_comes_back_and_to_nobody_else(tmp_path, identity):
    parts = {
        "part-0001.tar.age": members(CONTENT),
        "part-0002.tar.age": [packing._Member("z", 1, "00")],
    }
    to = [one.to_public() for one in identity]
    packing._encrypt_to(tmp_path / "m", to, partial(packing._write_manifest, parts.items(), None))
    assert packing._read_manifest(tmp_path / "m", identity, None)[0] == parts
    with pytest.raises(RefusedError, match="does not open"):
        packing._read_manifest(tmp_path / "m", [pyrage.x25519.Identity.generate()], None)


def private_pem():
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())


def test_keys_and_vaults_are_known_by_how_they_begin_whatever_their_name(tmp_path):
    crypto.write_key(tmp_path / "key")
    packing.new_identity(tmp_path / "identity")
    (tmp_path / "fernet").write_bytes(Fernet.generate_key())
    (tmp_path / "pem").write_bytes(b"a remark\n" + private_pem())
    with crypto.Vault(tmp_path / "vault", bytes(32)) as vault:
        vault.remember([("patient", "P1", "Doe^Jane", "one")])
        vault.patient_key("P1", reason="a test").write(tmp_path / "patient")
        crypto.keys.write_audit_key(tmp_path / "audit", vault.audit_key)
    for name in ("key", "identity", "fernet", "pem", "vault", "patient", "audit"):
        source = tmp_path / f"with the {name}"
        source.mkdir()
        (tmp_path / name).rename(source / "anything")
        with pytest.raises(RefusedError, match="SRC holds a key, a vault"):
            packing._check_source(source, ())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"DICM" * 40,
        b"A" * 43,
        b"the words AGE-SECRET-KEY- in a text",
        b"SQLite format 3\0" * 9,
    ],
)
def test_other_files_are_no_secrets(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    packing._check_source(tmp_path, ())


@pytest.mark.needs("age")
def test_age_and_tar_make_a_part_that_medlab_reads_and_read_one_that_it_made(tmp_path, identity):
    for name, data in CONTENT.items():
        path = tmp_path / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    to = re.search("age1.*", (tmp_path / "identity").read_text())[0]
    command = f"tar c {' '.join(CONTENT)} | age -r {to} -o ../part"
    subprocess.run(["bash", "-ec", command], cwd=tmp_path / "src", check=True)
    packing._read_part(tmp_path / "part", members(CONTENT), identity, tmp_path / "dst")
    assert tree(tmp_path / "dst") == CONTENT

    rows = [(name, tmp_path / "src" / name, len(data)) for name, data in CONTENT.items()]
    packing._encrypt_to(
        tmp_path / "ours",
        [one.to_public() for one in identity],
        lambda sink: packing._write_tar(rows, print, sink),
    )
    (tmp_path / "back").mkdir()
    command = "set -o pipefail; age -d -i ../identity ../ours | tar x"
    subprocess.run(["bash", "-ec", command], cwd=tmp_path / "back", check=True)
    assert tree(tmp_path / "back") == CONTENT
