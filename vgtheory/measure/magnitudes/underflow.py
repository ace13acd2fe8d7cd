"""Entries of real weight gradients, cast to a number format by NumPy and counted."""

import functools
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.checks import optional
from vgtheory.estimate import Estimate
from vgtheory.expect import expect_dtype, expect_flag
from vgtheory.formats import BLOCKED, FORMATS
from vgtheory.measure.arguments import asked as asked_of
from vgtheory.measure.arguments import count, dtype_of, number, units
from vgtheory.measure.arguments import listed as may_be_listed
from vgtheory.measure.magnitudes.casts import lost, plain
from vgtheory.measure.magnitudes.tensors import WHOLE, Asked, pieces_of, shares
from vgtheory.networks.dense import Dense
from vgtheory.networks.transformer import Transformer

_FURTHER = 4
"""Powers of two tried at a time beyond the scale at which the layer of the smallest entries begins to overflow."""


class CastShares(NamedTuple):
    """Shares of the entries of every layer's weight gradient, by what a cast makes of them.

    Attributes
    ----------
    zero
        Entries that are exactly zero already.
    underflow
        Other entries that become zero.
    overflow
        Entries that become infinite or NaN.
    """

    zero: Any
    underflow: Any
    overflow: Any


class LossScale(NamedTuple):
    """Best loss scale, and the shares of all entries that under- and overflow with it."""

    scale: float
    underflow: float
    overflow: float


def _by_matrix(answers: dict[str, Any]) -> Any:
    """Answers for all matrices by name, or that for the only one."""
    return answers.get(WHOLE, answers)


_asked = functools.partial(
    asked_of,
    net=may_be_listed,
    depth=units,
    width=units,
    cast=dtype_of((*FORMATS, *BLOCKED)),
    flush=expect_flag,
    positions=optional(count()),
    c_0=number("[0, 1]"),
    bound=number("(0, inf)"),
    loss_scale=number("(0, inf)"),
)


@_asked()
def share_below(
    key: Array,
    net: Dense | Transformer,
    bound: float,
    *,
    depth: int | None = None,
    width: int | None = None,
    num_nets: int,
    loss_scale: float = 1.0,
    positions: int | None = None,
    c_0: float = 0.0,
    input_square: float = 1.0,
    dtype: str = "float32",
) -> Estimate | dict[str, Estimate]:
    """Share of the entries of every layer's weight gradient whose modulus is below a bound.

    Parameters
    ----------
    key, net, depth, width, num_nets, input_square, dtype
        As for ``measure.log_grad_layers``; the network is a ``Dense``, whose layers may be listed, or
        a ``Transformer``.
    positions, c_0
        For a ``Transformer``, as for ``measure.blocks.log_grad_groups``.
    bound
        The bound, > 0, for instance Adam's ``eps``.
    loss_scale
        Factor of the standard normal cotangent, > 0.

    Returns
    -------
    Estimate or dict
        Mean share over networks, shape ``(depth,)``; ``err`` is one standard error. For a
        ``Transformer`` one estimate for each matrix.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: gradients within the range of ``dtype``.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net, size = Dense("tanh", sigma_w=1.5), {"depth": 3, "width": 64, "num_nets": 4}
    >>> measure.magnitudes.share_below(jax.random.key(0), net, 1e-3, **size).value.shape
    (3,)
    """
    asked = Asked("share_below", depth, width, num_nets, positions, c_0, input_square, dtype)
    found = shares(net, key, asked, lambda entries: np.abs(entries) * loss_scale < bound)
    return _by_matrix({name: each[0] for name, each in found.items()})


@_asked()
def underflow_share(
    key: Array,
    net: Dense | Transformer,
    cast: str,
    *,
    depth: int | None = None,
    width: int | None = None,
    num_nets: int,
    loss_scale: float = 1.0,
    positions: int | None = None,
    c_0: float = 0.0,
    input_square: float = 1.0,
    flush: bool = False,
    dtype: str = "float32",
) -> CastShares | dict[str, CastShares]:
    """Shares of the entries of every layer's weight gradient that a cast makes zero or infinite.

    Parameters
    ----------
    key, net, depth, width, num_nets, positions, c_0, loss_scale, input_square
        As for ``share_below``.
    cast
        Format that the gradient is cast to: any of ``measure.pass_limit``, ``"mxfp8_e4m3"``,
        ``"mxfp8_e5m2"`` or ``"nvfp4"``. Blocks of the last three lie along a layer's inputs.
    flush
        Whether subnormal numbers become zero too.
    dtype
        Format of the gradient before the cast, ``"float32"`` or ``"float64"``.

    Returns
    -------
    CastShares or dict
        Estimates over networks, each of shape ``(depth,)``; ``err`` is one standard error. For a
        ``Transformer`` one for each matrix.

    Notes
    -----
    Accuracy: ``err``. Every entry is cast once, to the nearest number. What a format with scales
    saturates counts as an overflow.
    Assumes: gradients within the range of ``dtype`` before they are scaled.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net, size = Dense("tanh", sigma_w=1.0), {"depth": 3, "width": 64, "num_nets": 4}
    >>> shares = measure.magnitudes.underflow_share(jax.random.key(0), net, "float8_e4m3fn", **size)
    >>> bool((shares.underflow.value > 0.001).all())
    True
    """
    asked = Asked("underflow_share", depth, width, num_nets, positions, c_0, input_square, dtype)
    under = lambda entries: (entries != 0) & lost(entries * loss_scale, cast, flush)[0]
    beyond = lambda entries: lost(entries * loss_scale, cast, flush)[1]
    found = shares(net, key, asked, lambda entries: entries == 0, under, beyond)
    return _by_matrix({name: CastShares(*each) for name, each in found.items()})


@_asked()
def best_loss_scale(
    key: Array,
    net: Dense | Transformer,
    cast: str,
    *,
    depth: int | None = None,
    width: int | None = None,
    num_nets: int,
    positions: int | None = None,
    c_0: float = 0.0,
    input_square: float = 1.0,
    flush: bool = False,
    dtype: str = "float32",
) -> LossScale:
    """Loss scale, a power of two, at which a cast loses the fewest entries of the weight gradients.

    Parameters
    ----------
    key, net, cast, depth, width, num_nets, positions, c_0, input_square, flush, dtype
        As for ``underflow_share``.

    Returns
    -------
    LossScale
        The scale for all networks together, and the shares that are lost with it; the largest of
        several scales that are equally good.

    Notes
    -----
    Accuracy: exact for the networks drawn.
    Assumes: as ``underflow_share``.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net, size = Dense("tanh", sigma_w=1.0), {"depth": 3, "width": 64, "num_nets": 4}
    >>> measure.magnitudes.best_loss_scale(jax.random.key(0), net, "float8_e5m2", **size).scale > 64
    True
    """
    expect_dtype(FORMATS, "best_loss_scale", cast=cast)
    asked = Asked("best_loss_scale", depth, width, num_nets, positions, c_0, input_square, dtype)
    largest: dict[tuple[str, int], float] = {}
    for name, layer, entries in pieces_of(net, key, asked):
        largest[name, layer] = max(largest.get((name, layer), 0.0), float(np.abs(entries).max(initial=0.0)))
    tops = np.array([top for top in largest.values() if top > 0])
    room = np.log2(float(jnp.finfo(FORMATS[cast]).max)) - np.log2(tops)
    powers = np.arange(np.floor(room.min()) - 1, np.ceil(room.max()) + _FURTHER) if room.size else np.zeros(1)
    gone, total = _gone(pieces_of(net, key, asked), powers, cast, flush)
    while room.size and gone[-1, 1] < gone.sum(axis=1).min():  # a larger scale could still be better
        further = powers[-1] + 1 + np.arange(_FURTHER)
        powers, gone = (
            np.append(powers, further),
            np.vstack([gone, _gone(pieces_of(net, key, asked), further, cast, flush)[0]]),
        )
    best = len(powers) - 1 - int(np.argmin(gone.sum(axis=1)[::-1]))
    return LossScale(2.0 ** float(powers[best]), *map(float, gone[best] / total))


def _gone(pieces: Iterable[Any], powers: np.ndarray, cast: str, flush: bool) -> tuple[np.ndarray, int]:
    """Numbers of entries that under- and overflow at every power of two, shape (powers, 2), and of all entries."""
    gone, total = np.zeros((len(powers), 2)), 0
    for _, _, entries in pieces:
        total += entries.size
        there = entries[entries != 0]
        for row, power in zip(gone, powers, strict=True):
            held = plain(there * 2.0**power, cast, flush)
            row += np.count_nonzero(held == 0), np.count_nonzero(~np.isfinite(held))
    return gone, total


__all__ = ["CastShares", "LossScale", "best_loss_scale", "share_below", "underflow_share"]
