r"""Moments of softmax attention between tokens of any correlation, over heads of a finite width.

A head's logits at a query are Gaussian over the keys. Their variance is
:math:`\tau^2 = \sigma_{qk}^4 (1 - c)\, v`, where c is the correlation of two tokens, whose common
part shifts all logits alike, and v has mean 1 and scatters from query to query (``images``). Pairs are
two queries with the overlap o of their images, whose mean is c.

===========  ==================================================================================  =====
symbol       meaning                                                                             shape
===========  ==================================================================================  =====
``gap``      1 - c                                                                               ()
``same``     as in ``rows``, over the heads; ``reach``, ``swing``, ``lean``, ``pull``, ``far`` too   ()
``long``     mean of ``swing`` times the squared length of its query                             ()
``swung``    mean of ``swing`` times v; ``pulled`` that of ``pull``                              ()
``tilt``     mean of v (``same`` + ``lean`` - 1), which is E sum A^2 (z - F) over tau            ()
``haul``     mean of ``pull`` times the squared length of the image over that of its query       ()
``loud``     mean of ``swing`` times the squared length of another token, over ``swing``         ()
``heard``    mean of ``swing`` times v times the same, over ``swung``                            ()
``shared``   as in ``pairs``, over pairs of queries                                              ()
``joint``    ``swing`` of ``pairs``, over pairs of queries                                       ()
``queries``  mean of it times the overlap of the two queries                                     ()
``tokens``   mean of it times the overlap of the two tokens                                      ()
``images``   mean of it times o                                                                  ()
``along``    mean of (1 - ``same``) of one query, that of the other, and o                       ()
===========  ==================================================================================  =====
"""

import functools
from typing import Any, NamedTuple

import numpy as np

from vgtheory.theory.arrays import library, scan
from vgtheory.theory.attention.images import PAIRS, ROWS, Sizes, lengths, others
from vgtheory.theory.attention.pairs import between, side
from vgtheory.theory.attention.rows import Row, row
from vgtheory.theory.attention.turns import UNTURNED, Turns, logit_gap, turned_gap, waves

NODES = 20
"""Of the gap, between which the moments are interpolated."""


_WAVING = (0, 2, 6, 7)
"""Of ``_rows``, those of squared shares: ``same``, ``swing``, ``long`` and ``swung``."""


class Moments(NamedTuple):
    """Moments of softmax attention; the table above has the symbols."""

    same: Any
    reach: Any
    swing: Any
    lean: Any
    pull: Any
    far: Any
    long: Any
    shared: Any
    joint: Any
    queries: Any
    tokens: Any
    images: Any
    along: Any
    swung: Any
    pulled: Any
    tilt: Any
    haul: Any
    loud: Any
    heard: Any


def _rows(tau_square: Any, gap: Any, count: Any, sizes: Sizes) -> Any:
    """``Row`` and ``long``, and the last six of ``Moments``, each of shape ()."""
    xp = library(tau_square, gap, count)
    rule = lengths(sizes, ROWS)

    def one(total: Any, at: Any) -> tuple[Any, None]:
        v, weight, token, query, key = (at[k] for k in range(5))
        found = row(xp.sqrt(tau_square * v), count, sizes.sphere(gap))
        other = 1 + (1 - gap) ** 2 * (token - 1)  # the mean squared length of another token
        swing = found.swing * xp.stack([query, v, other, other * v])
        last = [swing[1], v * found.pull, v * (found.same + found.lean - 1), key * found.pull, swing[2], swing[3]]
        return total + weight * xp.stack([*found, swing[0], *last]), None

    nodes = np.stack([rule.square, rule.weight, rule.token, rule.query, rule.key], axis=1)
    found = scan(one, xp.stack([gap * 0] * (len(Row._fields) + 7)), xp.asarray(nodes, dtype=gap.dtype))[0]
    bare = [xp.maximum(found[k], xp.finfo(gap.dtype).tiny) for k in (2, 7)]
    return [*(found[k] for k in range(11)), found[11] / bare[0], found[12] / bare[1]]


def _pairs(tau_square: Any, gap: Any, count: Any, sizes: Sizes) -> Any:
    """``shared``, ``joint``, ``images`` and ``along``, shape (4,)."""
    xp = library(tau_square, gap, count)
    c = 1 - gap
    apart = xp.sqrt(xp.maximum(1 - c * c, 0.0))
    rule, partners = lengths(sizes, PAIRS), xp.asarray(others(sizes), dtype=gap.dtype)
    none = xp.stack([gap * 0] * 4)

    def query(total: Any, at: Any) -> tuple[Any, None]:
        v, spread, weight = at[0], at[1], at[2]
        first = side(xp.sqrt(tau_square * v), count)

        def partner(within: Any, beside: Any) -> tuple[Any, None]:
            # Two queries are one, and a mixture of it and another.
            turn, rest, chance = beside[0] * spread, beside[1], beside[2]
            overlap = c * v + apart * turn * xp.sqrt(v)
            square = c * (2 * overlap - c * v) + apart**2 * (turn**2 + rest)
            second = side(xp.sqrt(tau_square * square), count)
            found = between(first, second, xp.clip(overlap / xp.sqrt(v * square), -1.0, 1.0), count)
            left = (1 - first.same) * (1 - second.same)
            # Both queries favour tokens that lie along them: those of one length do so less, unless a share is near 1.
            sizes_of = tau_square * xp.stack([v + square + 2 * overlap, v, square])
            bent = sizes_of**2 @ np.array([1.0, -1.0, -1.0]) * sizes.sphere(gap) / 4 * left**4
            each = [found.shared, found.swing, overlap * found.swing]
            return within + chance * xp.stack([*(xp.exp(-bent) * one for one in each), overlap * left]), None

        return total + weight * scan(partner, none, partners)[0], None

    nodes = np.stack([rule.square, rule.spread, rule.weight], axis=1)
    return scan(query, none, xp.asarray(nodes, dtype=gap.dtype))[0]


def moments_at(gap: Any, kappa: Any, count: Any, sizes: Sizes, turned: Turns = UNTURNED) -> Moments:
    """Moments at one correlation of the tokens.

    Parameters
    ----------
    gap
        1 - c, shape ``()``.
    kappa
        Variance of the logits of uncorrelated tokens, shape ``()``.
    count
        Number of positions T, shape ``()``.
    sizes
        What is finite.
    turned
        Of rotary positions.
    """
    if library(gap, kappa, count) is np:
        return _kept(float(gap), float(kappa), float(count), sizes, turned)
    return _computed(gap, kappa, count, sizes, turned)


@functools.lru_cache(4096)
def _kept(gap: float, kappa: float, count: float, sizes: Sizes, turned: Turns) -> Moments:
    """Of plain numbers, computed once: without a norm every block has moments of its own."""
    return _computed(np.asarray(gap), np.asarray(kappa), np.asarray(count), sizes, turned)


def _computed(gap: Any, kappa: Any, count: Any, sizes: Sizes, turned: Turns) -> Moments:
    xp = library(gap, kappa, count)
    seen = logit_gap(gap, turned)
    tau_square = kappa * seen + 1e9 * xp.finfo(gap.dtype).tiny  # its root has a derivative at 0
    # Of two queries' logits; what the tokens have in common moves them alike, and turned in part only.
    apart = gap if turned == UNTURNED else 1 - (1 - gap) * turned_gap(gap, turned) / seen
    rows = _rows(tau_square, seen, count, sizes)
    pairs = _pairs(tau_square, apart, count, sizes)
    shared, joint, images, along = (pairs[k] for k in range(4))
    bare = (1 - apart) * joint
    chance = (images - bare) / (sizes.angles or 1.0)
    if turned != UNTURNED:
        c, o, bare = 1 - gap, 1 - apart, (1 - gap) * joint
        images, along = images + (c * turned.once - o) * joint, along + (c * turned.twice - o) * (1 - rows[0]) ** 2
        factor = waves(gap, kappa, turned, (rows[0] + rows[3] - 1) / rows[0])[0]
        rows = [each * factor if k in _WAVING else each for k, each in enumerate(rows)]
    overlaps = (bare + chance * (sizes.head + sizes.stream), bare + chance * sizes.stream, images, along)
    values = [*rows[:7], shared, joint, *overlaps, *rows[7:]]
    return Moments(*values)


def _nodes() -> np.ndarray:
    """Chebyshev's points of the first kind on [0, 1]."""
    return (1 + np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)) / 2


@functools.cache
def _to_coefficients() -> np.ndarray:
    """Matrix from values at the nodes to Chebyshev coefficients."""
    order = np.arange(NODES)
    cosines = np.cos(np.pi * np.outer(order, np.arange(NODES) + 0.5) / NODES) * 2 / NODES
    cosines[0] /= 2
    return cosines


def tabled(kappa: Any, count: Any, sizes: Sizes, turned: Turns = UNTURNED) -> Any:
    """Coefficients of the moments in the gap, of shape (NODES, fields), for ``read``.

    Parameters
    ----------
    kappa, count, sizes, turned
        As in ``moments_at``; plain numbers are computed once.
    """
    if library(kappa, count) is np:
        return _remembered(float(kappa), float(count), sizes, turned)
    return _tabled(kappa, count, sizes, turned)


@functools.lru_cache(256)
def _remembered(kappa: float, count: float, sizes: Sizes, turned: Turns) -> np.ndarray:
    return np.asarray(_tabled(np.asarray(kappa), np.asarray(count), sizes, turned))


def _tabled(kappa: Any, count: Any, sizes: Sizes, turned: Turns) -> Any:
    xp = library(kappa, count)
    gaps = xp.asarray(_nodes(), dtype=kappa.dtype)
    step = lambda _, gap: (None, xp.stack(list(moments_at(gap, kappa, count, sizes, turned))))
    values = scan(step, None, gaps)[1]
    return xp.asarray(_to_coefficients(), dtype=kappa.dtype) @ values


def read(coefficients: Any, gap: Any) -> Moments:
    """Moments at one gap, from the coefficients.

    Parameters
    ----------
    coefficients
        As ``tabled`` gives them.
    gap
        1 - c, shape ``()``.
    """
    x = 2 * gap - 1
    if library(coefficients, gap) is np and np.ndim(gap) == 0:
        waves = np.cos(np.arange(NODES) * np.arccos(np.clip(x, -1.0, 1.0)))
        return Moments(*(waves @ coefficients))
    start = coefficients[0] * 0 + x * 0
    clenshaw = lambda last, row: ((row + 2 * x * last[0] - last[1], last[0]), None)
    ahead, behind = scan(clenshaw, (start, start), coefficients[1:], reverse=True)[0]
    values = coefficients[0] + x * ahead - behind
    return Moments(*(values[k] for k in range(len(Moments._fields))))


__all__ = ["Moments", "Sizes", "moments_at", "read", "tabled"]
