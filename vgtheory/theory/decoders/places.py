r"""Positions of a causal mask: sums over the past and over the future, from a few positions that stand for all.

Overlaps vary slowly with the log of a position. Some positions stand for all others, between which
overlaps are interpolated; the last one stands for itself, for a gradient may start there alone. Up
to ``EXACT`` positions all stand for themselves, and sums are exact.

==========  =============================================================  ==============
symbol      meaning                                                        shape
==========  =============================================================  ==============
``at``      positions t, from 1 on                                         (places,)
``spread``  from values at the places to those at all positions            (T, places)
``past``    weights of a sum over all j <= t                               (places, places)
``future``  weights of a sum over all t >= j of terms that fall as 1 / t   (places, places)
``whole``   weights of a sum over all positions                            (places,)
==========  =============================================================  ==============
"""

import functools
from typing import Any, NamedTuple

import numpy as np

from vgtheory.theory.arrays import library

EXACT = 40
"""Up to so many positions are all kept."""
_DENSE, _PER_OCTAVE = 12, 7


class Places(NamedTuple):
    """The places and their sums; the table above has the symbols. All NumPy's, constants of a program."""

    at: np.ndarray
    spread: np.ndarray
    past: np.ndarray
    future: np.ndarray
    whole: np.ndarray


def _chosen(count: int) -> np.ndarray:
    """All positions up to a dozen, then evenly in their log."""
    if count <= EXACT:
        return np.arange(1, count + 1)
    steps = int(np.ceil(np.log2(count / _DENSE) * _PER_OCTAVE))
    sparse = np.geomspace(_DENSE, count - 1, steps + 1)
    return np.unique(np.concatenate([np.arange(1, _DENSE), np.round(sparse), [count]])).astype(int)


def _spread(at: np.ndarray, count: int) -> np.ndarray:
    """Interpolation by cubic polynomials in the log of the position."""
    if len(at) == count:
        return np.eye(count)
    others, known = np.arange(1, count), np.log(at)
    x, first = np.log(others), np.clip(np.searchsorted(at, others, "right") - 2, 0, len(at) - 5)
    found = np.zeros((count, len(at)))
    found[-1, -1] = 1.0
    for k in range(4):
        away = [first + n for n in range(4) if n != k]
        factors = [(x - known[each]) / (known[first + k] - known[each]) for each in away]
        found[others - 1, first + k] = np.prod(factors, axis=0)
    return found


@functools.lru_cache(64)
def places(count: int, dtype: str = "float64") -> Places:
    """The places of so many positions.

    Parameters
    ----------
    count
        Number of positions T.
    dtype
        Of all but ``at``.
    """
    at = _chosen(count)
    spread, t = _spread(at, count), np.arange(1, count + 1)
    past = np.cumsum(spread, axis=0)[at - 1]
    falling = np.cumsum((spread / t[:, None])[::-1], axis=0)[::-1][at - 1] * at
    return Places(at, *(each.astype(dtype) for each in (spread, past, falling, spread.sum(axis=0))))


def over_past(here: Places, left: Any, right: Any) -> Any:
    """Sums over all j up to the earlier of t and s of ``left[t, j] right[s, j]``, shape (places, places).

    Parameters
    ----------
    here
        The places.
    left, right
        Values by row and token, of shape (places, places).
    """
    xp = library(left, right)
    later = np.tri(len(here.at), dtype=bool)
    return xp.where(later, left @ (here.past * right).T, (here.past * left) @ right.T)


def over_future(here: Places, left: Any, right: Any) -> Any:
    """Sums over all t from the later of j and k on of ``left[t, j] right[t, k]``, shape (places, places).

    Parameters
    ----------
    here, left, right
        As in ``over_past``.
    """
    xp = library(left, right)
    later = np.tri(len(here.at), dtype=bool)
    weight = here.future.T
    return xp.where(later, (weight * left).T @ right, left.T @ (weight * right))


def total(here: Places, same: Any, pairs: Any) -> Any:
    """Sum over all positions and all pairs of positions.

    Parameters
    ----------
    here
        The places.
    same, pairs
        Of a position with itself, shape (places,), and of two of them, shape (places, places).
    """
    xp = library(same, pairs)
    return xp.sum(here.whole * (same - xp.diagonal(pairs))) + here.whole @ pairs @ here.whole


__all__ = ["EXACT", "Places", "over_future", "over_past", "places", "total"]
