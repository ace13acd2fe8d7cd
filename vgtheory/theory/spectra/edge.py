r"""Ends of the singular values of the Jacobian ``J = D_L W_L ... D_1 W_1``: exact zeros, edges, condition number.

==========  ==============================================================  ==========
symbol      meaning                                                         shape
==========  ==============================================================  ==========
``s``       singular value of J                                             any
``D_l``     diagonal matrix of phi'(h_l), from h_l to x_l = phi(h_l)        --
``g``       phi'(sqrt(q) z)^2 over its mean; z standard normal              nodes
``m_k``     mean of s^(2 k) over the singular values of an infinitely       ()
            wide network, zeros included
==========  ==============================================================  ==========
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import betainc

from vgtheory.networks.dense import Dense
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library
from vgtheory.theory.precision import in_float64
from vgtheory.theory.spectra.moments import _least_q, _mapped, like_layers, settled_state
from vgtheory.theory.spectra.slopes import Rule, Slopes, landmarks, plain_rule, slopes
from vgtheory.theory.spectra.zeta_plane import Chain, complex_of, ends, image
from vgtheory.weights import expect_light_tails


class JacobianEdge(NamedTuple):
    """Smallest and largest singular value, exact zeros left out, and their natural logs.

    Attributes
    ----------
    lower, upper
        Of the law at infinite width; 0 and inf if there is no bound (or beyond the format's range).
    log_lower, log_upper
        Natural logs, at any depth.
    """

    lower: Any
    upper: Any
    log_lower: Any
    log_upper: Any


@asked(net=like_layers)
@in_float64
def jacobian_atom(net: Dense, depth: int, width: int | None = None) -> Any:
    r"""Share of singular values that are exactly 0.

    .. math:: P(\phi' = 0), \qquad 1 - \frac1N \sum_{k=1}^N P(n \ge k)^L, \quad n \sim B\bigl(N, P(\phi' \ne 0)\bigr)

    at infinite width and at width N, where the rank is the smallest number of active units in any
    layer.

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes.
    depth
        Number of layers L, >= 1; without a width the share does not depend on it.
    width
        Number of units N, >= 1.

    Returns
    -------
    array
        In [0, 1], the broadcast shape of ``sigma_w`` and ``sigma_b``; at finite width the mean over
        networks.

    Notes
    -----
    Accuracy: 1e-12.
    Assumes: units that are active independently of each other, which is exact for ``relu`` without
    biases and holds to order 1/N where the share depends on q (``hard_tanh``).

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> net = Dense("relu", 2**0.5)
    >>> float(theory.spectra.jacobian_atom(net, 64)), round(float(theory.spectra.jacobian_atom(net, 64, width=512)), 4)
    (0.5, 0.5517)
    """
    q, log_chi, _ = settled_state("jacobian_atom", net, depth)
    share = _mapped(lambda q: slopes(q, net.activation).zero_weight, q)
    share = jnp.where(jnp.isneginf(log_chi), 1.0, jnp.where(jnp.isnan(log_chi), jnp.nan, share))
    if width is None:
        return share
    return _zero_weights_at(share, jnp.asarray(depth, share.dtype), width)


@functools.partial(jax.jit, static_argnames=("width",))
def _zero_weights_at(share: Array, depth: Array, width: int) -> Array:
    """Mean share of zeros at finite width, from the share at infinite width."""
    count = jnp.arange(1, width + 1, dtype=share.dtype)
    return _mapped(lambda share: jnp.mean(1 - betainc(count, width - count + 1, 1 - share) ** depth), share)


@asked(net=like_layers)
@in_float64
@np.errstate(all="ignore")
def jacobian_edge(net: Dense, depth: int) -> JacobianEdge:
    r"""Smallest and largest singular value of the Jacobian at infinite width, exact zeros left out.

    .. math:: \frac{d \ln\lambda}{d\zeta} = 0, \qquad s = \sqrt\lambda

    at real zeta above (or below) all values of phi'^2. The largest value has the closed form
    :math:`s^2 = \sigma_w^{2L} (L + 1)^{L + 1} / L^L` for linear Gaussian networks and
    :math:`s^2 = (\sigma_w^2 / 2)^L L^L / (L - 1)^{L - 1}` for orthogonal ``relu`` networks.

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes.
    depth
        Number of layers L, >= 1.

    Returns
    -------
    JacobianEdge
        Each of the broadcast shape of ``sigma_w`` and ``sigma_b``; differentiable where finite.

    Notes
    -----
    Accuracy: 1e-13 times L in the logs; 1e-7 where the edge belongs to a slope that is reached at
    large h only (``softplus``).
    Assumes: infinite width, every layer at ``q_star``. Where the length takes long to settle
    (critical ``tanh`` without biases), ``log_grad_layers`` tells the gradient on the way. The
    values of a network of width N end O(N^(-2/3)) inside the edges, and much farther inside where
    the density at an edge is tiny: ``tanh`` has lower = 0 for every q
    > 0, though at small q no unit is so saturated. The law leaves out the direction of the signal
    itself, whose singular value is ``q_slope ** L``. In orthogonal ``tanh`` networks at small q it
    lies below all others.

    References
    ----------
    Pennington, Schoenholz, Ganguli (2018), arXiv:1802.09979.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> edge = theory.jacobian_edge(Dense("linear", 1.0), 1)
    >>> float(edge.lower), round(float(edge.upper), 9)
    (0.0, 2.0)
    """
    q, log_chi, _ = settled_state("jacobian_edge", net, depth)
    expect_light_tails("jacobian_edge", net)
    xp = library(q, log_chi)
    alone = depth == 1 and net.weights == "orthogonal"
    chain = Chain(*(xp.asarray(each, q.dtype) for each in (depth, net.weights != "orthogonal")))

    def log_ends(q: Any) -> tuple[Any, Any]:
        law = slopes(q, net.activation)
        least, most = _range(q, law)
        return (xp.log(least), xp.log(most)) if alone else _free_ends(law, least, most, chain)

    found = _mapped(log_ends, q)
    lower, upper = (depth * (log_chi / 2) + xp.where(xp.isinf(log_chi), 0.0, each / 2) for each in found)
    lower, upper = (xp.where(xp.isnan(q), xp.nan, each) for each in (lower, upper))
    lower = xp.where(xp.isneginf(found[0]), -xp.inf, lower)
    return JacobianEdge(xp.exp(lower), xp.exp(upper), lower, upper)


def _range(q: Any, law: Slopes) -> tuple[Any, Any]:
    """The range of positive g, over all h; over what is left of it where q is at its limits (unless phi is a power)."""
    xp, mark, g, limit = library(q, law[1:]), landmarks(law.activation), plain_rule(law).g, 2 * _least_q(q)
    inside = (q > limit) & (q < 1 / limit) | (law.activation.degree not in (None, 1.0))
    least = xp.where(inside, mark.smallest / law.unit, xp.min(xp.where(g > 0, g, xp.inf)))
    return least, xp.where(inside, mark.largest / law.unit, xp.max(g))


def _free_ends(law: Slopes, least: Any, most: Any, chain: Chain) -> tuple[Any, Any]:
    """ln lambda at both edges, in units of chi_1^L, for two factors or more or Gaussian weights."""
    xp = library(law[1:], chain)
    at, has_zero, has_bound = plain_rule(law), law.zero_weight > 0, xp.isfinite(most)
    has_edge = xp.where(chain.is_gaussian > 0, has_zero & (chain.depth == 1), ~has_zero) & (least > 0)
    radii = ends(at, xp.where(has_edge, least, 1.0), xp.where(has_bound, most, 1.0), chain)
    log_zeta = complex_of(xp.stack(radii), xp.zeros(2, at.g.dtype))
    low, high = image(log_zeta, Rule(*(xp.tile(each, (2, 1)) for each in at)), chain).log_lambda.real
    return xp.where(has_edge, low, -xp.inf), xp.where(has_bound, high, xp.inf)


@asked(net=like_layers)
@in_float64
def jacobian_condition(net: Dense, depth: int) -> Any:
    r"""Condition number of the Jacobian at infinite width.

    .. math:: s_{\max} / s_{\min}

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes.
    depth
        Number of layers L, >= 1.

    Returns
    -------
    array
        At least 1, and inf where the smallest singular value is 0; the broadcast shape of
        ``sigma_w`` and ``sigma_b``.

    Notes
    -----
    Accuracy: that of ``jacobian_edge``.
    Assumes: as ``jacobian_edge``. The number is finite only for orthogonal weights and slopes that
    stay away from 0 (``linear``, ``leaky_relu``), or in the limit q = 0, where ``tanh`` networks
    have 1: they are dynamical isometries.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> condition = [
    ...     theory.spectra.jacobian_condition(Dense("tanh", 1.0, weights=w), 50) for w in ("gaussian", "orthogonal")
    ... ]
    >>> [round(float(each), 9) for each in condition]
    [inf, 1.0]
    """
    edge, has_zero = jacobian_edge(net, depth), jnp.asarray(jacobian_atom(net, depth)) > 0
    ratio = jnp.exp(jnp.subtract(edge.log_upper, edge.log_lower))
    return jnp.where(has_zero | jnp.isneginf(edge.log_lower), jnp.inf, ratio)
