"""The root finder of fixed points and of critical lines, for either library."""

from collections.abc import Callable
from typing import Any

from vgtheory.theory.arrays import library, repeated

_NUM_STEPS = 60


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
    """Where a function changes sign, for many brackets at once: Newton's steps as long as they shrink, else the bracket is halved.

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
        newton = x - away
        inside = (newton > xp.minimum(low, high)) & (newton < xp.maximum(low, high)) & (xp.abs(away) < moved / 2)
        following = xp.where(is_far(x, moved), xp.where(inside, newton, (low + high) / 2), x)
        return count + 1, low, high, following, xp.abs(following - x)

    going = lambda state: (state[0] < _NUM_STEPS) & xp.any(is_far(state[3], state[4]))
    moved = xp.where(wanted, xp.full_like(low, xp.inf), 0.0)
    return repeated(going, step, (0, low, high, start, moved))[3]


__all__ = ["root"]
