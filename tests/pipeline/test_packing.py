"""How files fall into parts, and what comes back of them."""

import io
import os
import tarfile
from itertools import pairwise

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medlab.crypto import shipping
from medlab.errors import RefusedError
from medlab.pipeline import packing


def fill(folder, files):
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def tree(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@given(
    sizes=st.lists(st.sampled_from([0, 1, 511, 512, 513, 4000]), min_size=1, max_size=12),
    most=st.sampled_from([512, 1024, 1536, 4096, 9000]),
)
def test_no_part_is_larger_than_was_asked_but_for_one_file_that_is(tmp_path_factory, sizes, most):
    place = tmp_path_factory.mktemp("law")
    fill(place / "src", {f"{n:02d}": bytes([n]) * size for n, size in enumerate(sizes)})
    shipping.new_identity(place / "F")
    identities = shipping.read_identities(place / "F")
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
    identity = shipping.Identity.generate()
    packing.pack(tmp_path / "src", tmp_path / "out", [identity.to_public()])
    packing.unpack(tmp_path / "out", tmp_path / "dst", [identity])
    assert {os.fsencode(name): data for name, data in tree(tmp_path / "dst").items()} == files


def test_a_part_that_got_its_name_is_noted_whatever_stops_the_packer_then(tmp_path, monkeypatch):
    fill(tmp_path / "src", {"a": b"1", "b": b"2"})
    identity = shipping.Identity.generate()
    to, encrypt_to = [identity.to_public()], shipping.encrypt_to

    def stopped(target, *more):
        encrypt_to(target, *more)
        raise KeyboardInterrupt

    monkeypatch.setattr(shipping, "encrypt_to", stopped)
    with pytest.raises(KeyboardInterrupt):
        packing.pack(tmp_path / "src", tmp_path / "out", to, part_mb=0.001)
    monkeypatch.undo()
    with pytest.raises(RefusedError, match="no manifest"):
        packing.unpack(tmp_path / "out", tmp_path / "dst", [identity])
    assert packing.pack(tmp_path / "src", tmp_path / "out", to, part_mb=0.001) == (2, 2)
    packing.unpack(tmp_path / "out", tmp_path / "dst", [identity])
    assert tree(tmp_path / "dst") == {"a": b"1", "b": b"2"}
