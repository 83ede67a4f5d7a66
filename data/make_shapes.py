"""Images to train a ResNet on, as data/generated/shapes.h5: discs, squares, triangles and crosses in noise.

Needs h5py and numpy:

    python data/make_shapes.py
"""
import pathlib

import h5py
import numpy as np

SIZE = 32
IMAGES = 2560


def mask(kind, x, y, radius):
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    dx, dy = np.abs(columns - x), rows - y
    if kind == 0:
        return dx**2 + dy**2 <= radius**2
    if kind == 1:
        return (dx <= radius * 0.8) & (np.abs(dy) <= radius * 0.8)
    if kind == 2:
        return (np.abs(dy) <= radius) & (dx <= (dy + radius) / 2)
    return ((dx <= radius / 4) & (np.abs(dy) <= radius)) | ((np.abs(dy) <= radius / 4) & (dx <= radius))


def main():
    random = np.random.default_rng(0)
    images = random.integers(0, 96, (IMAGES, 3, SIZE, SIZE), dtype=np.uint8)
    labels = random.integers(0, 4, IMAGES)
    for image, label in zip(images, labels):
        radius = random.uniform(5, 10)
        x, y = random.uniform(radius, SIZE - radius, 2)
        colour = random.integers(96, 256, 3, dtype=np.uint8)
        image[:, mask(label, x, y, radius)] = colour[:, None]
    path = pathlib.Path(__file__).parent / "generated/shapes.h5"
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file["images"] = images
        file["labels"] = labels
    print(f"{path}: {IMAGES:,} images of 3 x {SIZE} x {SIZE}")


if __name__ == "__main__":
    main()
