"""One image from looked-at to clean: find, decide, fill, look again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medlab.arrays import Array
from medlab.dicom import codestream, passthrough
from medlab.errors import RefusedError, UnavailableError, UsageError, not_installed
from medlab.pixels import decide, detect, effects, frames, prefilter
from medlab.pixels.decide import Decision, Identity
from medlab.pixels.detect import Code, Engine
from medlab.pixels.effects import Box, Boxes
from medlab.pixels.frames import Layout
from medlab.pixels.prefilter import Series, SeriesStore

_ROUNDS = 3  # of filling and reading again
# overlays, and the curves of old
_GRAPHICS = {*range(0x6000, 0x6100, 2), *range(0x5000, 0x5100, 2)}
_CARRIERS = {
    "EncapsulatedDocument": ("an encapsulated document (PDF, CDA)", None),
    "WaveformSequence": ("a waveform and its annotations", None),
    "GraphicAnnotationSequence": ("a presentation state's annotations", "clean-graphics"),
    "ContentSequence": ("a structured report", "clean-structured-content"),
}


class Finding(NamedTuple):
    """Something a person should know about the image; never a value. `severity`: info, review."""

    kind: str
    message: str
    severity: str = "info"


@dataclass(frozen=True)
class Cleaned:
    """An image that was looked at.

    Attributes
    ----------
    dataset : Dataset
        The result; with the very same pixel data when nothing had to change.
    boxes : list of Box
        What was filled: in all frames of a cine, or where a person or a rule said so; else in
        the frames in which it was read. Everything outside is as it was.
    decisions : list of Decision
        All text and codes found, with reasons. Holds patients' values.
    findings : list of Finding
    checked : bool
        Looked at and read again: code 113101 (Clean Pixel Data) may be added.
    complete : bool
        Besides, nothing unknown was left in: BurnedInAnnotation may say NO. True after the
        policy *allow* and every picture was read, or where a person approved the boxes and
        nothing is read outside of them.
    codes : list of Code
        The machine-readable codes found.
    pictures, passed : int
        Pictures looked at, and how many of them were not read, since they hold no more than
        slices of their series that were.
    """

    dataset: Dataset = field(repr=False)
    boxes: list[Box]
    decisions: list[Decision] = field(repr=False)
    findings: list[Finding]
    checked: bool = False
    complete: bool = False
    codes: list[Code] = field(default_factory=list, repr=False)
    pictures: int = 0
    passed: int = 0


class ReviewError(RefusedError):
    """A saved screen or dose report that waits for a person; `decisions` are the proposal."""

    def __init__(self, decisions: list[Decision]) -> None:
        super().__init__(
            "a saved screen or dose report waits for a person to review its boxes "
            "(quarantine none cleans it like the rest)"
        )
        self.decisions = decisions


@dataclass(frozen=True)
class CleaningOptions:
    """How an image is read, what may stay in it, and how the rest is taken out.

    Attributes
    ----------
    policy : {"allow", "match"}
        Remove all text but laterality, view, technique and scale; or only text that the
        header, a pattern or a keyword gives away. See `decide`.
    quarantine : {"ask", "none"}
        Whether saved screens and dose reports wait for a person.
    rules : sequence of mapping
        Device rules; see `decide.load_recipe`.
    header_options : iterable of str
        Options done by the header's de-identification; ``clean-graphics`` and
        ``clean-structured-content`` let presentation states and structured reports through.
    effect : {"blank", "pseudonymize", "blur", "pixelate"}
        Only the first two take the text out for good.
    pseudonym : str
        What *pseudonymize* draws into each box.
    engine, second : callable, optional
        Text recognizer, and an independent one that only checks and may be missing.
    prefilter : bool
        Start tesseract only on pictures that hold rows of letters (`prefilter.has_rows`).
    require : bool
        Raise when no recognizer is there; otherwise apply the rules and claim nothing.
    series : SeriesStore, optional
        What is remembered of series from image to image, so that slices which hold nothing new
        are not read. Without it every slice is.

    Raises
    ------
    UsageError
        If there is no such policy, quarantine or effect.
    """

    policy: str = "allow"
    quarantine: str = "ask"
    rules: Sequence[Mapping[str, Any]] = ()
    header_options: Iterable[str] = ()
    effect: str = "blank"
    pseudonym: str = ""
    engine: Engine | None = detect.rapidocr
    second: Engine | None = detect.tesseract
    prefilter: bool = True
    require: bool = True
    series: SeriesStore | None = None

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("pixel policy", self.policy, decide.POLICIES),
            ("quarantine", self.quarantine, ("ask", "none")),
            ("effect", self.effect, effects.EFFECTS),
        ):
            if value not in choices:
                raise UsageError(f"there is no such {name}; choose {', '.join(choices)}")


class _Task(NamedTuple):
    """What `clean` was asked for: the words that identify, and how."""

    known: Identity
    options: CleaningOptions
    series: Series | None = None


def clean(
    dataset: Dataset,
    words: Iterable[str] = (),
    options: CleaningOptions | None = None,
    *,
    source: Dataset | None = None,
    boxes: Sequence[Box] | None = None,
    **changes: Any,
) -> Cleaned:
    """Return an image without the text that identifies, read again to prove it.

    Parameters
    ----------
    dataset : Dataset
        With file meta; not modified.
    words : iterable of str
        Values that identify: see `identity_words`.
    options : CleaningOptions, optional
        How it is done.
    source : Dataset, optional
        The data set before its header was cleaned: ultrasound regions, devices and saved
        screens are recognized by its header. By default `dataset` itself.
    boxes : sequence of Box, optional
        Boxes that a person approved: exactly these are filled, nothing is decided here.
    **changes
        Single options by name, in place of those in `options`: ``policy="match"``.

    Returns
    -------
    Cleaned

    Raises
    ------
    ReviewError
        If a person has to look first.
    RefusedError
        If text stands elsewhere than in pixels, or what was found does not go away.
    InputError
        If the pixels are missing, damaged or cannot be decoded.
    UnavailableError
        If there is no text recognizer.
    UsageError
        If there is no such policy, quarantine or effect.
    """
    options = replace(options or CleaningOptions(), **changes)
    words = list(words)
    result = deepcopy(dataset)
    findings = _without_carriers(result, set(options.header_options))
    for what in set(codestream.trim(result, passthrough.elements(result)).values()):
        if what == "opaque":
            raise RefusedError("the pixel data cannot be looked through for text beside the image")
        findings.append(Finding("beside the image", "bytes or frames that no viewer shows went"))
    if not any(name in dataset for name in frames.KEYWORDS):
        findings.append(Finding("no pixels", "the object holds no pixel data"))
    elif not codestream.holds_picture(dataset):
        findings.append(Finding("no picture", "labels, parameters or doses were left as they are"))
    if not codestream.holds_picture(dataset):
        return Cleaned(result, [], [], findings)
    form = frames.layout(result)
    task = _Task(decide.identity(words), options)
    if boxes is not None:
        return _approved(result, form, task, list(boxes), findings)
    source = dataset if source is None else source
    series = None if options.series is None else options.series.of(result, form)
    task = task._replace(series=series)
    proposed, found, read = _proposal(result, form, task, source)
    if options.quarantine == "ask" and decide.is_report(source):
        raise ReviewError(_all(proposed))
    done = _cleaned(result, form, task, proposed, findings, read)
    passed = 0 if series is None else len(series.unread)
    if series is not None and series.text and passed:  # text may stand in these frames too
        return clean(dataset, words, options, source=source, series=None)
    pictures = 0 if form.cine else form.frames * read
    complete = done.complete and not passed  # what was not read may hold text
    return replace(done, codes=found, pictures=pictures, passed=passed, complete=complete)


def _without_carriers(dataset: Dataset, header_options: Collection[str]) -> list[Finding]:
    """Remove in place what repeats text outside the pixel data: overlays, icons, curves.

    Raises
    ------
    RefusedError
        If a sequence holds pixel data other than an icon, or there is text elsewhere than in
        pixels that none of the `header_options` cleaned.
    """
    for keyword, (what, option) in _CARRIERS.items():
        if keyword in dataset and option not in header_options:
            hint = f"; use the option {option}" if option else ""
            raise RefusedError(f"{what} cannot be checked for text{hint}")
    findings = []
    graphics = [tag for tag in dataset.keys() if tag.group in _GRAPHICS]  # noqa: SIM118
    for tag in graphics:
        del dataset[tag]
    if graphics:
        findings.append(Finding("overlay", "overlays or curves were removed"))
    if _without_icons(dataset):
        findings.append(Finding("icon", "icon images were removed"))
    return findings


def _without_icons(dataset: Dataset) -> bool:
    removed = dataset.pop("IconImageSequence", None) is not None
    for tag in [tag for tag, element in dataset.items() if element.VR in ("SQ", "UN", None)]:
        element = dataset[tag]
        if element.VR != "SQ":
            continue
        for item in element.value:
            removed |= _without_icons(item)
        if any(name in item for item in element.value for name in frames.KEYWORDS):
            if not tag.is_private:
                raise RefusedError("pixel data inside a sequence cannot be checked")
            del dataset[tag]
            removed = True
    return removed


def find_text(
    dataset: Dataset,
    words: Iterable[str] = (),
    options: CleaningOptions | None = None,
    **changes: Any,
) -> list[Decision]:
    """Return what stands in the pixels and what `clean` would do with it.

    Parameters are those of `clean`.

    Raises
    ------
    InputError
        If the pixels are missing, damaged or cannot be decoded.
    UnavailableError
        If there is no text recognizer.
    """
    task = _Task(decide.identity(words), replace(options or CleaningOptions(), **changes))
    if any(name in dataset for name in frames.KEYWORDS) and not codestream.holds_picture(dataset):
        return []
    return _all(_proposal(dataset, frames.layout(dataset), task, dataset)[0])


#: Decisions by number of the frame they hold for, -1 for all.
_Proposed = dict[int, list[Decision]]


def _all(proposed: _Proposed) -> list[Decision]:
    return [decision for decisions in proposed.values() for decision in decisions]


def _proposal(
    dataset: Dataset, form: Layout, task: _Task, source: Dataset
) -> tuple[_Proposed, list[Code], bool]:
    """Return decisions, codes, and whether the image was read."""
    options = task.options
    try:
        if options.engine is None:
            raise UnavailableError("no text recognizer was given")
        proposed, found = _read(dataset, form, task, options.engine)
        read = True
    except UnavailableError:
        if options.require:
            raise
        proposed, found, read = {}, [], False
    ruled = decide.by_rules(source, form, options.rules, options.policy, _all(proposed))
    return {**proposed, -1: ruled + proposed.get(-1, [])}, found, read


def _read(
    dataset: Dataset, form: Layout, task: _Task, engine: Engine
) -> tuple[_Proposed, list[Code]]:
    words: dict[int, list[detect.Word]] = defaultdict(list)
    found: dict[int, list[Code]] = defaultdict(list)
    proposed: _Proposed = {}
    for index, picture in _pictures(dataset, form, partial(_passes, task.series)):
        place = -1 if form.cine else index  # a reader misses text in some frames of a cine
        words[place] += detect.read(picture, engine, frame=index)
        found[place] += detect.find_codes(picture)
        if not form.cine:
            proposed[place] = _decided(words[place], found[place], form, task)
            _learn(task.series, proposed[place])
    if form.cine:
        proposed = {-1: _decided(words[-1], found[-1], form, task)}
    return proposed, [code for many in found.values() for code in many]


def _decided(
    words: Sequence[detect.Word], found: Sequence[Code], form: Layout, task: _Task
) -> list[Decision]:
    area = form.rows * form.columns
    on_words = decide.decide(_once(words), task.known, task.options.policy, area=area)
    return on_words + [_on_code(code, task) for code in dict.fromkeys(found)]


def _learn(series: Series | None, decisions: Sequence[Decision]) -> None:
    """Remember a slice without text; or that text was found in the series."""
    if series is not None and not decisions:
        series.keep()
    elif series is not None:
        series.text |= any(decision.remove for decision in decisions)


def _passes(series: Series | None, index: int, shown: Array) -> bool:
    """Tell whether a slice holds no more than those of its series that were read; note it."""
    if series is None or not series.passes(shown):
        return False
    series.unread.add(index)
    return True


def _pictures(
    dataset: Dataset, form: Layout, passes: Callable[[int, Array], bool], *, closer: bool = False
) -> Iterator[tuple[int, detect.Image]]:
    """Give the frames to read: of a cine those worth it, else (tiles, pages, slices) each.

    `passes` tells which of the latter are passed over.
    """
    if form.cine:
        yield from detect.pictures(dataset, form, closer=closer)
        return
    for index, frame in enumerate(frames.stored_frames(dataset, form)):
        shown = frames.displayed(dataset, form, frame)
        if not passes(index, shown):
            yield index, detect.rendering(shown, closer=closer)


def _once(words: Sequence[detect.Word]) -> list[detect.Word]:
    """Leave out words read at the same place in several frames."""
    first: dict[tuple[str, int, int], detect.Word] = {}
    for word in words:
        x, y = word.quad[0]
        first.setdefault((decide.squeezed(word.text), int(x) // 6, int(y) // 6), word)
    return list(first.values())


def _on_code(code: Code, task: _Task) -> Decision:
    reason = "code that cannot be read" if not code.text else decide.matches(code.text, task.known)
    if not reason and task.options.policy == "allow":
        reason = "code"
    return Decision((code.box,), bool(reason), reason or "code without identity")


def _cleaned(
    result: Dataset,
    form: Layout,
    task: _Task,
    proposed: _Proposed,
    findings: list[Finding],
    read: bool,
) -> Cleaned:
    before = result
    boxes = {number: decide.boxes_of(decisions, form) for number, decisions in proposed.items()}
    result = _changed(before, form, boxes, task.options, findings)
    lasting = task.options.effect in effects.LASTING
    stay = {
        number: [box for decision in decisions if not decision.remove for box in decision.boxes]
        for number, decisions in proposed.items()
    }
    for _ in range(_ROUNDS if read and lasting else 0):
        left = _left(result, task, boxes, stay)
        if not left:
            break
        if task.series is not None:
            task.series.text = True
        for number, more in left.items():
            boxes[number] = boxes.get(number, []) + more
        result = _changed(before, form, boxes, task.options, findings)
    else:
        if read and lasting and _left(result, task, boxes, stay):
            raise RefusedError("text is still read after it was filled; the image is withheld")
    _compare(before, result, boxes)
    if not read:
        reason = str(not_installed("a text recognizer", "pixels"))
        findings.append(Finding("not read", reason, "review"))
    checked = read and lasting
    complete = checked and task.options.policy == "allow"
    filled = list(dict.fromkeys(box for many in boxes.values() for box in many))
    return Cleaned(result, filled, _all(proposed), _unique(findings), checked, complete)


def _approved(
    before: Dataset, form: Layout, task: _Task, boxes: list[Box], findings: list[Finding]
) -> Cleaned:
    """Fill what a person approved, and tell when more is read that the policy would remove."""
    boxes = effects.cut(form, boxes)
    result = _changed(before, form, {-1: boxes}, task.options, findings)
    _compare(before, result, boxes)
    findings.append(Finding("approved", "a person approved the boxes"))
    clean = False
    try:
        if task.options.engine is None:
            raise not_installed("a text recognizer", "pixels")
        clean = not _left(result, task, boxes)
        if not clean:
            reason = "text is read outside of the approved boxes"
            findings.append(Finding("still read", reason, "review"))
    except UnavailableError as error:
        findings.append(Finding("not read", str(error), "review"))
    clean = clean and task.options.effect in effects.LASTING
    decisions = [Decision((box,), True, "approved") for box in boxes]
    return Cleaned(result, boxes, decisions, _unique(findings), clean, clean)


def _compare(before: Dataset, result: Dataset, boxes: Boxes) -> None:
    if result is not before and not effects.same_outside(before, result, boxes):
        raise RefusedError("pixels outside the boxes changed; the image is withheld")


def _changed(
    before: Dataset,
    form: Layout,
    boxes: Mapping[int, list[Box]],
    options: CleaningOptions,
    findings: list[Finding],
) -> Dataset:
    """Fill the boxes and empty what is hidden behind the values; or hand back what came in."""
    filled = any(boxes.values())
    spare = form.spare and any(
        frames.hides(form, frame) for frame in frames.stored_frames(before, form)
    )
    if spare:
        findings.append(Finding("hidden bits", "bits that no viewer shows were emptied"))
    if options.effect not in effects.LASTING and filled:
        findings.append(Finding("weak effect", effects.WARNING, "review"))
    if not filled and not spare:
        return before
    effect = options.effect if filled else "blank"
    return effects.fill(before, boxes, effect, pseudonym=options.pseudonym)


def _unique(findings: Sequence[Finding]) -> list[Finding]:
    return list(dict.fromkeys(findings))


def _left(result: Dataset, task: _Task, boxes: Boxes, stay: Boxes = ()) -> dict[int, list[Box]]:
    """Return boxes of what is still read and should be gone, outside of what was filled.

    The first engine reads the image turned by a quarter and with more levels for what is
    faint, which is a look of its own. Where nothing was filled, only the second one looks, and
    at no slice that holds no more than those at which it looked.
    """
    assert task.options.engine is not None
    form = frames.layout(result)
    drawn = decide.squeezed(task.options.pseudonym)
    area = form.rows * form.columns
    found: dict[int, list[Box]] = {}
    unread = set() if task.series is None else task.series.unread

    def passes(index: int, _: Array) -> bool:
        return index in unread and not effects.covered(form, boxes, index).any()

    for index, picture in _pictures(result, form, passes, closer=True):
        filled, kept = (effects.covered(form, some, index) for some in (boxes, stay))
        words = detect.read(picture, task.options.engine, turned=True) if filled.any() else []
        turned = decide.decide(words, task.known, task.options.policy, area=area)
        left = [
            decision
            for decision in turned
            if _credible(decision) and _share(kept, decision.boxes) < 0.3
        ]
        left += _second_look(picture, task)
        found.setdefault(-1 if form.cine else index, []).extend(
            box
            for decision in left
            if not (drawn and decision.word and drawn in decide.squeezed(decision.word.text))
            for box in decide.boxes_of([decision], form)
            if _share(filled, decision.boxes) < 0.8
        )
    return {number: many for number, many in found.items() if many}


def _credible(decision: Decision) -> bool:
    """Tell whether a reading of the turned image counts: lines that lie flat, and identifiers.

    What stands on its side or its head there is often misread.
    """
    x0, y0, x1, y1 = decision.boxes[0]
    upright = y1 - y0 > x1 - x0
    return (
        decision.remove and decision.reason != "not legible" and (upright or _identifies(decision))
    )


def _identifies(decision: Decision) -> bool:
    return decision.reason.startswith("header")


def _second_look(picture: detect.Image, task: _Task) -> list[Decision]:
    """Return what the second engine reads of the header's words and numbers."""
    second = task.options.second
    if second is None:
        return []
    if task.options.prefilter and second is detect.tesseract and not prefilter.has_rows(picture):
        return []
    try:
        words = [w for w in second(picture) if w.score > 0.6 and len(w.text) >= 4]
    except UnavailableError:
        return []
    decisions = decide.decide(words, task.known, "match")
    return [decision for decision in decisions if _identifies(decision)]


def _share(filled: NDArray[np.bool_], boxes: Sequence[Box]) -> float:
    parts = [filled[max(y0, 0) : y1, max(x0, 0) : x1] for x0, y0, x1, y1 in boxes]
    return min((float(part.mean()) if part.size else 1.0) for part in parts)
