r"""The only place that integrates: expectations over a standard normal variable.

========  ==============================================  ========
symbol    meaning                                         shape
========  ==============================================  ========
``z``     standard normal variable                        nodes
``q``     variance of ``h = sqrt(q) z``                   ()
``f``     phi(h)^2                                        nodes
``g``     phi'(h)^2                                       nodes
``He_k``  probabilists' Hermite polynomial of degree k    nodes
========  ==============================================  ========
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.activation import Activation

_ORDER = 16
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(_ORDER)
_REACH = 12
_HALF_SCALES = np.array([1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48])
_SCALES = np.concatenate([-_HALF_SCALES[::-1], _HALF_SCALES])
_NORMALS = np.arange(-_REACH, _REACH + 1)


def mean(integrand: Callable[[Array], Array], q: Array, kinks: tuple[float, ...] = ()) -> Array:
    r"""Expectation of a function of a standard normal variable.

    .. math:: E[F(z)], \qquad z \sim N(0, 1)

    The line is split where the density varies (each unit of ``z``), where an activation of ``h = sqrt(q) z`` varies (at
    fixed ``h`` between 1/16 and 48) and at the kinks; each piece gets a 16-point Gauss-Legendre rule.

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
    Array
        Shape ``(...)``.

    Notes
    -----
    Accuracy: 1e-13 relative in float64 for squares of the table's activations and of their derivatives, q in [1e-12, 1e8]
    (``sin``: q <= 100; ``erf`` derivative and others that fall like a Gaussian: as far as they do not underflow).
    Assumes: nothing happens on scales of ``h`` far below 1/16 except at the kinks.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from vgtheory.theory import gaussian
    >>> round(float(gaussian.mean(lambda z: z**4, jnp.asarray(1.0))), 5)
    3.0
    """
    q = jnp.asarray(q)
    root = jnp.sqrt(jnp.maximum(q, jnp.finfo(q.dtype).tiny))
    inner = jnp.asarray(np.concatenate([_SCALES, np.asarray(kinks, dtype=float)]), q.dtype) / root
    breaks = jnp.sort(jnp.concatenate([jnp.clip(inner, -_REACH, _REACH), jnp.asarray(_NORMALS, q.dtype)]))
    half = jnp.diff(breaks)[:, None] / 2
    nodes, rule = (jnp.asarray(each, q.dtype)[None, :] for each in (_NODES, _WEIGHTS))
    z = ((breaks[1:] + breaks[:-1])[:, None] / 2 + half * nodes).ravel()
    weights = (half * rule).ravel() * jnp.exp(-(z**2) / 2) / float(np.sqrt(2 * np.pi))
    values = integrand(z)
    return jnp.sum(values * jnp.broadcast_to(weights, values.shape), axis=-1)


class Moments(NamedTuple):
    """Gaussian moments of f = phi(h)^2 and g = phi'(h)^2 at h = sqrt(q) z; ``f_2`` is E[f He_2(z)], ``f_f`` is E[f f]."""

    f: Array
    g: Array
    f_2: Array
    g_2: Array
    f_4: Array
    g_4: Array
    f_f: Array
    g_g: Array
    f_g: Array


def moments(q: Array, activation: Activation) -> Moments:
    """All the one-dimensional moments that mean-field and finite-width laws need, at one ``q``.

    Parameters
    ----------
    q
        Variance of the pre-activations; shape ``()``, >= 0.
    activation
        The nonlinearity.

    Returns
    -------
    Moments
        Each of shape ``()``; dimensionless but for powers of the unit of ``phi``.

    Notes
    -----
    Accuracy: in float64 1e-13 times the mean of the integrand's size, for q as in ``mean`` (``f_f``, ``g_g`` and ``f_g`` of
    ``sin``: q <= 50). Relative to themselves only ``f``, ``g`` and their products are as good: the others cancel.
    Assumes: Gaussian ``h``.
    """
    q = jnp.asarray(q)
    dphi = activation.dphi

    def integrand(z: Array) -> Array:
        h = jnp.sqrt(q) * z
        f, g = activation.phi(h) ** 2, dphi(h) ** 2
        he_2, he_4 = z**2 - 1, z**4 - 6 * z**2 + 3
        return jnp.stack([f, g, f * he_2, g * he_2, f * he_4, g * he_4, f * f, g * g, f * g])

    return Moments(*mean(integrand, q, activation.kinks))
