"""What a job is asked to do, and the few things that stand where it is done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from medlab import __version__
from medlab.crypto import keyed_digest
from medlab.dicom.profile import FACES, PIXEL_OPTIONS, PIXELS, POLICIES, SAFE_HARBOR
from medlab.errors import UsageError

# a bar on standard error, or what is called with a step in words, files done and files in all
Progress = bool | Callable[[str, int, int], None]
#: How the count of pixel data that are labels, parameters or doses is kept.
NO_PICTURE = "no picture"
NO_HEAD = "no head was found in this series, so no face was cut"
HEADS = ("leave", "deface", "strip")
_CHOICES = {
    "head": HEADS,
    "unknown": ("withhold", "code"),
    "codes": ("keyed", "random"),
    "pixel_policy": ("allow", "match"),
    "pixel_effect": ("blank", "pseudonymize"),
    "similar_slices": ("read", "pass"),
    "quarantine": ("ask", "none"),
}


@dataclass(frozen=True)
class Settings:
    """What is done to every file of a job; see ``docs/jobs.md``.

    Parameters
    ----------
    policy : {"basic", "research", "safe-harbor"}
        The last sets what it needs: pixels and heads are cleaned, no vault is kept.
    options : tuple of str
        PS3.15 options by name, on top of the policy's own; those about pixels set `clean_pixels`
        and `head`.
    keep_private : tuple of str
        Private creators whose elements are kept (and scanned all the same).
    codes : {"keyed", "random"}
        Codes drawn from the values with the key, or by chance and kept in the vault only.
    clean_pixels : bool
        Take text out of the pixels; what can't be checked is then withheld.
    pixel_policy : {"allow", "match"}
    pixel_rules : tuple of mapping
        Boxes that are always filled for some devices: see `pixels.decide.load_recipe`.
    pixel_effect : {"blank", "pseudonymize"}
        What stands where text was: black, or the patient's new code.
    similar_slices : {"read", "pass"}
        Whether slices of MR are read that show no more strokes than slices of their series
        without text. One that is passed over is not said to be free of text.
    head : {"leave", "deface", "strip"}
        What is done with heads: nothing, the face cut out, or all but the brain taken away.
    bet_f : float
        BET's fractional intensity for stripping, 0 to 1: smaller keeps more.
    quarantine : {"ask", "none"}
        Whether screen saves and dose reports wait for a person's decision.
    ids : str
        Digest of the table of new patient IDs that was given to `deidentify`; empty without.
    unknown : {"withhold", "code"}
        Patients whom that table does not name are withheld, or get a code like all others.
    cohort_k : int, optional
        Smallest class of the cohort's quasi-identifiers; with `quasi`.
    cohort_l : int
        Least number of different values of `sensitive` in a class of the cohort.
    cohort_t : float, optional
        Largest distance of a class from the whole cohort, in the values of `sensitive`.
    cohort_method : str
        One of `medlab.tabular.ALGORITHMS` with ``one_value``: a header holds one value of a class.
    vault : bool
        Keep what re-identification needs.
    recipients : tuple of str
        Certificates in PEM: what is removed or changed stands in each DICOM file, encrypted for
        them (see `medlab.dicom.encrypted`).
    restricted_zips : tuple of str
        For ``safe-harbor``: see `medlab.dicom.plan`.
    rules : str
        Own rules as YAML, laid over the policy: see `medlab.dicom.lay_over`.
    allow_identifiers : tuple of str
        Keywords of the patient's own identifiers that rules may keep.
    review : bool
        List all text that was kept, for a person to read.
    stream : bool
        The source is a queue that files leave when done; see `medlab.pipeline.job.stream`.
    """

    policy: str = "basic"
    options: tuple[str, ...] = ()
    keep_private: tuple[str, ...] = ()
    codes: str = "keyed"
    clean_pixels: bool = False
    pixel_policy: str = "allow"
    pixel_rules: tuple[Mapping[str, Any], ...] = ()
    pixel_effect: str = "blank"
    similar_slices: str = "read"
    head: str = "leave"
    bet_f: float = 0.5
    quarantine: str = "ask"
    ids: str = ""
    unknown: str = "withhold"
    cohort_k: int | None = None
    cohort_l: int = 1
    cohort_t: float | None = None
    cohort_method: str = "mondrian"
    quasi: tuple[str, ...] = ()
    sensitive: str = ""
    restricted_zips: tuple[str, ...] = ()
    rules: str = ""
    allow_identifiers: tuple[str, ...] = ()
    vault: bool = True
    recipients: tuple[str, ...] = ()
    review: bool = True
    stream: bool = False

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise UsageError(f"no policy of that name; choose {' or '.join(sorted(POLICIES))}")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} is {' or '.join(choices)}")
        if not 0 < self.bet_f < 1:
            raise UsageError("bet_f lies between 0 and 1")
        if self.policy == SAFE_HARBOR:
            self._set_safe_harbor()
        self._say_once()
        if self.stream and (self.policy == SAFE_HARBOR or self.head != "leave" or self.cohort_k):
            raise UsageError(
                "a cohort, heads and Safe Harbor need all files at once; "
                "run deidentify on what came in"
            )
        if self.codes == "random" and not self.vault:
            raise UsageError(
                "random codes live in the vault only; a job without one can't have them"
            )
        if self.allow_identifiers and not self.rules:
            raise UsageError("identifiers are allowed for own rules only; name a file of --rules")
        self._check_cohort()

    def _say_once(self) -> None:
        """Bring what can be said in several ways into one form."""
        if self.recipients:
            from medlab.crypto import envelope

            object.__setattr__(self, "recipients", envelope.valid_recipients(self.recipients))
        if PIXELS in self.options:  # the standard's names for it, and one place that says so
            object.__setattr__(self, "clean_pixels", True)
        if FACES in self.options:
            object.__setattr__(self, "head", "deface" if self.head == "leave" else self.head)
        options = tuple(option for option in self.options if option not in PIXEL_OPTIONS)
        object.__setattr__(self, "options", options)

    def _set_safe_harbor(self) -> None:
        """Set what Safe Harbor needs, and refuse what it cannot have."""
        if self.ids or self.rules or self.codes != "keyed" or self.recipients:
            raise UsageError(
                "Safe Harbor draws its codes itself, follows no own rules and keeps nothing to "
                "re-identify with; "
                "leave out the codes, the table of new IDs, the rules and the certificates"
            )
        object.__setattr__(self, "vault", False)
        object.__setattr__(self, "clean_pixels", True)
        object.__setattr__(self, "head", "deface" if self.head == "leave" else self.head)

    def _check_cohort(self) -> None:
        if self.cohort_method != "mondrian":
            from medlab.tabular.algorithms import ALGORITHMS  # half a second

            names = [name for name, algorithm in ALGORITHMS.items() if algorithm.one_value]
            if self.cohort_method not in names:
                raise UsageError(f"cohort_method is {' or '.join(names)}")
        if self.cohort_k is not None and not (self.cohort_k >= 2 and self.quasi):
            raise UsageError("cohort_k is 2 or more and needs the quasi-identifiers")
        promised = self.cohort_l > 1 or self.cohort_t is not None
        if promised and not (self.sensitive and self.cohort_k is not None):
            raise UsageError("cohort_l and cohort_t need cohort_k and the sensitive column")
        if self.sensitive and not promised:
            raise UsageError("a sensitive column alone protects nothing; add cohort_l or cohort_t")

    def fingerprint(self, key: bytes) -> str:
        """Return what must be equal for a job to be taken up again."""
        text = json.dumps({**asdict(self), "version": __version__}, sort_keys=True)
        check = keyed_digest(key, "fingerprint").hex()[:16]
        return hashlib.sha256(f"{text}{check}".encode()).hexdigest()


@dataclass(frozen=True)
class Work:
    """Where a job is done and with which key: all that a worker process needs.

    `source` and `target` are folders; for a job on one file, `single` holds its name and
    that of its target. Codes are drawn from `key`; `vault_key` opens the vault.
    """

    settings: Settings
    source: Path
    target: Path
    folder: Path
    key: bytes = field(repr=False)
    vault_key: bytes = field(repr=False)
    single: tuple[str, str] | None = None

    @property
    def ledger(self) -> Path:
        """The ledger of the job."""
        return self.folder / "ledger.db"

    @property
    def phrases(self) -> Path:
        """Digests of the IDs and full names of all patients of the job."""
        return self.folder / "phrases.db"

    @property
    def cohort(self) -> Path:
        """The generalized values of the cohort, by patient."""
        return self.folder / "cohort.json"

    @property
    def ids(self) -> Path:
        """New IDs from a table, by digests of the old ones."""
        return self.folder / "ids.json"

    @property
    def owners(self) -> Path:
        """Whose the files are whose own headers spell it in another way than their study."""
        return self.folder / "owners.json"

    @property
    def approved(self) -> Path:
        """The boxes in pixels that a person approved."""
        return self.folder / "pixels-approved.csv"

    @property
    def faces_approved(self) -> Path:
        """The files that a person let pass though their faces were not checked or not cut."""
        return self.folder / "faces-approved.csv"

    @property
    def masks(self) -> Path:
        """The masks of what is cut out of heads, while a job is at work."""
        return self.folder / "faces"

    @property
    def decoys(self) -> Path:
        """The sources of decoys, see `medlab.pipeline.decoys`."""
        return self.folder / "decoys"

    @property
    def vault(self) -> Path:
        """The vault of the job."""
        return self.folder / "vault.db"


@dataclass
class Outcome:
    """What became of one file. `kept`, `boxes` and `ways_back` hold patients' values.

    `head` is what was measured on a head that was cut, `kinds` how many elements of the source
    hold each of the 18 kinds of Safe Harbor.
    """

    row: int
    status: str
    target: str = ""
    size: int = 0
    source_digest: str = ""
    target_digest: str = ""
    actions: dict[tuple[str, str], int] = field(default_factory=dict)
    findings: list[tuple[str, str, str]] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[dict[str, Any]] = field(default_factory=list)
    ways_back: list[tuple[str, str, str, str]] = field(default_factory=list)
    head: dict[str, Any] = field(default_factory=dict)
    kinds: dict[int, int] = field(default_factory=dict)
