"""A picture with a name and a marker on it, and a recognizer that reads just these."""

import numpy as np
import pixel_images as made

from medlab import pixels
from medlab.pixels.detect import Word

SHAPE = (100, 200)
NAME, MARK = (10, 10, 90, 24), (170, 70, 184, 90)


def engine(texts):
    """Return a recognizer that reads the texts where their place is not yet black."""

    def read(image):
        turned = image.shape[0] > image.shape[1]
        image = np.rot90(image, -1) if turned else image
        quads = {
            text: ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
            for text, (x0, y0, x1, y1) in texts.items()
            if image[y0:y1, x0:x1].max() > 60
        }
        if turned:
            quads = {
                text: [(y, SHAPE[1] - 1 - x) for x, y in quad] for text, quad in quads.items()
            }
        return [Word(text, 0.99, tuple(quad)) for text, quad in quads.items()]

    return read


TEXTS = {"OKAFOR": NAME, "R": MARK}


def image(**more):
    values = np.zeros(SHAPE, np.uint8)
    values[40:60, 80:120] = 90
    for x0, y0, x1, y1 in TEXTS.values():
        values[y0:y1, x0:x1] = 250
    return made.gray(values, **more)


def clean(ds, **more):
    more = {"engine": engine(TEXTS), "second": None, **more}
    return pixels.clean(ds, ["OKAFOR^JANE"], **more)
