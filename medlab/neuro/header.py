"""NIfTI headers, names and companions: what they say about a patient, and how it goes away."""

from __future__ import annotations

import gzip
import os
import tempfile
from pathlib import Path


def write_nifti(path: Path, content: bytes) -> Path:
    """Write the bytes of a NIfTI file at once or not at all.

    Parameters
    ----------
    path : Path
        Ends in ``.nii`` or ``.nii.gz``; compressed in the second case, with neither the
        name of the file nor the time in the gzip header.
    content : bytes
        Header and voxels.
    """
    if path.name.endswith(".gz"):
        content = gzip.compress(content, compresslevel=5, mtime=0)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=".medlab-", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    return path
