"""Memory of a recurrent cell, with one set of weights or one for every step."""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize
from scipy.special import expit, logit

from vgtheory.estimate import Estimate
from vgtheory.expect import expect
from vgtheory.networks.cells import GRU, LSTM, MGU, Cell, Leaky, MinimalRNN, Skip
from vgtheory.theory.arguments import asked, one_positive
from vgtheory.theory.cells.tied import solved
from vgtheory.theory.cells.untied import chi_step, log_grad_steps, plain_cell
from vgtheory.theory.precision import in_numpy

_FREE = {Leaky: "leak", GRU: "update_bias", MGU: "forget_bias", LSTM: "forget_bias", MinimalRNN: "update_bias"}
_LARGEST_BIAS = 15.0
_LONGEST = 150
_RESOLVED = 2.0
"""Standard errors by which the change over the longest way must differ from none."""


@asked(noise=True)
@in_numpy
def tied_grad_steps(
    cell: Cell, *, steps: int, burn_in: int = 200, num_paths: int = 4096, num_sets: int = 4
) -> Estimate:
    """Log-norm of the gradient through a cell that re-uses its weights at every step.

    This is dynamical mean-field theory, solved on sampled paths. The inputs of the gates persist as
    the state does, so that the gradient differs from ``log_grad_steps``, the more so the longer the
    cell's memory.

    Parameters
    ----------
    cell
        A ``Leaky``, ``Skip``, ``GRU``, ``MGU``, ``LSTM`` or ``MinimalRNN`` with plain numbers.
    steps
        Number of steps to go back, >= 1.
    burn_in
        Number of steps before these, from a state of standard deviation 0.1.
    num_paths
        Number of paths on which the two covariances are solved, even.
    num_sets
        Number of sets of paths, >= 2, whose scatter gives the error.

    Returns
    -------
    Estimate
        Natural log of the norm at t = 0 ... steps, shape ``(steps + 1,)``; ``err`` is the standard
        error of the numerical solution. NaN for a cell that comes to rest (most cells without a
        drive), whose fields repeat until their covariance has no inverse.

    Notes
    -----
    Accuracy: ``err``, which falls as the root of ``num_paths`` times ``num_sets``. The random
    numbers of the paths are fixed.
    Assumes: infinite width; at the last step a gradient of independent entries of equal size,
    independent of the weights. Gaussian and orthogonal weights then have one law. At finite width
    orthogonal ones lie nearer to it: of driven GRUs, MGUs and LSTMs of 64 units, thirty steps back,
    the mean log lies 0.03 to 0.06 from the law (Gaussian: 0.06 to 0.15), and the log scatters by 0.3
    to 0.37 (0.43 to 0.52) from network to network. For ``Leaky("tanh", 1.5, sigma_in=0.8, leak=0.4)``
    it lies 0.16 below (Gaussian: 0.70). These gaps fall as 1 / width.

    References
    ----------
    Sompolinsky, Crisanti and Sommers (1988), Physical Review Letters 61, 259; Krishnamurthy, Can
    and Schwab (2022), arXiv:2007.14823 (gates).

    Examples
    --------
    >>> from vgtheory import LSTM, theory
    >>> cell = LSTM(sigma_in=0.5, forget_bias=1.0)
    >>> profile = theory.cells.tied_grad_steps(cell, steps=20, burn_in=40, num_paths=512)
    >>> round(float(profile.value[-1]))  # -6 with new weights at every step
    -3
    """
    expect(num_sets >= 2, "tied_grad_steps", "at least two sets of paths", num_sets=num_sets)
    expect(num_paths >= 2 and num_paths % 2 == 0, "tied_grad_steps", "an even number of paths", num_paths=num_paths)
    if isinstance(cell, Skip) or (isinstance(cell, Leaky) and cell.leak == 1):
        return Estimate(log_grad_steps(cell, steps=steps), np.zeros(steps + 1))
    profiles = np.stack(
        [solved(plain_cell("tied_grad_steps", cell), steps, burn_in, num_paths, k)[0] for k in range(num_sets)]
    )
    return Estimate(profiles.mean(axis=0), profiles.std(axis=0, ddof=1) / num_sets**0.5)


def _tied_rate(cell: Cell, memory: float) -> tuple[float, float, int]:
    """Log-factor per step of the norm over the later half of two memories, its error at most, and that half's steps."""
    steps = int(np.clip(2 * memory, 40, _LONGEST))
    log = tied_grad_steps(cell, steps=steps, burn_in=2 * steps, num_paths=1024, num_sets=4)
    half = steps // 2
    err = np.hypot(log.err[-1], log.err[half])
    return float(log.value[-1] - log.value[half]) / (steps - half), float(err) / (steps - half), steps - half


def _unresolved(rate: float, err: float, steps: int) -> str:
    """Why there is no memory to be told, in a sentence."""
    if np.isnan(rate):
        return "memory_steps: this cell comes to rest and shared weights give no rate; sigma_in > 0 keeps it moving."
    least = 1 / (abs(rate) + _RESOLVED * err)
    return (
        f"memory_steps: over the last {steps} steps that were solved for the log-gradient changes by "
        f"{rate * steps:.2f} +- {err * steps:.2f}, which is not told from 0; the memory is longer than some "
        f"{least:.0f} steps. tied_grad_steps gives the whole way."
    )


@asked(noise=True)
@in_numpy
def memory_steps(cell: Cell, *, tied: bool = False) -> float:
    r"""Memory of a cell: number of steps over which its gradient changes by a factor e.

    .. math:: T = \frac{2}{|\ln \chi|}

    Parameters
    ----------
    cell
        A ``Leaky``, ``Skip``, ``GRU``, ``MGU``, ``LSTM`` or ``MinimalRNN`` with plain numbers.
    tied
        Whether one set of weights is used at all steps, as in a real cell (``tied_grad_steps``, up
        to a hundred steps).

    Returns
    -------
    float
        Steps, of decay or of growth (``log_grad_steps`` and ``tied_grad_steps`` tell which); inf for
        a factor of one, 0 where no gradient is left after one step. Tied, NaN with a warning that
        says how long it is at least, where a hundred steps do not tell the change from none; and
        NaN for a cell that comes to rest (most without ``sigma_in``).

    Notes
    -----
    Accuracy: that of ``chi_step``, times the memory squared; tied, some per cent.
    Assumes: as ``chi_step``, or ``tied_grad_steps``. A real cell has one set of weights and remembers
    longer than the default says: that of the example more than some 290 steps, not 17.

    Examples
    --------
    >>> from vgtheory import LSTM, theory
    >>> round(theory.cells.memory_steps(LSTM(sigma_in=1.0, forget_bias=3.0)), 1)
    17.0
    """
    chi = chi_step(cell)
    if chi == 0:
        return 0.0
    rate = abs(float(np.log(chi))) / 2
    if tied and rate > 0:
        first = abs(_tied_rate(cell, 1 / rate)[0])
        found, err, steps = _tied_rate(cell, 1 / first) if first > 0 else (first, 0.0, 0)
        rate = abs(found) if abs(found) >= _RESOLVED * err else float("nan")
        if np.isnan(rate):
            warnings.warn(_unresolved(found, err, steps), stacklevel=4)
    return float("inf") if rate == 0 else 1 / rate


@asked(noise=True, memory=one_positive)
@in_numpy
def cell_with_memory(cell: Cell, memory: float, *, tied: bool = False) -> Cell:
    r"""The cell with its forget bias, update bias or leak set for a wanted memory.

    Without recurrent weights and noise the bias is :math:`b = -\ln(e^{1/T} - 1) \approx \ln T`.

    Parameters
    ----------
    cell
        A ``Leaky``, ``GRU``, ``MGU``, ``LSTM`` or ``MinimalRNN`` with plain numbers.
    memory
        Wanted ``memory_steps`` T > 0, on the side where gradients vanish.
    tied
        As in ``memory_steps``; it takes some ten seconds.

    Returns
    -------
    Cell
        A cell of the class of ``cell``.

    Raises
    ------
    ValueError
        If no bias from -15 to 15 (leak from 1e-6 to 1) gives that memory.

    Notes
    -----
    Accuracy: 1e-6 relative in the memory; tied, some per cent.
    Assumes: as ``memory_steps``.

    Examples
    --------
    >>> from vgtheory import GRU, theory
    >>> round(theory.cells.cell_with_memory(GRU(sigma_in=1.0), 100.0).update_bias, 2)
    5.07
    """
    name = _FREE.get(type(cell))
    expect(name is not None, "cell_with_memory", "a cell with a bias to set", cell=type(cell).__name__)
    expect(bool(np.isfinite(memory)) and memory > 0, "cell_with_memory", "a finite memory > 0", memory=memory)

    def make(x: float) -> Cell:
        changed: dict[str, Any] = {str(name): float(expit(x)) if name == "leak" else float(x)}
        return dataclasses.replace(cell, **changed)

    rate = (lambda x: _tied_rate(make(x), memory)[0]) if tied else (lambda x: float(np.log(chi_step(make(x)))) / 2)
    excess = lambda x: rate(x) + 1 / memory
    guess = float(logit(np.clip(np.exp(-1 / memory), 1e-12, 1 - 1e-12))) * (-1 if name == "leak" else 1)
    low, high = _bracket(excess, float(np.clip(guess, -_LARGEST_BIAS, _LARGEST_BIAS)))
    reached = bool(excess(low) * excess(high) <= 0)
    expect(reached, "cell_with_memory", f"a memory that some {name} gives", "Try other weights.", memory=memory)
    return make(scipy.optimize.brentq(excess, low, high, xtol=1e-3 if tied else 1e-9))


def _bracket(excess: Callable[[float], float], guess: float) -> tuple[float, float]:
    """Two places around the guess between which the sign changes, or the two ends."""
    here, reach = excess(guess), 0.5
    while True:
        ends = (max(guess - reach, -_LARGEST_BIAS), min(guess + reach, _LARGEST_BIAS))
        for end in ends:
            if excess(end) * here <= 0:
                return min(guess, end), max(guess, end)
        if ends == (-_LARGEST_BIAS, _LARGEST_BIAS):
            return ends
        reach *= 2
