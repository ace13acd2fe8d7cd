"""Profiles of convolutional networks over depth and position, each with its standard error; the twins of ``theory.convolution``."""

from typing import Any

import numpy as np
from jax import Array

from vgtheory.estimate import Estimate
from vgtheory.measure.arguments import asked
from vgtheory.measure.blocks.convolution import samples
from vgtheory.measure.engine.averages import averaged
from vgtheory.networks.conv import Conv


def _averaged(logs: np.ndarray, num_links: np.ndarray, dtype: str) -> Estimate:
    """``averaged`` for fields of one or two dimensions."""
    flat = averaged(logs.reshape(len(logs), -1), np.repeat(num_links, logs[0, 0].size), dtype)
    return Estimate(*(each.reshape(logs.shape[1:]) for each in flat))


@asked()
def log_q_positions(
    key: Array, net: Conv, *, depth: int, width: int, positions: Any, num_nets: int, dtype: str = "float32", **how: Any
) -> Estimate:
    r"""Log of the mean square over channels of a convolution's pre-activations, at every layer and position.

    Parameters
    ----------
    key
        A JAX key.
    net
        The ensemble.
    depth, width, num_nets
        Numbers of layers, channels and networks.
    positions
        Number of positions, or two of them for a plane.
    dtype
        ``"float32"`` or ``"float64"``.
    how
        ``keep``, ``memory``, ``devices`` of ``samples``.

    Returns
    -------
    Estimate
        Mean over networks of the natural log, shape ``(depth, *positions)``; ``err`` is one standard error.

    Raises
    ------
    ValueError
        As ``samples``.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Conv, measure
    >>> net = Conv("linear", padding="zero")
    >>> seen = measure.blocks.log_q_positions(jax.random.key(0), net, depth=1, width=64, positions=4, num_nets=8)
    >>> bool((seen.value[0, 0] < seen.value[0, 1:3]).all())
    True
    """
    logs = samples(key, net, depth=depth, width=width, positions=positions, num_nets=num_nets, dtype=dtype, **how)
    return _averaged(logs.log_q_positions, 2 * np.arange(1, depth + 1), dtype)


@asked()
def log_grad_positions(
    key: Array, net: Conv, *, depth: int, width: int, positions: Any, num_nets: int, dtype: str = "float32", **how: Any
) -> Estimate:
    r"""Log-norm of the gradient of a convolution at every layer and position, over that of the top (per position, in the mean).

    Parameters
    ----------
    key
        A JAX key.
    net
        The ensemble.
    depth, width, num_nets
        Numbers of layers, channels and networks.
    positions
        Number of positions, or two of them for a plane.
    dtype
        ``"float32"`` or ``"float64"``.
    how
        ``keep``, ``memory``, ``devices`` of ``samples``.

    Returns
    -------
    Estimate
        Mean over networks of the natural log, shape ``(depth, *positions)``; ``err`` is one standard error.

    Raises
    ------
    ValueError
        As ``samples``.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Conv, measure
    >>> net = Conv("linear", padding="zero")
    >>> seen = measure.blocks.log_grad_positions(jax.random.key(0), net, depth=2, width=64, positions=4, num_nets=8)
    >>> bool((seen.value[0, 0] < seen.value[0, 1:3]).all())
    True
    """
    logs = samples(key, net, depth=depth, width=width, positions=positions, num_nets=num_nets, dtype=dtype, **how)
    return _averaged(logs.log_grad_positions, np.arange(depth, 0, -1), dtype)
