r"""Cells with one set of weights: dynamical mean-field theory, solved on paths.

At infinite width a unit receives Gaussian fields from all others, whose covariance between steps is
that of the others' outputs. Its gradient receives Gaussian fields of its own, independent of those,
whose covariance is that of the others' gradients:

.. math:: E[\xi_k(t) \xi_k(s)] = \sigma_k^2\, E[h(t-1)\, h(s-1)] + \sigma_{in}^2 \delta_{ts}, \quad
    E[\eta(t) \eta(s)] = \sum_k \sigma_k^2\, E[\delta_k(t+1)\, \delta_k(s+1)]

Here :math:`\delta_k` is the gradient with respect to the k-th field. Both sides are found together,
step by step, on a set of paths. Each new value of a field is a combination of fixed normal numbers
by one more row of the covariance's Cholesky factor. With independent weights at every step only t =
s counts, and ``untied`` needs no paths.

The same holds for a matrix O of Haar's law. The average of exp(N tr O A) over O depends on the
singular values of A alone, which pairs what O is applied to with the conjugates of its results. At
the saddle point the overlaps of conjugates among themselves vanish, and of all terms of the logarithm
only the first, tr A A^T, which is Gaussian weights' too, has a derivative there.

==========  ==========================================  =================
symbol      meaning                                     shape
==========  ==========================================  =================
``state``   state of each path: one variable, or two    tuple of (paths,)
``fields``  k-th pre-activation of each path            list of (paths,)
``out``     output of a state                           (paths,)
``kept``    values needed by the backward pass          tuple of (paths,)
==========  ==========================================  =================
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.linalg
from scipy.special import expit

from vgtheory.networks.cells import GRU, LSTM, MGU, Cell, Leaky, MinimalRNN
from vgtheory.theory.precision import in_float64

_JITTER = 1e-9
"""Least share of a field's variance that is new at a step, for the factor of a constant field."""
_LOST = 1e-3
"""Share of a field's variance by which rounding may exceed it before the field is lost."""
_TINY = 1e-200
_START = 0.1
Paths = tuple[np.ndarray, ...]


class Field(NamedTuple):
    """Standard deviations of a pre-activation (recurrent, input, constant), and its mean."""

    recurrent: float
    inside: float
    fixed: float = 0.0
    mean: float = 0.0


class Unit(NamedTuple):
    """One unit: fields, number of variables, step, transpose of the step, output and its slope."""

    fields: list[Field]
    size: int
    step: Callable[[Paths, list[np.ndarray]], tuple[Paths, Paths]]
    back: Callable[[Paths, Paths], tuple[Paths, list[np.ndarray]]]
    out: Callable[[Paths], np.ndarray] = lambda state: state[-1]
    slope: Callable[[Paths], np.ndarray] = lambda state: np.ones_like(state[-1])


def _lstm(cell: LSTM) -> Unit:
    w, g, drive = float(cell.sigma_w), float(cell.sigma_gate), float(cell.sigma_in)

    def step(state: Paths, x: list[np.ndarray]) -> tuple[Paths, Paths]:
        i, f, o, n = expit(x[0]), expit(x[1]), expit(x[3]), np.tanh(x[2])
        c = f * state[0] + i * n
        seen = np.tanh(c)
        return (c, o * seen), (state[0], i, f, n, o, seen)

    def back(above: Paths, kept: Paths) -> tuple[Paths, list[np.ndarray]]:
        c, i, f, n, o, seen = kept
        total = above[0] + o * (1 - seen**2) * above[1]
        through = [
            total * n * i * (1 - i),
            total * c * f * (1 - f),
            total * i * (1 - n**2),
            above[1] * seen * o * (1 - o),
        ]
        return (total * f, np.zeros_like(f)), through

    gates = [Field(g, drive), Field(g, drive, 0.0, float(cell.forget_bias)), Field(w, drive), Field(g, drive)]
    return Unit(gates, 2, step, back)


def _gru(cell: GRU) -> Unit:
    w, g, drive = float(cell.sigma_w), float(cell.sigma_gate), float(cell.sigma_in)

    def step(state: Paths, x: list[np.ndarray]) -> tuple[Paths, Paths]:
        (h,), r, z = state, expit(x[0]), expit(x[1])
        n = np.tanh(x[3] + r * x[2])
        after = (1 - z) * n + z * h
        return (after,), (h, r, z, n, x[2])

    def back(above: Paths, kept: Paths) -> tuple[Paths, list[np.ndarray]]:
        (down,), (h, r, z, n, m) = above, kept
        inner = down * (1 - z) * (1 - n**2)
        return (down * z,), [inner * m * r * (1 - r), down * (h - n) * z * (1 - z), inner * r, inner]

    fields = [Field(g, drive), Field(g, drive, 0.0, float(cell.update_bias)), Field(w, 0.0), Field(0.0, drive)]
    return Unit(fields, 1, step, back)


def _mgu(cell: MGU) -> Unit:
    w, g, drive = float(cell.sigma_w), float(cell.sigma_gate), float(cell.sigma_in)

    def step(state: Paths, x: list[np.ndarray]) -> tuple[Paths, Paths]:
        (h,), f = state, expit(x[0])
        n = np.tanh(x[2] + f * x[1])
        after = (1 - f) * n + f * h
        return (after,), (h, f, n, x[1])

    def back(above: Paths, kept: Paths) -> tuple[Paths, list[np.ndarray]]:
        (down,), (h, f, n, m) = above, kept
        inner = down * (1 - f) * (1 - n**2)
        return (down * f,), [(down * (h - n) + inner * m) * f * (1 - f), inner * f, inner]

    fields = [Field(g, drive, 0.0, float(cell.forget_bias)), Field(w, 0.0), Field(0.0, drive)]
    return Unit(fields, 1, step, back)


def _minimal(cell: MinimalRNN) -> Unit:
    drive = float(cell.sigma_in)

    def step(state: Paths, x: list[np.ndarray]) -> tuple[Paths, Paths]:
        (h,), u, z = state, expit(x[0]), x[1]
        return (u * h + (1 - u) * z,), (h, u, z)

    def back(above: Paths, kept: Paths) -> tuple[Paths, list[np.ndarray]]:
        (down,), (h, u, z) = above, kept
        return (down * u,), [down * (h - z) * u * (1 - u), np.zeros_like(u)]

    gate = Field(float(cell.sigma_w), float(cell.sigma_v) * drive, 0.0, float(cell.update_bias))
    return Unit([gate, Field(0.0, drive)], 1, step, back)


def _leaky(cell: Leaky) -> Unit:
    leak = float(cell.leak)
    phi, dphi = (
        in_float64(lambda h, each=each: each(jnp.asarray(h))) for each in (cell.activation.phi, cell.activation.dphi)
    )

    def step(state: Paths, x: list[np.ndarray]) -> tuple[Paths, Paths]:
        return ((1 - leak) * state[0] + leak * x[0],), ()

    def back(above: Paths, kept: Paths) -> tuple[Paths, list[np.ndarray]]:
        return ((1 - leak) * above[0],), [leak * above[0]]

    field = Field(float(cell.sigma_w), float(cell.sigma_in), float(cell.sigma_b))
    return Unit([field], 1, step, back, lambda state: phi(state[0]), lambda state: dphi(state[0]))


_UNITS: dict[type, Callable[[Any], Unit]] = {LSTM: _lstm, GRU: _gru, MGU: _mgu, Leaky: _leaky, MinimalRNN: _minimal}


class _Gaussian:
    """A Gaussian process grown one step at a time on all paths."""

    def __init__(self, steps: int, paths: int, rng: np.random.Generator) -> None:
        self.lower = np.zeros((steps, steps))
        self.normals = np.empty((steps, paths))
        self.rng, self.length = rng, 0

    def next(self, covariance: np.ndarray) -> np.ndarray:
        """The next value, given its covariance with all before and its variance, last."""
        t, self.length = self.length, self.length + 1
        row = self.lower[t]
        if t and not self.lower[:t].diagonal().all():
            row[:t] = np.nan
        elif t:
            row[:t] = scipy.linalg.solve_triangular(self.lower[:t, :t], covariance[:t], lower=True, check_finite=False)
        left = covariance[t] - row[:t] @ row[:t]
        if left < -_LOST * covariance[t]:
            left = np.nan
        row[t] = np.maximum(left, max(_JITTER * covariance[t], _TINY)) ** 0.5
        half = self.normals.shape[1] // 2
        self.normals[t, :half] = self.rng.standard_normal(half)
        self.normals[t, half:] = -self.normals[t, :half]
        return row[: t + 1] @ self.normals[: t + 1]


class _Forward(NamedTuple):
    """For each step, values for the backward pass, slope of the output, and mean square."""

    kept: list[Paths]
    slopes: list[np.ndarray]
    squares: np.ndarray


def _forward(
    unit: Unit, state: Paths, steps: int, rng: np.random.Generator, given: list[np.ndarray] | None = None
) -> _Forward:
    """From a state on; the fields' inputs are white noise unless they are given, shape (steps, paths) each."""
    paths = state[-1].size
    fields = [_Gaussian(steps, paths, rng) for _ in unit.fields]
    outs, seen = np.empty((steps + 1, paths)), np.zeros((steps + 1, steps + 1))
    outs[0] = unit.out(state)
    seen[0, 0] = np.mean(outs[0] ** 2)
    kept, slopes, squares = [], [unit.slope(state)], []
    for t in range(steps):
        values = []
        for k, (field, process) in enumerate(zip(unit.fields, fields, strict=True)):
            covariance = field.recurrent**2 * seen[t, : t + 1] + field.fixed**2
            covariance[t] += field.inside**2 if given is None else 0.0
            known = 0.0 if given is None else field.inside * given[k][t]
            values.append(field.mean + known + process.next(covariance))
        state, needed = unit.step(state, values)
        kept.append(needed)
        slopes.append(unit.slope(state))
        squares.append(float(np.mean(state[-1] ** 2)))
        outs[t + 1] = unit.out(state)
        seen[t + 1, : t + 2] = outs[: t + 2] @ outs[t + 1] / paths
    return _Forward(kept, slopes, np.asarray(squares))


def _backward(unit: Unit, way: _Forward, above: Paths, steps: int, rng: np.random.Generator) -> np.ndarray:
    """ln of the gradient's root mean square, t steps before the last over at the last."""
    paths = above[-1].size
    process = _Gaussian(steps, paths, rng)
    weights = [field.recurrent**2 for field in unit.fields]
    sent, scale = np.zeros((len(weights), steps, paths)), 0.0
    size_of = lambda parts: float(np.sqrt(sum(np.mean(part**2) for part in parts)))
    logs = [float(np.log(size_of(above)))]
    for j in range(steps):
        step = len(way.kept) - 1 - j
        below, through = unit.back(above, way.kept[step])
        covariance = np.zeros(j + 1)
        for k, weight in enumerate(weights):
            sent[k, j] = through[k]
            covariance += weight * (sent[k, : j + 1] @ sent[k, j]) / paths
        field = process.next(covariance) * way.slopes[step] if any(weights) else 0.0
        above = (*below[:-1], below[-1] + field)
        size = size_of(above)
        logs.append(scale + np.log(size) if size else -np.inf)
        if 0 < size < 1e-6 or size > 1e6:
            above, scale = tuple(part / size for part in above), scale + float(np.log(size))
            sent, process.lower = sent / size, process.lower / size
    return np.asarray(logs) - logs[0]


def solved(cell: Cell, steps: int, burn_in: int, paths: int, seed: int) -> tuple[np.ndarray, float]:
    """Log-profile of the gradient, shape ``(steps + 1,)``, and mean square of the output.

    The mean square is that of the last ``steps`` steps, after ``burn_in`` steps.
    """
    rng = np.random.default_rng(seed)
    unit = unit_of(cell)
    normals = lambda scale: tuple(scale * rng.standard_normal(paths) for _ in range(unit.size))
    way = _forward(unit, normals(_START), burn_in + steps, rng)
    return _backward(unit, way, normals(1.0), steps, rng), float(np.mean(way.squares[-steps:]))


def unit_of(cell: Cell) -> Unit:
    """One unit of a cell with plain numbers."""
    return _UNITS[type(cell)](cell)


def solved_reading(unit: Unit, inputs: list[np.ndarray], seed: int) -> np.ndarray:
    """Log-profile of the gradient of a random projection of the last output, shape ``(steps,)``.

    The cell starts from zeros and reads a given sequence. ``inputs`` holds the input of each of the
    unit's fields on each path over the field's ``inside``, shape ``(steps, paths)``. The gradient
    is the one with respect to the whole state, t steps before the last, t = 0 ... steps - 1.
    """
    rng = np.random.default_rng(seed)
    steps, paths = inputs[0].shape
    rest: Paths = (np.zeros(paths),) * unit.size
    way = _forward(unit, rest, steps, rng, inputs)
    return _backward(unit, way, (*rest[1:], np.asarray(rng.standard_normal(paths))), steps - 1, rng)
