"""Brackets and the root finder of fixed points and of critical lines, for either library."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jax import lax

from vgtheory.theory.arrays import library, repeated

_NUM_STEPS = 60
_ROUNDINGS = 64.0
"""Moves of so many times the size that ends the search may be rounding errors."""


def root(
    at: Callable[[Any], tuple[Any, Any]],
    low: Any,
    high: Any,
    start: Any,
    *,
    sign: Any = None,
    wanted: Any = True,
    close: float = 4.0,
) -> Any:
    """Where a function changes sign, for many brackets at once.

    Newton's steps are taken as long as they shrink; else the bracket is halved.

    Parameters
    ----------
    at
        The function and Newton's step away from it, value over slope; a step that is not finite is not taken.
    low, high
        The brackets, arrays of one shape.
    start
        Where to begin, within them.
    sign
        The function's sign at ``low``; None if it is to be looked at.
    wanted
        Where a root is wanted at all, of a shape that broadcasts; elsewhere ``start`` is returned.
    close
        A move by so many roundings ends the search.

    Returns
    -------
    array
        Of the brackets' shape.
    """
    xp = library(low, high, start, wanted)
    sign = xp.sign(at(low)[0]) if sign is None else sign
    least = close * float(xp.finfo(low.dtype).eps)
    is_far = lambda x, moved: moved > least * xp.maximum(xp.abs(x), 1.0)

    def step(state: tuple[Any, ...]) -> tuple[Any, ...]:
        count, low, high, x, moved = state
        value, away = at(x)
        before = xp.sign(value) == sign
        low, high = xp.where(before, x, low), xp.where(before, high, x)
        newton = xp.clip(x - away, xp.minimum(low, high), xp.maximum(low, high))
        shrinks = (newton != x) & (xp.abs(away) < moved / 2)
        # A step of a few roundings that does not shrink ends the search: halving would start anew.
        arrived = ~shrinks & (xp.abs(away) <= _ROUNDINGS * least * xp.maximum(xp.abs(x), 1.0))
        going = is_far(x, moved) & ~arrived
        following = xp.where(going, xp.where(shrinks, newton, (low + high) / 2), x)
        return count + 1, low, high, following, xp.abs(following - x)

    going = lambda state: (state[0] < _NUM_STEPS) & xp.any(is_far(state[3], state[4]))
    moved = xp.where(wanted, xp.full_like(low, xp.inf), 0.0)
    return repeated(going, step, (0, low, high, start, moved))[3]


def brackets(signs: Any, most: int) -> tuple[Any, Any, Any]:
    """The first ``most`` changes of sign on the lattice, along the last axis.

    A sign that is lost in rounding (0) is replaced by the next known one further up. The function
    returns the place on the lattice below each change, shape ``(..., most)``; whether there is a
    change; and the signs.
    """
    xp, size = library(signs), signs.shape[-1]
    known = xp.take_along_axis(signs, next_known(signs), axis=-1)
    turns = xp.where(known[..., 1:] * known[..., :-1] < 0, xp.arange(size - 1), size)
    index = xp.sort(turns, axis=-1)[..., :most]
    return xp.minimum(index, size - 2), index < size, known


def next_known(signs: Any) -> Any:
    """Place of the first sign from each place on that is not 0; the last place if there is none."""
    xp, size = library(signs), signs.shape[-1]
    places = xp.where(signs == 0, size - 1, xp.arange(size))
    if xp is np:
        return np.minimum.accumulate(places[..., ::-1], axis=-1)[..., ::-1]
    return lax.cummin(places, axis=places.ndim - 1, reverse=True)


__all__ = ["brackets", "next_known", "root"]
