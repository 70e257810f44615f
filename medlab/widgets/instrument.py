"""The frame of every instrument: labelled handles, what they show, a sentence when it fails."""

from __future__ import annotations

import asyncio
import html
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as ipw

from medlab.errors import MedlabError

_SETTLE = 0.05  # seconds without a new value before drawing: of a queue only the last is drawn
# Lists show columns; what has the keyboard is seen, whatever the theme.
_STYLE = """<style>
.medlab-list select { font-family: var(--jp-code-font-family, monospace); }
.medlab-instrument .widget-inline-hbox:not(.widget-html) { width: auto; max-width: 420px; }
.medlab-instrument .medlab-list.medlab-list { max-width: none; grid-column: 1 / -1; }
.medlab-instrument .slider-container { min-width: 70px; }
.medlab-instrument .widget-readout { min-width: 45px; }
.medlab-view .widget-html-content { line-height: 1.4; }
.medlab-view :is(th, td) { text-align: left; vertical-align: top; padding: 1px 12px 1px 0; }
.medlab-view h5 { margin: 0.4em 0; font-size: 1.1em; }
.medlab-instrument.jupyter-widgets-disconnected::after { font-weight: bold; content:
    "The kernel has ended or was started anew: run this cell again to move the handles."; }
.medlab-instrument .noUi-handle:focus { outline: 2px solid var(--jp-brand-color1, #1976d2); }
</style>"""
# In command mode JupyterLab takes plain keys for itself: arrows leave a list of choices, a b
# in it makes a new cell. Inside an instrument they belong to what has the focus. And a slider
# gets the name that its label has for the eye, a button of Play one for its picture: ipywidgets
# leaves them without.
_KEYS = """<img src="data:," alt="" hidden onerror="
const own = key => key.ctrlKey || key.metaKey || key.altKey || key.shiftKey
    || key.stopPropagation();
const name = event => {
    const label = event.target.closest('.widget-slider')?.querySelector('label');
    if (label) event.target.setAttribute('aria-label', label.textContent);
    const icon = event.target.closest('.widget-play button')?.querySelector('i')?.className;
    if (icon) event.target.title = /fa-(play|pause|stop)/.exec(icon)?.[1] ?? 'repeat';
};
const listen = left => {
    const box = this.closest('.medlab-instrument');
    if (box) {
        box.addEventListener('keydown', own);
        box.addEventListener('focusin', name);
    } else if (left) setTimeout(listen, 100, left - 1);
};
listen(50)">"""
_STILL = (
    "<p><small>A picture of an instrument: run its cell in JupyterLab to move the handles."
    "</small></p>"
)
VIEW = "application/vnd.jupyter.widget-view+json"


class Instrument(ipw.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Handles and the picture that they change.

    With a live kernel Jupyter shows the handles. Everywhere else (papermill, exported
    pages, a notebook opened later) the picture as first drawn stands in their place.

    Parameters
    ----------
    title : str
        What the instrument is, for the eye and for a screen reader.
    handles : mapping of str to ipywidgets.Widget
        Widgets with a ``value``, by the name under which `draw` takes it. Each needs a
        ``description``, which is its label.
    draw : callable
        Takes the values by name and returns what to show: something with ``_repr_html_``
        (a `viz.Shown`, a styled table), a string of HTML, or a list of these.
    layout_of_handles : callable, optional
        Takes the list of handles and returns the widget that holds them; a wrapping row
        by default.

    Attributes
    ----------
    view : ipywidgets.HTML
        What is shown now.
    status : ipywidgets.HTML
        How long it took, or the sentence that says why nothing new is shown.

    Notes
    -----
    Handles report on release (``continuous_update=False``), and what arrives while
    something is drawn is drawn once, with the newest values: dragging never queues work.
    """

    def __init__(
        self,
        title: str,
        handles: Mapping[str, Any],
        draw: Callable[..., Any],
        *,
        layout_of_handles: Callable[[list[Any]], Any] | None = None,
    ) -> None:
        self.handles = dict(handles)
        self._draw = draw
        self._pending: asyncio.TimerHandle | None = None
        self.view, self.status = ipw.HTML(), ipw.HTML()
        for handle in self.handles.values():
            if handle.has_trait("style") and handle.style.has_trait("description_width"):
                handle.style.description_width = "initial"  # the whole label, however long
            handle.observe(self._changed, names="value")
        place = layout_of_handles or _row
        heading = ipw.HTML(f"{_STYLE}{_KEYS}<h4 style='margin: 0'>{html.escape(title)}</h4>")
        super().__init__([heading, place(list(self.handles.values())), self.status, self.view])
        for part, name in ((self, "instrument"), (self.view, "view"), (self.status, "status")):
            part.add_class(f"medlab-{name}")
        self.redraw()
        self._first = self.view.value or self.status.value

    def values(self) -> dict[str, Any]:
        """Return the values of the handles by name."""
        return {name: handle.value for name, handle in self.handles.items()}

    def redraw(self) -> None:
        """Draw with the values of now; a refusal becomes a sentence, the old picture stays."""
        self._pending = None
        start = time.perf_counter()
        try:
            shown = as_html(self._draw(**self.values()))
        except MedlabError as refusal:
            self.status.value = (
                f"<p role='alert'><b>Not drawn:</b> {html.escape(str(refusal))}</p>"
            )
            return
        self.view.value = shown
        took = (time.perf_counter() - start) * 1000
        self.status.value = f"<small role='status'>drawn in {took:.0f} ms</small>"

    def _changed(self, _: Any) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no loop: a test or a plain script
            self.redraw()
            return
        if self._pending is not None:
            self._pending.cancel()
        self._pending = loop.call_later(_SETTLE, self.redraw)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs) or {}
        still = self._first + _STILL
        return {**bundle, "text/plain": "an instrument of medlab", "text/html": still}


def as_html(shown: Any) -> str:
    """Return what a draw function returned as one piece of HTML.

    Parameters
    ----------
    shown : object with ``_repr_html_``, str of HTML, or list of these
    """
    if isinstance(shown, str):
        return shown
    if isinstance(shown, list | tuple):
        return "\n".join(as_html(part) for part in shown)
    return str(shown._repr_html_())


def beside(*parts: Any, shares: Sequence[int] = ()) -> str:
    """Return what a draw function may show as one row; below each other where it is narrow.

    Parameters
    ----------
    *parts
        See `as_html`.
    shares : sequence of int, optional
        How the width is shared; equally, if not given.
    """
    columns = [
        f"<div style='flex: {share} 1 {120 * share + 240}px'>{as_html(part)}</div>"
        for share, part in zip(shares or [1] * len(parts), parts, strict=True)
    ]
    return f"<div style='display: flex; flex-wrap: wrap; gap: 1em'>{''.join(columns)}</div>"


def _row(handles: list[Any]) -> ipw.GridBox:
    columns = "repeat(auto-fill, minmax(min(100%, 290px), 1fr))"
    return ipw.GridBox(handles, layout={"grid_template_columns": columns, "grid_gap": "2px 24px"})
