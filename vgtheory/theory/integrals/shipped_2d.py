r"""Pairs of tabled activations, read by NumPy from a file that ``ship`` makes: nothing is compiled.

The four quantities of ``lost_at_pair`` are Chebyshev series in ln q and in a place x that resolves
both scales of a pair. Within the activation's own scale x is proportional to s, and far beyond it
to ln s,

.. math:: x = \frac{\operatorname{arsinh} s}{\operatorname{arsinh} \sqrt q}, \qquad
    s^2 = q (1 - |c|)

The first two quantities are 0 at x = 0. Their series are those of the quantity over x, so that
they keep their digits near c = 1.
"""

import functools
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev

from vgtheory.activation import Activation
from vgtheory.theory.integrals.chebyshev import located

FILE = "pairs.npz"
GRID = (-30.0, 2.0, 30, 24)
"""Panels of ln q."""
QUANTUM = 2.0**-49
"""Every coefficient is a multiple of this."""
ABREAST = 2
"""The first two of the four quantities are kept over x."""
_CHUNK, _SMALL = 2048, 1 << 17
"""Number of pairs worked on together, and size of a matrix product that BLAS gives one thread."""


@functools.lru_cache(maxsize=32)
def panels(name: str) -> tuple[np.ndarray, ...]:
    """Coefficients on each panel of ln q, shapes (nodes of ln q, nodes of x, 4)."""
    with resources.files(__package__).joinpath(FILE).open("rb") as file, np.load(file) as found:
        return unpacked(found[f"{name} bytes"], found[f"{name} shapes"])


def _located(log_q: Any, activation: Activation) -> tuple[np.ndarray, np.ndarray]:
    """Panel and place of each variance; a homogeneous function has one panel for all."""
    count = len(panels(activation.name))
    if activation.degree is not None:
        return np.full(log_q.shape, count - 1), np.zeros(log_q.shape)
    return located(log_q, (GRID[0], GRID[1], count, GRID[3]))


def packed(coefficients: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Bytes of the coefficients, plane by plane, which compresses well; and the panels' shapes."""
    whole = np.concatenate(
        [np.round(np.moveaxis(each, -1, 0) / QUANTUM).astype("<i8").ravel() for each in coefficients]
    )
    unsigned = np.where(whole < 0, -2 * whole - 1, 2 * whole)
    return np.ascontiguousarray(unsigned.view(np.uint8).reshape(-1, 8).T), np.array(
        [each.shape[:2] for each in coefficients]
    )


def unpacked(planes: np.ndarray, shapes: np.ndarray) -> tuple[np.ndarray, ...]:
    """Coefficients from what ``packed`` returns, without the empty panels at the end."""
    unsigned = np.ascontiguousarray(planes.T).view("<i8").ravel()
    values = np.where(unsigned % 2, -(unsigned + 1) // 2, unsigned // 2) * QUANTUM
    sizes = 4 * shapes.prod(axis=1)
    pieces = np.split(values, np.cumsum(sizes)[:-1])
    count = np.flatnonzero(sizes).max() + 1
    return tuple(np.moveaxis(pieces[panel].reshape(4, *shapes[panel]), 0, -1) for panel in range(count))


def _place(log_q: Any, log_share: Any, activation: Activation) -> tuple[np.ndarray, np.ndarray]:
    """The place x, and its derivative by ``log_share``."""
    log_q = np.zeros_like(log_q) if activation.degree is not None else np.clip(log_q, GRID[0], -GRID[0])
    s, end = np.exp(log_q / 2 + log_share), np.arcsinh(np.exp(log_q / 2))
    return np.arcsinh(s) / end, s / np.hypot(s, 1.0) / end


def alike(log_q: Any, activation: Activation) -> Iterator[np.ndarray]:
    """Indices of variances that lie on one panel, at most some thousands at a time."""
    index = _located(log_q, activation)[0]
    order = np.argsort(index, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(index[order])) + 1):
        yield from (same[first : first + _CHUNK] for first in range(0, same.size, _CHUNK))


def _product(rows: np.ndarray, table: np.ndarray) -> np.ndarray:
    """``(rows @ table).T``, in pieces too small for the threads of BLAS, which spin when woken."""
    found, step = np.empty((table.shape[1], len(rows))), max(1, _SMALL // max(table.size, 1))
    for first in range(0, len(rows), step):
        found[:, first : first + step] = (rows[first : first + step] @ table).T
    return found


class Held:
    """Series in x alone of the first ``columns`` quantities, at variances that lie on one panel."""

    def __init__(self, log_q: Any, activation: Activation, columns: int = 4) -> None:
        index, t = _located(log_q, activation)
        table = panels(activation.name)[index.flat[0]][..., :columns]
        rows = chebyshev.chebvander(t.ravel(), len(table) - 1)
        self.series = _product(rows, table.reshape(len(table), -1)).reshape(*table.shape[1:], log_q.size)
        self.log_q, self.activation = log_q, activation

    def __call__(self, log_q: Any, log_share: Any) -> np.ndarray:
        """``lost_at_pair`` at the variances of this object, whatever ``log_q``."""
        x = _place(self.log_q, log_share, self.activation)[0].ravel()
        four = chebyshev.chebval(2 * x - 1, self.series, tensor=False)
        four[:ABREAST] *= x
        return np.moveaxis(four, 0, -1).reshape(*log_share.shape, -1)

    def slopes(self, log_share: Any) -> np.ndarray:
        """Derivatives of ``lost_at_pair`` by ``log_share``."""
        x, by_share = _place(self.log_q, log_share, self.activation)
        four, change = (
            chebyshev.chebval(2 * x.ravel() - 1, each, tensor=False)
            for each in (self.series, 2 * chebyshev.chebder(self.series))
        )
        change[:ABREAST] = four[:ABREAST] + x.ravel() * change[:ABREAST]
        return np.moveaxis(change * by_share.ravel(), 0, -1).reshape(*log_share.shape, -1)


def lost_pairs(activation: Activation, log_q: Any, log_share: Any) -> np.ndarray:
    """``lost_at_pair`` of NumPy arrays and a tabled activation.

    Notes
    -----
    Accuracy: 1e-11 of each quantity's value at full correlation, and mostly 1e-13. In a difference
    of E[phi phi] the error of split counts q E[phi'^2] / E[phi^2] times, so that ``c_map`` keeps
    1e-10 where that ratio is at most 1e4.
    """
    return _by_panels(lambda held, log_share: held(None, log_share), activation, log_q, log_share)


def slopes(activation: Activation, log_q: Any, log_share: Any) -> np.ndarray:
    """Derivatives of ``lost_pairs`` by ``log_share``."""
    return _by_panels(Held.slopes, activation, log_q, log_share)


def _by_panels(function: Callable[..., Any], activation: Activation, log_q: Any, log_share: Any) -> np.ndarray:
    """``function(held, log_share)`` for variances on any panels."""
    log_q, log_share = np.broadcast_arrays(log_q, log_share)
    flat_q, flat_share, found = log_q.ravel(), log_share.ravel(), np.empty((log_q.size, 4))
    for same in alike(flat_q, activation):
        found[same] = function(Held(flat_q[same], activation), flat_share[same])
    return found.reshape(*log_q.shape, 4)
