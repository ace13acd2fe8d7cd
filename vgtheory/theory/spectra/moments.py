"""First moments of the squared singular values of the input-output Jacobian."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from vgtheory.expect import expect, expect_count
from vgtheory.networks.dense import Dense
from vgtheory.theory.arguments import asked
from vgtheory.theory.meanfield.length import chi_1, q_star
from vgtheory.theory.precision import floats, in_float64
from vgtheory.theory.spectra.slopes import slopes, square_and_log, within_turns


class JacobianMoments(NamedTuple):
    """Moments of the singular values s.

    Attributes
    ----------
    log_mean_square
        Natural log of the mean of s^2, zeros included: L ln chi_1.
    spread
        Mean of s^4 over the squared mean of s^2; 1 for an isometry.
    mean_log
        Mean of ln s, -inf if a share of them is 0.
    """

    log_mean_square: Any
    spread: Any
    mean_log: Any


def settled_state(where: str, net: Any, depth: Any, *others: Any) -> tuple[Array, Array, list[Array]]:
    """Where the slopes are looked at: q, kept in range, and ln chi_1; and ``others`` in the same dtype, or the house's error.

    Parameters
    ----------
    where
        Name of the public function that was asked.
    net, depth
        The ensemble and its number of layers.
    others
        Numbers or arrays.
    """
    expect(isinstance(net, Dense), where, "a Dense ensemble", net=type(net).__name__)
    expect_count(where, depth=depth)
    sigma_w, sigma_b, *rest = floats(net.sigma_w, net.sigma_b, *others)
    given = dataclasses.replace(net, sigma_w=sigma_w, sigma_b=sigma_b)
    limit = _least_q(sigma_w)
    q, log_chi = jnp.clip(q_star(given), limit, 1 / limit), jnp.log(chi_1(given))
    return jnp.where(log_chi == jnp.inf, jnp.nan, within_turns(q, net.activation)), log_chi, rest


def _least_q(like: Array) -> float:
    """Where a q of 0 is looked at."""
    return float(jnp.finfo(like.dtype).tiny) ** 0.2


def _mapped(function: Callable[[Array], Any], q: Array) -> Any:
    """``function`` of one q at a time, for any shape of ``q``."""
    found = function(q) if q.ndim == 0 else lax.map(function, q.ravel())
    return jax.tree.map(lambda leaf: jnp.where(jnp.isnan(q), jnp.nan, leaf.reshape(q.shape)), found)


@asked()
@in_float64
def jacobian_moments(net: Dense, depth: int) -> JacobianMoments:
    r"""Moments of the singular values of the Jacobian.

    .. math:: m_1 = \chi_1^L, \qquad \frac{m_2}{m_1^2} = 1 + L \Bigl(\frac{\mu_2}{\mu_1^2} - 1 - s_1\Bigr), \qquad
        E[\ln s] = L \bigl(\ln \sigma_w + E[\ln |\phi'|] + \tfrac12 s_1\bigr)

    with :math:`\mu_k = E[\phi'^{2k}]` and :math:`s_1 = -1` for Gaussian, 0 for orthogonal weights.

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes.
    depth
        Number of layers L, >= 1.

    Returns
    -------
    JacobianMoments
        Each of the broadcast shape of ``sigma_w`` and ``sigma_b``; differentiable.

    Raises
    ------
    ValueError
        If ``net`` is no ``Dense`` or ``depth`` no positive integer.

    Notes
    -----
    Accuracy: that of ``chi_1`` times L.
    Assumes: infinite width; every layer at ``q_star``, whose limit is taken where it is 0 or infinite. The spread tells of
    dynamical isometry: for orthogonal weights it is 1 + L var(phi'^2) / E[phi'^2]^2, which goes to 1 with q where phi' is
    smooth (``tanh``) and stays 1 + L for ``relu``; with Gaussian weights it is at least 1 + L.

    References
    ----------
    Pennington, Schoenholz, Ganguli (2017), arXiv:1711.04735; (2018), arXiv:1802.09979.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> [
    ...     round(float(theory.spectra.jacobian_moments(Dense("relu", 2**0.5, weights=w), 10).spread), 9)
    ...     for w in ("gaussian", "orthogonal")
    ... ]
    [21.0, 11.0]
    """
    q, log_chi, _ = settled_state("jacobian_moments", net, depth)
    square, mean_log = _mapped(lambda q: square_and_log(slopes(q, net.activation)), q)
    noise = 1.0 if net.weights != "orthogonal" else 0.0
    mean_log = jnp.where(jnp.isneginf(mean_log), -jnp.inf, depth * (log_chi + mean_log - noise) / 2)
    return JacobianMoments(depth * log_chi, 1 + depth * (square - 1 + noise), mean_log)
