"""Means over the units of one layer: Gaussian means at a given variance, and the law of that variance at finite width.

Given the layer below, the pre-activations of a layer are independent N(0, Q). The library's law of ln q, q their mean square, is therefore
that of ln Q plus that of ln(chi^2_N / N), which is independent of Q and is taken off here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import polygamma, psi

from vgtheory import theory

GRID = np.linspace(-9.0, 9.0, 6001)
"""Of standard normal values; its trapezium rule is exact to rounding for smooth functions, and to 1e-6 across a kink at 0."""
WEIGHT = np.exp(-(GRID**2) / 2) / np.sqrt(2 * np.pi) * (GRID[1] - GRID[0])
NEAR = 1e-3
"""Step of ln Q for derivatives."""


class LogVariance(NamedTuple):
    """Mean and variance over networks of ln Q, layer by layer."""

    mean: np.ndarray
    variance: np.ndarray


def gaussian_mean(function: Callable[[np.ndarray], np.ndarray], q: float) -> float:
    """E f(h) for h ~ N(0, q)."""
    return float(np.sum(WEIGHT * function(np.sqrt(q) * GRID)))


def log_variance(net: Any, depth: int, width: int) -> LogVariance:
    """Law of ln Q of every layer, from that of ln q."""
    law, half = theory.log_q_layers(net, depth=depth, width=width), width / 2
    return LogVariance(law.mean - psi(half) + np.log(half), np.maximum(law.std**2 - polygamma(1, half), 0.0))


def expanded(function: Callable[[float], float], mean: float, variance: float) -> tuple[float, float, float]:
    """Value at the mean of ln Q, shift of the mean by the curvature, and variance by the slope of a function of ln Q."""
    below, at, above = (function(mean + shift) for shift in (-NEAR, 0.0, NEAR))
    slope, curvature = (above - below) / (2 * NEAR), (above - 2 * at + below) / NEAR**2
    return at, curvature * variance / 2, slope**2 * variance
