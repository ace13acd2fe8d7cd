"""Networks of any architecture, measured one by one.

The measurement of each noun is in a file of its own, imported when the noun is first used.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any

from jax import Array

from vgtheory.measure.arguments import asked, free, listed, units
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
    """Log-norms of every network, by the measurement registered for its noun; as ``samples``."""
    home = next(_HOMES[kind] for kind in type(net).__mro__ if kind in _HOMES)
    importlib.import_module(f"vgtheory.measure.{home}")
    return sampled.dispatch(type(net))(net, key, **how)


def measures(*kinds: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator that registers a measurement ``(key, net, **how)`` for its nouns."""

    def register(measurement: Callable[..., Any]) -> Callable[..., Any]:
        for kind in kinds:
            sampled.register(kind, lambda net, key, **how: measurement(key, net, **how))
        return measurement

    return register


@asked(noise=True, unit=True, net=listed, depth=units, width=units, c_0=free)
def samples(
    key: Array,
    net: Layered | Blocks | Transformer,
    *,
    depth: int | None = None,
    width: int | None = None,
    num_nets: int,
    dtype: str = "float32",
    **how: Any,
) -> Any:
    """Log-norms of signals and gradients in many real networks, by automatic differentiation.

    Parameters
    ----------
    key
        A JAX key; network i uses ``fold_in(key, i)``, whatever the number of networks.
    net
        The ensemble. ``sigma_w`` and ``sigma_b`` of ``Dense`` and of recurrent networks may be
        arrays that broadcast, as in ``Dense("tanh", sigma_w=np.linspace(1, 2, 11))``. Every point
        of that grid scales the same draws. Layers of a ``Dense`` may be listed in place of a grid:
        ``widths``, and tuples. Other networks take single numbers.
    depth, width, num_nets
        Numbers of layers (steps, blocks), of units (channels) and of networks. Each network has its
        own weights, inputs and top cotangent. ``depth`` and ``width`` may be left out of a
        ``Dense`` that has them itself.
    dtype
        Format of weights and arithmetic, ``"float32"`` or ``"float64"``.
    how
        ``devices``: JAX devices to spread the networks over; default all.

        ``keep``: what each layer keeps for the backward pass, ``"activations"`` (everything) or
        ``"segments"`` (every sqrt(depth)-th layer; the others are computed again). The default is
        the first of the two that fits ``memory``. Not for ``Transformer``.

        ``memory``: bytes to use on each device; default half of a host's memory, or four fifths of
        what an accelerator has free. Not for ``Transformer``.

        ``num_inputs``: number of inputs sent through each network together; default one, without an
        axis of its own. Not for ``Conv`` and ``Transformer``.

        ``sampler``: ``"networks"`` (real weight matrices) or ``"matrix_free"`` (other draws from
        the same distribution at the same finite width, at a cost of O(width) instead of O(width^2)
        per layer). The latter is for blocks, and for ``Dense`` with Gaussian weights.

        ``input_square``: mean square of the inputs of a ``Dense``; default 1.

        ``positions``: number of positions, or a pair for a plane; required by ``Conv`` and
        ``Transformer``.

        ``c_0``: correlation of a ``Transformer``'s inputs at two positions, from 0 to 1; default 0.

    Returns
    -------
    ChainLogs, BlockLogs, ConvLogs or TransformerLogs
        ``log_q`` and ``log_grad`` of every network, shape ``(num_nets, depth)``, and what else the
        architecture has. Axes of the grid come first, and an axis of inputs comes before the last.
        A norm that is exactly zero gives -inf.

    Raises
    ------
    ValueError
        If the measurement does not fit the memory, or an argument is not for this network.

    Notes
    -----
    Accuracy: a few roundings of ``dtype`` per layer. Results equal ``jax.grad`` of the same network
    where that does not underflow, and do not depend on the devices up to rounding. In a chaotic
    network rounding errors grow from layer to layer.
    Assumes: nothing about the network.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> size = {"depth": 8, "width": 64, "num_nets": 4}
    >>> logs = measure.samples(jax.random.key(0), Dense("tanh", sigma_w=1.5), **size)
    >>> logs.log_grad.shape, logs.log_grad[:, -1].tolist()
    ((4, 8), [0.0, 0.0, 0.0, 0.0])
    """
    return sampled(net, key, depth=depth, width=width, num_nets=num_nets, dtype=dtype, **how)
