"""Attacks on images, and what an image still shows.

Whether a face is recognized among others, whether a scan is, whether a picture that was cut into
blocks is put together again.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.spatialimages import SpatialImage

from medlab.arrays import Array, Floats, Ints, Mask
from medlab.errors import InputError, MedlabError
from medlab.evaluation.attack_statistics import wilson
from medlab.neuro import surface
from medlab.neuro.volume import load, to_working

_Image = str | PathLike[str] | SpatialImage

_SPACING_MM = 3.0
_UP_MM, _DOWN_MM, _SIDE_MM = 80.0, 60.0, 64.0  # the window of a face around the tip of the nose
_SHIFT_MM = 8.0
_TRIM = 0.8  # of the pixels that fit best: hair, ears and wrinkles do not decide
_LEAST_SEEN = 0.3  # of the known face must be there, else nothing is recognized
_TRIMMINGS, _BEST_SHIFTS = 2, 12
_GRID = 32  # voxels along each edge of the common grid
_HASH_EDGE = 5  # low frequencies along each edge of a perceptual hash
_ERODE_MM_VOXELS = 3  # half of the 7-voxel window of SSIM: a cut edge does not leak in
_GRAY_LEVELS = 32
_RIGHT, _DOWN = (0, 1), (1, 0)
_NORM = 0.3  # of Pomeranz, Shemesh, Ben-Shahar
_TRIED = 8  # best partners of each edge that are looked at


class _Identification(NamedTuple):
    """How well probes were found in a gallery of which each has one true entry.

    Attributes
    ----------
    rank1 : float
        Share of probes whose true entry came first; equal distances share the place.
    low, high : float
        95 % Wilson interval of `rank1`.
    mean_rank : float
        1 is the best, (N + 1) / 2 is chance.
    chance : float
        1 / N, what a guess reaches.
    distances : ndarray, shape (probes, gallery)
        Infinite where too little of a face was there to compare.
    """

    rank1: float
    low: float
    high: float
    mean_rank: float
    chance: float
    distances: Floats


def depth_maps(heads: Sequence[_Image], spacing_mm: float = _SPACING_MM) -> list[Floats]:
    """Render heads from the front on one common grid.

    Parameters
    ----------
    heads : sequence of paths or nibabel images
        In scanner coordinates that put the heads roughly at one place.
    spacing_mm : float
        Size of a pixel.

    Returns
    -------
    list of ndarray, shape (rows, columns)
        How far the surface comes forward (mm), NaN where there is no head.

    Raises
    ------
    InputError
        If there is no head at all, or the first shows nothing.
    """
    if not heads:
        raise InputError("there is no head to look at; give one or more")
    maps: list[Floats] = []
    first: surface.View | None = None
    for head in heads:
        if first is None:
            first = surface.view(head, spacing_mm=spacing_mm)
            maps.append(first.depth_mm)
            continue
        threshold = surface.head_threshold(to_working(load(head)).data)
        like = first._replace(sight=first.sight._replace(threshold=threshold))
        maps.append(surface.view(head, like=like).depth_mm)
    return maps


def _identify(gallery: Sequence[Floats], probes: Sequence[Floats]) -> _Identification:
    """Look for each probe among the known faces; probe i belongs to gallery entry i.

    Two maps are compared in a window around the nose of the known face: over shifts of up
    to 8 mm, with the tilt of the head taken out (a plane), by the mean absolute difference
    of the 80 % of pixels that fit best.

    Parameters
    ----------
    gallery : sequence of depth maps
        Known faces, such as photographs made into depth maps, or an earlier scan.
    probes : sequence of depth maps
        The same people, in the same order, as the release shows them.

    Raises
    ------
    InputError
        If the numbers differ, or there are fewer than two.
    """
    if len(gallery) != len(probes) or len(gallery) < 2:
        raise InputError("give as many probes as known faces, each with its own, two or more")
    distances = np.stack([_compare(face, probes) for face in gallery], axis=1)
    return _ranked(distances)


def _ranked(distances: Floats) -> _Identification:
    """Return the ranks of the true entries, which stand on the diagonal.

    Parameters
    ----------
    distances : ndarray, shape (N, N)
        Of each probe to each gallery entry. Equal distances share their ranks.

    Examples
    --------
    >>> _ranked(np.array([[0.1, 0.5], [0.4, 0.4]])).rank1
    0.75
    """
    own = np.diag(distances)[:, None]
    closer, equal = (distances < own).sum(axis=1), (distances == own).sum(axis=1)
    hits = np.where(closer == 0, 1 / equal, 0.0)
    count = len(distances)
    ranks = closer + (equal + 1) / 2
    low, high = wilson(float(hits.sum()), count)
    return _Identification(
        float(hits.mean()), low, high, float(ranks.mean()), 1 / count, np.asarray(distances)
    )


def _compare(face_map: Floats, probes: Sequence[Floats]) -> Floats:
    """Return the distance of each probe to one known face."""
    face, row, column = _face(face_map)
    reach = round(_SHIFT_MM / _SPACING_MM)
    distances = []
    for probe in probes:
        room = _window(probe, row, column, reach)
        views: Any = np.lib.stride_tricks.sliding_window_view(room, face.shape)
        distances.append(_distance(face, views.reshape(-1, *face.shape)))
    return np.array(distances)


def _face(face_map: Floats) -> tuple[Floats, int, int]:
    """Return the window of a known face and where the tip of its nose is."""
    rows, columns = face_map.shape
    middle = np.zeros(face_map.shape, dtype=bool)
    middle[rows // 4 :, columns // 4 : -columns // 4] = True
    depth = np.where(middle & np.isfinite(face_map), face_map, -np.inf)
    row, column = np.unravel_index(int(depth.argmax()), face_map.shape)
    return _window(face_map, int(row), int(column), 0), int(row), int(column)


def _window(depth: Floats, row: int, column: int, more: int) -> Floats:
    up, down, side = (round(size / _SPACING_MM) + more for size in (_UP_MM, _DOWN_MM, _SIDE_MM))
    pad = max(up, down, side)
    wide = np.pad(depth, pad, constant_values=np.nan)
    row, column = row + pad, column + pad
    return wide[row - up : row + down + 1, column - side : column + side + 1]


def _distance(face: Floats, views: Floats) -> float:
    """Return the smallest distance of a face to shifted views, infinite if too little is seen."""
    difference = (views - face).reshape(len(views), -1)
    there = np.isfinite(difference)
    enough = there.sum(axis=1) >= _LEAST_SEEN * np.isfinite(face).sum()
    if not enough.any():
        return float("inf")
    difference, there = np.nan_to_num(difference[enough]), there[enough]
    z, x = (axis.ravel() / face.size**0.5 for axis in np.indices(face.shape))
    basis = np.stack([np.ones_like(x), x - x.mean(), z - z.mean()])
    rest = _tilt_removed(difference, there.astype(np.float64), basis)
    mean = np.where(there, rest, 0.0).sum(axis=1) / there.sum(axis=1)
    best = np.argsort(mean, kind="stable")[:_BEST_SHIFTS]
    difference, there, rest = difference[best], there[best], rest[best]
    for _ in range(_TRIMMINGS):
        rest = _tilt_removed(difference, _trimmed(rest, there), basis)
    weight = _trimmed(rest, there)
    return float(((rest * weight).sum(axis=1) / weight.sum(axis=1)).min())


def _tilt_removed(difference: Floats, weight: Floats, basis: Floats) -> Any:
    """Return how far each pixel lies from the plane fitted to its view."""
    pairs = (basis[:, None] * basis[None]).reshape(9, -1)
    gram = (weight @ pairs.T).reshape(-1, 3, 3)
    right = (difference * weight) @ basis.T
    plane = np.linalg.solve(gram, right[..., None])[..., 0] @ basis
    return np.abs(difference - plane)


def _trimmed(rest: Floats, there: Any) -> Any:
    """Return 1.0 for the share of the pixels of each view that fit best."""
    ordered = np.sort(np.where(there, rest, np.inf), axis=1)
    last = (_TRIM * (there.sum(axis=1) - 1)).astype(np.int64)
    limit = np.take_along_axis(ordered, last[:, None], axis=1)
    return ((rest <= limit) & there).astype(np.float64)


class _Protected(NamedTuple):
    """One head, protected in the ways that medlab has; None where that was refused."""

    defaced: SpatialImage | None
    stripped: SpatialImage | None
    brain: SpatialImage | None


def protect_heads(heads: Sequence[_Image], jobs: int = 2) -> list[_Protected]:
    """Deface heads, and strip them by the brain mask that defacing found.

    Parameters
    ----------
    heads : sequence of paths or nibabel images
    jobs : int
        Processes; a head takes some seconds.
    """
    from joblib import Parallel, delayed

    results: list[_Protected] = Parallel(n_jobs=jobs)(delayed(_protect)(head) for head in heads)
    return results


def _protect(head: _Image) -> _Protected:
    from medlab.neuro import deface

    try:
        result = deface(head)
    except MedlabError:  # the head is withheld: nothing of it to be recognized
        return _Protected(None, None, None)
    inside = np.asarray(result.brain.dataobj) > 0
    data = np.asarray(load(head).dataobj)
    stripped = nib.Nifti1Image(np.where(inside, data, 0).astype(data.dtype), result.brain.affine)
    return _Protected(result.img, stripped, result.brain)


def reidentify(
    gallery: Sequence[_Image], probes: Mapping[str, Sequence[_Image | None]]
) -> pd.DataFrame:
    """Look for protected heads among known ones.

    Parameters
    ----------
    gallery : sequence of heads
        Known faces, one a person.
    probes : mapping of str to sequences of heads
        By the name of the protection, the same people in the same order; None for a head
        that was withheld.

    Returns
    -------
    DataFrame
        One row a protection: ``rank1`` (share of people whose own face came first) with its
        interval ``low``, ``high``; ``mean_rank``; ``chance``, what a guess reaches.
    """
    gallery_maps = depth_maps(gallery)
    nothing = np.full(gallery_maps[0].shape, np.nan)
    rows = {}
    for name, heads in probes.items():
        present = [head for head in heads if head is not None]
        maps = iter(depth_maps([gallery[0], *present])[1:])
        probe_maps = [nothing if head is None else next(maps) for head in heads]
        rows[name] = _identify(gallery_maps, probe_maps)._asdict()
    table = pd.DataFrame.from_dict(rows, orient="index").drop(columns="distances")
    return table.rename_axis("protection")


def disguises(img: SpatialImage, rng: np.random.Generator) -> dict[str, SpatialImage]:
    """Return an image as someone might change it to hide where it came from.

    Parameters
    ----------
    img : nibabel image
    rng : Generator
        Draws the noise (2 % of the brightest).
    """
    from scipy import ndimage

    data = np.asarray(img.dataobj, dtype=np.float64)
    affine = np.asarray(img.affine)
    coarse = np.diag([1.25, 1.25, 1.25, 1.0])
    return {
        "header only": img,
        "brightness rescaled": _image(np.round(data * 0.7 + 10), affine),
        "noise": _image(data + rng.normal(0, 0.02 * float(data.max()), data.shape), affine),
        "blurred": _image(ndimage.gaussian_filter(data, 1.0), affine),
        "resampled": _image(ndimage.zoom(data, 0.8, order=1), affine @ coarse),
    }


def _image(data: Floats, affine: Floats) -> SpatialImage:
    image: SpatialImage = nib.Nifti1Image(np.round(data).astype(np.int16), affine)
    return image


def pixel_linkage(
    published: Sequence[SpatialImage], released: Mapping[str, Sequence[SpatialImage]]
) -> pd.DataFrame:
    """Look for each released scan among scans published elsewhere; number i belongs to i.

    Parameters
    ----------
    published : sequence of nibabel images
    released : mapping of str to sequences of nibabel images
        By what was done to them, with fields of view alike.

    Returns
    -------
    DataFrame
        The share found at first guess, one row a change of the image, one column a way of looking:
        by ``SHA-256`` of the voxels; by ``perceptual hash`` (signs of the lowest frequencies of
        the cosine transform); by ``correlation``; and by ``correlation inside the mask``, only
        where the released scan shows something.

    Raises
    ------
    InputError
        If the numbers differ, or there are fewer than two.
    """
    marks, public = _marks(published)
    bits = np.stack([_bits(image) for image in public])
    rows = {}
    for change, images in released.items():
        if len(published) != len(images) or len(images) < 2:
            raise InputError("give as many published as released scans, in one order, two or more")
        own_marks, small = _marks(images)
        own_bits = np.stack([_bits(image) for image in small])
        distances = {
            "SHA-256": np.not_equal.outer(own_marks, marks).astype(np.float64),
            "perceptual hash": (own_bits[:, None] != bits[None]).mean(axis=2),
            "correlation": _uncorrelated(
                small, public, lambda img: np.ones(img.shape, dtype=bool)
            ),
            "correlation inside the mask": _uncorrelated(small, public, _shown),
        }
        rows[change] = {way: _ranked(distance).rank1 for way, distance in distances.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("change")


def _marks(images: Sequence[SpatialImage]) -> tuple[Array, Floats]:
    """Return SHA-256 of the voxels of scans, with shape and kind, and the scans on one grid."""
    hashes = []
    for img in images:
        # The file's bytes would change with every header and compression; these do not.
        data = np.ascontiguousarray(np.asarray(img.dataobj))
        head = f"{data.shape} {data.dtype.str}".encode()
        hashes.append(hashlib.sha256(head + data.tobytes()).hexdigest())
    return np.array(hashes), np.stack([_common(img) for img in images])


def _common(img: SpatialImage) -> Floats:
    """Return the image on a grid of fixed size over its field of view."""
    from scipy import ndimage

    data = np.asarray(img.dataobj, dtype=np.float64)
    factors = [_GRID / size for size in data.shape]
    soft = ndimage.gaussian_filter(data, [0.4 / factor for factor in factors])
    return np.asarray(ndimage.zoom(soft, factors, order=1, grid_mode=True, mode="nearest"))


def _bits(data: Floats) -> Mask:
    from scipy.fft import dctn

    low = dctn(data)[:_HASH_EDGE, :_HASH_EDGE, :_HASH_EDGE].ravel()[1:]
    return np.asarray(low > np.median(low))


def _shown(data: Floats) -> Mask:
    low, high = float(data.min()), float(np.percentile(data, 99))
    return np.asarray(data > low + 0.1 * (high - low))


def _uncorrelated(released: Floats, published: Floats, mask: Callable[[Floats], Mask]) -> Floats:
    """Return 1 - correlation of each released with each known image where the first shows."""
    rows = []
    for image in released:
        where = mask(image)
        a, b = image[where], published[:, where]
        a, b = a - a.mean(), b - b.mean(axis=1, keepdims=True)
        size = np.linalg.norm(a) * np.linalg.norm(b, axis=1)
        rows.append(1 - (b @ a) / np.where(size > 0, size, 1.0))
    return np.round(np.array(rows), 12)


class _Assembly(NamedTuple):
    """A picture put together.

    Attributes
    ----------
    picture : array, shape (rows, columns)
    places : int array, shape (blocks, 2)
        Row and column, in blocks, where each block of the sliced picture was put.
    """

    picture: Array
    places: Ints


def solve_jigsaw(frame: Array, block: int) -> _Assembly:
    """Put the whole blocks of a sliced picture together by their edges alone, without the key.

    Gallagher, "Jigsaw Puzzles with Pieces of Unknown Orientation", CVPR 2012, for pieces whose
    orientation is known: the best pairs join first, and trees of pieces grow until all are joined.

    Parameters
    ----------
    frame : array, shape (rows, columns)
        Gray values; what is left beside whole blocks is not looked at.
    block : int
        Side of a block in pixels.
    """
    rows, columns = (side // block for side in frame.shape)
    whole = frame[: rows * block, : columns * block]
    blocks = whole.reshape(rows, block, columns, block).swapaxes(1, 2).reshape(-1, block, block)
    places = _filled(_joined(blocks, (rows, columns)), (rows, columns))
    picture = np.zeros((rows, columns, block, block), dtype=frame.dtype)
    picture[places[:, 0], places[:, 1]] = blocks
    return _Assembly(picture.swapaxes(1, 2).reshape(whole.shape), places)


def _misfits(blocks: Floats) -> Floats:
    """Return how badly each block fits at the right of each, shape (n, n).

    What each side would go on with is compared with what the other begins with, by a norm that
    few odd pixels do not rule: Pomeranz, Shemesh, Ben-Shahar, CVPR 2011.
    """
    there = 2 * blocks[:, :, -1] - blocks[:, :, -2]
    back = 2 * blocks[:, :, 0] - blocks[:, :, 1]
    apart = np.abs(there[:, None] - blocks[None, :, :, 0]) ** _NORM
    apart += np.abs(blocks[:, None, :, -1] - back[None]) ** _NORM
    total = apart.sum(axis=2)
    np.fill_diagonal(total, np.inf)
    return np.asarray(total)


def _pairs(blocks: Array) -> list[tuple[int, int, tuple[int, int]]]:
    """Return pairs of blocks and how the second lies to the first, the surest first.

    Sure is what fits much better than the second best partner of either edge.
    """
    data = blocks.astype(float)
    numbers, sure = [], []
    for way, turned in ((_RIGHT, data), (_DOWN, data.swapaxes(1, 2))):
        apart = _misfits(turned)
        second = np.maximum(
            np.partition(apart, 1, axis=0)[1], np.partition(apart, 1, axis=1)[:, 1:2]
        )
        best = np.argsort(apart, axis=1)[:, :_TRIED]
        first = np.repeat(np.arange(len(data)), best.shape[1])
        sure.append((apart[first, best.ravel()] + 1) / (second[first, best.ravel()] + 1))
        numbers += [
            (a, b, way) for a, b in zip(first.tolist(), best.ravel().tolist(), strict=True)
        ]
    return [numbers[i] for i in np.argsort(np.concatenate(sure), kind="stable")]


def _joined(blocks: Array, grid: tuple[int, int]) -> list[dict[int, tuple[int, int]]]:
    """Return trees of blocks with their places in each, largest first."""
    trees = {number: {number: (0, 0)} for number in range(len(blocks))}
    home = list(range(len(blocks)))
    for a, b, (down, across) in _pairs(blocks):
        first, other = trees[home[a]], trees[home[b]]
        if first is other:
            continue
        (ra, ca), (rb, cb) = first[a], other[b]
        shift = ra + down - rb, ca + across - cb
        moved = {n: (r + shift[0], c + shift[1]) for n, (r, c) in other.items()}
        if not set(moved.values()) & set(first.values()) and _fits(first | moved, grid):
            gone = home[b]
            first.update(moved)
            for number in moved:
                home[number] = home[a]
            del trees[gone]
    return sorted(trees.values(), key=len, reverse=True)


def _fits(tree: dict[int, tuple[int, int]], grid: tuple[int, int]) -> bool:
    spread = np.ptp(np.array(list(tree.values())), axis=0)
    return bool((spread < grid).all())


def _filled(trees: list[dict[int, tuple[int, int]]], grid: tuple[int, int]) -> Ints:
    """Return a place in the grid for every block: trees where they fit, then what is left."""
    places = np.full((sum(map(len, trees)), 2), -1)
    taken = np.zeros(grid, dtype=bool)
    for tree in trees:
        numbers, spots = list(tree), np.array(list(tree.values()))
        spots -= spots.min(axis=0)
        corner = next(
            (
                (row, column)
                for row in range(grid[0] - int(spots[:, 0].max()))
                for column in range(grid[1] - int(spots[:, 1].max()))
                if not taken[spots[:, 0] + row, spots[:, 1] + column].any()
            ),
            None,
        )
        # A tree that fits nowhere is taken apart.
        at = spots + corner if corner is not None else np.argwhere(~taken)[: len(numbers)]
        taken[at[:, 0], at[:, 1]] = True
        places[numbers] = at
    return places


def image_utility(
    before: SpatialImage,
    after: SpatialImage,
    brain: SpatialImage,
    brain_found: SpatialImage | None = None,
) -> pd.DataFrame:
    """Return what a protected head is still good for.

    Parameters
    ----------
    before, after : nibabel images of one grid
        The head before and after; what was cut has the smallest value of `after`.
    brain : nibabel image
        The true brain, above 0.
    brain_found : nibabel image, optional
        The brain mask that a tool found, for its Dice with the true one.

    Returns
    -------
    DataFrame
        measure, value, baseline (what an untouched image has). Whole-image similarity is
        left out: cut background says nothing about use.

    Raises
    ------
    InputError
        If the grids differ, or the brain is too small to be eroded.
    """
    old, new = (np.asarray(img.dataobj, dtype=np.float64) for img in (before, after))
    inside = np.asarray(brain.dataobj) > 0
    if old.shape != new.shape or old.shape != inside.shape:
        raise InputError("the images lie on different grids; resample one to the other first")
    cut = (new != old) & (new <= float(new.min()))
    kept = inside & ~cut
    rows: dict[str, tuple[float, float]] = {
        "brain kept": (float(kept.sum() / inside.sum()), 1.0),
        "volume change": (float(kept.sum() / inside.sum() - 1), 0.0),
    }
    if brain_found is not None:
        from medlab.neuro.head_measures import dice

        rows["Dice of the brain mask"] = (dice(np.asarray(brain_found.dataobj) > 0, inside), 1.0)
    rows |= _similarity(old, new, inside)
    rows |= _contrast(old, new, inside, kept)
    rows |= _features(old, new, inside, kept)
    rows |= _registered(old, new, float(np.mean(np.linalg.norm(before.affine[:3, :3], axis=0))))
    return pd.DataFrame(
        [(name, *pair) for name, pair in rows.items()], columns=["measure", "value", "baseline"]
    )


def _similarity(old: Floats, new: Floats, inside: Mask) -> dict[str, tuple[float, float]]:
    """Return SSIM over the eroded brain, and PSNR in the brain (infinite where untouched)."""
    from scipy.ndimage import binary_erosion
    from skimage.metrics import structural_similarity

    core = binary_erosion(inside, iterations=_ERODE_MM_VOXELS)
    if not core.any():
        raise InputError("the brain is too small for the 7-voxel window of SSIM")
    span = float(old.max() - old.min())
    _, ssim = structural_similarity(old, new, data_range=span, full=True)
    error = float(((old - new)[inside] ** 2).mean())
    psnr = 10 * math.log10(span**2 / error) if error else math.inf
    return {
        "SSIM in the eroded brain": (float(ssim[core].mean()), 1.0),
        "PSNR in the brain (dB)": (psnr, math.inf),
    }


def _contrast(
    old: Floats, new: Floats, inside: Mask, kept: Mask
) -> dict[str, tuple[float, float]]:
    """Return (white - gray) / pooled sd, tissues by thresholds on the original."""
    from skimage.filters import threshold_multiotsu

    low, high = threshold_multiotsu(old[inside], classes=3)
    contrasts = []
    for data, where in ((new, kept), (old, inside)):
        gray, white = data[where & (old > low) & (old <= high)], data[where & (old > high)]
        spread = math.sqrt((gray.var() + white.var()) / 2) if gray.size and white.size else 0.0
        contrasts.append((white.mean() - gray.mean()) / spread if spread else math.nan)
    return {"gray-white contrast": (float(contrasts[0]), float(contrasts[1]))}


def _features(
    old: Floats, new: Floats, inside: Mask, kept: Mask
) -> dict[str, tuple[float, float]]:
    """Return the relative change of first-order and texture features of the brain."""
    after, before = (_feature_values(*pair) for pair in ((new, kept), (old, inside)))
    return {
        f"change of {name}": (
            abs(after[name] - value) / abs(value) if value else abs(after[name]),
            0.0,
        )
        for name, value in before.items()
    }


def _feature_values(data: Floats, where: Mask) -> dict[str, float]:
    from scipy.stats import entropy, skew
    from skimage.feature import graycomatrix, graycoprops

    values = data[where]
    low, high = np.percentile(values, (1, 99))
    level = np.clip((data - low) / max(high - low, 1e-9), 0, 1) * (_GRAY_LEVELS - 2) + 1
    plane = np.where(where, level, 0).astype(np.uint8)[:, :, int(np.argwhere(where)[:, 2].mean())]
    pairs: Any = graycomatrix(plane, [1], [0, np.pi / 2], levels=_GRAY_LEVELS, symmetric=True)
    pairs[0] = pairs[:, 0] = 0  # level 0 lies outside of the brain
    pairs = pairs / pairs.sum(axis=(0, 1), keepdims=True)
    return {
        "mean": float(values.mean()),
        "standard deviation": float(values.std()),
        "skewness": float(skew(values)),
        "entropy": float(entropy(np.histogram(values, 64)[0])),
        "10th percentile": float(np.percentile(values, 10)),
        "90th percentile": float(np.percentile(values, 90)),
        "texture contrast": float(graycoprops(pairs, "contrast").mean()),
        "texture homogeneity": float(graycoprops(pairs, "homogeneity").mean()),
    }


def _registered(old: Floats, new: Floats, voxel_mm: float) -> dict[str, tuple[float, float]]:
    """Return the shift that registering the protected to the original image finds."""
    from skimage.metrics import normalized_mutual_information
    from skimage.registration import phase_cross_correlation

    shift = phase_cross_correlation(old, new, upsample_factor=4)[0]
    return {
        "registration shift (mm)": (float(np.linalg.norm(shift)) * voxel_mm, 0.0),
        "normalized mutual information": (
            float(normalized_mutual_information(old, new)),
            float(normalized_mutual_information(old, old)),
        ),
    }
