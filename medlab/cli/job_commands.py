"""Commands of a job: clean a folder, look at what is left, review, lead back."""

from __future__ import annotations

import re
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from medlab.cli.group import FAILED, commands
from medlab.cli.options import (
    KEY_OF_JOB,
    PATH,
    PIXEL_POLICIES,
    POLICIES,
    VAULT,
    lock_of,
    opened,
    ways_to_key,
)
from medlab.errors import UsageError

if TYPE_CHECKING:
    from medlab.crypto import Lock
    from medlab.pipeline import Settings
    from medlab.pipeline.copies import Copies

RULES = click.option("--rules", "rules_file", type=PATH, help="Own rules over the policy (YAML).")
_ZIPS = click.option(
    "--restricted-zips",
    type=PATH,
    help="safe-harbor: ZIP areas (3 digits) of 20,000 people or fewer; else the 17 of 2000.",
)
ALLOW_IDENTIFIERS = click.option(
    "--allow-identifiers",
    multiple=True,
    metavar="KEYWORD",
    help="An identifier of the patient that own rules may keep. Repeatable.",
)


POLICY = click.option("--policy", type=POLICIES, default="basic", show_default=True)
OPTION = click.option(
    "--option", "options", multiple=True, metavar="NAME", help="PS3.15 option. Repeatable."
)
CODES = click.option(
    "--codes", type=click.Choice(["keyed", "random"]), default="keyed", show_default=True
)
IDS = click.option("--ids", "ids_file", type=PATH, help="New patient IDs: CSV with old and new.")
UNKNOWN = click.option(
    "--unknown",
    type=click.Choice(["withhold", "code"]),
    default="withhold",
    show_default=True,
    help="What becomes of patients whom --ids does not name.",
)
CLEAN_PIXELS = click.option("--clean-pixels", is_flag=True, help="Take text out of the pixels.")
PIXEL_POLICY = click.option("--pixel-policy", type=PIXEL_POLICIES, default="allow")
RECIPE = click.option("--recipe", type=PATH, help="Pixel rules for devices (YAML).")
QUARANTINE = click.option(
    "--quarantine", type=click.Choice(["ask", "none"]), default="ask", show_default=True
)
KEEP_PRIVATE = click.option(
    "--keep-private", multiple=True, metavar="CREATOR", help="Private creator to keep."
)
ENCRYPT_TO = click.option(
    "--encrypt-to",
    multiple=True,
    type=PATH,
    metavar="CERT.pem",
    help="What goes stays in each file, encrypted for this recipient. Repeatable.",
)
NO_VAULT = click.option("--no-vault", is_flag=True, help="Keep no way back.")
JOBS = click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True)


@commands.command("deidentify")
@click.argument("source", metavar="SRC", type=PATH)
@click.argument("target", metavar="DST", type=PATH)
@POLICY
@OPTION
@opened
@CODES
@IDS
@UNKNOWN
@click.option("--map", "map_file", type=PATH, help="Copy of the map (CSV).")
@CLEAN_PIXELS
@PIXEL_POLICY
@RECIPE
@click.option(
    "--head",
    type=click.Choice(["leave", "deface", "strip"]),
    default="leave",
    show_default=True,
    help="Cut faces out of heads, or keep the brain only.",
)
@QUARANTINE
@click.option("--cohort-k", type=click.IntRange(2), help="Smallest class of the cohort.")
@click.option("--qi", multiple=True, help="Quasi-identifiers, with commas or repeated.")
@click.option("--sensitive", default="", help="The sensitive column, for l and t.")
@click.option("--cohort-l", type=click.IntRange(1), default=1, help="Its values in each class.")
@click.option("--cohort-t", type=float, help="Largest distance of a class from the cohort.")
@click.option("--cohort-method", default="mondrian", show_default=True, metavar="NAME")
@KEEP_PRIVATE
@_ZIPS
@RULES
@ALLOW_IDENTIFIERS
@ENCRYPT_TO
@NO_VAULT
@JOBS
@click.option("--scheduler", metavar="ADDR", help="A Dask cluster that sees the same folders.")
@click.option("--overwrite", is_flag=True, help="Do it anew, though there are outputs.")
def deidentify(
    source: Path,
    target: Path,
    key_file: Path | None,
    lock: Lock | None,
    map_file: Path | None,
    ids_file: Path | None,
    jobs: int,
    scheduler: str | None,
    overwrite: bool,
    **choices: Any,
) -> None:
    """De-identify a file or a folder to PS3.15, verify the result, report.

    What identifies (key, vault, map, review tables) goes into the private folder DST.job.
    A second run does only what is missing.

    \b
    medlab deidentify study clean --policy research
    medlab deidentify study clean --option retain-device-identity --jobs 4
    medlab deidentify study clean --passphrase-file words
    medlab deidentify study clean --shares a --shares b --shares c
    medlab deidentify study clean --encrypt-to office.pem --encrypt-to board.pem
    """  # noqa: D301  # click wants the character itself
    from medlab import pipeline, scale

    settings = settings_of(**choices)
    with scale.cluster(scheduler) if scheduler else nullcontext() as each:
        summary = pipeline.deidentify(
            source,
            target,
            settings,
            key_file=key_file,
            lock=lock,
            map_file=map_file,
            ids_file=ids_file,
            jobs=jobs,
            overwrite=overwrite,
            progress=sys.stderr.isatty(),
            each=each,
        )
    for line in summary.lines():
        click.echo(line)
    if not summary.ok:
        raise SystemExit(FAILED)


def settings_of(
    *,
    qi: tuple[str, ...] = (),
    recipe: Path | None,
    rules_file: Path | None,
    restricted_zips: Path | None = None,
    encrypt_to: tuple[Path, ...] = (),
    no_vault: bool,
    **choices: Any,
) -> Settings:
    """Return the settings that the options of a command ask for."""
    from medlab import pipeline
    from medlab.crypto import envelope

    if recipe is not None:
        from medlab.pixels.recipe import load

        choices["pixel_rules"] = tuple(load(recipe))
    return pipeline.Settings(
        quasi=tuple(name.strip() for names in qi for name in names.split(",") if name.strip()),
        rules=_text_of(rules_file),
        restricted_zips=_zips_of(restricted_zips),
        recipients=tuple(map(envelope.read_pem, encrypt_to)),
        vault=not no_vault,
        **choices,
    )


@commands.command("verify")
@click.argument("source", metavar="SRC", type=PATH)
@click.argument("target", metavar="DST", type=PATH)
@click.option(
    "--policy",
    type=POLICIES,
    help="What was asked for; without it, what each file says of itself.",
)
@click.option("--option", "options", multiple=True, metavar="NAME", help="PS3.15 option.")
@click.option("--keep-private", multiple=True, metavar="CREATOR", help="Private creator kept.")
@_ZIPS
@RULES
@ALLOW_IDENTIFIERS
@click.option("--vault", "vault_file", type=PATH, help="Pass over the decoys that it knows.")
@KEY_OF_JOB
def verify(
    source: Path,
    target: Path,
    policy: str | None,
    options: tuple[str, ...],
    keep_private: tuple[str, ...],
    restricted_zips: Path | None,
    rules_file: Path | None,
    allow_identifiers: tuple[str, ...],
    vault_file: Path | None,
    key_file: Path | None,
) -> None:
    """Look for what is left of SRC in DST, however DST was made."""
    from medlab import dicom, pipeline
    from medlab.dicom.verify import LIMITS
    from medlab.pipeline import cohort_in_headers, decoys

    words = (options, keep_private, _zips_of(restricted_zips))
    plan = dicom.plan(policy, *words) if policy else None
    if rules_file is not None:
        if plan is None:
            raise UsageError("own rules lie over a policy; name it with --policy")
        plan = dicom.lay_over(plan, _text_of(rules_file), allow_identifiers)
    if key_file is not None and vault_file is None:
        raise UsageError("the key opens a vault; name it with --vault")
    register = decoys.Register(vault_file, key_file) if vault_file else None
    findings = pipeline.verify(source, target, plan, register)
    for finding in findings:
        number = f"file {finding.file}: " if finding.file else ""
        click.echo(f"{finding.severity}  {number}{finding.path}  {finding.message}")
    for limit in LIMITS:
        click.echo(f"not proved: {limit}")
    classes = cohort_in_headers.check(target) if target.is_dir() else None
    if classes is not None:
        click.echo(classes.sentence())
    broken = classes is not None and not classes.holds
    if broken or any(finding.severity == "fail" for finding in findings):
        raise SystemExit(FAILED)
    click.echo("nothing was found that should not be there")


@commands.command("rules")
@click.option("--policy", type=click.Choice(["basic", "research"]), default="basic")
@click.option("--option", "options", multiple=True, metavar="NAME", help="PS3.15 option.")
def rules(policy: str, options: tuple[str, ...]) -> None:
    """Write a policy as a file of own rules, to begin one of yours with.

    \b
    medlab rules --policy research > rules.yaml
    medlab deidentify study clean --policy research --rules rules.yaml
    """  # noqa: D301  # click wants the character itself
    from medlab import dicom

    click.echo(dicom.own_rules.as_yaml(dicom.plan(policy, options)), nl=False)


def _zips_of(file: Path | None) -> tuple[str, ...]:
    """Return the three-digit ZIP codes of a file, with spaces, commas or lines between them."""
    if file is None:
        return ()
    try:
        found = re.split(r"[\s,;]+", file.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        raise UsageError("the file of restricted ZIP codes cannot be read") from None
    if not all(re.fullmatch(r"\d{3}", one) for one in found):
        raise UsageError("restricted ZIP codes are given by their first three digits")
    return tuple(sorted(set(found)))


def _text_of(file: Path | None) -> str:
    """Return what a file of own rules says."""
    try:
        text = "" if file is None else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise UsageError("the file of own rules cannot be read; give a YAML in UTF-8") from None
    if file is not None and not text.strip():
        raise UsageError("the file of own rules is empty; write one 'KEYWORD: action' a line")
    return text


@commands.group("pixels")
def _pixel_commands() -> None:
    """See the text in pixels, and review what is done with it."""


@_pixel_commands.command("find")
@click.argument("source", metavar="SRC", type=PATH)
@click.option("--policy", type=PIXEL_POLICIES, default="allow", show_default=True)
@click.option("--recipe", type=PATH, help="Rules for devices (YAML).")
@click.option("--csv", "table", type=PATH, help="Table of all boxes.")
@click.option("--sheets", type=PATH, help="Folder for contact sheets.")
@click.option("--overwrite", is_flag=True, help="Write over a table or sheets that are there.")
def _find_pixels(source: Path, recipe: Path | None, **choices: Any) -> None:
    """Look for text in a DICOM file or folder; nothing is changed.

    Prints counts only. The table and the sheets hold what was read: keep them private.
    """
    from medlab.pixels import survey

    found = survey.look(source, recipe_file=recipe, **choices)
    removed = kept = failed = 0
    for one in tqdm(found, unit="file", disable=None):
        removed, kept, failed = removed + one.removed, kept + one.kept, failed + bool(one.problem)
        if one.problem:
            tqdm.write(f"file {one.number}: {one.problem}", file=sys.stderr)
    click.echo(f"{removed} boxes to remove, {kept} that may stay, {failed} files not checked")
    if failed:
        raise SystemExit(FAILED)


@_pixel_commands.command("review")
@click.argument("target", metavar="DST", type=PATH)
@click.option("--accept", multiple=True, metavar="ROW|all", help="Take the boxes of a file.")
@click.option("--add", multiple=True, metavar="ROW:X0,Y0,X1,Y1", help="Fill this box as well.")
@click.option("--drop", multiple=True, type=int, metavar="LINE", help="A line not to fill.")
@click.option("--boxes", type=PATH, help="An edited copy of pixels.csv.")
@opened
def _review_pixels(
    target: Path,
    accept: tuple[str, ...],
    add: tuple[str, ...],
    drop: tuple[int, ...],
    boxes: Path | None,
    key_file: Path | None,
    lock: Lock | None,
) -> None:
    """Approve the boxes of a job's images, then run the job again.

    DST.job/pixels.csv lists the boxes, DST.job/sheets shows them; ROW is the number of the
    file in the map. Approved files are filled exactly so, saved screens and dose reports
    included.

    \b
    medlab pixels review clean --accept 7 --add 7:0,0,640,40
    medlab pixels review clean --boxes edited.csv --accept all
    """  # noqa: D301  # click wants the character itself
    from medlab import pipeline
    from medlab.pixels import box_review

    folder = target.with_name(target.name + ".job")
    files = box_review.approve(
        boxes or folder / "pixels.csv",
        folder / "pixels-approved.csv",
        accept=accept,
        add=[box_review.parse_addition(text) for text in add],
        drop=drop,
    )
    click.echo(f"{files} files approved")
    summary = pipeline.rerun(target, key_file=key_file, lock=lock, progress=sys.stderr.isatty())
    for line in summary.lines():
        click.echo(line)
    if not summary.ok:
        raise SystemExit(FAILED)


@commands.command("reidentify")
@click.argument("source", metavar="SRC", type=PATH)
@click.argument("target", metavar="[DST]", required=False, type=PATH)
@VAULT
@ways_to_key
@click.option("--private-key", type=PATH, metavar="KEY.pem", help="Open encrypted attributes.")
@click.option("--certificate", type=PATH, metavar="CERT.pem", help="That of --private-key.")
@click.option("--reason", default="", help="Why; goes into the log. Needed to read a vault.")
@click.option(
    "--rotate-to",
    multiple=True,
    type=PATH,
    metavar="FILE",
    help="Put the vault under this key, made if new; given three times, under three shares.",
)
@click.option("--rotate-to-passphrase", type=PATH, metavar="FILE", help="Or under a passphrase.")
def reidentify(
    source: Path,
    target: Path | None,
    vault_file: Path | None,
    key_file: Path | None,
    passphrase_file: Path | None,
    shares: tuple[Path, ...],
    private_key: Path | None,
    certificate: Path | None,
    reason: str,
    rotate_to: tuple[Path, ...],
    rotate_to_passphrase: Path | None,
) -> None:
    """Restore identifiers from the vault, for those who hold its key. Every read is logged.

    The key of one patient (medlab key patient) restores that patient's files alone. With
    --private-key, what deidentify --encrypt-to put into the files is put back, without a vault;
    --passphrase-file is then that of KEY.pem.

    \b
    medlab reidentify clean restored --reason "incidental finding"
    medlab reidentify clean restored --private-key office.key --certificate office.pem
    medlab reidentify clean --rotate-to new-key
    """  # noqa: D301  # click wants the character itself
    from medlab import pipeline
    from medlab.pipeline.reidentification import rotate

    rotates = bool(rotate_to or rotate_to_passphrase)
    if (target is not None) == rotates:
        raise UsageError("give either a DST to restore into, or --rotate-to to change the key")
    if private_key or certificate:
        if not (target and private_key and certificate) or vault_file or key_file or shares:
            raise UsageError("give DST, --private-key and --certificate, and nothing of a vault")
        _tell(pipeline.open_envelopes(source, target, private_key, certificate, passphrase_file))
        return
    lock = lock_of(key_file, passphrase_file, shares)
    with pipeline.open_vault(source, vault_file, key_file, lock) as vault:
        if target is None:
            moved = rotate(source, vault, rotate_to, rotate_to_passphrase)
            click.echo(f"{moved} entries moved; the old key opens nothing now")
            return
        _tell(pipeline.reidentify(source, target, vault, reason=reason))


def _tell(done: Copies) -> None:
    click.echo(f"{done.files} files restored, {done.refused} refused")
    if done.refused or not done.files:
        raise SystemExit(FAILED)


@commands.command("audit")
@click.argument("log", metavar="LOG", type=PATH)
@opened
@click.option("--head", help="The last hash, as it was noted elsewhere.")
def audit(log: Path, key_file: Path | None, lock: Lock | None, head: str | None) -> None:
    """Check the chain of an audit log (audit.jsonl, vault.db.log).

    With a key (an auditor's, from medlab key audit, will do) also its seals, and the end of a
    vault's log. The key that a vault may have beside it is taken by itself.
    """
    from medlab import crypto
    from medlab.pipeline.reidentification import auditing_key

    vault_file, own = log.with_name(log.name.removesuffix(".log")), log.with_name("key")
    is_vaults = vault_file != log and vault_file.is_file()
    if is_vaults and own.is_file() and lock is None:
        key_file = key_file or own
    key = auditing_key(log, vault_file if is_vaults else log.with_name("vault.db"), key_file, lock)
    end = crypto.vault.log_head(vault_file, key) if key and is_vaults else None
    problems = crypto.audit.check(log, key, head, end)
    for problem in problems:
        click.echo(problem)
    if problems:
        raise SystemExit(FAILED)
    lines = sum(1 for _ in log.open("rb"))
    unchecked = "; its end was not checked, for that takes the key or --head"
    click.echo(f"the log is whole up to line {lines}{unchecked * (head is None and end is None)}")
