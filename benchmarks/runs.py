"""What starting and running costs: `import medlab`, and a run beyond papermill's own call.

    python benchmarks/runs.py [--notebooks]

Prints ratios of medians, taken in turn in one run. With --notebooks also the seconds that
the numbered notebooks take together, two side by side.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import papermill

from medlab import runs


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(*works: Callable[[], object], rounds: int) -> list[float]:
    """Return the median seconds of each, measured one after the other in every round."""
    times = [[seconds(work) for work in works] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def python(code: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)


def tiny(folder: Path) -> Path:
    nb = nbformat.v4.new_notebook()
    nb.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    parameters = nbformat.v4.new_code_cell("k: int = 5  # a number")
    parameters.metadata["tags"] = ["parameters"]
    nb.cells = [parameters, nbformat.v4.new_code_cell("k + 1")]
    path = folder / "tiny.ipynb"
    nbformat.write(nb, path)
    return path


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--notebooks", action="store_true", help="also run the notebooks")
    arguments = words.parse_args()
    bare, ours = in_turn(python("pass"), python("import medlab"), rounds=15)
    print(f"import medlab / bare interpreter: {ours / bare:.2f}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = tiny(folder)
        jobs = runs.plan_jobs([path], {"k": 6})
        call, run = in_turn(
            lambda: papermill.execute_notebook(
                path, folder / "out.ipynb", {"k": 6}, progress_bar=False
            ),
            lambda: runs.run(jobs, folder / "run", overwrite=True),
            rounds=5,
        )
        print(f"run of a notebook / papermill's own call: {run / call:.2f}")
        if arguments.notebooks:
            numbered = runs.plan_jobs(runs.find_notebooks())
            taken = seconds(lambda: runs.run(numbered, folder / "all"))
            print(f"{len(numbered)} notebooks, two side by side: {taken:.0f} s")


if __name__ == "__main__":
    main()
