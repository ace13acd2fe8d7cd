"""Gradients of a transformer's matrices, group by group; the twin of ``theory.attention``."""

from typing import Any

import numpy as np
from jax import Array

from vgtheory.estimate import Estimate
from vgtheory.measure.arguments import asked, count, number
from vgtheory.measure.attention import transformer_logs
from vgtheory.measure.profiles import averaged
from vgtheory.transformer import Transformer


@asked(positions=count(), c_0=number("[0, 1]"))
def log_grad_groups(
    key: Array, net: Transformer, *, depth: int, width: int, num_nets: int, dtype: str = "float32", **how: Any
) -> dict[str, Estimate]:
    r"""Log-norm of the gradient with respect to each matrix of each transformer block, relative to the top's second of the perceptron.

    .. math:: \ln \frac{|\partial E / \partial W_{g,l}|_F}{|\partial E / \partial W_{2,L}|_F}, \qquad l = 1 \dots L

    Parameters
    ----------
    key
        A JAX key.
    net
        The blocks.
    depth, width, num_nets
        Numbers of blocks, of units of the stream, and of networks.
    dtype
        ``"float32"`` or ``"float64"``.
    how
        ``positions``, ``c_0``, ``devices`` of ``transformer_logs``.

    Returns
    -------
    dict
        By matrix, an ``Estimate`` of shape ``(depth,)``: mean over networks of the natural log of the norm; ``err`` is one
        standard error.

    Raises
    ------
    ValueError
        As ``transformer_logs``.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Transformer, measure
    >>> small = {"depth": 2, "width": 16, "num_nets": 3, "positions": 4}
    >>> groups = measure.log_grad_groups(jax.random.key(0), Transformer("relu", heads=2), **small)
    >>> float(groups["mlp_out"].value[-1])
    0.0
    """
    logs = transformer_logs(key, net, depth=depth, width=width, num_nets=num_nets, dtype=dtype, **how).log_grad_groups
    top = logs["mlp_out"][:, -1:]
    return {name: averaged(each - top, np.full(depth, depth), dtype) for name, each in logs.items()}
