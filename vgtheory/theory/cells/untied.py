"""Recurrent cells with independent weights at every step: growth factor of the gradient."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from vgtheory.expect import expect
from vgtheory.networks.cells import CELLS, GRU, LSTM, MGU, WORDS, Cell, Leaky, MinimalRNN, Skip
from vgtheory.networks.noise import undropped
from vgtheory.theory.arguments import asked
from vgtheory.theory.cells import moments
from vgtheory.theory.cells.lstm import lstm
from vgtheory.theory.cells.moments import Transfer
from vgtheory.theory.precision import in_numpy

_LAWS: dict[type, Callable[[Any], tuple[float, Transfer]]] = {
    Leaky: moments.leaky,
    Skip: moments.skip,
    GRU: moments.gru,
    MGU: moments.mgu,
    LSTM: lstm,
    MinimalRNN: moments.minimal,
}


@functools.lru_cache(maxsize=256)
def _solved(cell: Cell) -> tuple[float, Transfer]:
    return _LAWS[type(cell)](cell)


def plain_cell(where: str, cell: Any) -> Cell:
    """The cell with Python floats and without dropout, after checking that its numbers are plain."""
    names = [kind.__name__ for kind in CELLS]
    expect(isinstance(cell, CELLS), where, f"a cell, one of {names}", cell=type(cell).__name__)
    numbers = {name: value for name, value in vars(cell).items() if name not in WORDS}
    for name, value in numbers.items():
        plain = np.ndim(value) == 0 and isinstance(value, int | float | np.number)
        expect(plain, where, f"a plain number {name}", "Call it once for each.", **{name: value})
    return undropped(dataclasses.replace(cell, **{name: float(value) for name, value in numbers.items()}))


def _law(where: str, cell: Any) -> tuple[float, Transfer]:
    return _solved(plain_cell(where, cell))


@asked(noise=True)
@in_numpy
def q_state(cell: Cell) -> float:
    """Mean square of the hidden state of a cell in its stationary state.

    .. math:: H = E[h_t^2]

    Parameters
    ----------
    cell
        A ``Leaky``, ``Skip``, ``GRU``, ``MGU``, ``LSTM`` or ``MinimalRNN`` with plain numbers.

    Returns
    -------
    float
        In the unit of ``h`` squared (``Leaky`` and ``Skip``: before the activation).

    Notes
    -----
    Accuracy: 1e-11 relative (LSTM: 1e-9), however small.
    Assumes: infinite width; independent weights at every step (see ``chi_step``).

    Examples
    --------
    >>> from vgtheory import GRU, theory
    >>> round(theory.cells.q_state(GRU(sigma_w=1.0, sigma_in=1.0, update_bias=2.0)), 4)
    0.0601
    """
    return _law("q_state", cell)[0]


@asked(noise=True)
@in_numpy
def chi_step(cell: Cell) -> float:
    r"""Squared-gradient growth factor per step of a cell in its stationary state.

    For ``Leaky`` it is :math:`(1 - a)^2 + a^2 \sigma_w^2 E[\phi'^2]`. For ``Skip`` it is the root
    of :math:`1 = \chi_w / \chi + \chi_v / \chi^s`. For ``GRU``, and likewise for ``MGU``, with
    :math:`\dot z` the gate's slope,

    .. math:: \chi = E[z^2] + \sigma_g^2 E[\dot z^2]\,(E[h^2] + E[n^2])
        + E[(1 - z)^2] \left( \sigma_w^2 E[\dot n^2 r^2]
        + \sigma_g^2 E[\dot n^2 \dot r^2 (W_n h)^2] \right)

    For ``MinimalRNN`` it is :math:`E[u^2] + \sigma_w^2 E[\dot u^2] (E[h^2] + E[z^2])`. For ``LSTM`` it
    is the leading eigenvalue of an operator on functions of the cell's content, on
    which the mean squared gradient depends.

    Parameters
    ----------
    cell
        As in ``q_state``.

    Returns
    -------
    float
        Factor per step of the squared norm.

    Notes
    -----
    Accuracy: 1e-10 (LSTM: 1e-9, for a memory of up to some hundred steps).
    Assumes: infinite width and independent weights at every step, for which the law is exact. With
    weak mixing and strong decay, for instance sigma_w = 0.5 and no bias, a few units dominate the
    mean, and a measurement needs tens of thousands of units. A real cell re-uses its weights. The
    law is then still exact for ``Leaky`` with ``leak=1`` and for ``Skip``, whose state is new at
    every step, and without recurrent weights. In every other cell the inputs of the gates persist
    as the state does, and ``tied_grad_steps`` is the law. At infinite width the kind of the weights
    makes no difference: of matrices of Haar's law, too, the fields and gradients see the variance
    alone. With dropout they see scales divided by :math:`\sqrt{1 - p}`, whether the masks are one's of
    a sequence, of a gate or of a step.

    References
    ----------
    Chen, Pennington and Schoenholz (2018), arXiv:1806.05394; Gilboa et al. (2019), arXiv:1901.08987
    (their LSTM is closed by an approximation, this one is not).

    Examples
    --------
    >>> from vgtheory import LSTM, theory
    >>> [round(theory.cells.chi_step(LSTM(sigma_in=1.0, forget_bias=b)), 3) for b in (0.0, 3.0)]
    [0.331, 0.889]
    """
    return float(np.max(np.abs(np.linalg.eigvals(_law("chi_step", cell)[1].matrix))))


@asked(noise=True)
@in_numpy
def log_grad_steps(cell: Cell, *, steps: int) -> np.ndarray:
    r"""Log-norm of the gradient with respect to the whole state, relative to the last step.

    .. math:: \tfrac12 \ln \frac{E|\partial E / \partial s_{T-t}|^2}{E|\partial E / \partial s_T|^2}

    The state s of an LSTM consists of cell and hidden state.

    Parameters
    ----------
    cell
        As in ``q_state``.
    steps
        Number of steps to go back, >= 1.

    Returns
    -------
    numpy.ndarray
        Natural log at t = 0 ... steps, shape ``(steps + 1,)``.

    Notes
    -----
    Accuracy: that of ``chi_step``, per step.
    Assumes: as ``chi_step``; at the last step a gradient of independent entries of one size,
    independent of the weights.

    Examples
    --------
    >>> from vgtheory import Leaky, theory
    >>> net = Leaky("linear", sigma_w=0.0, leak=0.5)
    >>> theory.cells.log_grad_steps(net, steps=2).round(4).tolist()
    [0.0, -0.6931, -1.3863]
    """
    matrix, vector, readout = _law("log_grad_steps", cell)[1]
    logs, scale = [np.log(readout @ vector)], 0.0
    for _ in range(steps):
        vector = matrix @ vector
        size = np.max(np.abs(vector))
        if not size > 0:
            return np.concatenate([logs, np.full(steps + 1 - len(logs), -np.inf)]) / 2 - logs[0] / 2
        vector, scale = vector / size, scale + np.log(size)
        logs.append(scale + np.log(readout @ vector))
    return (np.asarray(logs) - logs[0]) / 2
