import pytest
from certificates import openssl, recipient
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from medlab.crypto import envelope
from medlab.errors import MedlabError, MissingError, RefusedError, UsageError

CONTENT = b"Doe^Jane\r\n\0 and a second line\n" * 9
OFFICE, BOARD, STRANGER = (recipient(name) for name in ("office", "board", "stranger"))


def sealed(*whose):
    return envelope.encrypt(CONTENT, envelope.valid_recipients(one.pem for one in whose))


@given(st.binary(max_size=300))
def test_what_goes_in_comes_out_for_each_recipient_and_for_nobody_else(content):
    value = envelope.encrypt(content, envelope.valid_recipients([OFFICE.pem, BOARD.pem]))
    assert envelope.decrypt(value, *OFFICE) == content
    assert envelope.decrypt(value, *BOARD) == content
    assert envelope.decrypt(value, *STRANGER) is None


@pytest.mark.needs("openssl")
def test_openssl_opens_ours_with_the_key_of_each_recipient(tmp_path):
    value = sealed(OFFICE, BOARD)
    for name, one in (("office", OFFICE), ("board", BOARD)):
        key, certificate = one.write(tmp_path, name)
        words = ["cms", "-decrypt", "-binary", "-inform", "DER", "-inkey"]
        assert openssl(*words, key, "-recip", certificate, given=value) == CONTENT
    words = ["cms", "-cmsout", "-print", "-inform", "DER", "-noout"]
    text = openssl(*words, given=value).decode()
    assert text.count("d.ktri") == 2
    assert text.count("rsaEncryption (1.2.840.113549.1.1.1)") == 2
    assert text.count("d.issuerAndSerialNumber") == 2
    assert "aes-256-cbc" in text


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("padding", ["pkcs1", "oaep", "oaep sha256", "keyid"])
@pytest.mark.parametrize("form", ["DER", "BER"])
@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des3"])
def test_what_openssl_writes_is_read(tmp_path, cipher, form, padding):
    _, certificate = OFFICE.write(tmp_path, "office")
    words = ["cms", "-encrypt", "-binary", "-outform", "DER", f"-{cipher}"]
    words += ["-stream"] * (form == "BER") + ["-keyid"] * (padding == "keyid")
    words += ["-recip", certificate]
    if padding.startswith("oaep"):
        words += ["-keyopt", "rsa_padding_mode:oaep"]
        words += ["-keyopt", "rsa_oaep_md:sha256"] * padding.endswith("sha256")
    content = CONTENT * 40  # which BER cuts into several strings
    value = openssl(*words, given=content)
    assert envelope.decrypt(value, *OFFICE) == content
    assert envelope.decrypt(value + b"\0", *OFFICE) == content
    assert envelope.decrypt(value, *STRANGER) is None
    name = {"des3": "Triple-DES-CBC"}.get(cipher, cipher.upper())
    assert envelope.outside(value)[0] == f"1 recipient, {name}"


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("words", ["-encrypt -aes-256-gcm", "-data_create", "-digest_create"])
def test_other_kinds_of_messages_are_refused(tmp_path, words):
    _, certificate = OFFICE.write(tmp_path, "office")
    whom = ["-recip", certificate] if "encrypt" in words else []
    value = openssl("cms", *words.split(), "-binary", "-outform", "DER", *whom, given=CONTENT)
    with pytest.raises(RefusedError, match="of another kind"):
        envelope.decrypt(value, *OFFICE)


def test_no_part_of_an_envelope_opens():
    value = sealed(OFFICE)
    for end in range(len(value)):
        with pytest.raises(RefusedError):
            envelope.decrypt(value[:end], *OFFICE)


@pytest.mark.parametrize("more", [b"\1", b"\0\0", b"Doe^Jane"])
def test_nothing_but_one_zero_byte_may_stand_behind(more):
    with pytest.raises(RefusedError):
        envelope.decrypt(sealed(OFFICE) + more, *OFFICE)


def test_a_refusal_does_not_tell_what_failed():
    value = bytearray(sealed(OFFICE))
    said = set()
    for place in range(len(value)):
        value[place] ^= 1
        try:
            envelope.decrypt(bytes(value), *OFFICE)
        except RefusedError as error:
            said.add(str(error))
        value[place] ^= 1
    assert len(said) == 1


def test_two_envelopes_of_the_same_content_share_no_secret_byte():
    first, second = sealed(OFFICE), sealed(OFFICE)
    assert len(first) == len(second)
    assert envelope.outside(first) == envelope.outside(second)
    assert first != second


def test_without_a_key_the_issuers_are_seen_and_nothing_that_differs_by_content():
    told, clear = envelope.outside(sealed(OFFICE, BOARD))
    assert told == "2 recipients, AES-256-CBC"
    assert b"office" in clear
    assert b"board" in clear
    other = envelope.encrypt(b"x" * len(CONTENT), envelope.valid_recipients([OFFICE.pem]))
    assert envelope.outside(other)[1] == envelope.outside(sealed(OFFICE))[1]


def test_recipients_have_one_form_whatever_their_order_and_however_often_they_are_named():
    named = envelope.valid_recipients([OFFICE.pem, BOARD.pem])
    assert named == envelope.valid_recipients(["text before\n" + BOARD.pem, OFFICE.pem, BOARD.pem])


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        (recipient("elliptic", kind="ec").pem, "not RSA"),
        (recipient("late", -9, -1).pem, "expired"),
        (recipient("early", 1, 9).pem, "not yet valid"),
        (OFFICE.pem + BOARD.pem, "several"),
        (OFFICE.pem[:300], "cannot be read"),
        ("Doe^Jane", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_certificates_that_will_not_do(pem, why):
    with pytest.raises(UsageError, match=why) as caught:
        envelope.valid_recipients([OFFICE.pem, pem])
    assert "Doe" not in str(caught.value)


def test_an_envelope_without_recipients_is_not_written():
    with pytest.raises(UsageError, match="recipient"):
        envelope.encrypt(CONTENT, ())


def test_an_old_certificate_still_names_whom_an_envelope_is_for():
    late = recipient("late", -9, -1)
    assert envelope.certificate_of(late.pem) == late.certificate


def test_a_private_key_is_read_with_its_passphrase_only(tmp_path):
    (tmp_path / "words").write_bytes(b"five wet otters\r\n")
    (tmp_path / "other").write_bytes(b"six dry otters\n")
    for name in ("words", "other"):
        (tmp_path / name).chmod(0o600)
    locked, _ = OFFICE.write(tmp_path, "locked", b"five wet otters")
    key, _ = OFFICE.write(tmp_path, "office")
    numbers = OFFICE.key.private_numbers()
    assert envelope.read_private_key(locked, tmp_path / "words").private_numbers() == numbers
    assert envelope.read_private_key(key).private_numbers() == numbers
    for words in ((locked,), (locked, tmp_path / "other"), (key, tmp_path / "words")):
        with pytest.raises(UsageError, match="passphrase") as caught:
            envelope.read_private_key(*words)
        assert "otters" not in str(caught.value)


def test_other_files_are_no_private_key(tmp_path):
    elliptic = recipient("elliptic", kind="ec").key
    pem = elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (pem, OFFICE.pem.encode(), b"", b"\xff" * 9):
        (tmp_path / "file").write_bytes(content)
        (tmp_path / "file").chmod(0o600)
        with pytest.raises(MedlabError):
            envelope.read_private_key(tmp_path / "file")
    with pytest.raises(MissingError):
        envelope.read_private_key(tmp_path / "none")
    with pytest.raises(UsageError):
        envelope.read_pem(tmp_path / "none")
