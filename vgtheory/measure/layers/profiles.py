"""Measured profiles over depth, each with its standard error."""

from typing import Any

import numpy as np
from jax import Array

from vgtheory.estimate import Estimate
from vgtheory.expect import expect
from vgtheory.measure.arguments import asked, listed, units
from vgtheory.measure.engine.averages import averaged, over_inputs
from vgtheory.measure.engine.dispatch import sampled
from vgtheory.measure.layers.chains import samples
from vgtheory.networks.blocks import Blocks
from vgtheory.networks.ensemble import Layered
from vgtheory.networks.noise import dropconnect_of
from vgtheory.networks.transformer import Transformer


@asked(noise=True, unit=True, net=listed, depth=units, width=units)
def log_grad_layers(
    key: Array,
    net: Layered | Blocks | Transformer,
    *,
    depth: int | None = None,
    width: int | None = None,
    num_nets: int,
    dtype: str = "float32",
    **how: Any,
) -> Estimate:
    r"""Log-norm of the gradient with respect to every layer's pre-activations, relative to the top.

    .. math:: \ln \frac{|\partial E / \partial h_l|}{|\partial E / \partial h_L|}, \qquad
        l = 1 \dots L

    Parameters
    ----------
    key
        A JAX key.
    net
        The ensemble.
    depth, width, num_nets
        Numbers of layers, of units per layer, and of networks; each >= 1. ``depth`` and ``width``
        may be left out of a ``Dense`` that has them itself (``widths``).
    dtype
        Format of weights and arithmetic, ``"float32"`` or ``"float64"``.
    how
        Further arguments of ``measure.samples``: ``sampler``, ``num_inputs``, ``input_square``,
        ``keep``, ``memory``, ``devices``. With ``num_inputs`` the mean is over inputs too. A ``Conv`` takes
        ``positions``, and a ``Transformer`` takes ``positions`` and ``c_0``.

    Returns
    -------
    Estimate
        Mean over networks of the natural log of the norm, shape ``(*grid, depth)``, last entry 0;
        ``err`` is one standard error.

    Notes
    -----
    Accuracy: ``err``. Errors at different layers are strongly correlated (a random walk over
    depth).
    Assumes: nothing; a network with a dead layer makes the mean -inf.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net, size = Dense("tanh", sigma_w=1.5), {"depth": 8, "width": 64, "num_nets": 4}
    >>> profile = measure.log_grad_layers(jax.random.key(0), net, **size)
    >>> profile.value.shape, float(profile.value[-1])
    ((8,), 0.0)
    """
    logs = sampled(net, key, depth=depth, width=width, num_nets=num_nets, dtype=dtype, **how)
    layers = logs.log_grad.shape[-1]
    return averaged(over_inputs(logs.log_grad, how), np.arange(layers - 1, -1, -1), dtype)


@asked(noise=True, unit=True, net=listed, depth=units, width=units)
def log_chi_layers(
    key: Array,
    net: Layered,
    *,
    depth: int | None = None,
    width: int | None = None,
    num_nets: int,
    dtype: str = "float32",
    **how: Any,
) -> Estimate:
    r"""Log of the growth factor of the squared gradient from each layer to the one below.

    .. math:: \ln \frac{|\partial E / \partial h_l|^2}{|\partial E / \partial h_{l+1}|^2}, \qquad
        l = 1 \dots L - 1

    Parameters
    ----------
    key, net, depth, width, num_nets, dtype, how
        As for ``log_grad_layers``; the network is dense or recurrent.

    Returns
    -------
    Estimate
        Mean over networks of the natural log of the squared norm's factor, shape
        ``(*grid, depth - 1)``; ``err`` is one standard error.

    Notes
    -----
    Accuracy: ``err``. Errors at different layers are weakly correlated.
    Assumes: nothing; a network with a dead layer makes the mean -inf there, and NaN below.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net, size = Dense("tanh", sigma_w=1.5), {"depth": 8, "width": 64, "num_nets": 4}
    >>> measure.layers.log_chi_layers(jax.random.key(0), net, **size).value.shape
    (7,)
    """
    logs = samples(key, net, depth=depth, width=width, num_nets=num_nets, dtype=dtype, **how)
    layers = logs.log_grad.shape[-1]
    with np.errstate(invalid="ignore"):
        return averaged(-2 * np.diff(over_inputs(logs.log_grad, how)), np.full(layers - 1, layers), dtype)


@asked(noise=True, unit=True, net=listed, depth=units, width=units)
def log_grad_weight_layers(
    key: Array,
    net: Layered,
    *,
    depth: int | None = None,
    width: int | None = None,
    num_nets: int,
    dtype: str = "float32",
    **how: Any,
) -> Estimate:
    r"""Log-norm of the gradient with respect to every layer's weights, relative to the top.

    .. math:: \ln \frac{|\partial E / \partial W_l|_F}{|\partial E / \partial W_L|_F}, \qquad
        l = 1 \dots L

    Parameters
    ----------
    key, net, depth, width, num_nets, dtype, how
        As for ``log_grad_layers``; the network is dense or recurrent.

    Returns
    -------
    Estimate
        Mean over networks of the natural log of the norm, shape ``(*grid, depth)``, last entry 0;
        ``err`` is one standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: top cotangents of several inputs that are independent of each other.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net, size = Dense("tanh", sigma_w=1.5), {"depth": 8, "width": 64, "num_nets": 4}
    >>> measure.log_grad_weight_layers(jax.random.key(0), net, **size).value.shape
    (8,)
    """
    dropconnect = dropconnect_of(net)
    expect(dropconnect == 0, "log_grad_weight_layers", "no DropConnect", dropconnect=dropconnect)
    logs = samples(key, net, depth=depth, width=width, num_nets=num_nets, dtype=dtype, **how)
    layers = logs.log_grad.shape[-1]
    return averaged(logs.log_grad_weight, np.full(layers, layers), dtype)


@asked(noise=True, unit=True, net=listed, depth=units, width=units)
def log_q_layers(
    key: Array,
    net: Layered | Blocks | Transformer,
    *,
    depth: int | None = None,
    width: int | None = None,
    num_nets: int,
    dtype: str = "float32",
    **how: Any,
) -> Estimate:
    r"""Log of the mean square of every layer's pre-activations.

    .. math:: \ln \tfrac1N |h_l|^2, \qquad l = 1 \dots L

    Parameters
    ----------
    key, net, depth, width, num_nets, dtype, how
        As for ``log_grad_layers``.

    Returns
    -------
    Estimate
        Mean over networks of the natural log of q, shape ``(*grid, depth)``; ``err`` is one
        standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing; inputs have exactly the mean square ``input_square``.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net, size = Dense("tanh", sigma_w=1.5), {"depth": 8, "width": 64, "num_nets": 4}
    >>> profile = measure.log_q_layers(jax.random.key(0), net, **size)
    >>> bool(abs(profile.value[0] - 0.81) < 0.2)  # 2 ln 1.5
    True
    """
    logs = sampled(net, key, depth=depth, width=width, num_nets=num_nets, dtype=dtype, **how)
    layers = logs.log_q.shape[-1]
    return averaged(over_inputs(logs.log_q, how), 2 * np.arange(1, layers + 1), dtype)
