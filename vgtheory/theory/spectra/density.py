"""Density and cumulative distribution of the singular values of the input-output Jacobian, of s and of ln s."""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.expect import expect
from vgtheory.networks.dense import Dense
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library
from vgtheory.theory.precision import floats, in_float64
from vgtheory.theory.spectra.edge import jacobian_atom
from vgtheory.theory.spectra.free_product import solve
from vgtheory.theory.spectra.moments import like_layers, settled_state
from vgtheory.theory.spectra.slopes import NUM_POINTS, density_and_weight, slopes
from vgtheory.theory.spectra.zeta_plane import Chain


def _at(where: str, log_s: Any, net: Dense, depth: int) -> tuple[Array, Array]:
    """Density of ln s and cumulative weight, for ``log_s`` of any shape."""
    for name in ("sigma_w", "sigma_b"):
        shape = np.shape(getattr(net, name))
        expect(shape == (), where, f"one {name}", "For many, use jax.vmap.", shape=shape)
    q, log_chi, (log_s,) = settled_state(where, net, depth, log_s)
    law, is_gaussian = slopes(q, net.activation), net.weights != "orthogonal"
    blocks = _log_lambda(log_s, depth * log_chi)
    if depth == 1 and not is_gaussian:
        parts = [density_and_weight(block, law) for block in blocks]
    else:
        parts = solve(blocks, law, Chain(*(jnp.asarray(each, q.dtype) for each in (depth, is_gaussian))))
    density, weight = (jnp.where(jnp.isnan(q), jnp.nan, each) for each in _joined(parts, log_s.shape))
    return density, weight


@jax.jit
def _log_lambda(log_s: Array, log_mean_square: Array) -> list[Array]:
    """2 ln s in units of the mean square, inf where that is 0, in blocks so that few shapes are compiled."""
    vanishes = jnp.isneginf(log_mean_square)
    log_lambda = jnp.where(vanishes, jnp.inf, 2 * log_s - jnp.where(vanishes, 0.0, log_mean_square)).ravel()
    size = max(1, -(-log_s.size // NUM_POINTS)) * NUM_POINTS
    return list(jnp.pad(log_lambda, (0, size - log_s.size)).reshape(-1, NUM_POINTS))


@functools.partial(jax.jit, static_argnames=("shape",))
def _joined(parts: list[tuple[Array, Array]], shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Density of ln s and weight, of the shape that was asked for."""
    density, weight = (jnp.concatenate(each)[: math.prod(shape)] for each in zip(*parts, strict=True))
    return 2 * density.reshape(shape), jnp.clip(weight.reshape(shape), 0.0, 1.0)


def _weight(where: str, log_s: Any, net: Dense, depth: int, width: int | None) -> Array:
    """Cumulative weight, no less than that at 0."""
    weight = _at(where, log_s, net, depth)[1]
    if width is None:
        return weight
    if library(net.sigma_w, net.sigma_b) is jnp:
        sigma_w, sigma_b = (jnp.asarray(each, weight.dtype) for each in (net.sigma_w, net.sigma_b))
        net = dataclasses.replace(net, sigma_w=sigma_w, sigma_b=sigma_b)
    return jnp.maximum(weight, jnp.asarray(jacobian_atom(net, depth, width), weight.dtype))


def _log(where: str, s: Any) -> Any:
    """ln s of s >= 0, of the same library."""
    if library(s) is jnp:
        return jnp.log(*floats(s))
    expect(bool(np.all(np.asarray(s) >= 0)), where, "s >= 0", s=s)
    with np.errstate(divide="ignore"):
        return np.log(np.asarray(s, float))


@asked(net=like_layers)
@in_float64
def jacobian_density_of_log(log_s: Any, net: Dense, depth: int) -> Any:
    r"""Density of the natural logs of the singular values, per unit of ln s.

    .. math:: -\frac{2}{\pi} \operatorname{Im} M\bigl(s^2 + i 0\bigr)

    with M the moment generating function of ``free_product``, by inverting the S-transform
    :math:`S_{J J^T} = (S_{D^2} S_{W W^T})^L`.

    Parameters
    ----------
    log_s
        Natural log of the singular value, any shape; -inf is allowed.
    net
        The ensemble, with one ``sigma_w`` and one ``sigma_b``; for many, ``jax.vmap``.
    depth
        Number of layers L, >= 1.

    Returns
    -------
    array
        The shape of ``log_s``. Point masses are left out: at 0 (``jacobian_atom``) and, for
        orthogonal weights, where phi'^2 has one of weight p > 1 - 1/L, whose weight is 1 - L (1 -
        p) (all of it for ``linear``).

    Notes
    -----
    Accuracy: in float64, at any depth, 1e-9 relative where the density is above 1e-5 of its
    maximum, and 1e-5 of the maximum elsewhere. Half of the digits are lost at an edge, where the
    density goes as a root. If phi'^2 varies by v only, the accuracy is no better than 1e-15 / v.
    Assumes: infinite width, every layer at ``q_star`` (its limit where 0 or infinite), slopes
    independent of the weights.

    References
    ----------
    Pennington, Schoenholz, Ganguli (2018), arXiv:1802.09979.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import Dense, theory
    >>> density = theory.spectra.jacobian_density_of_log(np.log([0.5, 1.0]), Dense("linear"), 1)
    >>> bool(np.allclose(density, [0.5 * 3.75**0.5 / np.pi, 3**0.5 / np.pi]))
    True
    """
    return _at("jacobian_density_of_log", log_s, net, depth)[0]


@asked(net=like_layers)
@in_float64
def jacobian_density(s: Any, net: Dense, depth: int) -> Any:
    """Density of the singular values of the Jacobian, per unit of s.

    Parameters
    ----------
    s
        Singular value, >= 0, any shape. If s is out of the range of numbers, use
        ``jacobian_density_of_log``.
    net
        The ensemble, with one ``sigma_w`` and one ``sigma_b``; for many, ``jax.vmap``.
    depth
        Number of layers L, >= 1.

    Returns
    -------
    array
        The shape of ``s``; without point masses, as ``jacobian_density_of_log``; at 0 the value at
        1e-277.

    Notes
    -----
    Accuracy: that of ``jacobian_density_of_log``, over s.
    Assumes: the same.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.spectra.jacobian_density(1.0, Dense("linear"), 1)), 6)
    0.551329
    """
    log_s = _log("jacobian_density", s)
    log_s = library(log_s).maximum(log_s, 0.9 * math.log(jnp.finfo(log_s.dtype).tiny))
    return _at("jacobian_density", log_s, net, depth)[0] * jnp.exp(-log_s)


@asked(net=like_layers)
@in_float64
def jacobian_cdf_of_log(log_s: Any, net: Dense, depth: int, width: int | None = None) -> Any:
    r"""Share of singular values whose natural log is at most ``log_s``, point masses included.

    .. math:: \max\Bigl( 1 - \frac1\pi \operatorname{Im} \int (1 + M)\, d \ln \lambda,\; F_N(0) \Bigr)

    The integral is elementary on the curve of ``free_product``. The weight at 0 of N units,
    :math:`F_N(0)`, is exact. Its excess over the weight at infinite width is taken from the
    smallest singular values.

    Parameters
    ----------
    log_s
        Natural log of the singular value, any shape; -inf gives the weight at 0.
    net
        The ensemble, with one ``sigma_w`` and one ``sigma_b``; for many, ``jax.vmap``.
    depth
        Number of layers L, >= 1.
    width
        Number of units N, for the weight at 0 (``jacobian_atom``); infinite if not given.

    Returns
    -------
    array
        In [0, 1], the shape of ``log_s``.

    Notes
    -----
    Accuracy: 1e-8 absolute in float64, 1e-12 where the density is above 1e-5 of its maximum, for
    any depth; at a relative distance d from a point mass 1e-16 / d, and within 1e-14 times L of its
    place on either side.
    Assumes: as ``jacobian_density_of_log``. Corrections O(L / N) of finite width, except the weight
    at 0, are left out.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.spectra.jacobian_cdf_of_log(-800.0, Dense("tanh", 1.5), 2000)), 4)
    0.5437
    """
    return _weight("jacobian_cdf_of_log", log_s, net, depth, width)


@asked(net=like_layers)
@in_float64
def jacobian_cdf(s: Any, net: Dense, depth: int, width: int | None = None) -> Any:
    """Share of singular values that are at most s, point masses included.

    Parameters
    ----------
    s
        Singular value, >= 0, any shape.
    net
        The ensemble, with one ``sigma_w`` and one ``sigma_b``; for many, ``jax.vmap``.
    depth
        Number of layers L, >= 1.
    width
        Number of units N, for the weight at 0 (``jacobian_atom``); infinite if not given.

    Returns
    -------
    array
        In [0, 1], the shape of ``s``.

    Notes
    -----
    Accuracy: that of ``jacobian_cdf_of_log``.
    Assumes: the same.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> (
    ...     float(theory.spectra.jacobian_cdf(0.0, Dense("relu", 2**0.5), 7)),
    ...     float(theory.spectra.jacobian_cdf(9.0, Dense("linear"), 1)),
    ... )
    (0.5, 1.0)
    """
    return _weight("jacobian_cdf", _log("jacobian_cdf", s), net, depth, width)
