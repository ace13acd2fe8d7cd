"""Decay that depends on the input: products of independent random factors, typical and in the mean square."""

from collections.abc import Callable

import numpy as np
import scipy.special

from vgtheory.estimate import Law
from vgtheory.expect import Numbers
from vgtheory.networks.input_decay import InputDecay
from vgtheory.theory.arguments import asked, expect_broadcast, steps_back
from vgtheory.theory.precision import Values, in_numpy

_POINTS, _REACH = 1025, 14.0
"""Points of a trapezium rule for a normal number, and its reach in standard deviations."""
_z = np.linspace(-_REACH, _REACH, _POINTS)
_WEIGHTS = np.exp(-(_z**2) / 2) / np.exp(-(_z**2) / 2).sum()

_SIZES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mamba": lambda z: np.logaddexp(0, z),
    "gla": lambda z: np.logaddexp(0, -z),
    "lstm": lambda z: np.logaddexp(0, -z),
    "rwkv": np.exp,
    "xlstm": lambda z: -z,
}
"""-ln a over the rate, by kind."""


def _logs(net: InputDecay) -> np.ndarray:
    """ln a at the nodes of the pre-activation, shape ``(*heads, points)``."""
    expect_broadcast("log_decay_lags", bias=net.bias, rate=net.rate)
    bias, rate = np.broadcast_arrays(np.asarray(net.bias, float), np.asarray(net.rate, float))
    return -rate[..., None] * _SIZES[net.kind](bias[..., None] + float(net.sigma_z) * _z)


@in_numpy
@asked(lags=steps_back)
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
    at, logs = np.asarray(lags, float), _logs(net)
    mean = logs @ _WEIGHTS
    std = np.sqrt((logs - mean[..., None]) ** 2 @ _WEIGHTS)
    return Law(np.multiply.outer(at, mean)[()], np.multiply.outer(np.sqrt(at), std)[()])


@in_numpy
@asked(lags=steps_back)
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
    logs = _logs(net)
    if net.kind == "xlstm":  # its factors are log-normal
        rate = np.asarray(net.rate, float)
        mean = 2 * rate * (np.asarray(net.bias, float) + rate * float(net.sigma_z) ** 2)
    else:
        mean = scipy.special.logsumexp(2 * logs, b=_WEIGHTS, axis=-1)
    return np.multiply.outer(np.asarray(lags, float) / 2, mean)[()]


__all__ = ["log_decay_lags", "log_mean_decay_lags"]
