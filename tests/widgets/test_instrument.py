"""The frame of the instruments, without a browser."""

import asyncio

import ipywidgets as ipw
import pytest

from medlab.errors import InputError
from medlab.widgets.instrument import VIEW, Instrument


@pytest.fixture
def drawn():
    return []


@pytest.fixture
def instrument(drawn):
    def draw(k):
        drawn.append(k)
        if k == 13:
            raise InputError("13 is no k; choose <another>")
        return f"<p>k is {k}</p>"

    handle = ipw.IntSlider(value=2, min=2, max=20, description="k", continuous_update=False)
    return Instrument("Classes", {"k": handle}, draw)


def test_moving_a_handle_draws_again(instrument):
    instrument.handles["k"].value = 7
    assert instrument.view.value == "<p>k is 7</p>"


def test_a_refusal_becomes_a_sentence_and_the_old_picture_stays(instrument):
    instrument.handles["k"].value = 13
    assert instrument.view.value == "<p>k is 2</p>"
    assert "13 is no k; choose &lt;another&gt;" in instrument.status.value


def test_an_error_that_is_not_ours_is_not_hidden(instrument):
    instrument._draw = lambda k: 1 / 0
    with pytest.raises(ZeroDivisionError):
        instrument.handles["k"].value = 3


def test_without_a_live_kernel_the_first_picture_is_left(instrument):
    instrument.handles["k"].value = 9
    bundle = instrument._repr_mimebundle_()
    assert bundle["text/html"].startswith("<p>k is 2</p>")
    assert "run its cell" in bundle["text/html"]
    assert VIEW in bundle
    assert "k is" not in bundle["text/plain"]


def test_dragging_draws_only_the_newest_value(instrument, drawn):
    async def drag():
        for value in range(3, 12):
            instrument.handles["k"].value = value
        await asyncio.sleep(0.2)

    asyncio.run(drag())
    assert drawn == [2, 11]
