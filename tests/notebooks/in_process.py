"""A notebook's cells without a kernel, which costs seconds: for what Jupyter has no part in."""

from pathlib import Path

import nbformat


def in_process(path: Path, cells: int | None = None, **parameters) -> dict:
    """Run the first `cells` code cells of a notebook, all by default, with other parameters.

    Returns the names that stand afterwards.
    """
    sources = [
        cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"
    ]
    names: dict = {}
    exec(sources[0], names)
    names |= parameters
    for source in sources[1:cells]:
        exec(source, names)
    return names
