"""Envelopes: bytes for the holders of private keys (CMS EnvelopedData, RFC 5652, section 6).

`cryptography` writes them and does every primitive; `asn1crypto` reads their structure, since
others write AES-192, Triple-DES, OAEP and BER, and DICOM pads to an even length.

CBC authenticates nothing: an altered envelope may open with another content. Who uses one puts
a digest into the content (see `medlab.dicom.encrypted`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from asn1crypto import cms, parser
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7
from cryptography.x509.oid import PublicKeyAlgorithmOID

from medlab.crypto.keys import read_secret
from medlab.errors import RefusedError, UsageError

#: One sentence for all that may go wrong: an answer that differs is an oracle to who asks often.
_ALTERED = "the envelope cannot be opened: it was altered or cut off, or is of another kind"
_NAMES = {"tripledes_3key": "Triple-DES-CBC"}
_NAMES |= {f"aes{bits}_cbc": f"AES-{bits}-CBC" for bits in (128, 192, 256)}
_CIPHERS: dict[str, Any] = {"aes": algorithms.AES, "tripledes": TripleDES}


def certificate_of(pem: str) -> x509.Certificate:
    """Return the certificate in a PEM text; UsageError if it is none, or its key is not RSA."""
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
        kind = certificates[0].public_key_algorithm_oid
    except ValueError:
        raise UsageError("a certificate cannot be read; give an X.509 in PEM") from None
    if len(certificates) > 1:
        raise UsageError("a certificate file holds several; give one recipient a file")
    if kind != PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5:
        raise UsageError("a certificate's key is not RSA; envelopes are for RSA keys only")
    return certificates[0]


def read_pem(path: Path | str) -> str:
    """Return the text of a certificate file; UsageError if it cannot be read."""
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        raise UsageError("a certificate file cannot be read; check its path") from None


def valid_recipients(pems: Iterable[str]) -> tuple[str, ...]:
    """Return certificates for writing envelopes, in one form and order, each once.

    Raises
    ------
    UsageError
        If one of them cannot be read, is not for RSA, or is not valid today.
    """
    certificates, now = {certificate_of(pem) for pem in pems}, datetime.now(UTC)
    for certificate in certificates:  # `cryptography` takes them at any time
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise UsageError("a certificate has expired or is not yet valid; ask for a new one")
    return tuple(
        sorted(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)
    )


def read_private_key(path: Path | str, passphrase_file: Path | None = None) -> RSAPrivateKey:
    """Return an RSA key from a PEM file, with the passphrase that locks it, if one does.

    Raises
    ------
    MissingError, UsageError
        If a file is not there or cannot be read; if the passphrase is wrong, missing or needless.
    """
    passphrase = passphrase_file and read_secret(passphrase_file, "passphrase file")
    try:
        words = passphrase.rstrip(b"\r\n") if passphrase else None
        key = load_pem_private_key(read_secret(path, "private key"), words)
    except (ValueError, TypeError):  # also those of `cryptography` for algorithms it lacks
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise UsageError(
            "the private key cannot be read; give an RSA key in PEM, and its passphrase in a file "
            "if one locks it"
        )
    return key


@contextmanager
def _one_refusal() -> Iterator[None]:
    """Let all that may go wrong look alike: hostile bytes fail in any way."""
    try:
        yield
    except Exception:  # noqa: BLE001 - see `_ALTERED`
        raise RefusedError(_ALTERED) from None


@lru_cache(maxsize=8)
def _builder(pems: tuple[str, ...]) -> pkcs7.PKCS7EnvelopeBuilder:
    builder = pkcs7.PKCS7EnvelopeBuilder().set_content_encryption_algorithm(algorithms.AES256)
    for pem in pems:
        builder = builder.add_recipient(certificate_of(pem))
    return builder


def encrypt(content: bytes, recipients: Sequence[str]) -> bytes:
    """Return an envelope in DER that each recipient opens alone.

    Parameters
    ----------
    content : bytes
    recipients : sequence of str
        Certificates in PEM, see `valid_recipients`.

    Notes
    -----
    AES-256-CBC under a key drawn for this envelope, which is encrypted by RSA (PKCS#1 v1.5) for
    each certificate, named by its issuer and serial number.
    """
    if not recipients:
        raise UsageError("an envelope needs a recipient, for nobody could open it")
    builder = _builder(tuple(recipients)).set_data(content)
    return builder.encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])


@_one_refusal()
def decrypt(value: bytes, key: RSAPrivateKey, certificate: x509.Certificate) -> bytes | None:
    """Return the content of an envelope; None if this certificate is not among its recipients.

    Reads AES-128, AES-192, AES-256 and Triple-DES in CBC mode, PKCS#1 v1.5 and OAEP, DER and BER,
    with or without one zero byte behind.

    Raises
    ------
    RefusedError
        If it was altered, or is of another kind. Not every alteration shows: CBC.
    """
    enveloped = _enveloped(value)
    own = asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
    names = ((own.issuer, own.serial_number), own.key_identifier)
    infos = [info.chosen for info in enveloped["recipient_infos"] if info.name == "ktri"]
    info = next((info for info in infos if _name_of(info["rid"]) in names), None)
    if info is None:
        return None
    sealed = enveloped["encrypted_content_info"]
    algorithm = sealed["content_encryption_algorithm"]
    secret = key.decrypt(info["encrypted_key"].native, _padding(info["key_encryption_algorithm"]))
    if algorithm["algorithm"].native not in _NAMES or len(secret) != algorithm.key_length:
        raise ValueError
    mode = modes.CBC(algorithm.encryption_iv)
    decryptor = Cipher(_CIPHERS[algorithm.encryption_cipher](secret), mode).decryptor()
    padded = decryptor.update(sealed["encrypted_content"].native) + decryptor.finalize()
    unpadder = PKCS7(8 * algorithm.encryption_block_size).unpadder()
    return bytes(unpadder.update(padded) + unpadder.finalize())


def _enveloped(value: bytes) -> Any:
    """Return the EnvelopedData in bytes, which end with it, or with one zero byte behind."""
    if value[parser.peek(value) :] not in (b"", b"\0"):
        raise ValueError
    info = cms.ContentInfo.load(value)
    if info["content_type"].native != "enveloped_data":
        raise ValueError
    return info["content"]


def _name_of(rid: Any) -> Any:
    """Return issuer and serial number of a recipient, or the ID of its key."""
    identifier = rid.chosen
    if rid.name == "subject_key_identifier":
        return identifier.native
    return identifier["issuer"], identifier["serial_number"].native


def _padding(algorithm: Any) -> Any:
    """Return the padding of an encrypted key (RFC 8017, section 7)."""
    if algorithm["algorithm"].native == "rsaes_pkcs1v15":
        return PKCS1v15()
    if algorithm["algorithm"].native != "rsaes_oaep":
        raise ValueError
    words = algorithm["parameters"]
    digest, masked = (
        getattr(hashes, part["algorithm"].native.upper())()
        for part in (words["hash_algorithm"], words["mask_gen_algorithm"]["parameters"])
    )
    return OAEP(MGF1(masked), digest, words["p_source_algorithm"]["parameters"].native or None)


@_one_refusal()
def outside(value: bytes) -> tuple[str, bytes]:
    """Return what an envelope tells without a key.

    Returns
    -------
    str
        Number of recipients and algorithm, such as ``"2 recipients, AES-256-CBC"``.
    bytes
        All of it but the encrypted keys and the encrypted content; the names of issuers are left.

    Raises
    ------
    RefusedError
        If these bytes are no envelope.
    """
    enveloped = _enveloped(value)
    infos, sealed = enveloped["recipient_infos"], enveloped["encrypted_content_info"]
    algorithm = sealed["content_encryption_algorithm"]
    keys = [info.chosen["encrypted_key"] for info in infos if info.name == "ktri"]
    for part in (*keys, algorithm["parameters"], sealed["encrypted_content"]):
        value = value.replace(part.contents, b"")
    name = _NAMES.get(algorithm["algorithm"].native, "another algorithm")
    return f"{len(infos)} recipient{'s' * (len(infos) != 1)}, {name}", value
