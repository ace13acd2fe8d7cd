r"""Moments of one softmax over T independent Gaussian logits, exact at every T.

With :math:`1/Z^k = \int \lambda^{k-1} e^{-\lambda Z} d\lambda / \Gamma(k)`, every moment of the
shares :math:`A_j = e^{\tau z_j} / Z` is one integral over :math:`\ln \lambda` of products of

.. math:: g_{mp}(\lambda) = E[z^p a^m e^{-a}], \qquad a = \lambda e^{\tau z}

and :math:`E[e^{-a}]^{T-1}`. Both integrals converge geometrically in the number of nodes.

==========  ====================================================================  =====
symbol      meaning                                                               shape
==========  ====================================================================  =====
``tau``     standard deviation of the logits                                      ()
``F``       sum of A_j z_j, the mean of z under the shares                        ()
``same``    E sum A^2, the participation                                          ()
``reach``   E F^2                                                                 ()
``swing``   E sum A^2 (1 - 2 A + sum A^2), the mean square of A (y - sum A y)     ()
``lean``    E[(sum A y^2 - (sum A y)^2)^2] of independent normal y                ()
``pull``    E sum A^2 (z - F)^2                                                   ()
``far``     E sum A^2 z^2 over ``same``                                           ()
==========  ====================================================================  =====
"""

from typing import Any, NamedTuple

import numpy as np

from vgtheory.theory.arrays import library

NODES = 321
"""Of a logit."""
_LEVELS = 161
"""Of ln lambda."""
_OWN = 40
"""Of a logit beside all others."""
_TAIL, _BELOW, _ABOVE, _WIDER = 8.5, 14.0, 12.0, 7.0
"""Standard deviations of a logit and ends of ln lambda, beyond which nothing counts; more for few logits."""


class Row(NamedTuple):
    """Moments of one softmax, each of the shape of ``tau``."""

    same: Any
    reach: Any
    swing: Any
    lean: Any
    pull: Any
    far: Any


def logits(tau: Any, sphere: Any = None, nodes: int = NODES) -> tuple[Any, Any]:
    """Nodes z and the logs of their weights, each of shape (nodes,).

    Parameters
    ----------
    tau
        Standard deviation, shape ``()``.
    sphere
        1 over the number n of units of keys of one length, whose z has the density
        (1 - z^2 / n)^((n - 3) / 2), shape ``()``; None for Gaussian keys.
    nodes
        How many.
    """
    xp = library(tau)
    width = 2 * _TAIL + 4 * tau
    z = -_TAIL + width * np.linspace(0, 1, nodes, dtype=tau.dtype)
    log_weight = -z * z / 2 - np.log(2 * np.pi) / 2 + xp.log(width / (nodes - 1))
    if sphere is None:
        return z, log_weight
    # By its series where n is large, and by its logarithm elsewhere; there is nothing beyond n.
    x = xp.minimum(sphere * z * z, 0.999)
    series, few = -(1 + x / 2 + x * x / 3 + x**3 / 4), xp.maximum(x, 1e-4)
    flat = xp.where(x < 1e-3, series, xp.log1p(-few) / few) * z * z * (1 - 3 * sphere) / 2
    flat = xp.where(sphere * z * z < 0.999, flat, -1e3)
    return z, flat - xp.log(xp.sum(xp.exp(flat)))


def levels(tau: Any, count: Any, nodes: int, below: float, more: float = 0.0) -> tuple[Any, Any]:
    """Values of ln lambda around -ln Z, and the distance of two, for sums over them.

    Parameters
    ----------
    tau
        Standard deviation, shape ``()``.
    count
        Number of logits T, shape ``()``.
    nodes
        How many.
    below
        How far below -ln Z the first one is: what is left out is exp(-below) for each power of lambda.
    more
        Log of the ratio of T to the least number of logits.
    """
    xp = library(tau, count)
    low = -(tau * tau / 2 + xp.log(count)) - below
    width = below + _ABOVE + 2 * tau + tau * tau / 2 + more
    nodes = nodes + int(np.ceil(nodes * more / (below + _ABOVE)))
    return low + width * np.linspace(0, 1, nodes, dtype=tau.dtype), width / (nodes - 1)


def shares(level: Any, z: Any, log_weight: Any, tau: Any) -> tuple[Any, Any]:
    """``a`` at every level and node, and the weights times ``exp(-a)``; each of shape (levels, nodes)."""
    xp = library(level, z)
    a = xp.exp(xp.minimum(level[:, None] + tau * z[None], 6.0))  # exp(-exp(6)) is 0
    return a, xp.exp(log_weight[None] - a)


def _sums(tau: Any, level: Any, sphere: Any) -> tuple[Any, Any]:
    """ln E[exp(-a)] at every level, and g_mp for m = 1 to 4 and p = 0 to 2, shape (4, levels, 3)."""
    xp = library(tau)
    z, log_weight = logits(tau, sphere)
    a, kept = shares(level, z, log_weight, tau)
    lost = -xp.expm1(-a) @ xp.exp(log_weight)
    square = xp.stack([xp.ones_like(z), z, z * z], axis=-1)
    log_left = xp.log1p(-xp.minimum(lost, 1 - xp.finfo(lost.dtype).epsneg))
    return log_left, xp.stack([(kept * a**power) @ square for power in (1, 2, 3, 4)])


def row(tau: Any, count: Any, sphere: Any = None) -> Row:
    """Moments of one softmax.

    Parameters
    ----------
    tau
        Standard deviation of the logits, shape ``()``.
    count
        Number of logits T, >= 1, shape ``()``.
    sphere
        As in ``logits``.
    """
    level, step = levels(tau, count, _LEVELS, _BELOW)
    return _averaged(_sums(tau, level, sphere), step, count)


def rows(tau: Any, counts: np.ndarray) -> Row:
    """Moments of softmaxes over several numbers of logits, each of the shape of ``counts``.

    Parameters
    ----------
    tau
        Standard deviation of the logits, shape ``()``.
    counts
        Numbers of logits, shape ``(n,)``.
    """
    more = float(np.log(counts.max() / counts.min()))
    level, step = levels(tau, float(counts.max()), _LEVELS, _BELOW + _WIDER, more + _WIDER)
    return _averaged(_sums(tau, level, None), step, counts[:, None].astype(float))


def _averaged(sums: tuple[Any, Any], step: Any, count: Any) -> Row:
    """Integrals over ln lambda."""
    log_left, (g1, g2, g3, g4) = sums
    xp = library(log_left, count)
    # Products of one, two and three positions, those left over being E[exp(-a)] each.
    one = count * xp.exp((count - 1) * log_left)
    two = xp.maximum(count - 1, 0) * count * xp.exp((count - 2) * log_left)
    three = xp.maximum(count - 2, 0) * xp.maximum(count - 1, 0) * count * xp.exp((count - 3) * log_left)
    mean = lambda order, terms: step * xp.sum(terms, axis=-1) / (1.0, 1.0, 1.0, 2.0, 6.0)[order]
    same, cubes = mean(2, one * g2[:, 0]), mean(3, one * g3[:, 0])
    squared = mean(4, one * g4[:, 0] + two * g2[:, 0] ** 2)
    reach = mean(2, one * g2[:, 2] + two * g1[:, 1] ** 2)
    at_once = mean(3, one * g3[:, 2] + two * g2[:, 1] * g1[:, 1])
    apart = mean(
        4,
        one * g4[:, 2] + two * (2 * g3[:, 1] * g1[:, 1] + g2[:, 0] * g2[:, 2]) + three * g2[:, 0] * g1[:, 1] ** 2,
    )
    far = mean(2, one * g2[:, 2])
    alone = xp.sum(count, axis=-1) == 1 if xp.ndim(count) else count == 1  # a share of 1, which nothing moves
    swing, lean, pull = same - 2 * cubes + squared, 1 - 4 * cubes + 3 * squared, far - 2 * at_once + apart
    still = [xp.where(alone, 0.0, xp.maximum(each, 0.0)) for each in (swing, lean, pull)]
    return Row(same, reach, still[0], still[1], still[2], far / same)


def cotangent(sigma: Any, count: Any, own: Any) -> tuple[Any, Any]:
    """Mean square of the gradient of cross-entropy by its logits, and of what a norm before the head passes on of it.

    The position's own token, if the head is tied, has a logit along the stream. The norm does not pass
    on what lies along the stream, and of that token's embedding a share does.

    Parameters
    ----------
    sigma
        Standard deviation of the logits, shape ``()``.
    count
        Number of classes V, of which the target is any, shape ``()``.
    own
        Mean of the logit of the token itself, and the share of its embedding along the stream; None if it has none.
    """
    xp = library(sigma, count, own)
    shares = row(sigma, count).same
    if own is None:
        return (size := 1 - 2 / count + shares), size
    logit, along = own
    z, weight = np.polynomial.hermite_e.hermegauss(_OWN)
    logits = logit + sigma * xp.sqrt(1 - along) * z.astype(sigma.dtype)
    share = 1 / (1 + xp.exp(xp.log(count) + sigma**2 / 2 - logits))
    mean = lambda values: values @ (weight / weight.sum()).astype(sigma.dtype)
    others, square = mean((1 - share) ** 2) * shares - 2 * mean(1 - share) / count, mean(share**2)
    return 1 + others + square, 1 + others + square * (1 - along)


__all__ = ["NODES", "Row", "cotangent", "levels", "logits", "row", "rows", "shares"]
