"""One law, two libraries: NumPy answers at once, JAX compiles what can then be mapped and differentiated.

A law that is written for either asks ``library`` which of the two its arrays belong to, and takes
every function from there.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jax import lax


def library(*values: Any) -> Any:
    """``jax.numpy`` if an array of JAX is among the values, and ``numpy`` otherwise.

    Parameters
    ----------
    values
        Pytrees.
    """
    return jnp if any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(values)) else np


def special(*values: Any) -> Any:
    """``jax.scipy.special`` or ``scipy.special``, as ``library``.

    Parameters
    ----------
    values
        Pytrees.
    """
    return jax.scipy.special if library(values) is jnp else scipy.special


def compiled(*static: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function of either library's arrays: it is compiled for JAX's, and runs as it stands on NumPy's.

    Parameters
    ----------
    static
        Names of the arguments that are no arrays.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        program = jax.jit(function, static_argnames=static)

        @functools.wraps(function)
        def either(*args: Any, **kwargs: Any) -> Any:
            if library(args, kwargs) is jnp:
                return program(*args, **kwargs)
            with np.errstate(all="ignore"):
                return function(*args, **kwargs)

        return either

    return decorate


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]],
    state: Any,
    rows: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """``jax.lax.scan``, which on arrays of NumPy is a plain loop.

    Parameters
    ----------
    step, state, rows, length, reverse
        As there.
    """
    if library(state, rows) is jnp:
        return lax.scan(step, state, rows, length=length, reverse=reverse)
    leaves, tree = jax.tree.flatten(rows)
    count = len(leaves[0]) if length is None else length
    alone = isinstance(rows, np.ndarray)
    row = lambda index: rows[index] if alone else jax.tree.unflatten(tree, [leaf[index] for leaf in leaves])
    if count == 0:
        blank = jax.tree.unflatten(tree, [np.zeros(leaf.shape[1:], leaf.dtype) for leaf in leaves])
        return state, jax.tree.map(lambda leaf: np.asarray(leaf)[None][:0], step(state, blank)[1])
    made: list[Any] = [None] * count
    for index in reversed(range(count)) if reverse else range(count):
        state, made[index] = step(state, row(index))
    return state, jax.tree.map(lambda *each: np.stack(each), *made)


def running_sum(terms: Any) -> Any:
    """``cumsum`` of one axis, whose rounding grows as the log of the number of terms in either library.

    Parameters
    ----------
    terms
        Shape ``(n,)``.
    """
    if library(terms) is jnp:
        return jnp.cumsum(terms)
    total, reach = np.array(terms), 1
    while reach < len(total):
        total[reach:] = total[reach:] + total[:-reach]
        reach *= 2
    return total


def still(value: Any) -> Any:
    """The value itself, which for JAX has no derivative.

    Parameters
    ----------
    value
        A pytree.
    """
    return lax.stop_gradient(value) if library(value) is jnp else value


def of_one_rank(*arrays: Any) -> list[Any]:
    """Arrays with axes of length 1 in front, as many as the largest has: strict users of JAX forbid it to add them.

    Parameters
    ----------
    arrays
        Of shapes that broadcast.
    """
    rank = max(each.ndim for each in arrays)
    return [each.reshape((1,) * (rank - each.ndim) + each.shape) for each in arrays]


def repeated(is_going: Callable[[Any], Any], step: Callable[[Any], Any], state: Any) -> Any:
    """``jax.lax.while_loop``, which on arrays of NumPy is a plain loop.

    Parameters
    ----------
    is_going, step, state
        As there.
    """
    if library(state) is jnp:
        return lax.while_loop(is_going, step, state)
    while is_going(state):
        state = step(state)
    return state


def in_pieces(function: Callable[..., Any], size: int, first: Any, second: Any, *others: Any) -> Any:
    """``function(first, second, *others)`` of NumPy arrays of one shape, ``size`` entries at a time.

    The function works entry by entry. The pieces are of one axis and fit into a processor's cache.
    """
    if first.size <= size:
        return function(first, second, *others)
    cuts = range(size, first.size, size)
    pieces = zip(*(np.split(each.ravel(), cuts) for each in (first, second)), strict=True)
    return np.concatenate([function(*piece, *others) for piece in pieces]).reshape(first.shape)


def weighted(values: Any, weights: Any) -> Any:
    """Sum of ``values * weights`` over the last axis.

    Parameters
    ----------
    values, weights
        Of shapes that broadcast.
    """
    # NumPy's is one pass of BLAS; JAX's product may be rounded to fewer bits on an accelerator, its sum is not.
    return jnp.sum(values * weights, axis=-1) if library(values, weights) is jnp else np.vecdot(values, weights)


def rounding(x: Any) -> float:
    """Machine epsilon of an array's floating dtype.

    Parameters
    ----------
    x
        The array.
    """
    return float(jnp.finfo(x.dtype).eps)


__all__ = [
    "compiled",
    "in_pieces",
    "library",
    "of_one_rank",
    "repeated",
    "rounding",
    "running_sum",
    "scan",
    "special",
    "still",
    "weighted",
]
