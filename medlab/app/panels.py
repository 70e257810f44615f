"""The page itself: its steps that ask, made of labelled controls; what they do is elsewhere."""

from __future__ import annotations

import asyncio
import html
import logging
import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import ipywidgets as ipw

from medlab import crypto, dicom
from medlab.app import folders, intake
from medlab.app.intake import Item, counted, suggests_head
from medlab.app.order import (
    BY_ELEMENTS,
    DECRYPTION,
    ENCRYPTION,
    NOTHING,
    POLICY,
    SLICING,
    WAITING,
    Order,
    Result,
    Run,
    captures,
    clean_up,
)
from medlab.app.views import Look, Outcome, alert, button, card, done, hide, one_sentence, row
from medlab.errors import InputError, MedlabError, RefusedError
from medlab.methods.catalogue import METHODS

_TASKS = {
    "De-identify the whole header by a policy (recommended)": POLICY,
    **{f"{name.capitalize()}: {METHODS[name].says}": name for name in (*BY_ELEMENTS, SLICING)},
    "Encrypt name and ID with a key": ENCRYPTION,
    "Decrypt name and ID with the key": DECRYPTION,
    "Leave headers as they are": NOTHING,
}
_POLICIES = {
    "basic: dates, descriptions and private elements go": "basic",
    "research: dates moved, descriptions cleaned, age and weight stay": "research",
}
# The first is the default: leaving something in is a choice that a person makes.
_TEXTS = {
    "Remove it (black)": "remove",
    "Write a pseudonym in its place": "pseudonymize",
    "Blur it (can be read back; a lesson only)": "blur",
    "Leave it": "leave",
}
_HEADS = {
    "Deface: cut the face out": "deface",
    "Skull stripping: keep the brain only": "strip",
    "Leave it": "leave",
}
_HEADERS_ONLY = (DECRYPTION,)
_LOCAL = (
    '<h1>medlab</h1><p class="medlab-soft">Take identity out of medical images, and see what '
    'is left.</p><p class="medlab-local"><b>On this computer only.</b> Nothing leaves it. '
    "Uploads lie in a private folder that is wiped when you close this page.</p>"
    "<ul class='medlab-verbs'>"
    "<li><b>Anonymize</b> step 3, Headers: by a policy, or by one method</li>"
    "<li><b>Text in images</b> step 2 finds it, step 3 removes it</li>"
    "<li><b>Skull strip, deface</b> step 3, Heads: DICOM series and NIfTI files</li>"
    "<li><b>NIfTI files</b> step 1 takes them, step 3 cleans header, name and face</li></ul>"
)
_UPLOAD = """<div class="medlab-drop" data-session="{session}" data-cap="{cap}">
<p>Drop DICOM or NIfTI files here, or the zip of a folder; or choose (up to {mb} MB together):</p>
<label><b>Files or a zip</b> <input type="file" multiple></label>
<label><b>A whole folder</b> <input type="file" webkitdirectory></label>
<p class="medlab-sent" role="status" aria-live="polite"></p></div>"""
_KEYED = (POLICY, "pseudonymization", ENCRYPTION, DECRYPTION)
_REVIEW = (
    "<p>Saved screens and dose reports are pictures of text; a capture or photograph may show a "
    "face. Look at each: take a tick away, or add a box, and approve; or leave the image out. "
    "<b>To approve an image says that it shows no face.</b> What is not decided waits on.</p>"
)


def page() -> ipw.Widget:
    """Return the page of this kernel's session."""
    warnings.simplefilter("ignore")  # pydicom's repeat values
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    return _Page(folders.session_folder()).widget


class _Page:
    """The page of one session.

    Parameters
    ----------
    session : Path
        The private folder, see `folders.session_folder`.

    Attributes
    ----------
    files, look, choices, outcome, review
        The five steps.
    widget : ipywidgets.VBox
        All of them.
    """

    def __init__(self, session: Path) -> None:
        self.files = _Files(session, self._renew)
        self.look = Look()
        self.choices = _Choices(self._start, self._cancel)
        self.outcome = Outcome(session.name)
        self.review = _Review(self._start_again)
        self._session = session
        self._run: Run | None = None
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:  # no kernel around it
            self._loop = None
        parts = (self.files, self.look, self.choices, self.outcome, self.review)
        self.widget = ipw.VBox([ipw.HTML(_LOCAL), *(part.widget for part in parts)])
        self.widget.add_class("medlab-page")

    def _renew(self) -> None:
        """Show what there is now; what was made of earlier files goes."""
        self._cancel()
        self.outcome.clear()
        self.review.show(None, {})
        shutil.rmtree(self._session / WAITING, ignore_errors=True)
        self.look.show(self.files.source, self.files.items)
        self.choices.show(self.files.items, self.files.source if self.files.named else None)
        self._guard()

    def _guard(self) -> None:
        """Let the browser ask before a reload or close that would lose work."""
        uploaded = self.files.source == self._session / "files" and self.files.items
        held = self._run is not None or bool(uploaded) or self.outcome.held
        (self.widget.add_class if held else self.widget.remove_class)("medlab-held")

    def _start(self) -> None:
        """Begin a run, or say why not."""
        try:
            if self._run is not None:
                raise RefusedError("a run is at work; wait for its end, or cancel it")
            order = self.choices.order(self.files.source, self._session)
            clean_up(order)
        except MedlabError as error:
            self.choices.say(alert(error))
            return
        self.outcome.clear()
        self.review.show(None, {})
        self._begin(order)

    def _start_again(self) -> None:
        """Run a job again with what a person decided; or say why not."""
        try:
            if self._run is not None:
                raise RefusedError("a run is at work; wait for its end, or cancel it")
            self._begin(one_sentence(self.review.order)())
        except MedlabError as error:
            self.review.say(alert(error))

    def _begin(self, order: Order) -> None:
        self._run = Run(order)
        self.choices.running(True)
        self._guard()
        threading.Thread(target=self._follow, args=(order, self._run), daemon=True).start()

    def _cancel(self) -> None:
        if self._run is not None:
            self._run.cancel()

    def _follow(self, order: Order, run: Run) -> None:
        """Wait for a run; all that is shown is shown by the kernel's own thread."""
        try:
            result: Result | MedlabError = run.wait(partial(self._later, self.choices.tell))
        except MedlabError as error:
            clean_up(order)
            result = error
        self._later(self._ended, order, result)

    def _later(self, verb: Callable[..., None], *args: Any) -> None:
        if self._loop is None:
            verb(*args)
        else:
            self._loop.call_soon_threadsafe(partial(verb, *args))

    def _ended(self, order: Order, result: Result | MedlabError) -> None:
        self._run = None
        self.choices.running(False)
        self._guard()
        if isinstance(result, MedlabError):
            self.choices.say(alert(result))
            self.review.say(alert(result))
            if not self.review.picture.options:  # there are other files by now
                shutil.rmtree(self._session / WAITING, ignore_errors=True)
            return
        said = "The run has ended. Step 4 says first what is not done."
        self.choices.say(said if result.undone else done("Done. What came of it stands below."))
        self.outcome.show(order, result, self.files.items)
        self.review.show(order, result.waiting)
        self._guard()


class _Files:
    """Step 1: what comes in.

    Parameters
    ----------
    session : Path
    renewed : callable
        Called when there are other files than before.

    Attributes
    ----------
    source : Path
        The folder that is worked on.
    items : list of Item
        What is in it.
    named : bool
        Whether `source` is a folder that the person named.
    """

    def __init__(self, session: Path, renewed: Callable[[], None]) -> None:
        self._session, self._renewed = session, renewed
        self.source, self.named = session / "files", False
        self.items: list[Item] = []
        cap = folders.CAP
        upload = _UPLOAD.format(session=session.name, cap=cap, mb=cap // 1_000_000)
        self._arrived = button("arrived", self._guarded(self.take))
        self._arrived.add_class("medlab-arrived")
        self._arrived.tabbable = False
        self.folder = ipw.Text(
            description="Or name a folder",
            placeholder="its whole path on this computer; read in place",
            continuous_update=False,
        )
        self._status = ipw.HTML()
        buttons = [
            button("Use this folder", self._guarded(self.name)),
            button("Try fictitious patients", self._guarded(self.sample)),
            button("Wipe everything now", self._guarded(self.wipe)),
        ]
        self.widget = card(
            1, "Files", ipw.HTML(upload), self._arrived, self.folder, row(buttons), self._status
        )

    def take(self) -> None:
        """Take in what was uploaded."""
        self._working("Checking the files …")
        taken = intake.take_in(self._session / "inbox", self._session / "files")
        told = "".join(alert(refusal) for refusal in taken.refusals)
        if taken.left_out:
            told += (
                f"<p>Left out: {counted(taken.left_out, 'file')} of other kinds in the zip.</p>"
            )
        if taken.files:
            self._use(self._session / "files", told=told)
        else:
            self._status.value = told

    def name(self) -> None:
        """Use the folder that was named; it is read in place."""
        self._working("Reading the folder …")
        self._use(intake.named_folder(self.folder.value), named=True)

    def sample(self) -> None:
        """Use the sample data, whose people are fictitious."""
        from medlab import samples

        self._working("Fetching the sample data …")
        self._use(samples.default_folder(), told="<p>Nobody in these files exists.</p>")

    def wipe(self) -> None:
        """Take away all that this session holds."""
        self.source, self.items, self.named = self._session / "files", [], False
        self._renewed()
        folders.wipe(self._session, "inbox", "files", "out", "work", "tmp", WAITING)
        self._status.value = done("All files of this session are wiped.")

    def _guarded(self, verb: Callable[[], None]) -> Callable[[], None]:
        """Return a verb that says in a sentence why it could not be done."""

        def attempt() -> None:
            try:
                one_sentence(verb)()
            except MedlabError as error:
                self._status.value = alert(error)

        return attempt

    def _use(self, source: Path, *, named: bool = False, told: str = "") -> None:
        self.source, self.named = source, named
        self.items = intake.inventory(source)
        files = sum(len(item.paths) for item in self.items)
        self._renewed()
        self._status.value = done(f"{counted(files, 'file')} to work on.") + told

    def _working(self, what: str) -> None:
        self._status.value = f"<p role='status'>{what}</p>"


class _Choices:
    """Step 3: what shall be done, and how far it is."""

    def __init__(self, start: Callable[[], None], cancel: Callable[[], None]) -> None:
        self.task = _radio("Headers", _TASKS)
        self.policy = _radio("Policy", _POLICIES)
        self.k = ipw.BoundedIntText(5, min=2, max=1000, description="Smallest bucket k")
        self.text = _radio("Text in pixels", _TEXTS)
        self.head = _radio("Heads", _HEADS)
        self.f = ipw.FloatSlider(
            0.5, min=0.1, max=0.9, step=0.05, description="Threshold f (small: more is kept)"
        )
        self.f.style.description_width = "initial"
        self.key = ipw.Password(
            description="Key", placeholder="empty: a new one is made", continuous_update=False
        )
        self.review = ipw.Checkbox(
            True, description="Show me saved screens and dose reports before they go", indent=False
        )
        self.way_back = ipw.Checkbox(
            False,
            description="Allow re-identification: key, vault and map, in a second zip",
            indent=False,
        )
        self.target = ipw.Text(
            description="Result folder",
            placeholder="a new folder; empty: a zip to download",
            continuous_update=False,
        )
        self.go = button("Run", start, primary=True)
        self.stop = button("Cancel", cancel)
        self.bar = ipw.IntProgress(0, 0, 1, description="Progress")
        self._status = ipw.HTML()
        columns = row(
            [
                ipw.VBox([self.task, self.policy, self.k, self.key, self.way_back]),
                ipw.VBox([self.text, self.review, self.head, self.f, self.target]),
            ]
        )
        columns.add_class("medlab-columns")
        run = row([self.go, self.stop])
        self.widget = card(3, "Protect", columns, run, self.bar, self._status)
        for control in (self.task, self.text, self.head):
            control.observe(lambda _: self._fit(), "value")
        self._named = False
        private = (self.key, self.way_back, self.target)
        methods = (self.task, self.policy, self.k, self.text, self.review, self.head, self.f)
        self._private = [(control, control.value) for control in private]
        self._methods = [(control, control.value) for control in methods]
        self._fit()
        self.running(False)
        hide(self.widget, True)

    def show(self, items: Sequence[Item], named: Path | None) -> None:
        """Offer the choices once there are files; no key is taken over from earlier ones.

        Of a folder that the person named, a new folder beside it is offered for the result.
        """
        self._named = named is not None
        for control, value in self._private + ([] if items else self._methods):
            control.value = value
        self.target.value = str(_beside(named)) if named else ""
        self.head.value = "deface" if any(map(suggests_head, items)) else "leave"
        self._fit()
        self.say("")
        hide(self.widget, not items)

    def order(self, source: Path, session: Path) -> Order:
        """Return what was chosen.

        Raises
        ------
        MedlabError
            If the choices can't be done together, or a folder can't be used.
        """
        from medlab.pipeline.job_files import check_places

        target = _new_folder(self.target.value) if self.target.value else session / "out/result"
        check_places(source, target)
        return Order(
            source,
            target,
            session,
            task=self.task.value,
            policy=self.policy.value,
            text="leave" if self.task.value in _HEADERS_ONLY else self.text.value,
            head="leave" if self.task.value in _HEADERS_ONLY else self.head.value,
            f=self.f.value,
            key=self._key(),
            way_back=self.way_back.value,
            k=self.k.value,
            zipped=not self.target.value,
            review=self.review.value and self._may_wait(),
        )

    def _may_wait(self) -> bool:
        """Tell whether saved screens wait for a person: where a policy takes out text."""
        return bool(self.task.value == POLICY and self.text.value != "leave")

    def _key(self) -> bytes:
        if self.key.value:
            return crypto.keys.parse_key(self.key.value.encode("utf-8"))
        if self.task.value == DECRYPTION:
            raise InputError("decryption needs the key that the names were encrypted with")
        return crypto.new_key()

    def say(self, told: str) -> None:
        """Show a sentence below the buttons."""
        self._status.value = told

    def tell(self, step: str, number: int, total: int) -> None:
        """Show how far a run is."""
        self.bar.max, self.bar.value = max(total, 1), number
        far = f": {number} of {total}" if total > 1 else " …"
        self.say(f"<p role='status'>{html.escape(step)}{far}</p>")

    def running(self, on: bool) -> None:
        """Let a run be started, or be cancelled."""
        self.go.disabled, self.stop.disabled = on, not on
        hide(self.bar, not on)
        if on:
            self.tell("starting", 0, 1)

    def _fit(self) -> None:
        """Show the choices that matter for the others."""
        task = self.task.value
        hide(self.policy, task != POLICY)
        hide(self.way_back, task != POLICY)
        hide(self.k, task != SLICING)
        hide(self.key, task not in _KEYED)
        hide(self.text, task in _HEADERS_ONLY)
        hide(self.review, not self._may_wait())
        hide(self.head, task in _HEADERS_ONLY)
        hide(self.f, task in _HEADERS_ONLY or self.head.value != "strip")
        hide(self.target, not self._named)


def _radio(words: str, options: Mapping[str, str]) -> ipw.RadioButtons:
    """Return a choice of one; `options` are what is said and what it means."""
    return ipw.RadioButtons(description=words, options=list(options.items()))


class _Review:
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
        self.reveal = ipw.Checkbox(
            False, description="Show the pictures and what was read in them", indent=False
        )
        self._editor, self._status = ipw.VBox(), ipw.HTML()
        self.approve = button("Approve the ticked boxes", partial(self._decide, True))
        self.leave_out = button("Leave this image out", partial(self._decide, False))
        self.go = button("Finish with these decisions", send, primary=True)
        for control in (self.picture, self.reveal):
            control.observe(lambda _: self._draw(), "value")
        buttons = row([self.approve, self.leave_out, self.go])
        self.widget = card(
            5, "Review", ipw.HTML(_REVIEW), self.picture, self.reveal, self._editor, buttons,
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
                    self._drawn[row] = _saved_screen(path, row)
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


@one_sentence
def _saved_screen(path: Path, row: int) -> Any:
    """Return the editor for the boxes of an image that waits for a person, all of it shown."""
    from medlab import pixels
    from medlab.widgets import text_boxes

    dataset = dicom.read(path)
    found = pixels.find_text(dataset, pixels.identity_words(dataset))
    editor = text_boxes(dataset, found, file=str(row), reveal=True)
    for name in ("effect", "pseudonym", "strength"):  # chosen in step 3
        editor.controls[name].layout.display = "none"
    return editor


def _new_folder(text: str) -> Path:
    folder = Path(text.strip()).expanduser()
    if not folder.is_absolute():
        raise InputError("give the whole path of the result folder, from the root of the disk on")
    if not folder.parent.is_dir():
        raise InputError("the folder above the result folder does not exist; make it first")
    job = folder.with_name(folder.name + ".job")
    if folder.exists() or job.exists():
        raise RefusedError("the result folder, or its private .job folder, exists; name a new one")
    return folder


def _beside(folder: Path) -> Path:
    """Return a folder beside another that does not exist yet, nor its private .job folder."""
    places = (folder.with_name(f"{folder.name}-clean{-n if n > 1 else ''}") for n in count(1))
    return next(p for p in places if not p.exists() and not Path(f"{p}.job").exists())
