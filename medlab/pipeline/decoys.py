"""Decoys: studies of nobody among the outputs of a job, to tell who let a copy out.

A decoy is made from what the job has released already, so it says nothing new of a patient: one
study with other UIDs, dates, times and numbers, each picture warped and blended with another of
its kind. It becomes a source of the job, which cleans it like all others. The vault keeps
signatures of its pictures, with the recipient of the copy.
"""

from __future__ import annotations

import shutil
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from secrets import choice, token_hex
from string import ascii_lowercase, ascii_uppercase, digits
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.multival import MultiValue
from scipy import ndimage

from medlab import dicom
from medlab.arrays import Array
from medlab.crypto import Vault
from medlab.crypto.keys import subkey
from medlab.dicom import dates
from medlab.dicom.codes import is_registered
from medlab.dicom.declarations import MARKS
from medlab.dicom.files import quiet_pydicom
from medlab.errors import InputError, MedlabError, MissingError, RefusedError, UsageError, usable
from medlab.methods import encryption
from medlab.pipeline.hiding import with_pictures
from medlab.pipeline.job import asked_of, rerun
from medlab.pipeline.job_files import job_key, private_folder
from medlab.pipeline.job_report import decoys_of
from medlab.pipeline.ledger import Ledger
from medlab.pipeline.reidentification import open_vault
from medlab.pixels import frames
from medlab.samples import people
from medlab.synthetic import augment

_KIND = "decoy"  # of entries in the vault
_BITS = 512
# Of 2,918 pictures of 33 x 24 pixels none differed in fewer than 112 bits from a decoy; larger
# ones lie near 256. Rescaling to 8 bits changes a dozen.
_MOST_DIFFERENT = 80
_CLOSED = ("cohort_k", "ids", "stream")
_FITS = 8  # halvings of the noise, to a hundredth of what neighbors do not tell
_DARK = 0.05  # of the range of gray levels: what lies outside of a body
_NUMBERS = ("PatientID", "AccessionNumber", "StudyID")
_SIZES = ("PatientWeight", "PatientSize")
_DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")
# UIDs of things that many patients share
_NOT_INSTANCES = ("Class", "Device", "Creator", "CodingScheme", "Palette", "Implementation")


class _Series(NamedTuple):
    """The output files of one series; `place` is their folder, `kind` what it blends with."""

    place: tuple[str, ...]
    kind: str
    header: Dataset
    files: list[Path]


class _Person(NamedTuple):
    """Who a decoy is of; `other` and `minute` give what stands for a text or a time, always."""

    name: str
    other: Callable[[str], str]
    earlier_days: int
    minute: Callable[[int], int]
    sizes: dict[str, Any]


def add(
    source: Path, target: Path, count: int, *, key_file: Path | None = None, recipient: str = ""
) -> tuple[int, str]:
    """Put decoys into the outputs of a job; return the number of files, and what is to be told.

    What else is missing of the job is done as well: it runs again.

    Parameters
    ----------
    source, target : Path
        SRC and DST of the job.
    count : int
        Studies.
    key_file : Path, optional
        As in `medlab.pipeline.deidentify`.
    recipient : str
        Who gets this copy.

    Raises
    ------
    MissingError, RefusedError, InputError
        If there is no job with a vault, it was done with what decoys cannot follow, or no study
        has two of its kind. Nothing is changed then.
    """
    target = target.absolute()
    folder = private_folder(target)
    order = asked_of(target)
    if order is None or not target.is_dir():
        raise MissingError("no job stands beside CLEAN; run deidentify first")
    if not (folder / "vault.db").is_file():
        raise MissingError("the job has no vault to know decoys by; run deidentify with one")
    if order["source"] != str(source.resolve()):
        raise RefusedError("CLEAN was made from another SRC; name that one")
    settings = order["settings"]
    if settings["head"] != "leave" or any(settings[name] for name in _CLOSED):
        raise RefusedError(
            "a cohort, a table of new IDs, cut heads or a gateway leave no room for decoys"
        )
    origins = _origins(folder)
    with (
        Vault(folder / "vault.db", job_key(folder, key_file)) as vault,
        TemporaryDirectory(dir=folder, prefix="decoys-") as part,
    ):
        series = list(_all_series(target, origins))
        originals = {target / name: source / origins[name] for name in origins}
        released = [path for sequence in series if sequence.kind for path in sequence.files]
        pictures = usable(released, lambda path: _signatures(dicom.read(path), vault.code_key))
        real = _Signatures([bits for *_, some in pictures for bits in some], vault.code_key)
        for name, datasets in _drawn(series, count, originals, real):
            Path(part, name).mkdir(mode=0o700)
            for number, dataset in enumerate(datasets):
                Path(part, name, f"{number:05d}.dcm").write_bytes(dicom.to_bytes(dataset))
        codes = [
            (_KIND, bits.tobytes().hex(), recipient, "")
            for path in sorted(Path(part).rglob("*.dcm"))
            for bits in _signatures(dicom.read(path), vault.code_key)
        ]
        vault.remember(codes)
        (folder / "decoys").mkdir(mode=0o700, exist_ok=True)
        places = [path.rename(folder / "decoys" / path.name) for path in Path(part).iterdir()]
    try:
        rerun(target, key_file=key_file)
    except MedlabError:
        for place in places:
            shutil.rmtree(place)
        raise
    made, sentence = _made(folder, places)
    if made < sum(1 for place in places for _ in place.iterdir()):
        raise RefusedError("some decoys were withheld; the report of the job says why")
    return made, sentence


class Register:
    """The decoys that a vault knows: ``register(path)`` gives the recipient of a file, or None.

    Raises
    ------
    MissingError, RefusedError
        If there is no such vault, or it was made with another key.
    """

    def __init__(self, vault_file: Path, key_file: Path | None = None) -> None:
        key_file = key_file or (own if (own := vault_file.with_name("key")).is_file() else None)
        with open_vault(vault_file, vault_file, key_file) as vault:
            codes = vault.codes(_KIND)
            who = vault.originals(_KIND, codes, reason="decoys looked for")
            bits = [np.frombuffer(bytes.fromhex(code), np.uint8) for code in codes]
            self._known = _Signatures(bits, vault.code_key)
        self._recipients = [who[code] for code in codes]

    def __call__(self, path: Path) -> str | None:
        """Return whose copy a DICOM file is from; None if it is no decoy or shows no picture."""
        with suppress(InputError):
            if (place := self._known.find(dicom.read(path))) is not None:
                return self._recipients[place]
        return None


class _Signatures:
    """Signatures of pictures, among which those of a data set are looked for."""

    def __init__(self, signatures: list[NDArray[np.uint8]], key: bytes) -> None:
        self._known = np.array(signatures, np.uint8).reshape(-1, _BITS // 8)
        self._key = key

    def find(self, dataset: Dataset) -> int | None:
        """Return the place of the first that a picture of a data set comes near; None without."""
        for bits in _signatures(dataset, self._key) if len(self._known) else ():
            different = np.bitwise_count(self._known ^ bits).sum(axis=1)
            if different.min() < _MOST_DIFFERENT:
                return int(different.argmin())
        return None


def check(folder: Path, vault_file: Path, key_file: Path | None = None) -> dict[str, Any]:
    """Return how many DICOM files of a folder are decoys, and the recipients of their copies."""
    if not folder.exists():
        raise UsageError("FOLDER does not exist; check the path")
    register = Register(vault_file, key_file)
    readings = [register(path) for path in dicom.find_files(folder)]
    recipients = Counter(who for who in readings if who is not None)
    return {"files": len(readings), "decoys": recipients.total(), "recipients": dict(recipients)}


def _origins(folder: Path) -> dict[str, Path]:
    """Return output -> source of the files of a job that are done; no decoys."""
    ledger = Ledger(folder / "ledger.db")
    rows = {r.target: r.source for r in ledger.rows() if r.status == "done"}
    ledger.close()
    return {target: path for target, path in rows.items() if not path.is_absolute()}


def _made(folder: Path, places: list[Path]) -> tuple[int, str]:
    ledger = Ledger(folder / "ledger.db")
    made = sum(row.status == "done" and row.source.parent in places for row in ledger.rows())
    sentence = "".join(decoys_of(ledger)[1])
    ledger.close()
    return made, sentence


def _all_series(target: Path, origins: dict[str, Path]) -> Iterator[_Series]:
    files = defaultdict(list)
    for name in sorted(origins):
        if name.endswith(".dcm"):
            files[Path(name).parts[:3]].append(target / name)
    for place, paths in files.items():
        kind, header = "", Dataset()
        for _, _, header in usable(paths[:1], dicom.read):
            photometric = str(header.get("PhotometricInterpretation", ""))
            if header.pop("PixelData", None) and photometric.startswith(("MONOCHROME", "RGB")):
                kind = f"{header.get('Modality', '')} {photometric}"
        yield _Series(place, kind, header, paths)


@quiet_pydicom()
def _drawn(
    series: list[_Series], count: int, originals: dict[Path, Path], real: _Signatures
) -> Iterator[tuple[str, list[Dataset]]]:
    """Give a name and the data sets of each decoy; `originals` has the source of each output."""
    rng, made = np.random.default_rng(), 0
    whose: dict[str, dict[str, list[_Series]]] = defaultdict(lambda: defaultdict(list))
    for item in series:
        whose[item.place[0]][item.place[1]].append(item)
    while made < count:
        before = made
        for patient in rng.permutation(sorted(whose)):
            person = _person(whose[patient], series, rng)
            for study in list(whose[patient].values())[: count - made]:
                with suppress(InputError, ValueError):  # of a value that is none of its VR
                    datasets = [
                        d for item in study for d in _with_other_pictures(item, series, rng)
                    ]
                    _rename(datasets, dicom.read(originals[study[0].files[0]]), person)
                    if any(real.find(dataset) is not None for dataset in datasets):
                        continue  # almost empty pictures are alike
                    made += 1
                    yield token_hex(8), datasets
            if made == count:
                return
        if made == before:
            raise InputError("no study of pictures has another of its kind, of another patient")


def _with_other_pictures(
    own: _Series, series: list[_Series], rng: np.random.Generator
) -> list[Dataset]:
    """Return the data sets of a series with its pictures blended with another patient's."""
    others = [o for o in series if o.kind and o.kind == own.kind and o.place[0] != own.place[0]]
    if not others:
        raise InputError("no other series of this kind")
    plane = own.header.get("ImageOrientationPatient")
    other = min(
        others, key=lambda o: (o.header.get("ImageOrientationPatient") != plane, rng.random())
    )
    datasets = _read(own.files)
    blended = _blended(_volume(datasets), _volume(_read(other.files)), rng)
    ends = np.cumsum([frames.layout(dataset).frames for dataset in datasets])
    pictures, noise = (np.split(np.moveaxis(v, 0, 3), ends[:-1]) for v in blended)
    parts = zip(datasets, pictures, noise, strict=True)
    return [_fitted(*part, rng) for part in parts]


def _read(paths: list[Path]) -> list[Dataset]:
    """Return the data sets of a series in the order of their numbers."""

    def number(dataset: Dataset) -> int:
        text = str(dataset.get("InstanceNumber"))
        return int(text) if text.isdecimal() else 0

    return sorted(map(dicom.read, paths), key=number)


def _volume(datasets: list[Dataset]) -> Array:
    """Return all pictures of a series, shape (samples, frames, rows, columns)."""
    pictures = []
    for dataset in datasets:
        form = frames.layout(dataset)
        stored = frames.stored_frames(dataset, form)
        pictures += [frames.values(form, frame).astype(np.float32) for frame in stored]
    if len({picture.shape for picture in pictures}) > 1:
        raise InputError("a series of pictures of several sizes")
    return np.moveaxis(np.stack(pictures), 3, 0)


def _blended(volume: Array, other: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return a volume warped and blended with another, in its gray levels; and noise for it.

    The noise is as strong as what neighbors do not tell of the first, and none outside of a body.
    """
    seeds, share = rng.integers(2**32, size=3), rng.uniform(0.5, 0.7)
    low, high = np.percentile(volume, (1, 99))
    other_low, other_high = np.percentile(other, (1, 99))
    scale = (high - low) / max(other_high - other_low, 1)
    sizes = np.divide(volume.shape[1:], other.shape[1:])
    images, noises = [], []
    for values, others in zip(volume, other, strict=True):  # the samples move alike
        first, second, last = map(np.random.default_rng, seeds)
        ours, moved = augment.elastic(values, first, values)
        dark = ndimage.median_filter(moved, (1, 3, 3)) < low + _DARK * (high - low)
        resized = low + scale * (ndimage.zoom(others, sizes, order=1) - other_low)
        theirs, _ = augment.elastic(resized, second)
        image, _ = augment.bias_field(share * ours + (1 - share) * theirs, last)
        image = np.where(dark, np.asarray(moved), image)  # outside of a body nothing is blended
        # of equal values those near to brighter ones rank first
        images.append(image + 1e-3 * ndimage.gaussian_filter(image, (0, 2, 2)))
        detail = float((values - ndimage.uniform_filter(values, (1, 3, 3))).std())
        noises.append(detail * ~dark * last.standard_normal(image.shape, np.float32))
    return np.stack(images), np.stack(noises)


def _fitted(dataset: Dataset, pictures: Array, noise: Array, rng: np.random.Generator) -> Dataset:
    """Return a data set with other pictures, noisy until they compress as well as its own.

    Both have the shape (frames, rows, columns, samples). The gray levels are drawn from its own,
    and go to the pixels by rank.
    """
    form = frames.layout(dataset)
    own = np.stack([frames.values(form, f) for f in frames.stored_frames(dataset, form)])
    levels = np.unique(own)
    step = int(np.gcd.reduce(np.diff(levels))) or 1  # a scanner may use every fourth
    places = np.sort(rng.uniform(0, own.size - 1, own.size))
    drawn = np.interp(places, np.arange(own.size), np.sort(own, axis=None)) - levels[0]
    drawn = levels[0] + step * np.rint(drawn / step)
    wanted, low, high = _compressed_size(dataset), 0.0, 4.0
    fits = []
    for _ in range(_FITS):
        strength = (low + high) / 2
        values = np.empty(own.size, own.dtype)
        values[np.argsort(pictures + strength * noise, axis=None)] = drawn
        made = with_pictures(dataset, form, values.reshape(own.shape))
        if made.file_meta.TransferSyntaxUID != form.syntax:
            raise InputError("pixel data of a kind that cannot be written again")
        size = _compressed_size(made)
        fits.append((abs(size - wanted), strength, made))
        low, high = (low, strength) if size > wanted else (strength, high)
    return min(fits, key=lambda fit: fit[:2])[2]


def _compressed_size(dataset: Dataset) -> int:
    compressed = dataset.file_meta.TransferSyntaxUID.is_encapsulated
    return len(dataset.PixelData if compressed else zlib.compress(dataset.PixelData))


@quiet_pydicom()
def _signatures(dataset: Dataset, key: bytes) -> list[NDArray[np.uint8]]:
    """Return a keyed signature of each picture of a data set, 64 bytes.

    The fine detail, cut off at its median, is summed up in 512 groups of pixels that the key
    draws, with signs that it draws; the bits are the signs of the sums. Neither brightness nor
    contrast changes them, nor does rounding much.
    """
    form = frames.layout(dataset)
    signatures = []
    for frame in frames.stored_frames(dataset, form):
        gray = frames.values(form, frame).mean(axis=2, dtype=np.float64)
        detail = gray - ndimage.gaussian_filter(gray, 1.5)
        limit = np.median(np.abs(detail)) or np.abs(detail).max() or 1.0
        groups, signs = _groups(key, gray.size)
        sums = np.bincount(groups, signs * np.clip(detail / limit, -1, 1).ravel(), _BITS)
        signatures.append(np.packbits(sums > 0))
    return signatures


@lru_cache(maxsize=8)
def _groups(key: bytes, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rng = np.random.default_rng(list(subkey(key, "decoy signature")))
    return rng.permutation(size) % _BITS, rng.integers(2, size=size) * 2 - 1


def _person(
    studies: dict[str, list[_Series]], series: list[_Series], rng: np.random.Generator
) -> _Person:
    """Draw who a decoy is of, in place of the patient with these studies."""
    own = [item.header for some in studies.values() for item in some if item.kind]
    sex = own[0].get("PatientSex") if own else ""
    headers = [
        item.header for item in series if item.kind and item.header.get("PatientSex") == sex
    ]
    by_weight = {
        header.PatientWeight: header.PatientSize
        for header in headers
        if all(isinstance(header.get(word), float) for word in _SIZES)
    }
    sizes: dict[str, Any] = {}
    if weights := sorted(by_weight):  # two neighbors in weight: no pair of numbers stands twice
        at = int(rng.integers(len(weights)))
        first, second = (by_weight[weights[n]] for n in (at, min(abs(at - 1), len(weights) - 1)))
        places = len(str(first).partition(".")[2])
        size = f"{first + rng.random() * (second - first):.{places}f}"
        sizes = {"PatientWeight": weights[at], "PatientSize": size}
    name = str(people.names(np.array(["M" if sex == "M" else "F"]), rng)[0])
    minutes = [_minute(item.header.get("StudyTime")) for item in series]
    times = np.array(sorted(minute for minute in minutes if minute is not None), np.int64)
    step = int(np.gcd.reduce(np.diff(times)))  # 0 where all studies have one time

    @cache
    def minute(_: int) -> int:
        at = int(rng.integers(max(len(times) - 1, 1)))
        low, high = times[at], times[min(at + 1, len(times) - 1)]
        return int(low + step * rng.integers((high - low) // max(step, 1) + 1))

    @cache
    def redrawn(text: str) -> str:
        """Return a text with other letters and digits behind its first two."""
        alphabets = digits, ascii_uppercase, ascii_lowercase
        drawn = (next((choice(a) for a in alphabets if sign in a), sign) for sign in text[2:])
        return text[:2] + "".join(drawn)

    return _Person(name, redrawn, int(rng.integers(1, 60)), minute, sizes)


def _rename(datasets: list[Dataset], before: Dataset, person: _Person) -> None:
    """Give the data sets of one study another patient, other UIDs, numbers, dates and times."""
    other, time = person.other, _minute(datasets[0].get("StudyTime"))
    minutes = 0 if time is None else person.minute(time) - time
    days = _moved(before, datasets[0]) - person.earlier_days
    changes: dict[str, Callable[[str], str]] = {
        "UI": lambda uid: _other_uid(uid, other),
        "DA": lambda day: dates.shift_date(day, days),
        "DT": lambda moment: dates.shift_date(moment[:8], days) + _later(moment[8:], minutes),
        "TM": lambda time: _later(time, minutes),
    }
    for dataset in datasets:
        for keyword in (*MARKS, "EncryptedAttributesSequence"):
            dataset.pop(keyword, None)
        encryption.take(dataset, encryption.CREATOR)
        for element in dataset.iterall():
            change = changes.get(element.VR)
            if any(word in element.keyword for word in _NOT_INSTANCES):
                if element.VR == "UI" and element.keyword in before:  # gets the same new UID
                    element.value = before[element.keyword].value
            elif change and element.value:
                many = isinstance(element.value, MultiValue)
                texts = [change(str(t)) for t in (element.value if many else [element.value])]
                element.value = texts if many else texts[0]
        for keyword in (k for k in _NUMBERS if dataset.get(k)):
            setattr(dataset, keyword, other(str(dataset[keyword].value)))
        if dataset.get("PatientName"):
            dataset.PatientName = person.name
        for keyword in person.sizes.keys() & set(dataset.dir("Patient")):
            dataset[keyword].value = person.sizes[keyword]
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID


def _moved(before: Dataset, after: Dataset) -> int:
    """Return how many days lie between a released date and that of the source; 0 without."""
    for keyword in _DATES:
        days = [dates.parse_date(str(d.get(keyword) or "")) for d in (before, after)]
        if days[0] and days[1]:
            return (days[0] - days[1]).days
    return 0


def _minute(time: Any) -> int | None:
    """Return the minute of the day of a TM value; None without one."""
    text = str(time or "")[:4]
    return int(text[:2]) * 60 + int(text[2:]) if len(text) == 4 and text.isdecimal() else None


def _later(time: str, minutes: int) -> str:
    """Return a TM value, or the time of a DT value, some minutes later on the same day."""
    if (minute := _minute(time)) is None:
        return time
    hours, rest = divmod((minute + minutes) % 1440, 60)
    return f"{hours:02d}{rest:02d}{time[4:]}"


def _other_uid(uid: str, other: Callable[[str], str]) -> str:
    """Return a UID of the same root and form; what two UIDs share, the new ones share."""
    if is_registered(uid):
        return uid
    parts, root = uid.split("."), 2 if uid.startswith("2.25.") else 4
    new = [other(part) if n >= root and len(part) > 5 else part for n, part in enumerate(parts)]
    if new == parts:
        raise InputError("a UID too short to have another of its form")
    return ".".join(new)
