"""The gateway against dcmtk: receiving, and from the scanner to clean files.

CT slices of 512 x 512 (512 KB), sent by dcmtk's `storescu` over one association. Receiving: the
rate of `storescu` to the gateway's receiver over that to `storescp`, in turns, the median; with
`--durable` as well. End to end: until all that was sent stands in DST, over `storescp` followed by
a job with one process. Neither counts the start of a process.

    python benchmarks/gateway.py [--files 40] [--repeat 3]
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from deidentify import ct_512

from medlab import crypto, gateway, pipeline


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def send(source: Path, port: int) -> None:
    command = ["storescu", "-xe", "+sd", "-aec", "MEDLAB", "127.0.0.1", str(port), str(source)]
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def storescp(folder: Path) -> Iterator[int]:
    """Run dcmtk's receiver; gives its port."""
    port = free_port()
    folder.mkdir()
    process = subprocess.Popen(["storescp", "-od", str(folder), str(port)])
    try:
        while subprocess.run(["echoscu", "127.0.0.1", str(port)], capture_output=True).returncode:
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def receiver(folder: Path, *, durable: bool = False) -> Iterator[int]:
    """Run the receiving process of a gateway, whose queue nobody works off; gives its port."""
    port = free_port()
    folder.mkdir()
    with gateway._receiving(gateway.Listener(port, durable=durable), folder):
        yield port


def from_scanner_to_clean(source: Path, target: Path, key: Path, count: int) -> float:
    """Return the seconds from the first object sent until all stand in `target`, clean."""
    port, ready, stop = free_port(), threading.Event(), threading.Event()
    thread = threading.Thread(
        target=gateway.serve,
        args=(target, pipeline.Settings(), gateway.Listener(port)),
        kwargs={"listening": ready.set, "stop": stop, "key_file": key},
    )
    thread.start()
    ready.wait()
    started = time.perf_counter()
    send(source, port)
    while sum(1 for _ in target.rglob("*.dcm")) < count:
        time.sleep(0.05)
    spent = time.perf_counter() - started
    stop.set()
    thread.join()
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--repeat", type=int, default=3)
    chosen = parser.parse_args()
    count = chosen.files
    costs: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        source = place / "source"
        source.mkdir()
        for number in range(count):
            (source / f"{number}.dcm").write_bytes(ct_512(number))
        crypto.write_key(place / "key")
        for turn in range(chosen.repeat):
            for what, receiving in (
                ("storescp", storescp(place / f"dcmtk-{turn}")),
                ("gateway", receiver(place / f"queue-{turn}")),
                ("gateway --durable", receiver(place / f"durable-{turn}", durable=True)),
            ):
                with receiving as port:
                    spent = seconds(lambda port=port: send(source, port))
                costs.setdefault(what, []).append(spent)
            batch = seconds(
                lambda turn=turn: pipeline.deidentify(
                    place / f"dcmtk-{turn}", place / f"batch-{turn}", key_file=place / "key"
                )
            )
            costs.setdefault("storescp, then a job", []).append(costs["storescp"][-1] + batch)
            spent = from_scanner_to_clean(source, place / f"clean-{turn}", place / "key", count)
            costs.setdefault("gateway, end to end", []).append(spent)
    for what, spent in costs.items():
        print(f"{what:24} {count / median(spent):8.1f} files/s")
    for what, base, limit in (
        ("gateway", "storescp", 1.0),
        ("gateway --durable", "storescp", 0.25),
        ("gateway, end to end", "storescp, then a job", 0.9),
    ):
        pairs = zip(costs[base], costs[what], strict=True)
        ratio = median(slow / spent for slow, spent in pairs)
        verdict = "ok" if ratio >= limit else "MISSED"
        print(f"{what} of {base}: {ratio:.2f}   at least {limit}   {verdict}")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
