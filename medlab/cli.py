"""The command line: one subcommand a verb. What a verb needs is imported when it is used."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from medlab import __version__
from medlab.errors import MedlabError, UsageError

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
    r"""Run notebooks without a screen and write a report.

    NOTEBOOKS are paths, names or numbers (03); without any, medlab's own five. Every
    parameter is checked before anything starts.

    \b
    medlab run
    medlab run 03 -p k 10 -p l 3
    medlab run 03 --grid k=2,5,10
    medlab run 01 04 --data my-studies --output results
    """
    from medlab import runs
    from medlab.runs.plan import read_parameter_file

    paths = runs.find_notebooks(notebooks)
    if list_only:
        click.echo(_described(paths))
        return
    given = read_parameter_file(parameter_file) if parameter_file else {}
    planned = runs.plan_jobs(paths, given | dict(parameters), dict(map(_grid_axis, grid)))
    folder = output or Path("runs") / time.strftime("%Y%m%d-%H%M%S")
    with tqdm(total=1, unit="cell", desc="running", disable=None) as bar:
        outcomes = runs.run(
            planned,
            folder,
            data=data,
            workers=jobs,
            overwrite=overwrite,
            show_errors=show_errors,
            progress=_advance(bar),
        )
    for outcome in outcomes:
        click.echo(_told(outcome))
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
            lines.append(f"  {name} = {about['default']}  {about['help']}")
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


def main() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(commands(prog_name="medlab"))


if __name__ == "__main__":
    main()
