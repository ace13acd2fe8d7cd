"""Infinite width: the length map, its fixed point, and the gradient's factor per layer."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from vgtheory.activation import Activation
from vgtheory.ensemble import Ensemble
from vgtheory.expect import expect
from vgtheory.theory import gaussian
from vgtheory.theory.precision import floats, in_float64

_LN_Q_RANGE = 27.6
_NUM_BRACKETS = 64
_NUM_BISECTIONS = 60
_NOISE = 50
"""Roundings (machine epsilons) by which a growth or a slope may miss its exact value."""


def need_sigma_w(where: str, net: Ensemble) -> None:
    """Raise unless the ensemble draws its weights at random."""
    drawn = getattr(net, "matrix", None) is None
    expect(
        drawn, where, "an ensemble with sigma_w", "For a given matrix use log_power_norms or log_rate.", matrix="given"
    )


def _mean_square(q: Array, activation: Activation, slope: bool) -> Array:
    """E[phi^2], or E[phi'^2], at one q."""
    function = activation.dphi if slope else activation.phi
    return gaussian.mean(lambda z: function(jnp.sqrt(q) * z) ** 2, q, activation.kinks)


@functools.partial(jax.jit, static_argnames=("activation", "slope"))
def _mean_squares(q: Array, activation: Activation, slope: bool = False) -> Array:
    """The same for any shape of q."""
    flat = lax.map(lambda each: _mean_square(each, activation, slope), q.ravel(), batch_size=256)
    return flat.reshape(q.shape)


def _q_map(q: Array, sigma_w: Array, sigma_b: Array, activation: Activation) -> Array:
    return sigma_w**2 * _mean_squares(q, activation) + sigma_b**2


@in_float64
def q_map(q: Any, net: Ensemble) -> Any:
    r"""Mean square pre-activation of the next layer.

    .. math:: q \mapsto \sigma_w^2\, E[\phi(\sqrt{q} z)^2] + \sigma_b^2

    Parameters
    ----------
    q
        Mean square of ``h`` in this layer, any shape, >= 0.
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` broadcast against ``q``.

    Returns
    -------
    array
        Mean square of ``h`` in the next layer; broadcast shape.

    Raises
    ------
    ValueError
        If ``q`` is a negative number or ``net`` has a given matrix.

    Notes
    -----
    Accuracy: 1e-13 relative in float64 (see ``gaussian.mean``).
    Assumes: infinite width.

    References
    ----------
    Poole et al. (2016), arXiv:1606.05340.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.q_map(3.0, Dense("relu", sigma_w=2**0.5))), 12)
    3.0
    """
    need_sigma_w("q_map", net)
    expect(isinstance(q, jax.Array) or bool(jnp.all(jnp.asarray(q) >= 0)), "q_map", "q >= 0", q=q)
    q, sigma_w, sigma_b = floats(q, net.sigma_w, net.sigma_b)
    return _q_map(q, sigma_w, sigma_b, net.activation)


@in_float64
def q_star(net: Ensemble) -> Any:
    r"""Fixed point of the length map that inputs of unit mean square run to.

    .. math:: q^* = \sigma_w^2\, E[\phi(\sqrt{q^*} z)^2] + \sigma_b^2

    The bracket is found on a logarithmic grid from 1e-12 to 1e12, walking from the first layer's
    :math:`\sigma_w^2 + \sigma_b^2` in the direction in which the map moves it; then bisection in ``ln q``.

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes.

    Returns
    -------
    array
        Mean square of ``h`` at depth; 0 if it shrinks without end, inf if it grows without end; broadcast shape of
        ``sigma_w`` and ``sigma_b``. Differentiable (implicit function theorem) where it is finite and positive; where the
        map's slope is 1 there is no derivative, and it is taken as 0.

    Raises
    ------
    ValueError
        If ``net`` has a given matrix.

    Notes
    -----
    Accuracy: 1e-12 relative divided by the distance of the map's slope from 1.
    Assumes: infinite width; a map that increases with ``q`` (all of the table's but ``sin``). Other basins are not reported.

    References
    ----------
    Poole et al. (2016), arXiv:1606.05340.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.q_star(Dense("tanh", sigma_w=1.5, sigma_b=0.3))), 6)
    0.960844
    """
    need_sigma_w("q_star", net)
    sigma_w, sigma_b = jnp.broadcast_arrays(*floats(net.sigma_w, net.sigma_b))
    return _q_stars(sigma_w.ravel(), sigma_b.ravel(), net.activation).reshape(sigma_w.shape)


@functools.partial(jax.jit, static_argnames=("activation",))
def _q_stars(sigma_w: Array, sigma_b: Array, activation: Activation) -> Array:
    """Fixed points for vectors of sigma_w and sigma_b: bracket, bisect, then one Newton step that carries the derivative."""

    def solve(pair: tuple[Array, Array]) -> Array:
        sigma_w, sigma_b = lax.stop_gradient(pair)
        q = lax.stop_gradient(_bisected(sigma_w, sigma_b, activation))
        return _implicit(q, *pair, activation)

    return lax.map(solve, (sigma_w, sigma_b), batch_size=64)


def _growth(ln_q: Array, sigma_w: Array, sigma_b: Array, activation: Activation) -> Array:
    """Log of the map's image over its argument; zero at a fixed point."""
    q = jnp.exp(ln_q)
    return jnp.log(sigma_w**2 * _mean_square(q, activation, slope=False) + sigma_b**2) - ln_q


def _bisected(sigma_w: Array, sigma_b: Array, activation: Activation) -> Array:
    tiny, noise = jnp.finfo(sigma_w.dtype).tiny, _NOISE * jnp.finfo(sigma_w.dtype).eps
    start = jnp.log(jnp.maximum(sigma_w**2 + sigma_b**2, tiny))
    at = functools.partial(_growth, sigma_w=sigma_w, sigma_b=sigma_b, activation=activation)
    first = at(start)
    still = jnp.abs(first) <= noise
    end = jnp.where(first > 0, _LN_Q_RANGE, -_LN_Q_RANGE)
    steps = jnp.linspace(0.0, 1.0, _NUM_BRACKETS + 1, dtype=start.dtype)
    walk = start + (end - start) * steps
    turned = lax.map(at, walk) * jnp.sign(first) < -noise
    index = jnp.argmax(turned)

    def halve(_: Any, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        near, far = bracket
        middle = (near + far) / 2
        same = jnp.sign(at(middle)) == jnp.sign(first)
        return jnp.where(same, middle, near), jnp.where(same, far, middle)

    near, far = lax.fori_loop(0, _NUM_BISECTIONS, halve, (walk[jnp.maximum(index - 1, 0)], walk[index]))
    nowhere = jnp.where(first > 0, jnp.inf, 0.0)
    return jnp.where(still, jnp.exp(start), jnp.where(jnp.any(turned), jnp.exp((near + far) / 2), nowhere))


def _implicit(q: Array, sigma_w: Array, sigma_b: Array, activation: Activation) -> Array:
    """Return ``q`` with the derivative that the implicit function theorem gives it."""
    inside = (q > 0) & jnp.isfinite(q)
    safe = jnp.where(inside, q, 1.0)
    moment = gaussian.moments(safe, activation)
    slope = sigma_w**2 * moment.f_2 / (2 * safe)
    residual = sigma_w**2 * moment.f + sigma_b**2 - safe
    gap = lax.stop_gradient(1 - slope)
    marginal = jnp.abs(gap) <= _NOISE * jnp.finfo(q.dtype).eps
    carried = (residual - lax.stop_gradient(residual)) * jnp.where(marginal, 0.0, 1 / jnp.where(marginal, 1.0, gap))
    return jnp.where(inside, safe + carried, q)


@in_float64
def chi_1(net: Ensemble) -> Any:
    r"""Factor per layer of the mean squared gradient at the fixed point.

    .. math:: \chi_1 = \sigma_w^2\, E[\phi'(\sqrt{q^*} z)^2]

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes.

    Returns
    -------
    array
        Per layer, of the *squared* norm; below 1 gradients vanish, above 1 they explode; broadcast shape.

    Raises
    ------
    ValueError
        If ``net`` has a given matrix.

    Notes
    -----
    Accuracy: 1e-12 relative (away from a marginal ``q_star``). Where ``q_star`` is 0 or infinite it is the limit there.
    Assumes: infinite width, a cotangent independent of the weights; for a ``Recurrent`` net, that using the same weights
    at every step does not matter, which is an approximation.

    References
    ----------
    Poole et al. (2016), arXiv:1606.05340; Schoenholz et al. (2017), arXiv:1611.01232.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.chi_1(Dense("relu", sigma_w=2**0.5))), 12)
    1.0
    """
    need_sigma_w("chi_1", net)
    q = jnp.asarray(_fixed(net))
    limit = jnp.finfo(q.dtype).tiny ** 0.45
    sigma_w, _ = floats(net.sigma_w, net.sigma_b)
    return sigma_w**2 * _mean_squares(jnp.clip(q, limit, 1 / limit), net.activation, slope=True)


def _fixed(net: Ensemble) -> Array:
    """``q_star`` inside another theory function: no change of precision."""
    return q_star.__wrapped__(net)  # type: ignore[attr-defined]
