"""Profiles of convolutional networks over depth and position, each with its standard error."""

from typing import Any

import numpy as np
from jax import Array

from vgtheory.estimate import Estimate
from vgtheory.measure.arguments import asked, listed
from vgtheory.measure.blocks.convolution import samples
from vgtheory.measure.engine.averages import averaged
from vgtheory.networks.conv import Conv


def _averaged(logs: np.ndarray, num_links: np.ndarray, dtype: str) -> Estimate:
    """``averaged`` for fields of one or two dimensions."""
    flat = averaged(logs.reshape(len(logs), -1), np.repeat(num_links, logs[0, 0].size), dtype)
    return Estimate(*(each.reshape(logs.shape[1:]) for each in flat))


@asked(net=listed)
def log_q_positions(
    key: Array,
    net: Conv,
    *,
    depth: int,
    width: int,
    positions: int | tuple[int, ...],
    num_nets: int,
    dtype: str = "float32",
    **how: Any,
) -> Estimate:
    """Log of the mean square of a convolution's pre-activations, by layer and position.

    The mean is over channels.

    Parameters
    ----------
    key, net, depth, width, num_nets, dtype
        As for ``measure.log_grad_layers``; ``net`` is a ``Conv`` and ``width`` counts channels.
    positions
        Number of positions, or a pair of numbers for a plane.
    how
        ``keep``, ``memory``, ``devices`` of ``measure.samples``.

    Returns
    -------
    Estimate
        Mean over networks of the natural log, shape ``(depth, *positions)``; ``err`` is one
        standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Conv, measure
    >>> net = Conv("linear", padding="zero")
    >>> size = {"depth": 4, "width": 16, "positions": 4, "num_nets": 4}
    >>> seen = measure.blocks.log_q_positions(jax.random.key(0), net, **size)
    >>> bool((seen.value[:, 0] < seen.value[:, 1]).all())  # zeros beyond the border
    True
    """
    logs = samples(key, net, depth=depth, width=width, positions=positions, num_nets=num_nets, dtype=dtype, **how)
    return _averaged(logs.log_q_positions, 2 * np.arange(1, depth + 1), dtype)


@asked(net=listed)
def log_grad_positions(
    key: Array,
    net: Conv,
    *,
    depth: int,
    width: int,
    positions: int | tuple[int, ...],
    num_nets: int,
    dtype: str = "float32",
    **how: Any,
) -> Estimate:
    """Log-norm of a convolution's gradient, by layer and position.

    The norm is relative to the root mean square over positions of the top's gradient.

    Parameters
    ----------
    key, net, depth, width, positions, num_nets, dtype, how
        As for ``log_q_positions``.

    Returns
    -------
    Estimate
        Mean over networks of the natural log, shape ``(depth, *positions)``; ``err`` is one
        standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Conv, measure
    >>> net = Conv("linear", padding="zero")
    >>> size = {"depth": 4, "width": 16, "positions": 4, "num_nets": 4}
    >>> measure.blocks.log_grad_positions(jax.random.key(0), net, **size).value.shape
    (4, 4)
    """
    logs = samples(key, net, depth=depth, width=width, positions=positions, num_nets=num_nets, dtype=dtype, **how)
    return _averaged(logs.log_grad_positions, np.arange(depth, 0, -1), dtype)
