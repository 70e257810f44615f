"""Decode with GDCM in a process of its own: some damaged JPEG makes GDCM end its process.

Run as a script: standard input holds a DICOM file; the first argument is 1 for values as they
are stored, 0 for lossy color as RGB; the others are numbers of frames (none: all); standard
output takes their values one after the other.
"""

from __future__ import annotations

import sys
from io import BytesIO

import pydicom
from pydicom.pixels.utils import iter_pixels


def _main() -> None:
    """Send the frames."""
    dataset = pydicom.dcmread(BytesIO(sys.stdin.buffer.read()), force=True)
    raw, wanted = sys.argv[1] == "1", [int(number) for number in sys.argv[2:]] or None
    for frame in iter_pixels(dataset, raw=raw, indices=wanted, decoding_plugin="gdcm"):
        sys.stdout.buffer.write(frame.tobytes())


if __name__ == "__main__":
    _main()
