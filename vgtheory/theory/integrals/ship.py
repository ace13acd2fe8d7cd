"""Make the files of tabled activations: ``python -m vgtheory.theory.integrals.ship`` (15 minutes).

The curves over ln q are written as they are integrated. The pairs are integrated as for any
activation, on panels of (ln s, v), and then fitted by the shorter series of ``shipped_2d``. Each
row of a panel, one for each polynomial in ln q, is cut where its terms drown in rounding.
"""

import functools
from pathlib import Path

import numpy as np
from numpy.polynomial import chebyshev

from vgtheory.activation import ACTIVATIONS, Activation
from vgtheory.theory.integrals import gaussian, shipped, shipped_2d
from vgtheory.theory.integrals.chebyshev import located, samples
from vgtheory.theory.integrals.moments_1d import integrated_curves
from vgtheory.theory.integrals.tables_2d import LN_S, NEAR, integrated_band, read_series

_LEAST, _NOISE = 4e-15, 6.0
"""A coefficient counts if it exceeds the first, and the second times the size of the last ones."""
_DEGREES = (36, 13)
"""Number of terms in x: the first, and the second more for each unit of arsinh sqrt q."""
_BEYOND = 3
"""Panels from the one where a periodic function settles on: panels of ``pairs`` lie across them."""
_CHUNK = 8192


def contents() -> dict[str, np.ndarray]:
    """The arrays of the file of curves by name, integrated afresh."""
    found = {name: integrated_curves(activation) for name, activation in ACTIVATIONS.items()}
    series = {name: np.stack([each.log_f, each.log_g]) for name, each in found.items()}
    return {**series, **{f"{name} ends": each.log_g_ends for name, each in found.items()}}


def pair_contents() -> dict[str, np.ndarray]:
    """The arrays of the file of pairs by name, integrated afresh."""
    found = {name: shipped_2d.packed(all_fitted(activation)) for name, activation in ACTIVATIONS.items()}
    return {
        f"{name} {part}": each[index] for name, each in found.items() for index, part in enumerate(("bytes", "shapes"))
    }


def all_fitted(activation: Activation) -> list[np.ndarray]:
    """Coefficients on each panel of ln q; on one panel alone if the four do not depend on q."""
    count = shipped_2d.GRID[2]
    most = int(located(np.array(gaussian.settled_log(-shipped_2d.GRID[0], activation)), shipped_2d.GRID)[0])
    only = [count // 2] if activation.degree is not None else range(min(most + _BEYOND, count))
    panels = [fitted(activation, panel) if panel in only else np.zeros((0, 0, 4)) for panel in range(count)]
    integrated_band.cache_clear()
    return panels


def fitted(activation: Activation, panel: int) -> np.ndarray:
    """Coefficients on one panel of ln q, shape (nodes of ln q, nodes of x, 4)."""
    first, width, _, _ = grid = shipped_2d.GRID
    nodes, transform = samples(grid)
    log_q = nodes[panel] if activation.degree is None else np.zeros(1)
    transform = transform if activation.degree is None else np.ones((1, 1))
    most = int(_DEGREES[0] + _DEGREES[1] * np.arcsinh(np.exp((first + width * (panel + 1)) / 2)))
    x = samples((0.0, 1.0, 1, 3 * most))[0][0]
    root = np.exp(log_q / 2)[:, None]
    s = np.minimum(np.sinh(x * np.arcsinh(root)), root)
    # At smaller s differences of phi lose their digits. There the fitted series extrapolates.
    known = (s > NEAR * np.minimum(root, 1)).all(axis=0)
    four = _EXACT.get(activation.name, functools.partial(_four, activation))(np.log(s[:, known]), log_q[:, None])
    rows = np.einsum("qxk,aq->xak", four, transform)
    places = chebyshev.chebvander(2 * x[known] - 1, most - 1)
    plain, over = (np.linalg.qr(each) for each in (places, places * x[known, None]))
    chosen = [_cut(plain, over if column < shipped_2d.ABREAST else plain, rows[..., column]) for column in range(4)]
    return _cropped(np.stack(chosen, axis=-1))


def _four(activation: Activation, log_s: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """1 - split, 1 - turn, cross and fold, from the bands of ln s that these need."""
    low, high = (int(np.clip((each - LN_S[0]) / LN_S[1], 0, LN_S[2] - 1)) for each in (log_s.min(), log_s.max()))
    series = np.stack([integrated_band(activation, band) for band in range(low, high + 1)])
    log_s, log_q = np.broadcast_arrays(log_s, log_q)
    pieces = (each.ravel() for each in (log_s, log_q))
    cuts = range(_CHUNK, log_s.size, _CHUNK)
    read = [read_series(series, low, *each) for each in zip(*(np.split(piece, cuts) for piece in pieces), strict=True)]
    return np.concatenate(read).reshape(*log_s.shape, 4)


def _sine(log_s: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """``_four`` of sin in closed form, for the rule of pairs does not resolve its many periods."""
    q, apart = np.exp(log_q), np.exp(2 * log_s)
    near, twice, size = np.exp(-apart), 2 * (q - apart), 1 + np.exp(-2 * q)
    split = (1 + np.exp(apart - 2 * q)) * -np.expm1(-apart) / (size * apart)
    turn, cross = near * (1 + np.exp(-twice)) / size, -near * np.expm1(-twice) / np.expm1(-2 * q)
    return np.stack([1 - split, 1 - turn, cross, turn], axis=-1)


_EXACT = {"sin": _sine}


def _cut(plain: tuple[np.ndarray, np.ndarray], kept: tuple[np.ndarray, np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Least squares by ``kept``; each row has as many terms as ``plain`` finds in it."""
    known = np.linalg.solve(plain[1], plain[0].T @ rows)
    last = (
        known[-known.shape[0] // 4 :, -known.shape[1] // 4 :] if known.shape[1] > 1 else known[-known.shape[0] // 4 :]
    )
    counts = np.abs(known) > max(_LEAST, _NOISE * np.sqrt(np.mean(last**2)))
    found = np.zeros_like(known)
    for row, which in enumerate(counts.T):
        size = np.flatnonzero(which).max(initial=-1) + 1
        found[:size, row] = np.linalg.solve(kept[1][:size, :size], kept[0][:, :size].T @ rows[:, row])
    return found.T


def _cropped(series: np.ndarray) -> np.ndarray:
    """The series without the last rows and columns that are 0."""
    counts = np.any(series != 0, axis=-1)
    rows, columns = (np.flatnonzero(counts.any(axis=axis)).max(initial=0) + 1 for axis in (1, 0))
    return series[:rows, :columns]


if __name__ == "__main__":
    for name, make in ((shipped.FILE, contents), (shipped_2d.FILE, pair_contents)):
        np.savez_compressed(Path(__file__).with_name(name), allow_pickle=False, **make())
