"""Gaussian rules in either library: nodes, an activation's values there, and its moments."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.activation import Activation, both_in_numpy, is_tabled
from vgtheory.activations.cusp import has_fourth
from vgtheory.theory.arrays import library
from vgtheory.theory.integrals import gaussian

_CHUNK = 2048
"""Number of NumPy's points evaluated at a time: one program of an activation serves all shapes."""


def nodes(q: Any, kinks: Any = ()) -> tuple[Any, Any]:
    """Nodes ``z`` and weights of the rule behind ``gaussian.mean``, along a last axis.

    Parameters
    ----------
    q
        Variance that places the pieces; shape ``()``, or of NumPy's arrays any.
    kinks
        Points in ``h`` where the integrand or a derivative jumps.
    """
    if library(q, kinks) is jnp:
        return gaussian.nodes(q, kinks)
    q = np.asarray(q)
    breaks = np.sort(gaussian.marks(np.zeros_like(q), np.sqrt(q), kinks, gaussian.FINE, np), axis=-1)
    places, weights = gaussian.legendre(gaussian.FINE.order)
    half = np.diff(breaks)[..., None] / 2
    z = ((breaks[..., 1:] + breaks[..., :-1])[..., None] / 2 + half * places).reshape(*q.shape, -1)
    return z, (half * weights).reshape(z.shape) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


@functools.lru_cache(maxsize=64)
def _program(activation: Activation) -> Any:
    return jax.jit(lambda h: jnp.stack(_both(activation, h)))


def _both(activation: Activation, h: Array) -> list[Array]:
    return [jnp.broadcast_to(each(h), h.shape) for each in (activation.phi, activation.dphi)]


def values(activation: Activation, h: Any) -> tuple[Any, Any]:
    """Values of phi and of phi' at h, of the same library and shape.

    Parameters
    ----------
    activation
        The nonlinearity.
    h
        Points of any shape.
    """
    if library(h) is jnp:
        phi, dphi = _both(activation, h)
        return phi, dphi
    if is_tabled(activation):
        return both_in_numpy(activation, h)
    pieces = np.pad(h.ravel(), (0, -h.size % _CHUNK if h.size else _CHUNK)).reshape(-1, _CHUNK)
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        found = np.concatenate([np.asarray(_program(activation)(each), float) for each in pieces], axis=1)
    phi, dphi = found[:, : h.size].reshape(2, *h.shape)
    return phi, dphi


class Moments(NamedTuple):
    """Gaussian moments of f = phi(h)^2 and g = phi'(h)^2 at h = sqrt(q) z.

    ``f_2`` is E[f He_2(z)], and ``f_f`` is E[f f].
    """

    f: Any
    g: Any
    f_2: Any
    g_2: Any
    f_4: Any
    g_4: Any
    f_f: Any
    g_g: Any
    f_g: Any


def moments(q: Any, activation: Activation) -> Moments:
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
    Accuracy: in float64 1e-13 times the mean of the integrand's size, for q as in
    ``gaussian.mean``. Relative to themselves only ``f``, ``g`` and their products are as good: the
    others cancel.
    Assumes: Gaussian ``h``.
    """
    xp = library(q)
    q = gaussian.settled(q, activation)
    z, weights = nodes(q, activation.kinks)
    f, g = (each**2 for each in values(activation, xp.sqrt(q) * z))
    he_2, he_4 = z**2 - 1, (z**2 - 6) * z**2 + 3
    rows = xp.stack([f, g, f * he_2, g * he_2, f * he_4, g * he_4, f * f, g * g, f * g])
    weights = xp.broadcast_to(weights, rows.shape)
    found = Moments(*xp.sum(xp.where(weights > 0, rows, 0.0) * weights, axis=-1))
    return found if has_fourth(activation) else found._replace(g_g=xp.full_like(q, xp.inf))
