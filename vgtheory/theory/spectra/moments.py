"""First moments of the squared singular values of the input-output Jacobian."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from vgtheory.expect import expect, expect_noun
from vgtheory.networks.dense import Dense
from vgtheory.networks.listed import expect_unlisted
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library
from vgtheory.theory.meanfield.length import chi_1, q_star
from vgtheory.theory.precision import floats, in_float64
from vgtheory.theory.spectra.slopes import slopes, square_and_log, within_turns

_FEW = 16
"""Most networks of plain numbers that are looked at one by one in NumPy."""


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


def like_layers(where: str, **got: Any) -> None:
    """Raise unless the named network is a ``Dense`` of like layers: a tuple of scales is no grid of networks."""
    expect_noun(where, (Dense,), **got)
    expect_unlisted(where, **got)


def settled_state(where: str, net: Any, depth: Any, *others: Any) -> tuple[Any, Any, list[Any]]:
    """Where the slopes are looked at: q, kept in range, and ln chi_1, with ``others`` in the same dtype.

    It raises the house's error for anything but a ``Dense`` ensemble.

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
    few = library(net.sigma_w, net.sigma_b, others) is np and np.size(net.sigma_w) * np.size(net.sigma_b) <= _FEW
    given = (net.sigma_w, net.sigma_b, *others)
    sigma_w, sigma_b, *rest = (np.asarray(each, float) for each in given) if few else floats(*given)
    net = dataclasses.replace(net, sigma_w=sigma_w, sigma_b=sigma_b)
    xp, limit = library(sigma_w, sigma_b), _least_q(sigma_w)
    with np.errstate(all="ignore"):
        q, log_chi = xp.clip(xp.asarray(q_star(net)), limit, 1 / limit), xp.log(xp.asarray(chi_1(net)))
        return xp.where(log_chi == xp.inf, xp.nan, within_turns(q, net.activation)), log_chi, rest


def _least_q(like: Any) -> float:
    """Where a q of 0 is looked at."""
    return float(np.finfo(like.dtype).tiny) ** 0.2


def _mapped(function: Callable[[Any], Any], q: Any) -> Any:
    """``function`` of one q at a time, for any shape of ``q``."""
    xp = library(q)
    if q.ndim == 0:
        found = function(q)
    elif xp is np:
        found = jax.tree.map(lambda *each: np.stack(each), *map(function, q.ravel()))
    else:
        found = lax.map(function, q.ravel())
    return jax.tree.map(lambda leaf: xp.where(xp.isnan(q), xp.nan, leaf.reshape(q.shape)), found)


@asked(net=like_layers)
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

    Notes
    -----
    Accuracy: that of ``chi_1`` times L.
    Assumes: infinite width; every layer at ``q_star``, or at its limit where it is 0 or infinite.
    The spread measures the distance from dynamical isometry. With orthogonal weights it is 1 + L
    var(phi'^2) / E[phi'^2]^2, which tends to 1 as q goes to 0 if phi' is smooth (``tanh``), and is
    1 + L for ``relu``. With Gaussian weights it is at least 1 + L.

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
