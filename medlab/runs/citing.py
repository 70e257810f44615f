"""Methods text of a run or a job: what a paper has to say so that others can do it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medlab.errors import InputError, MissingError
from medlab.runs.book import RESULTS

_JOB = "report.json"


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
        *(_of_notebook(one, folder) for one in content.get("notebooks", [])),
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
