"""What a file says, a row an element; what `medlab inspect` tells; the dictionary, searched."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from functools import cache, partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom.datadict import keyword_for_tag, private_dictionary_description
from pydicom.dataset import Dataset
from pydicom.valuerep import CUSTOMIZABLE_CHARSET_VR

from medlab.dicom import element_texts, encrypted, passthrough, profile
from medlab.dicom.element_texts import (
    TEXT_VRS,
    is_known,
    label,
    texts_of,
    values_of,
    vr_of,
)
from medlab.dicom.files import MAX_DEPTH, find_files, is_dicomdir, quiet_pydicom, read
from medlab.dicom.identity import Identity, identity_of, roles
from medlab.dicom.passthrough import items_of, sequence_items
from medlab.dicom.profile import (
    ACTION_WORDS,
    basic_rules,
    listed_tags,
    load_profile,
    plan,
)
from medlab.dicom.safe_harbor import KINDS
from medlab.dicom.text import Search, find_spans, in_coded_value
from medlab.disk import appearing
from medlab.errors import InputError, UsageError, usable

if TYPE_CHECKING:
    import pandas as pd


MASK = "••••"
COLUMNS = (
    "path",
    "tag",
    "vr",
    "vm",
    "name",
    "keyword",
    "creator",
    "value",
    "level",
    "concern",
    "hipaa",
    "action",
    "finding",
)
_LONGEST_SHOWN = 80


class _Place(NamedTuple):
    """An element and where it stands."""

    path: str
    element: Any
    creator: str
    level: int
    inside: int


def _walk(dataset: Dataset, path: str = "", level: int = 0, inside: int = 0) -> Iterator[_Place]:
    """Yield every element of a data set, at every nesting level, file meta first."""
    if level > MAX_DEPTH:
        raise InputError(f"sequences nest deeper than {MAX_DEPTH} levels; refused")
    if level == 0 and getattr(dataset, "file_meta", None) is not None:
        yield from _walk(dataset.file_meta, level=-1)
    level = max(level, 0)
    names = element_texts.creators(dataset)
    for tag in sorted(dataset.keys()):
        element = dataset[tag]
        number = int(tag)
        here = f"{path}({number >> 16:04X},{number & 0xFFFF:04X})"
        creator = names.get(element_texts.creator_tag(number), "") if number >> 16 & 1 else ""
        yield _Place(here, element, creator, level, inside)
        if element.VR == "SQ":
            for i, item in enumerate(element.value or ()):
                yield from _walk(item, f"{here}[{i}].", level + 1, number)


def _name(place: _Place) -> str:
    """Return an element's name; private ones by their creator, where pydicom knows them."""
    tag = place.element.tag
    if not tag.is_private:
        return str(place.element.name)
    if element_texts.is_creator(int(tag)):
        return "Private Creator"
    try:
        return str(private_dictionary_description(tag, place.creator))
    except KeyError:
        return "Private element"


def _shown(element: Any, reveal: bool) -> str:
    """Return a value for display; masked, only whether there is one and how long it is."""
    if element.VR == "SQ":
        return f"{len(element.value or ())} item(s)"
    if element.is_empty:
        return ""
    if isinstance(element.value, bytes):
        return f"{len(element.value)} bytes"
    if not reveal:
        return MASK
    text = "\\".join(values_of(element))
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


_UID_DATE = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")


def _finding(place: _Place, search: Search) -> str:
    """Return what was found in an element that may hold anything."""
    element = place.element
    vr = element.VR
    if vr == "UI" and any(_UID_DATE.search(uid) for uid in values_of(element)):
        return "UID holding a date"
    values = values_of(element)
    if vr in ("CS", "AE"):
        return "identity" if any(in_coded_value(v, search) for v in values) else ""
    if vr in TEXT_VRS:
        general = int(element.tag) not in listed_tags("technical")
        spans = [s for v in values for s in find_spans(v, search, general=general)]
        return ", ".join(sorted({span.kind for span in spans}))
    return ""


def _concerns(place: _Place, action: str, finding: str) -> str:
    """Return in words why an element is flagged; empty where it is not."""
    tag = int(place.element.tag)
    if place.element.is_empty:
        return ""
    role = roles().get(tag)
    reasons = []
    if role:
        reasons.append(f"HIPAA {role.hipaa} {KINDS[role.hipaa].short}")
    elif place.element.tag.is_private and not element_texts.is_creator(tag):
        reasons.append("private")
    elif action:
        reasons.append(f"PS3.15 {action}")
    elif tag == encrypted.CONTENT:
        reasons.append(encrypted.told_by(place.element.value))
    if place.element.VR in ("DA", "DT") and not (role and role.hipaa == 3):
        reasons.append("date")
    expected = role is not None or action not in ("", "K")
    words = {"identity": "misused element" if not expected else ""}
    if finding and not (role and finding == "identity"):
        reasons.append(words.get(finding) or ("free text: " * (finding[0] != "U") + finding))
    return "; ".join(reasons)


def _base_action(place: _Place) -> str:
    tag = int(place.element.tag)
    if tag >> 16 & 1:
        return "X"
    row = basic_rules().get(tag)
    if row:
        return row.basic
    rule = plan().action(tag) if tag >> 24 in (0x50, 0x60) else None  # curves and overlays
    return rule.code if rule else ""


def tag_table(source: Path | str | Dataset, *, reveal: bool = False) -> pd.DataFrame:
    """Return one row an element: what a file says, and why it is flagged.

    Parameters
    ----------
    source : path or Dataset
        A DICOM file, a DICOMDIR included, or a data set.
    reveal : bool
        Show values. Otherwise a mask stands in their place, and only numbers of items and
        bytes are told.

    Returns
    -------
    DataFrame
        Columns: ``path`` (tags and item numbers), ``tag``, ``vr``, ``vm``, ``name``,
        ``keyword``, ``creator`` (of private elements), ``value``, ``level`` (0 at the top),
        ``concern`` (in words, empty where there is none), ``hipaa`` (number of the
        identifier, 0 where none), ``action`` (PS3.15 Basic Profile), ``finding`` (what was
        found in free text, coded values and UIDs).

    Examples
    --------
    >>> table = tag_table(Dataset())
    >>> list(table.columns[:4])
    ['path', 'tag', 'vr', 'vm']
    """
    import pandas as pd

    with quiet_pydicom():
        dataset = source if isinstance(source, Dataset) else read(source)
        search = _look(identity_of(dataset))
        rows = [_row(place, search, reveal) for place in _walk(dataset)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _look(identity: Identity) -> Search:
    """Return a search that reports every date and UID it sees."""
    return Search(identity, dates="remove", keep_uids=True)


def _row(place: _Place, search: Search, reveal: bool) -> tuple[Any, ...]:
    element = place.element
    tag = int(element.tag)
    action, finding = _base_action(place), _finding(place, search)
    keyword = "" if element.tag.is_private else keyword_for_tag(tag)
    role = roles().get(tag)
    return (
        place.path,
        f"({tag >> 16:04X},{tag & 0xFFFF:04X})",
        str(element.VR),
        element.VM,
        _name(place),
        keyword,
        place.creator,
        _shown(element, reveal),
        place.level,
        _concerns(place, action, finding),
        role.hipaa if role else 0,
        action,
        finding,
    )


@cache
def dictionary() -> pd.DataFrame:
    """Return the whole DICOM dictionary, and what PS3.15 and HIPAA say of each attribute.

    Columns: ``group`` and ``element`` (hexadecimal text, ``x`` where they repeat), ``vr``,
    ``vm``, ``name``, ``keyword``, ``retired``, ``action``, ``hipaa``.
    """
    import pandas as pd

    actions = {row.tag: row.basic for row in load_profile()}
    rows = [
        (f"{tag >> 16:04X}", f"{tag & 0xFFFF:04X}", *entry[:2], entry[2], entry[4], bool(entry[3]))
        for tag, entry in DicomDictionary.items()
    ]
    rows += [
        (text[:4], text[4:], *entry[:2], entry[2], entry[4], bool(entry[3]))
        for text, entry in RepeatersDictionary.items()
    ]
    listed = {row[0] + row[1] for row in rows}
    rows += [
        (row.tag[:4], row.tag[5:], row.vr, "", row.name, row.keyword, row.retired)
        for row in load_profile()
        if row.tag.replace(",", "") not in listed and "g" not in row.tag and "xxxx" not in row.tag
    ]
    columns = ["group", "element", "vr", "vm", "name", "keyword", "retired"]
    table = pd.DataFrame(rows, columns=columns)
    pair = table["group"] + "," + table["element"]
    table["action"] = pair.map(actions).fillna("")
    numbers = {f"{tag >> 16:04X},{tag & 0xFFFF:04X}": role.hipaa for tag, role in roles().items()}
    table["hipaa"] = pair.map(numbers).fillna(0).astype(int)
    return table.sort_values(["group", "element"], ignore_index=True)


def search_dictionary(
    text: str = "",
    *,
    group: str = "",
    element: str = "",
    vr: str = "",
    name: str = "",
) -> pd.DataFrame:
    """Search the whole DICOM dictionary by fragments.

    Parameters
    ----------
    text : str
        A fragment of the name or the keyword, a VR, or of a tag (see `_tag_fits`); whichever
        fits.
    group, element, vr, name : str
        Fragments of one column each; all that are given must fit.

    Returns
    -------
    DataFrame
        The matching rows of `dictionary`.

    Examples
    --------
    >>> search_dictionary("birth date")["keyword"].iloc[0]
    'PatientBirthDate'
    """
    import pandas as pd

    table = dictionary()
    fits = pd.Series(True, index=table.index)
    for column, fragment in {"group": group, "element": element, "vr": vr, "name": name}.items():
        fits &= table[column].str.contains(fragment, case=False, regex=False)
    if text:
        fits &= _anywhere(table, text)
    return table[fits].reset_index(drop=True)


def _anywhere(table: pd.DataFrame, text: str) -> pd.Series:
    inside = table["name"].str.contains(text, case=False, regex=False)
    inside |= table["keyword"].str.contains(text, case=False, regex=False)
    fits = inside | (table["vr"].str.upper() == text.upper())
    return fits | _tag_fits(table["group"], table["element"], text)


def _tag_fits(group: pd.Series, element: pd.Series, text: str) -> pd.Series:
    """Tell which tags a fragment is of; it never reaches from the group into the element.

    Parameters
    ----------
    group, element : Series of str
        Four hexadecimal digits, ``x`` where they repeat.
    text : str
        ``"0010,"`` is a group, ``",0010"`` an element, ``"0010"`` either, ``"0010,00"`` and
        ``"001000"`` a group and the beginning of an element, ``"00100010"`` one tag; brackets
        and spaces may stand. What holds no digit is no tag: ``"face"`` is a word.
    """
    import pandas as pd

    plain = re.sub(r"[() ]", "", text).upper().replace("X", "x")
    nothing = pd.Series(False, index=group.index)
    if not re.fullmatch(r"[0-9A-Fx]*,?[0-9A-Fx]*", plain) or not re.search(r"\d", plain):
        return nothing
    if "," not in plain and len(plain) <= 4:
        return group.str.contains(plain, regex=False) | element.str.contains(plain, regex=False)
    first, comma, second = plain.partition(",")
    if not comma:
        first, second = plain[:4], plain[4:]
    return group.str.endswith(first) & element.str.startswith(second)


def _row_of_group(tag: int) -> Any:
    """Return the row of Table E.1-1 about all private, curve or overlay elements."""
    if tag >> 16 & 1:
        return next(row for row in load_profile() if row.tag == "gggg,eeee")
    digits = f"{tag >> 16:04x},{tag & 0xFFFF:04x}"
    masks = ((row, row.tag.replace("x", "?")) for row in load_profile() if "x" in row.tag)
    return next((row for row, mask in masks if fnmatch(digits, mask)), None)


def standard_says(tag: int, creator: str = "") -> pd.DataFrame:
    """Return what PS3.15 asks to do with an attribute.

    Parameters
    ----------
    tag : int
        Group and element, such as ``0x00100010``.
    creator : str
        Of a private element: the option that retains safe ones names those it knows.

    Returns
    -------
    DataFrame
        Columns ``under``, ``code``, ``action``: the Basic Profile first, then each option
        that says something else; no rows for an attribute that Table E.1-1 does not list.

    Examples
    --------
    >>> standard_says(0x00101010).iloc[:, :2].values.tolist()
    [['basic profile', 'X'], ['retain-patient-characteristics', 'K']]
    """
    import pandas as pd

    row = basic_rules().get(tag) or _row_of_group(tag)
    codes = {"basic profile": row.basic, **row.options} if row else {}
    actions = pd.DataFrame(codes.items(), columns=["under", "code"])
    words = [
        [ACTION_WORDS[letter.rstrip("*")] for letter in c.split("/")] for c in actions["code"]
    ]
    depends = ", as the element's Type asks"
    actions["action"] = [" or ".join(each) + depends * (len(each) > 1) for each in words]
    if tag >> 16 & 1 and not profile.keeping_option(plan("research"), creator, tag):
        actions.loc[actions["code"] == "C", "action"] = "removed: not on the standard's list"
    return actions


def kept_text(dataset: Dataset, path: str = "") -> list[tuple[str, str, str]]:
    """Return the free text and the unknown elements of a data set, for a person to review.

    Parameters
    ----------
    dataset : Dataset
        An output of `deidentify`.
    path : str
        Where it stands, if it is the item of a sequence.

    Returns
    -------
    list of (path, keyword, text)
        Where there is no keyword, the tag. Of bytes of unknown meaning (UN) their number and
        what is printable of them. It shows values: it belongs into the private folder of a
        job, nowhere else.
    """
    rows: list[tuple[str, str, str]] = []
    memory = passthrough.Memory()
    if not path:
        charset = str(dataset.original_character_set)
        memory = passthrough.memories("kept text").setdefault(charset, memory)
    for tag, element in items_of(dataset):
        before = memory.get(id(element))
        if before is None:
            before = element, _kept_in(dataset, tag, element, path)
            memory.note(*before)
        rows += before[1]
    return rows


def _kept_in(dataset: Dataset, tag: int, element: Any, path: str) -> list[tuple[str, str, str]]:
    """Return the same of one element and what stands in it."""
    written, keyword = label(tag)
    vr = vr_of(element)
    texts = texts_of(dataset, element) if vr in CUSTOMIZABLE_CHARSET_VR else []
    if isinstance(element.value, bytes) and vr == "UN":
        runs = re.findall("[ -~]{4,}", element.value.decode("latin-1"))
        texts = [f"{len(element.value)} bytes: {' '.join(runs)[:_LONGEST_SHOWN]}"]
    elif not is_known(tag):
        texts = values_of(dataset[element.tag])
    rows = [(path + written, keyword or written, "\\".join(texts))] if texts else []
    items = sequence_items(dataset, element) if vr == "SQ" else ()
    for number, item in enumerate(items):
        rows += kept_text(item, f"{path}{written}[{number}].")
    return rows


def _directory_records(dataset: Dataset) -> pd.DataFrame:
    """Return the records of a DICOMDIR: type, referenced file, and what identifies in it.

    Raises
    ------
    InputError
        If the data set is not a DICOMDIR.
    """
    import pandas as pd

    if not is_dicomdir(dataset):
        raise InputError("this is not a DICOMDIR; give the file of that name")
    rows = []
    for record in dataset.get("DirectoryRecordSequence") or ():
        file = record.get("ReferencedFileID")
        parts = [file] if isinstance(file, str) else list(file or ())
        held = sum(1 for tag in record.keys() if int(tag) in roles())  # noqa: SIM118
        rows.append((str(record.get("DirectoryRecordType", "")), "/".join(parts), held))
    return pd.DataFrame(rows, columns=["type", "file", "identifiers"])


def _folder_tables(folder: Path | str, *, reveal: bool = False) -> Iterator[pd.DataFrame]:
    """Yield the tag table of every DICOM file of a folder, one at a time.

    The first column, ``file``, is the number of the file in the order of the paths: the path
    itself may name the patient. Files that cannot be read come last: one row each says why.
    """
    import pandas as pd

    passed: dict[int, str] = {}
    for number, _, table in usable(find_files(folder), partial(tag_table, reveal=reveal), passed):
        table.insert(0, "file", number)
        yield table
    for number, why in passed.items():
        yield pd.DataFrame([{"file": number, **dict.fromkeys(COLUMNS, ""), "concern": why}])


def _concern_counts(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return one row a concern: in how many files and elements it was met.

    Parameters
    ----------
    tables : iterable of DataFrame
        From `_folder_tables` or `tag_table`; only one is held in memory.
    """
    import pandas as pd

    files: Counter[str] = Counter()
    elements: Counter[str] = Counter()
    for table in tables:
        met = table.loc[table["concern"] != "", "concern"].str.split("; ").explode()
        counts = met.value_counts()
        files.update(counts.index.to_list())
        elements.update({str(name): int(n) for name, n in counts.items()})
    rows = [(name, files[name], n) for name, n in elements.most_common()]
    return pd.DataFrame(rows, columns=["concern", "files", "elements"])


_SHOWN = ["path", "vr", "name", "value", "concern"]
#: Where `matching` looks, and the columns that it asks.
SEARCHED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "anywhere": ("path", "tag", "vr", "name", "keyword", "creator", "concern"),
        "group": ("group",),
        "element": ("element",),
        "VR": ("vr",),
        "name": ("name", "keyword", "creator"),
        "finding": ("concern",),
    }
)


def inspect_to(
    tell: Callable[[str], None],
    path: Path | str,
    *,
    reveal: bool = False,
    csv_file: Path | None = None,
    search: str = "",
    every: bool = False,
    further: Sequence[pd.DataFrame] = (),
) -> None:
    """Tell, line by line, what a file, a folder or a DICOMDIR gives away.

    Parameters
    ----------
    tell : callable
        Takes one piece of text, such as ``click.echo``.
    path : path
        File, folder or DICOMDIR.
    reveal : bool
        Show values.
    csv_file : path, optional
        Where the whole table is written, too.
    search : str
        Only rows that hold this in tag, VR, name, creator or concern.
    every : bool
        Also rows of no concern.
    further : sequence of DataFrame
        Tables of the files there that are no DICOM; one for a file that is none.

    Raises
    ------
    InputError
        If there is nothing to inspect, or the CSV file exists already or would stand in
        the folder that is inspected.
    """
    path = Path(path)
    if csv_file is not None and csv_file.exists():
        raise InputError("the CSV file exists already; name another")
    if csv_file is not None and path.is_dir() and path.resolve() in csv_file.resolve().parents:
        raise InputError("nothing is ever written into the input; name a CSV file elsewhere")
    if path.is_dir():
        tables = _written(chain(_folder_tables(path, reveal=reveal), further), csv_file)
        counts = _concern_counts(matching(table, search) for table in tables)
        number = sum(1 for _ in find_files(path))
        if not number and not further:
            raise InputError("the folder holds no DICOM and no NIfTI file; check the path")
        tell(f"{number} DICOM files" + f", {len(further)} of NIfTI and BIDS" * bool(further))
        tell(counts.to_string(index=False))
        return
    table = further[0] if further else tag_table(path, reveal=reveal)
    list(_written(iter([table]), csv_file))
    if not further and is_dicomdir(dataset := read(path)):
        records = _directory_records(dataset)
        tell(f"DICOMDIR: {len(records)} records, {records['identifiers'].sum()} identifiers")
        tell(records.groupby("type")["identifiers"].agg(["size", "sum"]).to_string())
    rows = matching(table, search)
    tell(
        rows[rows["concern"] != ""][_SHOWN].to_string() if not every else rows[_SHOWN].to_string()
    )


def matching(table: pd.DataFrame, search: str, where: str = "anywhere") -> pd.DataFrame:
    """Return the rows of a tag table that hold a text.

    Parameters
    ----------
    table : DataFrame
        As `tag_table` makes it.
    search : str
        A fragment, in whatever case; all rows fit an empty one.
    where : str
        One of `SEARCHED`: ``"anywhere"``, or the columns to look into by one word.

    Raises
    ------
    UsageError
        If there is no such place to look.
    """
    if where not in SEARCHED:
        raise UsageError(f"no place to search of that name; there are {', '.join(SEARCHED)}")
    if not search or table.empty:
        return table
    tag = table["tag"].str
    parts = table.assign(group=tag[1:5], element=tag[6:10])[list(SEARCHED[where])]
    held = parts.astype(str).apply(lambda part: part.str.contains(search, case=False, regex=False))
    fits = held.any(axis=1)
    if where == "anywhere":
        fits |= _tag_fits(tag[1:5], tag[6:10], search)
    rows: pd.DataFrame = table[fits]
    return rows


def _written(tables: Iterator[pd.DataFrame], csv_file: Path | None) -> Iterator[pd.DataFrame]:
    """Hand tables on, writing each to the CSV file, which appears when all went well."""
    if csv_file is None:
        yield from tables
        return
    with appearing(csv_file, 0o600) as part:  # it may hold values
        for number, table in enumerate(tables):
            table.to_csv(part, mode="a", header=not number, index=False)
            yield table
