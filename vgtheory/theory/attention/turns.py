r"""What rotary positions leave of the overlaps of queries and keys, on the mean over positions.

A query at i and a key at j are turned by angles that differ by :math:`(i - j) \theta_m`, where m counts
pairs of units of a head. The covariance of the logits of query i at the keys j and k has the factor
:math:`\rho_{j - k}`, and that of the logits of i at j and of s at k the factor :math:`\rho_{j - i - k + s}`:

.. math:: \rho_n = \langle \cos n \theta_m \rangle_m, \qquad \theta_m = 10^{-4 m / (d / 2)}
"""

import functools
from typing import Any, NamedTuple

import numpy as np

from vgtheory.theory.arrays import library

ROTARY_BASE = 10_000.0
"""Of the angles of rotary positions."""
_HALF = 256
"""Angles of a head of infinite width."""


class Turns(NamedTuple):
    """Means of the factors over positions; hashable.

    Attributes
    ----------
    once
        Of two keys of one query, or of two queries at one key.
    twice
        Of two keys of two queries.
    spread
        Variance over the keys of the logits of one common key of unit mean square, turned by the positions.
    square
        Mean square of the covariance of two such logits, less that of as large independent ones.
    """

    once: float
    twice: float
    spread: float
    square: float


_LEAST = 1e-18
"""Of a divisor."""
UNTURNED = Turns(1.0, 1.0, 0.0, 0.0)
"""Without rotary positions."""


def rates(head: float) -> np.ndarray:
    """Angles per position of the pairs of units of a head.

    Parameters
    ----------
    head
        1 over the width of a head; 0 for infinite.
    """
    half = round(1 / head) // 2 if head else _HALF
    return ROTARY_BASE ** (-np.arange(half) / half)


def _mean_wave(angle: np.ndarray, count: int) -> np.ndarray:
    """Mean over positions 0 to ``count`` - 1 of exp(i times angle)."""
    half = np.where(angle == 0, 1.0, angle / 2)
    return np.where(angle == 0, 1.0, np.exp(1j * (count - 1) * half) * np.sin(count * half) / (count * np.sin(half)))


@functools.lru_cache(64)
def turns(positions: int, head: float) -> Turns:
    """Means over all positions that differ.

    Parameters
    ----------
    positions
        Number of positions T.
    head
        As in ``rates``.
    """
    if positions == 1:
        return UNTURNED
    angles = rates(head)
    means = _mean_wave(angles, positions)
    both = (positions * np.abs(means) ** 2 - 1) / (positions - 1)
    # Covariances over positions of two waves, and of one and the other turned backwards.
    along = _mean_wave(np.add.outer(angles, angles), positions) - np.outer(means, means)
    against = _mean_wave(np.subtract.outer(angles, angles), positions) - np.outer(means, means.conj())
    alike = (np.abs(along) ** 2 + np.abs(against) ** 2) / 2
    spread = 1 - (np.abs(means) ** 2).mean()
    # A query's units have lengths of their own, by which each wave is as large.
    square = alike.mean() + (alike.diagonal().mean() / len(angles) if head else 0.0)
    return Turns(
        float(both.mean()), float((both**2).mean()), float(spread), float(square - spread**2 / (positions - 1))
    )


def logit_gap(gap: Any, turned: Turns) -> Any:
    """1 - c of what a query sees of two keys.

    Parameters
    ----------
    gap
        That of the tokens.
    turned
        As ``turns`` gives them.
    """
    return gap + (1 - gap) * (1 - turned.once)


def turned_gap(gap: Any, turned: Turns) -> Any:
    """The same of what two queries see.

    Parameters
    ----------
    gap, turned
        As in ``logit_gap``.
    """
    return (turned.once - turned.twice) + gap * turned.twice


def waves(gap: Any, kappa: Any, turned: Turns, response: Any) -> tuple[Any, Any]:
    """Factors by which logits that are waves over the positions move moments less than independent ones do.

    A few waves have no tails. Their covariance counts to second order, and feels twice how the shares
    respond to logits. The first factor is that of ``same``, the second that of the variance of keys
    under the shares.

    Parameters
    ----------
    gap, turned
        As in ``logit_gap``.
    kappa
        Variance of the logits of uncorrelated tokens.
    response
        Derivative of the log of ``same`` by the logits' variance.
    """
    xp = library(gap, kappa)
    size, own = kappa * (1 - gap), gap + _LEAST
    spread, waving = size * turned.spread, (1 - gap) * turned.spread
    same = 1 + spread + spread**2 / 2 - 2.5 * size**2 * turned.square
    moved = xp.exp(spread) / (1 + 3 * size * turned.square / (turned.spread + _LEAST))
    factors = same * xp.exp(-spread), (own * same + waving * moved) / (own + waving) * xp.exp(-spread)
    less = [1 - (1 - each) * response**2 for each in factors]
    return less[0], less[1]


__all__ = ["ROTARY_BASE", "UNTURNED", "Turns", "logit_gap", "rates", "turned_gap", "turns", "waves"]
