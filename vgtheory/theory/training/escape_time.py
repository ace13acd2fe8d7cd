"""Exact time that gradient flow takes to train a deep linear chain.

======  ================================================================
symbol  meaning
======  ================================================================
``w``   weight of each layer of a balanced chain
``p``   product of the weights, ``w^L``
``u``   ``p / y``: the share of the target that is reached
``v``   ``ln((1 - u) / u)`` on the way up, ``ln(u - 1)`` on the way down
``c``   exponent of ``1 + e^v`` in the time that a step of ``v`` takes
======  ================================================================
"""

from typing import Any

import numpy as np

from vgtheory.expect import Numbers, expect, is_static
from vgtheory.theory.arguments import asked, expect_broadcast, integers
from vgtheory.theory.arrays import compiled, library
from vgtheory.theory.precision import Values, in_float64, reals

_EDGES = np.arange(-36.0, 37.0, 3.0)
"""Range where (1 + e^v)^c is neither 1 nor e^(cv); branch points are pi away from the axis."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


@asked(depth=integers)
@in_float64
def log_escape_time(depth: Numbers, w0: Numbers, *, level: Numbers = 0.5, y: Numbers = 1.0) -> Values:
    r"""Log of the time that gradient flow takes to train a balanced scalar chain, exactly.

    .. math:: \dot w = (y - w^L)\, w^{L-1}, \qquad
        T = \int_{w_0}^{(\ell y)^{1/L}} \frac{dw}{(y - w^L)\, w^{L-1}}
        = \frac{y^{2/L - 2}}{L} \int (1 + e^v)^{1 - 2/L}\, dv

    with :math:`v = \ln((1 - u)/u)` and :math:`u = w^L / y`. This is the flow of the loss
    :math:`(y - w_1 \cdots w_L)^2 / 2` where all weights start equal, and so stay. Gradient descent
    with a small learning rate takes T over that rate steps.

    Parameters
    ----------
    depth
        Number of weights L, integers >= 1, any shape.
    w0
        Each weight at the start, >= 0, any broadcastable shape.
    level
        Share l of the target that the product is to reach, > 0: below 1 from below, above 1 from
        above.
    y
        Target, > 0.

    Returns
    -------
    array
        Natural log of T, the broadcast shape. It is -inf where the product is there already. It is
        inf where it never gets there: ``level`` is 1 or on the other side of 1, or w0 = 0 and depth
        >= 2.

    Notes
    -----
    Accuracy: in float64 1e-13 relative in T, plus 1e-15 of the log, plus the effect of rounding w0.
    Assumes: flow (see ``log_escape_steps`` for steps). For small w0, T tends to
    :math:`w_0^{2-L} / (y (L-2))` at L > 2, where depth is an exponent, and to :math:`\ln(1/w_0)/y`
    plus a constant at L = 2. A negative w0 is equivalent to its size for even L; for odd L >= 3 it
    never gets beyond 0.

    References
    ----------
    A. M. Saxe, J. L. McClelland and S. Ganguli (2014), arXiv:1312.6120, derive the flow.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> round(float(theory.training.log_escape_time(1000, 0.1) / np.log(10)), 3)
    995.001
    """
    check_chain("log_escape_time", depth, w0, y)
    expect_positive("log_escape_time", level=level)
    expect_broadcast("log_escape_time", depth=depth, w0=w0, level=level, y=y)
    return _log_time(*reals(w0, level, y, np.asarray(depth, float)))


@compiled()
def _log_time(w0: Values, level: Values, y: Values, depth: Values) -> Values:
    xp = library(w0)
    w0, level, y, depth = xp.broadcast_arrays(w0, level, y, depth)
    log_u = depth * xp.log(w0) - xp.log(y)
    rises = log_u <= 0
    exponent = xp.where(rises, 1 - 2 / depth, 2 / depth - 2)
    low, high = _distance(xp.log(level)), _distance(log_u)
    there = xp.where(rises, log_u >= xp.log(level), log_u <= xp.log(level))
    log_time = _log_power_integral(exponent, low, xp.where(there, low + 1, high))
    log_time += (2 / depth - 2) * xp.log(y) - xp.log(depth)
    never = xp.where(rises, level >= 1, level <= 1)
    return xp.where(never, xp.inf, xp.where(there, -xp.inf, log_time))


def check_chain(where: str, depth: Numbers, w0: Numbers, y: Numbers) -> None:
    """Raise unless depth, start and target are those of a balanced chain."""
    depths = np.asarray(depth)
    ok = np.issubdtype(depths.dtype, np.integer) and bool(np.all(depths >= 1))
    expect(ok, where, "integers depth >= 1", depth=depth)
    if is_static(w0) or isinstance(w0, list | tuple):
        ok = bool(np.all(np.isfinite(w0)) and np.all(np.asarray(w0) >= 0))
        expect(
            ok, where, "a finite w0 >= 0", "At even depth a chain of negative weights is that of their sizes.", w0=w0
        )
    expect_positive(where, y=y)


def expect_positive(where: str, **got: Any) -> None:
    """Raise if the single named value holds plain numbers that are not finite and above 0."""
    ((name, value),) = got.items()
    if is_static(value) or isinstance(value, list | tuple):
        entries = np.asarray(value, dtype=float)
        expect(bool(np.all(entries > 0) and np.all(np.isfinite(entries))), where, f"a finite {name} > 0", **got)


def _distance(log_u: Values) -> Values:
    """The variable v of a share u of the target, on either side."""
    xp = library(log_u)
    size = xp.abs(log_u)
    return size + xp.log(-xp.expm1(-size))


def _log_power_integral(c: Values, low: Values, high: Values) -> Values:
    """Log of the integral of (1 + e^v)^c: asymptotes in closed form, the rest by quadrature."""
    xp = library(c, low, high)
    bottom, top = xp.maximum(low, 0), xp.maximum(high, 0)
    rate = xp.where(c == 0, 1.0, xp.abs(c))
    peak = xp.where(c == 0, 0.0, xp.maximum(xp.sign(c) * rate * bottom, xp.sign(c) * rate * top))
    grown = xp.where(c == 0, top - bottom, -xp.expm1(-rate * (top - bottom)) / rate)
    flat = (xp.minimum(high, 0) - xp.minimum(low, 0)) * xp.exp(-peak)
    row = lambda each: xp.asarray(each, low.dtype).reshape((1,) * low.ndim + (-1,))
    edges = xp.clip(row(_EDGES), low[..., None], high[..., None])
    half = xp.diff(edges) / 2
    v = (edges[..., 1:] - half)[..., None] + half[..., None] * row(_NODES)[..., None, :]
    c, top = c[..., None, None], peak[..., None, None]
    lacks = xp.exp(c * xp.maximum(v, 0) - top) * xp.expm1(c * xp.log1p(xp.exp(-xp.abs(v))))
    return peak + xp.log(flat + grown + xp.sum(half * (lacks @ xp.asarray(_WEIGHTS, low.dtype)), axis=-1))
