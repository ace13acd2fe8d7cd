r"""Stream and gradient in depth through blocks of linear recurrences: norm, recurrence, gate, skip.

.. math:: x_{l+1} = x_l + \alpha\, g(W u)\, \Re(C h), \qquad h_t = \lambda h_{t-1} + b(\lambda)\, B u_t, \qquad
    u = x_l / \mathrm{rms}(x_l)

At infinite width all is in the correlations over time: of the stream, R, of the recurrence's
output, and of the gradient, G, summed over all pairs of steps at a distance. A recurrence filters
both alike, by the power of its units at each frequency. A gate multiplies the correlations by its
own, and its slope sends a gradient of its own past the recurrence:

.. math:: R_{l+1} = R_l + \alpha^2\, (k * \bar R_l)\, \Gamma(\bar R_l), \qquad
    G_l = G_{l+1} + \frac{\alpha^2}{q_l} \left[ k * (G_{l+1}\, \Gamma(\bar R_l))
    + G_{l+1}\, (k * \bar R_l)\, \Gamma'(\bar R_l) \right]

==========  ====================================================================  =============
symbol      meaning                                                               shape
==========  ====================================================================  =============
``power``   transform of k, k_j = E |b|^2 Re lambda^j / (1 - |lambda|^2)          (frequencies,)
``stream``  R by distance on a circle, R_0 = q                                    (steps,)
``unit``    R over q                                                              (steps,)
==========  ====================================================================  =============
"""

import dataclasses
import functools
from functools import partial
from typing import NamedTuple

import numpy as np
import scipy.special

from vgtheory.expect import expect, expect_number, expect_one_of
from vgtheory.networks.linear_recurrence import LinearRecurrence, Ring
from vgtheory.theory.arguments import asked, given
from vgtheory.theory.linear.units import units_of
from vgtheory.theory.precision import in_numpy

GATES = ("none", "sigmoid", "silu")
_MEMORIES, _LEAST, _MOST = 10.0, 6, 17
"""Length of the circle in memories of the slowest unit, and its powers of two."""
_NODES, _ORDER, _CHUNK = 200, 60, 256


class _Correlations(NamedTuple):
    """Coefficients of the powers of the correlation, for a gate and for its slope."""

    gate: np.ndarray
    slope: np.ndarray


@functools.lru_cache(maxsize=4)
def _gate(name: str) -> _Correlations:
    """Squares of the coefficients in normalised Hermite polynomials, by Mehler's formula."""
    if name == "none":
        return _Correlations(np.ones(1), np.zeros(1))
    z, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    weights = weights / weights.sum()
    open_, shut = scipy.special.expit(z), scipy.special.expit(-z)
    values = {"sigmoid": (open_, open_ * shut), "silu": (z * open_, open_ * (1 + z * shut))}[name]
    before, now = np.zeros_like(z), np.ones_like(z)
    found = np.empty((2, _ORDER))
    for n in range(_ORDER):
        found[:, n] = [(weights @ (each * now)) ** 2 for each in values]
        before, now = now, (z * now - n**0.5 * before) / (n + 1) ** 0.5
    return _Correlations(*found)


def _at(coefficients: np.ndarray, unit: np.ndarray) -> np.ndarray:
    return np.polynomial.polynomial.polyval(unit, coefficients)


def _power(net: LinearRecurrence, steps: int) -> np.ndarray:
    """Power of the output of units with a white input, at the frequencies of a real transform of so many steps."""
    law, units = net.eigenvalues, units_of(dataclasses.replace(net, correlation=0.0))
    if isinstance(law, Ring):  # its phases are averaged in closed form, distance by distance
        distances = np.arange(steps // 2 + 1)
        sizes = units.weights * np.exp(2 * units.log_scale - units.log_gap)
        phases = np.sinc(distances * float(law.max_phase) / np.pi)  # Re of the mean of exp(i j theta)
        half = sizes @ np.exp(np.outer(units.log_abs, distances)) * phases
        return np.fft.rfft(np.concatenate([half, half[-2:0:-1]])).real
    turn = 2 * np.pi * np.arange(steps // 2 + 1) / steps
    waves, eigenvalues = np.stack([np.cos(turn), np.sin(turn)]), units.eigenvalues
    sizes, total = units.weights * np.exp(2 * units.log_scale) / 2, np.zeros(turn.size)
    for first in range(0, sizes.size, _CHUNK):
        part = slice(first, first + _CHUNK)
        whole = 1 + np.exp(2 * units.log_abs[part])[:, None]
        for side in (1, -1):  # a real output sees both signs of a frequency
            parts = np.stack([eigenvalues[part].real, side * eigenvalues[part].imag], axis=1)
            total += sizes[part] @ (1 / (whole - 2 * parts @ waves))
    return total


def _steps_for(net: LinearRecurrence) -> int:
    """Length of the circle, or raise where the slowest unit remembers for longer than is followed."""
    slowest = float(np.max(units_of(dataclasses.replace(net, correlation=0.0)).log_abs))
    reach = 0.0 if slowest == -np.inf else _MEMORIES / max(-slowest, 1e-300)
    power = max(_LEAST, int(np.ceil(np.log2(max(reach, 1.0)))) + 1)
    words = f"memories below {int(2 ** (_MOST - 1) / _MEMORIES):,} steps"
    expect(slowest < 0 and power <= _MOST, "log_grad_blocks", words, net=net)
    return 1 << power


def _start(net: LinearRecurrence, steps: int) -> np.ndarray:
    """Correlations of the first stream, on the circle."""
    distances = np.minimum(np.arange(steps), steps - np.arange(steps))
    correlation = np.asarray(net.correlation, float)
    if correlation.ndim == 0:
        return np.where(distances == 0, 1.0, correlation ** distances.astype(float))
    words = f"at most {steps // 2 - 1} correlations"
    expect(correlation.size < steps // 2, "log_grad_blocks", words, correlation=correlation)
    return np.concatenate([[1.0], correlation, np.zeros(steps)])[distances]


class _Way(NamedTuple):
    """The stream's correlations before each block and after the last, and the recurrences' outputs."""

    streams: list[np.ndarray]
    outputs: list[np.ndarray]
    power: np.ndarray


def _filtered(correlations: np.ndarray, power: np.ndarray) -> np.ndarray:
    return np.fft.irfft(np.fft.rfft(correlations) * power, correlations.size)


def _forward(net: LinearRecurrence, depth: int, gate: str, alpha: float) -> _Way:
    steps = _steps_for(net)
    way = _Way([_start(net, steps)], [], _power(net, steps))
    for _ in range(depth):
        stream = way.streams[-1]
        unit = stream / stream[0]
        output = _filtered(unit, way.power)
        way.outputs.append(output)
        way.streams.append(stream + alpha**2 * output * _at(_gate(gate).gate, unit))
    return way


_checks = {"gate": partial(expect_one_of, GATES), "alpha": given(partial(expect_number, interval="[0, 1e6]", ndim=0))}


@asked(**_checks)
@in_numpy
def log_q_blocks(net: LinearRecurrence, *, depth: int, gate: str = "none", alpha: float = 1.0) -> np.ndarray:
    r"""Log of the stream's mean square through blocks of a linear recurrence.

    .. math:: x_{l+1} = x_l + \alpha\, g(W u)\, \Re(C h), \qquad u = x_l / \mathrm{rms}(x_l)

    A recurrence that averages slow inputs makes a large output of them, and the stream becomes slower
    with every block. With LRU's gamma, a ring of all phases and a white input, q grows by alpha^2 per
    block.

    Parameters
    ----------
    net
        A ``LinearRecurrence``: eigenvalues and factor of the input of every block, which are drawn
        anew, and the correlation of the first stream, of mean square 1.
    depth
        Number of blocks.
    gate
        ``"none"``; or ``"sigmoid"`` or ``"silu"`` of a projection of u, by which the recurrence's output
        is multiplied.
    alpha
        Factor of every branch, from 0 to 1e6.

    Returns
    -------
    numpy.ndarray
        Natural log of a mean square before each block and after the last, shape ``(depth + 1,)``.

    Notes
    -----
    Accuracy: 1e-4.
    Assumes: infinite width; B, C and W of independent normal entries, scaled so that each map keeps
    the mean square (a unit's output has that of its state); a state that has forgotten its start; an
    RMS norm, as at initialisation.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import LinearRecurrence, Ring, theory
    >>> net = LinearRecurrence(Ring(0.9, 0.99), "gamma")
    >>> np.exp(theory.linear.log_q_blocks(net, depth=3)).round(3).tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    return np.log([stream[0] for stream in _forward(net, depth, gate, float(alpha)).streams])


@asked(**_checks)
@in_numpy
def log_grad_blocks(net: LinearRecurrence, *, depth: int, gate: str = "none", alpha: float = 1.0) -> np.ndarray:
    r"""Log-norm of the gradient with respect to the stream before each block of a linear recurrence.

    .. math:: \ln \sqrt{E \sum_t \left| \frac{\partial E}{\partial x_l(t)} \right|^2 \Big/ \sum_t
        \left| \frac{\partial E}{\partial x_L(t)} \right|^2}

    The loss sees the last step alone, or sees many in unrelated ways. The norm divides a branch's
    gradient by the size of the stream, which has grown with every block: the gradient then grows
    as a power of the depth, not as an exponential.

    Parameters
    ----------
    net, depth, gate, alpha
        As for ``log_q_blocks``.

    Returns
    -------
    numpy.ndarray
        Natural log of a norm over all steps and units, relative to the one after the last block; shape
        ``(depth + 1,)``.

    Notes
    -----
    Accuracy: 1e-4.
    Assumes: as ``log_q_blocks``, and a gradient at the top that does not know the weights and whose
    steps are many memories away from the first.

    Examples
    --------
    >>> from vgtheory import LinearRecurrence, Ring, theory
    >>> net = LinearRecurrence(Ring(0.9, 0.99), "gamma")
    >>> theory.linear.log_grad_blocks(net, depth=3).round(3).tolist()  # half of ln(4 / (l + 1))
    [0.693, 0.347, 0.144, 0.0]
    """
    way = _forward(net, depth, gate, float(alpha))
    gradient = np.zeros_like(way.streams[0])
    gradient[0], logs = 1.0, [0.0]
    scale = 0.0
    for stream, output in zip(way.streams[-2::-1], way.outputs[::-1], strict=True):
        unit = stream / stream[0]
        through = _filtered(gradient * _at(_gate(gate).gate, unit), way.power)
        beside = gradient * output * _at(_gate(gate).slope, unit)
        gradient = gradient + float(alpha) ** 2 / stream[0] * (through + beside)
        scale += float(np.log(gradient[0]))
        gradient = gradient / gradient[0]
        logs.append(scale)
    return np.asarray(logs[::-1]) / 2


__all__ = ["GATES", "log_grad_blocks", "log_q_blocks"]
