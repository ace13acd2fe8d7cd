"""Means over networks with their standard errors."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from vgtheory.estimate import Estimate


def averaged(samples: np.ndarray, num_links: int | np.ndarray, dtype: str) -> Estimate:
    """Mean over networks with its standard error, which includes the rounding of the arithmetic.

    Parameters
    ----------
    samples
        One row per network, shape ``(*grid, num_nets, length)``, or ``(num_nets,)``.
    num_links
        Number of links behind each entry. Each adds two roundings of ``dtype``, as if aligned.
    dtype
        Format of the arithmetic.

    Returns
    -------
    Estimate
        Without the axis of networks; ``err`` is inf for a single network, and NaN where a network
        is not finite.
    """
    nets = max(0, samples.ndim - 2)
    mean, num_nets = samples.mean(axis=nets), samples.shape[nets]
    with np.errstate(invalid="ignore"):
        spread = samples.std(axis=nets, ddof=1) if num_nets > 1 else np.full(mean.shape, np.inf)
        rounding = 2 * float(jnp.finfo(dtype).eps) * np.asarray(num_links, dtype=float)
        return Estimate(mean, np.hypot(spread / num_nets**0.5, rounding))


def half_log_of_mean(logs: np.ndarray, num_links: int | np.ndarray, dtype: str) -> Estimate:
    """Half the log of the mean square over networks, with its standard error.

    Parameters
    ----------
    logs
        Logs of norms, shape ``(num_nets, length)``.
    num_links, dtype
        As in ``averaged``.
    """
    top = logs.max(axis=0)
    squares = averaged(np.exp(2 * (logs - top)), num_links, dtype)
    return Estimate(np.log(squares.value) / 2 + top, squares.err / squares.value / 2)


def from_top(increments: np.ndarray) -> np.ndarray:
    """Sum log-factors (index l: from layer l+1 to layer l) from the top down along the last axis.

    The result is float64; its last entry is 0, and the last log-factor is not used.
    """
    steps = np.asarray(increments, dtype=np.float64).copy()
    steps[..., -1] = 0.0
    return np.cumsum(steps[..., ::-1], axis=-1)[..., ::-1]


def over_inputs(samples: np.ndarray, how: dict[str, Any]) -> np.ndarray:
    """Mean of each network over its inputs, where there is an axis of inputs."""
    return samples if how.get("num_inputs") is None else samples.mean(axis=-2)
