"""The BET explorer, without a browser; BET itself runs twice."""

import asyncio
from dataclasses import replace

import pytest

from medlab import neuro, samples, widgets
from medlab.widgets import brain


@pytest.fixture(scope="module")
def img():
    return samples.head(1, spacing_mm=5.0).img


@pytest.fixture(scope="module")
def known(img):
    return [neuro.extract_brain(img, f=f, backend="builtin") for f in (0.5, 0.3)]


@pytest.fixture
def runs(monkeypatch, known):
    """Replaces BET by the result for f 0.3; returns the values it was called with."""
    called = []

    def extract(img, *, f, g, backend, watch):
        called.append((f, g, backend))
        watch(0.0)
        return known[1]

    monkeypatch.setattr(brain, "extract_brain", extract)
    return called


@pytest.fixture
def explorer(img, known, runs):
    return widgets.bet_explorer(img, known, backend="builtin")


def test_results_at_hand_are_shown_without_a_run(explorer, runs):
    explorer.controls["f"].value = 0.3
    assert "ml more than at the start" in explorer.view.value
    assert "its result was at hand" in explorer.view.value
    assert explorer.view.value.count("<img") == 2
    assert runs == []


def test_another_f_runs_bet_and_tells_the_time(explorer, runs):
    async def move():
        explorer.controls["f"].value = 0.4
        await asyncio.sleep(1)

    asyncio.run(move())
    assert runs == [(0.4, 0.0, "builtin")]
    assert "BET (builtin): 0." in explorer.view.value


def test_without_results_at_hand_the_first_is_made_at_once(img, runs):
    explorer = widgets.bet_explorer(img, f=0.3)
    assert runs == [(0.3, 0.0, "auto")]
    assert "The brain found holds" in explorer._first


def test_the_planes_go_where_the_controls_say(explorer):
    before = explorer.view.value
    explorer.controls["x"].value -= 3
    assert explorer.view.value != before


def test_what_looks_wrong_is_said(img, known):
    report = {**known[0].report, "warnings": ["the mask is cut by the bottom of the image"]}
    explorer = widgets.bet_explorer(img, [replace(known[0], report=report)])
    assert "Warning: the mask is cut by the bottom of the image." in explorer.view.value


def test_a_hidden_head_is_not_shown_after_either_while_its_front_stands(img, known):
    left = replace(known[0], brain=img)
    explorer = widgets.bet_explorer(img, [left], hide_original=True)
    assert "100 % still stands where it stood; it is not shown" in explorer.view.value
    gone = widgets.bet_explorer(img, known, hide_original=True)
    assert "not shown" not in gone.view.value
