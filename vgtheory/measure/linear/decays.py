"""Decay that depends on the input, in recurrences that run on drawn pre-activations."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.expect import Numbers, expect_steps
from vgtheory.measure.arguments import asked, count, integers, one_of
from vgtheory.measure.engine.averages import averaged
from vgtheory.measure.linear.scans import SCANS, log_jacobians
from vgtheory.networks.input_decay import InputDecay

_checks = {"lags": integers(0), "num_inputs": count(), "scan": one_of(SCANS)}
_BLOCK = 8
_GATES: dict[str, Callable[[Array, Array], Array]] = {
    "mamba": lambda z, rate: jnp.exp(-rate * jax.nn.softplus(z)),
    "gla": lambda z, rate: jax.nn.sigmoid(z) ** rate,
    "lstm": lambda z, rate: jax.nn.sigmoid(z) ** rate,
    "rwkv": lambda z, rate: jnp.exp(-rate * jnp.exp(z)),
    "xlstm": lambda z, rate: jnp.exp(rate * z),
}


def decays_of(kind: str, z: Array, rate: Array) -> Array:
    """Decays of a kind at pre-activations, in the field's own functions."""
    return _GATES[kind](z, rate)


@partial(jax.jit, static_argnames=("kind", "steps", "num_inputs", "scan"))
def _at_lags(
    key: Array, numbers: tuple[Array, Array, Array], lags: Array, kind: str, steps: int, num_inputs: int, scan: str
) -> Array:
    """Logs of the gradient of every head at the lags, shape (num_inputs, lags, heads)."""
    bias, sigma_z, rate = numbers

    def one(index: Array) -> Array:
        z = bias[None] + sigma_z * jax.random.normal(jax.random.fold_in(key, index), (steps, bias.size), bias.dtype)
        return log_jacobians(_GATES[kind](z, rate[None]), _BLOCK, scan)[lags]

    return lax.map(one, jnp.arange(num_inputs))


def _samples(key: Array, net: InputDecay, lags: np.ndarray, num_inputs: int, scan: str, dtype: str) -> np.ndarray:
    """Logs of the gradient, shape (num_inputs, *lags, *heads), float64."""
    bias, rate = np.broadcast_arrays(np.asarray(net.bias, float), np.asarray(net.rate, float))
    steps = -(-max(1, int(lags.max(initial=1))) // _BLOCK) * _BLOCK
    with jax.enable_x64(dtype == "float64"):
        numbers = [jnp.asarray(each, dtype) for each in (bias.ravel(), net.sigma_z, rate.ravel())]
        seen = _at_lags(key, tuple(numbers), jnp.asarray(lags.ravel()), net.kind, steps, num_inputs, scan)
        return np.asarray(seen, float).reshape(num_inputs, *lags.shape, *bias.shape)


@asked(**_checks)
def log_decay_lags(
    key: Array,
    net: InputDecay,
    lags: Numbers,
    *,
    num_inputs: int,
    scan: str = "associative",
    dtype: str = "float32",
) -> tuple[Estimate, Estimate]:
    """Log of the gradient by lag under a decay that depends on the input: its mean over inputs, and its spread.

    Parameters
    ----------
    key
        A JAX key.
    net
        An ``InputDecay``.
    lags
        Lags t, integers >= 0.
    num_inputs
        Number of sequences of inputs.
    scan, dtype
        As for ``linear.log_grad_lags``.

    Returns
    -------
    tuple of Estimate
        Mean and standard deviation over inputs, shaped as the law's.

    Notes
    -----
    Accuracy: ``err``, while no product of eight decays underflows ``dtype``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import InputDecay, measure
    >>> net = InputDecay("lstm", bias=0.0, sigma_z=0.0)
    >>> mean, std = measure.linear.log_decay_lags(jax.random.key(0), net, 10, num_inputs=2)
    >>> mean.value.round(3)
    np.float64(-6.931)
    """
    at = expect_steps("log_decay_lags", lags)
    logs = _samples(key, net, at, num_inputs, scan, dtype)
    heads = logs.ndim - 1 - at.ndim
    links = np.maximum(at, 1).reshape(at.shape + (1,) * heads)
    mean = averaged(logs.reshape(num_inputs, -1), 1, dtype)
    rounding = 2 * float(jnp.finfo(dtype).eps) * np.broadcast_to(links, logs.shape[1:])
    mean = Estimate(mean.value.reshape(logs.shape[1:]), np.hypot(mean.err.reshape(logs.shape[1:]), rounding))
    squares = (logs - logs.mean(axis=0)) ** 2
    std = logs.std(axis=0, ddof=1) if num_inputs > 1 else np.full(logs.shape[1:], np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        err = np.where(std > 0, squares.std(axis=0) / (2 * std * num_inputs**0.5), 0.0)
    return Estimate(mean.value[()], mean.err[()]), Estimate(std[()], np.hypot(err, rounding)[()])


@asked(**_checks)
def log_mean_decay_lags(
    key: Array,
    net: InputDecay,
    lags: Numbers,
    *,
    num_inputs: int,
    scan: str = "associative",
    dtype: str = "float32",
) -> Estimate:
    """Log of the root mean square over inputs of the gradient by lag.

    Parameters
    ----------
    key, net, lags, num_inputs, scan, dtype
        As for ``linear.log_decay_lags``.

    Returns
    -------
    Estimate
        Natural log of a norm, shaped as the law's; ``err`` is one standard error to first order.

    Notes
    -----
    Accuracy: ``err``, while the spread of the log stays well below ``sqrt(ln(num_inputs))``. Beyond
    that, inputs too rare to be drawn carry the mean.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import InputDecay, measure
    >>> net = InputDecay("lstm", bias=0.0, sigma_z=0.0)
    >>> measure.linear.log_mean_decay_lags(jax.random.key(0), net, 10, num_inputs=2).value.round(3)
    np.float64(-6.931)
    """
    at = expect_steps("log_mean_decay_lags", lags)
    logs = 2 * _samples(key, net, at, num_inputs, scan, dtype)
    top = logs.max(axis=0)
    sizes = np.exp(logs - top)
    mean = sizes.mean(axis=0)
    spread = sizes.std(axis=0, ddof=1) / num_inputs**0.5 / mean / 2 if num_inputs > 1 else np.full(mean.shape, np.inf)
    links = np.maximum(at, 1).reshape(at.shape + (1,) * (mean.ndim - at.ndim))
    rounding = 2 * float(jnp.finfo(dtype).eps) * links
    return Estimate(((top + np.log(mean)) / 2)[()], np.hypot(spread, rounding)[()])


__all__ = ["log_decay_lags", "log_mean_decay_lags"]
