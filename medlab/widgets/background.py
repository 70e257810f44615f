"""Instruments that need long work first: one piece at a time, of which the newest wins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import ipywidgets as ipw

from medlab.errors import MedlabError
from medlab.widgets.instrument import Instrument

MOST_KEPT = 64  # results kept, so that going back is instant
REST = 1.0  # seconds without a touch before work that nobody asked for yet begins
Key = tuple[Hashable, ...]


class _SupersededError(Exception):
    """What is being worked on is not wanted any more."""


class LongInstrument(Instrument):
    """An instrument whose picture rests on work that takes seconds.

    The work is done in a thread while the handles stay alive. New values end it and begin
    their own; there is never a second piece and never a queue. Results are kept. In a pause
    the values `likely` to be asked for next are worked on. The first picture, and everything
    outside of a live kernel, is worked out on the spot.

    Parameters
    ----------
    title, handles
        See `Instrument`.
    draw : callable
        Takes the result of the work, then the values of all handles by name.
    work : callable
        Takes the values of the handles in `needs` in this order and a function to call at
        times with the share done, 0 to 1, which ends the work by what it raises.
    needs : sequence of str
        The handles whose values the work depends on.
    done : mapping of tuple to result, optional
        Results at hand, by the values of those handles.
    likely : callable, optional
        Takes the values of those handles and returns the values to work on in a pause.
    """

    def __init__(
        self,
        title: str,
        handles: Mapping[str, Any],
        draw: Callable[..., Any],
        work: Callable[..., Any],
        needs: Sequence[str],
        done: Mapping[Key, Any] | None = None,
        likely: Callable[..., Sequence[Key]] | None = None,
    ) -> None:
        self._show, self._work, self._needs, self._likely = draw, work, tuple(needs), likely
        self._done: dict[Key, Any] = {_rounded(key): known for key, known in (done or {}).items()}
        self._running: Key | None = None
        self._wanted: Key | None = None
        self._last: dict[str, Any] | None = None  # the values of the picture
        self._live = False
        self._resting: asyncio.TimerHandle | None = None
        self._stop = ipw.Button(description="stop the work", disabled=True)
        self._stop.on_click(self._give_up)
        super().__init__(title, handles, self._shown)
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

    def _key(self) -> Key:
        return _rounded([self.handles[name].value for name in self._needs])

    def _shown(self, **values: Any) -> Any:
        key = self._key()
        if key not in self._done:
            self._keep(key, self._attempt(key, lambda share: None))
        if isinstance(self._done[key], MedlabError):
            raise self._done[key]
        page = self._show(self._done[key], **values)
        self._last = values
        return page

    def _begin(self, loop: asyncio.AbstractEventLoop, key: Key) -> None:
        def watch(share: float) -> None:  # called in the thread
            if self._wanted != key and self._wanted not in self._done:
                raise _SupersededError
            loop.call_soon_threadsafe(self._say, key, share)

        self._running, self._stop.disabled = key, self._wanted != key
        self._say(key, 0.0)
        future = loop.run_in_executor(None, self._attempt, key, watch)
        future.add_done_callback(self._ended)

    def _attempt(self, key: Key, watch: Callable[[float], None]) -> Any:
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
            self._resting = loop.call_later(REST, self._ahead, loop)

    def _ahead(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin work on the first likely values that have no result yet."""
        if self._running is None and self._wanted in self._done and self._likely:
            likely = (_rounded(key) for key in self._likely(*self._wanted))
            missing = next((key for key in likely if key not in self._done), None)
            if missing is not None:
                self._begin(loop, missing)

    def _keep(self, key: Key, result: Any) -> None:
        self._done[key] = result
        while len(self._done) > MOST_KEPT:
            self._done.pop(next(iter(self._done)))

    def _say(self, key: Key, share: float) -> None:
        """Say what is being done, ten times in all."""
        if key == self._running == self._wanted and not round(100 * share) % 10:
            what = ", ".join(f"{n} {v}" for n, v in zip(self._needs, key, strict=True))
            self.status.value = (
                f"<small role='status'>working on {what}: {100 * share:.0f} %; below is still the "
                "picture before</small>"
            )

    def _give_up(self, _: Any) -> None:
        """End the work and move the handles back to the values of the picture."""
        self._wanted = None
        for name, value in (self._last or {}).items():
            self.handles[name].value = value


def _rounded(values: Sequence[Any]) -> Key:
    """Return values as a key; sliders return 0.30000000000000004."""
    return tuple(round(value, 6) if isinstance(value, float) else value for value in values)


def _loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
