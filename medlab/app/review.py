"""Step 5 of the page, while saved screens wait: each with its boxes, for a person to decide on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets as ipw

from medlab.app import views
from medlab.app.controls import alert, button, card, checkbox, hide, row
from medlab.app.intake import counted
from medlab.app.order import Order
from medlab.app.work import captures
from medlab.errors import InputError, MedlabError

_SAYS = (
    "<p>Saved screens and dose reports are pictures of text; a capture or photograph may show a "
    "face. Look at each: take a tick away, or add a box, and approve; or leave the image out. "
    "<b>To approve an image says that it shows no face.</b> What is not decided waits on.</p>"
)


class Review:
    """Step 5: what waits for a person, each with its boxes to approve, edit or leave out.

    Parameters
    ----------
    send : callable
        Runs the job again.
    """

    def __init__(self, send: Callable[[], None]) -> None:
        self._order: Order | None = None
        self._drawn: dict[int, Any] = {}  # editors by row of the map
        self._approved: set[int] = set()
        self._left_out: set[int] = set()
        self._sent: set[int] = set()  # filled, or about to be: no longer to be left out
        self.picture = ipw.Dropdown(description="Waiting")
        self.reveal = checkbox("Show the pictures and what was read in them")
        self._editor, self._status = ipw.VBox(), ipw.HTML()
        self.approve = button("Approve the ticked boxes", partial(self._decide, True))
        self.leave_out = button("Leave this image out", partial(self._decide, False))
        self.go = button("Finish with these decisions", send, primary=True)
        for control in (self.picture, self.reveal):
            control.observe(lambda _: self._draw(), "value")
        buttons = row([self.approve, self.leave_out, self.go])
        self.widget = card(
            5, "Review", ipw.HTML(_SAYS), self.picture, self.reveal, self._editor, buttons,
            self._status,
        )  # fmt: skip
        self.show(None, {})

    def show(self, order: Order | None, waiting: Mapping[int, Path]) -> None:
        """Show what waits now; what was shown and decided before is forgotten."""
        self._order, self.reveal.value = order, False
        self._drawn = {}
        self._approved, self._left_out, self._sent = set(), set(), set()
        self.picture.options = [
            (f"image {number} of {len(waiting)}", place)
            for number, place in enumerate(waiting.items(), start=1)
        ]
        self.picture.index = 0 if waiting else None
        self._draw()
        hide(self.widget, not waiting)

    def order(self) -> Order:
        """Write down the boxes that were approved; return the order to run the job again.

        Raises
        ------
        InputError
            If nothing was decided, or a box that was added is none.
        """
        from medlab.pipeline.job_files import held
        from medlab.pixels import box_review

        if self._order is None or not (self._approved or self._left_out):
            raise InputError("approve an image, or leave one out, first")
        rows = [  # as they are ticked now
            line
            for row in sorted(self._approved)
            for line in box_review.rows(str(row), self._drawn[row].decisions())
        ]
        if rows:
            job = self._order.waiting
            with tempfile.TemporaryDirectory() as folder, held(job):
                table = Path(folder, "pixels.csv")
                box_review.write_table(table, rows)
                box_review.approve(table, job / "pixels-approved.csv", accept=["all"])
                # Who approved an image saw it whole: a face in it, too.
                if faces := captures(job) & self._approved:
                    faces |= captures(job, approved=True)
                    lines = "\n".join(map(str, sorted(faces)))
                    (job / "faces-approved.csv").write_text(f"file\n{lines}\n")
        self._sent |= self._approved
        self._tell()
        left_out = self._order.left_out | self._left_out
        return replace(self._order, again=True, left_out=left_out)

    def say(self, told: str) -> None:
        """Show a sentence below the buttons."""
        self._status.value = told

    def _draw(self) -> None:
        """Show the image that is chosen, or none; one that is not seen can't be approved."""
        seen = self.picture.value is not None and self.reveal.value
        self._editor.children = (ipw.HTML("<p role='status'>Working …</p>"),) if seen else ()
        try:
            if seen:
                row, path = self.picture.value
                if row not in self._drawn:
                    self._drawn[row] = views.saved_screen(path, row)
                self._editor.children = (self._drawn[row],)
        except MedlabError as error:
            self._editor.children, seen = (ipw.HTML(alert(error)),), False
        self.approve.disabled = not seen
        self._tell()

    def _decide(self, approved: bool) -> None:
        row, _ = self.picture.value
        for rows, chosen in ((self._approved, approved), (self._left_out, not approved)):
            (rows.add if chosen else rows.discard)(row)
        self._tell()

    def _tell(self) -> None:
        """Say what was decided of the image that is chosen, and how many are not decided."""
        row = self.picture.value[0] if self.picture.value else None
        self.leave_out.disabled = row in self._sent
        decided = self._approved | self._left_out
        self.go.disabled = not decided
        said = "This image is left out. " if row in self._left_out else ""
        said = "This image is approved: its ticked boxes go. " if row in self._approved else said
        rest = counted(len(self.picture.options) - len(decided), "image")
        self.say(f"<p role='status'>{said}To be decided: {rest}.</p>")
