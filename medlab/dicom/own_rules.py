"""Own rules: a YAML file laid over the plan of a policy, with the last word but for a floor.

One entry an element, ``selector: action``. De-identifier and verifier both ask `laid`, so what
happens to an element stands in one plan.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache, lru_cache
from typing import NamedTuple

import yaml
from pydicom.config import RAISE
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.valuerep import VR, validate_value

from medlab.dicom.element_texts import TEXT_VRS, TIME_VRS
from medlab.dicom.identity import roles
from medlab.dicom.profile import (
    OPTIONS,
    PROFILE,
    Plan,
    Rule,
    basic_rules,
    chosen,
    listed_tags,
    load_profile,
    settle,
    tag_of,
    type_in_iod,
    word_list,
)
from medlab.errors import MissingError, UsageError

#: What stands for the option in the log, where an own rule decided.
OWN = "own rules"
#: Creator of the private block in which `medlab.methods.encryption` puts what it hides.
ENCRYPTED = "MEDLAB ENCRYPTED"
#: Action -> (code of the standard that it comes to, VRs that it fits; none: all).
_ACTIONS: dict[str, tuple[str, frozenset[str]]] = {
    "keep": ("K", frozenset()),
    "remove": ("X/Z/D", frozenset()),
    "blank": ("Z/D", frozenset()),
    "clean": ("C", frozenset()),
    "hash": ("D", TEXT_VRS | {"UI"}),
    "alias": ("D", TEXT_VRS),
    "offset": ("C", frozenset({"DA", "DT"})),
    "encrypt": ("Z/D", TEXT_VRS | TIME_VRS),
    "replace": ("D", TEXT_VRS | TIME_VRS | {"UI", "DS", "IS"}),
}
_EMPTYING = ("remove", "blank", "encrypt")
#: Names of the person, her numbers, birth date and contacts (`roles`), whatever a mask says.
_FLOOR = word_list("floor")
_CONTACTS = frozenset({"address", "phone", "telecom", "place"})
_STRUCTURE = listed_tags("structure")
_TYPE_1 = listed_tags("type-1") | _STRUCTURE
_TAG = re.compile(r"\(?([0-9a-fx]{4}),? ?([0-9a-fx]{4})\)?(?: (\S.*))?", re.IGNORECASE)
_STEP = re.compile(r"\(([0-9A-F]{4}),([0-9A-F]{4})\)")
_PRIVATE = "private "


class _Own(NamedTuple):
    """One own rule.

    Attributes
    ----------
    path : tuple of str
        Sequences around the element, outermost first, as eight digits; none: at any place.
    mask : str
        Eight digits of the tag, ``x`` for any.
    vr, creator : str
        Where not empty: the VR, or the private creator (folded).
    code, how, value : str
        As in `Rule`; the code still as the table has it, such as ``X/Z/D``.
    text : str
        The entry as it was written, on one line.
    """

    path: tuple[str, ...]
    mask: str
    vr: str
    creator: str
    code: str
    how: str
    value: str
    text: str

    @property
    def tag(self) -> int | None:
        """The tag, where the rule names one element."""
        return None if "x" in self.mask else int(self.mask, 16)

    @property
    def rank(self) -> tuple[int, bool, int, bool]:
        """The more of an element a rule names, the higher."""
        return len(self.path), bool(self.creator), 8 - self.mask.count("x"), bool(self.vr)

    def fits(self, path: tuple[str, ...], vr: str, creator: str) -> bool:
        """Tell whether the rule speaks of an element: tags down to it, VR and creator."""
        around = path[len(path) - 1 - len(self.path) : -1]
        here = self.path == around and _overlap(self.mask, path[-1]) and self.vr in ("", vr)
        if not int(path[-1][:4], 16) & 1:
            return here and not self.creator
        # a VR that is kept would let out private elements of which nobody thought
        return here and (self.creator == creator.casefold() or self._takes_private)

    @property
    def _takes_private(self) -> bool:
        return not self.creator and (not self.vr or self.code[0] == "X")


def _overlap(mask: str, other: str) -> bool:
    """Tell whether two masks can mean the same tag."""
    return all(a == b or "x" in (a, b) for a, b in zip(mask, other, strict=True))


def lay_over(plan: Plan, text: str, allowed: Iterable[str] = ()) -> Plan:
    """Return a plan with own rules laid over it, checked.

    Parameters
    ----------
    plan : Plan
        See `medlab.dicom.plan`.
    text : str
        YAML: a mapping of ``selector: action``, see docs/rules.md.
    allowed : iterable of str
        Keywords of the patient's own identifiers that rules may keep.

    Raises
    ------
    UsageError
        An entry that cannot be followed, with line and column; `allowed` names what no rule keeps.
    """
    names = tuple(dict.fromkeys(allowed))
    rules = replace(plan, rules=text, allowed=names)
    for own, where in _marked(text):
        if problem := _problem(own, rules):
            raise UsageError(f"{where}: {problem}")
    for name in names:
        if not _keeps(_parse_rules(text), name):
            raise UsageError(f"no own rule keeps {name}, so it need not be allowed; leave it out")
    lost, times = _lost(rules)
    return replace(rules, unclaimed=lost, temporal=times)


def _keeps(rules: Iterable[_Own], keyword: str) -> bool:
    try:
        tag = tag_of(keyword)
    except MissingError:
        return False
    mask, vr = f"{tag:08x}", _vr_of_tag(tag)
    kept = (own for own in rules if own.code in ("K", "C") and own.vr in ("", vr))
    return any(_overlap(own.mask, mask) for own in kept)


@cache
def _parse_rules(text: str) -> tuple[_Own, ...]:
    """Return the own rules of a YAML text."""
    return tuple(own for own, _ in _marked(text))


@lru_cache(maxsize=16)
def _marked(text: str) -> tuple[tuple[_Own, str], ...]:
    """Return the rules of a text, each with where it stands; refuse two that contradict."""
    rules: list[tuple[_Own, str]] = []
    alike: dict[object, list[tuple[_Own, str]]] = {}
    for key, value in _entries(text):
        where = _place(key.start_mark)
        try:
            own = _read(key, value)
        except (MissingError, UsageError) as error:
            raise UsageError(f"{where}: {error}") from None
        kind = (own.path, own.vr, own.creator, own.rank if own.tag is None else own.mask)
        for other, line in alike.setdefault(kind, []):
            if own.mask == other.mask or (
                own[4:7] != other[4:7] and _overlap(own.mask, other.mask)
            ):
                raise UsageError(f"{where}: contradicts the rule of {line}; leave one of them")
        alike[kind].append((own, where))
        rules.append((own, where))
    return tuple(rules)


def _place(mark: yaml.Mark) -> str:
    return f"own rules, line {mark.line + 1}, column {mark.column + 1}"


def _entries(text: str) -> list[tuple[yaml.Node, yaml.Node]]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = _place(mark) if mark else "own rules"
        raise UsageError(f"{where}: this is no YAML; write one 'KEYWORD: action' a line") from None
    if not isinstance(root, yaml.MappingNode):
        raise UsageError(
            "own rules, line 1, column 1: no rules; write one 'KEYWORD: action' a line"
        )
    pairs: list[tuple[yaml.Node, yaml.Node]] = root.value
    return pairs


def _read(key: yaml.Node, value: yaml.Node) -> _Own:
    if not isinstance(key, yaml.ScalarNode):
        raise UsageError("a rule begins with a keyword, a tag, a VR, a private creator or a path")
    how, new = _action(value)
    code, _ = _ACTIONS.get(how, (how, frozenset()))
    said = f"{{replace: {new}}}" if how == "replace" else how
    how = how if how in ("hash", "alias", "offset", "replace", *_EMPTYING) else ""
    text = key.value.strip()
    whole = text.startswith(_PRIVATE) or _TAG.fullmatch(text)  # a creator's name may have points
    *around, last = [text] if whole else text.split(".")
    path = tuple(f"{_tag(step):08x}" for step in around)
    return _Own(path, *_selector(last.strip()), code, how, new, f"{text}: {said}")


def _action(node: yaml.Node) -> tuple[str, str]:
    """Return an action and the value that comes with it."""
    if isinstance(node, yaml.MappingNode) and len(node.value) == 1:
        name, value = node.value[0]
        if name.value == "replace" and isinstance(value, yaml.ScalarNode) and value.value:
            return "replace", value.value
    words = {*_ACTIONS, *_codes()} - {"replace"}
    if isinstance(node, yaml.ScalarNode) and node.value in words:
        return node.value, ""
    raise UsageError(
        f"no such action; there are {', '.join(list(_ACTIONS)[:-1])}, {{replace: VALUE}} "
        f"and the standard's {', '.join(sorted(_codes()))}"
    )


@cache
def _codes() -> frozenset[str]:
    """Return the codes of the standard's table."""
    return frozenset(c for row in load_profile() for c in (row.basic, *row.options.values()))


def _selector(text: str) -> tuple[str, str, str]:
    """Return mask, VR and private creator of what a rule names."""
    if text.startswith(_PRIVATE):
        return "x" * 8, "", text.removeprefix(_PRIVATE).strip().casefold()
    if text in VR.__members__:
        return "x" * 8, text, ""
    if match := _TAG.fullmatch(text):
        return (match[1] + match[2]).lower(), "", (match[3] or "").casefold()
    return f"{tag_of(text):08x}", "", ""


def _tag(text: str) -> int:
    mask, vr, creator = _selector(text.strip())
    if vr or creator or "x" in mask:
        raise UsageError("the steps of a path are keywords or tags of sequences")
    return int(mask, 16)


@cache
def _vr_of_tag(tag: int) -> str:
    """Return the VR of a standard attribute; empty where no dictionary knows it."""
    row = basic_rules().get(tag)
    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return row.vr if row else ""


def _problem(own: _Own, plan: Plan) -> str:
    """Return what is wrong with a rule, as a sentence; empty where nothing is."""
    _, vrs = _ACTIONS.get(own.how, ("", frozenset()))
    if own.tag is None:
        return _problem_of_many(own, vrs)
    if own.tag >> 16 & 1:
        return "a private block has another number in each file; write (gggg,xxee) CREATOR"
    vr, planned = _vr_of_tag(own.tag), chosen(plan).get(own.mask)
    if planned and planned.code == own.code and not own.how:
        return ""
    if own.tag >> 16 in (0, 2) or (own.tag in _STRUCTURE and own.code != "K"):
        return "a file cannot be read without this element, so medlab leaves it or makes it anew"
    if (vrs and vr not in vrs) or _misfits(own.code, vr):
        return f"{own.how or own.code} does not fit an element of VR {vr}"
    if own.how == "encrypt" and own.path:
        return "encrypt takes elements of the top level; name it without a path"
    if own.how == "replace" and (problem := _problem_of_value(vr, own.value)):
        return problem
    if own.tag in _TYPE_1 and (own.how in _EMPTYING or own.code[0] in "XZ"):
        return "this element is Type 1, so it needs a value; replace it, or leave it to the policy"
    if _is_identity(own, own.tag, plan):
        return "this is the patient's own; name it with --allow-identifiers too if it is to stay"
    return ""


def _problem_of_many(own: _Own, vrs: frozenset[str]) -> str:
    """Return what is wrong with a rule about several elements."""
    if _misfits(own.code, own.vr) or (vrs and (own.vr not in vrs or own.how == "encrypt")):
        action = own.how or own.code
        return f"{action} does not fit all these elements; name one, or a VR that it fits"
    if own.creator and own.mask != "x" * 8 and not int(own.mask[3].replace("x", "1"), 16) & 1:
        return "a private creator stands in odd groups only"
    return _problem_of_value(own.vr, own.value) if own.how == "replace" else ""


def _misfits(code: str, vr: str) -> bool:
    """Tell whether a code that replaces UIDs, and keeps all else, is meant for no such VR."""
    return (code == "U" and vr != "UI") or (code == "X/Z/U*" and vr != "SQ")


def _problem_of_value(vr: str, value: str) -> str:
    try:
        validate_value(vr, value, RAISE)
    except ValueError:
        return f"the new value is none of VR {vr}"
    return "" if value.isascii() else "a new value is ASCII, for files of any character set"


@cache
def floor() -> frozenset[int]:
    """Return the elements that hold the patient's names, numbers, birth date and contacts."""
    persons = re.compile("Patient|Person|Residence")
    return frozenset(
        tag
        for tag, role in roles().items()
        if role.name in _FLOOR or (role.name in _CONTACTS and persons.search(keyword_for_tag(tag)))
    )


def _is_identity(own: _Own, tag: int, plan: Plan) -> bool:
    """Tell whether a rule would keep what identifies the patient and nobody allowed."""
    kept = own.code in ("K", "C") and tag in floor()
    return kept and keyword_for_tag(tag) not in plan.allowed


def laid(
    plan: Plan, path: str, vr: str, creator: str, sop_class: str, planned: Rule | None
) -> Rule | None:
    """Return what becomes of an element: what an own rule says, else what the policy plans.

    Parameters
    ----------
    plan : Plan
    path : str
        Tags with item numbers, such as ``(0008,1115)[0].(0020,000E)``.
    vr, creator : str
        The element's VR, and its private creator or nothing.
    sop_class : str
        Decides what a combined code comes to.
    planned : Rule or None
        What the policy does.
    """
    tags = _tags(path)
    own = _highest(plan.rules, tags, vr, creator)
    tag = int(tags[-1], 16)
    if own is None or _is_identity(own, tag, plan):
        return planned
    type_ = type_in_iod(tag, sop_class, int(tags[-2], 16) if len(tags) > 1 else 0)
    code = settle(own.code, 3 if own.how and type_ is None else type_)
    needed = tag in _TYPE_1 and (code in ("X", "Z") or own.how in _EMPTYING)
    if needed or (tag in _STRUCTURE and code != "K"):
        return planned
    if not own.how and planned is not None and planned.code == code:
        return planned
    return Rule(code, OWN, own.how, own.value)


def is_kept(rule: Rule | None) -> bool:
    """Tell whether an own rule keeps what identifies somebody else, or the place or device."""
    return rule is not None and rule.option == OWN and rule.code == "K"


@lru_cache(maxsize=65536)
def _tags(path: str) -> tuple[str, ...]:
    return tuple((group + element).lower() for group, element in _STEP.findall(path))


@lru_cache(maxsize=65536)
def _highest(text: str, path: tuple[str, ...], vr: str, creator: str) -> _Own | None:
    fitting = [own for own in _parse_rules(text) if own.fits(path, vr, creator)]
    return max(fitting, key=lambda own: own.rank, default=None)


def depends_on_place(plan: Plan) -> bool:
    """Tell whether one element may be treated differently in two places, or two jobs."""
    return any(own.path or own.how == "alias" for own in _parse_rules(plan.rules))


def encrypted(plan: Plan) -> list[str]:
    """Return the keywords of the elements that own rules encrypt."""
    owns = _parse_rules(plan.rules) if plan.rules else ()
    return [keyword_for_tag(own.tag) for own in owns if own.how == "encrypt" and own.tag]


def lines(text: str) -> list[str]:
    """Return own rules as they were written, one a line."""
    return [own.text for own in _parse_rules(text)] if text else []


def _lost(plan: Plan) -> tuple[tuple[str, ...], str]:
    """Return the codes that cannot be claimed, and what the dates then are.

    PS3.15 E.1.1: a code says that a profile or option was carried out, not most of it.
    """
    lost: set[str] = set()
    times = ""
    for own in _parse_rules(plan.rules):
        weak = own.how == "encrypt" or own.code in ("K", "C")
        for mask, rule in chosen(plan).items() if weak else ():
            if not _weakens(own, mask, rule, plan):
                continue
            lost |= {PROFILE[0], *([OPTIONS[rule.option][0]] if rule.option else ())}
            times = _times(own, int(mask.replace("x", "0"), 16), times)
        times = times if own.tag is None else _times(own, own.tag, times)
        if weak and (own.creator or (own._takes_private and own.mask[3] in "13579bdfx")):
            lost.add(PROFILE[0])
    return tuple(sorted(lost)), times


def _times(own: _Own, tag: int, times: str) -> str:
    """Return what (0028,0303) has to say at least, once a rule does so to an element."""
    if _vr_of_tag(tag) not in ("DA", "DT", "TM") or not (own.code == "K" or own.how == "offset"):
        return times
    return "UNMODIFIED" if own.code == "K" else times or "MODIFIED"


def _weakens(own: _Own, mask: str, rule: Rule, plan: Plan) -> bool:
    """Tell whether a rule leaves more of an element of the table than the policy does."""
    if own.creator or not _overlap(own.mask, mask):
        return False
    tag = None if "x" in mask else int(mask, 16)
    if tag is not None and (own.vr not in ("", _vr_of_tag(tag)) or _is_identity(own, tag, plan)):
        return False
    if own.how == "encrypt":
        return True
    return rule.code not in ("K", "C") or (own.code == "K" and rule.code == "C")


def as_yaml(plan: Plan) -> str:
    """Return a policy as a file of own rules, made from the tables that the plan is made of.

    Laid over the same policy it changes nothing. Private elements are left to the policy.
    """
    head = [
        f"# {plan.policy}, PS3.15 {', '.join(plan.options) or 'without options'}",
        "# private elements: as the policy treats them; add 'private CREATOR: keep'",
    ]
    return "\n".join([*head, *_lines_of(plan), ""])


def _lines_of(plan: Plan) -> Iterator[str]:
    for mask, rule in sorted(chosen(plan).items()):
        if mask[:4] in ("0000", "0002"):
            continue  # commands and file meta are made anew
        row = None if "x" in mask else basic_rules().get(int(mask, 16))
        keyword = row.keyword if row else "" if "x" in mask else keyword_for_tag(int(mask, 16))
        name = keyword or f"({mask[:4]},{mask[4:]})"
        yield f"{name}: {rule.code}" + (f"  # {rule.option}" if rule.option else "")
