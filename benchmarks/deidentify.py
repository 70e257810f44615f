"""De-identification of headers, timed against pydicom's plain read and save and two peers.

    python benchmarks/deidentify.py                  # small, a minute
    python benchmarks/deidentify.py --files 200 --repeat 5
    python benchmarks/deidentify.py --job 3000       # a whole job in its place

The peers (pip install dcmanon dicom-anonymizer dicognito) take part where they are installed.
Everything runs in one process on the same files, from bytes to bytes, in turns; printed is
the median over the rounds, as a ratio to pydicom's read and save. Files of many frames or
contours are timed by `sequences.py`.

A whole job is plan, cleaning, verification, vault, audit log and report, policy research, from
folder to folder: CT slices with the private elements of a device, of 30 patients. It is compared
with pydicom's read and save of the same files, half of them before the job and half after it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from pydicom.data import get_testdata_file

from medlab import dicom, pipeline

KEY = b"benchmark key of thirty-two byte"
warnings.simplefilter("ignore")


def ct_512(number: int) -> bytes:
    """Return a CT slice of 512 x 512 with the header of a real one."""
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    for tag in [t for t in dataset.keys() if t.is_private]:  # noqa: SIM118
        del dataset[tag]
    dataset.Rows = dataset.Columns = 512
    pixels = np.random.default_rng(number).integers(0, 2000, (512, 512), dtype=np.int16)
    dataset.PixelData = pixels.tobytes()
    dataset.SOPInstanceUID = f"1.2.826.0.1.3680043.{number}"
    dataset.InstanceNumber = number
    dataset.ImageComments = "mass in left lobe"
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def numbered(name: str, number: int) -> bytes:
    """Return a file of pydicom's wheel with another instance UID."""
    dataset = pydicom.dcmread(get_testdata_file(name))
    dataset.SOPInstanceUID = f"1.2.826.0.1.3680043.{number}"
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def floor(data: bytes) -> bytes:
    """Read and save, nothing else."""
    dataset = pydicom.dcmread(BytesIO(data))
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def medlab_run(policy: str, *, verify: bool) -> Callable[[bytes], bytes]:
    """Return a run of medlab from bytes to bytes."""
    plan = dicom.plan(policy)

    def run(data: bytes) -> bytes:
        source = dicom.parse(data)
        out, _ = dicom.deidentify(source, plan, key=KEY)
        written = dicom.to_bytes(out)
        if verify:
            read = dicom.parse(written)
            found = dicom.verify_dataset(source, read, plan, output_bytes=written)
            assert not [f for f in found if f.severity == "fail"], found
        return written

    return run


def dicom_anonymizer_run() -> Callable[[bytes], bytes]:
    """Return a run of KitwareMedical's dicom-anonymizer with its default rules."""
    from dicomanonymizer import anonymize_dataset

    def run(data: bytes) -> bytes:
        dataset = pydicom.dcmread(BytesIO(data))
        anonymize_dataset(dataset, delete_private_tags=True)
        buffer = BytesIO()
        dataset.save_as(buffer)
        return buffer.getvalue()

    return run


def dicognito_run() -> Callable[[bytes], bytes]:
    """Return a run of dicognito."""
    from dicognito.anonymizer import Anonymizer

    anonymizer = Anonymizer(seed="seed")

    def run(data: bytes) -> bytes:
        dataset = pydicom.dcmread(BytesIO(data))
        anonymizer.anonymize(dataset)
        buffer = BytesIO()
        dataset.save_as(buffer)
        return buffer.getvalue()

    return run


def dcmanon_run() -> Callable[[bytes], bytes]:
    """Return a run of dcmanon, compiled from Rust, with its default rules."""
    from dcmanon import Anonymizer

    anonymizer = Anonymizer()
    return lambda data: anonymizer.anonymize(BytesIO(data))


def left(datas: list[bytes], run: Callable[[bytes], bytes]) -> str:
    """Return in how many outputs name or ID of the patient still stand in the bytes."""
    count = 0
    for data in datas[:5]:
        source = pydicom.dcmread(BytesIO(data))
        try:
            out = run(data).lower()
        except Exception:  # noqa: BLE001 - a peer may fail on a file
            return "fails"
        words = [str(source.PatientID), *str(source.PatientName).split("^")]
        count += any(w.lower().encode() in out for w in words if len(w) > 3)
    return f"{count}/{len(datas[:5])}"


def ct_of_patients(folder: Path, count: int) -> None:
    """Write CT slices of 30 patients, one study and one series each."""
    for number in range(count):
        dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
        patient = number % 30
        dataset.PatientID, dataset.PatientName = f"{100 + patient}CT", f"Tester{patient}^Anna"
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
            dataset[name].value = f"{dataset[name].value}.{patient}"
        dataset.SOPInstanceUID = f"1.2.826.0.1.3680043.{number + 1}"
        dataset.InstanceNumber = number // 30 + 1
        dataset.save_as(folder / f"{number}.dcm")


def whole_job(count: int) -> None:
    """Print what a whole job costs, in this process, against pydicom's read and save."""
    with tempfile.TemporaryDirectory() as name:
        source, copies = Path(name, "source"), Path(name, "copies")
        source.mkdir()
        copies.mkdir()
        ct_of_patients(source, count)

        def copied(paths: list[Path]) -> float:
            begun = time.process_time()
            for path in paths:
                pydicom.dcmread(path).save_as(copies / path.name)
            return time.process_time() - begun

        paths = sorted(source.iterdir())
        plain = copied(paths[::2])
        begun, clock = time.process_time(), time.perf_counter()
        summary = pipeline.deidentify(source, Path(name, "clean"), pipeline.Settings("research"))
        spent, clock = time.process_time() - begun, time.perf_counter() - clock
        plain += copied(paths[1::2])
    assert summary.statuses == {"done": count}, summary.statuses
    print(f"{count} files: pydicom read+save {plain:.1f} CPU s, whole job {spent:.1f} CPU s")
    print(f"ratio {spent / plain:.2f}; {clock:.1f} s by the clock; load {os.getloadavg()[0]:.1f}")


def main() -> None:
    """Print a table of ratios."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--files", type=int, default=30)
    options.add_argument("--repeat", type=int, default=5)
    options.add_argument("--job", type=int, help="files of a whole job")
    chosen = options.parse_args()
    if chosen.job:
        whole_job(chosen.job)
        return
    runs = {
        "pydicom read+save": floor,
        "medlab basic": medlab_run("basic", verify=False),
        "medlab research (text cleaned)": medlab_run("research", verify=False),
        "medlab basic + verify": medlab_run("basic", verify=True),
        "medlab research + verify": medlab_run("research", verify=True),
    }
    peers = {
        "dcmanon": dcmanon_run,
        "dicomanonymizer": dicom_anonymizer_run,
        "dicognito": dicognito_run,
    }
    runs |= {name: run() for name, run in peers.items() if find_spec(name)}
    many = range(1, chosen.files + 1)
    sets = {
        "CT 512x512": [ct_512(n) for n in many],
        "MR small": [numbered("MR_small.dcm", n) for n in many],
        "CT small, private": [numbered("CT_small.dcm", n) for n in many],
    }
    print(f"{'':32}" + "".join(f"{name:>20}" for name in sets) + "   name or ID left")
    times = {name: {s: [] for s in sets} for name in runs}
    for _ in range(chosen.repeat):
        for set_name, datas in sets.items():
            for name, run in runs.items():
                begun = time.process_time()
                for data in datas:
                    run(data)
                times[name][set_name].append((time.process_time() - begun) / len(datas))
    base = {s: statistics.median(times["pydicom read+save"][s]) for s in sets}
    for name, run in runs.items():
        ratios = [statistics.median(times[name][s]) / base[s] for s in sets]
        gone = left(sets["MR small"], run)
        print(f"{name:32}" + "".join(f"{ratio:>20.2f}" for ratio in ratios) + f"   {gone}")
    print("floor, ms a file: " + ", ".join(f"{s} {t * 1e3:.2f}" for s, t in base.items()))


if __name__ == "__main__":
    main()
