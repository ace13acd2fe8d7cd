r"""The critical line between vanishing and exploding gradients.

The line is parametrised by ``q``. A network with E[phi^2] = f and E[phi'^2] = g at its fixed point
is critical for

.. math:: \sigma_w^2 = \frac{1}{g}, \qquad \sigma_b^2 = q - \frac{f}{g}

Every solution for a given ``sigma_b`` is therefore a root in q, found on the lattice that also
brackets the fixed points.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from vgtheory.activation import Activation, Pointwise
from vgtheory.activations.units import Unit, as_unit
from vgtheory.expect import Numbers, expect, expect_count, expect_not_negative
from vgtheory.frame import frame_of
from vgtheory.networks.noise import Noisy, factor_square, resolve_noise
from vgtheory.theory.arguments import asked, expect_activation_or_unit
from vgtheory.theory.arrays import compiled, library, of_one_rank, rounding, still
from vgtheory.theory.integrals.moments_1d import Curves, curves, value_and_slope
from vgtheory.theory.integrals.squares import INFINITE
from vgtheory.theory.meanfield.fixed_points import growth_and_slope, lattice_in
from vgtheory.theory.precision import Arrays, Values, in_float64, numbers
from vgtheory.theory.roots import brackets, root

if TYPE_CHECKING:
    import pandas

_NOISE = 1e-11
"""Largest error of q - f/g, relative to q."""


class Critical(NamedTuple):
    """Critical initialisations for each sigma_b, in ascending order of q along the last axis.

    Attributes
    ----------
    q_star
        Mean square of ``h`` at the fixed point; 0 where the network is critical only as q goes to
        0. For a homogeneous activation without biases every q is a fixed point, and the q of unit
        inputs is given.
    sigma_w
        The critical weight scale.
    slope
        Slope dq'/dq of the length map at the fixed point.
    is_stable
        Whether nearby q converge to the fixed point. If not, no network stays there.
    """

    q_star: Arrays
    sigma_w: Arrays
    slope: Arrays
    is_stable: Arrays

    @property
    def frame(self) -> "pandas.DataFrame":
        """One row for each solution, as a ``pandas.DataFrame``."""
        return frame_of(self, number=np.arange(np.shape(self.q_star)[-1]))


def _bias_square(log_q: Values, table: Curves) -> tuple[Values, Values]:
    """sigma_b^2 / q of the critical network whose fixed point is q, and its derivative by ln q."""
    (log_f, by_f), (log_g, by_g) = (value_and_slope(each, log_q) for each in table[:2])
    ratio = library(log_q).exp(log_f - log_g - log_q)
    return 1 - ratio, -ratio * (by_f - by_g - 1)


def _excess(log_q: Any, wanted: Any, table: Curves) -> tuple[Any, Any]:
    """Excess of the critical sigma_b^2 over the wanted one, over q; and its derivative by ln q."""
    value, slope = _bias_square(log_q, table)
    value, slope, log_q, wanted = of_one_rank(value, slope, log_q, wanted)
    share = wanted * library(log_q, wanted).exp(-log_q)
    return value - share, slope + share


def _solution(low: Any, high: Any, wanted: Any, found: Any, table: Curves) -> Any:
    """The ln q between ``low`` and ``high`` at which the critical sigma_b^2 is the wanted one."""

    def at(log_q: Values) -> tuple[Values, Values]:
        excess, slope = _excess(log_q, wanted, table)
        return excess, excess / slope

    return still(root(at, low, high, (low + high) / 2, wanted=found))


def _solved(sigma_b: Any, table: Curves, size: int) -> Critical:
    """Up to ``size`` solutions for each sigma_b, filled up at the end."""
    xp, lattice = library(sigma_b), lattice_in(sigma_b)
    sigma_b = sigma_b[..., None]
    wanted, noise = sigma_b**2, max(_NOISE, 500 * rounding(sigma_b))
    excess = _excess(lattice, wanted, table)[0]
    signs = xp.where(xp.abs(excess) <= noise, 0.0, xp.sign(excess))
    low, found, known = brackets(signs, size - 1)
    log_q = _carried(_solution(lattice[low], lattice[low + 1], still(wanted), found, table), wanted, table)
    at_zero = (wanted == 0) & (xp.abs(excess[..., :1]) <= noise)
    same_everywhere = at_zero & xp.all(signs == 0, axis=-1, keepdims=True)
    edge = xp.where(same_everywhere, -value_and_slope(table.log_g, xp.zeros_like(wanted))[0], lattice[0])
    log_q, found = xp.concatenate([edge, log_q], axis=-1), xp.concatenate([at_zero, found], axis=-1)
    first = xp.broadcast_to(xp.arange(log_q.shape[-1]) == 0, log_q.shape)
    log_g = value_and_slope(table.log_g, log_q)[0]
    limit = xp.asarray(table.log_g_ends[0], log_g.dtype)
    log_w = -xp.where(first & ~same_everywhere, limit, log_g) / 2
    _, slope = growth_and_slope(log_q, xp.exp(log_w), sigma_b, table)
    edge_stable = same_everywhere | (known[..., :1] >= 0) & (_next_growth(table, log_w[..., :1], noise) < 0)
    stable = xp.where(first, edge_stable, xp.abs(slope) < 1)
    found = found & (log_w > -INFINITE / 4)
    q = xp.where(first & ~same_everywhere, 0.0, xp.exp(log_q))
    blank = lambda values: xp.where(found, values, xp.nan)
    points = Critical(blank(q), blank(xp.exp(log_w)), blank(slope), stable & found)
    order = xp.argsort(points.q_star, axis=-1)[..., :size]
    return Critical(*(xp.take_along_axis(each, order, axis=-1) for each in points))


def _next_growth(table: Curves, log_w: Values, noise: float) -> Values:
    """First growth above q = 0 that exceeds rounding, for the network that is critical at q = 0."""
    xp = library(log_w)
    growth, _ = growth_and_slope(lattice_in(log_w), xp.exp(log_w), xp.zeros_like(log_w), table)
    return xp.take_along_axis(growth, xp.argmax(xp.abs(growth) > noise, axis=-1)[..., None], axis=-1)


def _carried(log_q: Any, wanted: Any, table: Curves) -> Any:
    """``log_q`` with the derivative by ``wanted`` from the implicit function theorem."""
    xp, (value, by_log_q) = library(log_q), _bias_square(log_q, table)
    slope = xp.exp(log_q) * (value + by_log_q)
    return log_q + (wanted - still(wanted)) / still(xp.where(slope == 0, 1.0, slope))


@compiled("size")
def _all_solved(sigma_b: Values, table: Curves, size: int) -> Critical:
    """``_solved`` with room for two solutions at least, as ``brackets`` needs."""
    found = _solved(sigma_b, table, max(size, 2))
    return jax.tree.map(lambda leaf: leaf[..., :size], found)


@asked(activation=expect_activation_or_unit)
@in_float64
def critical(
    activation: str | Activation | Unit | Pointwise,
    *,
    sigma_b: Numbers = 0.0,
    size: int | None = None,
    dropout: float = 0.0,
    dropconnect: float = 0.0,
    sigma_noise: float = 0.0,
) -> Critical:
    r"""Critical initialisations: the weight scales at which ``chi_1`` is 1.

    .. math:: \sigma_w^2 = \frac{1}{E[\phi'^2]}, \qquad
        \sigma_b^2 = q - \frac{E[\phi^2]}{E[\phi'^2]}

    Factors of mean 1 and mean square s divide :math:`\sigma_w^2` by s: dropout of probability p, of
    either ``mask``, gives ``relu`` the scale :math:`\sigma_w^2 = 2 (1 - p)`. Noise added to h counts as
    biases do. Gradients then keep their size, while two inputs with independent noise do not become
    alike: ``c_star`` is below 1.

    Parameters
    ----------
    activation
        A name, an ``Activation`` or an elementwise JAX function.
    sigma_b
        Standard deviation of the biases, any shape, >= 0.
    size
        Length of the last axis, >= 1. None stands for the largest number of solutions of any
        ``sigma_b``, or for 6 if ``sigma_b`` is traced by JAX.
    dropout, dropconnect, sigma_noise
        Noise in every layer, as for ``Dense``.

    Returns
    -------
    Critical
        Every solution with q from 1e-95 to 1e95; fields of shape ``(..., size)``, filled up with
        NaN. Use a solution that ``is_stable``: the signal leaves the others. Where there is none
        (GELU without biases), ``vgtheory.critical_kernel`` finds biases with which there is one.

    Notes
    -----
    Accuracy: 1e-11 relative for ``sigma_w`` and, away from a turning point of the line, for
    ``q_star``.
    Assumes: infinite width. Two solutions are told apart if they differ by a factor of 1.13 in q,
    or, outside [1e-12, 1e12], by 5 % in ln q.

    References
    ----------
    Schoenholz et al. (2017), arXiv:1611.01232 (the line of tanh); Hayou et al. (2019),
    arXiv:1902.06853 (its curve in q); Pretorius et al. (2018), arXiv:1811.00293 (``relu`` with
    noise: its variance of weights is 2 over the noise's mean square, which is 1 / (1 - p) for
    inverted dropout).

    Examples
    --------
    >>> from vgtheory import theory
    >>> tanh = theory.critical("tanh", sigma_b=0.05**0.5)
    >>> [round(float(value), 2) for value in tanh.sigma_w**2]
    [1.76]
    >>> theory.critical("relu", sigma_b=0.1).sigma_w.size  # none: with biases q grows without end
    0
    >>> round(float(theory.critical("relu", dropout=0.2).sigma_w[0] ** 2), 9)
    1.6
    """
    noise = Noisy(dropout=dropout, dropconnect=dropconnect, sigma_noise=sigma_noise)
    resolve_noise(noise, "critical")
    expect_not_negative("critical", sigma_b=sigma_b)
    if size is not None:
        expect_count("critical", size=size)
    expect(np.size(sigma_b) > 0, "critical", "at least one sigma_b", sigma_b=sigma_b)
    activation = as_unit(activation, "critical")
    (biases,) = numbers(activation, sigma_b)
    if noise.sigma_noise > 0:
        biases = library(biases).sqrt(biases**2 + noise.sigma_noise**2)
    found = _all_solved(biases.ravel(), curves(activation), size or 6)
    if size is None and not isinstance(found.q_star, jax.core.Tracer):
        most = int(np.max(np.sum(~np.isnan(np.asarray(found.q_star)), axis=1), initial=0))
        found = jax.tree.map(lambda leaf: leaf[:, :most], found)
    found = found._replace(sigma_w=found.sigma_w / factor_square(noise) ** 0.5)
    return jax.tree.map(lambda leaf: leaf.reshape(*biases.shape, -1), found)
