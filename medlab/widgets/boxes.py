"""An editor for text in pixels: which boxes go, what takes their place, and a table of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import numpy as np
import pandas as pd
from pydicom import Dataset

from medlab.errors import InputError
from medlab.pixels import box_review, effects, frames
from medlab.pixels.decide import Decision
from medlab.pixels.effects import Box
from medlab.viz.figure import Shown
from medlab.viz.pixels import Editor
from medlab.widgets.interactive import InteractiveWidget

_MASK, _ADDED = "***", "added"


class _TextBoxes(InteractiveWidget):
    """The widget that `text_boxes` returns, and what was decided with it."""

    def __init__(
        self, image: Dataset, decisions: Sequence[Decision], file: str, reveal: bool, hidden: bool
    ) -> None:
        self._image, self._found, self._file, self._hidden = image, list(decisions), file, hidden
        self._board = Editor(box_review.picture(image))
        self._result = lru_cache(maxsize=16)(self._with_effect)
        super().__init__("Text boxes", self._controls(reveal), self._show)

    def _controls(self, reveal: bool) -> dict[str, Any]:
        controls: dict[str, Any] = {
            f"box{number}": ipw.Checkbox(
                decision.remove, description=f"{number}: {_told(decision, reveal)}", indent=False
            )
            for number, decision in enumerate(self._found, 1)
        }
        controls["added"] = ipw.Text(
            description="boxes to add", placeholder="x0,y0,x1,y1; x0,y0,x1,y1",
            continuous_update=False,
        )  # fmt: skip
        controls["effect"] = ipw.Dropdown(options=effects.EFFECTS, description="effect")
        controls["pseudonym"] = ipw.Text(
            "SUBJECT 1", description="pseudonym", continuous_update=False
        )
        controls["strength"] = ipw.IntSlider(
            8, 2, 24, description="blur, pixelate: pixels", continuous_update=False
        )
        total = frames.layout(self._image).frames
        if total > 1:
            controls["frame"] = ipw.IntSlider(
                1, 1, total, description="frame", continuous_update=False
            )
        return controls

    def decisions(self) -> list[Decision]:
        """Return what was found, as ticked, and what was added.

        Raises
        ------
        InputError
            If a box to add is not four numbers.
        """
        ticked = [
            decision._replace(remove=self.controls[f"box{number}"].value)
            for number, decision in enumerate(self._found, 1)
        ]
        texts = [part for part in self.controls["added"].value.split(";") if part.strip()]
        return ticked + [Decision((_box(text),), True, _ADDED) for text in texts]

    def table(self, *, reveal: bool = False) -> pd.DataFrame:
        """Return one row a box, as `medlab pixels review` reads it; text masked or revealed."""
        table = pd.DataFrame(
            box_review.rows(self._file, self.decisions()), columns=list(box_review.COLUMNS)
        )
        hidden = table["text"].where(table["text"] == "", _MASK)
        return table if reveal else table.assign(text=hidden)

    def save(self, path: str | Path) -> None:
        """Write the table for ``medlab pixels review DST --boxes PATH --accept all``.

        It holds what was read and is readable by its owner only.
        """
        box_review.write_table(path, box_review.rows(self._file, self.decisions()))

    def _with_effect(
        self, boxes: tuple[Box, ...], rules: tuple[Box, ...], effect: str, *more: Any
    ) -> Dataset:
        """Return the image with an effect in the boxes; those of rules hold no text to replace."""
        pseudonym, strength = more
        image = self._image
        if effect == "pseudonymize":
            image = effects.fill(image, rules)
        else:
            boxes += rules
        settings = {"pseudonym": pseudonym, "sigma": strength / 2, "block": strength}
        return effects.fill(image, boxes, effect, **settings)

    def settings(self) -> tuple[tuple[Box, ...], tuple[Box, ...], str, str, int]:
        """Return boxes of text and of rules that go, the effect, pseudonym and strength."""
        gone = [decision for decision in self.decisions() if decision.remove]
        text = tuple(box for decision in gone if _is_text(decision) for box in decision.boxes)
        rules = tuple(box for decision in gone if not _is_text(decision) for box in decision.boxes)
        effect, pseudonym, strength = (
            self.controls[name].value for name in ("effect", "pseudonym", "strength")
        )
        return text, rules, effect, pseudonym, strength

    def _show(self, effect: str, frame: int = 1, **_: Any) -> Shown:
        self.controls["pseudonym"].disabled = effect != "pseudonymize"
        self.controls["strength"].disabled = effect in effects.LASTING
        decisions, settings = self.decisions(), self.settings()
        images = (self._image, self._result(*settings))
        pictures = [box_review.picture(image, frame - 1) for image in images]
        if self._hidden:
            pictures = [np.zeros_like(picture) for picture in pictures]
        gone = len(settings[0] + settings[1])
        said = f"{gone} boxes {_DONE[effect]}, {len(decisions)} in all"
        lasting = "" if effect in effects.LASTING else f" Mind: {effects.WARNING}."
        return self._board.show(
            pictures[0], decisions, pictures[1],
            f"The image with numbered boxes, and the result: {said}.",
            f"{said.capitalize()}. Crossed boxes change, dashed ones stay.{lasting}",
        )  # fmt: skip


_DONE = {
    "blank": "blackened",
    "pseudonymize": "with a pseudonym in their place",
    "blur": "blurred",
    "pixelate": "pixelated",
}


def text_boxes(
    image: Dataset,
    decisions: Sequence[Decision],
    *,
    file: str = "1",
    reveal: bool = False,
    hide_original: bool = False,
) -> _TextBoxes:
    """Return an editor for the boxes found in an image.

    Parameters
    ----------
    image : Dataset
        With its file meta; not modified.
    decisions : sequence of Decision
        Of `pixels.find_text`; what it would remove is ticked.
    file : str
        The number of the file in the map of its job, for the table.
    reveal : bool
        Show what was read beside each tick. Otherwise the reason alone.
    hide_original : bool
        Leave the image black and show the boxes alone.

    Returns
    -------
    _TextBoxes
        An `InteractiveWidget` with ``decisions()``, ``table()`` and ``save(path)``.
    """
    return _TextBoxes(image, decisions, file, reveal, hide_original)


def _is_text(decision: Decision) -> bool:
    return decision.word is not None or decision.reason == _ADDED


def _told(decision: Decision, reveal: bool) -> str:
    return decision.word.text if reveal and decision.word else decision.reason or "nothing known"


def _box(text: str) -> Box:
    try:
        x0, y0, x1, y1 = (int(part) for part in text.split(","))
    except ValueError:
        raise InputError("a box to add is four numbers: x0,y0,x1,y1, in pixels") from None
    if x1 <= x0 or y1 <= y0:
        raise InputError("a box to add is empty; x1 is to the right of x0, y1 below y0")
    return Box(x0, y0, x1, y1)
