"""What a notebook calls first: checked parameters, data to read, a seed, a place for numbers."""

from __future__ import annotations

import logging
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from medlab.errors import InputError, UsageError, usable
from medlab.runs.plan import checked_in_cells
from medlab.runs.results import Meaning, write_results

if TYPE_CHECKING:
    import pandas as pd

_T = TypeVar("_T")
_R = TypeVar("_R")
REVEALED = "medlab-revealed"  # in the metadata of outputs that follow reveal=True
_SHOWN = (
    "Identifiers are shown from here on. JupyterLab as lab.py opens it leaves these outputs "
    "out when it saves; anywhere else, clear them before you save."
)
_FEWEST_ROWS = 100  # of a table of one's own: classes of 50, and two of them


@dataclass
class Run:
    """One run of a notebook.

    Attributes
    ----------
    data : Path
        The folder to read: the reader's own, or the sample data.
    output : Path or None
        The folder for results; None when nothing is to be written.
    seed : int
        Where all randomness of the run starts.
    reveal : bool
        Whether identifiers may be shown.
    is_sample : bool
        Whether `data` is the sample data, whose people are invented.
    numbers : dict
        The figures kept so far, by name.
    meanings : dict of str to Meaning
        What each of them means, in the order of the story.
    passed : dict of str to dict of int to str
        What could not be read: kind of listing, place in it, and why.
    table : Path or None
        The reader's own table file; `data` is the sample data then, for what needs images.
    """

    data: Path
    output: Path | None
    seed: int
    reveal: bool
    is_sample: bool
    parameters: dict[str, Any] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    meanings: dict[str, Meaning] = field(default_factory=dict)
    passed: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    table: Path | None = None

    @property
    def rng(self) -> np.random.Generator:
        """A generator fresh from the seed: the same numbers at every call."""
        return np.random.default_rng(self.seed)

    def need(self, candidates: Iterable[_T], what: str) -> list[_T]:
        """Return what was found as a list, or say that the data folder holds none of it.

        Parameters
        ----------
        candidates : iterable
        what : str
            What was looked for, in the singular: ``"DICOM file"``.

        Raises
        ------
        InputError
            If nothing was found.
        """
        items = list(candidates)
        if not items:
            raise InputError(f"no {what} in the data folder; give a folder that holds one")
        return items

    def people(
        self, headers: pd.DataFrame | None, quasi: str, sensitive: str, subject: str
    ) -> tuple[pd.DataFrame, list[str], str]:
        """Return the complete rows of the reader's own table, and its columns by their roles.

        Parameters
        ----------
        headers : DataFrame or None
            What takes its place where `data_dir` is a folder.
        quasi, sensitive, subject : str
            Columns, as `medlab.tabular.table_files.named_columns` takes them.

        Returns
        -------
        table : DataFrame
            The column PatientID tells whose row it is: the subject, else a direct identifier
            that repeats, else each row is a person.
        quasi : list of str
        sensitive : str

        Raises
        ------
        MissingError, InputError
            A column that is not there, or stands in two roles; a table of few complete rows.
        """
        from medlab.tabular import column_roles, table_files

        table = headers if self.table is None else table_files.read_file(self.table).table
        assert table is not None
        names, (secret,), subjects = (
            table_files.named_columns([text] if text else [], table.columns)
            for text in (quasi, sensitive, subject)
        )
        person = subjects[0] if subjects else None
        column_roles.check_columns(table, names, secret, subject=person)
        table, person = column_roles.counted_by(table, person)
        person = person or ("PatientID" if "PatientID" in table else None)
        whose = table[person] if person else np.arange(len(table))
        table = table.assign(PatientID=whose).dropna(subset=["PatientID", *names, secret])
        if self.table is not None and len(table) < _FEWEST_ROWS:
            raise InputError(
                f"{len(table)} complete rows are too few for classes; give {_FEWEST_ROWS} or more"
            )
        plain = dict.fromkeys(table.select_dtypes("Float64"), "float64")
        plain |= {name: "int64" for name in names if table[name].dtype == "Int64"}
        return table.astype(plain).reset_index(drop=True), names, secret

    def read(self, items: Iterable[_T], reader: Callable[[_T], _R], what: str) -> dict[_T, _R]:
        """Return what a reader makes of each item; what it cannot read is passed over.

        Parameters
        ----------
        items : iterable
            Paths, say; their order is the listing.
        reader : callable
            See `medlab.errors.usable`.
        what : str
            What the items are, in the singular: ``"DICOM file"``.
        """
        return {item: content for _, item, content in usable(items, reader, self.passed[what])}

    def show_one(self, paths: Sequence[Path], number: int, keyword: str) -> None:
        """Show the value of one element of one file, and nothing else.

        The output carries the mark that `runs.scrub` heeds.

        Parameters
        ----------
        paths : sequence of Path
            DICOM files.
        number : int
            The place of the file among them, from 1.
        keyword : str
            Of an element at the top level, such as ``"PatientSex"``. Empty: nothing is shown.

        Raises
        ------
        UsageError
            If there is no such file, or no such element in it.
        """
        from IPython.display import display

        from medlab import dicom

        if not keyword:
            return
        if not 1 <= number <= len(paths):
            raise UsageError(f"there is no file {number}; give 1 to {len(paths)}")
        dataset = dicom.read(paths[number - 1])
        if keyword not in dataset:
            raise UsageError("the file has no element of this keyword at its top level")
        text = f"file {number}, {keyword}: {dataset[keyword].value}"
        display({"text/plain": text}, raw=True, metadata={REVEALED: True})

    def passed_over(self) -> list[str]:
        """Return, and keep, what was passed over so far: one sentence a reason, by numbers."""
        some = {what: sorted(reasons) for what, reasons in self.passed.items() if reasons}
        self.keep("Passed over, by place in the listing", passed_over=some or "none")
        sentences = []
        for what, reasons in self.passed.items():
            for why in dict.fromkeys(reasons.values()):
                numbers = [str(number) for number, reason in reasons.items() if reason == why]
                sentences.append(f"{len(numbers)} passed over: {what} {', '.join(numbers)}: {why}")
        return sentences or ["nothing was passed over"]

    def check_range(self, **limits: tuple[float, float, float]) -> None:
        """Check numeric parameters and record them.

        Parameters
        ----------
        **limits
            Name of the parameter = (its value, smallest allowed, largest allowed).

        Raises
        ------
        InputError
            If a value is no number, or out of its range.
        """
        for name, (value, low, high) in limits.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InputError(f"{name} is a {type(value).__name__}; give a number")
            if not low <= value <= high:
                raise InputError(f"{name} = {value} is out of range; give {low} to {high}")
            self.parameters[name] = value
        self._save()

    def keep(
        self,
        label: str = "",
        unit: str = "",
        good: str = "",
        /,
        **numbers: float | str | bool | list[Any] | dict[str, Any],
    ) -> None:
        """Keep headline numbers; they go to results.json when there is an output folder.

        Parameters
        ----------
        label : str
            What was measured, as the report says it; else the name of the number.
        unit : str
            Such as ``"people"``; ``"%"`` shows a share of 1 in percent.
        good : str
            ``"low"`` or ``"high"``, or a limit such as ``"<= 0.05"``: the report says whether it
            was kept.
        **numbers
            Plain values. Never a value taken from a patient's header.

        Raises
        ------
        InputError
            If `good` is anything else.
        """
        meaning = Meaning(label, unit, good).checked()
        for name, value in numbers.items():
            self.numbers[name] = _plain(value)
            self.meanings[name] = meaning
        self._save()

    def _save(self) -> None:
        if self.output is None:
            return
        content = {
            "seed": self.seed,
            "sample_data": self.is_sample,
            "parameters": self.parameters,
            "numbers": self.numbers,
            "meanings": [{"name": name} | m._asdict() for name, m in self.meanings.items()],
        }
        before: dict[str, str] = {}  # a run of one notebook
        rows = [(before, name, self.numbers[name], m) for name, m in self.meanings.items()]
        write_results(self.output, content, rows)


def begin(
    data_dir: str = "",
    output_dir: str = "",
    *,
    seed: int = 20240301,
    reveal: bool = False,
    tables: bool = False,
) -> Run:
    """Begin a notebook: find the data, make the output folder, mask what would be shown.

    Parameters
    ----------
    data_dir : str
        Folder with the reader's own files. Empty: the sample data.
    output_dir : str
        Folder for `results.json` and other results. Empty: nothing is written.
    seed : int
        Seed of the run, 0 or larger.
    reveal : bool
        Show identifiers, and say so; outputs then carry a mark that `runs.scrub` heeds.
        Otherwise a data set left at the end of a cell is masked, and warnings of pydicom,
        which repeat values, stay silent.
    tables : bool
        Whether `data_dir` may be a table file, CSV or Parquet; see `Run.people`.

    Returns
    -------
    Run

    Raises
    ------
    UsageError
        If `data_dir` is no folder, a parameter does not fit what the notebook declares, or
        papermill was given one that the notebook does not declare.
    InputError
        If the folder holds no file, or the output folder cannot be made or lies inside
        the data folder.
    """
    from medlab import samples

    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise UsageError("seed is not a whole number; give 0 or larger")
    if not isinstance(reveal, bool):
        raise UsageError("reveal is not a bool; give True or False")
    shell = _shell()
    parameters = checked_in_cells(shell.user_ns) if shell else {}
    source = checked_source(data_dir, tables=tables) if data_dir else None
    table = source if source is not None and source.is_file() else None
    data = samples.default_folder() if source is None or table is not None else source
    run = Run(data, _output_folder(output_dir, data), seed, reveal, is_sample=not data_dir)
    run.parameters, run.table = parameters, table
    _show_marked(reveal)
    if not reveal:
        _be_discreet()
    run._save()
    return run


def checked_source(data_dir: str | Path, *, tables: bool) -> Path:
    """Return the absolute path of a folder that holds at least one file of use.

    With `tables` it may be that of a table file.

    Raises
    ------
    UsageError
        If there is no such folder.
    InputError
        If no DICOM, NIfTI or table file is in it, at any depth.
    """
    from medlab import dicom

    folder = Path(data_dir).expanduser()
    if tables and folder.is_file() and _is_table(folder):
        return folder.resolve()
    if not folder.is_dir():
        met = "is a file" if folder.exists() else "does not exist"
        raise UsageError(
            f"the data folder {met}; give a folder with DICOM or NIfTI files (03 and 05 also take "
            "a table file, CSV or Parquet)"
        )
    files = [path for path in folder.rglob("*") if path.is_file()]
    if not files:
        raise InputError("the data folder is empty; give a folder with DICOM or NIfTI files")
    images = (
        path.name.lower().endswith((".nii", ".nii.gz")) or dicom.is_dicom(path) for path in files
    )
    if not (any(images) or any(map(_is_table, files))):
        raise InputError(
            f"none of the {len(files)} files in the data folder is DICOM, NIfTI or a table; "
            "give a folder that holds some"
        )
    return folder.resolve()


def _is_table(path: Path) -> bool:
    from medlab.tabular.table_files import is_parquet  # pandas takes a while

    return path.suffix.lower() == ".csv" or is_parquet(path)


def _plain(value: Any) -> Any:
    """Turn numpy scalars and arrays into what JSON knows."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _output_folder(output_dir: str, data: Path) -> Path | None:
    if not output_dir:
        return None
    folder = Path(output_dir).expanduser().resolve()
    if folder == data or data in folder.parents:
        raise InputError("the output folder lies inside the data folder; choose one elsewhere")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise InputError(f"the output folder cannot be made ({why}); choose another") from None
    return folder


def _shell() -> Any:
    """Return the shell of Jupyter; None outside of it."""
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return None
    return get_ipython()


def _display_formatter() -> Any:
    """Return what turns results into outputs; None outside of Jupyter."""
    return getattr(_shell(), "display_formatter", None)


def _show_marked(reveal: bool) -> None:
    """Mark all outputs from here on as revealed and say so, or mark them no longer."""
    formatter = _display_formatter()
    if formatter is None:
        return
    vars(formatter).pop("format", None)
    if reveal:
        from IPython.display import display

        formatter.format = partial(_marked, formatter.format)
        display({"text/plain": _SHOWN}, raw=True)


def _marked(
    format_: Callable[..., tuple[dict[str, Any], dict[str, Any]]], *args: Any, **options: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    data, about = format_(*args, **options)
    return data, {**about, REVEALED: True}


def _be_discreet() -> None:
    """Silence what repeats header values by itself, and mask a data set shown by Jupyter."""
    warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    formatter = _display_formatter()
    if formatter is not None:
        formatter = formatter.formatters["text/plain"]
        formatter.for_type_by_name("pydicom.dataset", "Dataset", _masked)
        formatter.for_type_by_name("pydicom.dataset", "FileDataset", _masked)


def _masked(dataset: Any, printer: Any, cycle: bool) -> None:
    lines: list[str] = [f"{elem.tag} {elem.VR} {elem.name}: ••••" for elem in dataset]
    write: Callable[[str], None] = printer.text
    write("\n".join(lines) + "\n(values masked; set reveal = True to see them)")
