"""How much burned-in text is found and removed, what is left alone, and what it costs.

Images are generated: layouts, fonts, sizes, polarity, encodings. A part of the layouts, with
fonts of its own, was held back while the rules were chosen. The peer is one bare call of
RapidOCR on the image stretched from its least to its largest value.

    python benchmarks/pixels.py [--seeds 2] [--attack]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "pixels"))

import pixel_images as made
import pixel_scenes as scenes

from medlab import pixels
from medlab.errors import MedlabError
from medlab.pixels import attack, detect, frames


def removed(texts, boxes, shape):
    """Return for each text whether its place is covered (nine tenths), and whether it is free."""
    filled = np.zeros(shape, bool)
    for x0, y0, x1, y1 in boxes:
        filled[y0:y1, x0:x1] = True
    shares = [filled[y0:y1, x0:x1].mean() for x0, y0, x1, y1 in (text.box for text in texts)]
    return [share > 0.9 for share in shares], [share == 0 for share in shares]


def judge(scene, policy, counts, group):
    ds = scene.dataset
    try:
        done = pixels.clean(ds, pixels.identity_words(ds), policy=policy)
    except MedlabError as error:
        counts[group, policy, "withheld"] += 1
        print(f"  withheld: {scene.layout} {scene.encoding} {policy}: {error}")
        return
    result = made.reread(done.dataset)
    exact = pixels.same_outside(ds, result, done.boxes)
    counts[group, policy, "exact", exact] += 1
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
    """Measure what is done besides the recognizer's calls."""
    ds = scene.dataset
    form = frames.layout(ds)
    shown = frames.displayed(ds, form, next(frames.stored_frames(ds, form)))
    plain = frames.window(shown, *frames.bright_range(shown))
    started = time.process_time()
    detect.rapidocr(plain)
    spent["bare call"] += time.process_time() - started
    started = time.process_time()
    pixels.find_text(ds, pixels.identity_words(ds))
    spent["find_text"] += time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1, help="images a layout")
    parser.add_argument("--first", type=int, default=100, help="the first seed")
    parser.add_argument("--attack", action="store_true", help="also blur and pixelate")
    parser.add_argument("--policies", default="allow,match")
    asked = parser.parse_args()
    counts, spent = Counter(), Counter()
    for seed in range(asked.first, asked.first + asked.seeds):
        todo = [(scenes.scene(name, seed), "tuned on") for name in scenes.LAYOUTS]
        todo += [
            (scenes.scene(name, seed, held_back=True), "held back") for name in scenes.HELD_BACK
        ]
        todo += [(scenes.clean_scene(seed), "tuned on")]
        for scene, group in todo:
            for policy in asked.policies.split(","):
                judge(scene, policy, counts, group)
            cost(scene, spent)
    print(report(counts).to_string(index=False))
    print(f"layouts: {len(scenes.LAYOUTS)} tuned on, {len(scenes.HELD_BACK)} held back")
    ratio = spent["find_text"] / spent["bare call"]
    print(f"find_text costs {ratio:.2f} times one bare RapidOCR call per image (limit 1.3)")
    if asked.attack:
        effects = [("pixelate", b) for b in (4, 8, 12, 16)] + [("blur", s) for s in (2, 4, 6, 8)]
        print(
            attack.recovery(effects, np.random.default_rng(0), numbers=10).to_string(index=False)
        )


def report(counts) -> pd.DataFrame:
    rows = []
    for group, policy, kind, *_ in sorted({key[:3] for key in counts}):
        good, bad = counts[group, policy, kind, True], counts[group, policy, kind, False]
        if kind == "withheld":
            good, bad = 0, counts[group, policy, kind]
        rows.append((group, policy, kind, good, good + bad, good / (good + bad)))
    return pd.DataFrame(rows, columns=["layouts", "policy", "what", "right", "of", "share"])


if __name__ == "__main__":
    main()
