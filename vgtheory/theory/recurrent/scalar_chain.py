"""One unit: the exact gradient along a scalar recurrence, and products of random scalar weights."""

from typing import Any

import numpy as np
import scipy.special

from vgtheory.activation import Activation, Pointwise, as_activation
from vgtheory.estimate import Law
from vgtheory.expect import Numbers
from vgtheory.theory.arguments import asked, expect_broadcast, one_number
from vgtheory.theory.arrays import library, running_sum, scan, special, still
from vgtheory.theory.integrals.rules import values
from vgtheory.theory.precision import Values, in_float64, looped, reals

_FAR = 16
"""Ratio of mean to standard deviation above which ln|z + ratio| is as good as analytic."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(64)
_WEIGHTS /= _WEIGHTS.sum()
_COUNTS = np.arange(660.0)
"""Counts up to forty standard deviations above the mean of the Poisson mixture at ``_FAR``."""
_FACTORIALS = scipy.special.gammaln(_COUNTS + 1)
_LOGS = (np.log(2) + scipy.special.digamma(_COUNTS + 0.5)) / 2
_VARS = scipy.special.polygamma(1, _COUNTS + 0.5) / 4


@asked(w=one_number, h_0=one_number)
@in_float64
def log_scalar_steps(w: Numbers, activation: str | Activation | Pointwise, h_0: Numbers, *, steps: int) -> Values:
    r"""Exact log-gradient along a one-dimensional recurrence.

    .. math:: \ln \left|\frac{\partial h_t}{\partial h_0}\right|
        = \sum_{s=0}^{t-1} \ln |w\,\phi'(h_s)|, \qquad h_{s+1} = w\,\phi(h_s)

    Parameters
    ----------
    w
        Weight, any sign, shape ``()``.
    activation
        A name, an ``Activation``, or an elementwise JAX function.
    h_0
        Initial state, shape ``()``.
    steps
        Number of steps T, >= 1.

    Returns
    -------
    array
        Natural log at t = 1 ... T, shape ``(steps,)``.

    Notes
    -----
    Accuracy: rounding, 1e-15 per step, or 1e-15 of the log where that is larger.
    Assumes: no input. The law also holds for a layer with symmetric W, if the state lies along the
    leading eigenvector and the entries of that vector have equal modulus. For eigendirection k add
    t (ln|lambda_k| - ln|w|).

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> np.exp(theory.recurrent.log_scalar_steps(0.5, "linear", 1.0, steps=3)).round(12).tolist()
    [0.5, 0.25, 0.125]
    """
    resolved = as_activation(activation)
    w, start = looped(resolved, steps, w, h_0)
    xp = library(w)

    def step(h: Any, _: Any) -> tuple[Any, Any]:
        phi, dphi = values(resolved, h)
        return w * phi, xp.where(xp.isnan(h), h, xp.log(xp.abs(w * dphi)))  # a constant slope would hide NaN

    return running_sum(scan(step, start, length=steps)[1])


@asked()
@in_float64
def log_scalar_chain(mean: Numbers, std: Numbers, depth: int) -> Law:
    r"""Log of the product of independent normal weights: gradient of a typical scalar chain.

    .. math:: \ln |w_1 \cdots w_n|, \qquad w_i \sim N(m, s^2)

    Parameters
    ----------
    mean, std
        Mean m and standard deviation s >= 0 of each weight, of any broadcastable shapes;
        dimensionless.
    depth
        Number of weights n, >= 1.

    Returns
    -------
    Law
        ``n E ln|w|`` and ``sqrt(n Var ln|w|)``, natural log; with ``std = 0`` it is ``n ln|m|`` and
        0.

    Notes
    -----
    Accuracy: per weight 1e-13 absolute for the mean, 1e-12 relative for the standard deviation.
    Assumes: independent weights. The law is that of the log. E ln|w| lies below ln E|w|
    (``log_mean_scalar_chain``), so that a typical product is exponentially smaller than the mean
    product.

    Examples
    --------
    >>> from vgtheory import theory
    >>> law = theory.recurrent.log_scalar_chain(0.98, 0.0, 100)
    >>> round(float(law.mean), 4), float(law.std)
    (-2.0203, 0.0)
    """
    expect_broadcast("log_scalar_chain", mean=mean, std=std)
    size, spread, xp = _given(mean, std)
    varies = spread > 0
    scale = xp.where(varies, spread, 1.0)
    one, var = _log_normal_moments(size / scale)
    log_mean = xp.where(varies, one + xp.log(scale), xp.log(size))
    return Law(depth * log_mean, xp.where(varies, xp.sqrt(depth * var), 0.0))


def _given(mean: Numbers, std: Numbers) -> tuple[Values, Values, Any]:
    """The mean's size and the standard deviation, of one shape, and their library."""
    given = reals(mean, std)
    xp = library(given)
    size, spread = xp.broadcast_arrays(xp.abs(given[0]), given[1])
    return size, spread, xp


def _log_normal_moments(ratio: Values) -> tuple[Values, Values]:
    """Mean and variance of ln|z + ratio|, z standard normal: Poisson mixture or Gauss-Hermite."""
    xp = library(ratio)
    row = lambda each: xp.asarray(each, ratio.dtype).reshape((1,) * ratio.ndim + (-1,))
    nodes, counts, factorials, chi_vars, chi_rows = map(row, (_NODES, _COUNTS, _FACTORIALS, _VARS, _LOGS))
    weights, chi_logs = (xp.asarray(each, ratio.dtype) for each in (_WEIGHTS, _LOGS))
    far = xp.maximum(ratio, _FAR)
    logs = xp.log1p(nodes / far[..., None])
    shift = logs @ weights
    at_far = xp.log(far) + shift, (logs - shift[..., None]) ** 2 @ weights
    rate = xp.minimum(ratio, _FAR)[..., None] ** 2 / 2
    logs = special(rate).xlogy(counts, xp.where(rate > 0, rate, xp.finfo(ratio.dtype).tiny)) - factorials
    shares = xp.exp(logs - still(xp.max(logs, axis=-1, keepdims=True)))
    shares = shares / xp.sum(shares, axis=-1, keepdims=True)
    mean = shares @ chi_logs
    at_near = mean, xp.sum(shares * (chi_vars + (chi_rows - mean[..., None]) ** 2), axis=-1)
    mean, var = (xp.where(ratio > _FAR, *pair) for pair in zip(at_far, at_near, strict=True))
    return mean, var


@asked()
@in_float64
def log_mean_scalar_chain(mean: Numbers, std: Numbers, depth: int) -> Values:
    r"""Log of the mean absolute product of normal weights: mean gradient of scalar chains.

    .. math:: n \ln E|w|, \qquad
        E|w| = s\sqrt{2/\pi}\, e^{-m^2/2s^2} + m\,\mathrm{erf}\bigl(m / s\sqrt2\bigr)

    Parameters
    ----------
    mean, std, depth
        As in ``log_scalar_chain``.

    Returns
    -------
    array
        Natural log, the broadcast shape.

    Notes
    -----
    Accuracy: 1e-15 absolute per weight (relative where E|w| is not close to 1).
    Assumes: independent weights.

    Examples
    --------
    >>> from vgtheory import theory
    >>> round(float(theory.recurrent.log_mean_scalar_chain(0.0, 1.0, 1)), 4)
    -0.2258
    """
    expect_broadcast("log_mean_scalar_chain", mean=mean, std=std)
    size, spread, xp = _given(mean, std)
    varies = spread > 0
    scale = xp.where(varies, spread, 1.0)
    ratio = size / scale
    share = np.sqrt(2 / np.pi) * xp.exp(-(ratio**2) / 2) + ratio * special(ratio).erf(ratio / np.sqrt(2))
    return depth * xp.log(xp.where(varies, scale * share, size))
