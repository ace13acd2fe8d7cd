"""What feed-forward networks are trained on: handwritten digits of 8 x 8 pixels (scikit-learn's 1,797 images), and a teacher network of any depth."""

from functools import cache
from typing import NamedTuple

import numpy as np

SEED = 20
NUM_UNSEEN = 360
"""A fifth of the digits."""
INPUTS, OUTPUTS = 64, 10
NUM_TAUGHT = 4096


class Data(NamedTuple):
    """Examples to train on and examples to be scored on."""

    inputs: np.ndarray
    targets: np.ndarray
    unseen: tuple[np.ndarray, np.ndarray]


def _cut(inputs: np.ndarray, targets: np.ndarray, num_unseen: int) -> Data:
    return Data(inputs[num_unseen:], targets[num_unseen:], (inputs[:num_unseen], targets[:num_unseen]))


@cache
def digits() -> Data:
    """1,797 images of 8 x 8 pixels, each of mean zero and unit mean square: Alpaydin & Kaynak (1998), as scikit-learn has them."""
    from sklearn.datasets import load_digits  # here, for a second goes into it

    inputs, classes = load_digits(return_X_y=True)
    centred = inputs - inputs.mean(axis=1, keepdims=True)
    scaled = centred / np.sqrt(np.mean(centred**2, axis=1, keepdims=True))
    order = np.random.default_rng(SEED).permutation(len(classes))
    return _cut(scaled[order].astype(np.float32), classes[order], NUM_UNSEEN)


@cache
def teacher(depth: int) -> Data:
    """Outputs, of unit mean square, of one random tanh network of that depth at its edge, on Gaussian inputs of the digits' size."""
    rng = np.random.default_rng([SEED, depth])
    inputs = rng.standard_normal((NUM_TAUGHT, INPUTS)).astype(np.float32)
    x = inputs
    for _ in range(depth - 1):
        x = np.tanh(x @ rng.normal(0.0, INPUTS**-0.5, (INPUTS, INPUTS)))
    outputs = x @ rng.standard_normal((INPUTS, OUTPUTS))
    return _cut(inputs, (outputs / outputs.std()).astype(np.float32), NUM_TAUGHT // 4)
