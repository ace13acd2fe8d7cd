"""Gradient of a linear recurrence by lag: over networks, over units, and the lag at which it is lost."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jax import lax

from vgtheory.estimate import Law
from vgtheory.expect import Numbers, expect, expect_number
from vgtheory.networks.linear_recurrence import LinearRecurrence, Ring, StateSpace
from vgtheory.theory.arguments import asked, given, steps_back
from vgtheory.theory.arrays import library, special, weighted
from vgtheory.theory.linear.units import Units, log_mean, log_sum, units_of
from vgtheory.theory.precision import Values, in_float64

_PIECE = 2**22
"""Most numbers of an intermediate array."""
_LONGEST, _HALVINGS = 1e13, 64
"""Steps beyond which a memory counts as infinite."""
FADED = math.exp(-1)
"""Share of the gradient that is left after one memory."""
_lags = {"lags": steps_back}


def _logs(lags: Any, units: Units) -> Any:
    """t ln|lambda|, shape ``(lags, nodes)``; 0 at t = 0 for any eigenvalue."""
    with np.errstate(invalid="ignore"):
        return library(units.log_abs).where(lags[:, None] == 0, 0.0, lags[:, None] * units.log_abs[None, :])


def _in_pieces(function: Callable[[Any], Any], lags: np.ndarray, units: Units) -> Any:
    """``function`` of some lags at a time."""
    xp, flat = library(units.log_abs), lags.ravel().astype(float)
    if xp is not np:
        return function(xp.asarray(flat, units.log_abs.dtype)).reshape(lags.shape)
    pieces = np.array_split(flat, max(1, flat.size * units.log_abs.size // _PIECE))
    return np.concatenate([np.atleast_1d(function(piece)) for piece in pieces]).reshape(lags.shape)


def _groups(net: LinearRecurrence, width: int | None) -> tuple[int, float]:
    """Units that share a time step, and the number of independent groups in a width."""
    law = net.eigenvalues
    if not isinstance(law, Ring | StateSpace):
        expect(width in (None, law.size), "log_grad_lags", f"width={law.size} or None", width=width)
        return 1, math.inf
    size = law.size if isinstance(law, StateSpace) and law.kind != "s5" else 1
    expect(width is None or width % size == 0, "log_grad_lags", f"a width that is a multiple of {size}", width=width)
    return size, math.inf if width is None else width / size


def _mean_square(units: Units, lags: np.ndarray, log_scale: Any) -> Any:
    """ln of the mean over units of b^2 |lambda|^2t."""
    return _in_pieces(
        lambda piece: log_mean(2 * (log_scale[None, :] + _logs(piece, units)), units, bounded=True), lags, units
    )


def _log_excess(units: Units, lags: np.ndarray, size: int) -> Any:
    """ln of E[Y^2] / (E Y)^2, where Y is the mean of |lambda|^2t over the units of a group."""

    def one(piece: Any) -> Any:
        logs, weights = 2 * _logs(piece, units), units.weights
        if size > 1:
            logs = special(logs).logsumexp(logs.reshape(piece.size, size, -1), axis=1) - math.log(size)
            weights = size * weights.reshape(size, -1)[0]
        first, second = (log_sum(k * logs, weights) for k in (1, 2))
        return second - 2 * first

    return _in_pieces(one, lags, units)


@asked(**_lags)
@in_float64
def log_grad_lags(net: LinearRecurrence, lags: Numbers, *, width: int | None = None) -> Law:
    r"""Log of the root mean square over units of the state's gradient, by lag.

    .. math:: \tfrac12 \ln E \left|\frac{\partial h_T}{\partial h_{T-t}}\right|^2 = \tfrac12 \ln E |\lambda|^{2t}

    On LRU's ring, :math:`E|\lambda|^{2t} = (r_{\max}^{2t+2} - r_{\min}^{2t+2}) /
    [(t+1)(r_{\max}^2 - r_{\min}^2)]`: a ring that reaches 1 has no exponential decay, but 1/(t +
    1).

    Parameters
    ----------
    net
        A ``LinearRecurrence``.
    lags
        Lags t, integers >= 0, any shape; static.
    width
        Number of units of a network, for the spread; None for infinitely many. A multiple of
        ``size`` where an S4D channel shares a time step.

    Returns
    -------
    Law
        Natural log of a norm, the shape of ``lags``. ``mean`` is half the log of the mean square
        over units and networks. ``std`` is the spread of a network's own root mean square at this
        width, to first order in 1/width.

    Notes
    -----
    Accuracy: 1e-12 of the mean square's logarithm per unit of it, at least 1e-12.
    Assumes: nothing; a linear recurrence has the same gradient whatever its input. A network of
    finite width has its typical gradient below the mean by about half of ``std``'s square, and much
    more where few units carry the mean.

    References
    ----------
    Orvieto et al. (2023), arXiv:2303.06349 (the ring); the average is derived in the guide.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import LinearRecurrence, Ring, theory
    >>> law = theory.linear.log_grad_lags(LinearRecurrence(Ring()), [0, 1, 99])
    >>> np.exp(2 * law.mean).round(6).tolist()
    [1.0, 0.5, 0.01]
    """
    at, units = np.asarray(lags), units_of(net)
    xp, (size, groups) = library(units.log_abs), _groups(net, width)
    mean = _mean_square(units, at, 0 * units.weights) / 2
    excess = xp.maximum(xp.expm1(_log_excess(units, at, size)), 0.0) if groups < math.inf else xp.zeros_like(mean)
    return Law(mean[()], (xp.sqrt(excess / groups) / 2)[()])


@asked(**_lags)
@in_float64
def log_grad_units(net: LinearRecurrence, lags: Numbers) -> Law:
    r"""Log of the gradient of one unit's state by lag: mean and spread over units.

    .. math:: \ln \left|\frac{\partial h_T}{\partial h_{T-t}}\right| = t \ln |\lambda|

    Parameters
    ----------
    net, lags
        As in ``log_grad_lags``.

    Returns
    -------
    Law
        Natural log, the shape of ``lags``: the typical unit, and the spread from unit to unit.

    Notes
    -----
    Accuracy: 1e-12 relative.
    Assumes: nothing.

    Examples
    --------
    >>> from vgtheory import LinearRecurrence, Ring, theory
    >>> theory.linear.log_grad_units(LinearRecurrence(Ring()), 100)  # -t/2, as ln u of uniform u
    -50 ± 50
    """
    at, units = np.asarray(lags), units_of(net)
    xp, mean = library(units.log_abs), weighted(units.log_abs, units.weights)
    with np.errstate(invalid="ignore"):
        std = xp.sqrt(weighted((units.log_abs - mean) ** 2, units.weights))
        still = at == 0
        return Law(xp.where(still, 0.0, at * mean)[()], xp.where(still, 0.0, at * std)[()])


@asked(**_lags)
@in_float64
def log_grad_input_lags(net: LinearRecurrence, lags: Numbers) -> Values:
    r"""Log of the root mean square over units of the gradient with respect to an earlier input.

    .. math:: \tfrac12 \ln E \left|\frac{\partial h_T}{\partial x_{T-t}}\right|^2
        = \tfrac12 \ln E \bigl[|b(\lambda)|^2 |\lambda|^{2t}\bigr]

    A random output map of many units, as LRU has one, multiplies it by a constant. LRU's own ring
    from 0 to 1 with ``gamma`` gives :math:`-\tfrac12 \ln (t+1)(t+2)`.

    Parameters
    ----------
    net, lags
        As in ``log_grad_lags``.

    Returns
    -------
    numpy.ndarray
        Natural log of a norm, the shape of ``lags``.

    Notes
    -----
    Accuracy: 1e-12.
    Assumes: nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import LinearRecurrence, Ring, theory
    >>> logs = theory.linear.log_grad_input_lags(LinearRecurrence(Ring(), "gamma"), [0, 98])
    >>> np.exp(-2 * logs).round(4).tolist()
    [2.0, 9900.0]
    """
    units = units_of(net)
    return (_mean_square(units, np.asarray(lags), units.log_scale) / 2)[()]


@asked(share=given(partial(expect_number, interval="(0, 1)", ndim=0)))
@in_float64
def memory_lags(net: LinearRecurrence, share: float = FADED) -> Values:
    r"""Effective memory: the lag at which the root mean square gradient has fallen to a share.

    .. math:: E |\lambda|^{2t} = \text{share}^2

    Parameters
    ----------
    net
        A ``LinearRecurrence``.
    share
        Share of the gradient that is left, in (0, 1).

    Returns
    -------
    numpy.float64
        Steps, not rounded to an integer; inf if the gradient never falls so far.

    Notes
    -----
    Accuracy: 1e-10 relative.
    Assumes: nothing.

    Examples
    --------
    >>> from vgtheory import LinearRecurrence, theory
    >>> round(float(theory.linear.memory_lags(LinearRecurrence([0.99]))), 4)  # -1 / ln 0.99
    99.4992
    """
    units, aim = units_of(net), 2 * math.log(share)
    low, high = math.log(1e-12), math.log(_LONGEST)
    if library(units.log_abs) is not np:
        return _traced_memory(units, aim, low, high)
    excess = lambda log_t: float(log_mean(2 * math.exp(log_t) * units.log_abs, units, bounded=True)) - aim
    if excess(high) > 0 or excess(low) < 0:
        return np.asarray(math.inf if excess(high) > 0 else 0.0)[()]
    found = scipy.optimize.brentq(excess, low, high, xtol=1e-14, rtol=1e-14)
    return np.asarray(math.exp(found))[()]


def _traced_memory(units: Units, aim: float, low: float, high: float) -> Any:
    """The same by halving; one of Newton's steps from the end gives the derivative."""
    log_abs = lax.optimization_barrier(units.log_abs)  # computed twice, its rounding errors would differ
    most = jnp.max(log_abs)

    def excess(log_t: Any) -> Any:
        steps = 2 * jnp.exp(log_t)
        rest = jnp.minimum(steps * (log_abs - most), 0.0)
        return steps * most + jnp.log(jnp.sum(units.weights * jnp.exp(rest))) - aim

    ends = [jnp.asarray(each, units.log_abs.dtype) for each in (low, high)]

    def halved(_: Any, ends: tuple[Any, Any]) -> tuple[Any, Any]:
        middle = (ends[0] + ends[1]) / 2
        before = lax.stop_gradient(excess(middle)) > 0
        return jnp.where(before, middle, ends[0]), jnp.where(before, ends[1], middle)

    at = lax.stop_gradient(lax.fori_loop(0, _HALVINGS, halved, tuple(ends))[0])
    value, slope = jax.jvp(excess, (at,), (jnp.ones_like(at),))
    found = jnp.exp(at - value / lax.stop_gradient(slope))
    return jnp.where(excess(ends[1]) > 0, jnp.inf, jnp.where(excess(ends[0]) < 0, 0.0, found))


__all__ = ["log_grad_input_lags", "log_grad_lags", "log_grad_units", "memory_lags"]
