"""Singular values of the input-output Jacobian of real networks, over hundreds of orders of magnitude."""

import functools
import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.linalg.blas import dtrmm
from scipy.linalg.lapack import dgejsv, dgemqrt, dgeqrt
from threadpoolctl import threadpool_limits

from vgtheory.measure.arguments import asked
from vgtheory.measure.engine.draws import words_of
from vgtheory.measure.engine.networks import Layer, draw_input, draw_layer
from vgtheory.measure.engine.runs import compiled
from vgtheory.networks.ensemble import Layered

RANGE = 600.0
"""Natural logs of singular values further than this below the largest are lost to underflow."""
_PANEL = 64
"""Columns that LAPACK reflects together; the fastest number at width 512."""
_WIDE = 128
"""Narrower layers are made orthogonal one by one: that costs little."""
_SPREAD, _AIM = 16.0, 12.0
"""Natural log of the largest condition number of a plain product of wide layers, and of the one that is aimed at."""


@compiled("width")
def _drawn(words: Array, net: Layered, layer: Any, width: int) -> Any:
    """A layer's parameters; a program of their own, for XLA would draw them again for everything that reads them."""
    return draw_layer(words, net, layer, width, jnp.float64)


@compiled()
def _link(net: Layered, params: Any, x: Array) -> tuple[Array, Array]:
    """Transposed Jacobian of one link, x_{l-1} -> x_l = phi(W x_{l-1} + b), its slopes by automatic differentiation; and x_l."""
    h: Any = Layer(net, x.size, x.dtype).apply(params, x)
    after, slopes = jax.jvp(net.activation.phi, (h,), (jnp.ones_like(h),))
    return params["params"]["Dense_0"]["kernel"] * slopes[None, :], after


def _factors(key: Array, net: Layered, depth: int, width: int, input_square: float) -> Iterator[np.ndarray]:
    """Transposed Jacobians of one network's links, the first one first, without the units that are dead."""
    words = words_of(key)
    x = draw_input(words, width, "float64") * input_square**0.5
    alive = np.ones(width, dtype=bool)
    for layer in range(1, depth + 1):
        transposed, x = _link(net, _drawn(words, net, layer, width), x)
        below, whole = alive, np.asarray(transposed)
        alive = np.any(whole[below] != 0, axis=0)
        yield whole if below.all() and alive.all() else whole[np.ix_(below, alive)]


class _Product(NamedTuple):
    """``basis @ (exp(logs)[:, None] * rows)``, the basis orthonormal and the rows well conditioned.

    Attributes
    ----------
    reflections
        LAPACK's, with their triangles, that make the basis; none for the identity.
    logs
        Shape ``(kept,)``.
    rows
        Shape ``(kept, width)``.
    spread
        Log of the largest stretch of the basis by the last factor over the smallest.
    """

    reflections: tuple[np.ndarray, ...]
    logs: np.ndarray
    rows: np.ndarray
    spread: float = 0.0


def _triangle_times(upper: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Upper triangle of a matrix, at most as high as wide, times rows, which it overwrites."""
    size = len(upper)
    above = dtrmm(1.0, upper[:, :size], rows[:size].T, side=1, trans_a=1, overwrite_b=1).T
    return above + upper[:, size:] @ rows[size:] if size < len(rows) else above


def _times(transposed: np.ndarray, product: _Product) -> _Product:
    """A factor, given transposed, times a product."""
    columns = transposed.T
    if product.reflections:
        own = columns.flags.writeable
        columns = dgemqrt(*product.reflections, columns, side="R", overwrite_c=own)[0][:, : len(product.logs)]
    top = product.logs.max()
    kept = np.maximum(product.logs - top, -RANGE)
    lengths = np.sqrt(np.einsum("ij,ij->j", columns, columns)) * np.exp(kept)
    order = np.argsort(-lengths)
    stretched = columns.T[order]
    stretched *= np.exp(kept)[order, None]
    size = min(stretched.shape)
    reflected, triangles, _ = dgeqrt(min(_PANEL, size), stretched.T, overwrite_a=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        grown = np.log(np.abs(np.diagonal(reflected)))
        rows = _triangle_times(reflected[:size], product.rows[order])
        rows /= np.abs(np.diagonal(reflected))[:, None]
        spread = float(np.ptp(grown - kept[order][:size]))
    logs = grown + top + (product.logs - top - kept)[order][:size]
    return _Product((reflected[:, :size], triangles), logs, rows, spread)


def _absorbed(factors: list[np.ndarray], product: _Product) -> _Product:
    """Factors times a product: together, or one half after the other where they are too ill conditioned for that."""
    after = _times(functools.reduce(np.matmul, factors), product)
    if len(factors) == 1 or after.spread <= _SPREAD:
        return after
    half = len(factors) // 2
    return _absorbed(factors[half:], _absorbed(factors[:half], product))


def log_singular_values(logs: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Of ``exp(logs) * rows``, by one-sided Jacobi rotations, which keep the relative accuracy of small ones; descending.

    Parameters
    ----------
    logs
        Finite, shape ``(kept,)``.
    rows
        Well conditioned, shape ``(kept, width)``.
    """
    top = logs.max(initial=-np.inf)
    scaled = rows.T * np.exp(np.maximum(logs - top, -RANGE))
    sizes, *_, scale, _, info = dgejsv(scaled, joba=0, jobu=3, jobv=3, jobr=0)
    lost = (info != 0) | (np.sort(logs)[::-1] < top - RANGE)
    return np.where(lost, np.nan, np.log(sizes) + np.log(scale[0] / scale[1]) + top)


def _log_values(product: _Product) -> np.ndarray:
    """Singular values of a product, descending; by the fast way where it loses no more than products of layers may."""
    logs, rows = product.logs, product.rows
    if len(rows) >= _WIDE and np.ptp(logs) <= _SPREAD:
        top = logs.max()
        return np.log(np.linalg.svd(np.exp(logs - top)[:, None] * rows, compute_uv=False)) + top
    return log_singular_values(logs, rows)


def _one(key: Array, net: Layered, depth: int, width: int, input_square: float) -> np.ndarray:
    """One network's logs, descending."""
    factors, product = _factors(key, net, depth, width, input_square), _Product((), np.zeros(width), np.eye(width))
    together = least = 2 if width >= _WIDE else 1
    while some := list(itertools.islice(factors, together)):
        if not some[-1].size:
            return np.full(width, -np.inf)
        product = _absorbed(some, product)
        if not np.all(np.isfinite(product.logs)):
            return np.full(width, np.nan)
        if width >= _WIDE:
            together = max(least, int(_AIM * len(some) / max(product.spread, 1.0)))
    out = np.full(width, -np.inf)
    out[: product.logs.size] = _log_values(product)
    return out


@asked()
def jacobian_singular_values(
    key: Array, net: Layered, *, depth: int, width: int, num_nets: int, input_square: float = 1.0
) -> np.ndarray:
    r"""Natural logs of the singular values of the Jacobian of real networks, by automatic differentiation of their layers.

    .. math:: J = \frac{\partial x_L}{\partial x_0}, \qquad x_l = \phi(W_l x_{l-1} + b_l)

    A product of L matrices formed plainly loses all singular values below 1e-16 of the largest. Here each factor, or a well
    conditioned product of a few, is multiplied onto an orthonormal basis, the logs of whose lengths are kept apart.

    Parameters
    ----------
    key
        A JAX key; network i uses ``fold_in(key, i)``.
    net
        The ensemble.
    depth, width, num_nets
        Numbers of layers, units and networks.
    input_square
        Mean square of the input x_0, > 0: where E[phi^2] at the fixed point is chosen, every layer is at ``q_star``.

    Returns
    -------
    numpy.ndarray
        Shape ``(num_nets, width)``, each row descending; -inf for those that are exactly 0 (as many as the narrowest layer has
        units whose slope is 0), NaN for those that lie more than exp(600) below the row's largest.

    Raises
    ------
    ValueError
        If a count is no positive integer or ``input_square`` is negative or not finite.

    Notes
    -----
    Accuracy: some 1e-14 times the depth in most logs (float64), however small the singular value. In a row's last few logs, the
    rounding times the condition number of one layer; from width 128 on, that of a product of a few layers, at most 1e7 for more than one.
    Assumes: nothing. One network takes about ``depth * width**3`` times 0.1 ns on one processor core, and each core has its own.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net = Dense("linear", 0.5, weights="orthogonal")
    >>> logs = measure.jacobian_singular_values(jax.random.key(0), net, depth=3, width=4, num_nets=2)
    >>> logs.shape, float(logs.max().round(6)), float(logs.min().round(6))
    ((2, 4), -2.079442, -2.079442)
    """

    def one(index: int) -> np.ndarray:
        with jax.enable_x64(True):
            return _one(jax.random.fold_in(key, index), net, depth, width, input_square)

    # LAPACK's own threads wait for each other, for long on a busy machine: each network gets one.
    workers = min(num_nets, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    with threadpool_limits(1), ThreadPoolExecutor(workers) as pool:
        return np.stack(list(pool.map(one, range(num_nets))))
