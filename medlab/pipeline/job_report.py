"""The report of a job: what was done, what was found, what was not checked. No values."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from medlab import __version__, dicom
from medlab.crypto.envelope import certificate_of
from medlab.dicom.profile import ACTION_WORDS, FACES, PIXELS, SAFE_HARBOR
from medlab.disk import appearing, page_from, write_whole
from medlab.pipeline.cohort_in_headers import CohortCheck
from medlab.pipeline.job_files import Job
from medlab.pipeline.ledger import Ledger
from medlab.pipeline.pictures import PICTURES_READ
from medlab.pipeline.settings import NO_PICTURE, Settings
from medlab.pipeline.steps import ENVELOPE_KEPT, plan_of

STATUS_WORDS = {
    "done": "cleaned, verified and written",
    "duplicate": "the same file once more; the map names the one output",
    "not-dicom": "neither DICOM nor NIfTI, nor a table or sidecar beside them; left out",
    "no-cleaner": "a file of a BIDS tree of a kind that cannot be cleaned; withheld",
    "free-text": "free text about a BIDS tree, which cannot be cleaned; withheld, write a new one",
    "store": "a folder of version control; left out",
    "dicomdir": "DICOMDIR, which lists the old names; left out",
    "unreadable": "could not be read as DICOM; withheld",
    "unverified": "something of the source was still in the output; withheld",
    "refused": "refused; the reason stands below; withheld",
    "failed": "a step failed; withheld",
    "crashed": "the process died on it; withheld",
    "quarantined": "a screen save or dose report; withheld until a person has looked at it",
    "gone": "no longer in SRC; its output, if there was one, was withdrawn",
    "link": "a link that leads out of the folder, or to a folder; not followed",
    "special": "a pipe or a device; not opened",
    "closed": "a folder that may not be read",
}
# No failures: done, seen twice, taken away, or nothing that medlab was asked to clean.
FINE = ("done", "duplicate", "not-dicom", "free-text", "store", "dicomdir", "gone")
_FIRST_ROWS = 20
_MANY_DECOYS = 0.05  # of the studies: above it, false data move a mean by a visible part of its sd
_OPENERS = {"passphrase": "its passphrase", "shares": "any two of its three shares"}
_LOCKED = (
    "The vault opens by {}; no key lies in the private folder. Its map and its tables for review "
    "still tell names."
)
_IN_CLEAR = "The key lies in the private folder: a copy of this folder {}."
_CAN = {
    True: "restores everything; a passphrase or shares would lock it",
    False: "tells whose a code is",
}
_SAFE = (
    "Safe Harbor: each of the 18 kinds removed, not there or withheld; a person signs the report",
    "Each of the 18 kinds of 45 CFR 164.514(b)(2)(i) was removed, was not there, or its file was "
    "withheld. With the box below signed this is Safe Harbor. Codes were drawn for this run, and "
    "no key was kept; the map leads back, so it stays in the private folder (164.514(c)). Dates "
    "are 1 January of their year: intervals below a year are lost; (0028,0303) says MODIFIED.",
)
_NOTHING = ("Safe Harbor: nothing was written", "Nothing was written, so nothing is Safe Harbor.")
_NOT_SAFE = (
    "this is NO Safe Harbor: something was not checked; the report says what",
    "This is not Safe Harbor (45 CFR 164.514(b)(2)): something was not checked.",
)


@dataclass(frozen=True)
class Summary:
    """What became of a job.

    `statuses` counts source files, `new` those done in this run, `strangers` the files in
    the target folder that the job did not make, `no_picture` objects whose pixel data are
    labels, parameters or doses. `heads` says how the heads were cut, and the worst that was
    measured; `key` who can restore with a copy of the private folder; `certificate` whether this
    is Safe Harbor, where that was asked for; `envelopes` for whom attributes were encrypted.
    """

    folder: Path
    statuses: dict[str, int]
    new: int
    unchecked: dict[str, int]
    cohort: CohortCheck | None = None
    strangers: int = 0
    no_picture: int = 0
    heads: str = ""
    key: str = ""
    certificate: str = ""
    envelopes: str = ""

    @property
    def withheld(self) -> int:
        """The number of files that got no output though they might have had one."""
        return sum(n for status, n in self.statuses.items() if status not in FINE)

    @property
    def ok(self) -> bool:
        """Whether nothing was refused or failed, all of DST is ours and the cohort holds."""
        holds = self.cohort is None or self.cohort.holds
        return not self.withheld and not self.strangers and holds

    @property
    def report(self) -> Path:
        """The report, for a person to read."""
        return self.folder / "report.html"

    def lines(self) -> list[str]:
        """Return what a person is told at the end, a few lines without any value."""
        counts = [f"{n} {status}" for status, n in self.statuses.items()]
        lines = [f"files: {', '.join(counts) or 'none'}; {self.new} done in this run"]
        if self.withheld:
            lines.append(f"withheld: {self.withheld}; the report names their lines in the map")
        if gone := self.statuses.get("gone"):
            lines.append(f"no longer in SRC, outputs withdrawn: {gone}")
        if self.strangers:
            lines.append(f"not of this job, so not verified: {self.strangers} files in DST")
        lines += [f"not checked: {what} in {n} images" for what, n in self.unchecked.items()]
        if self.no_picture:
            lines.append(f"no picture (labels, maps, doses), left as it is: {self.no_picture}")
        lines += [line for line in (self.heads, self.envelopes, self.certificate) if line]
        lines += [] if self.cohort is None else [self.cohort.sentence()]
        return [*lines, f"report: {self.report}", *([self.key] if self.key else [])]


def write(job: Job, head: str, new: int, cohort: CohortCheck | None, strangers: int) -> Summary:
    """Write ``report.json`` and ``report.html`` into the private folder; return their sum."""
    facts = _gather(job, head)
    facts["strangers"] = strangers
    facts["certificate"] = _certificate(job, strangers)
    if facts["certificate"]:
        facts["words"][1] = facts["certificate"]["words"]
    facts["cohort"] = None if cohort is None else cohort._asdict() | {"says": cohort.sentence()}
    words = {"status_words": STATUS_WORDS, "action_words": ACTION_WORDS}
    page = page_from(Path(__file__).parent / "templates" / "report.html", facts | words)
    write_whole(job.work.folder / "report.html", page.encode())
    with appearing(job.work.folder / "report.json") as part, part.open("w") as file:
        file.write(json.dumps(facts, indent=1).removesuffix("\n}") + ',\n "rows": {')
        rows = groupby(job.ledger.findings(), itemgetter(0))  # in steps of bounded memory
        for number, (row, group) in enumerate(rows):
            names = ("severity", "message", "place")
            findings = [dict(zip(names, finding, strict=True)) for _, *finding in group]
            file.write(f'{"," * bool(number)}\n  "{row}": {json.dumps(findings)}')
        file.write("\n }\n}\n")
    return Summary(
        job.work.folder,
        facts["statuses"],
        new,
        facts["not_checked"],
        cohort,
        strangers,
        facts["no_picture"],
        facts["heads"]["says"],
        facts["key"],
        (facts["certificate"] or {}).get("says", ""),
        facts["envelopes"]["says"],
    )


def _gather(job: Job, head: str) -> dict[str, Any]:
    """Return all that a report tells, as plain values without anything of a patient."""
    ledger, settings = job.ledger, job.work.settings
    counts = ledger.statuses()
    decoys, told_of_decoys = decoys_of(ledger)
    unchecked = dict(ledger.table("SELECT what, count(*) FROM unchecked GROUP BY what"))
    withheld = ledger.table(
        f"SELECT status, row FROM file WHERE status NOT IN {FINE} ORDER BY 1, 2"
    )
    actions = "SELECT code, sum(n) FROM action GROUP BY code ORDER BY 2 DESC"
    return {
        "medlab": __version__,
        "edition": dicom.EDITION,
        "policy": settings.policy,
        "options": [
            *settings.options,
            *([PIXELS] if settings.clean_pixels else []),
            *([FACES] if settings.head != "leave" else []),
        ],
        "heads": heads(ledger, settings),
        "envelopes": _envelopes(ledger, settings),
        "rules": dicom.own_rules.lines(settings.rules),
        "allow_identifiers": settings.allow_identifiers,
        "unclaimed": plan_of(settings).unclaimed,
        "codes": "drawn" if settings.policy == SAFE_HARBOR else settings.codes,
        "started": job.started,
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": sum(counts.values()),
        "statuses": counts,
        "withheld": _by_first(withheld, ("status",)),
        "actions": dict(ledger.table(actions)),
        "options_used": _options(ledger),
        "findings": _findings(ledger),
        "recognizer": _recognizer(ledger),
        "no_picture": unchecked.pop(NO_PICTURE, 0),
        "not_checked": unchecked,
        "images_not_checked": ledger.table(
            f"SELECT count(DISTINCT row) FROM unchecked WHERE what <> '{NO_PICTURE}'"
        )[0][0],
        "other_forms": ledger.table(
            "SELECT count(*) FROM file WHERE copies > 0 AND status = 'done'"
        )[0][0],
        "owners": dict(zip(("files_joined", "studies_of_several"), job.owners, strict=True)),
        "kept_texts": ledger.table("SELECT count(DISTINCT number) FROM text_kept")[0][0],
        "vault": {} if job.vault is None else job.vault.count(),
        "audit": {"lines": job.audit.count, "head": head},
        "key": _key_words(job),
        "decoys": decoys,
        "words": [*_words(settings, job.vault is not None), *told_of_decoys],
    }


def decoys_of(ledger: Ledger) -> tuple[tuple[int, int], list[str]]:
    """Return how many studies are decoys, how many there are, and what recipients must be told."""
    is_decoy = {
        Path(row.target).parts[:2]: row.source.is_absolute()
        for row in ledger.rows()
        if row.status == "done"
    }
    decoys, studies = sum(is_decoy.values()), len(is_decoy)
    sentence = (
        f"{decoys} of {studies} studies are decoys, false data: tell recipients that there are"
    )
    much = f"{sentence}. Above 5 % of the studies, so statistics will suffer."
    words = much if decoys > _MANY_DECOYS * studies else f"{sentence}."
    return (decoys, studies), [words] * bool(decoys)


def _key_words(job: Job) -> str:
    """Return who can restore with a copy of the private folder; empty where a key file says it."""
    if (job.work.folder / "key").exists():
        return _IN_CLEAR.format(_CAN[job.vault is not None])
    by = "" if job.vault is None else job.vault.locked_by
    return _LOCKED.format(_OPENERS[by]) if by else ""


def _certificate(job: Job, strangers: int) -> dict[str, Any] | None:
    """Return the 18 kinds of Safe Harbor, each with what became of it; None for other policies."""
    if job.work.settings.policy != SAFE_HARBOR:
        return None
    unchecked = (
        strangers
        + job.ledger.table(
            f"SELECT count(DISTINCT row) FROM unchecked JOIN file USING (row) "
            f"WHERE status = 'done' AND what <> '{NO_PICTURE}'"
        )[0][0]
    )
    unread = job.ledger.table(
        f"""SELECT count(*) FROM file WHERE status NOT IN {FINE}
        AND row NOT IN (SELECT row FROM kind)"""
    )[0][0]
    counts = {
        (kind, status == "done"): (elements, files)
        for kind, status, elements, files in job.ledger.table(
            """SELECT kind.kind, CASE status WHEN 'done' THEN 'done' ELSE 'withheld' END AS fate,
            sum(n), count(*) FROM kind JOIN file USING (row)
            WHERE status <> 'duplicate' GROUP BY 1, 2"""
        )
    }
    rows = []
    for number, kind in dicom.safe_harbor.KINDS.items():
        removed, withheld = counts.get((number, True), (0, 0))[0], unread
        withheld += counts.get((number, False), (0, 0))[1]
        word = "removed" if removed else "withheld" if withheld else "none present"
        row = {"number": number, "kind": kind.kind, "status": "not checked" if unchecked else word}
        rows.append(row | {"removed": removed, "withheld": withheld, "not_checked": unchecked})
    said = _NOT_SAFE if unchecked else _SAFE if job.ledger.statuses().get("done") else _NOTHING
    return {"rows": rows, "holds": said is _SAFE, "says": said[0], "words": said[1]}


def heads(ledger: Ledger, settings: Settings) -> dict[str, Any]:
    """Return what was measured on the heads that were cut, the worst of all images."""
    heads = ledger.heads()
    says = ""
    if heads["cut"] and settings.head == "deface":
        says = (
            f"heads defaced: {heads['cut']}; at worst {heads['residual_face']:.3f} of a face "
            f"left, {heads['brain_changed']:.0f} brain voxels changed, {heads['head_kept']:.3f} "
            "of a head kept"
        )
    elif heads["cut"]:
        says = (
            f"heads skull-stripped: {heads['cut']}; brains of {heads['least_ml']:.0f} to "
            f"{heads['most_ml']:.0f} ml, at worst {heads['residual_face']:.3f} of the front left"
        )
    return heads | {"says": says}


def _envelopes(ledger: Ledger, settings: Settings) -> dict[str, Any]:
    """Return who can open the encrypted attributes of how many files, and which have none."""
    subjects = [certificate_of(pem).subject.rfc4514_string() for pem in settings.recipients]
    kinds = dict(
        ledger.table("SELECT kind, count(*) FROM file WHERE status = 'done' GROUP BY kind")
    )
    kept = ledger.table(f"SELECT count(*) FROM finding WHERE message = '{ENVELOPE_KEPT}'")[0][0]
    files, nifti = (kinds.get(kind, 0) if subjects else 0 for kind in ("dicom", "nifti"))
    says = [f"attributes that came encrypted were kept in {kept} files"] * bool(kept)
    if subjects:
        whose = f"{len(subjects)} recipient{'s' * (len(subjects) > 1)}"
        says.insert(0, f"encrypted attributes in {files} files, for {whose}")
        says += [f"{nifti} NIfTI files have no place for them"] * bool(nifti)
    counts = {"files": files, "no_place": nifti, "kept": kept}
    return {"recipients": subjects} | counts | {"says": "; ".join(says)}


def _recognizer(ledger: Ledger) -> dict[str, Any]:
    """Return how many pictures (of a cine none are counted) were read for text, of how many."""
    read, pictures = ledger.table(
        f"""SELECT sum(CAST(message AS INTEGER)),
        sum(CAST(substr(message, instr(message, ' of ') + 4) AS INTEGER))
        FROM finding WHERE message LIKE '%{PICTURES_READ}'"""
    )[0]
    says = f"{read} of {pictures} {PICTURES_READ}." if pictures else ""
    if pictures and read < pictures:
        says += (
            " The others show no more strokes, at any place, than slices of their series that "
            "were read and hold no text."
        )
    return {"read": read or 0, "pictures": pictures or 0, "says": says}


def _findings(ledger: Ledger) -> list[dict[str, Any]]:
    rows = ledger.table(
        """SELECT severity, message, place, row FROM finding
        WHERE severity <> 'info' ORDER BY 1, 2, 3, 4"""
    )
    return _by_first(rows, ("severity", "message", "place"))


def _by_first(table: list[tuple[Any, ...]], names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Group rows whose last cell is a row number; name the first few of each group."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for *what, row in table:
        groups.setdefault(tuple(what), []).append(row)
    return [
        dict(zip(names, what, strict=True)) | {"files": len(rows), "rows": rows[:_FIRST_ROWS]}
        for what, rows in groups.items()
    ]


def _options(ledger: Ledger) -> dict[str, dict[str, int]]:
    out: dict[str, Counter[str]] = {}
    for option, code, n in ledger.table(
        "SELECT option, code, sum(n) FROM action GROUP BY 1, 2 ORDER BY 1, 3 DESC"
    ):
        out.setdefault(str(option) or "basic profile", Counter())[str(code)] = int(n)
    return {option: dict(counts) for option, counts in out.items()}


def _words(settings: Settings, vault: bool) -> list[str]:
    """Return what may be said of the result, and what may not."""
    words = [
        "Verification looked for what stands in the source headers. It can't find a name that "
        "stands in no header, a face, or text in pixels that were not checked.",
        "This is not Safe Harbor (45 CFR 164.514(b)(2)): keyed codes are derived from the "
        "person's data, and shifted or kept dates are finer than the year. Sharing needs "
        "Expert Determination (164.514(b)(1)) or a data use agreement.",
    ]
    if settings.allow_identifiers:
        words.append(
            "Own rules keep identifiers of the patient, so these data are not de-identified: "
            "Patient Identity Removed says NO in each file."
        )
    if settings.codes == "random":
        words[1] = words[1].replace("keyed codes are", "UIDs and date offsets are keyed, so still")
    if settings.recipients:
        words.append(
            "Each DICOM file holds what was taken out of it, encrypted. So the data are "
            "pseudonymized, not anonymous: each recipient can restore them with a private key, "
            "without vault and key of this job."
        )
    if vault:
        words.append(
            "A vault exists, so the data are pseudonymized, not anonymous: whoever holds vault "
            "and key can restore the identifiers."
        )
    return words
