"""Commands of notebooks, the course, the sample data and the page."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from medlab.cli.options import FAILED, PATH, commands
from medlab.errors import UsageError


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
    type=PATH,
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
    type=PATH,
    help="Folder with your own DICOM or NIfTI files; without it, the sample data.",
)
@click.option(
    "--output",
    type=PATH,
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
def _run_notebooks(
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

    paths = runs.find_notebooks(notebooks)
    if list_only:
        click.echo(_described(paths))
        return
    values = _read_parameters(parameter_file) if parameter_file else {}
    planned = runs.plan_jobs(paths, values | dict(parameters), dict(map(_grid_axis, grid)))
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


def _read_parameters(path: Path) -> dict[str, Any]:
    """Read parameters from a YAML (or JSON) file that holds one mapping.

    Raises
    ------
    UsageError
        If the file is missing, no YAML, or no mapping.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the parameter file cannot be read ({type(error).__name__}); give a YAML text file"
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise UsageError(
            f"the parameter file is no YAML{where}; write lines NAME: VALUE"
        ) from None
    if not isinstance(content, dict):
        raise UsageError("the parameter file holds no names; write lines NAME: VALUE")
    return {str(name): value for name, value in content.items()}


def _grid_axis(text: str) -> tuple[str, list[str]]:
    name, equals, values = text.partition("=")
    if not (name and equals and values):
        raise UsageError("a grid is written NAME=V1,V2, such as --grid k=2,5,10")
    return name, values.split(",")


def _described(notebooks: list[Path]) -> str:
    from medlab.runs.plan import notebook_parameters

    lines = []
    for notebook in notebooks:
        lines.append(notebook.stem)
        for name, about in notebook_parameters(notebook).items():
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


@commands.command("cite")
@click.argument("folder", metavar="RUN", type=PATH)
def _cite(folder: Path) -> None:
    """Print methods text to cite for RUN: versions, policy, parameters, seeds.

    RUN is the folder of medlab run, or of what medlab deidentify made.
    """
    from medlab.runs.results import methods_text

    click.echo(methods_text(folder), nl=False)


@commands.command("samples")
@click.argument("folder", metavar="DIR", type=PATH)
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
def _write_samples(
    folder: Path,
    seed: int,
    heads: int,
    spacing: float,
    sessions: int,
    patients: int,
    overwrite: bool,
) -> None:
    """Write a small hospital of fictitious patients into DIR.

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
def _serve_page(port: int, idle_minutes: int, no_browser: bool) -> None:
    """Serve a page on this machine for those who open no notebook: upload, look, protect."""
    from medlab.app import serve

    serve(click.echo, port=port, idle_seconds=60 * idle_minutes, browser=not no_browser)


@commands.command("course")
@click.argument("folder", metavar="DIR", type=PATH)
@click.argument("sets", nargs=-1)
@click.option("--nbgrader", is_flag=True, help="Make DIR a teacher's course folder of nbgrader.")
@click.option("--pages", is_flag=True, help="Solutions (HTML, PDF) and slides instead of copies.")
@click.option("--dry-run", is_flag=True, help="Release, submit, autograde, feedback: all in one.")
@click.option("--overwrite", is_flag=True, help="Make sets again that are there.")
def _course_copies(
    folder: Path,
    sets: tuple[str, ...],
    nbgrader: bool,
    pages: bool,
    dry_run: bool,
    overwrite: bool,
) -> None:
    """Write the student copies of the course into DIR, without solutions and hidden tests.

    \b
    medlab course my-course                     all sets, to learn by oneself
    medlab course my-course 03 04               two of them
    medlab course teaching --nbgrader           to be released and graded
    medlab course pages --pages                 a teacher's solutions and slides
    medlab course rehearsal 04 --dry-run        a course with two made-up students
    """  # noqa: D301  # click wants the character itself
    from medlab import course

    if nbgrader + pages + dry_run > 1:
        raise UsageError("--nbgrader, --pages and --dry-run are three things; choose one")
    if dry_run:

        def tell(score: course.Score) -> None:
            hand = f", {score.by_hand:g} more for a teacher to give" if score.by_hand else ""
            points = f"{score.by_check:g} of {score.most:g} points{hand}"
            click.echo(f"{score.name}, {score.student}: {points}")

        course.dry_run(folder, sets, overwrite=overwrite, tell=tell)
        return
    if pages:
        written = course.write_pages(folder, sets, overwrite=overwrite)
        if not any(page.suffix == ".pdf" for page in written):
            click.echo("No PDF: no Chromium was found. Any browser prints the HTML pages.")
    else:
        written = course.build(folder, sets, nbgrader=nbgrader, overwrite=overwrite)
    for path in written:
        click.echo(path)
