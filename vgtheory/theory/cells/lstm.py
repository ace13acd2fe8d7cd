r"""The LSTM's mean square gradient, by an operator on functions of the cell's content.

For the gradient a with respect to a cell c let v(c) = E[a^2 | c], and for the gradient d with
respect to h let s = E[d^2]. Weights are fresh at every step, so that d is Gaussian and independent
of c. One step back they obey

.. math:: v(c) = E[f^2\, v'(f c + i g)] + E[o^2]\, \tanh'(c)^2\, s, \qquad
    s = \sigma_g^2 \left( E[\dot f^2 c^2 v'] + E[\dot i^2 g^2 v']
    + E[\dot o^2]\, E[\tanh^2 c]\, s' \right) + \sigma_w^2 E[i^2 \dot g^2 v']

v is even, and represented by its values at the Chebyshev nodes of [0, C]. Averages over f, i and g
are sums over nodes. A Gauss rule with the same moments reduces the nodes of u = i g.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.optimize
from scipy.special import expit

from vgtheory.expect import expect
from vgtheory.networks.cells import LSTM
from vgtheory.theory.cells.moments import Transfer, gate, normal_nodes

_GAUSS, _GATE = 11, 32
"""Numbers of nodes for u = i g in [-1, 1] and for f.

The rule for u is exact to degree 21, where tanh'(c + u)^2 converges as 1/3.4 per degree. The rule
for f is exact for the polynomials f^2 and f^2 (1 - f)^2.
"""
_REACH, _MARGIN, _LEAST_MARGIN = 9.0, 3.0, 21.0
"""C in standard deviations of c, and its margin: 3, or 21 standard deviations for small cells."""
_LARGEST_EDGE = 60.0
_NODES_PER_UNIT, _FEWEST = 7.0, 48
"""The poles of tanh at i pi/2 make the interpolation's error exp(-7 pi)."""
_TOLERANCE = 1e-10
_SMALLEST = 1e-9
_MOST_STEPS, _FLOOR = 12, 1e-300


class _Rules(NamedTuple):
    """Gauss rules (nodes, weights): of f, and of u under three weightings."""

    f: tuple[np.ndarray, np.ndarray]
    u: tuple[np.ndarray, np.ndarray]
    u_input: tuple[np.ndarray, np.ndarray]
    u_candidate: tuple[np.ndarray, np.ndarray]


def _gauss_rule(nodes: np.ndarray, weights: np.ndarray, order: int = _GAUSS) -> tuple[np.ndarray, np.ndarray]:
    """Gauss rule of a discrete measure, by the Lanczos process with full reorthogonalisation."""
    order, total = min(order, nodes.size), weights.sum()
    if total <= 0 or np.ptp(nodes) == 0:
        return nodes[:1], np.array([total])
    basis = np.zeros((order + 1, nodes.size))
    basis[0] = np.sqrt(weights / total)
    diagonal, beside = np.zeros(order), np.zeros(order)
    for k in range(order):
        fresh = nodes * basis[k]
        diagonal[k] = fresh @ basis[k]
        for _ in range(2):
            fresh -= basis[: k + 1].T @ (basis[: k + 1] @ fresh)
        beside[k] = np.linalg.norm(fresh)
        if beside[k] < 1e-13:
            order = k + 1
            break
        basis[k + 1] = fresh / beside[k]
    places, vectors = scipy.linalg.eigh_tridiagonal(diagonal[:order], beside[: order - 1])
    return places, total * vectors[0] ** 2


def _rules(cell: LSTM, h: float) -> _Rules:
    drive, w, g = (float(each) ** 2 for each in (cell.sigma_in, cell.sigma_w, cell.sigma_gate))
    f, _, plain = gate(float(cell.forget_bias), drive + g * h)
    i, di, share = gate(0.0, drive + g * h)
    z, weights = normal_nodes((drive + w * h) ** 0.5)
    candidate = np.tanh((drive + w * h) ** 0.5 * z)
    u, both = np.outer(i, candidate).ravel(), np.outer(share, weights).ravel()
    through_i, through_g = np.outer(di**2, candidate**2).ravel(), np.outer(i**2, (1 - candidate**2) ** 2).ravel()
    rules = (_gauss_rule(u, both * weighting) for weighting in (1.0, through_i, through_g))
    return _Rules(_gauss_rule(f, plain, _GATE), *rules)


class _Grid(NamedTuple):
    """Chebyshev nodes of even functions on [-C, C], and the matrix from values to coefficients."""

    c: np.ndarray
    edge: float
    transform: np.ndarray

    def rows(self, places: np.ndarray) -> np.ndarray:
        """Values of the even Chebyshev polynomials, shape (size, *places.shape)."""
        x = 2 * np.clip(places / self.edge, -1.0, 1.0) ** 2 - 1  # T_2k(x) = T_k(2 x^2 - 1)
        out = np.empty((self.c.size, *places.shape))
        out[0], out[1] = 1.0, x
        for k in range(2, self.c.size):
            out[k] = 2 * x * out[k - 1] - out[k - 2]
        return out

    def operator(self, f: np.ndarray, weights: np.ndarray, rule: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Matrix from values of v to values of E[weight v(f c + u)] at the nodes."""
        out = np.zeros((self.c.size, self.c.size))
        for place, weight in zip(*rule, strict=True):
            out += weight * (self.rows(np.outer(self.c, f) + place) @ weights)
        return out.T @ self.transform


def _grid(edge: float) -> _Grid:
    size = int(max(_FEWEST, np.ceil(_NODES_PER_UNIT * edge)))
    angle = np.pi * (np.arange(size) + 0.5) / size
    polynomials = np.cos(np.outer(angle, np.arange(size)))
    transform = polynomials.T * 2 / size
    transform[0] /= 2
    return _Grid(edge * np.sqrt((1 + np.cos(angle)) / 2), edge, transform)


def _stationary(cell: LSTM, h: float) -> tuple[_Rules, _Grid, np.ndarray]:
    """Rules, grid, and weights of the grid's nodes in averages over the cells' stationary law."""
    rules = _rules(cell, h)
    f, weights = rules.f
    variance = rules.u[1] @ rules.u[0] ** 2 / (1 - f**2 @ weights)
    std = float(variance) ** 0.5
    edge = _REACH * std + min(_MARGIN, _LEAST_MARGIN * std or _MARGIN)
    expect(
        edge <= _LARGEST_EDGE, "LSTM", "a cell that stays below about 6", "Lower forget_bias or sigma_in.", cell=cell
    )
    grid = _grid(edge)
    step = grid.operator(f, weights, rules.u)
    system = np.vstack([step.T - np.eye(grid.c.size), np.ones(grid.c.size)])
    return rules, grid, np.linalg.lstsq(system, np.append(np.zeros(grid.c.size), 1.0), rcond=None)[0]


def _h_map(cell: LSTM, h: float) -> float:
    """E[o^2] E[tanh(c)^2] of the next step, for a state of constant mean square h."""
    o, _, weights = gate(0.0, float(cell.sigma_in) ** 2 + float(cell.sigma_gate) ** 2 * h)
    _, grid, p = _stationary(cell, h)
    return float((o**2 @ weights) * (p @ np.tanh(grid.c) ** 2))


def lstm(cell: LSTM) -> tuple[float, Transfer]:
    """Mean square of h, and the gradient's transfer, for a cell with plain numbers."""
    map_of = lambda h: _h_map(cell, h)
    low, h = (0.0 if float(cell.sigma_in) > 0 else _SMALLEST), 0.0
    if low == 0 or (_growth(cell) > 1 and map_of(low) > low):
        h = _fixed_point(map_of, low)
    return h, _transfer(cell, h)


def _fixed_point(map_of: Callable[[float], float], low: float) -> float:
    """Fixed point by the secant method, or by Brent's if the faster secant method fails."""
    last, x = 0.1, map_of(0.1)
    slope, gap = -1.0, x - last
    for _ in range(_MOST_STEPS):
        behind, gap = gap, map_of(x) - x
        slope = (gap - behind) / (x - last) if x != last else slope
        if slope >= 0:
            break
        last, x = x, x - gap / slope
        if not low < x < 1:
            break
        if abs(x - last) <= _TOLERANCE * x:
            return float(x)
    if not map_of(low) > low:
        return 0.0
    return float(scipy.optimize.brentq(lambda h: map_of(h) - h, low, 1.0, xtol=_FLOOR, rtol=_TOLERANCE))


def _growth(cell: LSTM) -> float:
    """Factor of a vanishing mean square of h without input: i = o = 1/2, c at its sum of f^2."""
    forget = float(expit(cell.forget_bias))
    return float(cell.sigma_w) ** 2 / 16 / (1 - forget**2)


def _transfer(cell: LSTM, h: float) -> Transfer:
    w, g = float(cell.sigma_w) ** 2, float(cell.sigma_gate) ** 2
    rules, grid, p = _stationary(cell, h)
    f, share = rules.f
    o, do, weights = gate(0.0, float(cell.sigma_in) ** 2 + g * h)
    kept = grid.operator(f, share * f**2, rules.u)
    through_f = p * grid.c**2 @ grid.operator(f, share * (f * (1 - f)) ** 2, rules.u)
    through_i = p @ grid.operator(f, share, rules.u_input)
    through_g = p @ grid.operator(f, share, rules.u_candidate)
    to_h = np.append(g * (through_f + through_i) + w * through_g, g * (do**2 @ weights) * (p @ np.tanh(grid.c) ** 2))
    opened = (o**2 @ weights) / np.cosh(grid.c) ** 4
    matrix = np.vstack([np.column_stack([kept, np.zeros(grid.c.size)]) + np.outer(opened, to_h), to_h])
    # The gradient of the carried c excludes the path through h, whose factor is ``opened``.
    return Transfer(matrix, np.append(1 + opened, 1.0), np.append(p, 1 - p @ opened))
