"""The frame of the widgets, without a browser."""

import asyncio
import threading
import time

import ipywidgets as ipw
import pytest

from medlab.errors import InputError, RefusedError
from medlab.widgets import interactive as frame
from medlab.widgets.interactive import InteractiveWidget, LongWidget


@pytest.fixture
def drawn():
    return []


@pytest.fixture
def widget(drawn):
    def draw(k):
        drawn.append(k)
        if k == 13:
            raise InputError("13 is no k; choose <another>")
        return f"<p>k is {k}</p>"

    control = ipw.IntSlider(value=2, min=2, max=20, description="k", continuous_update=False)
    return InteractiveWidget("Classes", {"k": control}, draw)


def test_moving_a_control_draws_again(widget):
    widget.controls["k"].value = 7
    assert widget.view.value == "<p>k is 7</p>"


def test_a_refusal_becomes_a_sentence_and_the_old_picture_stays(widget):
    widget.controls["k"].value = 13
    assert widget.view.value == "<p>k is 2</p>"
    assert "13 is no k; choose &lt;another&gt;" in widget.status.value


def test_an_error_that_is_not_ours_is_not_hidden(widget):
    widget._draw = lambda k: 1 / 0
    with pytest.raises(ZeroDivisionError):
        widget.controls["k"].value = 3


def test_without_a_live_kernel_the_first_picture_is_left(widget):
    widget.controls["k"].value = 9
    bundle = widget._repr_mimebundle_()
    assert bundle["text/html"].startswith("<p>k is 2</p>")
    assert "run its cell" in bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "k is" not in bundle["text/plain"]


def test_dragging_draws_only_the_newest_value(widget, drawn):
    async def drag():
        for value in range(3, 12):
            widget.controls["k"].value = value
        await asyncio.sleep(0.2)

    asyncio.run(drag())
    assert drawn == [2, 11]


class Slow:
    """Work that lasts until it is watched often enough, and counts how much of it runs at once."""

    def __init__(self):
        self.begun, self.finished, self.at_once, self.most = [], [], 0, 0
        self.step = 0.01
        self.lock = threading.Lock()

    def __call__(self, f, watch):
        with self.lock:
            self.begun.append(f)
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        try:
            for step in range(10):
                watch(step / 10)
                time.sleep(self.step)
            if f == 0.9:
                raise RefusedError("nothing is left at this f")
            self.finished.append(f)
            return f"result {f}"
        finally:
            with self.lock:
                self.at_once -= 1


@pytest.fixture
def work():
    return Slow()


@pytest.fixture
def worker(work):
    controls = {
        "f": ipw.FloatSlider(0.5, min=0, max=1, step=0.1, continuous_update=False),
        "note": ipw.Text("a", continuous_update=False),
    }
    return LongWidget(
        "Long",
        controls,
        lambda result, f, note: f"{result} {note}",
        work,
        ["f"],
        {(0.3,): "known"},
    )


def play(steps):
    """Run steps in an event loop: calls, and seconds to wait."""

    async def run():
        for step in steps:
            if callable(step):
                step()
            else:
                await asyncio.sleep(step)

    asyncio.run(run())


def move(worker, value):
    return lambda: setattr(worker.controls["f"], "value", value)


def test_the_first_picture_is_there_at_once(worker):
    assert worker.view.value == "result 0.5 a"


def test_a_kept_result_is_shown_without_work_and_other_controls_need_none(worker, work):
    worker.controls["f"].value = 0.1 + 0.2
    worker.controls["note"].value = "b"
    assert worker.view.value == "known b"
    worker.controls["f"].value = 0.5
    assert work.begun == [0.5]


def test_while_it_works_it_says_so_and_the_old_picture_stays(worker):
    seen = []
    look = lambda: seen.append((worker.status.value, worker.view.value))  # noqa: E731
    play([move(worker, 0.6), 0.1, look, 0.5, look])
    assert "working on f 0.6" in seen[0][0]
    assert seen[0][1] == "result 0.5 a"
    assert "drawn in" in seen[1][0]
    assert seen[1][1] == "result 0.6 a"


def test_the_newest_values_win_and_nothing_queues(worker, work):
    moves = [step for value in (0.1, 0.2, 0.4, 0.7) for step in (move(worker, value), 0.07)]
    play([*moves, 0.8])
    assert worker.view.value == "result 0.7 a"
    assert work.finished == [0.5, 0.7]
    assert work.most == 1


def test_stopping_ends_the_work_and_goes_back_to_the_picture(worker, work):
    play([move(worker, 0.6), 0.1, worker._stop.click, 0.3])
    assert worker.controls["f"].value == 0.5
    assert worker.view.value == "result 0.5 a"
    assert work.finished == [0.5]
    assert worker._stop.disabled


def test_a_refusal_of_the_work_is_said_and_not_worked_out_again(worker, work):
    play(
        [
            move(worker, 0.9),
            0.5,
            move(worker, 0.3),
            0.2,
            move(worker, 0.9),
            0.2,
        ]
    )
    assert "Not drawn:</b> nothing is left" in worker.status.value
    assert work.begun == [0.5, 0.9]


@pytest.fixture
def foresighted(work, monkeypatch):
    monkeypatch.setattr(frame, "_REST", 0.1)
    likely = lambda f: [(f + 0.1,), (f - 0.1,)]  # noqa: E731
    controls = {"f": ipw.FloatSlider(0.5, min=0, max=1, step=0.1, continuous_update=False)}
    return LongWidget(
        "Long", controls, lambda result, f: f"{result}", work, ["f"], {(0.5,): "known"}, likely
    )


def test_in_a_pause_the_next_steps_are_worked_out_and_then_shown_without_work(foresighted, work):
    seen = []
    look = lambda: seen.append((foresighted.status.value, foresighted.view.value))  # noqa: E731
    play([foresighted.redraw, 0.15, look, 0.5, move(foresighted, 0.6), 0.08, look])
    assert "drawn in" in seen[0][0]
    assert work.begun == work.finished == [0.6, 0.4]
    assert seen[1][1] == "result 0.6"


def test_what_is_asked_for_ends_work_ahead(foresighted, work):
    work.step = 0.05
    play([foresighted.redraw, 0.15, move(foresighted, 0.8), 0.8])
    assert work.begun[:2] == [0.6, 0.8]
    assert work.finished[0] == 0.8
    assert work.most == 1


def test_work_ahead_that_is_asked_for_is_not_begun_again(foresighted, work):
    play([foresighted.redraw, 0.12, move(foresighted, 0.6), 0.3])
    assert work.begun[0] == work.finished[0] == 0.6
    assert work.begun.count(0.6) == 1
    assert foresighted.view.value == "result 0.6"
