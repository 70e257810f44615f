"""Decode with GDCM in a process of its own: some damaged JPEG makes GDCM end its process.

Run as a script: standard input holds a DICOM file, the arguments are numbers of frames (none:
all), standard output takes their stored values one after the other.
"""

from __future__ import annotations

import sys
from io import BytesIO

import pydicom
from pydicom.pixels.utils import iter_pixels


def main() -> None:
    """Send the frames."""
    dataset = pydicom.dcmread(BytesIO(sys.stdin.buffer.read()), force=True)
    wanted = [int(number) for number in sys.argv[1:]] or None
    for frame in iter_pixels(dataset, raw=True, indices=wanted, decoding_plugin="gdcm"):
        sys.stdout.buffer.write(frame.tobytes())


if __name__ == "__main__":
    main()
