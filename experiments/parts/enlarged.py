"""Images of 28 x 28 pixels generated from scikit-learn's digits of 8 x 8: enlarged by cubic splines and slightly deformed. They have MNIST's size and are not MNIST."""

from functools import cache

import numpy as np

from experiments.parts.digits import NUM_UNSEEN, SEED, Data

SIDE, SMALL = 28, 8
"""Pixels of a side: generated and original."""
BOX = 20
"""Pixels of a side that a digit of unit scale fills, as in MNIST; the rest is margin."""
NUM_DIGITS = 1797
COPIES = 2
"""Images generated from each original."""
SHIFT, DEGREES, SCALE, SHEAR = 2.0, 12.0, 0.1, 0.1
"""Largest deformations either way: pixels of the generated image, degrees, share of the size, and slope."""
BRIGHTEST = 16.0
"""Brightest pixel of the originals, beyond which, and below 0, a spline may swing."""


def deformed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One image of ``SIDE`` x ``SIDE`` pixels: enlarged, turned, scaled, sheared and shifted in a single interpolation."""
    from scipy.ndimage import affine_transform  # here, as scikit-learn below

    shift = rng.uniform(-SHIFT, SHIFT, 2)
    angle = np.deg2rad(rng.uniform(-DEGREES, DEGREES))
    scale, shear = 1 + rng.uniform(-SCALE, SCALE), rng.uniform(-SHEAR, SHEAR)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    back = SMALL / BOX * np.linalg.inv(scale * turn @ np.array([[1.0, 0.0], [shear, 1.0]]))
    offset = (SMALL - 1) / 2 - back @ ((SIDE - 1) / 2 + shift)
    found = affine_transform(image, back, offset, output_shape=(SIDE, SIDE), order=3)
    return np.clip(found, 0.0, BRIGHTEST)


def _generated(images: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Every original's copies, in a random order; each of mean zero and unit mean square."""
    flat = np.array([deformed(image, rng).ravel() for image in images for _ in range(COPIES)])
    centred = flat - flat.mean(axis=1, keepdims=True)
    scaled = centred / np.sqrt(np.mean(centred**2, axis=1, keepdims=True))
    order = rng.permutation(len(scaled))
    return scaled[order].astype(np.float32), np.repeat(classes, COPIES)[order]


@cache
def enlarged() -> Data:
    """Two images of each of the 1,797 digits. The unseen ones come from the originals that ``digits`` leaves unseen, and from no others."""
    from sklearn.datasets import load_digits

    found = load_digits()
    order = np.random.default_rng(SEED).permutation(len(found.target))
    images, classes = found.images[order], found.target[order]
    unseen = _generated(images[:NUM_UNSEEN], classes[:NUM_UNSEEN], np.random.default_rng([SEED, 1]))
    return Data(*_generated(images[NUM_UNSEEN:], classes[NUM_UNSEEN:], np.random.default_rng([SEED, 0])), unseen)
