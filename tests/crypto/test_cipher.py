import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from medlab import crypto
from medlab.crypto import cipher
from medlab.errors import InputError, RefusedError

KEY, OTHER = bytes(range(32)), bytes(32)


@given(st.text())
def test_what_was_encrypted_comes_back(value):
    assert cipher.decrypt(cipher.encrypt(value, KEY), KEY) == value


def test_a_token_is_one_that_fernet_itself_reads():
    import base64

    token = cipher.encrypt("Doe^Jane", KEY)
    assert Fernet(base64.urlsafe_b64encode(KEY)).decrypt(token) == b"Doe^Jane"
    assert len(token) >= 100


@pytest.mark.parametrize(
    "spoil", [lambda t: t[:-1], lambda t: "A" + t[1:], lambda t: "", str.lower]
)
def test_a_tampered_token_is_refused_in_one_sentence(spoil):
    with pytest.raises(RefusedError, match="altered") as caught:
        cipher.decrypt(spoil(cipher.encrypt("Doe^Jane", KEY)), KEY)
    assert "Doe" not in str(caught.value)


def test_a_wrong_key_is_refused():
    with pytest.raises(RefusedError, match="wrong key"):
        cipher.decrypt(cipher.encrypt("Doe^Jane", KEY), OTHER)
    with pytest.raises(InputError, match="32 bytes"):
        cipher.encrypt("Doe^Jane", b"short")


def test_rotation_moves_a_token_to_the_new_key():
    token = cipher.rotate(cipher.encrypt("Doe^Jane", KEY), KEY, OTHER)
    assert cipher.decrypt(token, OTHER) == "Doe^Jane"
    with pytest.raises(RefusedError):
        cipher.decrypt(token, KEY)
    with pytest.raises(RefusedError):
        cipher.rotate(token, KEY, KEY)


def test_scrypt_is_that_of_rfc_7914():
    # RFC 7914 section 12 has N = 16384 only with this salt; ours asks for 16 bytes and more,
    # so hashlib is the peer here.
    import hashlib

    salt = b"sixteen bytes ok"
    expected = hashlib.scrypt(b"correct horse", salt=salt, n=2**14, r=8, p=1, dklen=32)
    assert crypto.cipher.key_from_passphrase("correct horse", salt, log_n=14) == expected


def test_a_short_passphrase_is_refused():
    with pytest.raises(InputError, match="eight"):
        cipher.key_from_passphrase("1234567", bytes(16))


@given(st.binary(), st.binary())
def test_sealed_bytes_open_only_at_their_place(data, place):
    sealed = cipher.seal(data, KEY, place)
    assert len(sealed) == len(data) + 28
    assert cipher.unseal(sealed, KEY, place) == data
    with pytest.raises(RefusedError):
        cipher.unseal(sealed, KEY, place + b"x")
