"""Networks of any architecture, one by one: each noun's measurement stands in a file of its own, imported when the noun is first met."""

import functools
import importlib
from collections.abc import Callable
from typing import Any

from jax import Array

from vgtheory.measure.arguments import asked, free
from vgtheory.networks.blocks import Blocks, Normed, Residual
from vgtheory.networks.conv import Conv
from vgtheory.networks.dense import Dense
from vgtheory.networks.ensemble import Layered
from vgtheory.networks.recurrent import FixedRecurrent, Recurrent
from vgtheory.networks.transformer import Transformer

_HOMES: dict[type, str] = {
    **dict.fromkeys((Dense, Recurrent, FixedRecurrent), "layers.chains"),
    **dict.fromkeys((Residual, Normed), "blocks.blocks"),
    Conv: "blocks.convolution",
    Transformer: "blocks.transformer",
}


@functools.singledispatch
def sampled(net: Any, key: Array, **how: Any) -> Any:
    """Every network's logs, by the measurement of its noun.

    Parameters
    ----------
    net, key, how
        As for ``samples``.
    """
    home = next(_HOMES[kind] for kind in type(net).__mro__ if kind in _HOMES)
    importlib.import_module(f"vgtheory.measure.{home}")
    return sampled.dispatch(type(net))(net, key, **how)


def measures(*kinds: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make the decorator that registers a measurement, ``(key, net, **how)``, for its nouns.

    Parameters
    ----------
    kinds
        The nouns.
    """

    def register(measurement: Callable[..., Any]) -> Callable[..., Any]:
        for kind in kinds:
            sampled.register(kind, lambda net, key, **how: measurement(key, net, **how))
        return measurement

    return register


@asked(c_0=free)
def samples(
    key: Array,
    net: Layered | Blocks | Transformer,
    *,
    depth: int,
    width: int,
    num_nets: int,
    dtype: str = "float32",
    **how: Any,
) -> Any:
    r"""Log-norms of signals and of gradients in many real networks, one by one, by automatic differentiation in the log domain.

    Parameters
    ----------
    key
        A JAX key; network i uses ``fold_in(key, i)``, so its numbers do not depend on how many others are drawn.
    net
        The ensemble. Of ``Dense`` and of recurrences, ``sigma_w`` and ``sigma_b`` may be arrays that broadcast, and every point of
        that grid scales the same draws; of the others they are single numbers.
    depth, width, num_nets
        Numbers of layers (steps, blocks), of units (channels), and of networks; each network has its own weights, inputs and
        top cotangent.
    dtype
        ``"float32"`` or ``"float64"``: of weights and arithmetic.
    how
        ``devices``: JAX devices to spread the networks over; all of them if not given.

        ``keep``: what is kept of each layer for the way down, ``"activations"`` (all of them) or ``"segments"`` (every
        sqrt(depth)-th, the others computed again); the first of these that fits ``memory``, in bytes on each device, if not
        given. Not for ``Transformer``.

        ``num_inputs``: inputs sent through each network together; one, without an axis of its own, if not given. Not for
        ``Conv`` and ``Transformer``.

        ``sampler``: ``"networks"`` (real weight matrices) or ``"matrix_free"`` (other draws from the same distribution, at the same
        finite width, at a cost of O(width) instead of O(width^2) per layer). Of ``Dense`` with Gaussian weights, and of
        blocks.

        ``positions``: their number (of a ``Conv``, a pair of numbers for a plane), required by ``Conv`` and ``Transformer``. ``c_0``:
        correlation of a ``Transformer``'s inputs at two positions, from 0 to 1.

    Returns
    -------
    ChainLogs, BlockLogs, ConvLogs or TransformerLogs
        By noun: ``log_q`` and ``log_grad`` of every network, shape ``(num_nets, depth)`` (with the axes of the grid before, and that of
        inputs before the last, where there are any), and what else is known of it. A norm that is exactly zero is -inf.

    Raises
    ------
    ValueError
        If an argument is not what it must be, or the measurement does not fit the memory.

    Notes
    -----
    Accuracy: a few roundings of ``dtype`` per layer; equal to ``jax.grad`` of the same network where that does not underflow. The same
    to that rounding on any devices; in a chaotic network roundings grow from layer to layer.
    Assumes: nothing about the network.

    Examples
    --------
    >>> import jax, numpy as np
    >>> from vgtheory import Dense, Residual, measure
    >>> size = {"depth": 5, "width": 16, "num_nets": 3}
    >>> logs = measure.samples(jax.random.key(0), Dense("tanh"), **size)
    >>> logs.log_grad.shape, logs.log_grad[:, -1].tolist()
    ((3, 5), [0.0, 0.0, 0.0])
    >>> grid = Dense("tanh", sigma_w=np.array([1.0, 2.0]))
    >>> measure.samples(jax.random.key(0), grid, **size, num_inputs=4).log_grad.shape
    (2, 3, 4, 5)
    >>> still = measure.samples(jax.random.key(0), Residual("tanh", alpha=0.0), **size)
    >>> bool(abs(still.log_grad).max() < 1e-6)
    True
    """
    return sampled(net, key, depth=depth, width=width, num_nets=num_nets, dtype=dtype, **how)
