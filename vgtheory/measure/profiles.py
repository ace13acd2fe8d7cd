"""Measured profiles over depth, each with its standard error; the twins of ``theory.profiles``."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.blocks import BLOCKS, Blocks, Residual
from vgtheory.ensemble import Conv, Ensemble
from vgtheory.estimate import Estimate
from vgtheory.expect import expect
from vgtheory.measure.arguments import asked
from vgtheory.measure.attention import transformer_logs
from vgtheory.measure.blocks import block_logs
from vgtheory.measure.chain import chain
from vgtheory.measure.convolution import conv_logs
from vgtheory.transformer import Transformer


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


def _walked(key: Array, net: Ensemble | Blocks | Transformer, **how: Any) -> Any:
    """The networks one by one."""
    if isinstance(net, Conv):
        return conv_logs(key, net, **how)
    if isinstance(net, Transformer):
        return transformer_logs(key, net, **how)
    return block_logs(key, net, **how) if isinstance(net, BLOCKS) else chain(key, net, **how)


def _over_inputs(samples: np.ndarray, how: dict[str, Any]) -> np.ndarray:
    """Each network's mean over its inputs, where it has an axis of them."""
    return samples if how.get("num_inputs") is None else samples.mean(axis=-2)


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
        More of ``block_logs``: ``num_inputs`` (the mean is then over inputs too), ``keep``, ``memory``, ``devices``.

    Returns
    -------
    Estimate
        Mean over networks of the natural log, shape ``(depth,)``; ``err`` is one standard error.

    Raises
    ------
    ValueError
        As ``block_logs``, and if ``net`` has no branches.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Residual, measure
    >>> start = Residual("tanh", alpha=0.0)
    >>> seen = measure.log_grad_alpha_layers(jax.random.key(0), start, depth=4, width=32, num_nets=4)
    >>> seen.value.shape
    (4,)
    """
    expect(isinstance(net, Residual), "log_grad_alpha_layers", "a Residual ensemble", net=type(net).__name__)
    logs = block_logs(key, net, depth=depth, width=width, num_nets=num_nets, dtype=dtype, **how)
    return averaged(_over_inputs(logs.log_grad_alpha, how), np.full(depth, depth), dtype)


@asked()
def log_grad_layers(
    key: Array,
    net: Ensemble | Blocks | Transformer,
    *,
    depth: int,
    width: int,
    num_nets: int,
    dtype: str = "float32",
    **how: Any,
) -> Estimate:
    r"""Log-norm of the gradient with respect to every layer's pre-activations, relative to the top.

    .. math:: \ln \frac{|\partial E / \partial h_l|}{|\partial E / \partial h_L|}, \qquad l = 1 \dots L

    Parameters
    ----------
    key
        A JAX key.
    net
        The ensemble.
    depth, width, num_nets
        Numbers of layers, units and networks.
    dtype
        ``"float32"`` or ``"float64"``.
    how
        More of ``chain``: ``sampler``, ``num_inputs`` (the mean is then over inputs too), ``keep``, ``memory``, ``devices``. Of other
        ensembles, what ``block_logs``, ``conv_logs`` (``positions``) and ``transformer_logs`` (``positions``, ``c_0``) take.

    Returns
    -------
    Estimate
        Mean over networks of the natural log of the norm, shape ``(*grid, depth)``, last entry 0; ``err`` is one standard error.

    Raises
    ------
    ValueError
        As ``chain``.

    Notes
    -----
    Accuracy: ``err``. Errors at different layers are strongly correlated (a random walk over depth).
    Assumes: nothing; a network with a dead layer makes the mean -inf.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net = Dense("sigmoid", sigma_w=1.0)
    >>> deep = measure.log_grad_layers(jax.random.key(0), net, depth=300, width=32, num_nets=4)
    >>> bool(deep.value[0] < -400)
    True
    """
    logs = _walked(key, net, depth=depth, width=width, num_nets=num_nets, dtype=dtype, **how)
    return averaged(_over_inputs(logs.log_grad, how), np.arange(depth - 1, -1, -1), dtype)


@asked()
def log_chi_layers(
    key: Array,
    net: Ensemble,
    *,
    depth: int,
    width: int,
    num_nets: int,
    dtype: str = "float32",
    **how: Any,
) -> Estimate:
    r"""Log of the factor by which the squared gradient grows from each layer to the one below.

    .. math:: \ln \frac{|\partial E / \partial h_l|^2}{|\partial E / \partial h_{l+1}|^2}, \qquad l = 1 \dots L - 1

    Parameters
    ----------
    key
        A JAX key.
    net
        The ensemble.
    depth, width, num_nets
        Numbers of layers, units and networks.
    dtype
        ``"float32"`` or ``"float64"``.
    how
        More of ``chain`` (or ``block_logs``): ``sampler``, ``num_inputs`` (the mean is then over inputs too), ``keep``, ``memory``, ``devices``.

    Returns
    -------
    Estimate
        Mean over networks of the natural log of the squared norm's factor, shape ``(*grid, depth - 1)``; ``err`` is one standard
        error.

    Raises
    ------
    ValueError
        As ``chain``.

    Notes
    -----
    Accuracy: ``err``. Errors at different layers are weakly correlated.
    Assumes: nothing; a network with a dead layer makes the mean -inf at it, and NaN below.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> factors = measure.log_chi_layers(jax.random.key(0), Dense("tanh", 1.5), depth=4, width=32, num_nets=4)
    >>> factors.value.shape
    (3,)
    """
    logs = chain(key, net, depth=depth, width=width, num_nets=num_nets, dtype=dtype, **how)
    with np.errstate(invalid="ignore"):
        return averaged(-2 * np.diff(_over_inputs(logs.log_grad, how)), np.full(depth - 1, depth), dtype)


@asked()
def log_grad_weight_layers(
    key: Array,
    net: Ensemble,
    *,
    depth: int,
    width: int,
    num_nets: int,
    dtype: str = "float32",
    **how: Any,
) -> Estimate:
    r"""Log of the Frobenius norm of the gradient with respect to every layer's weights, relative to the top.

    .. math:: \ln \frac{|\partial E / \partial W_l|_F}{|\partial E / \partial W_L|_F}, \qquad l = 1 \dots L

    Parameters
    ----------
    key
        A JAX key.
    net
        The ensemble.
    depth, width, num_nets
        Numbers of layers, units and networks.
    dtype
        ``"float32"`` or ``"float64"``.
    how
        More of ``chain`` (or ``block_logs``): ``sampler``, ``num_inputs`` (the mean is then over inputs too), ``keep``, ``memory``, ``devices``.

    Returns
    -------
    Estimate
        Mean over networks of the natural log of the norm, shape ``(*grid, depth)``, last entry 0; ``err`` is one standard error.

    Raises
    ------
    ValueError
        As ``chain``.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: top cotangents of several inputs that are independent of each other.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> profile = measure.log_grad_weight_layers(jax.random.key(0), Dense("relu", 1.4), depth=4, width=32, num_nets=4)
    >>> profile.value.shape
    (4,)
    """
    logs = chain(key, net, depth=depth, width=width, num_nets=num_nets, dtype=dtype, **how)
    return averaged(logs.log_grad_weight, np.full(depth, depth), dtype)


@asked()
def log_q_layers(
    key: Array,
    net: Ensemble | Blocks | Transformer,
    *,
    depth: int,
    width: int,
    num_nets: int,
    dtype: str = "float32",
    **how: Any,
) -> Estimate:
    r"""Log of the mean square of every layer's pre-activations.

    .. math:: \ln \tfrac1N |h_l|^2, \qquad l = 1 \dots L

    Parameters
    ----------
    key
        A JAX key.
    net
        The ensemble.
    depth, width, num_nets
        Numbers of layers, units and networks.
    dtype
        ``"float32"`` or ``"float64"``.
    how
        More of ``chain``: ``sampler``, ``num_inputs`` (the mean is then over inputs too), ``keep``, ``memory``, ``devices``. Of other
        ensembles, what ``block_logs``, ``conv_logs`` (``positions``) and ``transformer_logs`` (``positions``, ``c_0``) take.

    Returns
    -------
    Estimate
        Mean over networks of the natural log of q, shape ``(*grid, depth)``; ``err`` is one standard error.

    Raises
    ------
    ValueError
        As ``chain``.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: inputs of unit mean square.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> profile = measure.log_q_layers(jax.random.key(0), Dense("linear", 1.0), depth=3, width=64, num_nets=8)
    >>> bool(abs(profile.value[0]) < 5 * profile.err[0])
    True
    """
    logs = _walked(key, net, depth=depth, width=width, num_nets=num_nets, dtype=dtype, **how)
    return averaged(_over_inputs(logs.log_q, how), 2 * np.arange(1, depth + 1), dtype)
