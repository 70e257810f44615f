"""What size costs: tables out of core against in memory, a job by its files and its workers, Dask.

Tables: Mondrian, k = 10, on numbers and labels that hang together, each way in a process of its
own; CPU time and memory beyond imports. Jobs: small MR files, a tenth of them and all, so that the
start of processes can be told from the cost of a file (CPU time of the process and its workers,
time by the clock); with `--dask` the same by a Dask cluster of one worker and of two, on this
machine. Linux only: memory is read from /proc.

    python benchmarks/scale.py [--rows 300000] [--memory 130] [--files 1000] [--dask]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from deidentify import numbered

from medlab import crypto, pipeline
from medlab.pipeline import large_tables, pool, tables

QUASI = ["Age", "Sex", "Weight", "Height", "Region"]


def people(rows: int) -> pd.DataFrame:
    """Return rows of nobody, in which the quasi-identifiers hang together."""
    rng = np.random.default_rng(0)
    sex = rng.integers(0, 2, rows)
    height = rng.normal(163 + 13 * sex, 7, rows).round().astype(int)
    return pd.DataFrame(
        {
            "Age": rng.integers(18, 95, rows),
            "Sex": np.where(sex, "M", "F"),
            "Weight": (height - 95 + rng.gamma(3, 5, rows)).round(1),
            "Height": height,
            "Region": [f"region {number:02d}" for number in rng.zipf(1.5, rows) % 40],
            "Diagnosis": [f"code {number}" for number in rng.integers(0, 12, rows)],
        }
    )


def cpu_s() -> float:
    """Return the CPU time of this process and of those that it has waited for."""
    kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return sum(sum(resource.getrusage(kind)[:2]) for kind in kinds)


def largest_mib() -> float:
    """Return the peak memory of this process; `ru_maxrss` would count the one that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def apart(*arguments: object) -> dict[str, float]:
    """Return what a part of this benchmark measures in a process of its own."""
    command = [sys.executable, __file__, *map(str, arguments)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))


def table(source: Path, memory: int) -> dict[str, float]:
    """Release a table, out of core if `memory` MiB are given; what it cost."""
    pd.read_parquet(source, columns=["Sex"]).head(1).to_parquet(source.with_name("warm"))
    before, cpu, started = largest_mib(), cpu_s(), time.perf_counter()
    options: dict[str, Any] = {"k": 10}
    target = source.with_name(f"out-{memory}.parquet")
    if memory:
        options |= {"memory": memory << 20}
        report = large_tables.anonymize_large(source, target, QUASI, ["Diagnosis"], **options)
    else:
        report = tables.anonymize_file(source, target, QUASI, ["Diagnosis"], **options)
    return {
        "gcp": report["gcp"],
        "k": report["k"],
        "CPU s": cpu_s() - cpu,
        "s": time.perf_counter() - started,
        "MiB beyond imports": largest_mib() - before,
    }


def job(source: Path, jobs: int, workers: int) -> dict[str, float]:
    """De-identify a folder, by processes or by Dask workers; what it cost."""
    target = source.with_name(f"clean-{source.name}-{jobs}-{workers}")
    key = source.with_name("key")
    if not workers:
        cpu, started, each = cpu_s(), time.perf_counter(), pool.each_done
        pipeline.deidentify(source, target, key_file=key, jobs=jobs, each=each)
        spent = time.perf_counter() - started
    else:
        from distributed import LocalCluster

        cpu = cpu_s()
        with (
            LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as dask,
            pool.cluster(dask.scheduler_address) as each,
        ):
            started = time.perf_counter()
            pipeline.deidentify(source, target, key_file=key, each=each)
            spent = time.perf_counter() - started
    return {"s": spent, "CPU s": cpu_s() - cpu, "MiB": largest_mib()}


def job_table(place: Path, count: int, ways: dict[str, tuple[int, int]]) -> pd.DataFrame:
    """Return what a file costs in each way, what the start costs, and the memory of the client."""
    sizes = {"tenth": count // 10, "all": count}
    for folder, size in sizes.items():
        (place / folder).mkdir()
        for number in range(size):
            (place / folder / f"{number}.dcm").write_bytes(numbered("MR_small.dcm", number))
    rows = {}
    for what, numbers in ways.items():
        few, many = (apart("--part", "job", place / folder, *numbers) for folder in sizes)
        more = sizes["all"] - sizes["tenth"]
        cost = (many["CPU s"] - few["CPU s"]) / more
        rows[what] = {
            "CPU ms a file": 1e3 * cost,
            "CPU s of the start": few["CPU s"] - cost * sizes["tenth"],
            "files/s by the clock": more / (many["s"] - few["s"]),
            "MiB, a tenth": few["MiB"],
            "MiB, all": many["MiB"],
        }
    return pd.DataFrame(rows).T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--memory", type=int, default=130, help="MiB, out of core")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--dask", action="store_true")
    parser.add_argument("--part", nargs=4, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.part:
        what, source, *numbers = chosen.part
        measure: Any = {"table": lambda p, m, _: table(p, m), "job": job}[what]
        print(json.dumps(measure(Path(source), *map(int, numbers))))
        return
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        source = place / "table.parquet"
        people(chosen.rows).to_parquet(source, index=False)
        memory = apart("--part", "table", source, 0, 0)
        core = apart("--part", "table", source, chosen.memory, 0)
        print(f"{chosen.rows} rows, k = 10")
        print(pd.DataFrame({"in memory": memory, "out of core": core}).round(3).to_string())
        ratio = core["gcp"] / memory["gcp"]
        print(f"GCP, ratio {ratio:.3f}   at most 1.05   {'ok' if ratio <= 1.05 else 'MISSED'}")
        crypto.write_key(place / "key")
        ways = {"1 process": (1, 0), "2 processes": (2, 0)}
        if chosen.dask:
            ways |= {"Dask, 1 worker": (1, 1), "Dask, 2 workers": (1, 2)}
        print(f"{chosen.files} files")
        print(job_table(place, chosen.files, ways).round(2).to_string())
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
