r"""The only place that integrates: expectations over one normal variable, and the rules for a pair.

========  =========================================================  ========
symbol    meaning                                                    shape
========  =========================================================  ========
``z``     standard normal variable                                   nodes
``q``     variance of ``h = sqrt(q) z``                              ()
``c``     correlation of two such ``h``                              ()
``m``     mean of ``h`` given what the pair has in common            any
``s``     its standard deviation, given that                         any
``f``     phi(h)^2                                                   nodes
``g``     phi'(h)^2                                                  nodes
``He_k``  probabilists' Hermite polynomial of degree k               nodes
========  =========================================================  ========
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from vgtheory.activation import Activation
from vgtheory.activations.cusp import graded
from vgtheory.theory.arrays import library

BLUR = (-6.0, -3.0, -1.5, 0.0, 1.5, 3.0, 6.0)
"""Places where an averaged kink bends, in standard deviations of the normal variable."""
PERIODS = 1.1
"""Standard deviation of h, in periods, beyond which a periodic function forgets it to exp(-24)."""


class Panels(NamedTuple):
    """A rule of integration.

    Its fields are the units of ``z`` and the fixed ``h`` at which to split, the number of geometric
    steps from the last of these to the reach, and the number of nodes.
    """

    normals: tuple[float, ...]
    scales: tuple[float, ...]
    num_steps: int
    order: int


FINE = Panels(tuple(range(1, 13)), (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24), 9, 16)
"""For one variable."""
COARSE = Panels((2, 4, 6, 9), (1 / 2, 1, 2.5, 6, 14), 9, 14)
"""For each of two."""


def marks(m: Any, s: Any, kinks: Any, panels: Panels, numpy: Any = jnp) -> Any:
    """Ends of the pieces in z, in no order, along a last axis.

    Parameters
    ----------
    m, s
        Mean and standard deviation of ``h``; shapes that broadcast.
    kinks
        Points in ``h``, shape ``(k,)``.
    panels
        Where to split.
    numpy
        The array module: ``jax.numpy`` or ``numpy``.

    Returns
    -------
    array
        Shape ``(..., pieces + 1)``, within the rule's reach.
    """
    row = lambda values: numpy.asarray(values, m.dtype).reshape((1,) * m.ndim + (-1,))
    reach, last = panels.normals[-1], panels.scales[-1]
    ratio = numpy.maximum((abs(m) + reach * s) / last, 1.0) ** (1 / panels.num_steps)
    steps = last * ratio[..., None] ** row(np.arange(1, panels.num_steps))
    fixed = row([*panels.scales, 0.0, *(-scale for scale in panels.scales)])
    units = row([*panels.normals, 0.0, *(-unit for unit in panels.normals)])
    fixed, jumps, units = (
        numpy.broadcast_to(each, (*m.shape, each.shape[-1])) for each in (fixed, row(graded(kinks)), units)
    )
    places = numpy.concatenate([steps, -steps, fixed, jumps], axis=-1) - m[..., None]
    narrow = numpy.maximum(s, numpy.finfo(m.dtype).tiny ** 0.5)
    return numpy.concatenate([numpy.clip(places / narrow[..., None], -reach, reach), units], axis=-1)


def smoothed(
    functions: Callable[[Any], tuple[Any, ...]], m: Any, s: Any, kinks: Any, panels: Panels = COARSE
) -> tuple[Any, ...]:
    r"""Expectations :math:`E[F(m + s z)]` of several functions at every m.

    The line is split where the density varies (units of ``z``), where an activation does (fixed
    ``h``, and from there to the reach in equal ratios, for algebraic tails), and at the kinks. Each
    piece gets a Gauss-Legendre rule.

    Parameters
    ----------
    functions
        Maps ``h``, shape ``(pieces, *m.shape)``, to a tuple of arrays of that shape; called once
        per node of a piece.
    m, s
        Mean and standard deviation of ``h``, one shape ``(...)``; ``s`` >= 0.
    kinks
        Points in ``h`` where a function or a derivative jumps; shape ``(k,)``.
    panels
        Where to split.

    Returns
    -------
    tuple of arrays
        Each of m's shape.

    Notes
    -----
    Accuracy: 1e-11 relative for ``COARSE``, as ``mean`` for ``FINE``.
    Assumes: nothing happens on scales of ``h`` far below the finest of ``panels`` except at the
    kinks.
    """
    xp = library(m, s)
    breaks = xp.sort(marks(m, s, kinks, panels, xp), axis=-1)
    return averaged(functions, m, s, xp.moveaxis(breaks, -1, 0), panels.order)


def averaged(functions: Callable[[Any], tuple[Any, ...]], m: Any, s: Any, breaks: Any, order: int) -> tuple[Any, ...]:
    """``smoothed`` with the ends of its pieces given.

    Parameters
    ----------
    functions, m, s
        As there.
    breaks
        Ends of the pieces in z, ascending, shape ``(pieces + 1, *m.shape)``.
    order
        Nodes in each piece.

    Returns
    -------
    tuple of arrays
        Each of m's shape.
    """
    xp = library(m, s, breaks)
    middle, half = (breaks[1:] + breaks[:-1]) / 2, xp.diff(breaks, axis=0) / 2
    if xp is np:
        middle, half = _wide(middle, half)
    places, weights = (xp.asarray(each, m.dtype) for each in legendre(order))

    def parts(node: Any, weight: Any) -> Iterator[Any]:
        z = middle + half * node
        density = half * xp.exp(-(z**2) / 2) * weight / float(np.sqrt(2 * np.pi))
        return (xp.sum(each * density, axis=0) for each in functions(m[None] + s[None] * z))

    if xp is np:
        return tuple(sum(each) for each in zip(*map(parts, places, weights), strict=True))
    # Node by node: XLA fuses that into one pass, and stores the whole grid otherwise.
    shapes = jax.eval_shape(functions, middle)
    start = tuple(jnp.zeros(each.shape[1:], each.dtype) for each in shapes)
    return lax.scan(lambda total, rule: (tuple(map(jnp.add, total, parts(*rule))), None), start, (places, weights))[0]


def _wide(middle: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pieces that have a width, brought to the front."""
    order = np.argsort(half <= 0, axis=0, kind="stable")
    most = int(np.max(np.sum(half > 0, axis=0), initial=0))
    return np.take_along_axis(middle, order, axis=0)[:most], np.take_along_axis(half, order, axis=0)[:most]


def mean(integrand: Callable[[Any], Any], q: Any, kinks: tuple[float, ...] = ()) -> Any:
    r"""Expectation of a function of a standard normal variable.

    .. math:: E[F(z)], \qquad z \sim N(0, 1)

    Parameters
    ----------
    integrand
        Maps ``z`` of shape ``(nodes,)`` to values of shape ``(..., nodes)``.
    q
        Variance that turns ``z`` into ``h``; only places the pieces; shape ``()``, >= 0.
    kinks
        Points in ``h`` where the integrand or a derivative jumps.

    Returns
    -------
    array
        Shape ``(...)``.

    Notes
    -----
    Accuracy: 1e-13 relative in float64 for squares of the table's activations and of their
    derivatives, q in [1e-12, 1e12]. For periodic ones see ``settled``. The derivative of ``erf``
    and others that fall like a Gaussian hold as far as they do not underflow.
    Assumes: nothing happens on scales of ``h`` far below 1/16 except at the kinks.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from vgtheory.theory.integrals import gaussian
    >>> round(float(gaussian.mean(lambda z: z**4, jnp.asarray(1.0))), 5)
    3.0
    """
    xp = library(q)
    z, weights = nodes(xp.asarray(q), kinks)
    values = integrand(z)
    # A slope that is infinite next to a cusp counts only where a piece has a width.
    weights = xp.broadcast_to(weights, values.shape)
    return xp.sum(xp.where(weights > 0, values, 0.0) * weights, axis=-1)


def nodes(q: Any, kinks: Any = (), panels: Panels = FINE) -> tuple[Any, Any]:
    """Nodes ``z`` and weights of the rule behind ``mean``, each of shape ``(nodes,)``.

    Parameters
    ----------
    q, kinks
        As ``mean``; kinks may be an array of shape ``(k,)``.
    panels
        Where to split.
    """
    xp = library(q)
    breaks = xp.sort(marks(xp.zeros_like(q), xp.sqrt(q), kinks, panels, xp))[:, None]
    places, weights = (xp.asarray(each, q.dtype)[None] for each in legendre(panels.order))
    half = xp.diff(breaks, axis=0) / 2
    z = ((breaks[1:] + breaks[:-1]) / 2 + half * places).ravel()
    return z, (half * weights).ravel() * xp.exp(-(z**2) / 2) / float(np.sqrt(2 * np.pi))


@functools.cache
def legendre(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the Gauss-Legendre rule on [-1, 1].

    Parameters
    ----------
    order
        Number of nodes.
    """
    places, weights = np.polynomial.legendre.leggauss(order)
    return places, weights


def settled(q: Any, activation: Activation) -> Any:
    """The variance q, cut off for a periodic activation.

    It is cut off where the moments of the activation no longer change.

    Parameters
    ----------
    q
        Variance, any shape.
    activation
        The nonlinearity.

    Notes
    -----
    Accuracy: beyond 1.1 periods of standard deviation the fundamental's share is exp(-24) of its
    size, and its second harmonic's (the first in squares of ``sin``) exp(-95).
    """
    return q if activation.period is None else library(q).minimum(q, (PERIODS * activation.period) ** 2)


def settled_log(log_q: Any, activation: Activation) -> Any:
    """Natural log of ``settled``.

    Parameters
    ----------
    log_q
        Natural log of the variance, any shape.
    activation
        The nonlinearity.
    """
    return (
        log_q
        if activation.period is None
        else library(log_q).minimum(log_q, 2 * float(np.log(PERIODS * activation.period)))
    )


def blurred(kinks: Any, s: Any) -> Any:
    """Places where a function bends that is averaged over a normal variable; 0 is included.

    Parameters
    ----------
    kinks
        Points in ``h``.
    s
        Standard deviation, shape ``()``.
    """
    xp = library(s)
    widths = s * xp.asarray(BLUR, s.dtype)
    return (xp.asarray((0.0, *kinks), s.dtype)[:, None] + widths[None, :]).ravel()
