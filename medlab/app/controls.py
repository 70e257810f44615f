"""What the page is made of: cards, rows and labelled controls, and sentences as HTML."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as ipw


def alert(said: object, title: str = "Not done") -> str:
    """Return a refusal as HTML that a screen reader reads at once."""
    return f"<p role='alert'><b>{title}:</b> {html.escape(str(said))}.</p>"


def done(said: str) -> str:
    """Return good news as HTML."""
    return f"<p class='medlab-ok' role='status'>{html.escape(said)}</p>"


def card(number: int, title: str, *parts: Any) -> ipw.VBox:
    """Return a numbered step of the page."""
    heading = ipw.HTML(f"<h2><span aria-hidden='true'>{number}</span>{title}</h2>")
    box = ipw.VBox([heading, *parts])
    box.add_class("medlab-card")
    return box


def row(parts: Sequence[Any]) -> ipw.Box:
    """Return parts side by side, below each other where it is narrow."""
    return ipw.Box(list(parts), layout=ipw.Layout(flex_flow="row wrap", grid_gap="6px 12px"))


def button(words: str, verb: Callable[[], None], *, primary: bool = False) -> ipw.Button:
    """Return a button that does `verb`."""
    button = ipw.Button(description=words, button_style="primary" if primary else "")
    button.on_click(lambda _: verb())
    return button


def radio(words: str, options: Mapping[str, str]) -> ipw.RadioButtons:
    """Return a choice of one; `options` are what is said and what it means."""
    return ipw.RadioButtons(description=words, options=list(options.items()))


def text(words: str, hint: str) -> ipw.Text:
    """Return a field for one line; `hint` stands in it while it is empty."""
    return ipw.Text(description=words, placeholder=hint, continuous_update=False)


def checkbox(words: str) -> ipw.Checkbox:
    """Return a box to tick."""
    return ipw.Checkbox(False, description=words, indent=False)


def hide(widget: Any, hidden: bool) -> None:
    """Take a control away, or show it."""
    widget.layout.display = "none" if hidden else ""
