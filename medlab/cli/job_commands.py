"""Commands of a job: clean a folder, or what a scanner sends; look at what is left; review."""

from __future__ import annotations

import re
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from medlab.cli.options import (
    FAILED,
    KEY_OF_JOB,
    PATH,
    commands,
    opened,
)
from medlab.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from medlab.crypto import Lock
    from medlab.pipeline import Settings
    from medlab.pixels import Box

_POLICIES = click.Choice(["basic", "research", "safe-harbor"])
_PIXEL_POLICIES = click.Choice(["allow", "match"])
_RULES = click.option("--rules", "rules_file", type=PATH, help="Own rules over the policy (YAML).")
_ZIPS = click.option(
    "--restricted-zips",
    type=PATH,
    help="safe-harbor: ZIP areas (3 digits) of 20,000 people or fewer; else the 17 of 2000.",
)
_ALLOW_IDENTIFIERS = click.option(
    "--allow-identifiers",
    multiple=True,
    metavar="KEYWORD",
    help="An identifier of the patient that own rules may keep. Repeatable.",
)


_OPTIONS_OF_A_JOB = (
    click.option("--policy", type=_POLICIES, default="basic", show_default=True),
    click.option(
        "--option", "options", multiple=True, metavar="NAME", help="PS3.15 option. Repeatable."
    ),
    opened,
    click.option(
        "--codes", type=click.Choice(["keyed", "random"]), default="keyed", show_default=True
    ),
    click.option("--ids", "ids_file", type=PATH, help="New patient IDs: CSV with old and new."),
    click.option(
        "--unknown",
        type=click.Choice(["withhold", "code"]),
        default="withhold",
        show_default=True,
        help="What becomes of patients whom --ids does not name.",
    ),
    click.option("--clean-pixels", is_flag=True, help="Take text out of the pixels."),
    click.option("--pixel-policy", type=_PIXEL_POLICIES, default="allow"),
    click.option("--recipe", type=PATH, help="Pixel rules for devices (YAML)."),
    click.option(
        "--similar-slices",
        type=click.Choice(["read", "pass"]),
        default="read",
        show_default=True,
        help="MR slices with no more strokes than others of their series that hold no text: "
        "read them, or pass them over at a third of the cost.",
    ),
    click.option(
        "--quarantine", type=click.Choice(["ask", "none"]), default="ask", show_default=True
    ),
    click.option(
        "--keep-private", multiple=True, metavar="CREATOR", help="Private creator to keep."
    ),
    _RULES,
    _ALLOW_IDENTIFIERS,
    click.option(
        "--encrypt-to",
        multiple=True,
        type=PATH,
        metavar="CERT.pem",
        help="What goes stays in each file, encrypted for this recipient. Repeatable.",
    ),
    click.option("--no-vault", is_flag=True, help="Keep nothing to re-identify with."),
    click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True),
)


def _options_of_a_job(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all that a job asks for, whether its files lie there or come one by one."""
    for option in reversed(_OPTIONS_OF_A_JOB):
        command = option(command)
    return command


@commands.command("deidentify")
@click.argument("source", metavar="SRC", type=PATH)
@click.argument("target", metavar="DST", type=PATH)
@_options_of_a_job
@click.option("--map", "map_file", type=PATH, help="Copy of the map (CSV).")
@click.option(
    "--head",
    type=click.Choice(["leave", "deface", "strip"]),
    default="leave",
    show_default=True,
    help="Cut faces out of heads, or keep the brain only.",
)
@click.option("--cohort-k", type=click.IntRange(2), help="Smallest class of the cohort.")
@click.option("--qi", multiple=True, help="Quasi-identifiers, with commas or repeated.")
@click.option("--sensitive", default="", help="The sensitive column, for l and t.")
@click.option("--cohort-l", type=click.IntRange(1), default=1, help="Its values in each class.")
@click.option("--cohort-t", type=float, help="Largest distance of a class from the cohort.")
@click.option("--cohort-method", default="mondrian", show_default=True, metavar="NAME")
@_ZIPS
@click.option("--scheduler", metavar="ADDR", help="A Dask cluster that sees the same folders.")
@click.option("--overwrite", is_flag=True, help="Do it anew, though there are outputs.")
def _deidentify(
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
    from medlab import pipeline
    from medlab.pipeline.pool import cluster

    settings = _settings_of(**choices)
    with cluster(scheduler) if scheduler else nullcontext() as each:
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


def _settings_of(
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
        from medlab.pixels.decide import load_recipe

        choices["pixel_rules"] = tuple(load_recipe(recipe))
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
    type=_POLICIES,
    help="What was asked for; without it, what each file says of itself.",
)
@click.option("--option", "options", multiple=True, metavar="NAME", help="PS3.15 option.")
@click.option("--keep-private", multiple=True, metavar="CREATOR", help="Private creator kept.")
@_ZIPS
@_RULES
@_ALLOW_IDENTIFIERS
@click.option("--vault", "vault_file", type=PATH, help="Pass over the decoys that it knows.")
@KEY_OF_JOB
def _verify(
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
def _rules(policy: str, options: tuple[str, ...]) -> None:
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
        areas = re.split(r"[\s,;]+", file.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        raise UsageError("the file of restricted ZIP codes cannot be read") from None
    if not all(re.fullmatch(r"\d{3}", area) for area in areas):
        raise UsageError("restricted ZIP codes are given by their first three digits")
    return tuple(sorted(set(areas)))


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
@click.option("--policy", type=_PIXEL_POLICIES, default="allow", show_default=True)
@click.option("--recipe", type=PATH, help="Rules for devices (YAML).")
@click.option("--csv", "table", type=PATH, help="Table of all boxes.")
@click.option("--sheets", type=PATH, help="Folder for contact sheets.")
@click.option("--overwrite", is_flag=True, help="Write over a table or sheets that are there.")
def _find_pixels(source: Path, recipe: Path | None, **choices: Any) -> None:
    """Look for text in a DICOM file or folder; nothing is changed.

    Prints counts only. The table and the sheets hold what was read: keep them private.
    """
    from medlab.pixels import box_review

    files = box_review.look(source, recipe_file=recipe, **choices)
    removed = kept = failed = 0
    for one in tqdm(files, unit="file", disable=None):
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
    from medlab.pipeline.job_files import held, private_folder
    from medlab.pixels import box_review

    folder = private_folder(target)
    additions = [_addition(text) for text in add]
    with held(folder) if folder.is_dir() else nullcontext():
        files = box_review.approve(
            boxes or folder / "pixels.csv",
            folder / "pixels-approved.csv",
            accept=accept,
            add=additions,
            drop=drop,
        )
    click.echo(f"{files} files approved")
    summary = pipeline.rerun(target, key_file=key_file, lock=lock, progress=sys.stderr.isatty())
    for line in summary.lines():
        click.echo(line)
    if not summary.ok:
        raise SystemExit(FAILED)


def _addition(text: str) -> tuple[str, Box]:
    """Return file and box of a text such as ``7:0,0,640,40``."""
    from medlab.pixels import Box

    name, _, numbers = text.rpartition(":")
    try:
        return name, Box(*(int(part) for part in numbers.split(",")))
    except (TypeError, ValueError):
        raise UsageError("a box to add is written ROW:X0,Y0,X1,Y1") from None


@commands.command("gateway")
@click.argument("target", metavar="DST", type=PATH)
@click.option("--port", type=click.IntRange(1, 65535), required=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Others need --allow.")
@click.option("--ae-title", default="MEDLAB", show_default=True)
@click.option("--allow", multiple=True, metavar="AE", help="Who may send. Repeatable.")
@click.option("--forward", metavar="AE@HOST:PORT", help="Where outputs are sent on to.")
@click.option("--durable", is_flag=True, help="Written through to the disk before the answer.")
@click.option("--max-mb", type=click.IntRange(1), default=1024, show_default=True)
@click.option("--max-associations", type=click.IntRange(1), default=16, show_default=True)
@click.option("--tls-cert", "certificate", type=PATH, metavar="F", help="PEM.")
@click.option(
    "--tls-key", "private_key", type=PATH, metavar="F", help="PEM, without a passphrase."
)
@click.option("--plain", is_flag=True, help="In clear on a network.")
@_options_of_a_job
@click.option("--head", default="leave", hidden=True)
@click.option("--cohort-k", type=int, hidden=True)
def _gateway(
    target: Path,
    forward: str | None,
    key_file: Path | None,
    lock: Lock | None,
    ids_file: Path | None,
    jobs: int,
    cohort_k: int | None,
    **choices: Any,
) -> None:
    """Receive DICOM from scanners, clean and verify it, and send it on.

    What was received waits in DST.job/queue and is worked off as by medlab deidentify; what is
    withheld stays there. SIGTERM ends it in order; after a crash the same command goes on.

    \b
    medlab gateway clean --port 11112 --policy research --key-file key
    medlab gateway clean --port 11112 --host 0.0.0.0 --allow CT1 --tls-cert c.pem --tls-key k.pem
    """  # noqa: D301  # click wants the character itself
    from medlab import gateway

    if cohort_k is not None:
        raise UsageError("a cohort needs all files at once; run deidentify on what came in")
    names = gateway.Listener.__dataclass_fields__
    listener = gateway.Listener(**{name: choices.pop(name) for name in names})
    summary, (taken, refused, waiting) = gateway.serve(
        target,
        _settings_of(**choices),
        listener,
        gateway.Receiver.parse(forward) if forward else None,
        listening=lambda: click.echo(f"listening on port {listener.port}", err=True),
        key_file=key_file,
        lock=lock,
        ids_file=ids_file,
        jobs=jobs,
    )
    for line in summary.lines():
        click.echo(line)
    if forward:
        click.echo(f"sent on: {taken}; refused by the receiver: {refused}; not yet: {waiting}")
    if not summary.ok:
        raise SystemExit(FAILED)
