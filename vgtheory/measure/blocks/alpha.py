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
    r"""Log of the gradient with respect to every block's ``alpha``, relative to the top.

    .. math:: \ln \frac{|\partial E / \partial \alpha_l|}{|\partial E / \partial h_L|}, \qquad
        l = 1 \dots L

    Parameters
    ----------
    key, net, depth, width, num_nets, dtype, how
        As for ``measure.log_grad_layers``; ``net`` is a ``Residual`` and ``depth`` counts blocks.

    Returns
    -------
    Estimate
        Mean over networks of the natural log, shape ``(depth,)``; ``err`` is one standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Residual, measure
    >>> net, size = Residual("tanh", alpha=0.0), {"depth": 8, "width": 64, "num_nets": 4}
    >>> measure.blocks.log_grad_alpha_layers(jax.random.key(0), net, **size).value.shape
    (8,)
    """
    expect(isinstance(net, Residual), "log_grad_alpha_layers", "a Residual ensemble", net=type(net).__name__)
    logs = samples(key, net, depth=depth, width=width, num_nets=num_nets, dtype=dtype, **how)
    return averaged(over_inputs(logs.log_grad_alpha, how), np.full(depth, depth), dtype)
