"""Residual chains at finite width: fluctuations of the stream's and the gradient's log-norms.

Branches have one layer, whose ``phi`` is straight on either side of 0. Without biases and noise, a
linear block multiplies the square of any norm by a noncentral chi-square that is independent of all
other blocks, so that the law is exact. Otherwise it is to order 1/N. The weights of a block and its
dropout add noise of their own. The share of active units changes slowly from block to block and
adds noise that blocks have in common: ``phi'`` knows only the signs of ``h``, and signs at two
blocks have the correlation ``arcs``. Biases and added noise are independent normal increments of
the stream, which lower ``rho`` and dilute what has fluctuated before them. The factors of
DropConnect act as their mean square does, since a sum over N weights forgets their kurtosis.

==========  ================================================================  ==========
symbol      meaning                                                           shape
==========  ================================================================  ==========
``c``       factor of the mean squared gradient, 1 + (alpha sigma_w)^2 even   (depth,)
``even``    E phi'^2: half the sum of the squared slopes                      ()
``ratio``   half their difference, over ``even``                              ()
``share``   1 - 1/c: share of a squared gradient that came through a branch   (depth,)
``stay``    share of q that stems from the block below, branch included       (depth,)
``rho``     correlation of a unit with itself at another block                (blocks,)
``arcs``    mean product of its signs, 2 / pi arcsin(rho)                     (blocks,)
``fourth``  E m^4 / (E m^2)^2 of dropout's factors m; 1 without               ()
==========  ================================================================  ==========
"""

from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.special

from vgtheory.estimate import Law
from vgtheory.expect import expect
from vgtheory.networks.blocks import Residual
from vgtheory.networks.noise import is_noisy, lone_scales
from vgtheory.theory.precision import Arrays
from vgtheory.theory.width.chi_square import sides
from vgtheory.theory.width.masked import factor_moments

_POINTS, _REACH = 4001, 12.0


class Chain(NamedTuple):
    """A chain of straight branches.

    ``log_q`` and ``log_c`` have the shape ``(depth + 1,)``: logs of q of the input and of every
    block, and sums of ln c over the blocks so far. The law is exact where ``is_exact``.
    """

    log_q: Arrays
    log_c: Arrays
    ratio: float
    fourth: float
    is_exact: bool

    @property
    def share(self) -> Arrays:
        """Share of the squared gradient that came through each branch."""
        return -np.expm1(-np.diff(self.log_c))


def chain_of(where: str, net: Residual, log_q: Any, log_chi: Any) -> Chain | None:
    """The chain of a network whose law at finite width is known; None of another."""
    slopes = sides(net.activation)
    if slopes is None or net.norm is not None or net.branch_layers > 1:
        return None
    for name, value in {"sigma_w": net.sigma_w, "sigma_b": net.sigma_b, "alpha": net.alpha}.items():
        traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value))
        expect(not traced, where, f"a number {name} that is known, with a width", **{name: value})
    squares = np.square(slopes)
    ratio = float((squares[0] - squares[1]) / max(squares.sum(), np.finfo(float).tiny))
    is_exact = slopes[0] == slopes[1] and not is_noisy(net) and is_homogeneous(net)
    log_q, log_c = (np.append(0.0, np.asarray(each, np.float64)) for each in (log_q, np.cumsum(log_chi)))
    fourth = factor_moments(net.dropout, net.mask)[0] if net.dropout > 0 else 1.0
    return Chain(log_q, log_c, ratio, fourth, is_exact)


def is_homogeneous(net: Residual) -> bool:
    """Whether nothing is added to a branch, so that the stream's length does not matter."""
    return not np.any(np.asarray(lone_scales(net)[1]))


def log_block_law(beta2: float, width: int) -> Law:
    r"""Law of the log of the square of :math:`e + \alpha W e`, e of unit norm.

    .. math:: \ln\left[ \frac{\beta^2}{N} \chi'^2_N(N / \beta^2) \right], \qquad
        E \ln \chi'^2_N(\delta) = \ln 2 + E\, \psi(N/2 + K), \qquad
        K \sim \mathrm{Poisson}(\delta / 2)

    Notes
    -----
    Accuracy: 1e-12 for the mean, 1e-9 relative for the standard deviation.
    Assumes: Gaussian weights.
    """
    if beta2 == 0:
        return Law(0.0, 0.0)
    rate = width / (2 * beta2)
    reach = _REACH * rate**0.5 + 2 * _REACH
    low = max(0.0, np.floor(rate - reach))
    count = np.arange(low, rate + reach, max(1.0, np.floor(2 * reach / _POINTS)))
    log_share = scipy.special.xlogy(count, rate) - rate - scipy.special.gammaln(count + 1)
    if low > 1000:
        # Stirling's formula gives this without cancellation.
        log_share = count - rate - count * np.log1p((count - rate) / rate) - np.log(count) / 2 - 1 / (12 * count)
    share = np.exp(log_share - log_share.max())
    share /= share.sum()
    terms, own = scipy.special.digamma(width / 2 + count), scipy.special.polygamma(1, width / 2 + count)
    mean = share @ terms
    var = share @ own + share @ (terms - mean) ** 2
    return Law(float(mean + np.log(2 * beta2 / width)), float(var**0.5))


def _above(terms: Arrays) -> Arrays:
    """Sums over the blocks above each."""
    return np.append(np.cumsum(terms[:0:-1])[::-1], 0.0)


def _rho(log_q: Arrays, first: int, others: slice) -> Arrays:
    """Correlations of a unit of the stream before one block with itself before others."""
    return np.exp(-np.abs(log_q[others] - log_q[first]) / 2)


def _alone(chain: Chain, width: int) -> tuple[Arrays, Arrays]:
    """Mean, less that of infinite width, and variance of each linear block, shapes (depth,)."""
    logs = np.diff(chain.log_c)
    each, place = np.unique(logs, return_inverse=True)
    laws = [log_block_law(float(np.expm1(log)), width) for log in each]
    return np.array([law.mean for law in laws])[place] - logs, np.array([law.std for law in laws])[place] ** 2


def log_grad_change(chain: Chain, width: int) -> Law:
    r"""Law of ln ``|g_l|^2`` relative to the top, less its value at infinite width.

    The mean and ``std`` have the shape ``(depth,)``. The variance is, in sums over the blocks above,

    .. math:: \frac{1}{N} \Bigl[ \sum_k s_k (4 p_k + s_k (3 \kappa (1 + r^2) - 1))
        + 2 \sum_{k < j} s_j s_k r^2\, \mathrm{arcs}_{jk} \Bigr]

    with s the ``share``, r the ``ratio`` and :math:`\kappa` the ``fourth``. Here :math:`p_k` is the
    mean of :math:`\phi'^2 / (c\, E \phi'^2)` of block k over units weighted by the squared gradient,
    which blocks above have made larger where they are steep. The mean is lower by half of the first
    sum; the noise that blocks have in common raises the mean square.
    """
    depth = len(chain.log_c) - 1
    if chain.is_exact:
        mean, var = _alone(chain, width)
        return Law(_above(mean), np.sqrt(_above(var)))
    share, square = chain.share, chain.ratio**2
    own, pair = np.zeros(depth), np.zeros(depth)
    for k in range(depth):
        arcs = square * 2 / np.pi * np.arcsin(_rho(chain.log_q, k, slice(k + 1, depth)))
        grown = np.exp(chain.log_c[k] - chain.log_c[k + 1 :])
        steep = grown[-1] + (share[k + 1 :] * (1 + arcs)) @ grown[:-1]
        own[k] = share[k] * (4 * steep + share[k] * (3 * chain.fourth * (1 + square) - 1))
        pair[k] = 2 * share[k] * (share[k + 1 :] @ arcs)
    return Law(-_above(own) / 2 / width, np.sqrt(_above(own + pair) / width))


def log_q_change(chain: Chain, width: int) -> Law:
    r"""Law of ln ``|h_l|^2`` less its value at infinite width, shapes ``(depth,)``.

    Relative fluctuations :math:`\delta_k = a_k \delta_{k-1} + \epsilon_k` decay by ``stay``, a. With
    b = a s, and u the ratio of q below a block to that above it,

    .. math:: N\, \mathrm{Var}\, \epsilon_k = 4 u (1 - u) + 2 (1 - u)^2
        + b^2 (3 (\kappa - 1)(1 + r^2) + 3 r^2), \qquad
        N\, \mathrm{Cov}(\epsilon_j, \epsilon_k) = b_j b_k r^2 ((1 + 2 \rho^2)\, \mathrm{arcs} + 3 B)

    with :math:`B = \tfrac2\pi \rho \sqrt{1 - \rho^2}`. A unit that is large and active makes every
    unit noisier, itself included, and stays active. This raises the mean square of block k, relative
    to itself, by :math:`b_k r^2 b_j (\mathrm{arcs} + B) / N` for every block j below, and by what
    that grows to.
    """
    depth = len(chain.log_c) - 1
    if chain.is_exact:
        mean, var = _alone(chain, width)
        return Law(np.cumsum(mean), np.sqrt(np.cumsum(var)))
    u = np.exp(-np.diff(chain.log_q))
    stay = np.exp(np.diff(chain.log_c - chain.log_q))
    through, square = stay * chain.share, chain.ratio**2
    masks = 3 * (chain.fourth - 1) * (1 + square) + 3 * square
    own = 4 * u * (1 - u) + 2 * (1 - u) ** 2 + through**2 * masks
    var, raised = np.zeros(depth + 1), np.zeros(depth + 1)
    kept = chain.log_c - chain.log_q
    for k in range(depth):
        rho = _rho(chain.log_q, k, slice(0, k))
        arcs, bend = 2 / np.pi * np.arcsin(rho), 2 / np.pi * rho * np.sqrt(1 - rho**2)
        below = square * through[:k] * np.exp(kept[k] - kept[1 : k + 1])
        common = 2 * through[k] * stay[k] * (below @ ((1 + 2 * rho**2) * arcs + 3 * bend))
        var[k + 1] = stay[k] ** 2 * var[k] + own[k] + common
        raised[k + 1] = stay[k] * raised[k] + through[k] * (below @ (arcs + bend))
    return Law((raised - var / 2)[1:] / width, np.sqrt(var[1:] / width))
