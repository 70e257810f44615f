"""What the page is made of and what it shows: controls, steps 2 and 4, and what they draw.

Nothing of a person is shown unless `reveal` is set: no value, no picture, no face.
"""

from __future__ import annotations

import html
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial, wraps
from pathlib import Path
from typing import Any, ParamSpec

import ipywidgets as ipw
import pandas as pd
from nibabel.spatialimages import SpatialImage
from pydicom import Dataset

from medlab import dicom, viz
from medlab.app.folders import RESULTS
from medlab.app.intake import Item, counted
from medlab.app.order import DECRYPTION, Order, Result
from medlab.dicom.files import quiet_pydicom
from medlab.errors import InputError, MedlabError
from medlab.widgets import tag_explorer
from medlab.widgets.interactive import InteractiveWidget

_HIDDEN = (
    "<p>Hidden: pictures show who a person is. Choose <b>Show pictures</b> above to see "
    "them on this screen.</p>"
)
_MOST_ROWS = 300
#: What a person is shown before and after.
_SHOWN = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientAge", "PatientSex"),
    *("PatientWeight", "StudyDate", "AccessionNumber", "InstitutionName", "StudyInstanceUID"),
)
_P = ParamSpec("_P")


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


def hide(widget: Any, hidden: bool) -> None:
    """Take a control away, or show it."""
    widget.layout.display = "none" if hidden else ""


def one_sentence(draw: Callable[_P, Any]) -> Callable[_P, Any]:
    """Let no error of another library out: its words may hold a patient's values."""

    @wraps(draw)
    def drawn(*args: _P.args, **kwargs: _P.kwargs) -> Any:
        try:
            return draw(*args, **kwargs)
        except MedlabError:
            raise
        except MemoryError:
            raise InputError(
                "this needs more memory than there is; look at a smaller file"
            ) from None
        except Exception as error:  # noqa: BLE001
            raise InputError(f"this did not work ({type(error).__name__})") from None

    return drawn


class Look:
    """Step 2: what the files give away."""

    def __init__(self) -> None:
        self._source = Path()
        self.item = ipw.Dropdown(description="Look at")
        self.reveal = ipw.Checkbox(
            False, description="Show pictures, faces and patients on this screen", indent=False
        )
        self.tabs = _Tabs(
            {
                "Tags": self._tags,
                "Images": self._slices,
                "Text in pixels": lambda: _by_image(
                    "Text in the pixels", _burned_in, [self.item.value], self.reveal.value
                ),
                "Face": lambda: self._drawn("The face in the scan", _face),
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
            return self._drawn("What the header says", _nifti_header)
        explorer: InteractiveWidget = tag_explorer(item.paths, start=len(item.paths) // 2 + 1)
        return explorer

    def _slices(self) -> InteractiveWidget:
        return _images("The image", [self.item.value], self.reveal.value)

    def _patients(self) -> InteractiveWidget:
        draw = partial(_cohort, self._source, reveal=self.reveal.value)
        return InteractiveWidget("The patients in these headers", {}, draw)


class Outcome:
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
        self.reveal = ipw.Checkbox(
            False, description="Show pictures, faces and patients on this screen", indent=False
        )
        self.tabs = _Tabs(
            {
                "Headers": lambda: _by_image(
                    "Before and after",
                    partial(_headers, restored=self._restored),
                    self.pair.value,
                    self.reveal.value,
                ),
                "Images": self._slices,
                "Face": lambda: self._drawn("The face, before and after", _face),
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
        _volume.cache_clear()
        hide(self.widget, True)

    def show(self, order: Order, result: Result, items: Sequence[Item]) -> None:
        """Show what a run left."""
        self.told.value = _summary(order, result) + self._links(order)
        self.held = order.zipped or bool(result.waiting)
        self._restored = order.task == DECRYPTION
        with self.tabs.resting():
            self.pair.options = [
                (pair[0].name, pair) for pair in _before_and_after(items, result.pairs)
            ]
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
            for number, name in enumerate(RESULTS)
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
            made = one_sentence(self._makers[self.selected_index or 0])()
        except MedlabError as error:
            made = ipw.HTML(alert(error))
        box.children = (made,)


def _summary(order: Order, result: Result) -> str:
    head = f"{counted(result.outputs, 'file')} written."
    if first := result.undone:
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


def _before_and_after(
    items: Sequence[Item], pairs: Sequence[tuple[Path, Path]]
) -> list[tuple[Item, Item]]:
    """Return, of each item, the files that came out and what came out; not where none did."""
    outputs, both = dict(pairs), []
    for item in items:
        if paths := tuple(path for path in item.paths if path in outputs):
            after = tuple(outputs[path] for path in paths)
            both.append((item._replace(paths=paths), item._replace(paths=after)))
    return both


def _images(title: str, items: Sequence[Item], reveal: bool) -> InteractiveWidget:
    """Return what shows a volume, or its processed one too, in three planes; or its images."""
    sides = _sides(items[0])
    if sides is None:
        return _by_image(title, _picture, items, reveal)
    controls = dict(zip("xyz", map(_slider, viz.heads.PLANES, sides), strict=True))

    def draw(x: int, y: int, z: int) -> Any:
        return _three_planes(*items, reveal=reveal, at=(x, y, z))

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


def _slider(plane: str, side: int) -> ipw.IntSlider:
    return ipw.IntSlider(
        side // 2, min=0, max=side - 1, description=plane, continuous_update=False
    )


def _table_html(table: pd.DataFrame, caption: str) -> str:
    """Return a table as HTML that scrolls in its place; the caption says what it is."""
    body = table.head(_MOST_ROWS).to_html(
        index=False, border=0, classes="medlab-table", escape=True
    )
    rest = len(table) - _MOST_ROWS
    more = f" The first {_MOST_ROWS} of {len(table)} rows." if rest > 0 else ""
    body = body.replace("<thead>", f"<caption>{html.escape(caption + more)}</caption><thead>", 1)
    return f'<div class="medlab-scroll" tabindex="0" role="region" aria-label="table">{body}</div>'


@one_sentence
def _nifti_header(item: Item, *, reveal: bool) -> str:
    """Return what a NIfTI file says beside its voxels, one row a place."""
    from medlab.neuro import nifti_header

    fields = pd.DataFrame(
        nifti_header.inspect_file(item.middle), columns=["place", "kind", "value"]
    )
    if not reveal:
        fields["value"] = dicom.tags.MASK
    return _table_html(fields, f"{len(fields)} places say something beside the voxels.")


@lru_cache(maxsize=2)
@one_sentence
def _volume(item: Item) -> SpatialImage:
    """Return a series or a scan as one volume, in memory and without its header's text.

    Raises
    ------
    InputError
        If it is no volume.
    """
    from medlab import neuro

    if item.kind == "nifti":
        return neuro.read_head(item.middle)
    with tempfile.TemporaryDirectory() as folder, quiet_pydicom():
        for number, path in enumerate(item.paths):
            Path(folder, f"{number:06d}.dcm").symlink_to(path)
        return neuro.read_head(folder)


def _sides(item: Item) -> tuple[int, int, int] | None:
    """Return how many voxels a volume has from left to right, back to front, bottom to top."""
    import nibabel as nib

    try:
        x, y, z = nib.funcs.as_closest_canonical(_volume(item)).shape[:3]
    except MedlabError:
        return None
    return x, y, z


@one_sentence
def _three_planes(
    item: Item, after: Item | None = None, *, reveal: bool, at: Sequence[int] | None = None
) -> Any:
    """Return slices in three planes, those of the processed volume below."""
    if not reveal:
        return _HIDDEN
    both = after is not None
    fig = viz.heads.planes(_volume(item), _volume(after) if after else None, at=at)
    return viz.show(
        fig,
        alt="Sagittal, coronal and axial slice" + (", original above processed" if both else ""),
        caption="Gray values from dark to bright; axes in mm."
        + (" Upper row: original. Lower row: processed." if both else ""),
    )


@one_sentence
def _picture(item: Item, after: Item | None = None, *, reveal: bool) -> Any:
    """Return the image in the middle of a series, that of the result beside it."""
    if not reveal:
        return _HIDDEN
    pictures = {"before" if after else "the image": _displayed(item)}
    if after is not None:
        pictures["after"] = _displayed(after)
    return viz.show(
        viz.disclosures.images(pictures),
        alt=" and ".join(pictures) + ": one image of the series at its own window",
        caption="One image of the series at its own window.",
    )


def _displayed(item: Item) -> Any:
    return viz.disclosures.displayed(_image(item))


def _image(item: Item) -> Dataset:
    """Return the middle image of a series; InputError where it has no pixels of sane size."""
    from medlab.pixels import frames

    if item.kind == "nifti":
        raise InputError("a NIfTI scan is shown in slices")
    dataset = dicom.read(item.middle)
    frames.layout(dataset)
    return dataset


@one_sentence
def _burned_in(item: Item, *, reveal: bool) -> list[Any]:
    """Return what stands in the pixels of the middle image, and what would be removed."""
    from medlab import pixels
    from medlab.pixels import box_review

    dataset = _image(item)
    decisions = pixels.find_text(dataset, pixels.identity_words(dataset))
    away = sum(decision.remove for decision in decisions)
    sentence = f"{len(decisions)} pieces of text found, {away} of them would be removed."
    parts: list[Any] = [_table_html(box_review.as_table(decisions, reveal=reveal), sentence)]
    if reveal:
        fig = viz.pixels.beside(
            {"the image": box_review.picture(dataset)}, {"the image": decisions}
        )
        parts.append(
            viz.show(
                fig,
                alt=f"The image with {away} crossed boxes around text that would be removed",
                caption="Crossed boxes would be removed, dashed ones stay. Gray values are "
                "stretched so that faint text shows.",
            )
        )
    return parts if reveal else [*parts, _HIDDEN]


@one_sentence
def _face(item: Item, after: Item | None = None, *, reveal: bool) -> Any:
    """Return the surface of a head, as anyone could render it."""
    if not reveal:
        return _HIDDEN
    heads = {"original": _volume(item)} | ({"processed": _volume(after)} if after else {})
    return viz.show(
        viz.heads.faces(heads),
        alt="The surface of the scan from the front and from 30 degrees"
        + (", original beside processed" if after else ""),
        caption="What anyone can render from the scan.",
    )


@one_sentence
def _cohort(source: Path, *, reveal: bool) -> str:
    """Return the table of the patients in the headers of all files."""
    table = dicom.cohort_table(source, by="patient")
    columns = table[["PatientID", "Age", "Sex", "Weight", "Diagnosis", "Modality", "Files"]]
    if not reveal:
        hide = ["PatientID", "Age", "Sex", "Weight", "Diagnosis"]
        columns = columns.astype(dict.fromkeys(hide, object))
        columns[hide] = columns[hide].where(columns[hide].isna(), dicom.tags.MASK)
    return _table_html(columns.astype(object).fillna(""), f"{counted(len(table), 'patient')}.")


@one_sentence
def _headers(item: Item, after: Item, *, reveal: bool, restored: bool = False) -> str:
    """Return the elements that name a person, before and after.

    Masked are the values of the original: those of `after` where it was `restored`.
    """
    from medlab import methods

    if item.kind == "nifti":
        before, cleaned = (_nifti_header(head, reveal=reveal) for head in (item, after))
        return f"<h4>before</h4>{before}<h4>after</h4>{cleaned}"
    versions = {"before": dicom.read(item.middle), "after": dicom.read(after.middle)}
    original = "after" if restored else "before"
    versions = {original: versions.pop(original)} | versions
    table = methods.side_by_side(versions, _SHOWN, reveal=reveal)[["before", "after"]]
    return _table_html(
        table.reset_index(), "Elements that name or describe the person, before and after."
    )
