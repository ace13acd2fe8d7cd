"""Decay that depends on the input: products of independent random factors, typical and in the mean square."""

from collections.abc import Callable
from typing import Any

import numpy as np

from vgtheory.estimate import Law
from vgtheory.expect import Numbers
from vgtheory.networks.input_decay import InputDecay
from vgtheory.theory.arguments import asked, expect_broadcast, steps_back
from vgtheory.theory.arrays import library, of_one_rank
from vgtheory.theory.linear.units import log_sum
from vgtheory.theory.precision import Values, in_float64, reals

_POINTS, _REACH = 1025, 14.0
"""Points of a trapezium rule for a normal number, and its reach in standard deviations."""
_z = np.linspace(-_REACH, _REACH, _POINTS)
_WEIGHTS = np.exp(-(_z**2) / 2) / np.exp(-(_z**2) / 2).sum()

_SIZES: dict[str, Callable[[Any, Any], Any]] = {
    "mamba": lambda z, xp: xp.logaddexp(0.0, z),
    "gla": lambda z, xp: xp.logaddexp(0.0, -z),
    "lstm": lambda z, xp: xp.logaddexp(0.0, -z),
    "rwkv": lambda z, xp: xp.exp(z),
    "xlstm": lambda z, xp: -z,
}
"""-ln a over the rate, by kind."""


def _numbers(net: InputDecay) -> tuple[Any, Any, Any]:
    """Biases and rates of one shape, and the standard deviation of the pre-activations."""
    expect_broadcast("log_decay_lags", bias=net.bias, rate=net.rate)
    bias, rate, sigma_z = reals(net.bias, net.rate, net.sigma_z, most=None)
    return (*library(bias).broadcast_arrays(*of_one_rank(bias, rate)), sigma_z)


def _logs(net: InputDecay) -> tuple[Any, Any]:
    """ln a at the nodes of the pre-activation, shape ``(*heads, points)``, and the nodes' weights."""
    bias, rate, sigma_z = _numbers(net)
    xp = library(bias)
    z, weights = (xp.asarray(np.array(each), bias.dtype) for each in (_z, _WEIGHTS))
    places = bias[..., None] + (sigma_z * z).reshape((1,) * bias.ndim + z.shape)
    return -rate[..., None] * _SIZES[net.kind](places, xp), weights


def _outer(at: Any, mean: Any) -> Any:
    """Every lag times every head."""
    return library(mean).multiply.outer(at.astype(mean.dtype), mean)[()]


@asked(lags=steps_back)
@in_float64
def log_decay_lags(net: InputDecay, lags: Numbers) -> Law:
    r"""Log of the gradient by lag under a decay that depends on the input: the typical size and its spread.

    .. math:: \ln \left|\frac{\partial h_T}{\partial h_{T-t}}\right| = \sum_s \ln a_s, \qquad
        t\, E \ln a \pm \sqrt{t \operatorname{Var} \ln a}

    The gradient itself fluctuates as a log-normal number: it lies below its mean square
    (``log_mean_decay_lags``) by about :math:`t \operatorname{Var} \ln a`.

    Parameters
    ----------
    net
        An ``InputDecay``.
    lags
        Lags t, integers >= 0, any shape; static.

    Returns
    -------
    Law
        Natural log, of the shape of ``lags`` followed by that of the heads; ``std`` is the spread
        over inputs.

    Notes
    -----
    Accuracy: 1e-12 relative.
    Assumes: pre-activations that are normal and independent from step to step, and no path through
    the decay's own dependence on earlier states, which these layers do not have.

    Examples
    --------
    >>> from vgtheory import InputDecay, theory
    >>> theory.linear.log_decay_lags(InputDecay("xlstm", bias=-0.1, sigma_z=0.2), 100)
    -10.0 ± 2.0
    """
    (logs, weights), at = _logs(net), np.asarray(lags, float)
    xp = library(logs)
    average = lambda each: xp.sum(each * weights.reshape((1,) * (each.ndim - 1) + weights.shape), axis=-1)
    mean = average(logs)
    std = xp.sqrt(average((logs - mean[..., None]) ** 2))
    return Law(_outer(at, mean), _outer(np.sqrt(at), std))


@asked(lags=steps_back)
@in_float64
def log_mean_decay_lags(net: InputDecay, lags: Numbers) -> Values:
    r"""Log of the root mean square over inputs of the gradient by lag under a decay that depends on the input.

    .. math:: \tfrac{t}{2} \ln E\, a^2

    Parameters
    ----------
    net, lags
        As in ``log_decay_lags``.

    Returns
    -------
    numpy.ndarray
        Natural log of a norm, shaped as ``log_decay_lags``.

    Notes
    -----
    Accuracy: 1e-12.
    Assumes: as ``log_decay_lags``.

    Examples
    --------
    >>> from vgtheory import InputDecay, theory
    >>> round(float(theory.linear.log_mean_decay_lags(InputDecay("xlstm", bias=-0.1, sigma_z=0.2), 100)), 6)
    -6.0
    """
    if net.kind == "xlstm":  # its factors are log-normal
        bias, rate, sigma_z = _numbers(net)
        mean = 2 * rate * (bias + rate * sigma_z**2)
    else:
        logs, weights = _logs(net)
        mean = log_sum(2 * logs, weights)
    return _outer(np.asarray(lags, float) / 2, mean)


__all__ = ["log_decay_lags", "log_mean_decay_lags"]
