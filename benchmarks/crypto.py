"""How much a picture can carry, how much it changes, and what that costs.

Payloads of exactly the capacity in pydicom's own images. PSNR against the range that Bits Stored
allows. Cost: CPU time of `capacity`, `embed` and `extract` together, over that of a median filter
of scipy, 3 by 3, in the same run; the median of some repetitions.

    python benchmarks/crypto.py [--repeat 9]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd
from pydicom import dcmread
from pydicom.data import get_testdata_file
from scipy.ndimage import median_filter

from medlab.crypto import embedding, steganalysis

KEY = bytes(range(32))
#: Bits per pixel and PSNR to reach by default arguments, and the most that it may cost
LIMITS = {
    "CT_small": (0.30, 75, None),
    "MR_small": (0.05, 75, None),
    "examples_overlay": (0.55, 58, 12),
    "J2K_pixelrep_mismatch": (0.60, 65, 12),
}


def image(name: str) -> tuple[np.ndarray, tuple[int, int]]:
    dataset = dcmread(get_testdata_file(f"{name}.dcm", download=False))
    half = 1 << (dataset.BitsStored - 1)
    bits = (-half, half - 1) if dataset.PixelRepresentation else (0, 2 * half - 1)
    return dataset.pixel_array, bits


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def row(name: str, method: str, repeat: int) -> dict[str, object]:
    pixels, bits = image(name)
    payload = np.random.default_rng(0).bytes(embedding.capacity(pixels, method, bits=bits))

    def all_three() -> None:
        embedding.capacity(pixels, method, bits=bits)
        hidden = embedding.embed(pixels, payload, KEY, method, bits=bits)
        embedding.extract(hidden, KEY, method, bits=bits)

    hidden = embedding.embed(pixels, payload, KEY, method, bits=bits)
    error = np.sqrt(np.mean((hidden.astype(float) - pixels) ** 2))
    costs = [seconds(all_three) / seconds(lambda: median_filter(pixels, 3)) for _ in range(repeat)]
    return {
        "image": name,
        "method": method,
        "bytes": len(payload),
        "bits a pixel": 8 * len(payload) / pixels.size,
        "PSNR": 20 * np.log10((bits[1] - bits[0]) / error),
        "cost": median(costs),
        "chi p": steganalysis.chi_square(hidden),
        "clean chi p": steganalysis.chi_square(pixels),
        "RS": steganalysis.rs_rate(hidden),
        "clean RS": steganalysis.rs_rate(pixels),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=9)
    repeat = parser.parse_args().repeat
    table = pd.DataFrame(row(n, m, repeat) for n in LIMITS for m in embedding.METHODS)
    print(table.to_string(index=False, float_format="%.3f"))
    for name, (bits, psnr, cost) in LIMITS.items():
        found = table[(table["image"] == name) & (table["method"] == "shift")].iloc[0]
        good = found["bits a pixel"] >= bits and found["PSNR"] >= psnr
        good = good and (cost is None or found["cost"] <= cost)
        print(f"{name}: {'reached' if good else 'MISSED'} ({bits} bits, {psnr} dB, cost {cost})")


if __name__ == "__main__":
    main()
