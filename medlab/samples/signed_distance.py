"""Shapes of a head as signed distances: ellipsoids and rods, joined smoothly.

Every distance is in mm and negative inside. Shapes are mirrored at the mid-sagittal plane: their
points are compared with ``|x|``. Blends are the quadratic smooth minimum.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from medlab.arrays import Floats

_Triple = tuple[float, float, float]


class Space(NamedTuple):
    """Points in mm at which shapes are evaluated.

    Attributes
    ----------
    x, y, z : arrays of one 3-D shape
        Where each voxel lies in the head (right, anterior, superior of the origin).
    to_voxel : array, shape (3, 4)
        Takes head mm to the voxel index, nearly: small warps are left out.
    """

    x: Floats
    y: Floats
    z: Floats
    to_voxel: Floats

    def box(self, low: Floats, high: Floats) -> tuple[slice, ...]:
        """Return the slices of voxels that can lie between two corners, on both sides."""
        reach = max(abs(low[0]), abs(high[0]))
        corners = np.array(
            [
                [x, y, z, 1.0]
                for x in (-reach, reach)
                for y in (low[1], high[1])
                for z in (low[2], high[2])
            ]
        )
        index = corners @ self.to_voxel.T
        first = np.clip(np.floor(index.min(axis=0)), 0, self.x.shape).astype(int)
        last = np.clip(np.ceil(index.max(axis=0)) + 1, 0, self.x.shape).astype(int)
        return tuple(slice(a, max(a, b)) for a, b in zip(first, last, strict=True))


class Rod(NamedTuple):
    """A rod with round ends from `start` to `end`, its radius going from `thick` to `thin`."""

    start: _Triple
    end: _Triple
    thick: float
    thin: float

    def bounds(self) -> tuple[Floats, Floats]:
        """Return the two corners of a box around the rod, mm."""
        ends, radius = np.array([self.start, self.end]), max(self.thick, self.thin)
        return ends.min(axis=0) - radius, ends.max(axis=0) + radius

    def distance(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Return the signed distance to the rod."""
        axis = np.subtract(self.end, self.start)
        px, py, pz = x - self.start[0], y - self.start[1], z - self.start[2]
        along = np.clip((px * axis[0] + py * axis[1] + pz * axis[2]) / (axis @ axis), 0, 1)
        away = (px - along * axis[0]) ** 2 + (py - along * axis[1]) ** 2
        away += (pz - along * axis[2]) ** 2
        return np.asarray(np.sqrt(away) - (self.thick + along * (self.thin - self.thick)))


class Ball(NamedTuple):
    """An ellipsoid with its half axes in mm; `lean` moves x by so many mm per mm of y behind."""

    center: _Triple
    radii: _Triple
    lean: float = 0.0

    def bounds(self) -> tuple[Floats, Floats]:
        """Return the two corners of a box around the ellipsoid, mm."""
        reach = np.array(self.radii) + np.array([abs(self.lean) * self.radii[1], 0.0, 0.0])
        return np.array(self.center) - reach, np.array(self.center) + reach

    def distance(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Return the signed distance, exact at the surface and good near it."""
        px, py, pz = x - self.center[0], y - self.center[1], z - self.center[2]
        qx, qy, qz = (px + self.lean * py) / self.radii[0], py / self.radii[1], pz / self.radii[2]
        near = np.sqrt(qx * qx + qy * qy + qz * qz)
        slope = (qx / self.radii[0]) ** 2 + (qy / self.radii[1]) ** 2 + (qz / self.radii[2]) ** 2
        return near * (near - 1.0) / np.sqrt(np.maximum(slope, 1e-12))


Shape = Rod | Ball


class Part(NamedTuple):
    """A shape that is added to a field, or carved out of it, with a blend of `blend` mm."""

    shape: Shape
    blend: float
    carve: bool = False


def assemble(field: Floats, parts: list[Part], space: Space) -> Floats:
    """Add and carve `parts` one after the other; `field` (signed distances) is changed."""
    for shape, blend, carve in parts:
        low, high = shape.bounds()
        box = space.box(low - blend - 4.0, high + blend + 4.0)
        if 0 in field[box].shape:
            continue
        other = shape.distance(np.abs(space.x[box]), space.y[box], space.z[box])
        field[box] = (
            -_smooth_min(-field[box], other, blend)
            if carve
            else _smooth_min(field[box], other, blend)
        )
    return field


def _smooth_min(first: Floats, second: Floats, blend: float) -> Floats:
    """Return the smaller of two fields, rounded over `blend` mm where they meet."""
    if not blend:
        return np.minimum(first, second)
    overlap = np.maximum(blend - np.abs(first - second), 0.0)
    return np.minimum(first, second) - overlap * overlap / (4.0 * blend)


def paint(image: Floats, shape: Shape, value: float, space: Space, soft: float) -> None:
    """Set `image` to `value` inside `shape`, over an edge `soft` mm wide."""
    low, high = shape.bounds()
    box = space.box(low - soft, high + soft)
    if 0 in image[box].shape:
        return
    distance = shape.distance(np.abs(space.x[box]), space.y[box], space.z[box])
    image[box] += inside(distance, soft) * (value - image[box])


def inside(distance: Floats, soft: float) -> Floats:
    """Return 1 inside, 0 outside, and a ramp `soft` mm wide across the surface."""
    return np.clip(0.5 - distance / soft, 0.0, 1.0)
