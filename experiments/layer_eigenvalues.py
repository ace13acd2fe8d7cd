"""Do the eigenvalues of each layer's weights tell whether a feed-forward gradient vanishes or explodes?

Every layer has its own matrix W = Q T Q^T with a new Haar rotation Q, so that all layers have the same eigenvalues and the same singular
values s_i. The gradient g meets each rotation for the first time, so that z = Q^T g / |g| is uniform on the sphere and the factors
|T^T z| are independent. Their law follows from the singular values alone. With S = sum s_i^2 y_i^2 for standard normal y_i, and an
exponential variable X independent of it, P(X / S > t) = E exp(-t S) = prod (1 + 2 s_i^2 t)^(-1/2), which gives mean and variance of
ln(X / S); those of ln X are -gamma and pi^2 / 6, and those of ln |y|^2 are psi(n/2) + ln 2 and psi'(n/2).

Assumes: linear layers, independent rotations; exact at any width. Speaks of the natural log of the gradient's norm, not of its square.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import polygamma, psi

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, rng_of, thinned
from vgtheory import Estimate

SCALE, SHIFT = 1.2, 1.3
"""Singular values of the rotation and sigma_w of the Gaussian matrices; those of the shift, one of which is 0."""
SPIKE = 5.0
"""The one eigenvalue of the projector."""
TRIANGLE = 2.0
"""Standard deviation, times the root of the width, of the entries above the diagonal."""
MATRICES = ("nilpotent shift", "nilpotent triangle", "rotation", "Gaussian", "projector")
IDENTITIES = r"^rotation"
"""Labels that are tests and no comparisons: a multiple of a rotation changes every norm by the same factor."""
EPS = 2 * float(np.finfo(np.float64).eps)
GRID = np.linspace(-80.0, 60.0, 28_001)
"""Of ln t; the survival probability is 1 and 0 at its ends."""


@dataclass(frozen=True)
class Config:
    matrix: tuple[str, ...] = MATRICES
    depth: int = 200
    width: int = 32
    num_nets: int = 16
    seed: int = 71


SMOKE = Config(depth=40, width=16, num_nets=4)


def log_factor(singular_values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of ln |T z| for z uniform on the sphere, from the singular values of T."""
    half = len(singular_values) / 2
    log_survival = -0.5 * np.log1p(2 * np.exp(GRID)[:, None] * np.asarray(singular_values) ** 2).sum(axis=1)
    survival = np.exp(log_survival)
    step = GRID[1] - GRID[0]
    mean = GRID[0] + np.trapezoid(survival, dx=step)
    square = 2 * np.trapezoid((GRID - GRID[0]) * survival, dx=step) - (mean - GRID[0]) ** 2
    log_s = -np.euler_gamma - mean
    variance = square - np.pi**2 / 6 - polygamma(1, half)
    return (log_s - psi(half) - np.log(2)) / 2, float(np.sqrt(max(variance, 0.0))) / 2


def _core(config: Config) -> np.ndarray:
    """The matrix that every layer rotates; fixed, so that its singular values are known."""
    (name,), width = config.matrix, config.width
    if name == "nilpotent shift":
        return SHIFT * np.eye(width, k=1)
    if name == "nilpotent triangle":
        return TRIANGLE * np.triu(rng_of(config).normal(0.0, width**-0.5, (width, width)), 1)
    if name == "rotation":
        return SCALE * np.eye(width)
    return SPIKE * np.diag(np.eye(width)[0])


def _law(config: Config) -> tuple[float, float]:
    """Mean and standard deviation of one layer's change of ln |g|."""
    half = config.width / 2
    if config.matrix[0] == "Gaussian":
        return (np.log(SCALE**2 / half) + psi(half)) / 2, float(np.sqrt(polygamma(1, half))) / 2
    if config.matrix[0] == "rotation":
        return float(np.log(SCALE)), 0.0
    return log_factor(np.linalg.svd(_core(config), compute_uv=False))


def _haar(rng: np.random.Generator, num: int, width: int) -> np.ndarray:
    q, r = np.linalg.qr(rng.standard_normal((num, width, width)))
    return q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None]


def _weights(config: Config, core: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One layer of every network."""
    num, width = config.num_nets, config.width
    if config.matrix[0] == "Gaussian":
        return rng.normal(0.0, SCALE * width**-0.5, (num, width, width))
    q = _haar(rng, num, width)
    if config.matrix[0] == "rotation":
        return SCALE * q
    return q @ core @ q.swapaxes(1, 2)


def run(config: Config) -> dict[str, Any]:
    (name,), num = config.matrix, config.num_nets
    core, rng = _core(config), rng_of(config)
    g = rng.standard_normal((num, config.width))
    g /= np.linalg.norm(g, axis=1, keepdims=True)
    changes, radius = np.empty((config.depth, num)), 0.0
    for layer in range(config.depth):
        weights = _weights(config, core, rng)
        if layer == 0:
            radius = float(np.abs(np.linalg.eigvals(weights)).max(axis=1).mean())
        g = np.einsum("nij,ni->nj", weights, g)  # the gradient with respect to a layer's input: W^T g
        size = np.linalg.norm(g, axis=1)
        changes[layer], g = np.log(size), g / size[:, None]
    mean, std = _law(config)
    below, logs = thinned(config.depth), np.cumsum(changes, axis=0)
    chosen = logs[below - 1]
    rate = Estimate(changes.mean(), logs[-1].std(ddof=1) / config.depth / num**0.5)
    err = float(np.hypot(std / (config.depth * num) ** 0.5, EPS))
    return {
        "below": below,
        "log_grad": mean * below,
        "log_grad_std": std * below**0.5,
        "log_grad_hat": chosen.mean(axis=1),
        "log_grad_hat_err": chosen.std(axis=1, ddof=1) / num**0.5,
        "radius": {"rotation": SCALE, "Gaussian": SCALE, "projector": SPIKE}.get(name, 0.0),
        "radius_hat": radius,
        **comparison(name, "eigenvalues of layers", rate, mean, err),
    }


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.drop_duplicates("cell").set_index("matrix")
    last = frame[frame.below == frame.below.max()].set_index("matrix")
    numbers = {"depth": f"{int(frame.depth.max())}", "width": f"{int(frame.width.max())}"}
    for name, key in zip(MATRICES, ("shift", "triangle", "rotation", "gaussian", "projector"), strict=True):
        numbers |= {
            f"{key}/radius": f"{cells.radius[name]:g}",
            f"{key}/factor": f"{np.exp(cells.measured[name]):.3f}",
            f"{key}/predicted": f"{np.exp(cells.predicted[name]):.3f}",
            f"{key}/decades": f"{last.log_grad_hat[name] / np.log(10):.1f}",
            f"{key}/computed": f"{cells.radius_hat[name]:.2f}",
        }
    verdict = (
        f"No. Nilpotent matrices, whose eigenvalues are all 0, multiply the gradient by {numbers['shift/factor']} per layer (predicted "
        f"{numbers['shift/predicted']} from their singular values), and by 10^{numbers['shift/decades']} over {numbers['depth']} layers. "
        f"Projectors of spectral radius {numbers['projector/radius']} multiply it by {numbers['projector/factor']} (predicted "
        f"{numbers['projector/predicted']}). Rotations and Gaussian matrices of the same radius {numbers['rotation/radius']} give "
        f"{numbers['rotation/factor']} and {numbers['gaussian/factor']}."
    )
    return Findings(verdict, numbers)
