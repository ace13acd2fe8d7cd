"""One unit: the exact gradient along a scalar recurrence, and products of random scalar weights."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import scipy.special
import scipy.stats
from jax import lax

from vgtheory.activation import as_activation
from vgtheory.estimate import Law
from vgtheory.expect import expect, expect_count
from vgtheory.theory.precision import floats, in_float64

_FAR = 16
"""Ratio of mean to standard deviation beyond which ln|z + ratio| is as good as analytic."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(64)
_WEIGHTS /= _WEIGHTS.sum()


@in_float64
def log_scalar_steps(w: Any, activation: Any, h_0: Any, *, steps: int) -> Any:
    r"""Log-gradient along a one-dimensional recurrence, exactly.

    .. math:: \ln \left|\frac{\partial h_t}{\partial h_0}\right| = \sum_{s=0}^{t-1} \ln |w\,\phi'(h_s)|, \qquad h_{s+1} = w\,\phi(h_s)

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

    Raises
    ------
    ValueError
        If ``steps`` is no positive integer or the activation's name is unknown.

    Notes
    -----
    Accuracy: rounding, 1e-15 per step, or 1e-15 of the log where that is larger.
    Assumes: no input. In a layer it also rules every eigendirection k of a symmetric W whose leading eigenvector has entries
    of equal modulus and carries the state: add t (ln|lambda_k| - ln|w|).

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> np.exp(theory.log_scalar_steps(0.5, "linear", 1.0, steps=3)).round(12).tolist()
    [0.5, 0.25, 0.125]
    """
    expect_count("log_scalar_steps", steps=steps)
    resolved = as_activation(activation)
    w, start = floats(w, h_0)

    def step(h: Any, _: Any) -> tuple[Any, Any]:
        return w * resolved.phi(h), jnp.log(jnp.abs(w * resolved.dphi(h)))

    return jnp.cumsum(lax.scan(step, start, length=steps)[1])


def log_scalar_chain(mean: float, std: float, depth: int) -> Law:
    r"""Log of a product of independent normal weights: what a typical chain does.

    .. math:: \ln |w_1 \cdots w_n|, \qquad w_i \sim N(m, s^2)

    Parameters
    ----------
    mean, std
        Mean m and standard deviation s >= 0 of each weight; dimensionless.
    depth
        Number of weights n, >= 1.

    Returns
    -------
    Law
        ``n E ln|w|`` and ``sqrt(n Var ln|w|)``, natural log; with ``std = 0`` it is ``n ln|m|`` and 0.

    Raises
    ------
    ValueError
        If ``std`` is negative or ``depth`` is no positive integer.

    Notes
    -----
    Accuracy: per weight 1e-13 absolute for the mean, 1e-12 relative for the standard deviation.
    Assumes: independent weights. It is the mean of the log: E ln|w| lies below ln E|w| (``log_mean_scalar_chain``), so the
    typical product is exponentially smaller than the mean one.

    Examples
    --------
    >>> from vgtheory import theory
    >>> law = theory.log_scalar_chain(0.98, 0.0, 100)
    >>> round(float(law.mean), 4), float(law.std)
    (-2.0203, 0.0)
    """
    _check_chain("log_scalar_chain", mean, std, depth)
    if std == 0:
        return Law(depth * _log_size(mean), np.float64(0.0))
    one, var = _log_normal_moments(mean / std)
    return Law(depth * (one + np.log(std)), np.sqrt(depth * var))


def _log_size(value: float) -> float:
    """Natural log of |value|, -inf at zero without a warning."""
    return float(np.log(abs(value))) if value else -np.inf


def _check_chain(where: str, mean: float, std: float, depth: int) -> None:
    """Static facts of a scalar chain."""
    expect(bool(np.isfinite(mean)), where, "a finite mean", mean=mean)
    expect(bool(np.isfinite(std)) and std >= 0, where, "a finite std >= 0", std=std)
    expect_count(where, depth=depth)


def _log_normal_moments(ratio: float) -> tuple[float, float]:
    """Mean and variance of ln|z + ratio| for a standard normal z: a Poisson mixture of chi-square logs, or Gauss-Hermite."""
    if abs(ratio) > _FAR:
        logs = np.log1p(_NODES / abs(ratio))
        shift = float(_WEIGHTS @ logs)
        return float(np.log(abs(ratio))) + shift, float(_WEIGHTS @ (logs - shift) ** 2)
    rate = ratio**2 / 2
    spread = 40 * np.sqrt(rate) + 60
    counts = np.arange(max(0, int(rate - spread)), int(rate + spread))
    shares = scipy.stats.poisson.pmf(counts, rate)
    shares /= shares.sum()
    logs = (np.log(2) + scipy.special.digamma(counts + 0.5)) / 2
    mean = float(shares @ logs)
    return mean, float(shares @ (scipy.special.polygamma(1, counts + 0.5) / 4 + (logs - mean) ** 2))


def log_mean_scalar_chain(mean: float, std: float, depth: int) -> float:
    r"""Log of the mean of a product of independent normal weights' sizes: what the average over chains does.

    .. math:: n \ln E|w|, \qquad E|w| = s\sqrt{2/\pi}\, e^{-m^2/2s^2} + m\,\mathrm{erf}\bigl(m / s\sqrt2\bigr)

    Parameters
    ----------
    mean, std
        Mean m and standard deviation s >= 0 of each weight; dimensionless.
    depth
        Number of weights n, >= 1.

    Returns
    -------
    float
        Natural log.

    Raises
    ------
    ValueError
        If ``std`` is negative or ``depth`` is no positive integer.

    Notes
    -----
    Accuracy: 1e-15 absolute per weight (relative where E|w| is not close to 1).
    Assumes: independent weights.

    Examples
    --------
    >>> from vgtheory import theory
    >>> round(theory.log_mean_scalar_chain(0.0, 1.0, 1), 4)
    -0.2258
    """
    _check_chain("log_mean_scalar_chain", mean, std, depth)
    if std == 0:
        return float(depth * _log_size(mean))
    ratio = abs(mean) / std
    size = np.sqrt(2 / np.pi) * np.exp(-(ratio**2) / 2) + ratio * scipy.special.erf(ratio / np.sqrt(2))
    return float(depth * np.log(std * size))
