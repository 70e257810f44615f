"""Commands that look at headers, and of head scans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from medlab.cli.options import OVERWRITE, PATH, commands
from medlab.errors import InputError


@commands.command("inspect")
@click.argument("path", type=PATH)
@click.option("--reveal", is_flag=True, help="Show values instead of masking them.")
@click.option("--csv", "csv_file", type=PATH, help="Write the whole table.")
@click.option("--search", default="", help="Only rows with this in tag, VR, name or concern.")
@click.option("--all", "every", is_flag=True, help="Also elements of no concern.")
def _inspect(path: Path, reveal: bool, csv_file: Path | None, search: str, every: bool) -> None:
    """Show what a DICOM or NIfTI file, a folder or a DICOMDIR gives away.

    A file: one line a flagged element. A folder: how often each reason was met.
    """
    from medlab import pipeline

    pipeline.inspect_to(
        click.echo, path, reveal=reveal, csv_file=csv_file, search=search, every=every
    )


@commands.command("dictionary")
@click.argument("text")
def _dictionary(text: str) -> None:
    """Search the DICOM dictionary: by tag, part of a name or keyword, or VR.

    \b
    medlab dictionary birth
    medlab dictionary 0010,        the group
    medlab dictionary ,0010        the element of any group
    medlab dictionary 00100010     one tag
    """  # noqa: D301  # click wants the character itself
    from medlab import dicom

    elements = dicom.search_dictionary(text)
    if elements.empty:
        raise InputError("nothing in the dictionary fits; try a part of the name")
    click.echo(elements.to_string(index=False))


_NEEDS_FSL = {  # letters of FSL's bet
    "B": "bias field and neck cleanup",
    "S": "eye and optic nerve cleanup",
    "A": "skull and scalp surfaces",
    "A2": "skull and scalp surfaces from T1 and T2",
}
_STILL_NAMED = (
    "header, file names and table entries still identify the patient; "
    "'medlab deidentify --head deface' (or strip) removes both"
)
_BACKEND = click.option("--backend", type=click.Choice(["auto", "fsl", "builtin"]), default="auto")


@commands.command("skullstrip")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("target", type=PATH)
@click.option("--mask", "mask_file", type=PATH, help="Mask as NIfTI.")
@click.option("--seg", "segmentation", type=PATH, help="Mask as DICOM SEG.")
@click.option("-f", "f", type=float, help="Fractional intensity, smaller keeps more [0.5].")
@click.option("-g", "g", type=float, default=0.0, help="Vertical gradient of -f.")
@click.option("-r", "radius_mm", type=float, help="Head radius in mm.")
@click.option("-c", "center", type=float, nargs=3, help="Center in voxels: X Y Z.")
@click.option("-w", "smoothness", type=float, default=1.0, help="Smoothness of the surface.")
@click.option("-m", "mask", is_flag=True, help="Write TARGET_mask.")
@click.option("-n", "no_brain", is_flag=True, help="Write no brain image.")
@click.option("-o", "outline", is_flag=True, help="Write TARGET_outline.")
@click.option("-t", "threshold", is_flag=True, help="Leave dark voxels out of the mask.")
@click.option("-R", "robust", is_flag=True, help="Repeat until the center stays in place.")
@click.option("-Z", "pad", is_flag=True, help="For stacks of few slices.")
@click.option("-F", "functional", is_flag=True, help="For fMRI series.")
@click.option("-B", "B", is_flag=True, hidden=True)
@click.option("-S", "S", is_flag=True, hidden=True)
@click.option("-A", "A", is_flag=True, hidden=True)
@click.option("-A2", "A2", is_flag=True, hidden=True)
@click.option("--crop-neck", is_flag=True, help="Look only at the upper 170 mm (not in FSL).")
@_BACKEND
@OVERWRITE
def _skullstrip(source: Path, target: Path, **options: Any) -> None:
    """Take the brain out of a head: NIfTI file or DICOM series SOURCE, likewise TARGET.

    The letters are those of FSL's bet, which runs when it is installed; else the
    built-in one does.
    """
    from medlab.errors import UnavailableError
    from medlab.neuro import head_files

    for letter, does in _NEEDS_FSL.items():
        if options.pop(letter):
            raise UnavailableError(
                f"-{letter} ({does}) needs FSL's own tools; run FSL's bet for it"
            )
    pieces = [piece for piece in ("mask", "outline") if options.pop(piece)]
    brain = not options.pop("no_brain")
    report = head_files.strip(source, target, brain=brain, pieces=pieces, **options)
    for warning in report["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{report['backend']} ({report['version']}): brain of {report['volume_ml']:.0f} ml")
    click.echo(f"note: {_STILL_NAMED}")


@commands.command("deface")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("target", type=PATH)
@click.option(
    "--also",
    nargs=2,
    multiple=True,
    type=PATH,
    metavar="IN OUT",
    help="Another image of the same study, cut alike. May be repeated.",
)
@click.option("--ears", is_flag=True, help="Cut the ears too.")
@_BACKEND
@OVERWRITE
def _deface(
    source: Path, target: Path, also: tuple[tuple[Path, Path], ...], **options: Any
) -> None:
    """Cut the face out of a head: NIfTI file or DICOM series SOURCE, likewise TARGET.

    Refuses rather than write an image whose face could not be removed safely.
    """
    from medlab.neuro import head_files

    report = head_files.deface(source, target, also, **options)
    for warning in report["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    click.echo(
        f"face left: {report['residual_face']:.3f}, brain voxels changed: "
        f"{report['brain_changed']}, head kept: {report['head_kept']:.3f}"
    )
    click.echo(f"note: {_STILL_NAMED}")


@commands.command("augment")
@click.argument("source", metavar="IN", type=click.Path(exists=True, path_type=Path))
@click.argument("target", metavar="OUT", type=PATH)
@click.option("--copies", type=int, required=True, help="How many copies.")
@click.option("--seed", type=int, required=True, help="The same seed gives the same bytes.")
@click.option("--mask", type=click.Path(exists=True, path_type=Path), help="Moved along.")
@click.option("--only", help="Of affine,elastic,bias_field,noise,motion.  [default: all]")
def _augment(source: Path, target: Path, only: str | None, **options: Any) -> None:
    """Write varied copies of a NIfTI file or DICOM series IN as NIfTI into the new folder OUT.

    The header is cleaned. Copies are no anonymization: they can be linked to their original.
    """
    from medlab.pipeline.augmentation import augment_file

    names = [name.strip() for name in only.split(",")] if only is not None else ()
    augment_file(source, target, only=names, **options)
    click.echo("note: copies can be linked to their original, and faces are still there")
