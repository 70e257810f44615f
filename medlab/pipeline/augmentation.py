"""Varied copies of an image file and its mask, without what the header says of a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from medlab.arrays import Array
from medlab.errors import InputError, RefusedError, UsageError
from medlab.neuro import nifti_header, volume
from medlab.neuro.series import is_series, read_series
from medlab.synthetic import augment


def augment_file(
    source: Path,
    target: Path,
    copies: int,
    seed: int,
    *,
    mask: Path | None = None,
    only: Sequence[str] = (),
) -> None:
    """Write copies of an image into a new folder, which appears when all of them are there.

    Parameters
    ----------
    source : Path
        A NIfTI file of one volume, or a DICOM series, which is converted first.
    target : Path
        The folder; gets ``copy-001.nii.gz``, with a mask ``copy-001_mask.nii.gz``, and so on.
    copies, seed : int
        The same seed gives the same bytes, and copy 3 is the same however many there are.
    mask : Path, optional
        NIfTI, of the same shape and place; moved along, its values as they are.
    only : sequence of str
        Of `medlab.synthetic.augment.ALL`; all of them by default.

    Raises
    ------
    UsageError, InputError, RefusedError
    """
    if unknown := [name for name in only if name not in augment.ALL]:
        raise UsageError(
            f"no augmentation {', '.join(unknown)}; there is {', '.join(augment.ALL)}"
        )
    if not 1 <= copies <= 999 or seed < 0:
        raise UsageError("copies is a whole number from 1 to 999, seed one from 0")
    if target.exists() or target.is_symlink():
        raise RefusedError("the output exists already; choose another name")
    if source.is_dir() and target.resolve().is_relative_to(source.resolve()):
        raise RefusedError("the output would lie in the source, which is never changed")
    steps = [each for name, each in augment.ALL.items() if name in only or not only]
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", dir=target.parent) as folder:
        image = _Clean(source, Path(folder))
        label = _Clean(mask, Path(folder)) if mask else None
        if label and not label.fits(image):
            raise InputError("the mask has another shape or affine than the image")
        part = Path(folder) / "copies"
        part.mkdir()
        for number in range(1, copies + 1):
            rng = np.random.default_rng([seed, number])
            values, labels = image.voxels, label.voxels if label else None
            for step in steps:
                space: dict[str, Any] = (
                    {"voxel_mm": image.voxel_mm} if step in augment.SPATIAL else {}
                )
                values, labels = step(values, rng, labels, **space)
            image.write(values, part / f"copy-{number:03d}.nii.gz")
            if label and labels is not None:
                label.write(labels, part / f"copy-{number:03d}_mask.nii.gz")
        part.replace(target)


class _Clean:
    """A NIfTI file cleaned as `medlab deidentify` cleans it, whose stored voxels are exchanged."""

    def __init__(self, source: Path, folder: Path) -> None:
        clean = folder / "clean.nii"
        if is_series(source):
            source = volume.save(read_series(source).img, folder / "series.nii")
        img = volume.load(source)
        if len(img.shape) != 3:
            raise InputError("the image holds several volumes; give one at a time")
        nifti_header.clean_file(source, clean)
        self._content, self._place, stored = nifti_header.stored_voxels(clean)
        self.voxels: Array = stored.reshape(stored.shape[-3:])  # last axis first, as in the file
        self.affine = img.affine
        self.voxel_mm = tuple(np.linalg.norm(img.affine[:3, :3], axis=0)[::-1])

    def fits(self, other: _Clean) -> bool:
        """Tell whether both have one shape and lie in one place, to a thousandth of a mm."""
        alike = self.voxels.shape == other.voxels.shape
        return alike and np.allclose(self.affine, other.affine, atol=1e-3)

    def write(self, voxels: Array, path: Path) -> None:
        """Write the file with other voxels."""
        before, behind = self._content[: self._place.start], self._content[self._place.stop :]
        volume.write_nifti(path, before + voxels.tobytes() + behind)
