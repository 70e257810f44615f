"""BET: a sphere inside the head grows until it lies on the brain.

Written from Smith, "Fast robust automated brain extraction", Human Brain Mapping
17:143-155, 2002. Where the constants differ from the paper they are those with which
the tool behaves today (see `docs/neuro.md`). Arrays are in radiological order (first
axis runs from right to left of the reader, see `medlab.neuro.volume`), positions in
mm with the origin at the middle of voxel (0, 0, 0).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from medlab.arrays import Floats, Indices, Mask
from medlab.errors import InputError, not_installed

_ITERATIONS = 1000
_WATCHED = 20  # iterations between two words to who watches
_MAX_PASSES = 10
_CROSSED = 4000.0  # self-intersection above which the surface is grown again, smoother
R_MIN_MM, R_MAX_MM = 3.33, 10.0  # radii of curvature left alone and smoothed away
DEPTH_MIN_MM, DEPTH_MAX_MM = 7.0, 3.0  # how far inwards the darkest and the brightest are sought


class _Intensities(NamedTuple):
    """What BET reads from the image before it grows a surface.

    Attributes
    ----------
    t2, t98 : float
        Robust minimum and maximum (2nd and 98th percentile).
    t : float
        Darkest value that still counts as head: ``t2 + 0.1 (t98 - t2)``.
    tm : float
        Median inside the head sphere, an estimate of brain brightness.
    center_mm : ndarray, shape (3,)
        Center of gravity of the head.
    radius_mm : float
        Radius of the sphere that has the volume of the head.
    """

    t2: float
    t98: float
    t: float
    tm: float
    center_mm: Floats
    radius_mm: float


class _Surface(NamedTuple):
    """A closed brain surface.

    Attributes
    ----------
    vertices : ndarray, shape (2562, 3)
        Positions in mm.
    faces : ndarray, shape (5120, 3)
        Vertex numbers, counter-clockwise when seen from outside.
    crossings : float
        Self-intersection of the surface; above 4000 it is not trusted.
    passes : int
        How many times the surface was grown (1 unless it crossed itself).
    """

    vertices: Floats
    faces: Indices
    crossings: float
    passes: int


def _robust_range(data: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Return the 2nd and 98th percentile, widened to a grid of 1000 steps of the full range.

    The grid is what a histogram of 1000 bins would give. When the bulk of the values
    fills less than a tenth of the range (an outlier, an implant), it is left out.
    """
    low, high = float(data.min()), float(data.max())
    if not low < high:
        raise InputError("the image has one single value everywhere, so it shows no head")
    p2, p98 = (float(p) for p in np.percentile(data, (2, 98)))
    if p98 - p2 < (high - low) / 10:
        return p2, p98
    step = (high - low) / 1000
    above = min(np.floor((p98 - low) / step) + 1, 1000)
    return low + float(np.floor((p2 - low) / step)) * step, low + float(above) * step


def robust_threshold(data: npt.NDArray[np.float32]) -> float:
    """Return t: a tenth of the way from the robust minimum to the robust maximum."""
    t2, t98 = _robust_range(data)
    return t2 + 0.1 * (t98 - t2)


def intensities(
    data: npt.NDArray[np.float32],
    zooms: Floats,
    center_mm: Floats | None = None,
    radius_mm: float | None = None,
) -> _Intensities:
    """Estimate brightness, center and size of the head (Smith 2002, step 1).

    Parameters
    ----------
    data : ndarray of float32, shape (X, Y, Z)
        The image.
    zooms : ndarray, shape (3,)
        Voxel size in mm.
    center_mm, radius_mm : optional
        Taken as they are instead of being estimated.

    Raises
    ------
    InputError
        If nothing in the image is brighter than its background.
    """
    t2, t98 = _robust_range(data)
    t = t2 + 0.1 * (t98 - t2)
    head = data > t
    voxels = int(np.count_nonzero(head))
    if not voxels or not t98 > t2:
        raise InputError(
            "nothing in the image is brighter than its background, so it shows no head"
        )
    if center_mm is None:
        center_mm = _center_of_gravity(data, head, t2, t98) * zooms
    if radius_mm is None:
        radius_mm = float(np.cbrt(voxels * np.prod(zooms) * 3 / (4 * np.pi)))
    inside = _ball(data.shape, zooms, center_mm, radius_mm) & (data > t2) & (data < t98)
    if not inside.any():
        raise InputError("no tissue lies near the starting center; give another center or radius")
    return _Intensities(t2, t98, t, float(np.median(data[inside])), center_mm, radius_mm)


def _center_of_gravity(data: npt.NDArray[np.float32], head: Mask, t2: float, t98: float) -> Floats:
    """Return the center of the head in voxels, weighed by brightness between t2 and t98."""
    weight = np.minimum(data, np.float32(t98))
    weight -= np.float32(t2)
    weight *= head
    profiles = [weight.sum(axis=axes, dtype=np.float64) for axes in ((1, 2), (0, 2), (0, 1))]
    return np.array([(p * np.arange(p.size)).sum() / p.sum() for p in profiles])


def _ball(shape: tuple[int, ...], zooms: Floats, center: Floats, radius: float) -> Mask:
    """Return the voxels whose middle lies within `radius` mm of `center`."""
    x, y, z = (
        ((np.arange(n) * zoom - c) ** 2).astype(np.float32)
        for n, zoom, c in zip(shape, zooms, center, strict=True)
    )
    inside = np.empty(shape, dtype=bool)
    for number, square in enumerate(x):  # a slice at a time: no array of distances of all voxels
        inside[number] = (square + y)[:, None] + z < radius**2
    return inside


@cache
def _sphere(divisions: int = 4) -> tuple[Floats, Indices]:
    """Return vertices (unit sphere) and faces of an icosahedron cut in four `divisions` times.

    Every vertex has six neighbors, except the first twelve, those of the icosahedron, which
    have five.
    """
    from scipy.spatial import ConvexHull

    a, b = np.sqrt((5 + np.sqrt(5)) / 10), np.sqrt((5 - np.sqrt(5)) / 10)
    signs = np.array([(s, t) for s in (1, -1) for t in (1, -1)])
    zero = np.zeros(4)
    vertices = np.concatenate(
        [
            np.stack([a * signs[:, 0], b * signs[:, 1], zero], axis=1),
            np.stack([b * signs[:, 0], zero, a * signs[:, 1]], axis=1),
            np.stack([zero, a * signs[:, 0], b * signs[:, 1]], axis=1),
        ]
    )
    faces = np.asarray(ConvexHull(vertices).simplices, dtype=np.intp)
    inward = np.linalg.det(vertices[faces]) < 0
    faces[inward] = faces[inward][:, ::-1]
    for _ in range(divisions):
        vertices, faces = _cut_in_four(vertices, faces)
    vertices.setflags(write=False)
    faces.setflags(write=False)
    return vertices, faces


def _cut_in_four(vertices: Floats, faces: Indices) -> tuple[Floats, Indices]:
    """Put a vertex on the middle of every edge and return the four times finer mesh."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    unique, number = np.unique(edges, axis=0, return_inverse=True)
    middle = vertices[unique].sum(axis=1)
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    a, b, c = faces.T
    ab, bc, ca = len(vertices) + number.reshape(-1, 3).T
    finer = np.concatenate([[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]], axis=1)
    return np.concatenate([vertices, middle]), np.ascontiguousarray(finer.T)


def _neighbors(faces: Indices, vertices: int) -> tuple[Indices, Indices]:
    """Return the ring of neighbors of each vertex, and how many it has.

    Parameters
    ----------
    faces : ndarray, shape (F, 3)
        Counter-clockwise vertex numbers of a closed mesh.
    vertices : int
        Number of vertices V.

    Returns
    -------
    rings : ndarray, shape (6, V)
        Neighbors in counter-clockwise order; a ring of five begins anew in the last row.
    counts : ndarray, shape (V,)
        5 or 6.
    """
    owner, here, following = (
        faces[:, order].ravel() for order in ([0, 1, 2], [1, 2, 0], [2, 0, 1])
    )
    order = np.argsort(owner * vertices + here)
    keys = (owner * vertices + here)[order]
    after = following[order]
    every = np.arange(vertices)
    rings = [after[np.searchsorted(owner[order], every)]]
    for _ in range(5):
        rings.append(after[np.searchsorted(keys, every * vertices + rings[-1])])
    return np.stack(rings), np.bincount(owner, minlength=vertices)


class _Field(NamedTuple):
    """The image as the surface feels it while it grows."""

    data: npt.NDArray[np.float32]
    zooms: Floats
    dark_mm: Floats  # depths at which the darkest value is sought
    bright_mm: Floats  # depths at which the brightest value is sought; a start of `dark_mm`
    levels: _Intensities
    accelerate: bool


def _depths(end_mm: float, step_mm: float) -> Floats:
    return np.append(np.arange(1.0, end_mm - 1e-6, step_mm), end_mm)


def _field(
    data: npt.NDArray[np.float32], zooms: Floats, levels: _Intensities, accelerate: bool
) -> _Field:
    step = min(1.0, float(zooms.min()))
    return _Field(
        np.ascontiguousarray(data),
        zooms,
        _depths(DEPTH_MIN_MM, step),
        _depths(DEPTH_MAX_MM, step)[:-1],
        levels,
        accelerate,
    )


def _pull(points: Floats, normals: Floats, threshold: Floats | float, field: _Field) -> Floats:
    """Return f3 of Smith 2002, eq. 11: outwards where tissue is bright, inwards where dark.

    Parameters
    ----------
    points, normals : ndarray, shape (3, V)
        Positions in mm and outward unit vectors.
    threshold : float or ndarray, shape (V,)
        b_t: where between t2 and the brightest value nearby brain begins.
    field : _Field
        The image.
    """
    t2, _, t, tm, _, _ = field.levels
    darkest, brightest, inside = _extremes(points, normals, field)
    darkest = np.maximum(t2, np.minimum(tm, darkest))
    brightest = np.minimum(tm, np.maximum(t, brightest))
    begin = (brightest - t2) * threshold + t2
    return np.asarray(np.where(inside, 2 * (darkest - begin) / (brightest - t2), 0.0))


def _extremes(points: Floats, normals: Floats, field: _Field) -> tuple[Floats, Floats, Mask]:
    """Return the darkest and brightest value along the inward rays, and where rays stay inside."""
    if field.accelerate:
        from medlab.neuro.bet_numba import extremes

        bright, depths = field.bright_mm.size, field.dark_mm
        dark, light, inside = extremes(
            field.data, 1 / field.zooms, points, normals, depths, bright
        )
        return dark, light, inside
    nx, ny, nz = field.data.shape
    scale = 1 / field.zooms[:, None]
    start, step = points * scale + 0.5, normals * scale
    rays = (start[:, None, :] - field.dark_mm[:, None] * step[:, None, :]).astype(np.int32)
    ends = rays[:, [0, -1]]
    inside = ((ends >= 0) & (ends < np.array((nx, ny, nz))[:, None, None])).all(axis=(0, 1))
    flat = (rays[0] * ny + rays[1]) * nz + rays[2]
    values = field.data.ravel().take(flat, mode="clip")
    brightest = values[: field.bright_mm.size].max(axis=0)
    return values.min(axis=0).astype(float), brightest.astype(float), np.asarray(inside)


def grow(
    data: npt.NDArray[np.float32],
    zooms: Floats,
    levels: _Intensities,
    *,
    f: float = 0.5,
    g: float = 0.0,
    smoothness: float = 1.0,
    accelerate: bool = False,
    watch: Callable[[float], None] | None = None,
) -> _Surface:
    """Grow the surface from half the head's radius until it lies on the brain.

    Parameters
    ----------
    data : ndarray of float32, shape (X, Y, Z)
        The image, third axis upwards.
    zooms : ndarray, shape (3,)
        Voxel size in mm.
    levels : Intensities
        Brightness, center and size of the head.
    f : float
        Fractional intensity threshold, 0 to 1; smaller keeps more.
    g : float
        Vertical gradient of `f`, -1 to 1; positive keeps more at the bottom.
    smoothness : float
        Factor on the radii of curvature that are smoothed.
    accelerate : bool
        Use numba, which must be installed: the same result, sooner after the first time.
    watch : callable, optional
        Told at times which share of the iterations of this pass is done; what it raises
        ends the work.

    Notes
    -----
    A surface that crosses itself is grown again from the sphere, ten times stiffer where
    it is concave, and so on up to ten times.
    """
    unit, faces = _sphere()
    rings, counts = _neighbors(faces, len(unit))
    start = unit.T * (levels.radius_mm / 2) + levels.center_mm[:, None]
    field = _field(data, zooms, levels, accelerate)
    limits = (R_MIN_MM * smoothness, R_MAX_MM * smoothness)
    for number in range(_MAX_PASSES):
        points = _one_pass(start, rings, counts, field, f, g, limits, number, watch)
        crossings = _self_intersection(points, start, rings)
        if crossings <= _CROSSED:
            break
    vertices = np.ascontiguousarray(points.T)
    return _Surface(vertices, faces, crossings, number + 1)


def _one_pass(
    start: Floats,
    rings: Indices,
    counts: Indices,
    field: _Field,
    f: float,
    g: float,
    limits: tuple[float, float],
    number: int,
    watch: Callable[[float], None] | None,
) -> Floats:
    """Move all vertices 1000 times (Smith 2002, eqs. 4 to 13)."""
    points = start.copy()
    center_z, radius = field.levels.center_mm[2], field.levels.radius_mm
    E, F = (1 / limits[0] + 1 / limits[1]) / 2, 6 / (1 / limits[0] - 1 / limits[1])
    bt: Floats | float = f**0.275
    shape = _numba_shape() if field.accelerate else _shape
    for i in range(_ITERATIONS):
        if watch and i % _WATCHED == 0:
            watch(i / _ITERATIONS)
        if i % 100 == 0 or i == 50:
            spacing = _mean_spacing(points, rings)
        normals, s = shape(points, rings, counts)
        sn = normals[0] * s[0] + normals[1] * s[1] + normals[2] * s[2]
        f2 = 0.5 * (1 + np.tanh(F * (2 * np.abs(sn) / spacing**2 - E)))
        if number:
            # the factor on concave smoothing falls to 1 over the last quarter
            remaining = min(1.0, (_ITERATIONS - i) / (0.25 * _ITERATIONS))
            stiffness = 1 + (10.0 ** (number + 1) - 1) * remaining
            f2 = np.where(sn > 0, np.minimum(1, f2 * stiffness), f2)
        if g:
            bt = np.clip(f**0.275 + g * (points[2] - center_z) / radius, 0, 1)
        f3 = _pull(points, normals, bt, field)
        points = points + 0.5 * (s - sn * normals) + (f2 * sn + 0.05 * spacing * f3) * normals
    return points


def _numba_shape() -> Callable[[Floats, Indices, Indices], tuple[Floats, Floats]]:
    """Return the kernel that does what `_shape` does."""
    try:
        from medlab.neuro.bet_numba import shape
    except ImportError as error:
        raise not_installed("numba", "neuro") from error
    kernel: Callable[[Floats, Indices, Indices], tuple[Floats, Floats]] = shape
    return kernel


def _shape(points: Floats, rings: Indices, counts: Indices) -> tuple[Floats, Floats]:
    """Return outward unit normals and the way from each vertex to the mean of its neighbors.

    The sum of face normals around a vertex is the sum of the cross products of
    consecutive neighbors: the vertex itself cancels out.
    """
    x, y, z = around = points.take(rings, axis=1)
    normals = np.zeros_like(points)
    for a, b in zip(range(6), (1, 2, 3, 4, 5, 0), strict=True):  # rows this short stay in cache
        normals[0] += y[a] * z[b] - z[a] * y[b]
        normals[1] += z[a] * x[b] - x[a] * z[b]
        normals[2] += x[a] * y[b] - y[a] * x[b]
    normals /= np.sqrt(normals[0] ** 2 + normals[1] ** 2 + normals[2] ** 2)
    mean = around[:, :5].sum(axis=1)
    mean[:, 12:] += around[:, 5, 12:]  # the twelve vertices of the icosahedron have five
    return normals, mean / counts - points


def _mean_spacing(points: Floats, rings: Indices) -> float:
    """Return the mean distance of neighbors in mm."""
    return float(np.sqrt(((points.take(rings, axis=1) - points[:, None]) ** 2).sum(0)).mean())


def _self_intersection(points: Floats, start: Floats, rings: Indices) -> float:
    """Return how much nearer than on the sphere vertices have come that lie close together.

    Sum of ``(d / m - d0 / m0)**2`` over pairs closer than the mean spacing m, where d0
    and m0 belong to the sphere at the start (Smith 2002, section on self-intersection).
    """
    from scipy.spatial import KDTree

    m, m0 = _mean_spacing(points, rings), _mean_spacing(start, rings)
    a, b = KDTree(points.T).query_pairs(m, output_type="ndarray").T
    d = np.linalg.norm(points[:, a] - points[:, b], axis=0)
    d0 = np.linalg.norm(start[:, a] - start[:, b], axis=0)
    return float(((d / m - d0 / m0) ** 2).sum())


def fill(vertices: Floats, faces: Indices, zooms: Floats, shape: tuple[int, ...]) -> Mask:
    """Return the voxels in and on a closed surface.

    Parameters
    ----------
    vertices : ndarray, shape (V, 3)
        Positions in mm.
    faces : ndarray, shape (F, 3)
        Vertex numbers.
    zooms : ndarray, shape (3,)
        Voxel size in mm.
    shape : tuple of int
        Shape of the mask; the surface may reach beyond it.
    """
    from scipy import ndimage

    corners = vertices[faces] / zooms + 0.5
    low = np.floor(corners.min(axis=(0, 1))).astype(np.intp) - 2
    high = np.floor(corners.max(axis=(0, 1))).astype(np.intp) + 3
    shell = np.zeros(high - low, dtype=bool)
    corners = corners - low
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    steps = 2 ** np.ceil(np.log2(np.maximum(2 * edges, 1))).astype(np.intp)
    for n in np.unique(steps):  # points at most half a voxel apart, one array for each fineness
        points = _grid(corners[steps == n], int(n))
        shell[tuple(points.astype(np.intp).T)] = True
    label, _ = ndimage.label(~shell)
    box = label != label[0, 0, 0]
    mask = np.zeros(shape, dtype=bool)
    target = tuple(
        slice(max(a, 0), max(min(b, n), 0)) for a, b, n in zip(low, high, shape, strict=True)
    )
    source = tuple(slice(t.start - a, t.stop - a) for t, a in zip(target, low, strict=True))
    if all(t.start < t.stop for t in target):
        mask[target] = box[source]
    return mask


def _grid(corners: Floats, n: int) -> Floats:
    i, j = np.mgrid[: n + 1, : n + 1].reshape(2, -1)
    i, j = i[i + j <= n], j[i + j <= n]
    weights = np.stack([i, j, n - i - j], axis=1) / n
    return np.asarray(np.einsum("pk,tkx->tpx", weights, corners).reshape(-1, 3))
