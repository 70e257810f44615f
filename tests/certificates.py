"""Keys and certificates for tests, made by `cryptography`, and the command openssl."""

import subprocess
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)


class Recipient(NamedTuple):
    """A private key and its certificate."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def write(self, folder: Path, name: str, passphrase: bytes | None = None) -> tuple[Path, Path]:
        """Write both into PEM files, and return the paths: key, certificate."""
        lock = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
        key.chmod(0o600)
        certificate.write_text(self.pem)
        return key, certificate


@cache
def recipient(name: str = "office", first: int = -1, last: int = 30, kind: str = "rsa"):
    """Return a key and its certificate, valid from and until so many days from now."""
    key = (
        rsa.generate_private_key(65537, 2048)
        if kind == "rsa"
        else ec.generate_private_key(ec.SECP256R1())
    )
    called = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(called, called, key.public_key(), x509.random_serial_number())
        .not_valid_before(now + timedelta(first))
        .not_valid_after(now + timedelta(last))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Recipient(key, builder.sign(key, hashes.SHA256()))


def openssl(*words: str | Path, given: bytes = b"") -> bytes:
    """Run openssl and return what it prints."""
    done = subprocess.run(["openssl", *map(str, words)], input=given, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
