"""The contact sheet: before, boxes with reasons, after. Drawn with Pillow; see ``viz.pixels``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medlab.pixels.decide import Decision
from medlab.pixels.detect import Image
from medlab.pixels.effects import font_path
from medlab.pixels.mask import Box, meet

_REMOVE, _KEEP = (213, 94, 0), (86, 180, 233)  # vermilion, sky blue (Okabe and Ito)
_LONGEST = 900


def draw_sheet(before: Image, decisions: Sequence[Decision], after: Image) -> Any:
    """Return a Pillow image of three panels; removed boxes are crossed, kept ones open."""
    from PIL import Image as Pillow

    panels = [_panel(before), marked(before, decisions), _panel(after)]
    scale = min(1.0, _LONGEST / max(panels[0].size))
    size = tuple(max(1, round(side * scale)) for side in panels[0].size)
    sheet = Pillow.new("RGB", (3 * size[0] + 20, size[1]), "white")
    for index, panel in enumerate(panels):
        sheet.paste(panel.resize(size), (index * (size[0] + 10), 0))
    return sheet


def marked(picture: Image, decisions: Sequence[Decision]) -> Any:
    """Return a Pillow image with the boxes of the decisions and the reasons beside them."""
    from PIL import ImageDraw, ImageFont

    panel = _panel(picture)
    draw = ImageDraw.Draw(panel)
    font = ImageFont.truetype(font_path(), max(10, panel.size[1] // 50))
    taken = [box for one in decisions for box in one.boxes if one.word]
    for one in decisions:
        color = _REMOVE if one.remove else _KEEP
        for x0, y0, x1, y1 in one.boxes:
            draw.rectangle((x0, y0, x1, y1), outline=color, width=2)
            if one.remove:
                draw.line((x0, y0, x1, y1), fill=color, width=1)
    read = {id(one): one for one in decisions if one.remove and one.word}
    ruled = {one.reason: one for one in decisions if one.remove and not one.word}  # once each
    for one in [*read.values(), *ruled.values()]:
        taken.append(_label(draw, one.reason, one.boxes[0], font, taken))
    return panel


def _label(draw: Any, text: str, box: Box, font: Any, taken: Sequence[Box]) -> Box:
    """Write beside a box where it covers nothing, if there is such a place; return where."""
    wide, high = int(font.getlength(text)) + 4, int(font.size) + 2
    middle = (box.y0 + box.y1 - high) // 2
    places = [(box.x1 + 2, middle), (box.x0 - wide - 2, middle)]
    places += [(box.x0, box.y1 + 1), (box.x0, box.y0 - high - 1), (box.x0 + 2, middle)]
    columns, rows = draw.im.size
    for x, y in places:
        spot = Box(x, y, x + wide, y + high)
        inside = min(x, y) >= 0 and spot.x1 <= columns and spot.y1 <= rows
        if inside and not any(meet(spot, other) for other in taken):
            draw.rectangle(spot, fill=(0, 0, 0))
            draw.text((x + 2, y + high / 2), text, fill=_REMOVE, font=font, anchor="lm")
            return spot
    return Box(0, 0, 0, 0)


def _panel(picture: Image) -> Any:
    from PIL import Image as Pillow

    return Pillow.fromarray(np.ascontiguousarray(picture)).convert("RGB")
