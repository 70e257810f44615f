"""Encrypted attributes from the command line, looked at by pydicom and openssl alone."""

import json
import shutil
from io import BytesIO

import nibabel as nib
import numpy as np
import pytest
from certificates import openssl, recipient
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import generate_uid

from medlab.cli import commands

OFFICE, BOARD = recipient("office"), recipient("board")
NAMES = ("Okafor", "Ngozi", "Lindqvist", "778811")


def medlab(*words):
    """Run the command line; no sentence of it may say whose the files are."""
    result = CliRunner().invoke(commands, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert not [name for name in NAMES if name in result.output]
    return result


@pytest.fixture
def place(tmp_path):
    """Two patients in DICOM, a NIfTI file, and the keys of two recipients."""
    (tmp_path / "in").mkdir()
    for number, name in enumerate(["Okafor^Ngozi", "Lindqvist^Åke"]):
        header = dcmread(get_testdata_file("MR_small.dcm", download=False))
        header.SpecificCharacterSet = "ISO_IR 100"
        header.PatientID, header.PatientName = f"MRN-77881{number}", name
        header.InstitutionName = "Oakfield"
        header.StudyInstanceUID = generate_uid()
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        header.save_as(tmp_path / "in" / f"{number}.dcm")
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), "i2"), np.eye(4)), tmp_path / "in" / "a.nii")
    OFFICE.write(tmp_path, "office")
    BOARD.write(tmp_path, "board", b"five wet otters")
    (tmp_path / "words").write_text("five wet otters\n")
    (tmp_path / "key").write_bytes(b"sixteen secret bytes and more")
    return tmp_path


def clean(place, *whose, target="out", more=()):
    words = [word for name in whose for word in ("--encrypt-to", place / f"{name}.pem")]
    words = [
        "deidentify",
        place / "in",
        place / target,
        "--key-file",
        place / "key",
        *words,
        *more,
    ]
    return medlab(*words)


def back(place, *more, whose="office", source="out"):
    pair = ("--private-key", place / f"{whose}.key", "--certificate", place / f"{whose}.pem")
    return medlab("reidentify", place / source, place / "back", *pair, *more)


def by_uid(folder):
    return {header.SOPInstanceUID: header for header in map(dcmread, folder.rglob("*.dcm"))}


def outputs(place, target="out"):
    return sorted((place / target).rglob("*.dcm"))


@pytest.mark.parametrize("policy", ["basic", "research"])
@pytest.mark.parametrize("whose", ["office", "board"])
def test_each_recipient_alone_restores_every_file_as_it_was(place, policy, whose):
    done = clean(place, "office", "board", more=("--policy", policy, "--no-vault"))
    assert done.exit_code == 0, done.output
    assert "encrypted attributes in 2 files, for 2 recipients; 1 NIfTI files" in done.output
    shutil.rmtree(place / "out.job")
    words = ("--passphrase-file", place / "words") * (whose == "board")
    done = back(place, *words, whose=whose)
    assert done.exit_code == 0, done.output
    sources, restored = by_uid(place / "in"), by_uid(place / "back")
    assert len(restored) == 2
    assert [p.name for p in outputs(place, "back")] == [p.name for p in outputs(place)]
    for uid, source in sources.items():
        for dataset in (source, restored[uid]):
            dataset.pop("DataSetTrailingPadding", None)
        assert restored[uid] == source
        assert restored[uid].file_meta.MediaStorageSOPInstanceUID == uid
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in outputs(place, "back"))


def test_the_report_says_pseudonymized_and_who_restores(place):
    clean(place, "office", more=("--no-vault",))
    report = json.loads((place / "out.job" / "report.json").read_text())
    assert report["vault"] == {}
    assert any("pseudonymized" in words for words in report["words"])
    assert report["envelopes"]["recipients"] == ["CN=office"]
    assert [report["envelopes"][name] for name in ("files", "no_place", "kept")] == [2, 1, 0]
    page = (place / "out.job" / "report.html").read_text()
    assert "CN=office" in page
    assert "pseudonymized" in page


@pytest.mark.needs("openssl")
def test_openssl_finds_the_name_and_nobody_sees_it_before(place):
    clean(place, "office")
    found = set()
    for path in outputs(place):
        assert not [name for name in NAMES if name.encode() in path.read_bytes()]
        (item,) = dcmread(path).EncryptedAttributesSequence
        words = ["cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", place / "office.key"]
        plain = openssl(*words, "-recip", place / "office.pem", given=item.EncryptedContent)
        content = read_dataset(BytesIO(plain), is_implicit_VR=False, is_little_endian=True)
        found.add(str(content.ModifiedAttributesSequence[0].PatientName))
    assert found == {"Okafor^Ngozi", "Lindqvist^Åke"}


def test_verify_takes_an_envelope_for_none_of_the_source_and_a_name_in_its_place_for_a_leak(place):
    clean(place, "office")
    assert medlab("verify", place / "in", place / "out").exit_code == 0
    path = outputs(place)[0]
    header = dcmread(path)
    value = header.EncryptedAttributesSequence[0].EncryptedContent
    for leak in (b"Okafor^Ngozi Lindqvist^\xc5ke", value + b"Okafor Lindqvist"):
        header.EncryptedAttributesSequence[0].EncryptedContent = leak + b"\0" * (len(leak) % 2)
        header.save_as(path)
        done = medlab("verify", place / "in", place / "out")
        assert done.exit_code == 1
        assert "(0400,0520)" in done.output or "bytes" in done.output


def test_a_certificate_that_says_what_must_not_be_said_keeps_the_files_from_appearing(place):
    recipient("Oakfield").write(place, "named")
    done = clean(place, "named")
    assert done.exit_code == 1
    assert "2 unverified" in done.output
    assert outputs(place) == []


def test_inspect_tells_number_and_algorithm_and_no_value(place):
    clean(place, "office", "board")
    for where in (outputs(place)[0], place / "out"):
        told = medlab("inspect", where)
        assert "encrypted for 2 recipients, AES-256-CBC" in told.output


def test_the_recipients_belong_to_the_settings(place):
    assert clean(place, "office", "board").exit_code == 0
    again = clean(place, "board", "office")
    assert again.exit_code == 0
    assert "0 done in this run" in again.output
    for whose in (("office",), ()):
        other = clean(place, *whose)
        assert other.exit_code == 1
        assert "other settings" in other.output
    assert clean(place, "office", more=("--overwrite",)).exit_code == 0
    assert back(place, "--passphrase-file", place / "words", whose="board").exit_code == 1
    assert outputs(place, "back") == []


def test_nothing_but_the_envelope_differs_from_run_to_run(place):
    for target in ("one", "two"):
        clean(place, "office", target=target)
    for first, second in zip(outputs(place, "one"), outputs(place, "two"), strict=True):
        data = []
        for path in (first, second):
            value = dcmread(path).EncryptedAttributesSequence[0].EncryptedContent
            data.append((path.read_bytes().replace(value, b""), value))
        assert data[0][0] == data[1][0]
        assert data[0][1] != data[1][1]


def test_what_came_encrypted_is_kept_counted_and_stands_before_ours(place):
    foreign = Dataset()
    foreign.EncryptedContentTransferSyntaxUID = "1.2.840.10008.1.2.1"
    foreign.EncryptedContent = b"of another hand "
    for path in (place / "in").glob("*.dcm"):
        header = dcmread(path)
        header.EncryptedAttributesSequence = [foreign]
        header.save_as(path)
    plain = clean(place, target="plain")
    assert "attributes that came encrypted were kept in 2 files" in plain.output
    done = clean(place, "office")
    assert "attributes that came encrypted were kept in 2 files" in done.output
    for path in outputs(place, "plain"):
        assert list(dcmread(path).EncryptedAttributesSequence) == [foreign]
    for path in outputs(place):
        first, second = dcmread(path).EncryptedAttributesSequence
        assert first == foreign
        assert len(second.EncryptedContent) > 500


def test_a_damaged_file_is_refused_and_the_others_go_on(place):
    clean(place, "office")
    damaged = outputs(place)[0]
    header = dcmread(damaged)
    item = header.EncryptedAttributesSequence[0]
    item.EncryptedContent = item.EncryptedContent[:-40]
    header.save_as(damaged)
    done = back(place)
    assert done.exit_code == 1
    assert "1 files restored, 1 refused" in done.output
    assert [path.name for path in outputs(place, "back")] == [outputs(place)[1].name]
    single = ("--private-key", place / "office.key", "--certificate", place / "office.pem")
    assert medlab("reidentify", damaged, place / "one.dcm", *single).exit_code == 1
    assert not (place / "one.dcm").exists()


def test_what_own_rules_encrypt_goes_again_with_the_rest(place):
    (place / "rules.yaml").write_text("StudyDescription: encrypt\n")
    header = dcmread(place / "in" / "0.dcm")
    header.StudyDescription = "knee"
    header.save_as(place / "in" / "0.dcm")
    assert clean(place, "office", more=("--rules", place / "rules.yaml")).exit_code == 0
    assert any("MEDLAB ENCRYPTED" in str(dcmread(path)) for path in outputs(place))
    assert back(place).exit_code == 0
    restored = by_uid(place / "back")[header.SOPInstanceUID]
    assert restored.StudyDescription == "knee"
    assert not [element for element in restored if element.tag.is_private]


@pytest.mark.parametrize(
    ("name", "first", "last", "kind"),
    [("elliptic", -1, 9, "ec"), ("expired", -9, -1, "rsa"), ("early", 1, 9, "rsa")],
)
def test_certificates_that_will_not_do_stop_the_job_before_it_writes(
    place, name, first, last, kind
):
    recipient(name, first, last, kind).write(place, name)
    assert clean(place, "office", name).exit_code == 2
    assert not (place / "out").exists()
    assert not (place / "out.job").exists()


@pytest.mark.parametrize("content", [None, "", "Okafor", OFFICE.pem[:200]])
def test_files_that_are_no_certificate_stop_it_too(place, content):
    if content is not None:
        (place / "bad.pem").write_text(content)
    assert clean(place, "bad").exit_code == 2
    assert not (place / "out").exists()
    assert not (place / "out.job").exists()


def test_safe_harbor_keeps_no_way_back(place):
    words = ("deidentify", place / "in", place / "out", "--encrypt-to", place / "office.pem")
    assert medlab(*words, "--policy", "safe-harbor").exit_code == 2
    assert not (place / "out.job").exists()


@pytest.mark.parametrize(
    "more",
    [
        ("--vault", "vault.db"),
        ("--key-file", "key"),
        ("--rotate-to", "key"),
        ("--rotate-to-passphrase", "words"),
        ("--shares", "key", "--shares", "words"),
    ],
)
def test_a_private_key_goes_with_nothing_of_a_vault(place, more):
    clean(place, "office")
    assert back(place, *more).exit_code == 2
    assert not (place / "back").exists()


def test_a_private_key_needs_its_certificate_and_a_place(place):
    clean(place, "office")
    key, certificate = place / "office.key", place / "office.pem"
    source, target = place / "out", place / "back"
    for words in (
        (source, target, "--private-key", key),
        (source, target, "--certificate", certificate),
        (source, "--private-key", key, "--certificate", certificate),
        (source, target, "--private-key", key, "--certificate", place / "board.pem"),
        (source, target, "--private-key", place / "board.key", "--certificate", certificate),
    ):
        assert medlab("reidentify", *words).exit_code == 2
    assert not target.exists()
