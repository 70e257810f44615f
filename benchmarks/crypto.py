"""How much a picture can carry, how much it changes, and the cost; the cost of packing, envelopes.

Payloads of exactly the capacity in pydicom's own images. PSNR against the range that Bits Stored
allows. Cost: CPU time of `capacity`, `embed` and `extract` together, over that of a median filter
of scipy, 3 by 3, in the same run; the median of some repetitions.

Packing: one large file of random bytes, CPU time over that of the AES-GCM stream of cryptography,
alone and with the SHA-256 that the manifest asks for, each from file to file; memory beyond the
imports.

Envelopes: CPU time of a job with `--encrypt-to`, for one recipient and for three, over that of the
same job without, on CT slices of 512 x 512; the jobs are done in turns.

    python benchmarks/crypto.py [--repeat 9] [--mb 512] [--files 40]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import pyrage
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from deidentify import ct_512
from pydicom import dcmread
from pydicom.data import get_testdata_file
from scipy.ndimage import median_filter

from medlab.crypto import steganography
from medlab.pipeline import Settings, deidentify, packing

KEY = bytes(range(32))
#: Bits per pixel and PSNR to reach by default arguments, and the most that it may cost
LIMITS = {
    "CT_small": (0.30, 75, None),
    "MR_small": (0.05, 75, None),
    "examples_overlay": (0.55, 58, 12),
    "J2K_pixelrep_mismatch": (0.60, 65, 12),
}


def image(name: str) -> tuple[np.ndarray, tuple[int, int]]:
    dataset = dcmread(get_testdata_file(f"{name}.dcm", download=False))
    half = 1 << (dataset.BitsStored - 1)
    bits = (-half, half - 1) if dataset.PixelRepresentation else (0, 2 * half - 1)
    return dataset.pixel_array, bits


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def row(name: str, method: str, repeat: int) -> dict[str, object]:
    pixels, bits = image(name)
    payload = np.random.default_rng(0).bytes(steganography.capacity(pixels, method, bits=bits))

    def all_three() -> None:
        steganography.capacity(pixels, method, bits=bits)
        hidden = steganography.embed(pixels, payload, KEY, method, bits=bits)
        steganography.extract(hidden, KEY, method, bits=bits)

    hidden = steganography.embed(pixels, payload, KEY, method, bits=bits)
    error = np.sqrt(np.mean((hidden.astype(float) - pixels) ** 2))
    costs = [seconds(all_three) / seconds(lambda: median_filter(pixels, 3)) for _ in range(repeat)]
    return {
        "image": name,
        "method": method,
        "bytes": len(payload),
        "bits a pixel": 8 * len(payload) / pixels.size,
        "PSNR": 20 * np.log10((bits[1] - bits[0]) / error),
        "cost": median(costs),
        "chi p": steganography.chi_square(hidden),
        "clean chi p": steganography.chi_square(pixels),
        "RS": steganography.rs_rate(hidden),
        "clean RS": steganography.rs_rate(pixels),
    }


def stream(source: Path, target: Path, *, digest: bool) -> None:
    """Encrypt a file by AES-256-GCM."""
    cipher = Cipher(algorithms.AES(KEY), modes.GCM(bytes(12))).encryptor()
    sha256 = hashlib.sha256()
    with source.open("rb") as plain, target.open("wb") as sealed:
        while chunk := plain.read(1 << 16):
            if digest:
                sha256.update(chunk)
            sealed.write(cipher.update(chunk))
        sealed.write(cipher.finalize())


def largest_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def packed(mb: int, repeat: int) -> dict[str, float]:
    """Pack one file of `mb` MiB."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        packing.new_identity(place / "identity")
        to = [one.to_public() for one in packing.read_identities(place / "identity")]
        (place / "src").mkdir()
        with (place / "src/large").open("wb") as file:
            for _ in range(mb):
                file.write(os.urandom(1 << 20))
        before, rows = largest_mb(), []
        for number in range(repeat):
            target = place / f"out{number}"
            pack = seconds(lambda target=target: packing.pack(place / "src", target, to))
            alone, both = (
                seconds(lambda d=d: stream(place / "src/large", place / "sealed", digest=d))
                for d in (False, True)
            )
            files = [str(place / name) for name in ("src/large", "sealed")]
            age = seconds(lambda files=files: pyrage.encrypt_file(*files, to))
            rows.append(
                {
                    "pack of AES-GCM": alone / pack,
                    "pack of AES-GCM and SHA-256": both / pack,
                    "age alone of AES-GCM": alone / age,
                }
            )
            (target / "part-0001.tar.age").unlink()
        return dict(pd.DataFrame(rows).median()) | {"MB": largest_mb() - before}


def certificate() -> str:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "office")])
    now, day = datetime.now(UTC), timedelta(1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    signed = builder.not_valid_before(now - day).not_valid_after(now + day).sign(key, SHA256())
    return signed.public_bytes(Encoding.PEM).decode()


def enveloped(files: int, repeat: int) -> dict[str, float]:
    """De-identify `files` slices, with envelopes and without."""
    recipients = tuple(certificate() for _ in range(3))
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "src").mkdir()
        for number in range(files):
            (place / f"src/{number}.dcm").write_bytes(ct_512(number + 1))

        def job(number: int, count: int) -> float:
            settings = Settings(recipients=recipients[:count])
            target = place / f"out{number}-{count}"
            time_s = seconds(lambda: deidentify(place / "src", target, settings))
            shutil.rmtree(target)
            return time_s

        job(-1, 1)  # tables are read once
        times = pd.DataFrame({n: job(round_, n) for n in (0, 1, 3)} for round_ in range(repeat))
    ratios = times.div(times[0], axis=0).median()
    return {
        "job, ms a file": 1e3 * times[0].median() / files,
        "with envelopes for one": ratios[1],
        "with envelopes for three": ratios[3],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--mb", type=int, default=512)
    parser.add_argument("--files", type=int, default=40)
    arguments = parser.parse_args()
    repeat = arguments.repeat
    print(pd.Series(enveloped(arguments.files, repeat)).to_string(float_format="%.2f"))
    print(pd.Series(packed(arguments.mb, min(repeat, 3))).to_string(float_format="%.2f"))
    table = pd.DataFrame(row(n, m, repeat) for n in LIMITS for m in steganography.METHODS)
    print(table.to_string(index=False, float_format="%.3f"))
    for name, (bits, psnr, cost) in LIMITS.items():
        found = table[(table["image"] == name) & (table["method"] == "shift")].iloc[0]
        good = found["bits a pixel"] >= bits and found["PSNR"] >= psnr
        good = good and (cost is None or found["cost"] <= cost)
        print(f"{name}: {'reached' if good else 'MISSED'} ({bits} bits, {psnr} dB, cost {cost})")


if __name__ == "__main__":
    main()
