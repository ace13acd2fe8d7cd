"""Gradients of the scales of residual branches."""

from typing import Any

import numpy as np
from jax import Array

from vgtheory.estimate import Estimate
from vgtheory.expect import expect
from vgtheory.measure.arguments import asked
from vgtheory.measure.blocks.blocks import samples
from vgtheory.measure.engine.averages import averaged, over_inputs
from vgtheory.networks.blocks import Residual


@asked()
def log_grad_alpha_layers(
    key: Array,
    net: Residual,
    *,
    depth: int,
    width: int,
    num_nets: int,
    dtype: str = "float32",
    **how: Any,
) -> Estimate:
    r"""Log of the gradient with respect to every block's own ``alpha``, relative to the norm of that at the top.

    .. math:: \ln \frac{|\partial E / \partial \alpha_l|}{|\partial E / \partial h_L|}, \qquad l = 1 \dots L

    Parameters
    ----------
    key
        A JAX key.
    net
        The ensemble.
    depth, width, num_nets
        Numbers of blocks, units and networks.
    dtype
        ``"float32"`` or ``"float64"``.
    how
        More of ``samples``: ``num_inputs`` (the mean is then over inputs too), ``keep``, ``memory``, ``devices``.

    Returns
    -------
    Estimate
        Mean over networks of the natural log, shape ``(depth,)``; ``err`` is one standard error.

    Raises
    ------
    ValueError
        As ``samples``, and if ``net`` has no branches.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Residual, measure
    >>> start = Residual("tanh", alpha=0.0)
    >>> seen = measure.blocks.log_grad_alpha_layers(jax.random.key(0), start, depth=4, width=32, num_nets=4)
    >>> seen.value.shape
    (4,)
    """
    expect(isinstance(net, Residual), "log_grad_alpha_layers", "a Residual ensemble", net=type(net).__name__)
    logs = samples(key, net, depth=depth, width=width, num_nets=num_nets, dtype=dtype, **how)
    return averaged(over_inputs(logs.log_grad_alpha, how), np.full(depth, depth), dtype)
