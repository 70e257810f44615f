import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.binary(), st.binary())
def test_sealed_bytes_open_only_at_their_place(data, place):
    sealed = cipher.seal(data, KEY, place)
    assert len(sealed) == len(data) + 28
    assert cipher.unseal(sealed, KEY, place) == data
    with pytest.raises(RefusedError):
        cipher.unseal(sealed, KEY, place + b"x")
