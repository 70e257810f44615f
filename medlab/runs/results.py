"""Numbers of a run: what each says, the files that keep them, and the words to cite.

A number has a label, a value with its unit, and perhaps a limit by which it is good.
"""

from __future__ import annotations

import csv
import io
import json
import operator
import platform
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import medlab
from medlab.disk import write_whole
from medlab.errors import InputError, MissingError

RESULTS = "results.json"
_JOB = "report.json"  # of what medlab deidentify made
_LIMIT = re.compile(r"(<=|>=|==)\s*(-?\d+(?:\.\d+)?(?:e-?\d+)?)")
_FITS = {"<=": operator.le, ">=": operator.ge, "==": operator.eq}
_WORDS = {"<=": "at most", ">=": "at least", "==": "exactly"}
_DIRECTIONS = {"": "", "low": "lower is better", "high": "higher is better"}
_PACKAGES = (
    "cryptography",
    "ipywidgets",
    "jupyterlab",
    "matplotlib",
    "nibabel",
    "nilearn",
    "numpy",
    "pandas",
    "papermill",
    "pydicom",
    "scikit-image",
    "scikit-learn",
    "scipy",
)


class Meaning(NamedTuple):
    """What a number means.

    Attributes
    ----------
    label : str
        What was measured, as it stands before the colon of a sentence.
    unit : str
        ``"%"`` shows a share of 1 in percent.
    good : str
        ``"low"`` or ``"high"``, or a limit such as ``"<= 0.05"``, in the number's own unit.
    """

    label: str = ""
    unit: str = ""
    good: str = ""

    def checked(self) -> Meaning:
        """Return the meaning itself, or say what `good` may be."""
        if self.good in _DIRECTIONS or _LIMIT.fullmatch(self.good):
            return self
        raise InputError("good is low, high, or a limit such as <= 0.05 or >= 5")


_Row = tuple[Mapping[str, Any], str, Any, Meaning]


class Line(NamedTuple):
    """One number as a report shows it; `verdict` is good, bad or empty."""

    label: str
    value: str
    verdict: str
    wish: str


def lines(name: str, value: Any, meaning: Meaning) -> Iterator[Line]:
    """Give the lines of a number; of numbers by name, one each."""
    label = meaning.label or name.replace("_", " ")
    for part, single in _singles(value):
        yield Line(
            f"{label}, {part}" if part else label,
            _with_unit(single, meaning.unit),
            _verdict(single, meaning.good),
            _wish(meaning),
        )


def _as_csv(rows: Sequence[_Row]) -> bytes:
    """Return numbers as CSV: what stands before each, its name, and what it means."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    before = list(rows[0][0]) if rows else []
    writer.writerow([*before, "name", "of", "value", "label", "unit", "good", "verdict"])
    for place, name, value, meaning in rows:
        for part, single in _singles(value):
            words = (meaning.label, "share of 1" if meaning.unit == "%" else meaning.unit)
            verdict = _verdict(single, meaning.good)
            writer.writerow([*place.values(), name, part, single, *words, meaning.good, verdict])
    return text.getvalue().encode()


def _readable(value: Any) -> str:
    """Return a number as people write it: three digits that matter, lists with commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(_readable(item) for item in value)
    return str(value)


def _singles(value: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Give each number of nested ones, with the names on the way to it."""
    if not isinstance(value, Mapping):
        yield before, value
        return
    for name, item in value.items():
        yield from _singles(item, f"{before}, {name}" if before else str(name))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _with_unit(value: Any, unit: str) -> str:
    if unit == "%" and _is_number(value):
        return f"{_readable(round(100.0 * value, 1))} %"
    return f"{_readable(value)} {unit}".strip() if _is_number(value) else _readable(value)


def _verdict(value: Any, good: str) -> str:
    limit = _LIMIT.fullmatch(good)
    if limit is None or not _is_number(value):
        return ""
    return "good" if _FITS[limit[1]](value, float(limit[2])) else "bad"


def _wish(meaning: Meaning) -> str:
    limit = _LIMIT.fullmatch(meaning.good)
    if limit is None:
        return _DIRECTIONS[meaning.good]
    number = float(limit[2])
    if number == 0 and limit[1] in ("==", "<="):
        return "none"
    whole = int(number) if number.is_integer() else number
    return f"{_WORDS[limit[1]]} {_with_unit(whole, meaning.unit)}"


def write_results(
    folder: Path, content: Mapping[str, Any], rows: Sequence[_Row]
) -> dict[str, Any]:
    """Write ``results.json`` and ``results.csv``, each whole or not at all.

    Parameters
    ----------
    folder : Path
    content : mapping
        What the first says beside the versions of medlab, Python and packages.
    rows : sequence of (mapping, str, value, Meaning)
        Of each number what stands before it in the second, its name, and what it means.

    Returns
    -------
    dict
        What the first says.
    """
    whole = {
        "medlab": medlab.__version__,
        "python": platform.python_version(),
        "packages": _package_versions(),
        "revision": _revision(),
        **content,
    }
    write_whole(folder / RESULTS, (json.dumps(whole, indent=2) + "\n").encode())
    write_whole((folder / RESULTS).with_suffix(".csv"), _as_csv(rows))
    return whole


def _package_versions() -> dict[str, str]:
    """Return the installed version of each package that a result may depend on."""
    entries = {}
    for name in _PACKAGES:
        try:
            entries[name] = version(name)
        except PackageNotFoundError:
            entries[name] = "not installed"
    return entries


def _revision() -> str | None:
    """Return the git revision of the medlab checkout in use, or None outside of one."""
    root = Path(medlab.__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None


def methods_text(folder: Path) -> str:
    """Return sentences that name versions, policy, parameters and seeds.

    Parameters
    ----------
    folder : Path
        Of a run (``medlab run``), of one notebook's results, or of a job: its outputs, or the
        private folder beside them.

    Raises
    ------
    MissingError
        If it is none of these.
    """
    for path, sentences in (
        (folder / RESULTS, _of_run),
        (folder / _JOB, _of_job),
        (folder.absolute().with_name(folder.name + ".job") / _JOB, _of_job),
    ):
        if path.is_file():
            try:
                content = json.loads(path.read_text("utf-8"))
                return "\n".join(sentences(content, folder)) + "\n"
            except (ValueError, KeyError, TypeError, AttributeError):
                raise InputError("the results of the run are damaged, or from elsewhere") from None
    raise MissingError("no run and no job is there; name the folder with results.json, or CLEAN")


def _of_run(content: dict[str, Any], folder: Path) -> list[str]:
    packages = (f"{name} {v}" for name, v in content["packages"].items() if v[:1].isdigit())
    data = "the sample data (fictitious patients)" if content["sample_data"] else "data of our own"
    started = f", on {content['started']} UTC" if "started" in content else ""
    return [
        f"Analyses were run with {_version(content)} on {data}{started},",
        f"under Python {content['python']} with {', '.join(packages)}.",
        *(_of_notebook(record, folder) for record in content.get("notebooks", [])),
        *([] if "notebooks" in content else [f"Parameters: {_listed(content['parameters'])}."]),
    ]


def _of_notebook(record: dict[str, Any], folder: Path) -> str:
    own = folder / record["name"] / RESULTS
    values = json.loads(own.read_text("utf-8"))["parameters"] if own.is_file() else {}
    end = "" if record["status"] == "done" else " It stopped with an error."
    return f"Notebook {record['notebook']}: {_listed(values | record['parameters'])}.{end}"


def _of_job(facts: dict[str, Any], _: Path) -> list[str]:
    options = f", with the options {', '.join(facts['options'])}" if facts["options"] else ""
    rules = f" and {len(facts['rules'])} rules of our own" if facts["rules"] else ""
    released = facts["statuses"].get("done", 0)
    return [
        f"Images were de-identified with {_version(facts)} under its policy {facts['policy']}",
        f"(confidentiality profiles of DICOM PS3.15, edition {facts['edition']}){options}{rules}.",
        f"Of {facts['files']} files {released} were released, each verified by code that",
        f"had no part in the cleaning. The job ended on {facts['ended'][:10]}.",
    ]


def _version(content: dict[str, Any]) -> str:
    revision = content.get("revision")
    return f"medlab {content['medlab']}" + (f" (revision {revision[:12]})" if revision else "")


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items()) or "no parameters"
