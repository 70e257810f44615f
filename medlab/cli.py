"""The command line: one subcommand a verb. What a verb needs is imported when it is used."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from medlab import __version__
from medlab.errors import InputError, MedlabError, UsageError

FAILED = 1
BAD_USAGE = 2


class _Commands(click.Group):
    """A group that turns medlab's errors into one sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except MedlabError as error:
            click.echo(f"medlab: {error}", err=True)
            ctx.exit(BAD_USAGE if isinstance(error, UsageError) else FAILED)
        except PermissionError as error:
            what = error.strerror or "no permission"
            click.echo(f"medlab: {what}; choose a folder that you may write to", err=True)
            ctx.exit(FAILED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="medlab")
def commands() -> None:
    """See, protect, attack and measure the privacy of medical images.

    Exit code 0: done and verified. 1: something was refused or failed, and a
    sentence says what. 2: the command was called wrongly.
    """


@commands.command("run")
@click.argument("notebooks", nargs=-1)
@click.option(
    "-p",
    "parameters",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="Set a parameter that every named notebook defines. May be repeated.",
)
@click.option(
    "-f",
    "parameter_file",
    type=click.Path(path_type=Path),
    help="YAML file with parameters, one NAME: VALUE a line.",
)
@click.option(
    "--grid",
    multiple=True,
    metavar="NAME=V1,V2",
    help="Run once for each value; several grids are combined.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder with your own DICOM or NIfTI files; without it, the sample data.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for the results; without it, runs/<time>.",
)
@click.option(
    "--jobs",
    default=2,
    show_default=True,
    type=click.IntRange(1, 64),
    help="How many notebooks run side by side.",
)
@click.option("--overwrite", is_flag=True, help="Write into a folder that holds a run already.")
@click.option(
    "--show-errors",
    is_flag=True,
    help="Keep error texts and warnings, which may repeat values from files.",
)
@click.option(
    "--list",
    "list_only",
    is_flag=True,
    help="Show the notebooks and their parameters, run nothing.",
)
def run_notebooks(
    notebooks: tuple[str, ...],
    parameters: tuple[tuple[str, str], ...],
    parameter_file: Path | None,
    grid: tuple[str, ...],
    data: Path | None,
    output: Path | None,
    jobs: int,
    overwrite: bool,
    show_errors: bool,
    list_only: bool,
) -> None:
    """Run notebooks without a screen and write a report.

    NOTEBOOKS are paths, names or numbers (03); without any, all of medlab's own. Every
    parameter is checked before anything starts; --list shows what each may be.

    \b
    medlab run
    medlab run 03 -p k 10 -p l 3
    medlab run 03 --grid k=2,5,10
    medlab run 01 04 --data my-studies --output results
    """  # noqa: D301  # click wants the character itself
    from medlab import runs
    from medlab.runs.plan import read_parameter_file

    paths = runs.find_notebooks(notebooks)
    if list_only:
        click.echo(_described(paths))
        return
    given = read_parameter_file(parameter_file) if parameter_file else {}
    planned = runs.plan_jobs(paths, given | dict(parameters), dict(map(_grid_axis, grid)))
    folder = output or Path("runs") / time.strftime("%Y%m%d-%H%M%S")
    click.echo(f"notebooks to run: {len(planned)}, {jobs} side by side, into {folder}")
    with tqdm(total=1, unit="cell", desc="cells", disable=None) as bar:
        outcomes = runs.run(
            planned,
            folder,
            data=data,
            workers=jobs,
            overwrite=overwrite,
            show_errors=show_errors,
            progress=_advance(bar),
            tell=lambda outcome: bar.write(_told(outcome)),
        )
    click.echo(f"report: {folder / 'index.html'}")
    if any(outcome.failure for outcome in outcomes):
        raise SystemExit(FAILED)


def _grid_axis(text: str) -> tuple[str, list[str]]:
    name, equals, values = text.partition("=")
    if not (name and equals and values):
        raise UsageError("a grid is written NAME=V1,V2, such as --grid k=2,5,10")
    return name, values.split(",")


def _described(notebooks: list[Path]) -> str:
    from medlab import runs

    lines = []
    for notebook in notebooks:
        lines.append(notebook.stem)
        for name, about in runs.notebook_parameters(notebook).items():
            lines.append(f"  {name} = {about.default}  {about.help}")
    return "\n".join(lines)


def _advance(bar: Any) -> Any:
    def tell(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return tell


def _told(outcome: Any) -> str:
    if outcome.failure is None:
        return f"done    {outcome.job.name}  {outcome.seconds:.1f} s"
    where = outcome.failure
    return f"stopped {outcome.job.name}  cell {where.cell} ({where.heading}): {where.error}"


@commands.command("samples")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--seed", default=20240301, show_default=True, type=click.IntRange(0))
@click.option(
    "--heads",
    default=3,
    show_default=True,
    type=click.IntRange(1, 99),
    help="Patients with an MR head.",
)
@click.option(
    "--spacing",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0.8, 8),
    help="Voxel edge of the heads in mm.",
)
@click.option(
    "--sessions",
    default=1,
    show_default=True,
    type=click.IntRange(1, 9),
    help="Visits of each patient with a head.",
)
@click.option(
    "--patients",
    default=1500,
    show_default=True,
    type=click.IntRange(10, 1_000_000),
    help="People in the cohort table.",
)
@click.option("--overwrite", is_flag=True, help="Write into a folder that is not empty.")
def write_samples(
    folder: Path,
    seed: int,
    heads: int,
    spacing: float,
    sessions: int,
    patients: int,
    overwrite: bool,
) -> None:
    """Write a small hospital of invented patients into DIR.

    MR heads with faces, imaging studies full of identifiers, a cohort table with its
    register, and truth.json, the list of what they give away. The same numbers give
    the same bytes.
    """
    from medlab import samples

    with tqdm(unit="file", leave=False) as bar:
        files = samples.write(
            folder,
            seed,
            heads=heads,
            spacing_mm=spacing,
            sessions=sessions,
            cohort_patients=patients,
            overwrite=overwrite,
            progress=_advance(bar),
        )
    click.echo(f"{len(files)} files written")


@commands.command("deidentify")
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("target", metavar="DST", type=click.Path(path_type=Path))
@click.option(
    "--policy", type=click.Choice(["basic", "research"]), default="basic", show_default=True
)
@click.option(
    "--option", "options", multiple=True, metavar="NAME", help="PS3.15 option. Repeatable."
)
@click.option("--key-file", type=click.Path(path_type=Path), help="Secret of the project.")
@click.option(
    "--codes", type=click.Choice(["keyed", "random"]), default="keyed", show_default=True
)
@click.option("--map", "map_file", type=click.Path(path_type=Path), help="Copy of the map (CSV).")
@click.option("--clean-pixels", is_flag=True, help="Take text out of the pixels.")
@click.option("--pixel-policy", type=click.Choice(["allow", "match"]), default="allow")
@click.option("--recipe", type=click.Path(path_type=Path), help="Pixel rules for devices (YAML).")
@click.option("--quarantine", type=click.Choice(["ask", "none"]), default="ask", show_default=True)
@click.option("--cohort-k", type=click.IntRange(2), help="Smallest class of the cohort.")
@click.option("--qi", multiple=True, help="Quasi-identifiers, with commas or repeated.")
@click.option("--sensitive", default="", help="The sensitive column of the cohort.")
@click.option("--keep-private", multiple=True, metavar="CREATOR", help="Private creator to keep.")
@click.option("--no-vault", is_flag=True, help="Keep no way back.")
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True)
@click.option("--scheduler", metavar="ADDR", help="A Dask cluster that sees the same folders.")
@click.option("--overwrite", is_flag=True, help="Do it anew, though there are outputs.")
def deidentify(
    source: Path,
    target: Path,
    key_file: Path | None,
    map_file: Path | None,
    recipe: Path | None,
    no_vault: bool,
    jobs: int,
    scheduler: str | None,
    overwrite: bool,
    qi: tuple[str, ...],
    **choices: Any,
) -> None:
    """De-identify a file or a folder to PS3.15, verify the result, report.

    What identifies (key, vault, map, review tables) goes into the private folder DST.job.
    A second run does only what is missing.

    \b
    medlab deidentify study clean --policy research
    medlab deidentify study clean --option retain-device-identity --jobs 4
    """  # noqa: D301  # click wants the character itself
    from medlab import pipeline, scale

    quasi = tuple(name.strip() for names in qi for name in names.split(",") if name.strip())
    if recipe is not None:
        from medlab.pixels.recipe import load

        choices["pixel_rules"] = tuple(load(recipe))
    settings = pipeline.Settings(quasi=quasi, vault=not no_vault, **choices)
    with scale.cluster(scheduler) if scheduler else nullcontext() as each:
        summary = pipeline.deidentify(
            source,
            target,
            settings,
            key_file=key_file,
            map_file=map_file,
            jobs=jobs,
            overwrite=overwrite,
            progress=sys.stderr.isatty(),
            each=each,
        )
    for line in summary.lines():
        click.echo(line)
    if not summary.ok:
        raise SystemExit(FAILED)


@commands.group("pixels")
def pixel_commands() -> None:
    """See the text in pixels, and review what is done with it."""


@pixel_commands.command("find")
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.option(
    "--policy", type=click.Choice(["allow", "match"]), default="allow", show_default=True
)
@click.option("--recipe", type=click.Path(path_type=Path), help="Rules for devices (YAML).")
@click.option("--csv", "table", type=click.Path(path_type=Path), help="Table of all boxes.")
@click.option("--sheets", type=click.Path(path_type=Path), help="Folder for contact sheets.")
@click.option("--overwrite", is_flag=True, help="Write over a table or sheets that are there.")
def find_pixels(source: Path, recipe: Path | None, **choices: Any) -> None:
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


@pixel_commands.command("review")
@click.argument("target", metavar="DST", type=click.Path(path_type=Path))
@click.option("--accept", multiple=True, metavar="ROW|all", help="Take the boxes of a file.")
@click.option("--add", multiple=True, metavar="ROW:X0,Y0,X1,Y1", help="Fill this box as well.")
@click.option("--drop", multiple=True, type=int, metavar="LINE", help="A line not to fill.")
@click.option("--boxes", type=click.Path(path_type=Path), help="An edited copy of pixels.csv.")
@click.option("--key-file", type=click.Path(path_type=Path), help="By default that of the job.")
def review_pixels(
    target: Path,
    accept: tuple[str, ...],
    add: tuple[str, ...],
    drop: tuple[int, ...],
    boxes: Path | None,
    key_file: Path | None,
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
    from medlab.pixels import review

    folder = target.with_name(target.name + ".job")
    files = review.approve(
        boxes or folder / "pixels.csv",
        folder / "pixels-approved.csv",
        accept=accept,
        add=[review.parse_addition(text) for text in add],
        drop=drop,
    )
    click.echo(f"{files} files approved")
    summary = pipeline.rerun(target, key_file=key_file, progress=sys.stderr.isatty())
    for line in summary.lines():
        click.echo(line)
    if not summary.ok:
        raise SystemExit(FAILED)


@commands.command("reidentify")
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("target", metavar="[DST]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--vault", "vault_file", type=click.Path(path_type=Path), help="By default that of SRC.job."
)
@click.option("--key-file", type=click.Path(path_type=Path), help="By default that of SRC.job.")
@click.option("--reason", default="", help="Why; goes into the log. Needed to restore.")
@click.option(
    "--rotate-to",
    type=click.Path(path_type=Path),
    help="Put the vault under this key; made if new.",
)
def reidentify(
    source: Path,
    target: Path | None,
    vault_file: Path | None,
    key_file: Path | None,
    reason: str,
    rotate_to: Path | None,
) -> None:
    """Restore identifiers from the vault, for those who hold its key. Every read is logged.

    \b
    medlab reidentify clean restored --reason "incidental finding"
    medlab reidentify clean --rotate-to new-key
    """  # noqa: D301  # click wants the character itself
    from medlab import crypto, pipeline

    if target is not None and rotate_to is not None:
        raise UsageError("give a DST to restore into, or --rotate-to to change the key, not both")
    with pipeline.open_vault(source, vault_file, key_file) as vault:
        if rotate_to is not None:
            key = crypto.load_key(fallback=rotate_to, environment=False)
            click.echo(f"{vault.rotate(key)} entries moved; the old key opens nothing now")
            return
        if target is None:
            raise UsageError("give a DST to restore into, or --rotate-to to change the key")
        done = pipeline.reidentify(source, target, vault, reason=reason)
    click.echo(f"{done.files} files restored, {done.refused} refused")
    if done.refused or not done.files:
        raise SystemExit(FAILED)


@commands.command("audit")
@click.argument("log", metavar="LOG", type=click.Path(path_type=Path))
@click.option(
    "--key-file",
    type=click.Path(path_type=Path),
    help="Checks the seals, and the end of a vault's log. By default that of the job.",
)
@click.option("--head", help="The last hash, as it was noted elsewhere.")
def audit(log: Path, key_file: Path | None, head: str | None) -> None:
    """Check the chain of an audit log (audit.jsonl, vault.db.log)."""
    from medlab import crypto

    vault_file, own = log.with_name(log.name.removesuffix(".log")), log.with_name("key")
    is_vaults = vault_file != log and vault_file.is_file()
    key_file = key_file or (own if is_vaults and own.is_file() else None)
    key = crypto.load_key(key_file) if key_file else None
    if key is not None and is_vaults:
        with crypto.Vault(vault_file, key, log=log) as vault:
            problems, head = vault.check_log(), vault.log_head
    else:
        problems = crypto.audit.check(log, key and crypto.subkey(key, "audit"), head)
    for problem in problems:
        click.echo(problem)
    if problems:
        raise SystemExit(FAILED)
    lines = sum(1 for _ in log.open("rb"))
    end = "; its end was not checked, for that takes the key or --head" * (head is None)
    click.echo(f"the log is whole up to line {lines}{end}")


@commands.command("inspect")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--reveal", is_flag=True, help="Show values instead of masking them.")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="Write the whole table.")
@click.option("--search", default="", help="Only rows with this in tag, VR, name or concern.")
@click.option("--all", "every", is_flag=True, help="Also elements of no concern.")
def inspect(path: Path, reveal: bool, csv_file: Path | None, search: str, every: bool) -> None:
    """Show what a DICOM or NIfTI file, a folder or a DICOMDIR gives away.

    A file: one line an element of concern. A folder: how often each concern was met.
    """
    from medlab import pipeline

    pipeline.inspect_to(
        click.echo, path, reveal=reveal, csv_file=csv_file, search=search, every=every
    )


@commands.command("dictionary")
@click.argument("text")
def dictionary(text: str) -> None:
    """Search the DICOM dictionary: by tag, part of a name or keyword, or VR.

    \b
    medlab dictionary birth
    medlab dictionary 0010,        the group
    medlab dictionary ,0010        the element of any group
    medlab dictionary 00100010     one tag
    """  # noqa: D301  # click wants the character itself
    from medlab import dicom

    found = dicom.search_dictionary(text)
    if found.empty:
        raise InputError("nothing in the dictionary fits; try a part of the name")
    click.echo(found.to_string(index=False))


@commands.command("verify")
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("target", metavar="DST", type=click.Path(path_type=Path))
@click.option(
    "--policy",
    type=click.Choice(["basic", "research"]),
    help="What was asked for; without it, what each file says of itself.",
)
@click.option("--option", "options", multiple=True, metavar="NAME", help="PS3.15 option.")
@click.option("--keep-private", multiple=True, metavar="CREATOR", help="Private creator kept.")
def verify(
    source: Path,
    target: Path,
    policy: str | None,
    options: tuple[str, ...],
    keep_private: tuple[str, ...],
) -> None:
    """Look for what is left of SRC in DST, however DST was made."""
    from medlab import dicom, pipeline
    from medlab.pipeline import cohort

    plan = dicom.plan(policy, options, keep_private) if policy else None
    findings = pipeline.verify(source, target, plan)
    for finding in findings:
        number = f"file {finding.file}: " if finding.file else ""
        click.echo(f"{finding.severity}  {number}{finding.path}  {finding.message}")
    for limit in dicom.LIMITS:
        click.echo(f"not proved: {limit}")
    classes = cohort.check(target) if target.is_dir() else None
    if classes is not None:
        click.echo(classes.sentence())
    broken = classes is not None and not classes.holds
    if broken or any(finding.severity == "fail" for finding in findings):
        raise SystemExit(FAILED)
    click.echo("nothing was found that should not be there")


_L_KIND = click.option(
    "--l-kind",
    type=click.Choice(["distinct", "entropy", "recursive"]),
    default="distinct",
    show_default=True,
)
_C = click.option(
    "--c", type=float, default=3.0, show_default=True, help="c of recursive (c,l)-diversity."
)
_DISTANCE = click.option(
    "--distance",
    type=click.Choice(["auto", "equal", "ordered"]),
    help="Between sensitive values, for t: auto takes ordered for numbers and dates.  "
    "[default: auto]",
)
_KIND = click.option(
    "--kind",
    default="generalized",
    show_default=True,
    type=click.Choice(["generalized", "microdata", "aggregate", "synthetic"]),
    help="How the release was made: what makes no sense for it says n/a.",
)
_KEY_OF_ORDER = click.option(
    "--key-file",
    type=click.Path(path_type=Path),
    help="Key of the order of the rows; else the file named by MEDLAB_KEY_FILE.",
)


@commands.command("anonymize")
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--qi", multiple=True, required=True, help="Quasi-identifiers: a,b,c or repeated.")
@click.option("--sensitive", multiple=True, help="Sensitive columns, with commas or repeated.")
@click.option("--k", type=click.IntRange(1), default=5, show_default=True, help="Smallest class.")
@click.option("--l", type=float, default=1, show_default=True, help="Diversity of a class.")
@_L_KIND
@_C
@click.option("--t", type=float, help="Largest distance of a class from the table.")
@_DISTANCE
@click.option("--alpha", type=float, help="Largest share of one sensitive value in a class.")
@click.option("--method", default="mondrian", show_default=True, metavar="NAME")
@click.option(
    "--suppress", type=float, help="Of full-domain: largest share of rows hidden.  [default: 0.05]"
)
@click.option("--keep", multiple=True, help="Other columns to pass through.")
@click.option("--id", "subject", metavar="COL", help="Whose row it is: count persons, not rows.")
@click.option(
    "--hierarchy",
    "hierarchies",
    multiple=True,
    metavar="COL=FILE",
    help="CSV: label, then coarser levels.",
)
@_KEY_OF_ORDER
@click.option(
    "--keep-order", is_flag=True, help="Write row i as row i of IN: it tells who is who."
)
@click.option("--spreadsheet", is_flag=True, help="Guard cells that a spreadsheet would run.")
@click.option("--overwrite", is_flag=True, help="Replace an existing OUT.")
def anonymize_table(
    source: Path,
    target: Path,
    qi: tuple[str, ...],
    sensitive: tuple[str, ...],
    l_kind: str,
    c: float,
    hierarchies: tuple[str, ...],
    **choices: Any,
) -> None:
    """Release a table (CSV or Parquet) that keeps k, l and t; a JSON report goes to stdout.

    Methods: mondrian, mondrian-best, mondrian-relaxed, k-member, fuzzy-cmeans, mdav,
    full-domain, anatomy, slicing, two-step.

    \b
    medlab anonymize cohort.csv out.csv --qi Age,Sex,Weight --sensitive Diagnosis --k 5 --l 2
    """  # noqa: D301  # click wants the character itself
    from medlab.tabular.tables import anonymize_file

    if l_kind != "distinct":
        choices |= {"l_kind": l_kind, "c": c}
    report = anonymize_file(
        source, target, qi, sensitive, hierarchies=_hierarchies(hierarchies), **choices
    )
    _tell_notes(report)


@commands.command("risk")
@click.argument("source", metavar="TABLE", type=click.Path(path_type=Path))
@click.option("--qi", multiple=True, required=True, help="Quasi-identifiers: a,b,c or repeated.")
@click.option("--sensitive", multiple=True, help="Sensitive columns, with commas or repeated.")
@click.option("--original", type=click.Path(path_type=Path), help="The table before, for gcp.")
@click.option("--register", type=click.Path(path_type=Path), help="People an attacker knows.")
@click.option("--id", "subject", metavar="COL", help="Whose row it is: count persons, not rows.")
@click.option(
    "--hierarchy",
    "hierarchies",
    multiple=True,
    metavar="COL=FILE",
    help="CSV: label, then coarser levels.",
)
@click.option(
    "--with",
    "other",
    metavar="TABLE",
    type=click.Path(path_type=Path),
    help="A second release of the same people: what both tell together (needs --original).",
)
@_KIND
@_L_KIND
@_C
@_DISTANCE
@_KEY_OF_ORDER
def measure_risk(
    source: Path,
    qi: tuple[str, ...],
    sensitive: tuple[str, ...],
    hierarchies: tuple[str, ...],
    other: Path | None,
    **choices: Any,
) -> None:
    """Measure risk and loss of a table (CSV or Parquet), whoever made it; JSON to stdout."""
    choices |= {
        "distance": choices["distance"] or "auto",
        "hierarchies": _hierarchies(hierarchies),
    }
    if other:
        from medlab.evaluation.files import risk_of_two

        _tell_notes(risk_of_two(source, other, qi, sensitive, **choices))
    else:
        from medlab.tabular.tables import risk_file

        _tell_notes(risk_file(source, qi, sensitive, **choices))


@commands.command("evaluate")
@click.argument("original", metavar="ORIGINAL", type=click.Path(path_type=Path))
@click.argument("released", metavar="RELEASED", type=click.Path(path_type=Path))
@click.option("--qi", multiple=True, required=True, help="Quasi-identifiers: a,b,c or repeated.")
@click.option("--sensitive", metavar="COL", help="What an attacker wants to know.")
@click.option("--control", type=click.Path(path_type=Path), help="People who were not released.")
@click.option("--register", type=click.Path(path_type=Path), help="People an attacker knows.")
@click.option("--id", "subject", metavar="COL", help="Whose row it is: count persons, not rows.")
@_KIND
@_KEY_OF_ORDER
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
def evaluate_release(
    original: Path, released: Path, qi: tuple[str, ...], sensitive: str | None, **choices: Any
) -> None:
    """Attack RELEASED and measure what it is still good for; JSON to stdout.

    Both are tables (CSV or Parquet) with the same rows, unless the kind is synthetic. Rows in
    the order of a key are put back with that key. Without it a generalized release is judged
    without order; noise and means need the original's.
    """
    from medlab.evaluation.files import evaluate_file

    _tell_notes(evaluate_file(original, released, qi, sensitive, **choices))


def _hierarchies(given: tuple[str, ...]) -> dict[str, Any]:
    from medlab.tabular.reading import read_hierarchy

    found = {}
    for text in given:
        parts = text.split("=")  # of a name with = the longest that leaves a file
        pairs = [("=".join(parts[:i]), Path("=".join(parts[i:]))) for i in range(1, len(parts))]
        if not all(parts) or not pairs:
            raise UsageError("a hierarchy is written COL=FILE, such as --hierarchy City=city.csv")
        name, path = next((pair for pair in reversed(pairs) if pair[1].is_file()), pairs[0])
        found[name] = read_hierarchy(path)
    return found


def _tell_notes(report: dict[str, Any]) -> None:
    """Say on standard error what the report notes, then write it."""
    for note in report["notes"]:
        click.echo(f"medlab: {note}", err=True)
    click.echo(_json(report))


def _json(report: dict[str, Any]) -> str:
    import json

    return json.dumps(report, indent=2, allow_nan=False, default=float)


@commands.command("skullstrip")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--mask", "mask_file", type=click.Path(path_type=Path), help="Mask as NIfTI.")
@click.option("--seg", "segmentation", type=click.Path(path_type=Path), help="Mask as DICOM SEG.")
@click.option("-f", "f", type=float, help="Fractional intensity, smaller keeps more [0.5].")
@click.option("-g", "g", type=float, default=0.0, help="Vertical gradient of -f.")
@click.option("-r", "radius_mm", type=float, help="Head radius in mm.")
@click.option("-c", "center", type=float, nargs=3, help="Center in voxels: X Y Z.")
@click.option("-w", "smoothness", type=float, default=1.0, help="Smoothness of the surface.")
@click.option("-m", "mask", is_flag=True, help="Write TARGET_mask.")
@click.option("-n", "no_brain", is_flag=True, help="Write no brain image.")
@click.option("-o", "outline", is_flag=True, help="Write TARGET_outline.")
@click.option("-s", "skull", is_flag=True, help="Write TARGET_skull.")
@click.option("-e", "mesh", is_flag=True, help="Write TARGET_mesh.vtk.")
@click.option("-t", "threshold", is_flag=True, help="Leave dark voxels out of the mask.")
@click.option("-R", "robust", is_flag=True, help="Repeat until the center stays in place.")
@click.option("-Z", "pad", is_flag=True, help="For stacks of few slices.")
@click.option("-F", "functional", is_flag=True, help="For fMRI series.")
@click.option("-B", "B", is_flag=True, hidden=True)
@click.option("-S", "S", is_flag=True, hidden=True)
@click.option("-A", "A", is_flag=True, hidden=True)
@click.option("-A2", "A2", is_flag=True, hidden=True)
@click.option("--crop-neck", is_flag=True, help="Look only at the upper 170 mm (not in FSL).")
@click.option("--backend", type=click.Choice(["auto", "fsl", "builtin"]), default="auto")
@click.option("--overwrite", is_flag=True, help="Replace existing outputs.")
def skullstrip(source: Path, target: Path, **options: Any) -> None:
    """Take the brain out of a head: NIfTI file or DICOM series SOURCE, likewise TARGET.

    The letters are those of FSL's bet, which runs when it is installed; else the
    built-in one does.
    """
    from medlab.errors import UnavailableError
    from medlab.neuro import extraction, files

    for letter in ("B", "S", "A", "A2"):
        if options.pop(letter):
            raise UnavailableError(extraction.needs_fsl(letter))
    pieces = [piece for piece in files.PIECES if options.pop(piece)]
    brain = not options.pop("no_brain")
    report = files.strip(source, target, brain=brain, pieces=pieces, **options)
    for warning in report["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{report['backend']} ({report['version']}): brain of {report['volume_ml']:.0f} ml")
    click.echo(f"note: {files.STILL_NAMED}")


@commands.command("deface")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--also",
    nargs=2,
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="IN OUT",
    help="Another image of the same study, cut alike. May be repeated.",
)
@click.option("--ears", is_flag=True, help="Cut the ears too.")
@click.option("--backend", type=click.Choice(["auto", "fsl", "builtin"]), default="auto")
@click.option("--overwrite", is_flag=True, help="Replace existing outputs.")
def deface(
    source: Path, target: Path, also: tuple[tuple[Path, Path], ...], **options: Any
) -> None:
    """Cut the face out of a head: NIfTI file or DICOM series SOURCE, likewise TARGET.

    Refuses rather than write an image whose face could not be removed safely.
    """
    from medlab.neuro import files

    report = files.deface(source, target, also, **options)
    for warning in report["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    click.echo(
        f"face left: {report['residual_face']:.3f}, brain voxels changed: "
        f"{report['brain_changed']}, head kept: {report['head_kept']:.3f}"
    )
    click.echo(f"note: {files.STILL_NAMED}")


@commands.command("app")
@click.option("--port", default=8866, show_default=True, type=click.IntRange(1024, 65535))
@click.option(
    "--idle-minutes",
    default=5,
    show_default=True,
    type=click.IntRange(1, 240),
    help="How long a session lives after its page was lost sight of.",
)
@click.option("--no-browser", is_flag=True, help="Only tell the address.")
def serve_page(port: int, idle_minutes: int, no_browser: bool) -> None:
    """Serve a page on this machine for those who open no notebook: upload, look, protect."""
    from medlab.app import serve

    serve(click.echo, port=port, idle_seconds=60 * idle_minutes, browser=not no_browser)


@commands.command("course")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("sets", nargs=-1)
@click.option("--nbgrader", is_flag=True, help="Make DIR a teacher's course folder of nbgrader.")
@click.option("--overwrite", is_flag=True, help="Make sets again that are there.")
def course_copies(folder: Path, sets: tuple[str, ...], **options: bool) -> None:
    """Write the student copies of the course into DIR, without solutions and hidden tests.

    \b
    medlab course my-course                     all sets, to learn by oneself
    medlab course my-course 03 04               two of them
    medlab course teaching --nbgrader           to be handed out and graded
    """  # noqa: D301  # click wants the character itself
    from medlab import course

    for copy in course.build(folder, sets, **options):
        click.echo(copy)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(commands(prog_name="medlab"))


if __name__ == "__main__":
    main()
