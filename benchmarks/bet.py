"""Skull stripping against its peers in one run: time, memory, agreement.

    python benchmarks/bet.py [--image HEAD.nii.gz] [-f 0.5] [--repeat 3] [--spacing 1.0]

Each tool runs in a process of its own, in turns; ratios are of medians, against the
built-in BET on NumPy. FSL's `bet` takes part when it is installed. Without an image the
public head of the package mricron-data is used, else a sample head.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CH2 = Path("/usr/share/mricron/templates/ch2.nii.gz")

TOOLS = {
    "medlab": "from medlab import neuro; "
    "neuro.save(neuro.extract_brain(src, f=f, backend='builtin').mask, dst)",
    "medlab, numba": "from medlab import neuro; "
    "neuro.save(neuro.extract_brain(src, f=f, backend='builtin', accelerate=True).mask, dst)",
    "FSL bet": "from medlab import neuro; "
    "neuro.save(neuro.extract_brain(src, f=f, backend='fsl').mask, dst)",
    "brainextractor": "import nibabel as nib; from brainextractor import BrainExtractor; "
    "b = BrainExtractor(img=nib.load(src), bt=f); b.run(); b.save_mask(dst)",
    "nilearn mask": "from nilearn.masking import compute_brain_mask; "
    "compute_brain_mask(src).to_filename(dst)",
}


def run_tool(name: str, image: Path, f: float, target: Path) -> tuple[float, float]:
    """Return wall seconds and peak MiB of one tool in a process of its own."""
    code = f"src, dst, f = {str(image)!r}, {str(target)!r}, {f}; {TOOLS[name]}"
    measure = "import resource, sys; exec(sys.argv[1]); "
    measure += "print('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", measure, code], check=True, capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    peak = int(done.stdout.rsplit("PEAK", 1)[1])
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return seconds, peak / unit


def agreement(one: Path, other: Path) -> dict[str, float]:
    import nibabel as nib
    import numpy as np

    from medlab import neuro

    a, b = (nib.Nifti1Image.from_filename(p) for p in (one, other))
    zooms = np.array(a.header.get_zooms()[:3], dtype=float)
    return neuro.mask_scores(np.asanyarray(a.dataobj) > 0, np.asanyarray(b.dataobj) > 0, zooms)


def head_file(image: str, spacing: float, folder: Path) -> Path:
    if image:
        return Path(image)
    if CH2.is_file():
        return CH2
    from medlab import neuro, samples

    return neuro.save(samples.head(1, spacing_mm=spacing).img, folder / "head.nii.gz")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", default="")
    parser.add_argument("-f", type=float, default=0.5)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--spacing", type=float, default=2.0)
    parser.add_argument("--without", nargs="*", default=[], help="names of tools to leave out")
    options = parser.parse_args()
    from medlab.neuro import extraction

    has_fsl = extraction.settled_backend("auto") == "fsl"
    names = [n for n in TOOLS if n not in options.without and (n != "FSL bet" or has_fsl)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = head_file(options.image, options.spacing, folder)
        masks = {n: folder / f"{i}.nii.gz" for i, n in enumerate(names)}
        if "medlab, numba" in names:  # compiled once, before the clock runs
            run_tool("medlab, numba", image, options.f, masks["medlab, numba"])
        runs: dict[str, list[tuple[float, float]]] = {n: [] for n in names}
        for _ in range(options.repeat):
            for n in names:
                runs[n].append(run_tool(n, image, options.f, masks[n]))
        reference = "FSL bet" if "FSL bet" in names else "medlab"
        base = statistics.median(seconds for seconds, _ in runs["medlab"])
        print(f"{'tool':16} {'s':>7} {'ratio':>6} {'MiB':>6}   agreement with {reference}")
        for n in names:
            seconds = statistics.median(s for s, _ in runs[n])
            scores = agreement(masks[n], masks[reference])
            told = json.dumps(
                {k: round(scores[k], 4) for k in ("dice", "hd95_mm", "volume_error")}
            )
            peak = max(p for _, p in runs[n])
            print(f"{n:16} {seconds:7.2f} {seconds / base:6.2f} {peak:6.0f}   {told}")


if __name__ == "__main__":
    main()
