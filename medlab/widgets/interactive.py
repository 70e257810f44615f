"""The frame of every widget: labelled controls, what they show, a sentence when it fails.

An interactive widget that needs long work does one piece at a time, of which the newest wins.
"""

from __future__ import annotations

import asyncio
import html
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import ipywidgets as ipw

from medlab.errors import MedlabError

_SETTLE = 0.05  # seconds without a new value before drawing: of a queue only the last is drawn
# Lists show columns; what has the keyboard is seen, whatever the theme.
_STYLE = """<style>
.medlab-list select { font-family: var(--jp-code-font-family, monospace); }
.medlab-widget .widget-inline-hbox:not(.widget-html) { width: auto; max-width: 420px; }
.medlab-widget .medlab-list.medlab-list { max-width: none; grid-column: 1 / -1; }
.medlab-widget .widget-slider.widget-slider { flex-wrap: wrap; height: auto; max-width: none; }
.medlab-widget .widget-slider .widget-label { flex: 1 0 100%; text-align: left; }
.medlab-widget .widget-slider .slider-container { flex: 1 1 70px; }
.medlab-widget .widget-readout { min-width: 45px; }
.medlab-view .widget-html-content { line-height: 1.4; }
.medlab-view :is(th, td) { text-align: left; vertical-align: top; padding: 1px 12px 1px 0; }
.medlab-view h5 { margin: 0.4em 0; font-size: 1.1em; }
.medlab-widget.jupyter-widgets-disconnected::after { font-weight: bold; content:
    "The kernel has ended or was started anew: run this cell again to move the controls."; }
.medlab-widget.medlab-waiting::after { content:
    "Waiting for the kernel, which is at work."; }
.medlab-widget .noUi-handle:focus { outline: 2px solid var(--jp-brand-color1, #1976d2); }
</style>"""
# In command mode JupyterLab takes plain keys for itself: arrows leave a list of choices, a b
# in it makes a new cell. Inside a widget they belong to what has the focus. A slider
# gets the name that its label has for the eye, a button of Play one for its picture: ipywidgets
# leaves them without. A control that is moved while the kernel is busy says that it waits.
_KEYS = """<img src="data:," alt="" hidden onerror="
const own = key => key.ctrlKey || key.metaKey || key.altKey || key.shiftKey
    || key.stopPropagation();
const name = event => {
    const label = event.target.closest('.widget-slider')?.querySelector('label');
    if (label) event.target.setAttribute('aria-label', label.textContent);
    const icon = event.target.closest('.widget-play button')?.querySelector('i')?.className;
    if (icon) event.target.title = /fa-(play|pause|stop)/.exec(icon)?.[1] ?? 'repeat';
};
const busy = box => box.closest('.jp-NotebookPanel')?.querySelector('[data-status=busy]');
let clock;
const wait = event => {
    const box = event.currentTarget;
    clearInterval(clock);
    clock = setInterval(() => {
        const waiting = !!busy(box);
        box.classList.toggle('medlab-waiting', waiting);
        if (!waiting) clearInterval(clock);
    }, 400);
};
const listen = left => {
    const box = this.closest('.medlab-widget');
    if (box) {
        box.addEventListener('keydown', own);
        box.addEventListener('focusin', name);
        for (const kind of ['keyup', 'change', 'pointerup']) box.addEventListener(kind, wait);
    } else if (left) setTimeout(listen, 100, left - 1);
};
listen(50)">"""
_STILL = (
    "<p><small>A picture of an interactive widget: run its cell in JupyterLab to move the "
    "controls.</small></p>"
)


class InteractiveWidget(ipw.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Controls and the picture that they change.

    With a live kernel Jupyter shows the controls. Everywhere else (papermill, exported
    pages, a notebook opened later) the picture as first drawn stands in their place.

    Parameters
    ----------
    title : str
        What the widget is, for the eye and for a screen reader.
    controls : mapping of str to ipywidgets.Widget
        Widgets with a ``value``, by the name under which `draw` takes it. Each needs a
        ``description``, which is its label.
    draw : callable
        Takes the values by name and returns what to show: something with ``_repr_html_``
        (a `viz.figure.Shown`, a styled table), a string of HTML, or a list of these.
    layout_of_controls : callable, optional
        Takes the list of controls and returns the widget that holds them; a wrapping row
        by default.

    Attributes
    ----------
    view : ipywidgets.HTML
        What is shown now.
    status : ipywidgets.HTML
        How long it took, or the sentence that says why nothing new is shown.

    Notes
    -----
    Controls report on release (``continuous_update=False``), and what arrives while
    something is drawn is drawn once, with the newest values: dragging never queues work.
    """

    def __init__(
        self,
        title: str,
        controls: Mapping[str, Any],
        draw: Callable[..., Any],
        *,
        layout_of_controls: Callable[[list[Any]], Any] | None = None,
    ) -> None:
        self.controls = dict(controls)
        self._draw = draw
        self._pending: asyncio.TimerHandle | None = None
        self.view, self.status = ipw.HTML(), ipw.HTML()
        for control in self.controls.values():
            if control.has_trait("style") and control.style.has_trait("description_width"):
                control.style.description_width = "initial"  # the whole label, however long
            control.observe(self._changed, names="value")
        place = layout_of_controls or _row
        heading = ipw.HTML(f"{_STYLE}{_KEYS}<h4 style='margin: 0'>{html.escape(title)}</h4>")
        super().__init__([heading, place(list(self.controls.values())), self.status, self.view])
        for part, name in ((self, "widget"), (self.view, "view"), (self.status, "status")):
            part.add_class(f"medlab-{name}")
        self.redraw()
        self._first = self.view.value or self.status.value

    def values(self) -> dict[str, Any]:
        """Return the values of the controls by name."""
        return {name: control.value for name, control in self.controls.items()}

    def redraw(self) -> None:
        """Draw with the values of now; a refusal becomes a sentence, the old picture stays."""
        self._pending = None
        start = time.perf_counter()
        try:
            page = _as_html(self._draw(**self.values()))
        except MedlabError as refusal:
            self.status.value = (
                f"<p role='alert'><b>Not drawn:</b> {html.escape(str(refusal))}</p>"
            )
            return
        self.view.value = page
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
        return {**bundle, "text/plain": "an interactive widget of medlab", "text/html": still}


def _as_html(content: Any) -> str:
    """Return what a draw function returned as one piece of HTML.

    Parameters
    ----------
    content : object with ``_repr_html_``, str of HTML, or list of these
    """
    if isinstance(content, str):
        return content
    if isinstance(content, list | tuple):
        return "\n".join(_as_html(part) for part in content)
    return str(content._repr_html_())


def beside(*parts: Any, shares: Sequence[int] = ()) -> str:
    """Return what a draw function may show as one row; below each other where it is narrow.

    Parameters
    ----------
    *parts
        See `_as_html`.
    shares : sequence of int, optional
        How the width is shared; equally, if not given.
    """
    columns = [
        f"<div style='flex: {share} 1 {120 * share + 240}px'>{_as_html(part)}</div>"
        for share, part in zip(shares or [1] * len(parts), parts, strict=True)
    ]
    return f"<div style='display: flex; flex-wrap: wrap; gap: 1em'>{''.join(columns)}</div>"


def _row(controls: list[Any]) -> ipw.GridBox:
    columns = "repeat(auto-fill, minmax(min(100%, 290px), 1fr))"
    return ipw.GridBox(controls, layout={"grid_template_columns": columns, "grid_gap": "2px 24px"})


_MOST_KEPT = 64  # results kept, so that going back is instant
_REST = 1.0  # seconds without a touch before work that nobody asked for yet begins
_Key = tuple[Hashable, ...]


class _SupersededError(Exception):
    """What is being worked on is not wanted any more."""


class LongWidget(InteractiveWidget):
    """An interactive widget whose picture rests on work that takes seconds.

    The work is done in a thread while the controls stay alive. New values end it and begin
    their own; there is never a second piece and never a queue. Results are kept. In a pause
    the values `likely` to be asked for next are worked on. The first picture, and everything
    outside of a live kernel, is worked out on the spot.

    Parameters
    ----------
    title, controls
        See `InteractiveWidget`.
    draw : callable
        Takes the result of the work, then the values of all controls by name.
    work : callable
        Takes the values of the controls in `needs` in this order and a function to call at
        times with the share done, 0 to 1, which ends the work by what it raises.
    needs : sequence of str
        The controls whose values the work depends on.
    done : mapping of tuple to result, optional
        Results at hand, by the values of those controls.
    likely : callable, optional
        Takes the values of those controls and returns the values to work on in a pause.
    """

    def __init__(
        self,
        title: str,
        controls: Mapping[str, Any],
        draw: Callable[..., Any],
        work: Callable[..., Any],
        needs: Sequence[str],
        done: Mapping[Any, Any] | None = None,
        likely: Callable[..., Sequence[Any]] | None = None,
    ) -> None:
        self._show, self._work, self._needs, self._likely = draw, work, tuple(needs), likely
        self._done: dict[_Key, Any] = {
            _rounded(key): result for key, result in (done or {}).items()
        }
        self._running: _Key | None = None
        self._wanted: _Key | None = None
        self._last: dict[str, Any] | None = None  # the values of the picture
        self._live = False
        self._resting: asyncio.TimerHandle | None = None
        self._stop = ipw.Button(description="stop the work", disabled=True)
        self._stop.on_click(self._give_up)
        super().__init__(title, controls, self._shown)
        row = self.children[1]
        row.children = [*row.children, self._stop]
        self._live = True
        self._wanted = self._key()
        self._rest()

    def redraw(self) -> None:
        """Draw if the result is at hand; otherwise begin the work for it, or let it begin."""
        self._wanted = key = self._key()
        loop = _loop()
        if key in self._done or not self._live or loop is None:
            super().redraw()
            self._rest()
        elif self._running is None:
            self._begin(loop, key)
        else:
            self._stop.disabled = self._running != key

    def _key(self) -> _Key:
        return _rounded([self.controls[name].value for name in self._needs])

    def _shown(self, **values: Any) -> Any:
        key = self._key()
        if key not in self._done:
            self._keep(key, self._attempt(key, lambda share: None))
        if isinstance(self._done[key], MedlabError):
            raise self._done[key]
        page = self._show(self._done[key], **values)
        self._last = values
        return page

    def _begin(self, loop: asyncio.AbstractEventLoop, key: _Key) -> None:
        def watch(share: float) -> None:  # called in the thread
            if self._wanted != key and self._wanted not in self._done:
                raise _SupersededError
            loop.call_soon_threadsafe(self._say, key, share)

        self._running, self._stop.disabled = key, self._wanted != key
        self._say(key, 0.0)
        future = loop.run_in_executor(None, self._attempt, key, watch)
        future.add_done_callback(self._ended)

    def _attempt(self, key: _Key, watch: Callable[[float], None]) -> Any:
        """Return the result, or the refusal in its place."""
        try:
            return self._work(*key, watch)
        except MedlabError as refusal:
            return refusal

    def _ended(self, future: asyncio.Future[Any]) -> None:
        key, self._running, self._stop.disabled = self._running, None, True
        error = future.exception()
        if error is not None and not isinstance(error, _SupersededError):
            self.status.value = f"<p role='alert'>Ended by an error: {type(error).__name__}</p>"
            raise error
        if error is None and key is not None:
            self._keep(key, future.result())
        if self._wanted in self._done and self._wanted != key:
            self._rest()
        elif self._wanted is not None:
            self.redraw()

    def _rest(self) -> None:
        """Work ahead after a while in which nothing is asked for."""
        loop = _loop()
        if self._live and self._likely and loop:
            if self._resting:
                self._resting.cancel()
            self._resting = loop.call_later(_REST, self._ahead, loop)

    def _ahead(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin work on the first likely values that have no result yet."""
        if self._running is None and self._wanted in self._done and self._likely:
            likely = (_rounded(key) for key in self._likely(*self._wanted))
            missing = next((key for key in likely if key not in self._done), None)
            if missing is not None:
                self._begin(loop, missing)

    def _keep(self, key: _Key, result: Any) -> None:
        self._done[key] = result
        while len(self._done) > _MOST_KEPT:
            self._done.pop(next(iter(self._done)))

    def _say(self, key: _Key, share: float) -> None:
        """Say what is being done, ten times in all."""
        if key == self._running == self._wanted and not round(100 * share) % 10:
            what = ", ".join(f"{n} {v}" for n, v in zip(self._needs, key, strict=True))
            self.status.value = (
                f"<small role='status'>working on {what}: {100 * share:.0f} %; below is still the "
                "picture before</small>"
            )

    def _give_up(self, _: Any) -> None:
        """End the work and move the controls back to the values of the picture."""
        self._wanted = None
        for name, value in (self._last or {}).items():
            self.controls[name].value = value


def _rounded(values: Sequence[Any]) -> _Key:
    """Return values as a key; sliders return 0.30000000000000004."""
    return tuple(round(value, 6) if isinstance(value, float) else value for value in values)


def _loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
