"""Singular values of the input-output Jacobian of real networks, over hundreds of orders of magnitude."""

import functools
import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.measure.arguments import asked
from vgtheory.measure.engine.draws import words_of
from vgtheory.measure.engine.networks import Layer, draw_input, draw_layer
from vgtheory.measure.engine.runs import compiled
from vgtheory.measure.spectra.lapack import Decomposed, eliminated, log_values, reflected, triangle_times
from vgtheory.networks.ensemble import Layered

RANGE = 600.0
"""Natural logs of singular values further than this below the largest are lost to underflow."""
_WIDE = 128
"""Narrower layers are made orthogonal one by one: that costs little."""
_SPREAD, _AIM = 16.0, 13.0
"""Logs of ratios of a basis's stretches by a plain product of wide layers: the largest, and the one aimed at."""


@compiled("width")
def _drawn(words: Array, net: Layered, layer: Any, width: int) -> Any:
    """A layer's parameters; a program of their own, for XLA would draw them again for everything that reads them."""
    return draw_layer(words, net, layer, width, jnp.float64)


@compiled()
def _link(net: Layered, params: Any, x: Array) -> tuple[Array, Array]:
    """Transposed Jacobian of one link, x_{l-1} -> x_l = phi(W x_{l-1} + b), by automatic slopes; and x_l."""
    h: Any = Layer(net, x.size, x.dtype).apply(params, x)
    after, slopes = jax.jvp(net.activation.phi, (h,), (jnp.ones_like(h),))
    return params["params"]["Dense_0"]["kernel"] * slopes[None, :], after


def _factors(key: Array, net: Layered, depth: int, width: int, input_square: float) -> Iterator[np.ndarray]:
    """Transposed Jacobians of one network's links, the first one first, without the units that are dead."""
    words = words_of(key)
    x = draw_input(words, width, "float64") * input_square**0.5
    alive: np.ndarray = np.ones(width, dtype=bool)
    params = _drawn(words, net, 1, width)
    for layer in range(1, depth + 1):
        transposed, x = _link(net, params, x)
        params = _drawn(words, net, layer + 1, width) if layer < depth else None  # while this layer is multiplied on
        below, whole = alive, np.asarray(transposed)
        rows = whole if below.all() else whole[below]
        alive = np.asarray(rows.any(axis=0))
        yield rows if alive.all() else rows[:, alive]


class _Product(NamedTuple):
    """``basis @ (exp(logs)[:, None] * rows)``, basis and rows well conditioned.

    Attributes
    ----------
    times_basis
        As in ``Decomposed``; ``None`` for the identity.
    logs
        Shape ``(kept,)``.
    rows
        Shape ``(kept, width)``.
    spread
        Log of the largest stretch of the basis by the last factor over the smallest.
    layers
        Number of layers that this factor is of.
    """

    times_basis: Callable[[np.ndarray], np.ndarray] | None
    logs: np.ndarray
    rows: np.ndarray
    spread: float = 0.0
    layers: int = 1


def _stretched(factor: np.ndarray, product: _Product) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A transposed factor times a product's basis and lengths.

    Returns the result, longest first and transposed, the lengths' logs below the largest, and their
    order.
    """
    columns = product.times_basis(factor)[: len(product.logs)] if product.times_basis else factor
    kept = np.maximum(product.logs - product.logs.max(), -RANGE)
    scales = np.exp(kept)
    order = np.argsort(-np.sqrt(np.einsum("ij,ij->i", columns, columns)) * scales)
    stretched = columns[order]
    stretched *= scales[order, None]
    return stretched, kept[order], order


Decompose = Callable[[np.ndarray], Decomposed]


def _times(factors: list[np.ndarray], product: _Product, decompose: Decompose) -> _Product | None:
    """Factors, given transposed, times a product; ``None`` where they are too ill conditioned for this way."""
    stretched, kept, order = _stretched(functools.reduce(np.matmul, factors), product)
    upper, times_basis = decompose(stretched.T)
    size = min(len(product.logs), *(min(each.shape) for each in factors))
    diagonal = np.abs(np.diagonal(upper))[:size]
    with np.errstate(divide="ignore", invalid="ignore"):
        grown = np.log(diagonal)
        spread = float(np.ptp(grown - kept[:size]))
        if (len(factors) > 1 or decompose is eliminated) and not spread <= _SPREAD:
            return None
        rows = triangle_times(upper, product.rows[order], size)
        rows /= diagonal[:, None]
    logs = grown + (product.logs[order] - kept)[:size]
    return _Product(times_basis, logs, rows, spread, len(factors))


def _absorbed(factors: list[np.ndarray], product: _Product, decompose: Decompose) -> _Product:
    """Factors times a product: together, or one half after the other where they are too ill conditioned for that."""
    after = _times(factors, product, decompose)
    if after is not None:
        return after
    if len(factors) == 1:
        return _absorbed(factors, product, reflected)
    half = len(factors) // 2
    return _absorbed(factors[half:], _absorbed(factors[:half], product, decompose), decompose)


def log_singular_values(logs: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Natural logs of the singular values of ``exp(logs) * rows``, descending.

    One-sided Jacobi rotations keep the relative accuracy of the small ones.

    Parameters
    ----------
    logs
        Finite, shape ``(kept,)``.
    rows
        Well conditioned, shape ``(kept, width)``.
    """
    top = logs.max(initial=-np.inf)
    scaled = rows * np.exp(np.maximum(logs - top, -RANGE))[:, None]
    return np.where(np.sort(logs)[::-1] < top - RANGE, np.nan, log_values(scaled.T) + top)


def _log_values(product: _Product) -> np.ndarray:
    """Singular values of a product, descending; by the fast way where it loses no more than products of layers may."""
    logs, rows = product.logs, product.rows
    if len(rows) >= _WIDE and np.ptp(logs) <= _SPREAD:
        top = logs.max()
        return np.log(np.linalg.svd(np.exp(logs - top)[:, None] * rows, compute_uv=False)) + top
    return log_singular_values(logs, rows)


def _one(key: Array, net: Layered, depth: int, width: int, input_square: float) -> np.ndarray:
    """One network's logs, descending."""
    factors, product = _factors(key, net, depth, width, input_square), _Product(None, np.zeros(width), np.eye(width))
    together = least = 2 if width >= _WIDE else 1
    layers = 0
    while some := list(itertools.islice(factors, together)):
        if not some[-1].size:
            return np.full(width, -np.inf)
        layers += len(some)
        # Where the last basis is orthonormal, the singular values are those of the rest.
        fast = width >= _WIDE and layers < depth
        product = _absorbed(some, product, eliminated if fast else reflected)
        if not np.all(np.isfinite(product.logs)):
            return np.full(width, np.nan)
        if width >= _WIDE:
            together = max(least, int(_AIM * product.layers / max(product.spread, 1.0)))
    out = np.full(width, -np.inf)
    out[: product.logs.size] = _log_values(product)
    return out


@asked(lapack=True)
def jacobian_singular_values(
    key: Array, net: Layered, *, depth: int, width: int, num_nets: int, input_square: float = 1.0
) -> np.ndarray:
    r"""Natural logs of the singular values of the Jacobian of real networks.

    .. math:: J = \frac{\partial x_L}{\partial x_0}, \qquad x_l = \phi(W_l x_{l-1} + b_l)

    The layers are differentiated automatically. A product of L matrices that is formed plainly
    loses all singular values below 1e-16 of the largest. Here each factor, or a well conditioned
    product of a few, is multiplied onto a well conditioned basis, and the logs of its lengths are
    kept apart.

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
        Shape ``(num_nets, width)``, each row descending. Those that are exactly 0 are -inf; there are
        as many as the narrowest layer has units whose slope is 0. Those more than exp(600) below
        the row's largest are NaN.

    Raises
    ------
    ValueError
        If a count is no positive integer or ``input_square`` is negative or not finite.

    Notes
    -----
    Accuracy: some 1e-14 times the depth in most logs (float64), however small the singular value.
    In a row's last few logs it is the rounding times the condition number of one layer. From width
    128 on it is that of a product of a few layers, which leaves 1e-8 in nearly all rows (80-bit
    arithmetic at width 128 and depth 64 shows 1e-6 at most).
    Assumes: nothing. One network takes about ``depth * width**3`` times 0.1 ns on one processor
    core, and each core has its own network.

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

    workers = min(num_nets, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:  # each network's LAPACK has one thread
        return np.stack(list(pool.map(one, range(num_nets))))
