"""Moments of a causal row: of one softmax over as many logits as there are positions so far."""

import functools
from typing import Any, NamedTuple

import numpy as np

from vgtheory.theory.arrays import library
from vgtheory.theory.attention.images import ROWS, Sizes, lengths
from vgtheory.theory.attention.rows import rows

MOST = 12.25
"""Largest variance of a logit."""
_NODES = 40


class Moments(NamedTuple):
    """Moments of ``rows`` over the heads, each of shape (places,); ``long`` as in ``moments``."""

    same: Any
    reach: Any
    swing: Any
    lean: Any
    pull: Any
    far: Any
    long: Any


@functools.lru_cache(16)
def _series(counts: tuple[int, ...]) -> np.ndarray:
    """Chebyshev coefficients in ln(1 + variance), of shape (nodes, 6, places)."""
    angles = np.pi * (np.arange(_NODES) + 0.5) / _NODES
    variance = np.expm1(np.log1p(MOST) * (1 + np.cos(angles)) / 2)
    at_nodes = np.array([np.stack(rows(np.sqrt(each), np.asarray(counts))) for each in variance])
    transform = np.cos(np.arange(_NODES)[:, None] * angles) * 2 / _NODES
    transform[0] /= 2
    return np.einsum("kn,npc->kpc", transform, at_nodes)


def _at(variance: Any, at: np.ndarray) -> Any:
    """Moments of shape (6, lengths, places) at variances of shape (lengths, places)."""
    xp = library(variance)
    series = _series(tuple(at.tolist())).astype(variance.dtype)
    orders = np.arange(_NODES, dtype=variance.dtype)[:, None, None]
    x, inside = 2 * xp.log1p(variance) / np.log1p(MOST) - 1, 1 - 4 * float(xp.finfo(variance.dtype).eps)
    waves = xp.cos(orders * xp.arccos(xp.clip(x, -inside, inside))[None])
    return xp.einsum("kpt,klt->plt", series, waves)


def moments_at(variance: Any, at: np.ndarray, sizes: Sizes) -> Moments:
    """Moments of every row.

    Parameters
    ----------
    variance
        Of the logits of a row, shape ``(places,)``.
    at
        Numbers of logits.
    sizes
        What is finite.
    """
    xp = library(variance)
    rule = lengths(sizes, ROWS)
    squares, weights = (each.astype(variance.dtype) for each in (rule.square, rule.weight))
    each = _at(squares[:, None] * variance[None], at)
    found = xp.einsum("l,plt->pt", weights, each)
    long = (squares * weights) @ each[2]
    own = sizes.head / sizes.lengths if sizes.lengths else 0.0
    long = found[2] + own * (long - found[2])
    return Moments(found[0], found[1], found[2], found[3], found[4], found[5], long)


__all__ = ["MOST", "Moments", "moments_at"]
