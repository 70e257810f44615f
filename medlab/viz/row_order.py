"""Where a row, or a file, of the source stands in the release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from medlab.errors import InputError
from medlab.viz.figure import Color, bare


def draw_places(places: Mapping[str, Sequence[int]], what: str = "row") -> Figure:
    """Return a panel for each release: the place of each row in the source and in the release.

    Parameters
    ----------
    places : mapping of title to whole numbers
        For each row of the release, from the first, its place in the source, from 0.
    what : str
        What has a place: a row, a file.

    Raises
    ------
    InputError
        If there is nothing to draw.
    """
    if not places or not all(len(some) for some in places.values()):
        raise InputError("there are no places to draw")
    fig = Figure(figsize=(3.2 * len(places), 3.3), layout="constrained")
    axes = fig.subplots(1, len(places), squeeze=False)[0]
    for ax, (title, some) in zip(axes, places.items(), strict=True):
        ax.plot(np.arange(len(some)), some, ".", color=Color.BLUE, markersize=4)
        ax.set_title(title, fontsize=10)
        ax.set_xlabel(f"{what} of the release")
        ax.set_aspect("equal")
        bare(ax)
    axes[0].set_ylabel(f"{what} of the source")
    return fig
