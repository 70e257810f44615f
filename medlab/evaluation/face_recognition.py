"""Faces: is the head of one scan found again among the heads of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.spatialimages import SpatialImage

from medlab.arrays import Floats
from medlab.errors import InputError, MedlabError
from medlab.evaluation.attack_statistics import wilson
from medlab.neuro import surface
from medlab.neuro.volume import load, to_working

_Image = str | PathLike[str] | SpatialImage

_SPACING_MM = 3.0
UP_MM, DOWN_MM, SIDE_MM = 80.0, 60.0, 64.0  # the window of a face around the tip of the nose
_SHIFT_MM = 8.0
_TRIM = 0.8  # of the pixels that fit best: hair, ears and wrinkles do not decide
_LEAST_SEEN = 0.3  # of the known face must be there, else nothing is recognized
_TRIMMINGS, _BEST_SHIFTS = 2, 12


class Identification(NamedTuple):
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


def identify(
    gallery: Sequence[Floats], probes: Sequence[Floats], spacing_mm: float = _SPACING_MM
) -> Identification:
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
    spacing_mm : float

    Raises
    ------
    InputError
        If the numbers differ, or there are fewer than two.
    """
    if len(gallery) != len(probes) or len(gallery) < 2:
        raise InputError("give as many probes as known faces, each with its own, two or more")
    distances = np.stack([_compare(face, probes, spacing_mm) for face in gallery], axis=1)
    return ranked(distances)


def ranked(distances: Floats) -> Identification:
    """Return the ranks of the true entries, which stand on the diagonal.

    Parameters
    ----------
    distances : ndarray, shape (N, N)
        Of each probe to each gallery entry. Equal distances share their ranks.

    Examples
    --------
    >>> ranked(np.array([[0.1, 0.5], [0.4, 0.4]])).rank1
    0.75
    """
    own = np.diag(distances)[:, None]
    closer, equal = (distances < own).sum(axis=1), (distances == own).sum(axis=1)
    hits = np.where(closer == 0, 1 / equal, 0.0)
    count = len(distances)
    ranks = closer + (equal + 1) / 2
    low, high = wilson(float(hits.sum()), count)
    return Identification(
        float(hits.mean()), low, high, float(ranks.mean()), 1 / count, np.asarray(distances)
    )


def _compare(face_map: Floats, probes: Sequence[Floats], spacing: float) -> Floats:
    """Return the distance of each probe to one known face."""
    face, row, column = _face(face_map, spacing)
    reach = round(_SHIFT_MM / spacing)
    distances = []
    for probe in probes:
        room = _window(probe, row, column, spacing, reach)
        views: Any = np.lib.stride_tricks.sliding_window_view(room, face.shape)
        distances.append(_distance(face, views.reshape(-1, *face.shape)))
    return np.array(distances)


def _face(face_map: Floats, spacing: float) -> tuple[Floats, int, int]:
    """Return the window of a known face and where the tip of its nose is."""
    rows, columns = face_map.shape
    middle = np.zeros(face_map.shape, dtype=bool)
    middle[rows // 4 :, columns // 4 : -columns // 4] = True
    depth = np.where(middle & np.isfinite(face_map), face_map, -np.inf)
    row, column = np.unravel_index(int(depth.argmax()), face_map.shape)
    return _window(face_map, int(row), int(column), spacing, 0), int(row), int(column)


def _window(depth: Floats, row: int, column: int, spacing: float, more: int) -> Floats:
    up, down, side = (round(size / spacing) + more for size in (UP_MM, DOWN_MM, SIDE_MM))
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


def protect(heads: Sequence[_Image], jobs: int = 2, backend: str = "auto") -> list[_Protected]:
    """Deface heads, and strip them by the brain mask that defacing found.

    Parameters
    ----------
    heads : sequence of paths or nibabel images
    jobs : int
        Processes; a head takes some seconds.
    backend : {"auto", "fsl", "builtin"}
        BET for the brain mask.
    """
    from joblib import Parallel, delayed

    results: list[_Protected] = Parallel(n_jobs=jobs)(delayed(_protect)(h, backend) for h in heads)
    return results


def _protect(head: _Image, backend: str) -> _Protected:
    from medlab.neuro import deface

    try:
        result = deface(head, backend=backend)
    except MedlabError:  # the head is withheld: nothing of it to be recognized
        return _Protected(None, None, None)
    inside = np.asarray(result.brain.dataobj) > 0
    data = np.asarray(load(head).dataobj)
    stripped = nib.Nifti1Image(np.where(inside, data, 0).astype(data.dtype), result.brain.affine)
    return _Protected(result.img, stripped, result.brain)


def reidentify(
    gallery: Sequence[_Image], probes: Mapping[str, Sequence[_Image | None]]
) -> dict[str, Identification]:
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
    dict
        By the names of `probes`.
    """
    gallery_maps = depth_maps(gallery)
    nothing = np.full(gallery_maps[0].shape, np.nan)
    ranks = {}
    for name, heads in probes.items():
        present = [head for head in heads if head is not None]
        maps = iter(depth_maps([gallery[0], *present])[1:])
        ranks[name] = identify(gallery_maps, [nothing if h is None else next(maps) for h in heads])
    return ranks


def identification_table(identifications: dict[str, Identification]) -> pd.DataFrame:
    """Return one row a way of protection: rank-1 with interval, mean rank, chance."""
    rows = [{"protection": name, **rates._asdict()} for name, rates in identifications.items()]
    return pd.DataFrame(rows).drop(columns="distances")
