"""Overlaps that causal softmax attention makes of overlaps, position by position: forward, and backward by path.

Symbols are in ``sight``.
"""

from typing import Any, NamedTuple

import numpy as np

from vgtheory.theory.arrays import library
from vgtheory.theory.attention.moments import Sizes
from vgtheory.theory.decoders.by_count import Moments
from vgtheory.theory.decoders.places import Places, over_future, over_past
from vgtheory.theory.decoders.sight import Sight, diagonal, mean_size


def _scatter(view: Sight) -> Any:
    """Variance of the overlaps of own parts, of unit mean square, on the mean over a row."""
    return diagonal(view.noise) / library(view.gap).maximum(view.gap * view.plain, 1e-6)


def forward(here: Places, kappa: Any, view: Sight, dropout: float = 0.0) -> tuple[Any, Any, Any]:
    """Overlaps of the outputs before W_o, for values that are as large as tokens, and their change with ``pairs``.

    Parameters
    ----------
    here, kappa
        As in ``sight``.
    view
        What the rows see.
    dropout
        Probability with which a share is dropped; the others are scaled up.
    """
    found, gap = view.found, view.gap
    xp = library(gap)
    even, scatter = diagonal(view.meet), _scatter(view)
    inside = diagonal(view.common) - (here.past * view.share**2) @ diagonal(view.pairs)
    inside = inside / xp.maximum(1 - even, 0.1) + kappa * view.size * diagonal(view.ripple * view.still)
    whole = mean_size(here.past * view.share, view.size)
    own = found.same * (1 - scatter - (found.far - 1) * view.sphere) + found.reach * scatter
    apart = over_past(here, view.share, view.share * view.own[None])
    change = kappa * view.still * (view.ripple + view.noise)
    pairs = view.common + apart * (1 + view.alike) + view.pairs * change
    dropped = dropout / (1 - dropout) * whole * found.same
    return inside + (whole - inside) * own + dropped, pairs, change + kappa * apart * view.own[:, None]


def _own_parts(here: Places, view: Sight) -> tuple[Any, Any, Any]:
    """Centred variance of C with each token's own part, less ``ripple``; ``seen`` and ``common`` with own parts."""
    share, own = view.share, view.own[None]
    past = lambda left, right: over_past(here, left, right)
    full = view.seen + share * own
    whole = view.common + past(share, share * own)
    square = past(share, share * (view.size**2 - diagonal(view.pairs) ** 2)[None])
    cross = past(full**2 - view.seen**2, share)
    return square - cross - cross.T + whole**2 - view.common**2, full, whole


def _swings(found: Moments, scatter: Any, head: float, sphere: Any) -> tuple[Any, Any, Any]:
    """Squared gradients of logits, of unit gap: in the queries, in the keys, and in the keys' matrix."""
    own = found.swing * (1 - scatter - head - 2 * found.far * sphere) + found.lean * scatter + found.pull * head
    key = found.long * (1 - (found.far - 1) * sphere) + (found.pull - found.swing) * scatter
    matrix = found.long * (1 - 2 * scatter - (found.far + 1) * sphere) + (found.lean + found.pull) * scatter
    return own + (found.pull - found.swing) * scatter, key, matrix


def _dropped(here: Places, view: Sight, a: Any) -> tuple[Any, Any]:
    """Through the keys, the gradient that shares have when they are dropped: as that of values of no overlap."""
    share, meet = view.share, diagonal(view.meet)[:, None]
    future = lambda left, right: over_future(here, left, right)
    alone = _squares(here, view) * meet * (1 - 2 * share + meet)
    side = future(share * a[:, None], share * share)
    return library(a).sum(here.future * (a[:, None] * alone).T, axis=1), future(share * (a[:, None] * meet), share) - (
        side + side.T
    )


def _turn_of_gap(view: Sight) -> Any:
    """Growth of a token's own part by the turns of its key, for all pairs of rows."""
    xp = library(view.gap)
    root = xp.sqrt(view.gap / xp.maximum(view.plain, 1e-6))
    return xp.outer(root, root)


class Backward(NamedTuple):
    """Overlaps of the gradient with respect to the tokens, over those of the outputs' cotangents behind W_o.

    Attributes
    ----------
    tokens
        Through queries, keys and values; of a position with itself and of two.
    query, key
        Of rows: terms of the squared gradients of the queries' and the keys' matrices, but for ``sigma_qk``.
    """

    tokens: tuple[Any, Any]
    query: tuple[Any, Any]
    key: tuple[Any, Any]


def _squares(here: Places, view: Sight) -> Any:
    """How the sum of a row's squared shares is split between its tokens.

    Of many tokens with the mean share m the squared shares are as m^4; of few, which leave less to
    move, as m^2 to m^4.
    """
    xp = library(view.share)
    power = view.share ** (2 + 2 * (1 - view.found.same) ** 2)[:, None]
    return power / xp.sum(here.past * power, axis=1)[:, None]


def _values(here: Places, view: Sight, a: Any, ties: Any, noise: float) -> tuple[Any, Any]:
    """Through the values: what a row takes from one token it does not take from two."""
    xp = library(a)
    share, found = view.share, view.found
    ahead = here.future * share.T
    square = _squares(here, view)
    both, less = ties * (1 + view.alike), ties * (1 - view.alike * view.meet / xp.maximum(1 - view.meet, 0.1))
    same = xp.sum(
        here.future * (((1 + noise) * a * found.same)[:, None] * square - diagonal(both)[:, None] * share**2).T, axis=1
    )
    row = a * (1 - found.same) / xp.maximum(1 - diagonal(view.meet), 0.1) - diagonal(less)
    pairs = ahead @ less @ ahead.T + over_future(here, share, share * row[:, None])
    return same + xp.sum(ahead @ both * ahead, axis=1), pairs


def _keys(here: Places, view: Sight, full: Any, whole: Any, rows: tuple[Any, Any]) -> tuple[Any, Any]:
    """Through the keys, whose gradients sum to zero in every row: of one token, and of two."""
    xp = library(full)
    a, ties = rows
    share, pairs = view.share, view.pairs
    future = lambda left, right: over_future(here, left, right)
    ahead = here.future * share.T
    tied = ties @ ahead.T  # [t, j]
    lone = a - diagonal(ties)
    one = view.size * xp.sum(ahead * tied.T, axis=1) - 2 * xp.sum(ahead * (full * tied).T, axis=1)
    one = one + xp.sum(ahead @ (ties * whole) * ahead, axis=1)
    alone = (
        _squares(here, view) * diagonal(view.meet)[:, None] * (view.size[None] - 2 * full + diagonal(whole)[:, None])
    )
    same = one + xp.sum(here.future * (lone[:, None] * alone).T, axis=1)
    side = ahead @ (view.seen * tied) + future(share, share * view.own[None] * tied)
    side = side + future(share * lone[:, None], share * full)
    middle = ahead @ (ties * whole) @ ahead.T + future(share, share * (lone * diagonal(whole))[:, None])
    return same, pairs * (ahead @ tied + future(share, share * lone[:, None])) - side - side.T + middle


def backward(
    here: Places, kappa: Any, view: Sight, grads: tuple[Any, Any], sizes: Sizes, dropout: float = 0.0
) -> Backward:
    """Overlaps of the gradient by path.

    Parameters
    ----------
    here, kappa, view, sizes, dropout
        As in ``sight`` and ``forward``.
    grads
        Overlaps of the outputs' cotangents, of a position with itself and of two.
    """
    a, ties = grads
    own, full, whole = _own_parts(here, view)
    at = here.at.astype(a.dtype)
    plain = np.maximum(at - 1, 0.5) / at**2
    scatter = _scatter(view)
    swings = [each / plain for each in _swings(view.found, scatter, sizes.head, view.sphere)]
    ripple = view.still * view.ripple
    own = own if view.turns is None else own * _turn_of_gap(view)
    beside = ties * (own * view.stir + ripple + view.still * view.noise)
    beside = beside if view.turns is None else beside * view.turns
    noise = dropout / (1 - dropout)
    lost = noise * mean_size(here.past * view.share, view.size) * a * view.gap * plain
    rows = [a * (diagonal(own) * each + diagonal(ripple)) + lost * each for each in swings]
    value = _values(here, view, a, ties, noise)
    along = view.pairs if view.turns is None else view.pairs * view.turns
    key = _keys(here, view, full, whole, (a * view.size * swings[1], ties * along * view.stir))
    if dropout:
        more = _dropped(here, view, noise * a * view.size**2 * swings[1])
        key = key[0] + more[0], key[1] + more[1]
    same = value[0] + kappa * (key[0] + rows[0])
    pairs = value[1] + kappa * (key[1] + beside)
    return Backward((same, pairs), (rows[0], beside), (rows[2], beside))


__all__ = ["Backward", "backward", "forward"]
