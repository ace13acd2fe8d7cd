r"""Moments of two softmaxes over the same T positions, whose logits are correlated position by position.

As in ``rows``, with one lambda for each softmax; the correlation enters by Mehler's expansion of
the Gaussian pair in Hermite polynomials, so that the moments are products of matrices.

==========  =====================================================================  =====
symbol      meaning                                                                shape
==========  =====================================================================  =====
``shared``  E sum A_j A'_j                                                         ()
``swing``   E sum A A' (1 - A - A' + sum A A'), of one y behind both               ()
==========  =====================================================================  =====
"""

from typing import Any, NamedTuple

import numpy as np

from vgtheory.theory.arrays import library, scan
from vgtheory.theory.attention.rows import levels, logits, shares

TERMS = 48
"""Of Mehler's expansion."""
_NODES, _LEVELS, _BELOW = 145, 65, 17.5
"""Of a logit and of ln lambda; what lies below is 5e-8 of all."""


class Pair(NamedTuple):
    """Moments of two softmaxes, each of shape ()."""

    shared: Any
    swing: Any


class Side(NamedTuple):
    """What one softmax brings: its levels' distance, E[1 - exp(-a)], coefficients by power of a, and E sum A^2."""

    step: Any
    lost: Any
    coefficients: Any
    same: Any


def _hermite(z: Any) -> Any:
    """Hermite polynomials of unit variance, shape (TERMS, nodes)."""
    xp = library(z)

    def step(last: Any, n: Any) -> Any:
        before, now = last
        return (now, (z * now - xp.sqrt(n) * before) / xp.sqrt(n + 1)), now

    order = xp.arange(TERMS, dtype=z.dtype)
    return scan(step, (xp.zeros_like(z), xp.ones_like(z)), order)[1]


def side(tau: Any, count: Any) -> Side:
    """What one softmax brings.

    Parameters
    ----------
    tau
        Standard deviation of the logits, shape ``()``.
    count
        Number of positions T, shape ``()``.
    """
    xp = library(tau, count)
    z, log_weight = logits(tau, nodes=_NODES)
    level, step = levels(tau, count, _LEVELS, _BELOW)
    a, kept = shares(level, z, log_weight, tau)
    # Beyond it weights are 0 and polynomials overflow.
    far = float(np.sqrt(-2 * np.log(xp.finfo(z.dtype).tiny)))
    basis = _hermite(xp.clip(z, -far, far)).T
    lost = -xp.expm1(-a) * xp.exp(log_weight)[None]
    coefficients = xp.stack([lost @ basis, (kept * a) @ basis, (kept * a * a) @ basis])
    gone = xp.sum(lost, axis=1)
    log_left = xp.log1p(-xp.clip(gone, 0.0, 1 - xp.finfo(gone.dtype).epsneg))
    same = step * xp.sum(count * coefficients[2][:, 0] * xp.exp((count - 1) * log_left))
    return Side(step, gone, coefficients, same)


def between(first: Side, second: Side, correlation: Any, count: Any) -> Pair:
    """Moments of two softmaxes, from what each of them brings.

    Parameters
    ----------
    first, second
        As ``side`` gives them.
    correlation
        Of the two logits at a position, shape ``()``.
    count
        Number of positions T, shape ``()``.
    """
    xp = library(first.lost, second.lost, correlation, count)
    left, right = first.coefficients, second.coefficients
    powers = xp.concatenate([xp.ones_like(correlation)[None], xp.cumprod(xp.broadcast_to(correlation, (TERMS - 1,)))])
    both = lambda m, n: (left[m] * powers[None]) @ right[n].T
    gone = first.lost[:, None] + second.lost[None] - both(0, 0)
    log_left = xp.log1p(-xp.clip(gone, 0.0, 1 - xp.finfo(gone.dtype).epsneg))
    one = count * xp.exp((count - 1) * log_left)
    two = xp.maximum(count - 1, 0) * count * xp.exp((count - 2) * log_left)
    total = lambda terms: first.step * second.step * xp.sum(terms)
    once = both(1, 1)
    shared = total(one * once)
    return Pair(shared, total(one * (once - both(2, 1) - both(1, 2) + both(2, 2)) + two * once**2))


def pair(tau: Any, other: Any, correlation: Any, count: Any) -> Pair:
    """Moments of two softmaxes.

    Parameters
    ----------
    tau, other
        Standard deviations of their logits, each of shape ``()``.
    correlation
        Of the two logits at a position, shape ``()``.
    count
        Number of positions T, shape ``()``.
    """
    return between(side(tau, count), side(other, count), correlation, count)


__all__ = ["Pair", "Side", "between", "pair", "side"]
