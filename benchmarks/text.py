"""The search of long texts: ten times the length may take twelve times as long.

    python benchmarks/text.py                  # 100 KB and 1 MB of each kind, minutes
    python benchmarks/text.py --size 10000     # a tenth of it

Each kind is one that some pattern could be slow on: long runs without a border, runs that
nearly match. A text element and a kept private element of bytes hold it, are de-identified
under ``research`` and verified; printed are the seconds of processor time, the least of three,
and their ratio. The exit code is 1 if one grows faster.
"""

from __future__ import annotations

import argparse
import random
import string
import sys
import time
import warnings
from collections.abc import Callable

import pydicom
from pydicom.data import get_testdata_file

from medlab import dicom

KEY = b"benchmark key of thirty-two byte"
GROWTH = 12
warnings.simplefilter("ignore")


def drawn(letters: str) -> Callable[[int], str]:
    """Return what draws a text of these letters."""
    return lambda size: "".join(random.Random(size).choices(letters, k=size))


def repeated(unit: str) -> Callable[[int], str]:
    """Return what repeats a text up to a size."""
    return lambda size: (unit * (size // len(unit) + 1))[:size]


KINDS = {
    "hexadecimal": drawn("0123456789abcdef"),
    "base64": drawn(string.ascii_letters + string.digits + "+/"),
    "words": drawn(string.ascii_lowercase + "   "),
    "one letter": repeated("A"),
    "one digit": repeated("7"),
    "zeros": repeated("0"),
    "spaces": repeated(" "),
    "dots": repeated("."),
    "nearly UIDs": repeated("1."),
    "nearly e-mail": repeated("a@"),
    "labels": repeated("mrn-"),
    "titles": repeated("Dr."),
    "numbers": repeated("12 "),
    "capitals": repeated("Aa Ba "),
    "addresses": repeated("1 A "),
    "the ID's digits": repeated("534743"),
    "the name": repeated("quillfeather"),
    "vowel signs": repeated("\u093f"),
    "Devanagari": repeated("नि"),
}


def seconds(text: str) -> float:
    """Return how long it takes to de-identify and verify a data set that holds a text."""
    dataset = pydicom.dcmread(get_testdata_file("MR_small.dcm"))
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = "Quillfeather^Ottoline", "5347436"
    dataset.TextValue = text
    block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0D, "UN", text.encode()[: len(text) // 2 * 2])
    source = dicom.parse(dicom.to_bytes(dataset))
    begun = time.process_time()
    out, _ = dicom.deidentify(source, "research", key=KEY)
    written = dicom.to_bytes(out)
    dicom.verify_dataset(source, dicom.parse(written), output_bytes=written)
    return time.process_time() - begun


def main() -> int:
    """Print a table; return 1 where time grows faster than it may."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--size", type=int, default=100_000, help="letters of the shorter text")
    options.add_argument("--only", default="", help="one kind")
    chosen = options.parse_args()
    least, worst = min(seconds("") for _ in range(5)), 0.0
    print(f"{'':18}{chosen.size:>12,}{10 * chosen.size:>12,}   growth")
    for kind, make in KINDS.items():
        if chosen.only not in kind:
            continue
        texts = make(chosen.size), make(10 * chosen.size)
        # each time another text: what was searched before is remembered
        short, long = (min(seconds(f"{turn} {text}") for turn in "abc") for text in texts)
        growth = (long - least) / max(short - least, 0.02)  # less than 20 ms is noise
        worst = max(worst, growth)
        print(f"{kind:18}{short:>12.2f}{long:>12.2f}{growth:>9.1f}", flush=True)
    return int(worst > GROWTH)


if __name__ == "__main__":
    sys.exit(main())
