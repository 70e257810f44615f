"""Rules that need no reading: ultrasound regions, and a recipe file for the devices of a site."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from medlab.dicom.element_texts import sequence_at
from medlab.errors import InputError
from medlab.pixels.effects import Box

_REPORTS = ("SCREEN SAVE", "SCREENSAVE", "SCREEN_SAVE", "DOSE", "DOSE_INFO", "DOSE INFO")
_DESCRIPTIONS = ("DOSE REPORT", "DOSE INFO", "PATIENT PROTOCOL", "SCREEN SAVE", "SCREENSAVE")


def image_regions(dataset: Dataset) -> list[Box]:
    """Return the areas in which an ultrasound device says it shows images (0018,6011)."""
    found = []
    for item in sequence_at(dataset, "SequenceOfUltrasoundRegions"):
        names = ("RegionLocationMinX0", "RegionLocationMinY0")
        ends = ("RegionLocationMaxX1", "RegionLocationMaxY1")
        try:
            x0, y0 = (int(item[name].value) for name in names)
            x1, y1 = (int(item[name].value) for name in ends)
        except (KeyError, TypeError, ValueError):
            continue
        found.append(Box(x0, y0, x1 + 1, y1 + 1))
    return found


def outside(areas: Iterable[Box], rows: int, columns: int) -> list[Box]:
    """Return boxes that cover an image but for the areas."""
    areas = [area for area in areas if area.x1 > area.x0 and area.y1 > area.y0]
    edges = {0, rows} | {min(max(y, 0), rows) for area in areas for y in (area.y0, area.y1)}
    ordered = sorted(edges)
    boxes: list[Box] = []
    for top, bottom in pairwise(ordered):
        left = 0
        spans = sorted((a.x0, a.x1) for a in areas if a.y0 <= top and bottom <= a.y1)
        for x0, x1 in [*spans, (columns, columns)]:
            right = min(x0, columns)
            if right > left:
                boxes.append(Box(left, top, right, bottom))
            left = max(left, x1)
    return boxes


def load(path: str | Path) -> list[Mapping[str, Any]]:
    """Read a recipe: a YAML list of rules, each with ``when`` and ``blank``.

    ::

        - name: banner of the old scanner
          when: {Manufacturer: "ACME*", Rows: 480, Columns: 640}
          blank: [[0, 0, 640, 40]]        # x0, y0, x1, y1; ends not included

    Raises
    ------
    InputError
        If the file is no such list.
    """
    import yaml

    try:
        rules = yaml.safe_load(Path(path).read_text("utf-8")) or []
        return [
            {
                "when": {str(name): str(pattern) for name, pattern in rule["when"].items()},
                "blank": [list(Box(*map(int, box))) for box in rule["blank"]],
            }
            for rule in rules
        ]
    except OSError:
        raise InputError("the recipe file cannot be read") from None
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError):
        raise InputError(
            "a recipe is a YAML list of rules with `when` (keyword: pattern) and `blank` (boxes "
            "of four numbers)"
        ) from None


def recipe_boxes(dataset: Dataset, rules: Sequence[Mapping[str, Any]]) -> list[Box]:
    """Return the boxes of all rules whose ``when`` fits the header (``*`` stands for any text)."""
    return [
        Box(*map(int, box))
        for rule in rules
        if all(_fits(dataset.get(name), pattern) for name, pattern in rule["when"].items())
        for box in rule["blank"]
    ]


def _fits(value: Any, pattern: Any) -> bool:
    if value is None:
        return False
    return fnmatchcase(str(value).strip().upper(), str(pattern).strip().upper())


def is_report(dataset: Dataset) -> bool:
    """Tell whether an image is a saved screen or a dose report: text by purpose.

    Secondary Capture alone is no reason: much of it is plain images.
    """
    kinds = [str(kind).upper().strip() for kind in dataset.get("ImageType") or []]
    said = f"{dataset.get('SeriesDescription', '')} {dataset.get('ImageComments', '')}".upper()
    return any(kind in _REPORTS for kind in kinds) or any(word in said for word in _DESCRIPTIONS)
