"""Scales of a chain: the closed law first, and then what one network strays from it on its batch."""

import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.scales.kernel import centred, drawn
from vgtheory.scales.line import Point, response
from vgtheory.scales.model import scaled
from vgtheory.scales.passes import Passes, Rung, Seen

_PASSES = 16
_CLOSE = 0.01
"""Largest log of a layer's factor that is left as it is."""
_LEAST_DAMPING = 0.25
_STEP = np.log(8.0)
"""Largest step of a log-scale in one pass."""


def redrawn(passes: Passes, rungs: Sequence[Rung], weights: str | None, zero_sum: bool, key: Array) -> list[Any]:
    """Parameters with the chain's kernels drawn anew (unless ``weights`` is None) and centred, if asked."""
    leaves = list(passes.start)
    for rung, each in zip(rungs, jax.random.split(key, len(rungs)), strict=True):
        if rung.kernel is None or rung.kind == "embed":
            continue
        kernel, ends = leaves[rung.kernel], passes.axes(rung.kernel)
        if weights is not None:
            order = (*(a for a in range(kernel.ndim) if a not in {end % kernel.ndim for end in ends}), *ends)
            new = drawn(each, tuple(kernel.shape[axis] for axis in order), weights)
            leaves[rung.kernel] = jnp.moveaxis(new, range(kernel.ndim), order).astype(kernel.dtype)
        if zero_sum and rung is not rungs[0]:
            leaves[rung.kernel] = centred(leaves[rung.kernel], ends[1]).astype(kernel.dtype)
    return leaves


def from_law(
    passes: Passes, rungs: Sequence[tuple[Rung, bool]], leaves: list[Any], point: Point, key: Array
) -> list[Any]:
    """Kernels at the critical scale (1 above a layer with no activation between), and biases drawn at theirs."""
    leaves, seen = list(leaves), passes(leaves)
    for k, (each, (rung, is_straight)) in enumerate(zip(jax.random.split(key, len(rungs)), rungs, strict=True)):
        if rung.kernel is not None and k > 0:
            sigma_w = 1.0 if is_straight else point.sigma_w
            leaves[rung.kernel] = scaled(leaves[rung.kernel], sigma_w / passes.sigma_w(seen, rung))
        if rung.bias is not None:
            bias = leaves[rung.bias]
            leaves[rung.bias] = (point.sigma_b * jax.random.normal(each, bias.shape)).astype(bias.dtype)
    return leaves


def _steps(rungs: Sequence[Rung], seen: Seen, log_rms: float, answer: tuple[float, float]) -> dict[int, float]:
    """Newton's steps of the kernels' log-scales towards a gradient that no layer changes.

    A step of one layer changes the q of the layers above it, and so their factors: ``answer`` has
    the change of the next ln q by ln q, and of ln phi'^2 by ln q. Of a kernel that is used again,
    the mean of its calls' steps is taken.
    """
    (slope, gamma), first, steps, log_q = answer, rungs[0].kernel, dict[int, list[float]](), 0.0
    if first is not None:
        steps[first] = [log_rms - float(seen.log_rms[rungs[0].row])]
        log_q = 2 * steps[first][0]
    for below, above in itertools.pairwise(rungs):
        step = float(seen.log_grad[above.row] - seen.log_grad[below.row]) - gamma * log_q / 2
        if above.kernel is None:
            step = 0.0
        elif above.kernel != first:
            step = float(np.clip(step, -_STEP, _STEP))
            steps.setdefault(above.kernel, []).append(step)
        log_q = slope * log_q + 2 * step
    return {kernel: float(np.clip(np.mean(each), -_STEP, _STEP)) for kernel, each in steps.items()}


def levelled(passes: Passes, rungs: Sequence[Rung], leaves: list[Any], point: Point | None) -> tuple[list[Any], Seen]:
    """Kernels scaled one by one until no layer changes the gradient's norm on the batch.

    Parameters
    ----------
    passes, rungs
        The model and its chain.
    leaves
        Parameters to start from.
    point
        Where the chain is critical; None if its activation is not known.
    """
    log_rms = 0.0 if point is None else float(np.log(point.q_star)) / 2
    answer = (0.0, 0.0) if point is None else response(point)
    seen, damping = passes(leaves), 1.0
    best = (leaves, seen, strayed(rungs, seen))
    for _ in range(_PASSES):
        steps = _steps(rungs, seen, log_rms, answer)
        sizes = np.abs(list(steps.values()))
        if not np.all(np.isfinite(sizes)) or np.all(sizes < _CLOSE):
            break
        leaves = [scaled(leaf, np.exp(damping * steps[j])) if j in steps else leaf for j, leaf in enumerate(leaves)]
        seen = passes(leaves)
        off = strayed(rungs, seen)
        if off < best[2]:
            best = (leaves, seen, off)
        else:
            damping = max(damping / 2, _LEAST_DAMPING)
    return best[0], best[1]


def strayed(rungs: Sequence[Rung], seen: Seen) -> float:
    """Largest distance of the log-norm of a layer's gradient from the top layer's; inf if one is not finite."""
    logs = seen.log_grad[[rung.row for rung in rungs]]
    off = np.abs(logs - logs[-1])
    return float(np.max(off)) if np.all(np.isfinite(off)) else float("inf")


__all__ = ["from_law", "levelled", "redrawn", "strayed"]
