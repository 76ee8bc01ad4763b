"""Writes the shapes, masks and messages that the examples read, beside this script. Needs numpy and Pillow.

The other files come from the benchmark: see README.md.
"""

import csv
import pathlib

import numpy as np
from PIL import Image, ImageDraw

HERE = pathlib.Path(__file__).parent
random = np.random.default_rng(7)


def shape(kind):
    """An image of 32x32 with one shape on a noisy ground, and its mask."""
    ground, ink = random.integers(30, 120, 3), random.integers(130, 250, 3)
    x, y, r = random.integers(11, 21), random.integers(11, 21), random.integers(6, 10)
    mask = Image.new("L", (32, 32), 0)
    draw = ImageDraw.Draw(mask)
    if kind == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=1)
    elif kind == "square":
        draw.rectangle((x - r, y - r, x + r, y + r), fill=1)
    else:
        draw.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=1)
    inside = np.asarray(mask)[..., None] == 1
    noise = random.normal(0, 12, (32, 32, 3))
    pixels = np.where(inside, ink, ground) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), mask


def main():
    for kind in ["circle", "square", "triangle"]:
        folder = HERE / "shapes" / kind
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(12):
            shape(kind)[0].save(folder / f"{number:02}.png")
    for part, count in [("train", 12), ("val", 6)]:
        for name in ["images", "masks"]:
            (HERE / "masks" / part / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            image, mask = shape(["circle", "square", "triangle"][number % 3])
            image.save(HERE / "masks" / part / "images" / f"{number:02}.png")
            mask.save(HERE / "masks" / part / "masks" / f"{number:02}.png")

    subjects = {
        "cooking": ["the soup", "a loaf", "the oven", "butter", "the pan", "an onion", "the recipe", "salt"],
        "sailing": ["the harbour", "a sail", "the wind", "the anchor", "the deck", "a knot", "the tide", "the mast"],
    }
    phrases = ["I think {} is fine today", "she asked about {} again", "{} needs more time", "we talked about {} and {}",
               "put {} beside {}", "nothing is wrong with {}", "he never liked {}", "{} was better last year"]
    with open(HERE / "messages.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["topic", "text"])
        for number in range(120):
            topic = ["cooking", "sailing"][number % 2]
            phrase = phrases[int(random.integers(len(phrases)))]
            words = [subjects[topic][int(i)] for i in random.permutation(8)[:2]]
            rows.writerow([topic, phrase.format(*words)])


main()
