"""Defacing over heads of unusual shape: brain cut, face left, head kept.

    python benchmarks/deface.py [--heads 24] [--seed 1] [--spacing 2] [--public FOLDER] [--each]

Sample heads, and the public head where it is given, are warped at random: width, length and
height, tilts and bends sideways, forwards and in a nod, each by up to 20 %. The true masks of
brain and face are warped along, so every figure is measured against the truth and not against
what the defacing found. FOLDER holds `mean_reg2mean.nii.gz` and `facemask.nii.gz` of the wheel
pydeface 2.1.0 (MIT): an average head, whose face mask is drawn by hand. Its brain is what BET
finds in it at three f, near the ICBM brain. Wanted: 0 brain voxels, .03 and .005 of the face,
.88 of the head.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from scipy import ndimage

from medlab import neuro, samples
from medlab.errors import MedlabError
from medlab.neuro import head_measures, surface
from medlab.neuro.deface import _distance_at, _register
from medlab.neuro.volume import image_like

SAMPLES = 6
ICBM_REACH_MM = 6.0  # BET's masks of the average head run into its eyes and nape
REACH_MM = 100.0  # a bend of 20 % moves what lies so far from the middle by 20 mm


class Truth(NamedTuple):
    """A head with its true brain and face, on one grid."""

    img: nib.Nifti1Image
    brain: nib.Nifti1Image
    face: nib.Nifti1Image


def public_head(folder: Path, spacing: float) -> Truth:
    """Return the average head; its brain is where BET at three f and the ICBM brain agree."""
    head, keep = (
        nib.Nifti1Image.from_filename(folder / f"{name}.nii.gz")
        for name in ("mean_reg2mean", "facemask")
    )
    options = {"robust": True, "crop_neck": True, "backend": "builtin"}
    found = [neuro.extract_brain(head, f=f, **options) for f in (0.5, 0.6, 0.7)]
    brain = np.min([np.asanyarray(each.mask.dataobj) for each in found], axis=0) > 0
    fit, index = _register(found[-1].mesh.vertices), np.argwhere(brain)
    world = nib.affines.apply_affine(head.affine, index)
    brain[tuple(index[_distance_at(fit.place(world)) > ICBM_REACH_MM].T)] = False
    face = np.asanyarray(keep.dataobj) == 0
    images = (head, image_like(head, brain), image_like(head, face))
    low, high = nib.affines.apply_affine(head.affine, [[0, 0, 0], head.shape])
    affine = nib.affines.from_matvec(spacing * np.eye(3), low)
    shape = np.ceil((high - low) / spacing).astype(int)
    return Truth(*(_resampled(img, affine, shape, lambda p: p) for img in images))


def _resampled(img, affine, shape, pull):
    """Return an image on another grid; `pull` takes its world points to those of the image."""
    data, inverse = np.asanyarray(img.dataobj), np.linalg.inv(img.affine)
    out = np.zeros(shape, data.dtype)
    order = 0 if data.dtype == np.uint8 else 1
    for k in range(shape[2]):
        points = np.stack(np.mgrid[: shape[0], : shape[1], k : k + 1], -1)[:, :, 0]
        index = nib.affines.apply_affine(inverse, pull(nib.affines.apply_affine(affine, points)))
        out[:, :, k] = ndimage.map_coordinates(data, np.moveaxis(index, -1, 0), order=order)
    return nib.Nifti1Image(out, affine)


def warp(middle: np.ndarray, rng: np.random.Generator, most: float = 0.2) -> Callable:
    """Return what takes points of a warped head to those of the head, about a middle (mm).

    Tilts and bends move x along z (sideways), y along z (to the front) and z along y (a nod).
    """
    sizes, tilts, bends = rng.uniform(-most, most, (3, 3))
    matrix, bend = np.diag(1 / (1 + sizes)), np.zeros((3, 3))
    moved, along = [0, 1, 2], [2, 2, 1]
    matrix[moved, along], bend[moved, along] = tilts, bends

    def pull(points: np.ndarray) -> np.ndarray:
        p = (points - middle) @ matrix.T
        return p + (p / REACH_MM) ** 2 @ bend.T * REACH_MM + middle

    return pull


def warped(head: Truth, rng: np.random.Generator, most: float = 0.2) -> Truth:
    """Return a head of another width, length and height, tilted and bent."""
    shape, affine = np.array(head.img.shape), head.img.affine
    inside = np.asanyarray(head.brain.dataobj)
    pull = warp(nib.affines.apply_affine(affine, ndimage.center_of_mass(inside)), rng, most)
    large = np.ceil(shape * 1.8).astype(int)
    corner = nib.affines.apply_affine(affine, (shape - large) / 2)
    grid = nib.affines.from_matvec(affine[:3, :3], corner)
    images = [_resampled(img, grid, large, pull) for img in head]
    threshold = surface.head_threshold(np.asanyarray(head.img.dataobj).astype(np.float32))
    seen = (np.asanyarray(images[0].dataobj) > threshold).astype(np.uint8)
    a, b, c = (slice(max(s.start - 3, 0), s.stop + 3) for s in ndimage.find_objects(seen)[0])
    return Truth(*(img.slicer[a, b, c] for img in images))


def figures(head: Truth, done: nib.Nifti1Image) -> dict[str, float]:
    before, after = (np.asanyarray(img.dataobj) for img in (head.img, done))
    threshold = surface.head_threshold(before.astype(np.float32))
    return {
        "brain": head_measures.brain_changed(before, after, np.asanyarray(head.brain.dataobj) > 0),
        "face": surface.residual_face(head.img, done, head.face),
        "kept": head_measures.head_kept(before, after, threshold),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heads", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--spacing", type=float, default=2.0)
    parser.add_argument("--public", type=Path, help="folder of pydeface's average head")
    parser.add_argument("--most", type=float, default=0.2, help="share of each warp")
    parser.add_argument("--each", action="store_true", help="a line a head")
    options = parser.parse_args()
    sources = [samples.head(n + 1, spacing_mm=options.spacing) for n in range(SAMPLES)]
    sources = [Truth(*head) for head in sources]
    sources += [public_head(options.public, options.spacing)] if options.public else []
    rows, refused, seconds = [], 0, []
    for n in range(options.heads):
        rng = np.random.default_rng([options.seed, n])
        head = warped(sources[n % len(sources)], rng, options.most)
        start = time.perf_counter()
        try:
            rows.append(figures(head, neuro.deface(head.img, backend="builtin").img))
        except MedlabError as error:
            refused += 1
            print(f"head {n}: refused: {error}")
            continue
        seconds.append(time.perf_counter() - start)
        if options.each:
            print(f"head {n}: {rows[-1]}, {seconds[-1]:.0f} s", flush=True)
    if rows:
        brain, face, kept = ([row[key] for row in rows] for key in ("brain", "face", "kept"))
        middle = statistics.median(face), statistics.median(kept), statistics.median(seconds)
        print(f"heads defaced     {len(rows)}, refused {refused}")
        print(f"brain voxels cut  {max(brain)} at most (wanted 0)")
        print(f"residual face     {max(face):.4f} worst (.03), {middle[0]:.4f} median (.005)")
        print(f"head kept         {min(kept):.3f} least (.88), {middle[1]:.3f} median")
        print(f"seconds a head    {middle[2]:.1f} median, {max(seconds):.1f} most")


if __name__ == "__main__":
    main()
