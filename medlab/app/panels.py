"""The page itself: five steps, made of labelled controls; what they do is elsewhere."""

from __future__ import annotations

import asyncio
import html
import logging
import shutil
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import ipywidgets as ipw

from medlab import crypto
from medlab.app import folders, intake, views
from medlab.app.controls import alert, button, card, checkbox, done, hide, radio, row, text
from medlab.app.intake import Item, counted, may_hold_head
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
    clean_up,
)
from medlab.app.review import Review
from medlab.app.work import NO_CLAIM, UNCHECKED, Run
from medlab.errors import InputError, MedlabError, RefusedError
from medlab.methods.catalogue import METHODS
from medlab.widgets import tag_explorer
from medlab.widgets.interactive import InteractiveWidget

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
        self.look = _Look()
        self.choices = _Choices(self._start, self._cancel)
        self.outcome = _Outcome(session.name)
        self.review = Review(self._start_again)
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
            self._begin(views.one_sentence(self.review.order)())
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
        self.choices.say(said if _first(result) else done("Done. What came of it stands below."))
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
        self.folder = text("Or name a folder", "its whole path on this computer; read in place")
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
        for name in ("inbox", "files", "out", "work", "tmp", WAITING):
            folders.emptied(self._session / name)
        for name in folders.RESULTS:
            (self._session / name).unlink(missing_ok=True)
        self._status.value = done("All files of this session are wiped.")

    def _guarded(self, verb: Callable[[], None]) -> Callable[[], None]:
        """Return a verb that says in a sentence why it could not be done."""

        def attempt() -> None:
            try:
                views.one_sentence(verb)()
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


class _Look:
    """Step 2: what the files give away."""

    def __init__(self) -> None:
        self._source = Path()
        self.item = ipw.Dropdown(description="Look at")
        self.reveal = checkbox("Show pictures, faces and patients on this screen")
        self.tabs = _Tabs(
            {
                "Tags": self._tags,
                "Images": self._slices,
                "Text in pixels": lambda: _by_image(
                    "Text in the pixels", views.burned_in, [self.item.value], self.reveal.value
                ),
                "Face": lambda: self._drawn("The face in the scan", views.face),
                "Patients": self._patients,
            }
        )
        for control in (self.item, self.reveal):
            control.observe(lambda _: self.tabs.renew(), "value")
        self.widget = card(2, "Look", self.item, self.reveal, self.tabs)
        hide(self.widget, True)

    def show(self, source: Path, items: Sequence[Item]) -> None:
        """Show other files; identifiers are masked again."""
        self._source = source
        with self.tabs.resting():
            self.reveal.value = False
            self.item.options = [(item.name, item) for item in items]
            self.item.index = 0 if items else None
        hide(self.widget, not items)
        if items:
            self.tabs.renew()

    def _drawn(self, title: str, draw: Callable[..., Any]) -> InteractiveWidget:
        return InteractiveWidget(
            title, {}, partial(draw, self.item.value, reveal=self.reveal.value)
        )

    def _tags(self) -> InteractiveWidget:
        item = self.item.value
        if item.kind == "nifti":
            return self._drawn("What the header says", views.nifti_header)
        explorer: InteractiveWidget = tag_explorer(item.paths, start=len(item.paths) // 2 + 1)
        return explorer

    def _slices(self) -> InteractiveWidget:
        return _images("The image", [self.item.value], self.reveal.value)

    def _patients(self) -> InteractiveWidget:
        draw = partial(views.cohort, self._source, reveal=self.reveal.value)
        return InteractiveWidget("The patients in these headers", {}, draw)


class _Choices:
    """Step 3: what shall be done, and how far it is."""

    def __init__(self, start: Callable[[], None], cancel: Callable[[], None]) -> None:
        self.task = radio("Headers", _TASKS)
        self.policy = radio("Policy", _POLICIES)
        self.k = ipw.BoundedIntText(5, min=2, max=1000, description="Smallest bucket k")
        self.text = radio("Text in pixels", _TEXTS)
        self.head = radio("Heads", _HEADS)
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
        self.way_back = checkbox("Allow re-identification: key, vault and map, in a second zip")
        self.target = text("Result folder", "a new folder; empty: a zip to download")
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
        self.head.value = "deface" if any(map(may_hold_head, items)) else "leave"
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


class _Outcome:
    """Step 4: what came of it, before and after, to take away.

    Parameters
    ----------
    session : str
        The name of the session, part of the addresses of its results.
    """

    def __init__(self, session: str) -> None:
        self._session, self._restored = session, False
        self.held = False  # whether results lie here that a reload would wipe
        self.told = ipw.HTML()
        self.pair = ipw.Dropdown(description="Compare")
        self.reveal = checkbox("Show pictures, faces and patients on this screen")
        self.tabs = _Tabs(
            {
                "Headers": lambda: _by_image(
                    "Before and after",
                    partial(views.headers, restored=self._restored),
                    self.pair.value,
                    self.reveal.value,
                ),
                "Images": self._slices,
                "Face": lambda: self._drawn("The face, before and after", views.face),
            }
        )
        for control in (self.pair, self.reveal):
            control.observe(lambda _: self.tabs.renew(), "value")
        self.widget = card(4, "Result", self.told, self.pair, self.reveal, self.tabs)
        self.clear()

    def clear(self) -> None:
        """Show nothing; what was shown is forgotten."""
        with self.tabs.resting():
            self.reveal.value = False
            self.pair.options = []
        self.told.value, self.held = "", False
        views.volume.cache_clear()
        hide(self.widget, True)

    def show(self, order: Order, result: Result, items: Sequence[Item]) -> None:
        """Show what a run left."""
        self.told.value = _summary(order, result) + self._links(order)
        self.held = order.zipped or bool(result.waiting)
        self._restored = order.task == DECRYPTION
        outputs = dict(result.pairs)
        pairs = filter(None, (_before_and_after(item, outputs) for item in items))
        with self.tabs.resting():
            self.pair.options = [(pair[0].name, pair) for pair in pairs]
            self.pair.index = 0 if self.pair.options else None
        for part in (self.pair, self.reveal, self.tabs):
            hide(part, not self.pair.options)
        hide(self.widget, False)
        if self.pair.options:
            self.tabs.renew()

    def _drawn(self, title: str, draw: Callable[..., Any]) -> InteractiveWidget:
        return InteractiveWidget(
            title, {}, partial(draw, *self.pair.value, reveal=self.reveal.value)
        )

    def _slices(self) -> InteractiveWidget:
        return _images("Before and after", self.pair.value, self.reveal.value)

    def _links(self, order: Order) -> str:
        words = {
            "result.zip": "Download result and report" if order.zipped else "Download report",
            "private.zip": "Download key, vault and map (private)",
            "key.txt": "Download the key",
        }
        links = [
            f'<a class="medlab-download{" second" if number else ""}" download="medlab-{name}" '
            f'href="/medlab/{self._session}/{name}">{words[name]}</a>'
            for number, name in enumerate(folders.RESULTS)
            if (order.folder / name).is_file()
        ]
        return f"<p>{''.join(links)}</p>"


class _Tabs(ipw.Tab):  # type: ignore[misc]  # ipywidgets has no types
    """Tabs that are filled when they are looked at.

    Parameters
    ----------
    makers : mapping of str to callable
        Title of each tab, and what makes its content.
    """

    def __init__(self, makers: Mapping[str, Callable[[], Any]]) -> None:
        self._makers = list(makers.values())
        super().__init__([ipw.VBox() for _ in makers], titles=tuple(makers), selected_index=0)
        self._rests = False
        self.observe(lambda _: self._fill(), "selected_index")

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Empty all tabs, and leave them so while several choices change at once."""
        self._rests = True
        for child in self.children:
            child.children = ()
        yield
        self._rests = False

    def renew(self) -> None:
        """Forget all content and make that of the tab in front anew."""
        if not self._rests:
            for child in self.children:
                child.children = ()
            self._fill()

    def _fill(self) -> None:
        box = self.children[self.selected_index or 0]
        if box.children or self._rests:
            return
        box.children = (ipw.HTML("<p role='status'>Working …</p>"),)
        try:
            made = views.one_sentence(self._makers[self.selected_index or 0])()
        except MedlabError as error:
            made = ipw.HTML(alert(error))
        box.children = (made,)


def _first(result: Result) -> list[str]:
    """Return what a person is told before all else: what is not done, or was not checked."""
    wait = f"waiting for your review in step 5: {counted(len(result.waiting), 'image')}"
    withheld = f"withheld: {counted(result.withheld, 'file')}"
    return [
        *([wait] if result.waiting else []),
        *(line for line in result.cautions if line.startswith((UNCHECKED, NO_CLAIM))),
        *([withheld] if result.withheld else []),
    ]


def _summary(order: Order, result: Result) -> str:
    head = f"{counted(result.outputs, 'file')} written."
    if first := _first(result):
        head = f"{'; '.join(first).capitalize()}. {head}"
    folder = html.escape(str(order.target))
    where = "" if order.zipped else f"<p>They stand in the folder <code>{folder}</code>.</p>"
    return (
        (alert(head.rstrip("."), "Look at this") if first else done(head))
        + where
        + _listed("What was done", result.lines)
        + _listed("Not done, not checked, or not to be claimed", result.cautions)
    )


def _listed(title: str, lines: Sequence[str]) -> str:
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<h3>{title}</h3><ul>{items}</ul>" if lines else ""


def _before_and_after(item: Item, outputs: Mapping[Path, Path]) -> tuple[Item, Item] | None:
    """Return the files of an item that came out, and what came out; None if all was withheld."""
    paths = tuple(path for path in item.paths if path in outputs)
    after = tuple(outputs[path] for path in paths)
    return (item._replace(paths=paths), item._replace(paths=after)) if paths else None


def _images(title: str, items: Sequence[Item], reveal: bool) -> InteractiveWidget:
    """Return what shows a volume, or its processed one too, in three planes; or its images."""
    sides = views.sides(items[0])
    if sides is None:
        return _by_image(title, views.picture, items, reveal)
    controls = dict(zip("xyz", map(_slider, views.PLANES, sides), strict=True))

    def draw(x: int, y: int, z: int) -> Any:
        return views.slices(*items, reveal=reveal, at=(x, y, z))

    return InteractiveWidget(title, controls, draw)


def _by_image(
    title: str, draw: Callable[..., Any], items: Sequence[Item], reveal: bool
) -> InteractiveWidget:
    """Return what draws one image of a series, with a control to choose it."""
    most = len(items[0].paths)
    first = most // 2 + 1
    control = ipw.IntSlider(first, min=1, max=most, description="image", continuous_update=False)

    def drawn(image: int = first) -> Any:
        ones = (item._replace(paths=(item.paths[image - 1],)) for item in items)
        return draw(*ones, reveal=reveal)

    return InteractiveWidget(title, {"image": control} if most > 1 else {}, drawn)


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


def _slider(plane: str, side: int) -> ipw.IntSlider:
    return ipw.IntSlider(
        side // 2, min=0, max=side - 1, description=plane, continuous_update=False
    )
