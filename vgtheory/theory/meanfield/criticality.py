r"""The line between vanishing and exploding, and how far from it a network lies, in layers.

The critical line is walked along ``q``: a network with E[phi^2] = f and E[phi'^2] = g at its fixed point is critical for

.. math:: \sigma_w^2 = \frac{1}{g}, \qquad \sigma_b^2 = q - \frac{f}{g}

so that every solution for a given ``sigma_b`` is a root in q, found on the same lattice as the fixed points.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.activation import as_activation
from vgtheory.expect import expect, expect_count, expect_not_negative
from vgtheory.frame import frame_of
from vgtheory.theory.arguments import asked
from vgtheory.theory.integrals.moments_1d import Curves, curves, value_and_slope
from vgtheory.theory.integrals.squares import INFINITE
from vgtheory.theory.meanfield.fixed_points import growth_and_slope, lattice_in
from vgtheory.theory.precision import floats, in_float64

_NUM_HALVINGS = 60
_NOISE = 1e-11
"""Of q: how far q - f/g may miss its exact value."""


class Critical(NamedTuple):
    """Every critical initialisation for one sigma_b, in ascending order of q, along a last axis.

    Attributes
    ----------
    q_star
        Mean square of ``h`` at the fixed point; 0 where the network is critical only as q goes to 0. For a homogeneous
        activation without biases any q will do: that of unit inputs is given.
    sigma_w
        The scale to use.
    slope
        dq'/dq there.
    is_stable
        Whether nearby q run to it: if not, no network stays there.
    """

    q_star: Any
    sigma_w: Any
    slope: Any
    is_stable: Any

    @property
    def frame(self) -> Any:
        """A row for each, as a ``pandas.DataFrame``."""
        return frame_of(self, number=np.arange(np.shape(self.q_star)[-1]))


def _bias_square(log_q: Array, table: Curves) -> Array:
    """sigma_b^2 of the critical network whose fixed point is q, over q."""
    log_f, log_g = (value_and_slope(each, log_q)[0] for each in table[:2])
    return 1 - jnp.exp(log_f - log_g - log_q)


def _halved(low: Array, high: Array, wanted: Array, table: Curves) -> Array:
    """The ln q between the two at which the critical sigma_b^2 is the wanted one."""
    excess = lambda log_q: _bias_square(log_q, table) - wanted * jnp.exp(-log_q)
    sign = jnp.sign(excess(low))

    def halve(_: Any, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = (low + high) / 2
        before = jnp.sign(excess(middle)) == sign
        return jnp.where(before, middle, low), jnp.where(before, high, middle)

    low, high = lax.fori_loop(0, _NUM_HALVINGS, halve, (low, high))
    return lax.stop_gradient((low + high) / 2)


def _solved(sigma_b: Array, table: Curves, size: int) -> Critical:
    """Up to ``size`` solutions for one sigma_b."""
    lattice = lattice_in(sigma_b.dtype)
    wanted = sigma_b**2
    excess = _bias_square(lattice, table) - wanted * jnp.exp(-lattice)
    noise = max(_NOISE, 500 * float(jnp.finfo(sigma_b.dtype).eps))
    signs = jnp.where(jnp.abs(excess) <= noise, 0.0, jnp.sign(excess))
    known = lax.associative_scan(lambda a, b: jnp.where(b == 0, a, b), signs[::-1])[::-1]
    turns = jnp.where(known[1:] * known[:-1] < 0, jnp.arange(lattice.size - 1), lattice.size)
    index = jnp.sort(turns)[: size - 1]
    found, low = index < lattice.size, jnp.minimum(index, lattice.size - 2)
    log_q = jax.vmap(lambda a, b: _halved(a, b, wanted, table))(lattice[low], lattice[low + 1])
    log_q = _carried(log_q, wanted, table)
    at_zero = (wanted == 0) & (jnp.abs(excess[0]) <= noise)
    same_everywhere = at_zero & jnp.all(signs == 0)
    edge = jnp.where(same_everywhere, -value_and_slope(table.log_g, jnp.zeros_like(wanted))[0], lattice[0])
    log_q = jnp.concatenate([edge[None], log_q])
    found = jnp.concatenate([at_zero[None], found])
    log_g = value_and_slope(table.log_g, log_q)[0]
    limit = jnp.asarray(table.log_g_ends[0], log_g.dtype)
    log_w = -log_g.at[0].set(jnp.where(same_everywhere, log_g[0], limit)) / 2
    _, slope = growth_and_slope(log_q, jnp.exp(log_w), sigma_b, table)
    edge_stable = same_everywhere | (known[0] >= 0) & (_next_growth(table, log_w[0], lattice, noise) < 0)
    stable = jnp.where(jnp.arange(log_q.size) == 0, edge_stable, jnp.abs(slope) < 1)
    found &= log_w > -INFINITE / 4
    q = jnp.exp(log_q).at[0].multiply(jnp.where(same_everywhere, 1.0, 0.0))
    blank = lambda values: jnp.where(found, values, jnp.nan)
    return Critical(blank(q), blank(jnp.exp(log_w)), blank(slope), stable & found)


def _next_growth(table: Curves, log_w: Array, lattice: Array, noise: float) -> Array:
    """First growth above q = 0 that is no rounding error, of the network that is critical at 0."""
    growth, _ = growth_and_slope(lattice, jnp.exp(log_w), jnp.zeros_like(log_w), table)
    return growth[jnp.argmax(jnp.abs(growth) > noise)]


def _carried(log_q: Array, wanted: Array, table: Curves) -> Array:
    """``log_q`` with the derivative by ``wanted`` that the implicit function theorem gives it."""
    square = lambda log_q: _bias_square(log_q, table) * jnp.exp(log_q)
    value, slope = jax.jvp(square, (log_q,), (jnp.ones_like(log_q),))
    gap = lax.stop_gradient(jnp.where(slope == 0, 1.0, slope))
    return log_q + (wanted - lax.stop_gradient(wanted)) / gap + 0 * value


@functools.partial(jax.jit, static_argnames=("size",))
def _all_solved(sigma_b: Array, table: Curves, size: int) -> Critical:
    """Solutions for a vector of sigma_b, those that are none at the end."""
    found = jax.vmap(lambda each: _solved(each, table, max(size, 2)))(sigma_b)
    order = jnp.argsort(found.q_star, axis=1)
    return jax.tree.map(lambda leaf: jnp.take_along_axis(leaf, order, axis=1)[:, :size], found)


@asked()
@in_float64
def critical(activation: Any, *, sigma_b: Any = 0.0, size: int | None = None) -> Critical:
    r"""The initialisations at which gradients neither vanish nor explode: ``chi_1 = 1``.

    .. math:: \sigma_w^2 = \frac{1}{E[\phi'^2]}, \qquad \sigma_b^2 = q - \frac{E[\phi^2]}{E[\phi'^2]}

    Parameters
    ----------
    activation
        A name, an ``Activation`` or an elementwise JAX function.
    sigma_b
        Standard deviation of the biases, any shape.
    size
        Length of the last axis; None for 6, or, given plain numbers, for as many solutions as there are.

    Returns
    -------
    Critical
        Every solution with q from 1e-95 to 1e95, fields of shape ``(..., size)``, filled up with NaN. A solution that is
        not stable is critical on paper only: q leaves it.

    Raises
    ------
    ValueError
        If ``sigma_b`` is negative, the name unknown, or ``size`` no positive integer.

    Notes
    -----
    Accuracy: 1e-11 relative for ``sigma_w`` and, away from a turning point of the line, for ``q_star``.
    Assumes: infinite width; solutions further apart than a factor of 1.13 in q, and outside [1e-12, 1e12] than a twentieth of ln q.

    References
    ----------
    Schoenholz et al. (2017), arXiv:1611.01232 (the line of tanh); Hayou et al. (2019), arXiv:1902.06853 (its curve in q).

    Examples
    --------
    >>> from vgtheory import theory
    >>> tanh = theory.critical("tanh", sigma_b=0.05**0.5)
    >>> [round(float(value), 2) for value in tanh.sigma_w**2]
    [1.76]
    >>> theory.critical("relu", sigma_b=0.1).sigma_w.size  # none: with biases q grows without end
    0
    >>> gelu = theory.critical("gelu", sigma_b=0.5)
    >>> gelu.sigma_w.round(3).tolist(), gelu.is_stable.tolist()
    ([1.4], [True])
    """
    expect_not_negative("critical", sigma_b=sigma_b)
    if size is not None:
        expect_count("critical", size=size)
    expect(np.size(sigma_b) > 0, "critical", "at least one sigma_b", sigma_b=sigma_b)
    (sigma_b,) = floats(sigma_b)
    found = _all_solved(sigma_b.ravel(), curves(as_activation(activation)), size or 6)
    if size is None and not isinstance(found.q_star, jax.core.Tracer):
        most = int(np.max(np.sum(~np.isnan(np.asarray(found.q_star)), axis=1), initial=0))
        found = jax.tree.map(lambda leaf: leaf[:, :most], found)
    return jax.tree.map(lambda leaf: leaf.reshape(*sigma_b.shape, -1), found)
