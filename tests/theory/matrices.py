"""Explicit matrices of real width, from the mildest to the worst."""

import numpy as np
import scipy.linalg

WIDTH = 32


def turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def grcar(width: int) -> np.ndarray:
    return np.eye(width) - np.eye(width, k=-1) + sum(np.eye(width, k=k) for k in (1, 2, 3))


def jordan(value: float, width: int = WIDTH) -> np.ndarray:
    return value * np.eye(width) + np.eye(width, k=1)


def radius(matrix: np.ndarray) -> float:
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def explicit() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    square = rng.normal(size=(WIDTH, WIDTH))
    basis = np.linalg.qr(square)[0]
    planes = [size * turn(0.3 + 0.1 * index) for index, size in enumerate(np.linspace(1.02, 0.3, WIDTH // 2))]
    return {
        "symmetric": (square + square.T) / (2 * WIDTH) ** 0.5,
        "complex pairs": basis @ scipy.linalg.block_diag(*planes) @ basis.T,
        "orthogonal": 0.99 * basis,
        "jordan": jordan(0.9),
        "jordan, alternating": jordan(-0.6),
        "jordan, many": scipy.linalg.block_diag(*(jordan(value, 8) for value in (0.9, -0.9, 0.5, 1.1))),
        "grcar": grcar(WIDTH),
        "grcar, wide": grcar(2 * WIDTH),
        "ginibre": square / WIDTH**0.5,
        "triangular": np.triu(square),
        "huge": 1e200 * np.array([[1.0, 1.0], [0.0, 0.5]]),
        "tiny": 1e-300 * np.array([[1.0, 1.0], [0.0, 0.5]]),
    }


def vector(matrix: np.ndarray) -> np.ndarray:
    return np.cos(np.arange(len(matrix)))
