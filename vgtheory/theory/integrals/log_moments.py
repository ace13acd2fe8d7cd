r"""Logs of a unit's output and slope: what all examples share, and what each example adds.

Two examples of correlation c have a share c of ``h`` in common. In units of its standard deviation,

.. math:: u = m + s e, \qquad m \sim N(0, c), \quad s^2 = 1 - c, \quad e \sim N(0, 1)

where m belongs to the unit and e to the example.

===========  =============================================================  ==========
symbol       meaning                                                        shape
===========  =============================================================  ==========
``u``        h over its standard deviation                                  any
``m``        what all examples share of it                                  (nodes,)
``s``        standard deviation of what they do not                         ()
``f``        the function: phi, or phi'                                     any
===========  =============================================================  ==========
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jax import Array
from scipy.special import polygamma, psi

from vgtheory.activation import Activation, Pointwise
from vgtheory.activations.cusp import has_fourth
from vgtheory.theory.integrals import gaussian
from vgtheory.theory.integrals.squares import log_resolved, resolved
from vgtheory.theory.precision import in_float64

_PANELS = gaussian.Panels((1.5, 3.0, 5.0, 8.5), (1.0,), 2, 10)
_GRADES = 6.0 ** -np.arange(13)
"""Towards a point where a log is singular the pieces shrink by this."""
_SCALES = (0.5, 1.0, 2.0, 4.0)
"""Where an activation bends, in units of h."""
_GRID = np.linspace(-40.03, 40.01, 4003)
_MOST_TERMS, _FAR = 300, 14.0


class Side(NamedTuple):
    """Moments of log|f| given what a unit keeps.

    Every field has the shape (..., nodes), but for the last, (...).

    Attributes
    ----------
    m, weight
        Place of a node, and its weight.
    share
        Probability that f is not 0.
    mean, var
        Of log|f| where it is not 0.
    first, square
        Means of f and of f^2.
    response
        Derivative of the whole mean of log|f| with respect to ln q.
    """

    m: Any
    weight: Any
    share: Any
    mean: Any
    var: Any
    first: Any
    square: Any
    response: Any


@functools.cache
def zeros(function: Pointwise) -> tuple[float, ...]:
    """Places within 40 of 0 where a function changes its sign.

    Parameters
    ----------
    function
        Elementwise JAX function.
    """
    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        at = lambda h: np.asarray(function(jnp.asarray(h)))
        values = at(_GRID)
        (before,) = np.nonzero(values[:-1] * values[1:] < 0)
        scalar = lambda h: float(at(np.array([h]))[0])
        roots = (scipy.optimize.brentq(scalar, _GRID[i], _GRID[i + 1], xtol=1e-15) for i in before)
        return tuple(round(root, 12) + 0.0 for root in roots)


@functools.cache
def touching(function: Pointwise) -> tuple[float, ...]:
    """Places within 40 of 0 where a function is 0 without a change of its sign.

    Parameters
    ----------
    function
        Elementwise JAX function.
    """
    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        size = lambda h: np.abs(np.asarray(function(jnp.asarray(h))))
        values = size(_GRID)
        lowest = 1 + np.flatnonzero((values[1:-1] < values[:-2]) & (values[1:-1] < values[2:]))
        centres, beside = _GRID[lowest], np.maximum(values[lowest - 1], values[lowest + 1])
        for step in (_GRID[1] - _GRID[0]) * 8.0 ** -np.arange(10):
            near = centres[:, None] + step * np.linspace(-1, 1, 21)
            centres = np.take_along_axis(near, np.argmin(size(near), axis=1)[:, None], axis=1)[:, 0]
        there = (size(centres) < 1e-6 * beside) & ~np.isin(lowest, np.flatnonzero(np.diff(np.sign(values))))
        return tuple(float(root) for root in centres[there])


def _moments(function: Callable[[Array], Array], u: Array) -> tuple[Array, ...]:
    """Integrands: f != 0, log|f|, its square, f, f^2, and the first two times u^2 - 1."""
    f = function(u)
    there = f != 0
    log = jnp.log(jnp.abs(jnp.where(there, f, 1.0)))
    one, he_2 = there.astype(u.dtype), u**2 - 1
    return one, log, log**2, f, f**2, one * he_2, log * he_2


def _side(function: Callable[[Array], Array], m: Array, weight: Array, s: Array, kinks: Array) -> Side:
    """One function's moments at every m."""
    inside = gaussian.smoothed(lambda u: _moments(function, u), m, jnp.broadcast_to(s, m.shape), kinks, _PANELS)
    share, log, log_2, first, square, share_2, log_he = inside
    safe = jnp.where(share > 0, share, 1.0)
    mean = log / safe
    total = lambda values: jnp.sum(weight * values)
    whole = total(log) / total(share)
    response = (total(log_he) - whole * total(share_2)) / (2 * total(share))
    return Side(m, weight, share, mean, jnp.maximum(log_2 / safe - mean**2, 0.0), first, square, response)


@functools.partial(jax.jit, static_argnames=("functions", "bends"))
def _layer_sides(
    root: Array, c: Array, functions: tuple[Pointwise, ...], bends: tuple[tuple[float, ...], ...]
) -> tuple[Side, ...]:
    """Every function's moments at one layer, on common nodes."""
    singular, kinks = (jnp.asarray(each, root.dtype) for each in bends)
    fixed = jnp.asarray([sign * scale for scale in _SCALES for sign in (1, -1)], root.dtype)
    grades = jnp.asarray([sign * grade for grade in (*_GRADES, 0.0) for sign in (1, -1)], root.dtype)
    s = jnp.sqrt(1 - c)
    near = ((singular / root)[:, None] + grades[None, :]).ravel()
    inner = jnp.concatenate([near, kinks / root, fixed / root])
    widths = s * jnp.asarray(gaussian.BLUR, root.dtype)
    blurred = jnp.concatenate([singular, kinks])[:, None] / root + widths[None, :]
    z, weight = gaussian.nodes(c, jnp.concatenate([near, blurred.ravel(), fixed / root]), _PANELS)
    m = jnp.sqrt(c) * z

    def moments(function: Pointwise) -> Side:
        return _side(lambda u: function(root * u), m, weight, s, inner)

    return tuple(map(moments, functions))


def _sides(
    root_q: Array, c: Array, functions: tuple[Pointwise, ...], bends: tuple[tuple[float, ...], ...]
) -> tuple[Side, ...]:
    """The same at every layer, one after the other, so that every depth has one program."""
    rows = [_layer_sides(root, each, functions, bends) for root, each in zip(root_q, c, strict=True)]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)


@in_float64
def sides(log_q: Any, c: Any, activation: Activation) -> tuple[Side, Side]:
    """Moments of log|phi| and of log|phi'| at every layer, given what a unit keeps.

    Parameters
    ----------
    log_q
        Natural log of the variance of h, shape ``(layers,)``.
    c
        Correlation of two examples, from 0 to 1, shape ``(layers,)``.
    activation
        The nonlinearity.

    Returns
    -------
    tuple of Side
        For phi and for phi', on the same nodes.

    Notes
    -----
    Accuracy: 1e-8, of the variances.
    Assumes: phi and phi' change sign, or are 0, only within 40 of 0 or beyond a kink.
    """
    functions = (activation.phi, activation.dphi)
    singular = {*activation.kinks, *(root for each in functions for root in zeros(each))}
    if log_resolved(activation) < np.inf:
        singular |= {root for each in functions for root in touching(each)}
    bends = (tuple(sorted(singular)), activation.kinks)
    found = _sides(jnp.sqrt(resolved(jnp.exp(jnp.asarray(log_q)), activation)), jnp.asarray(c), functions, bends)
    # Of a slope whose fourth moment is infinite the rule does not know the second either.
    slope = found[1] if has_fourth(activation) else found[1]._replace(square=jnp.full_like(found[1].square, jnp.nan))
    return found[0], slope


def _itself(h: Array) -> Array:
    return h


@in_float64
def normal_side(c: Any) -> Side:
    """The same of a standard normal variable itself.

    Parameters
    ----------
    c
        Correlation of two examples, shape ``(layers,)``.
    """
    c = jnp.asarray(c)
    (found,) = _sides(jnp.ones_like(c), c, (_itself,), ((0.0,), ()))
    return found


def log_shifted_normal(r: Any) -> tuple[np.ndarray, np.ndarray]:
    r"""Mean and variance of :math:`\ln|z + r|`, z standard normal.

    The square is chi-square with a Poisson number of further degrees of freedom,

    .. math:: E = \sum_k P_k\, \tfrac12 [\psi(\tfrac12 + k) + \ln 2], \qquad
        P_k = e^{-r^2/2} (r^2/2)^k / k!

    Parameters
    ----------
    r
        Any shape.

    Notes
    -----
    Accuracy: 1e-12 up to |r| = 14, beyond which the series in 1 / r^2 is as good as 1e-6.
    """
    r = np.abs(np.asarray(r, float))
    rate = (np.minimum(r, _FAR) ** 2 / 2).ravel()
    k = np.arange(_MOST_TERMS)
    safe = np.where(rate > 0, rate, 1.0)
    log_p = k[None, :] * np.log(safe)[:, None] - safe[:, None] - np.cumsum(np.log(np.maximum(k, 1)))[None, :]
    p = np.where(rate[:, None] > 0, np.exp(log_p), (k == 0).astype(float)[None, :])
    means = (psi(0.5 + k) + np.log(2)) / 2
    mean = p @ means
    var = p @ (polygamma(1, 0.5 + k) / 4 + means**2) - mean**2
    x = 1 / np.maximum(r, _FAR) ** 2
    far_mean, far_var = -x / 2 - 3 * x**2 / 4 - 5 * x**3 / 2, x + 5 * x**2 / 2 + 37 * x**3 / 3
    far = r > _FAR
    log_r = np.log(np.where(far, r, 1.0))
    return np.where(far, log_r + far_mean, mean.reshape(r.shape)), np.where(far, far_var, var.reshape(r.shape))
