"""De-identify one data set to PS3.15: the actions, at every nesting level.

Elements that nothing happens to are handed on as the bytes they were read as.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Container, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import BaseTag
from pydicom.uid import UID, ImplicitVRLittleEndian
from pydicom.valuerep import BYTES_VR

from medlab.dicom import (
    codestream,
    columns,
    declarations,
    element_texts,
    own_rules,
    passthrough,
    profile,
)
from medlab.dicom.element_actions import (
    STRING_NUMBER_VRS,
    clean_content_item,
    clean_value,
    is_disguised,
    is_number,
    replace_value,
    searched,
    settle_texts,
)
from medlab.dicom.element_texts import (
    NUMBER_VRS,
    TEXT_VRS,
    TIME_VRS,
    is_known,
    is_private,
    label,
    proper_vr,
    raw_element,
    syntax_of,
    vr_of,
    with_value,
)
from medlab.dicom.files import MAX_DEPTH, is_dicomdir, quiet_pydicom
from medlab.dicom.passthrough import items_of
from medlab.dicom.profile import (
    SAFE_HARBOR,
    Plan,
    Rule,
    basic_rules,
    plan,
    rules_for,
    settle,
)
from medlab.dicom.treatment import Action, Done, Level, Lines, Log, Work
from medlab.errors import InputError, KindError, RefusedError

_CHARSET, _CONTENT = 0x00080005, 0x0040A730
#: What holds no text and needs no look, unless the profile names the element.
_SILENT_VRS = NUMBER_VRS | {"OB", "OW", "OF", "OD", "US or SS", "OB or OW"}
_LOOKED_AT = TEXT_VRS | {"SQ", "UI", "AS", "TM", "UN", "DS", "IS"}
_KEEP, _REMOVE = Rule("K", ""), Rule("X", "")

_MOMENT = re.compile(rb"\d{8}(?:\d\d){0,3}(?:\.\d{0,6})? ?")
_KIND_OF_SIGN = np.zeros(256, np.uint8)  # of date-times: digits, points, spaces
_KIND_OF_SIGN[[*b"0123456789"]], _KIND_OF_SIGN[ord(".")], _KIND_OF_SIGN[ord(" ")] = 1, 2, 3


def deidentify(
    dataset: Dataset,
    policy: str | Plan = "basic",
    *,
    options: Iterable[str] = (),
    key: bytes,
    keep_private: Iterable[str] = (),
    others: Container[str] | None = None,
    code_of: Callable[[str, str], str | None] | None = None,
    whose: str | None = None,
) -> tuple[FileDataset, Log]:
    """De-identify a data set; the input is not modified.

    Parameters
    ----------
    dataset : Dataset
        As read; any SOP class but a DICOMDIR.
    policy : {"basic", "research", "safe-harbor"} or Plan
        See `profile.plan`. With a Plan, `options` and `keep_private` must stay empty.
    options : iterable of str
        Further PS3.15 options by name.
    key : bytes
        The secret of the project, 16 bytes at least: UIDs, codes and date offsets follow
        from it, and it knows its own work again.
    keep_private : iterable of str
        Private creators to keep besides the safe ones.
    others : container of str, optional
        Normalized IDs and full names of all patients of the job (`Identity.phrases`).
    code_of : callable, optional
        ``code_of(kind, original)`` gives the code of a patient or accession number (at most
        16 of ``A-Z0-9``), or None for the keyed one.
    whose : str, optional
        Who the data set belongs to, where one knows better than its header (`dicom.owner`).

    Returns
    -------
    dataset : FileDataset
        New, with its own file meta, ready to be saved.
    log : Log, a sequence of Action
        What was done, without values.

    Raises
    ------
    InputError
        If the data set nests too deep or a value cannot be understood.
    KindError
        If `dataset` is a path, or `key` a text.
    RefusedError
        If it is a DICOMDIR, which is an index of files that no longer exist.
    """
    if not isinstance(dataset, Dataset) or not isinstance(key, bytes):
        raise KindError("deidentify takes a pydicom Dataset (see read) and a key of bytes")
    if is_dicomdir(dataset):
        raise RefusedError(
            "a DICOMDIR indexes the original files; leave it out and make a new one"
        )
    chosen = policy if isinstance(policy, Plan) else plan(policy, options, keep_private)
    with quiet_pydicom():
        dataset = _consistent(dataset)
        work = Work.begin(dataset, chosen, key, others, code_of, whose)
        meta = declarations.new_meta(syntax_of(dataset) or str(ImplicitVRLittleEndian))
        top = Level(dataset, work, encodings=_encodings(dataset))
        if not (chosen.rules and own_rules.depends_on_place(chosen)):
            work.memories = passthrough.memories(*work.circumstances)
            top.known = work.known(0, top.encodings)
        read_as = dataset.original_encoding, dataset.original_character_set
        out = passthrough.new_file(_treat(top), meta, b"\0" * 128, *read_as)
        work.remember(settle_texts(work))
        declarations.stamp(out, chosen)
    return out, Log(work.log)


@lru_cache(maxsize=64)
def _encoding_of(syntax: str) -> tuple[bool, bool] | None:
    """Return (implicit VR, little endian) of a transfer syntax; None where it is not known."""
    uid = UID(syntax)
    if not syntax or uid.is_private or not uid.is_transfer_syntax:
        return None
    return uid.is_implicit_VR, uid.is_little_endian


def _consistent(dataset: Dataset) -> Dataset:
    """Return the data set, decoded where it was not written in its own transfer syntax."""
    encoding = _encoding_of(syntax_of(dataset))
    first = next(iter(passthrough.elements(dataset).values()), None)
    read_as = (getattr(first, "is_implicit_VR", None), getattr(first, "is_little_endian", None))
    consistent = encoding == dataset.original_encoding and read_as in (encoding, (None, None))
    if encoding is None or consistent:
        return dataset
    whole = copy.deepcopy(dataset)
    for _ in whole.iterall():
        pass  # touching an element decodes it
    whole.set_original_encoding(*encoding, dataset.original_character_set)
    return whole


def _encodings(dataset: Dataset, outer: tuple[str, ...] = ("iso8859",)) -> tuple[str, ...]:
    element = passthrough.element_at(dataset, _CHARSET)
    if element is None:
        return outer
    value = element.value
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace").strip(" \0").split("\\")
    return tuple(convert_encodings(value))


def _treat(level: Level) -> dict[Any, Any]:
    """Return the elements that one level of a data set keeps."""
    if level.depth > MAX_DEPTH:
        raise InputError(f"sequences nest deeper than {MAX_DEPTH} levels; refused")
    work, memory = level.work, level.known
    planned = rules_for(work.plan, work.sop_class, level.inside)
    for number, element in items_of(level.dataset):
        before = memory and memory.get(id(element))
        if before and level.repeat(element, before[1]):
            continue
        if not number & 0xFFFF or number >> 16 in (0, 2):
            continue  # group lengths would be wrong; commands do not belong; meta is made anew
        if number >> 16 & 1:
            if not element_texts.is_creator(number):  # kept with the first element of its block
                creator = level.creators.get(element_texts.creator_tag(number), "")
                _settle(level, element, None, creator)
            continue
        rule = _laid(level, element, planned(number))
        silent = _silence(number, element.VR or "") if rule is None else ""
        if silent == "bytes" or (silent == "numbers" and is_number(element, work)):
            level.kept[element.tag] = element
            if memory is not None:
                memory.note(element, Done(element, ()))
        else:
            _settle(level, element, rule)
    for tag, met in codestream.trim(level.dataset, level.kept).items():
        level.note(level.kept[tag], Rule("K" if met == "opaque" else "C", ""), met)
    return level.kept


def _laid(level: Level, element: Any, planned: Rule | None, creator: str = "") -> Rule | None:
    """Return what own rules say of an element, where there are any; else what is planned."""
    plan_ = level.work.plan
    if not plan_.rules:
        return planned
    path = level.path + label(int(element.tag))[0]
    return own_rules.laid(plan_, path, vr_of(element), creator, level.work.sop_class, planned)


@lru_cache(maxsize=65536)
def _silence(tag: int, written_vr: str) -> str:
    """Tell what an element holds that needs no search: ``"bytes"``, ``"numbers"`` or nothing."""
    if not is_known(tag):
        return ""
    vr = proper_vr(raw_element(tag, written_vr, b"", implicit=not written_vr, little=True))
    both = {vr, vr if written_vr in ("", "UN") else written_vr}
    return "" if both - _SILENT_VRS else "numbers" if both & STRING_NUMBER_VRS else "bytes"


def _settle(level: Level, element: Any, rule: Rule | None, creator: str = "") -> None:
    """Treat one element, and note what came of it."""
    logged, texts = len(level.work.log), len(level.work.texts)
    _settle_anew(level, element, rule, creator)
    level.learn(element, creator, logged, texts)


def _settle_anew(level: Level, element: Any, rule: Rule | None, creator: str) -> None:
    if is_private(element):
        _private(level, element, creator)
    elif rule is not None:
        _apply(level, element, rule)
    else:
        _unlisted(level, element)


def _private(level: Level, element: Any, creator: str) -> None:
    """Keep a private element only where its creator, group and low byte are known as safe."""
    tag = int(element.tag)
    why = profile.keeping_option(level.work.plan, creator, tag, level.work.declared)
    rule = _laid(level, element, Rule("C", why) if why else None, creator) if creator else None
    if rule is None or rule.code == "X":
        level.note(element, rule or _REMOVE)
        return
    before = len(level.kept)
    if rule.code in ("K", "C"):
        _clean(level, element, Rule("C", rule.option))
    else:
        _apply(level, element, rule)
    if len(level.kept) > before:
        place = element_texts.creator_tag(tag)
        level.kept.setdefault(BaseTag(place), level.dataset.get_item(place))


def _unlisted(level: Level, element: Any) -> None:
    """Treat an element that the profile does not name: keep it, unless identity stands in it."""
    vr = vr_of(element)
    if not is_known(int(element.tag)):
        # what a later edition may mean by it, nobody can promise; numbers are of use to research
        is_text = vr not in NUMBER_VRS or (
            vr in STRING_NUMBER_VRS and not is_number(element, level.work)
        )
        if is_text or level.work.plan.policy != "research":
            level.note(element, _REMOVE)
        else:
            level.kept[element.tag] = element
    elif vr in ("DA", "DT", "PN"):
        shift = vr != "PN" and level.work.plan.dates != "remove"
        _apply(level, element, Rule("C", "") if shift else _REMOVE)
    elif vr in ("AE", "UR") and level.work.plan.policy == SAFE_HARBOR:
        level.note(element, _REMOVE)
    elif vr in _LOOKED_AT or is_disguised(element, vr):
        _clean(level, element, _KEEP)
    else:
        level.kept[element.tag] = element


def _clean(level: Level, element: Any, rule: Rule) -> None:
    """Keep an element, without what identifies in it (C, K, and what the profile leaves)."""
    vr = vr_of(element)
    if vr == "SQ":
        level.kept[element.tag] = _clean_alike(level, element) or _clean_each(level, element)
        if rule.code == "C" or rule.option:
            level.note(element, rule)
        return
    is_graphics = rule.option == "clean-graphics"
    if vr in BYTES_VR and rule.code == "C" and not (is_graphics or is_private(element)):
        row = basic_rules().get(int(element.tag))
        _apply(level, element, Rule(settle(row.basic, None) if row else "X", ""))
    else:
        clean_value(level, element, rule)


def _apply(level: Level, element: Any, rule: Rule) -> None:
    """Do what a rule says to one element."""
    code = rule.code
    if own_rules.is_kept(rule) and vr_of(element) != "SQ":
        level.note(element, rule)  # so that the report counts it
    if code == "X":
        level.note(element, rule)
    elif rule.option == own_rules.OWN and code == "K" and int(element.tag) in own_rules.floor():
        level.kept[element.tag] = element
    elif code in ("C", "K"):
        _clean(level, element, rule)
    elif code == "U*":
        _clean(level, element, Rule("U", rule.option))
    else:
        replace_value(level, element, rule)


def _clean_each(level: Level, element: Any) -> Any:
    """Treat the items of a sequence one by one."""
    tag, texts = int(element.tag), len(level.work.texts)
    items = []
    for number, item in enumerate(passthrough.sequence_items(level.dataset, element)):
        path = f"{level.path}{label(tag)[0]}[{number}]."
        encodings = _encodings(item, level.encodings)
        inner = Level(item, level.work, path, tag, level.depth + 1, encodings)
        implicit, little = item.original_encoding
        inner.known = level.work.known(tag, encodings)
        out = passthrough.new_item(_treat(inner), implicit, item.original_character_set, little)
        out.is_undefined_length_sequence_item = item.is_undefined_length_sequence_item
        if tag == _CONTENT:
            clean_content_item(item, out, inner)
        items.append(out)
    new = with_value(element, items)
    new.is_undefined_length = passthrough.is_undefined(element)
    if getattr(element, "is_raw", False) and len(level.work.texts) == texts:
        new = passthrough.as_raw(new, element, level.dataset.original_character_set)
    return new


def _clean_alike(level: Level, element: Any) -> Any | None:
    """Treat the items of a long sequence side by side: each different value of an element once.

    None, and nothing is done, where the items are not alike, or where identity stands in one of
    their texts: then they are treated one by one.
    """
    work, table = level.work, columns.table(level.dataset, element, level.depth)
    if table is None or work.plan.rules:  # own rules may ask for the path of each
        return None
    logged, texts, new = len(work.log), len(work.texts), len(work.new)
    edits: list[tuple[columns.Column, columns.Edit]] = []
    lines: list[Lines] = []
    try:
        _clean_columns(level, table, edits, lines)
        clean = not any(spans for _, spans, _ in searched(work.texts[texts:], work))
    except (columns.NotAlikeError, InputError):
        clean = False
    del work.log[logged:], work.texts[texts:], work.new[new:]
    if not clean:
        return None
    work.add_lines(level.path, lines)
    return passthrough.with_bytes(element, columns.edited(table, edits)) if edits else element


def _clean_columns(
    level: Level,
    table: list[columns.Column],
    edits: list[tuple[columns.Column, columns.Edit]],
    lines: list[Lines],
) -> None:
    """Treat the elements of items; those of a nested sequence follow it, and go with it."""
    work, gone = level.work, None
    keeps_private = work.plan.keep_private or work.plan.has("retain-safe-private")
    for column in table:
        *outer, tag = column.place
        if gone is not None and column.place[: len(gone)] == gone:
            continue
        if tag >> 16 & 1 and keeps_private:
            raise columns.NotAlikeError  # what becomes of it, the elements around it tell
        rule = work.plan.action(tag, work.sop_class, outer[-1])
        inner = replace(level, path="", inside=outer[-1], depth=level.depth + len(outer))
        is_entered = rule.code in ("C", "K", "U*") if rule else is_known(tag) and not tag >> 16 & 1
        if column.vr == "SQ" and is_entered:
            if rule and (rule.code == "C" or rule.option):
                logged = len(work.log)
                inner.note(column.element(b""), Rule(rule.code[0], rule.option))
                which = np.zeros(len(column.rows), np.int64)
                lines.append(
                    Lines(column, 2 * column.end - 1, [work.actions_since(logged)], which)
                )
            continue
        gone = column.place if column.vr == "SQ" else None
        edited = _outcomes_of_days(inner, column, rule) or _outcomes(inner, column, rule)
        edits += [(column, edit) for edit in edited[0]]
        if any(edited[1]):
            lines.append(Lines(column, 2 * column.head, *edited[1:]))


def _deciding(
    column: columns.Column, rule: Rule | None, work: Work
) -> tuple[list[bytes], columns.Places]:
    """Return values that decide about an element, none for silence; and for each item which."""
    tag = column.place[-1]
    silent = "" if rule or tag >> 16 & 1 else _silence(tag, column.written or "")
    if silent == "numbers":
        silent = "bytes" if work.is_number(column.joined) else ""
    if silent == "bytes":
        return [], column.rows
    if _is_alike_for_all(column, rule):
        # a dummy is the same whatever stood there, if something did
        _, first, which = np.unique(
            column.end > column.start, return_index=True, return_inverse=True
        )
        return [column.value(row) for row in first.tolist()], which
    return column.different, column.which


def _is_alike_for_all(column: columns.Column, rule: Rule | None) -> bool:
    """Tell whether an element is removed, or gets the same dummy, whatever stands in it."""
    if rule is None or rule.code == "X":
        return rule is not None
    dummies = rule.code in ("Z", "D") and not rule.how
    return dummies and proper_vr(column.element(b"")) in TEXT_VRS | TIME_VRS


#: Edits of one element in all items; actions for each value that decides; which holds for each.
_Edited = tuple[list[columns.Edit], list[list[Action]], columns.Places]


def _outcomes(level: Level, column: columns.Column, rule: Rule | None) -> _Edited:
    """Treat each different value of one element."""
    values, which = _deciding(column, rule, level.work)
    written, actions = _treated(level, column, rule, values)
    changed = np.array([new is not None for new in written], bool)
    if not changed.any():
        return [], actions, which
    rows = changed[which]
    places = column.head[rows], column.end[rows]
    return [columns.Edit(*places, [new or b"" for new in written], which[rows])], actions, which


def _outcomes_of_days(level: Level, column: columns.Column, rule: Rule | None) -> _Edited | None:
    """Treat date-times of one form by their days, which move with all that follows; else None."""
    is_moment = column.vr == proper_vr(column.element(b"")) == "DT"
    if not is_moment or (cells := column.cells) is None or _is_alike_for_all(column, rule):
        return None
    kinds = _KIND_OF_SIGN[cells]
    if not _MOMENT.fullmatch(column.value(0)) or (kinds != kinds[0]).any():
        return None
    days = np.ascontiguousarray(cells[:, :8]).view("<u8")[:, 0]
    _, first, which = np.unique(days, return_index=True, return_inverse=True)
    values = [column.value(row) for row in first.tolist()]
    written, actions = _treated(level, column, rule, values)
    edits, width = [], cells.shape[1] - 8
    moved = [new[-8 - width :][:8] if new else b"" for new in written]
    for number, (new, value) in enumerate(zip(written, values, strict=True)):
        head = column.items.data[column.head[first[number]] : column.start[first[number]]]
        if new and new != head + moved[number] + value[8:]:
            return None
        rows = np.flatnonzero(which == number)
        if new is not None:
            places = (column.start, column.start + 8) if new else (column.head, column.end)
            start, end = (side[rows] for side in places)
            edits.append(columns.Edit(start, end, [moved[number]], 0 * rows))
    return edits, actions, which


def _treated(
    level: Level, column: columns.Column, rule: Rule | None, values: list[bytes]
) -> tuple[list[bytes | None], list[list[Action]]]:
    """Treat values each alone: what is written for them, None where they stay; and the log."""
    logged = len(level.work.log)
    written: list[bytes | None] = []
    actions = []
    item, _ = column.alone(b"")
    inside = passthrough.elements(item)
    alone = replace(level, dataset=item, kept={})
    for value in values:
        element = column.element(value)
        inside.clear()
        inside[element.tag] = element
        alone.kept.clear()
        if not element_texts.is_creator(int(element.tag)):  # it goes, as all of its block does
            _settle_anew(alone, element, rule, "")
        new = alone.kept.get(element.tag)
        if new is not None and (column.vr == "SQ" or not getattr(new, "is_raw", False)):
            raise columns.NotAlikeError
        unchanged = new is element
        written.append(
            None if unchanged else b"" if new is None else passthrough.element_bytes(new)
        )
        actions.append(level.work.actions_since(logged))
        del level.work.log[logged:]
    return written, actions
