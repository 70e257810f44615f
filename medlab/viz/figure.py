"""A figure in a notebook: the picture, its text alternative and its caption, as HTML."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import matplotlib.image as mpimg
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medlab.errors import InputError

_DPI = 110


class Color(StrEnum):
    """The colors of Okabe and Ito, which most color-blind people tell apart, and grays."""

    BLUE = "#0072b2"
    ORANGE = "#d55e00"
    GREEN = "#009e73"
    PINK = "#cc79a7"
    AMBER = "#e69f00"
    SKY = "#56b4e9"
    YELLOW = "#f0e442"
    RED = "#b2182b"  # of what violates a criterion
    RUST = "#b3541e"  # of what is flagged
    INK = "#1d2733"
    SLATE = "#6b7683"
    GRAY = "#8a8f94"
    PALE = "#c3ccd6"


@dataclass(frozen=True)
class Shown:
    """A drawn figure. Jupyter shows it as HTML, so that the text alternative survives export.

    Attributes
    ----------
    png : bytes
        The picture.
    alt : str
        What the picture shows, for those who cannot see it.
    caption : str
        One or two sentences below the picture.
    over : str
        HTML laid over the picture; its places are percentages of it.

    Raises
    ------
    InputError
        If `alt` is empty.
    """

    png: bytes = field(repr=False)
    alt: str
    caption: str
    over: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise InputError("a figure without a text alternative; say in `alt` what it shows")

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png).decode("ascii")
        picture = (
            f'<img src="data:image/png;base64,{data}" alt="{html.escape(self.alt)}" '
            'style="max-width: 100%; height: auto">'
        )
        if self.over:
            place = "position: relative; display: inline-block; line-height: 0"
            picture = f'<div style="{place}">{picture}{self.over}</div>'
        return (
            f'<figure style="margin: 0.5em 0">{picture}'
            f"<figcaption>{html.escape(self.caption)}</figcaption></figure>"
        )


def show(fig: Figure, alt: str, caption: str = "") -> Shown:
    """Return a matplotlib figure as HTML with a text alternative and a caption.

    Parameters
    ----------
    fig : matplotlib Figure
        The figure; it is drawn at once and not changed.
    alt : str
        The text alternative: what someone who cannot see the picture needs to know.
    caption : str, optional
        The sentence below the picture.

    Returns
    -------
    Shown
        Leave it as the last expression of a cell.

    Raises
    ------
    InputError
        If `alt` is empty.
    """
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=_DPI, bbox_inches="tight", facecolor="white")
    return Shown(buffer.getvalue(), alt, caption)


def bare(ax: Axes) -> None:
    """Leave out the upper and the right edge of axes."""
    ax.spines[["top", "right"]].set_visible(False)


class Stage:
    """A figure whose frame is drawn once; what moves is drawn onto it, several times faster.

    Parameters
    ----------
    fig : matplotlib Figure
        Axes, labels, legend: all that stays. It is drawn at once, at its final place.
    """

    def __init__(self, fig: Figure) -> None:
        fig.set_dpi(_DPI)
        self._canvas = FigureCanvasAgg(fig)
        self._canvas.draw()
        self._under = self._empty = self._canvas.copy_from_bbox(fig.bbox)

    def settle(self, artists: Iterable[Artist]) -> None:
        """Draw onto the empty frame what shall stay below all that is shown until the next call.

        Parameters
        ----------
        artists : iterable of Artist
            See `show`.
        """
        self._canvas.restore_region(self._empty)
        self._draw(artists)
        self._under = self._canvas.copy_from_bbox(self._canvas.figure.bbox)

    def _draw(self, artists: Iterable[Artist]) -> None:
        renderer = self._canvas.get_renderer()
        for artist in artists:
            artist.draw(renderer)

    def piece(self, artist: Artist) -> Any:
        """Return the part of the empty frame under an artist, with it on it, for `show`."""
        self._canvas.restore_region(self._empty)
        self._draw([artist])
        place = artist.get_window_extent(self._canvas.get_renderer())
        return self._canvas.copy_from_bbox(place.padded(2))  # with its edge

    def show(
        self, artists: Iterable[Artist], alt: str, caption: str = "", piece: Any = None
    ) -> Shown:
        """Return the figure with more on it.

        Parameters
        ----------
        artists : iterable of Artist
            What to draw onto the frame, from back to front: artists of the figure that
            were set animated, and so were left out of the frame.
        alt, caption : str
            See `show`.
        piece : optional
            From `piece`, laid onto the frame first.
        """
        self._canvas.restore_region(self._under)
        if piece is not None:
            self._canvas.restore_region(piece)
        self._draw(artists)
        buffer = io.BytesIO()
        pixels = self._canvas.buffer_rgba()
        mpimg.imsave(buffer, pixels, format="png", pil_kwargs={"compress_level": 1})
        return Shown(buffer.getvalue(), alt, caption)
