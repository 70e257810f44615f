"""A figure in a notebook: the picture, its text alternative and its caption, as HTML."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from medlab.errors import InputError

DPI = 110


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
    """

    png: bytes = field(repr=False)
    alt: str
    caption: str

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png).decode("ascii")
        return (
            '<figure style="margin: 0.5em 0">'
            f'<img src="data:image/png;base64,{data}" alt="{html.escape(self.alt)}" '
            'style="max-width: 100%; height: auto">'
            f"<figcaption>{html.escape(self.caption)}</figcaption></figure>"
        )


def show(fig: Figure, alt: str, caption: str = "", *, quick: bool = False) -> Shown:
    """Return a matplotlib figure as HTML with a text alternative and a caption.

    Parameters
    ----------
    fig : matplotlib Figure
        The figure; it is drawn at once and not changed.
    alt : str
        The text alternative: what someone who cannot see the picture needs to know.
    caption : str, optional
        The sentence below the picture.
    quick : bool
        Draw once, without searching for the tightest frame: for figures of fixed places,
        drawn again and again by an instrument.

    Returns
    -------
    Shown
        Leave it as the last expression of a cell.

    Raises
    ------
    InputError
        If `alt` is empty.
    """
    if not alt.strip():
        raise InputError("a figure without a text alternative; say in `alt` what it shows")
    buffer = io.BytesIO()
    how = {"pil_kwargs": {"compress_level": 1}} if quick else {"bbox_inches": "tight"}
    fig.savefig(buffer, format="png", dpi=DPI, facecolor="white", **how)
    return Shown(buffer.getvalue(), alt, caption)
