"""Several images of one head: each is cut, and measured, where it lies itself.

That images share a frame of reference, or a session, is what their headers say. Patients move,
and frames are given twice: the cut of one image is used for another only where the voxels of both
agree that the heads lie alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage

from medlab.arrays import Floats, Indices, Mask
from medlab.errors import InputError, MedlabError, RefusedError
from medlab.neuro.deface import MOST_RESIDUAL, Defacing, cut_alike, deface_image
from medlab.neuro.extraction import extract_brain
from medlab.neuro.surface import front_change, head_threshold
from medlab.neuro.volume import image_like, load, to_working, voxels

GRID_MM, BINS, MOST_POINTS, FEWEST_POINTS = 4.0, 32, 50_000, 1000
# Heads that lie alike agree less when one is moved by so much. With 4 mm and 4 degrees a head that
# lies 2 mm or 2 degrees off is told, and the brain is protected by 7 mm.
MOVED_MM, MOVED_DEG = 4.0, 4.0
_LEAST_GAIN = 1e-3  # noise agrees with noise by less
_WIDEST_HEAD_CM2 = 450.0  # a round of 75 cm; hardly a head has 65
_CAVITY_MM = 5.0  # radius; nose, throat and sinuses of a face hold larger balls of air
_DIM_MM = 20.0  # of the outermost slices
_FINE_MM = 2.5  # voxels in which such a cavity is seen; slices may be twice as thick


def names_head(part: str) -> bool:
    """Return whether a head may be in the part of the body that a header names, if any."""
    words = ("HEAD", "BRAIN", "SKULL", "FACE", "NECK", "BODY")
    return not part or any(word in part.upper() for word in words)


class NoHeadError(RefusedError):
    """The image was measured and holds no head, so that there is no face to cut."""


class Removal(NamedTuple):
    """What is cut out of one image.

    Attributes
    ----------
    img : Nifti1Image
        The image without it.
    mask : ndarray of bool, shape (X, Y, Z)
        Where it was.
    report : dict
        What was measured: numbers, and ``warnings`` in fixed words.
    """

    img: nib.Nifti1Image
    mask: Mask
    report: dict[str, Any]


class _Grays(NamedTuple):
    """An image on a grid of about 4 mm."""

    data: npt.NDArray[np.float32]
    affine: Floats


def cut_study(
    images: Sequence[Callable[[], SpatialImage]],
    method: str,
    parts: Mapping[int, str] = {},
    f: float = 0.5,
) -> Iterator[tuple[int, Removal | MedlabError]]:
    """Find what is cut out of images that are said to lie in one space.

    Parameters
    ----------
    images, parts
        As in `_deface_study`.
    method : {"deface", "strip"}
        The face, or all but the brain; that is found in each image by itself.
    f : float
        BET's fractional intensity, for stripping.

    Yields
    ------
    number : int
        Place in `images`.
    Removal or MedlabError
        What is cut, or why this image must not be handed out.
    """
    if method == "deface":
        for number, done in _deface_study(images, parts):
            if isinstance(done, MedlabError):
                yield number, done
            else:
                removed = np.asanyarray(done.removed.dataobj) > 0
                yield number, Removal(done.img, removed, done.report)
        return
    for number, read in enumerate(images):
        try:
            yield number, _stripped(load(read()), f)
        except Exception as error:  # noqa: BLE001 - whatever happened, the image is refused
            yield number, _refusal(read, parts.get(number, ""), error)


def _stripped(img: SpatialImage, f: float) -> Removal:
    """Return an image without all but its brain; refuse where the front of the head stays."""
    _check_volumes(img)
    _check_head(img, "")
    extraction = extract_brain(img, f=f)
    share = float(front_change(img, extraction.brain).kept.mean())
    if share > MOST_RESIDUAL:
        raise RefusedError(
            f"{share:.0%} of the front of the head would stay (at most {MOST_RESIDUAL:.0%}); try "
            "another fractional intensity, or cut the face out"
        )
    facts = {name: extraction.report[name] for name in ("volume_ml", "backend", "warnings")}
    mask = np.asanyarray(extraction.mask.dataobj) == 0
    return Removal(extraction.brain, mask, facts | {"residual_face": share})


def _refusal(read: Callable[[], SpatialImage], part: str, error: Exception) -> MedlabError:
    """Return why an image is refused: it may hold no head at all."""
    if isinstance(error, NoHeadError | InputError):
        return error
    try:
        _check_head(load(read()), part)
    except Exception as second:  # noqa: BLE001
        return _said(second)
    return _said(error)


def deface(
    img: str | PathLike[str] | SpatialImage,
    others: Sequence[str | PathLike[str] | SpatialImage] = (),
    *,
    ears: bool = False,
    backend: str = "auto",
) -> Defacing:
    """Cut the face out of a head, and refuse rather than give a face away.

    Parameters
    ----------
    img : path or nibabel image
        A head, in any orientation; of 4-D images the mean is looked at.
    others : sequence of path or nibabel image
        Other images of the same study (contrasts, localizers); one face left in any of them
        undoes the rest. Each is cut alike where its head lies alike, else by itself, and the
        report has the worst figures of all.
    ears : bool
        Cut the ears too; they identify, and other tools leave them.
    backend : {"auto", "fsl", "builtin"}
        BET for the brain mask.

    Returns
    -------
    Defacing

    Raises
    ------
    InputError
        If the image is no head.
    RefusedError
        If no way of cutting passes the checks: brain untouched, head still there, face gone.

    Notes
    -----
    Skull stripping removes more. Recognition has worked on defaced heads in 28 to 38 of
    100 cases (Schwarz et al., NeuroImage 231:117845, 2021), and gyri are individual too:
    a defaced image is not anonymous.
    """
    if not others:
        return deface_image(load(img), ears=ears, backend=backend)
    images = [load(image) for image in (img, *others)]
    (first, *rest), report = deface_all(images, ears=ears, backend=backend)
    return replace(first, others=tuple(image.img for image in rest), report=report)


def _deface_study(
    images: Sequence[Callable[[], SpatialImage]], parts: Mapping[int, str] = {}, **options: Any
) -> Iterator[tuple[int, Defacing | MedlabError]]:
    """Cut the faces out of images that are said to lie in one space, and measure each.

    Parameters
    ----------
    images : sequence of callables
        Each reads an image, and is called again if that could not be cut before another was.
        The first that can be cut by itself shares its cut. One image is in memory at a time.
    parts : mapping of int to str
        The part of the body that the header of an image names (see `_no_head`); may be filled
        while the images are read.
    **options
        Of `medlab.neuro.deface`.

    Yields
    ------
    number : int
        Place in `images`.
    Defacing or MedlabError
        What was cut and measured in this image, or why it must not be handed out.
    """
    first: tuple[Defacing, _Grays] | None = None
    again: list[tuple[int, MedlabError]] = []
    for number, read in enumerate(images):
        try:
            img = load(read())
            _check_volumes(img)
            done = first and _alike(img, *first)
            if not done:
                _check_head(img, "")
                done = deface_image(img, **options)
                first = first or (done, _grays(img))
        except Exception as error:  # noqa: BLE001 - whatever happened, the image is refused
            again.append((number, _said(error)))
        else:
            yield number, done
    for number, refusal in again:
        try:
            if isinstance(refusal, NoHeadError | InputError):
                raise refusal
            img = load(images[number]())
            done = first and _alike(img, *first)
            if not done:
                _check_head(img, parts.get(number, ""))
                raise refusal
        except Exception as error:  # noqa: BLE001
            yield number, _said(error)
        else:
            yield number, done


def _said(error: Exception) -> MedlabError:
    """Return an error whose sentence repeats no value."""
    if isinstance(error, MedlabError):
        return error
    return RefusedError(f"looking for the face failed ({type(error).__name__})")


def deface_all(
    images: Sequence[SpatialImage], **options: Any
) -> tuple[list[Defacing], dict[str, Any]]:
    """Cut the faces out of all images, or give none; see `_deface_study`.

    Returns
    -------
    list of Defacing
        One an image.
    dict
        The report of the first one with the worst figures of all, and all warnings.

    Raises
    ------
    RefusedError
        If one of them cannot be cut; one face left undoes the rest.
    """
    results: dict[int, Defacing] = {}
    for number, done in _deface_study([lambda img=img: img for img in images], **options):  # type: ignore[misc]
        if isinstance(done, MedlabError):
            which = f"image {number + 1} of {len(images)}: " if len(images) > 1 else ""
            raise RefusedError(f"{which}{done}") from done
        results[number] = done
    defaced = [results[number] for number in sorted(results)]
    reports = [one.report for one in defaced]
    return defaced, reports[0] | {
        "residual_face": max(report["residual_face"] for report in reports),
        "brain_changed": max(report["brain_changed"] for report in reports),
        "head_kept": min(report["head_kept"] for report in reports),
        "warnings": list(dict.fromkeys(w for report in reports for w in report["warnings"])),
    }


def _alike(img: SpatialImage, first: Defacing, grays: _Grays) -> Defacing | None:
    """Return an image cut as the first one was, if it lies as that does and passes the checks."""
    lies_alike = _gain(_grays(img), grays) > _LEAST_GAIN  # NaN: no
    return cut_alike(img, first) if lies_alike else None


def _grays(img: SpatialImage) -> _Grays:
    from scipy.ndimage import uniform_filter

    working = to_working(img)
    step = np.maximum(1, np.round(GRID_MM / working.zooms)).astype(int)
    data = uniform_filter(working.data, tuple(step))[tuple(slice(None, None, s) for s in step)]
    return _Grays(data, working.affine @ np.diag([*step, 1.0]))


def _check_volumes(img: SpatialImage) -> None:
    """Refuse a series of volumes in one of which the head lies elsewhere: their mean is cut."""
    if len(img.shape) < 4:
        return
    data = voxels(img)
    first, *others = (_grays(image_like(img, data[..., k])) for k in range(img.shape[3]))
    for number, other in enumerate(others, start=2):
        if _gain(other, first, 2.0) < -_LEAST_GAIN:
            raise RefusedError(
                f"the head moved between volume 1 and volume {number} of {img.shape[3]}; give "
                "the volumes one by one"
            )


def _gain(first: _Grays, other: _Grays, times: float = 1.0) -> float:
    """Return how much better two images agree as they lie than moved, NaN if they hardly meet.

    Two that show a head in one place, whatever their contrasts, agree best as they lie: better
    than when one of them is moved or turned a little in any direction, or mirrored. Agreement is
    normalized mutual information (Studholme, Hill and Hawkes, Pattern Recognition 32:71-86,
    1999) where both were taken; the moves are `times` as far.
    """
    from scipy.ndimage import map_coordinates
    from scipy.spatial.transform import Rotation

    inverse = np.linalg.inv(other.affine)
    points = nib.affines.apply_affine(first.affine, np.indices(first.data.shape).reshape(3, -1).T)
    index = nib.affines.apply_affine(inverse, points)
    inside = np.flatnonzero(((index >= 0) & (index <= np.array(other.data.shape) - 1)).all(axis=1))
    if len(inside) < FEWEST_POINTS:
        return float("nan")
    inside = inside[:: -(-len(inside) // MOST_POINTS)]
    points, values = points[inside], first.data.ravel()[inside]
    middle = points.mean(axis=0)
    levels, edges = _levels(values, _edges(values)), _edges(other.data)

    def agreement(turn: Floats, shift: Floats) -> float:
        index = nib.affines.apply_affine(inverse, (points - middle) @ turn.T + middle + shift)
        there = map_coordinates(other.data, index.T, order=1, mode="nearest")
        return _information(levels, _levels(there, edges))

    still, here = np.eye(3), np.zeros(3)
    steps = np.concatenate([still, -still])
    turns = Rotation.from_rotvec(steps * MOVED_DEG * times, degrees=True).as_matrix()
    mirrors = [np.diag(signs) for signs in ((1.0, -1, 1), (1.0, 1, -1), (1.0, -1, -1))]
    moves = [(still, MOVED_MM * times * step) for step in steps]
    moves += [(turn, here) for turn in (*turns, *mirrors)]
    return agreement(still, here) - max(agreement(*move) for move in moves)


def _edges(values: npt.NDArray[np.float32]) -> Floats:
    return np.unique(np.percentile(values, np.linspace(0, 100, BINS + 1)[1:-1]))


def _levels(values: npt.NDArray[np.float32], edges: Floats) -> Indices:
    return np.digitize(values, edges)


def _information(first: Indices, other: Indices) -> float:
    """Return the normalized mutual information of two gray levels: 1 (none) to 2 (the same)."""
    joint = np.bincount(first * BINS + other, minlength=BINS**2).reshape(BINS, BINS) / first.size
    shares = (joint.sum(axis=0), joint.sum(axis=1), joint)
    a, b, both = (float(-(p[p > 0] * np.log(p[p > 0])).sum()) for p in shares)
    return (a + b) / both if both else 1.0


def _check_head(img: SpatialImage, part: str) -> None:
    if _no_head(img, part):
        raise NoHeadError("no head was found in this image, so there is no face to cut")


def _no_head(img: SpatialImage, part: str = "") -> bool:
    """Return whether an image was measured and can hold no face.

    Nearly all of its slices across are wider than any head; or, where no brain was found and the
    header names another part of the body, that is solid, without the air of a nose and throat.
    What the header says alone proves nothing.

    Parameters
    ----------
    img : nibabel image
    part : str
        The part of the body that the header names, if no brain was found; else empty.
    """
    working = to_working(img)
    threshold = head_threshold(working.data)
    whole = 2 * threshold - float(working.data.min())  # Otsu's; `threshold` is half of it
    skins = [_skin(working.data, level) for level in (threshold, whole)]
    mm = working.zooms
    areas_cm2 = [skin.sum(axis=(0, 1)) * mm[0] * mm[1] / 100 for skin in skins]
    # hardly a slice is as narrow as a head; the outermost may be dim
    if all((areas < _WIDEST_HEAD_CM2).sum() * mm[2] <= _DIM_MM for areas in areas_cm2):
        return True
    if names_head(part):
        return False
    zooms = np.sort(working.zooms)
    return bool(zooms[1] <= _FINE_MM and zooms[2] <= 2 * _FINE_MM) and all(
        _solid(working.data, skin, level, working.zooms)
        for skin, level in zip(skins, (threshold, whole), strict=True)
    )


def _skin(data: npt.NDArray[np.float32], level: float) -> Mask:
    """Return the largest body in each slice across, its cavities filled."""
    from scipy.ndimage import binary_fill_holes, label

    body = np.zeros(data.shape, dtype=bool)
    for k in range(data.shape[2]):
        labels, count = label(data[:, :, k] > level)
        if count:
            largest = np.bincount(labels.ravel())[1:].argmax() + 1
            body[:, :, k] = binary_fill_holes(labels == largest)
    return body


def _solid(data: npt.NDArray[np.float32], skin: Mask, level: float, zooms: Floats) -> bool:
    """Return whether a body holds no ball of air."""
    from scipy.ndimage import distance_transform_edt

    air = skin & (data <= level)
    depth = distance_transform_edt(air, sampling=zooms)
    return bool(skin.any()) and float(depth.max()) < _CAVITY_MM
