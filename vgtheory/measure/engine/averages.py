"""Mean over networks with its standard error."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from vgtheory.estimate import Estimate


def averaged(samples: np.ndarray, num_links: Any, dtype: str) -> Estimate:
    """Mean over networks with its standard error, rounding of the chain's arithmetic included.

    Parameters
    ----------
    samples
        One row per network, shape ``(*grid, num_nets, length)``, or ``(num_nets,)``.
    num_links
        Number of links behind each entry; two roundings of ``dtype`` each are added, as if aligned.
    dtype
        Format of the chain.

    Returns
    -------
    Estimate
        Without the axis of networks; ``err`` is inf for a single network, NaN where a network is not finite.
    """
    nets = max(0, samples.ndim - 2)
    mean, num_nets = samples.mean(axis=nets), samples.shape[nets]
    with np.errstate(invalid="ignore"):
        spread = samples.std(axis=nets, ddof=1) if num_nets > 1 else np.full(mean.shape, np.inf)
        rounding = 2 * float(jnp.finfo(dtype).eps) * np.asarray(num_links, dtype=float)
        return Estimate(mean, np.hypot(spread / num_nets**0.5, rounding))


def from_top(increments: Any) -> np.ndarray:
    """Sum increments from the top down, in float64; the last axis is the layer, and its last entry comes out 0.

    Parameters
    ----------
    increments
        Log-factors between layer l+1 and layer l at index l, shape ``(..., depth)``; the last entry is not used.

    Returns
    -------
    numpy.ndarray
        Shape ``(..., depth)``.
    """
    steps = np.asarray(increments, dtype=np.float64).copy()
    steps[..., -1] = 0.0
    return np.cumsum(steps[..., ::-1], axis=-1)[..., ::-1]


def over_inputs(samples: np.ndarray, how: dict[str, Any]) -> np.ndarray:
    """Each network's mean over its inputs, where it has an axis of them."""
    return samples if how.get("num_inputs") is None else samples.mean(axis=-2)
