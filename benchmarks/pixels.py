"""How much burned-in text is found and removed, what is left alone, and what it costs.

Images are generated: layouts written by hand and layouts drawn by chance, in many fonts,
sizes, contrasts and encodings. A third of the layouts, with fonts and wordings of their own,
was held back while the rules were chosen. The peer is one bare call of RapidOCR on the image
stretched from its least to its largest value.

    python benchmarks/pixels.py [--drawn 90] [--first 0] [--attack] [--limits] [--series 20]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont
from scipy.stats import beta

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "pixels"))

import pixel_images as made
import pixel_layouts as drawn
import pixel_scenes as scenes
import pixel_series

from medlab import pixels
from medlab.errors import MedlabError
from medlab.pixels import attack, decide, detect, effects, frames

_READ: dict[int, list[detect.Word]] = {}


def reader(image):
    """Read with RapidOCR, the same picture once only: both policies begin with the same."""
    mark = hash(image.tobytes())
    if mark not in _READ:
        _READ[mark] = detect.rapidocr(image)
    return _READ[mark]


def removed(texts, boxes, shape):
    """Return for each text whether its place is covered (nine tenths), and whether it is free."""
    filled = np.zeros(shape, bool)
    for x0, y0, x1, y1 in boxes:
        filled[y0:y1, x0:x1] = True
    shares = [filled[y0:y1, x0:x1].mean() for x0, y0, x1, y1 in (text.box for text in texts)]
    return [share > 0.9 for share in shares], [share == 0 for share in shares]


def outside(texts, boxes, shape):
    """Return the share of the image that was filled beyond the texts plus one text height."""
    filled, near = np.zeros(shape, bool), np.zeros(shape, bool)
    for x0, y0, x1, y1 in boxes:
        filled[y0:y1, x0:x1] = True
    for x0, y0, x1, y1 in (text.box for text in texts):
        pad = min(x1 - x0, y1 - y0)
        near[max(y0 - pad, 0) : y1 + pad, max(x0 - pad, 0) : x1 + pad] = True
    return (filled & ~near).mean()


def judge(scene, policy, counts, group, spill):
    ds = scene.dataset
    try:
        done = pixels.clean(ds, pixels.identity_words(ds), policy=policy, engine=reader)
    except MedlabError as error:
        counts[group, policy, "withheld"] += 1
        print(f"  withheld: {scene.layout} {scene.encoding} {policy}: {error}")
        return
    result = made.reread(done.dataset)
    exact = pixels.same_outside(ds, result, done.boxes)
    counts[group, policy, "exact", exact] += 1
    spill[policy].append(outside(scene.texts, done.boxes, (ds.Rows, ds.Columns)))
    gone, free = removed(scene.texts, done.boxes, (ds.Rows, ds.Columns))
    for text, is_gone, is_free in zip(scene.texts, gone, free, strict=True):
        if text.kind == "unknown" and policy == "match":
            continue
        good = is_gone if text.kind in ("known", "unknown") else is_free
        counts[group, policy, text.kind, bool(good)] += 1
        if not good:
            print(f"  {scene.layout} {scene.encoding} {policy}: {text.kind} {text.text!r}")
    if scene.layout == "clean":
        counts[
            group, policy, "clean", done.dataset.PixelData is ds.PixelData or not done.boxes
        ] += 1


def cost(scene, spent):
    """Measure one bare call for each frame that differs, and all that is done instead."""
    ds = scene.dataset
    form = frames.layout(ds)
    shown = frames.displayed(ds, form, next(frames.stored_frames(ds, form)))
    plain = frames.window(shown, *frames.bright_range(shown))
    different = sum(1 for _ in detect.pictures(ds, form))
    started = time.process_time()
    detect._rapid()(plain if plain.ndim == 2 else plain[..., ::-1])
    spent["bare calls"] += different * (time.process_time() - started)
    started = time.process_time()
    pixels.find_text(ds, pixels.identity_words(ds))
    spent["find_text"] += time.process_time() - started


def all_scenes(first: int, count: int):
    """Give image after image with its group."""
    for name in scenes.LAYOUTS:
        yield scenes.scene(name, 100), "tuned on"
    for name in scenes.HELD_BACK:
        yield scenes.scene(name, 100, held_back=True), "held back"
    yield scenes.clean_scene(100), "tuned on"
    for number in range(first, first + count):
        back = number % 3 == 2
        yield drawn.draw(number, held_back=back), "held back" if back else "tuned on"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--drawn", type=int, default=90, help="layouts drawn by chance")
    parser.add_argument("--first", type=int, default=0, help="number of the first of them")
    parser.add_argument("--attack", action="store_true", help="also blur and pixelate")
    parser.add_argument("--limits", action="store_true", help="only the hard cases")
    parser.add_argument("--series", type=int, default=0, help="only series, so many texts each")
    parser.add_argument("--policies", default="allow,match")
    asked = parser.parse_args()
    if asked.series:
        pixel_series.measure(asked.series, 300)
        return
    if asked.limits:
        limits()
        return
    counts, layouts, spent = Counter(), Counter(), Counter()
    spill = {policy: [] for policy in asked.policies.split(",")}
    for number, (scene, group) in enumerate(all_scenes(asked.first, asked.drawn)):
        layouts[group] += 1
        for policy in asked.policies.split(","):
            judge(scene, policy, counts, group, spill)
        if number < 10:
            cost(scene, spent)
        _READ.clear()
    print(report(counts).to_string(index=False, float_format="%.3f"))
    print("layouts:", ", ".join(f"{n} {group}" for group, n in layouts.items()))
    for policy, shares in spill.items():
        print(
            f"filled beyond the texts plus one text height, {policy}: "
            f"mean {np.mean(shares):.2%} of the image, worst {np.max(shares):.2%}"
        )
    ratio = spent["find_text"] / spent["bare calls"]
    print(f"find_text costs {ratio:.2f} times one bare call per distinct frame (limit 1.3)")
    if asked.attack:
        effects = [("pixelate", b) for b in (4, 8, 12, 16)] + [("blur", s) for s in (2, 4, 6, 8)]
        print(
            attack.recovery(effects, np.random.default_rng(0), numbers=10).to_string(index=False)
        )


def hard(rng):
    """Return images of hard cases by name: stored values and the box of the text."""
    shape = (400, 600)

    def drawn(text="OKAFOR JANE", size=20, at=(60, 180), turn=0.0, font=None, ink=2600.0):
        face = ImageFont.truetype(font or str(made.FONTS / "DejaVuSans.ttf"), size)
        canvas = Image.new("L", shape[::-1], 0)
        ImageDraw.Draw(canvas).multiline_text(at, text, fill=255, font=face)
        canvas = canvas.rotate(turn, resample=Image.Resampling.BICUBIC)
        cover = np.asarray(canvas) / 255.0
        return rng.normal(30, 4, shape) + ink * cover, cover > 0.5

    cases = {
        "spaced out": drawn("O K A F O R   J A N E"),
        "widely spaced": drawn("O   K   A   F   O   R", size=24, at=(20, 180)),
        "over two lines": drawn("OKAFOR,\nJANE"),
        "hyphenated": drawn("OKA-\nFOR"),
        "worklist": drawn("OKAFOR JANE\nKELLER ELENA\nDEMIR MAGNUS", at=(60, 120)),
        "Cyrillic": drawn("\u041e\u043a\u0430\u0444\u043e\u0440 \u0418\u0432\u0430\u043d"),
        "Greek": drawn(
            "\u039f\u03ba\u03b1\u03c6\u03cc\u03c1 \u0399\u03c9\u03ac\u03bd\u03bd\u03b7\u03c2"
        ),
    }
    cases |= {f"turned {turn} degrees": drawn(turn=turn) for turn in (5, 15, 30, 45, 90, 180)}
    cases |= {f"{ink} counts over noise of sd 4": drawn(ink=ink) for ink in (25, 16, 12, 8)}
    cases |= {f"type of {size} pixels": drawn(size=size) for size in (6, 7, 8, 9, 12)}
    cases |= {f"type of {s} pixels": drawn("OKAFOR", size=s, at=(10, 100)) for s in (80, 150)}
    cases["curved"] = _curved(rng, shape)
    cases["handwriting (drawn strokes)"] = _scrawl(rng, shape)
    return cases


def _curved(rng, shape):
    canvas = Image.new("L", shape[::-1], 0)
    face = ImageFont.truetype(str(made.FONTS / "DejaVuSans.ttf"), 22)
    for index, letter in enumerate("OKAFOR JANE"):
        angle = np.deg2rad(-150 + 12 * index)
        tile = Image.new("L", (40, 40), 0)
        ImageDraw.Draw(tile).text((20, 20), letter, fill=255, font=face, anchor="mm")
        tile = tile.rotate(-np.rad2deg(angle) - 90, resample=Image.Resampling.BICUBIC)
        place = (int(300 + 130 * np.cos(angle)) - 20, int(240 + 130 * np.sin(angle)) - 20)
        canvas.paste(255, place, tile)
    cover = np.asarray(canvas) / 255.0
    return rng.normal(30, 4, shape) + 2600 * cover, cover > 0.5


def _scrawl(rng, shape):
    """Return loops and bars of an uncertain hand; no real handwriting is at hand."""
    canvas = Image.new("L", shape[::-1], 0)
    draw = ImageDraw.Draw(canvas)
    x = 80.0
    for _ in range(9):
        points = rng.normal(0, 9, (4, 2)).cumsum(axis=0) * [0.6, 1] + [x, 200]
        draw.line([tuple(point) for point in points], fill=255, width=3, joint="curve")
        x += 20
    cover = np.asarray(canvas) / 255.0
    return rng.normal(30, 4, shape) + 2600 * cover, cover > 0.5


def limits() -> None:
    """Print the share of the ink of hard cases that each policy covers after one reading."""
    known = decide.identity(["OKAFOR^JANE", "\u041e\u043a\u0430\u0444\u043e\u0440"])
    for name, (values, ink) in hard(np.random.default_rng(5)).items():
        ds = made.gray(np.clip(values, 0, 4095).astype(np.uint16), stored=12)
        form = frames.layout(ds)
        pictures = detect.pictures(ds, form)
        words = [word for index, one in pictures for word in detect.read(one, frame=index)]
        shares = []
        for policy in decide.POLICIES:
            boxes = decide.boxes_of(decide.decide(words, known, policy, area=ink.size), form)
            shares.append(effects.covered(form, boxes)[ink].mean())
        print(f"{name:32} allow {shares[0]:4.0%}  match {shares[1]:4.0%}", flush=True)


def report(counts) -> pd.DataFrame:
    """Return shares, each with the lower end of its 95 % interval (Clopper and Pearson 1934)."""
    rows = []
    for group, policy, kind, *_ in sorted({key[:3] for key in counts}):
        good, bad = counts[group, policy, kind, True], counts[group, policy, kind, False]
        if kind == "withheld":
            good, bad = 0, counts[group, policy, kind]
        least = beta.ppf(0.05, good, bad + 1) if good else 0.0
        rows.append((group, policy, kind, good, good + bad, good / (good + bad), least))
    names = ["layouts", "policy", "what", "right", "of", "share", "at least"]
    return pd.DataFrame(rows, columns=names)


if __name__ == "__main__":
    main()
