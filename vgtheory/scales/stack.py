r"""Scales of a residual stack: the last kernels of all branches share one factor.

A stream plus a branch of gain G times alpha multiplies the squared gradient by 1 + alpha^2 G^2.
Over L branches the gradient's norm grows by exp(L alpha^2 G^2 / 2), and so by e^(1/4) for alpha =
1 / (G sqrt(2 L)). The gain is not computed: the factor is found by measuring this growth.
"""

from typing import Any, NamedTuple

import numpy as np

from vgtheory.scales.model import scaled
from vgtheory.scales.passes import Passes, Rung, Seen

_GROWTH = 0.25
"""Log of the growth of gradient and stream from end to end."""
_TINY = (1e-4, 1e-6)
_UNCHANGED = 0.1
_HALVINGS = 14


class Stack(NamedTuple):
    """A residual stack.

    Attributes
    ----------
    stem
        The layer that starts the stream; None if the input itself does.
    ends
        Last layer of each branch, first to last.
    """

    stem: Rung | None
    ends: list[Rung]


def _shrunk(leaves: list[Any], ends: list[Rung], factor: float) -> list[Any]:
    """Parameters with the branches' last kernels (and biases) times a factor."""
    which = {leaf for rung in ends for leaf in (rung.kernel, rung.bias) if leaf is not None}
    return [scaled(leaf, factor) if j in which else leaf for j, leaf in enumerate(leaves)]


def _outlives(passes: Passes, ends: list[Rung]) -> bool:
    """Whether the gradient gets from top to bottom without the branches."""
    low, high = passes.rungs[0].row, passes.rungs[-1].row
    logs = [passes(_shrunk(passes.start, ends, factor)).log_grad for factor in _TINY]
    totals = [float(each[low] - each[high]) for each in logs]
    return bool(np.all(np.isfinite(totals)) and abs(totals[0] - totals[1]) < _UNCHANGED)


def stack_of(passes: Passes) -> Stack | None:
    """The residual stack that a model is, judged by its gradient when the branches are taken out; or None."""
    rungs = passes.rungs
    branching = [k for k, rung in enumerate(rungs) if rung.link == "skips" and rung.kernel is not None]
    if not branching or len(rungs) < 3:
        return None
    top = branching[-1]
    same = [k for k in range(top + 1, len(rungs) - 1) if rungs[k].features == rungs[top].features]
    places = branching + [k for k in same[-1:] if rungs[k].kernel is not None]
    if places[0] > 0 and _outlives(passes, ends := [rungs[k] for k in places]):
        return Stack(None, ends)
    ends = [rungs[k] for k in places[1:]]
    return Stack(rungs[places[0]], ends) if ends and _outlives(passes, ends) else None


def _growth(passes: Passes, stack: Stack, seen: Seen) -> float:
    """Larger log of the two growths from end to end; the stream's as a sum of independent branches."""
    bottom = (stack.stem or passes.rungs[0]).row
    rows = [rung.row for rung in stack.ends]
    gradient = abs(float(seen.log_grad[bottom] - seen.log_grad[rows[-1]]))
    start = seen.log_rms[bottom] if stack.stem is not None else seen.log_rms[rows[0]]
    stream = float(np.log1p(np.sum(np.exp(2 * (seen.log_rms[rows] - start)))) / 2)
    both = max(gradient, stream)
    return both if np.isfinite(both) else float("inf")


def balanced(passes: Passes, stack: Stack) -> tuple[list[Any], Seen, float]:
    """Parameters with unit stream at the stem, weaker branches and a top layer that keeps the gradient.

    Parameters
    ----------
    passes
        The model.
    stack
        From ``stack_of``.

    Returns
    -------
    tuple
        Parameters, the pass with them, and the factor of the branches' last kernels, at most 1.
    """
    leaves, kernels = list(passes.start), [rung.kernel for rung in passes.rungs]
    seen, stem, top = passes(leaves), stack.stem, passes.rungs[-1]
    if stem is not None and stem.kernel is not None and kernels.count(stem.kernel) == 1:
        leaves[stem.kernel] = scaled(leaves[stem.kernel], np.exp(-seen.log_rms[stem.row]))
    low, high = np.log(1e-4), 0.0
    if _growth(passes, stack, passes(leaves)) <= _GROWTH:
        low = high
    for _ in range(_HALVINGS if low < high else 0):
        middle = (low + high) / 2
        weak = _growth(passes, stack, passes(_shrunk(leaves, stack.ends, np.exp(middle)))) <= _GROWTH
        low, high = (middle, high) if weak else (low, middle)
    factor = float(np.exp(low))
    leaves = _shrunk(leaves, stack.ends, factor)
    seen = passes(leaves)
    last = stack.ends[-1].row
    if top.row != last and top.kernel is not None and kernels.count(top.kernel) == 1:
        step = float(seen.log_grad[top.row] - seen.log_grad[last])
        if np.isfinite(step):
            leaves[top.kernel] = scaled(leaves[top.kernel], np.exp(step))
            seen = passes(leaves)
    return leaves, seen, factor


__all__ = ["Stack", "balanced", "stack_of"]
