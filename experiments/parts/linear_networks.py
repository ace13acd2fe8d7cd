"""Linear networks of one example, in NumPy: drawn aligned or at random, their gradient by back-propagation, and their training."""

import numpy as np

MOST_UPDATES = 5000
Drawn = tuple[list[np.ndarray], np.ndarray, np.ndarray]
"""Matrices, and unit vectors of the input and of the output asked for."""


def rotation(rng: np.random.Generator, width: int) -> np.ndarray:
    """A Haar-distributed orthogonal matrix."""
    q, r = np.linalg.qr(rng.standard_normal((width, width)))
    return q * np.sign(np.diag(r))


def log_grad(weights: list[np.ndarray], v: np.ndarray) -> float:
    """ln of the first matrix's gradient, for an input of length 1 and an error of 1."""
    for matrix in weights[:0:-1]:
        v = matrix.T @ v
    return float(np.log(np.linalg.norm(v)))


def slopes(weights: list[np.ndarray], x: np.ndarray, v: np.ndarray) -> list[np.ndarray]:
    """Gradient of v . W_n ... W_1 x with respect to every matrix, by back-propagation."""
    inputs = [x]
    for matrix in weights[:-1]:
        inputs.append(matrix @ inputs[-1])
    found = []
    for matrix, below in zip(weights[::-1], inputs[::-1], strict=True):
        found.append(np.outer(v, below))
        v = matrix.T @ v
    return found[::-1]


def largest_rise_seen(weights: list[np.ndarray], x: np.ndarray, v: np.ndarray, rate: float) -> float:
    """The largest rise of ln |g| in one step, from the start until a tenth of the error is left."""
    logs, error = [], 1.0
    while error > 0.1 and len(logs) < MOST_UPDATES:
        y = x
        for matrix in weights:
            y = matrix @ y
        error = 1 - float(v @ y)
        logs.append(np.log(abs(error)) + log_grad(weights, v))
        weights = [each + rate * error * slope for each, slope in zip(weights, slopes(weights, x, v), strict=True)]
    return float(np.diff(logs).max())


def aligned(matrices: int, width: int, product: float, rng: np.random.Generator) -> Drawn:
    """Multiples of rotations, the input, and the output that they turn it to."""
    weights = [product ** (1 / matrices) * rotation(rng, width) for _ in range(matrices)]
    x = rng.standard_normal(width)
    x /= np.linalg.norm(x)
    v = x
    for matrix in weights:
        v = matrix @ v
    return weights, x, v / np.linalg.norm(v)


def random(matrices: int, width: int, sigma_w: float, rng: np.random.Generator) -> Drawn:
    """Small Gaussian matrices, and random directions of input and output."""
    weights = list(rng.normal(0.0, sigma_w * width**-0.5, (matrices, width, width)))
    x, v = rng.standard_normal((2, width))
    return weights, x / np.linalg.norm(x), v / np.linalg.norm(v)
