r"""Moments of an activation as functions of ``q`` and ``c``, by the cheapest route.

``tables_2d`` has the symbols.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from vgtheory.activation import Activation, is_tabled
from vgtheory.theory.arrays import library
from vgtheory.theory.integrals import gaussian, shipped_2d
from vgtheory.theory.integrals.moments_1d import squares_at
from vgtheory.theory.integrals.squares import log_resolved
from vgtheory.theory.integrals.tables_2d import Pairs, given_shared, lost, lost_at_pair, mirrored, pairs

_FLOOR = float(np.log(1e-6))
"""Log of the smallest s, in units of sqrt(q), at which a difference of phi keeps ten digits."""
_LEAST = -30.0
"""Log of the smallest that is told from 0."""
FEW = 16
"""Up to so many pairs are integrated one by one; those of plain numbers by NumPy."""
_TINY = 1e-30
"""Standard deviation that is as good as none."""


def integrated_pair(log_q: Any, log_share: Any, activation: Activation) -> Any:
    """Split, turn, cross and fold of one pair, integrated there and then.

    Parameters
    ----------
    log_q, log_share
        As ``lost_at_pair``, each of shape ``()``.
    activation
        The nonlinearity.

    Returns
    -------
    array
        Shape ``(4,)``.
    """
    xp = library(log_q, log_share)
    q, share = xp.exp(log_q), xp.exp(2 * xp.maximum(log_share, _LEAST))
    s, shared = xp.sqrt(q * share), xp.sqrt(q * (1 - share))
    z, weights = gaussian.nodes(shared**2, gaussian.blurred(activation.kinks, s), gaussian.COARSE)
    if xp is np:
        z, weights = (each[weights > 0] for each in (z, weights))
    signed = shared * xp.concatenate([z, -z])
    spread, length, slope = given_shared(signed, s, activation)
    squares = gaussian.mean(squares_at(q, activation), q, activation.kinks)
    rows = xp.stack(
        [spread[: z.size], slope[: z.size] ** 2, length.reshape(2, -1).prod(0), slope.reshape(2, -1).prod(0)]
    )
    values = rows @ weights / xp.stack([squares[1], squares[1], squares[0], squares[1]])
    floors = xp.asarray([_FLOOR, _LEAST, _LEAST, _LEAST], log_share.dtype)
    return xp.where(log_share < floors, mirrored(log_q, activation), values)


def unlike_pair(log_q: np.ndarray, c: float, activation: Activation) -> np.ndarray:
    r"""Moments :math:`E[\phi(u) \phi(v)]` and :math:`E[\phi'(u) \phi'(v)]` of a pair of unlike variances.

    Parameters
    ----------
    log_q
        Natural logs of the two variances, shape ``(2,)``.
    c
        Correlation of u and v, from -1 to 1.
    activation
        The nonlinearity.

    Returns
    -------
    array
        Shape ``(2,)``; NaN where ripples are not resolved.

    Notes
    -----
    Accuracy: 1e-11.
    """
    q = np.exp(np.asarray(log_q, float))
    shared, s = np.sqrt(q * abs(c)) * [1.0, np.copysign(1.0, c)], np.maximum(np.sqrt(q * (1 - abs(c))), _TINY)
    if log_q.max() > log_resolved(activation) or (gaussian.settled_log(log_q, activation) < log_q).any():
        return np.full(2, np.nan)
    bends = [
        np.sign(scale) * gaussian.blurred(activation.kinks, width) / max(abs(scale), _TINY)
        for scale, width in zip(shared, s, strict=True)
    ]
    most = np.abs(shared).max()
    breaks = gaussian.marks(np.zeros(()), most, np.concatenate(bends) * most, gaussian.COARSE, np)
    ends, (places, rule) = np.unique(breaks), gaussian.legendre(gaussian.COARSE.order)
    middle, half = (ends[1:] + ends[:-1])[:, None] / 2, np.diff(ends)[:, None] / 2
    z = (middle + half * places).ravel()
    weights = (half * rule).ravel() * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    (phi_u, dphi_u), (phi_v, dphi_v) = (
        given_shared(scale * z, width, activation)[1:] for scale, width in zip(shared, s, strict=True)
    )
    return np.stack([phi_u * phi_v, dphi_u * dphi_v]) @ weights


def pair(log_q: Any, log_share: Any, activation: Activation) -> Any:
    """Split, turn, cross and fold of many pairs, by the cheapest route.

    NumPy reads plain numbers and a tabled activation from the shipped file. For other activations
    and for JAX arrays, few concrete values are integrated. Many are read from tables over the range
    of q that they need. Traced values (under ``jit``, ``vmap`` or ``grad``) are read from the whole
    table of the activation, which the first such call makes: in 2 s for a tabled activation, and in
    half a minute for another.

    Parameters
    ----------
    log_q, log_share
        As ``lost_at_pair``.
    activation
        The nonlinearity.

    Returns
    -------
    array
        Shape ``(..., 4)``.

    Notes
    -----
    Accuracy: see ``pairs`` and ``lost_pairs``.
    """
    if library(log_q, log_share) is np and log_q.size > FEW and not is_tabled(activation):
        return np.asarray(pair(jnp.asarray(log_q), jnp.asarray(log_share), activation))
    return reader(log_q, activation)(log_q, log_share)


def is_shipped(log_q: Any, activation: Activation) -> bool:
    """Tell whether pairs of these variances are read by NumPy from what is shipped.

    Parameters
    ----------
    log_q
        Natural logs.
    activation
        The nonlinearity.
    """
    return library(log_q) is np and is_tabled(activation)


def reader(log_q: Any, activation: Activation, columns: int = 4) -> Callable[[Any, Any], Any]:
    """The route of ``pair`` for these variances, as a function of (log_q, log_share).

    Parameters
    ----------
    log_q, activation
        As ``pair``.
    columns
        How many of the four, from the first on, a table has to hold.
    """
    whole = _whole if activation.period is None else _settler(activation)
    return jax.tree_util.Partial(whole, _unsettled(log_q, activation, columns))


def _unsettled(log_q: Any, activation: Activation, columns: int) -> Callable[[Any, Any], Any]:
    """The reader's 1 - split and 1 - turn; for a periodic activation at a settled variance."""
    partial = jax.tree_util.Partial
    if is_shipped(log_q, activation):
        return partial(_shipper(activation))
    if isinstance(log_q, jax.core.Tracer):
        read = partial(lost_at_pair, _cut(pairs(activation), columns))
    elif log_q.size > FEW:
        known = np.asarray(gaussian.settled_log(log_q, activation))
        read = partial(lost_at_pair, _cut(pairs(activation, known), columns))
    else:
        read = partial(_integrator(activation))
    if log_resolved(activation) < np.inf:
        return partial(_resolver(activation), read)
    return read


def _whole(read: Callable[[Any, Any], Any], log_q: Any, log_share: Any) -> Any:
    return lost(read(log_q, log_share))


def _cut(table: Pairs, columns: int) -> Pairs:
    with jax.ensure_compile_time_eval():
        return Pairs(table.series[..., :columns], table.cubics[..., :columns], table.first)


def ahead(log_q: Any, activation: Activation) -> Callable[[Any, Any], tuple[Any, Any]]:
    """The route of ``pair`` to 1 - split and 1 - turn alone, for these very variances.

    Parameters
    ----------
    log_q, activation
        As ``pair``; those that are shipped must lie on one panel (see ``alike``).
    """
    if is_shipped(log_q, activation):
        held = shipped_2d.Held(gaussian.settled_log(log_q, activation), activation, 2)
        return functools.partial(_first_two, activation, held)
    return jax.tree_util.Partial(_two(activation), _unsettled(log_q, activation, 2))


def changes(log_q: Any, log_share: Any, activation: Activation) -> tuple[Any, Any]:
    """Derivatives of turn and of fold by ``log_share``; NaN where ripples are not resolved."""
    less = gaussian.settled_log(log_q, activation)
    within = log_share + (log_q - less) / 2
    inside = (within < 0) | (less == log_q)
    if is_shipped(log_q, activation):
        change = shipped_2d.slopes(activation, less, np.minimum(within, 0.0)) * inside[..., None]
        return -change[..., 1], change[..., 3]
    four = lambda log_share: lost(lost_at_pair(pairs(activation), less, log_share))
    _, change = jax.jvp(four, (jnp.minimum(within, 0.0),), (inside.astype(within.dtype),))
    known = log_q <= log_resolved(activation)
    return jnp.where(known, change[..., 1], jnp.nan), jnp.where(known, change[..., 3], jnp.nan)


@functools.lru_cache(maxsize=64)
def _two(activation: Activation) -> Callable[..., tuple[Any, Any]]:
    return functools.partial(_first_two, activation)


def _first_two(activation: Activation, read: Callable[[Any, Any], Any], log_q: Any, log_share: Any) -> tuple[Any, Any]:
    if activation.period is None:
        four = read(log_q, log_share)
        return four[..., 0], four[..., 1]
    four, log_shrunk = _at_less(activation, read, log_q, log_share)
    return four[..., 0] - (1 - four[..., 0]) * library(four).expm1(log_shrunk), four[..., 1]


@functools.lru_cache(maxsize=64)
def _integrator(activation: Activation) -> Callable[..., Any]:
    """One function object per activation: ``jit`` knows a program again by it."""
    return functools.partial(_integrated, activation=activation)


@functools.lru_cache(maxsize=64)
def _shipper(activation: Activation) -> Callable[..., Any]:
    return functools.partial(shipped_2d.lost_pairs, activation)


@functools.lru_cache(maxsize=64)
def _settler(activation: Activation) -> Callable[..., Any]:
    return functools.partial(_periodic, activation)


@functools.lru_cache(maxsize=64)
def _resolver(activation: Activation) -> Callable[..., Any]:
    return functools.partial(_resolved, log_resolved(activation))


def _resolved(largest: float, read: Callable[[Any, Any], Any], log_q: Any, log_share: Any) -> Any:
    """NaN where a variance is too large for the ripples of an activation to be resolved."""
    return jnp.where((log_q > largest)[..., None], jnp.nan, read(log_q, log_share))


def _at_less(activation: Activation, read: Callable[[Any, Any], Any], log_q: Any, log_share: Any) -> tuple[Any, Any]:
    """Reading for a pair of smaller variance and difference, and the log of its factor in split."""
    less = gaussian.settled_log(log_q, activation)
    xp = library(log_q, log_share)
    four = read(less, xp.minimum(log_share + (log_q - less) / 2, 0.0))
    return four, xp.minimum(less - log_q - 2 * log_share, 0.0)


def _periodic(activation: Activation, read: Callable[[Any, Any], Any], log_q: Any, log_share: Any) -> Any:
    """The four of a periodic activation."""
    four, log_shrunk = _at_less(activation, read, log_q, log_share)
    xp = library(four)
    split, *others = xp.moveaxis(lost(four), -1, 0)
    return xp.stack([split * xp.exp(log_shrunk), *others], axis=-1)


def _integrated(log_q: Any, log_share: Any, activation: Activation) -> Any:
    """``integrated_pair`` for any shape, of 1 - split and 1 - turn."""
    if library(log_q, log_share) is not np:
        return _mapped(log_q, log_share, activation)
    pairs = zip(np.ravel(log_q), np.ravel(log_share), strict=True)
    rows = [lost(integrated_pair(*each, activation)) for each in pairs]
    return np.reshape(rows, (*np.shape(log_q), 4))


@functools.partial(jax.jit, static_argnames=("activation",))
def _mapped(log_q: Any, log_share: Any, activation: Activation) -> Any:
    one = lambda each: lost(integrated_pair(each[0], each[1], activation))
    return lax.map(one, (log_q.ravel(), log_share.ravel())).reshape(*log_q.shape, 4)
