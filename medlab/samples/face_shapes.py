"""The parts of a head and the measures in which faces differ; places are RAS+ mm."""

from __future__ import annotations

import csv
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from medlab.samples.cohorts import DEFAULT_SEED
from medlab.samples.signed_distance import Ball, Part, Rod, Shape

# T1 brightness of the tissues; white matter is the reference. In the public head ch2 muscle has
# half of it and bone a tenth to a twentieth.
AIR, BONE, CSF, VITREOUS, MUSCLE, SKIN = 0.0, 9.0, 34.0, 28.0, 75.0, 105.0
GRAY, MARROW, WHITE, FAT = 112.0, 128.0, 170.0, 205.0


class Face(NamedTuple):
    """What differs from face to face; data/face.csv tells each measure, its middle and spread."""

    width: float
    length: float
    height: float
    eye_x: float
    eye_z: float
    brow: float
    brow_out: float
    bridge: float
    bridge_out: float
    nose_z: float
    nose_out: float
    nose_tip: float
    nose_width: float
    cheek_x: float
    cheek_out: float
    fullness: float
    mouth_z: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    lips_out: float
    chin_z: float
    chin_out: float
    chin_width: float
    jaw: float
    ear: float
    ear_lean: float
    scalp: float


def face_of(patient: int, seed: int = DEFAULT_SEED) -> Face:
    """Return the measures of one patient's face."""
    rng = np.random.default_rng([seed, 1, patient])
    with files("medlab.samples").joinpath("data/face.csv").open("r", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    draws = rng.uniform(-1, 1, len(rows))
    return Face(
        **{
            row["measure"]: float(row["middle"]) + float(row["spread"]) * float(draw)
            for row, draw in zip(rows, draws, strict=True)
        }
    )


def outer_parts(face: Face) -> list[Part]:
    """Return what is joined to the skull's cover to make the outside of the head."""
    return [*_frame(face), *_eyes_and_nose(face), *_mouth_and_ears(face)]


def _frame(face: Face) -> list[Part]:
    """Return neck, nape, temples, cheeks, jaw and chin."""
    chin, wide = 80.0 + face.chin_out, face.fullness
    return [
        Part(Rod((0, -30, -60), (0, -22, -200), 54, 58), 30),
        Part(Ball((0, -52, -62), (58, 50, 42)), 25),
        Part(Ball((50, 22, -28), (22, 42, 38)), 20),
        Part(Ball((0, 32, -72), (62 + wide / 2, 51, 56)), 20),
        Part(Ball((0, 34, -106), (face.jaw + 3 + wide, 44, 36)), 20),
        Part(Rod((face.jaw, 2, -104), (10, chin - 16, face.chin_z + 4), 10, 12), 22),
        Part(Ball((face.cheek_x, 63 + face.cheek_out, -66), (22, 14, 18)), 18),
        Part(Ball((28, 58 + wide, -92), (20, 16, 22)), 16),
        Part(Ball((0, chin - 8, face.chin_z), (face.chin_width + 4, 14, 14)), 14),
        Part(Ball((0, 69 + face.lips_out / 2, face.mouth_z), (27, 17, 22)), 14),
    ]


def _eyes_and_nose(face: Face) -> list[Part]:
    """Return brow, sockets, eyes with lids, bridge, tip and nostrils."""
    eye, eye_z, brow = face.eye_x, face.eye_z, face.brow_out
    out, low, tip = face.nose_out, face.nose_z, face.nose_tip
    bridge = Rod((0, 76 + face.bridge_out, -38), (0, out - 6, low + 5), face.bridge + 1.5, tip)
    return [
        Part(Rod((7, 78 + brow, -26), (36, 69 + brow, -24), face.brow + 2, face.brow), 14),
        Part(Ball((0, 80 + brow, -29), (9, 6, 7)), 8),
        Part(Ball((eye, 87, eye_z - 1), (19, 17, 12)), 10, True),
        Part(Ball((eye, 61.5, eye_z), (15, 14, 12.5)), 4),
        Part(Rod((eye - 13, 74, eye_z - 3), (eye, 77.5, eye_z - 4), 0.8, 1.2), 2, True),
        Part(Rod((eye, 77.5, eye_z - 4), (eye + 13, 71, eye_z - 2.5), 1.2, 0.8), 2, True),
        Part(bridge, 9),
        Part(Ball((0, out - tip, low), (tip + 1, tip + 1, tip)), 6),
        Part(Ball((face.nose_width, out - 16, low - 3), (6.5, 9, 7)), 6),
        Part(Ball((6.0, out - 14, low - 12), (3.2, 5, 5)), 2, True),
    ]


def _mouth_and_ears(face: Face) -> list[Part]:
    """Return lips, the line between them, the grooves around them, and the ears."""
    lip, mouth, corner = 90.0 + face.lips_out, face.mouth_z, face.mouth_width
    ear, size, lean = 75.5 * face.width, face.ear, face.ear_lean
    upper = Rod((0, lip - 2, mouth + 5), (corner, lip - 15, mouth + 0.5), face.upper_lip, 2)
    lower = Rod((0, lip - 2.5, mouth - 6), (corner - 3, lip - 14, mouth - 1), face.lower_lip, 2)
    return [
        Part(upper, 5),
        Part(lower, 4),
        Part(Rod((0, lip + 2.5, mouth), (corner, lip - 11, mouth), 1.8, 1.2), 3, True),
        Part(Rod((0, lip + 2.5, mouth + 11), (0, lip + 5, mouth + 19), 2.5, 2), 4, True),
        Part(Ball((0, lip + 4, mouth - 15), (14, 7, 4)), 6, True),
        Part(Ball((ear + 6, -24, -50), (5.5, 19 * size, 31 * size), lean), 5),
        Part(Ball((ear + 11, -20, -48), (6, 11, 17 * size), lean), 4, True),
    ]


def bone_parts(face: Face) -> list[Part]:
    """Return the bones of the face: upper jaw, cheek bones, lower jaw."""
    chin = 80.0 + face.chin_out
    return [
        Part(Ball((0, 52, -72), (30, 22, 26)), 6),
        Part(Rod((face.cheek_x - 4, 58, -62), (58, 20, -58), 7, 4), 5),
        Part(Rod((face.jaw - 5, 2, -102), (8, chin - 15, face.chin_z + 4), 6.5, 8), 5),
        Part(Rod((face.jaw - 5, 2, -102), (52, 0, -62), 5.5, 5), 4),
        Part(Rod((0, -46, -76), (0, -52, -200), 16, 17), 5),
        Part(Rod((0, -28, -86), (0, -26, -200), 12, 13), 5),
    ]


def contents(face: Face) -> list[tuple[Shape, float]]:
    """Return what is painted into the head below the skull, in this order: shape, brightness."""
    eye, eye_z, mouth = face.eye_x, face.eye_z, face.mouth_z
    return [
        (Ball((eye - 2, 48, eye_z), (16, 24, 15)), FAT),
        (Rod((eye, 52, eye_z), (12, 12, eye_z - 2), 3.0, 2.5), MUSCLE + 12),
        (Rod((eye + 9, 58, eye_z), (16, 14, eye_z), 2.0, 1.5), MUSCLE),
        (Ball((eye, 61, eye_z), (12.6, 12.6, 12.6)), SKIN),
        (Ball((eye, 61, eye_z), (11.6, 11.6, 11.6)), VITREOUS),
        (Ball((eye, 68.5, eye_z), (4.5, 2.2, 4.5)), GRAY),
        (Ball((0, 42, mouth + 2), (22, 28, 19)), MUSCLE + 25),
        (Rod((10, 72, mouth + 1), (26, 44, mouth + 1), 5.5, 5.5), BONE),
        (Rod((0, -49, -70), (0, -52, -200), 8.5, 8), CSF),
        (Rod((0, -49, -70), (0, -52, -200), 5, 4.5), WHITE - 15),
        (Ball((8, 48, -66), (4.5, 26, 14)), AIR),
        (Ball((27, 50, -70), (12, 13, 14)), AIR),
        (Ball((8, 24, -52), (8, 10, 6)), AIR),
        (Rod((0, 18, -66), (0, 4, -130), 8, 7), AIR),
        (Rod((0, 4, -130), (0, 6, -200), 8, 9), AIR),
        (Rod((80, -22, -53), (52, -22, -53), 3, 2.5), AIR),
        (Ball((56, -32, -62), (7, 8, 12)), BONE + 8),
    ]


def base_contents() -> list[tuple[Shape, float]]:
    """Return what is painted into the base of the skull, in this order: shape, brightness.

    The marrow of the clivus; air in the sphenoid, along the petrous bone and above the eyes.
    """
    return [
        (Rod((0, 0, -36), (0, -20, -66), 5, 4), MARROW - 20),
        (Ball((9, 20, -42), (8, 14, 11)), AIR),
        (Rod((16, -4, -46), (60, -36, -48), 5, 9), AIR),
        (Ball((14, 50, -32), (10, 16, 8)), AIR),
    ]
