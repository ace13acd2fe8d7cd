"""Judgement of a pass through a model."""

from typing import NamedTuple

import numpy as np

from vgtheory.diagnose import words
from vgtheory.diagnose.passes.faults import Faults
from vgtheory.diagnose.passes.sizes import Pass
from vgtheory.diagnose.program.calls import Gap
from vgtheory.diagnose.program.sites import WEIGHTED
from vgtheory.diagnose.program.trace import Trace

HEALTHY = float(np.log(100.0))
"""Largest change of a healthy gradient's log-norm from end to end: two decades."""
STARVED = float(np.log(1e4))
"""How far below the typical layer's a healthy layer's gradient may lie."""
LARGE, SMALL = float(np.log(1e5)), float(np.log(1e-8))
"""Bounds of the norm of a healthy whole gradient."""
_CULPRIT = float(np.log(30.0))
SHARES = ("weights", "norms", "scales", "dropout", "slopes", "skips")


class Verdict(NamedTuple):
    """A verdict and the numbers it rests on.

    Attributes
    ----------
    word
        ``"vanishes"``, ``"explodes"``, ``"healthy"``, ``"starved"`` (healthy from end to end, but a
        layer gets next to nothing), ``"large"`` or ``"small"`` (healthy but for the size of all
        gradients), ``"not finite"``, ``"zero"`` or ``"no chain"``.
    where
        Layer that the verdict is about: the origin of a fault, the layer below which the gradient
        is zero, the starved layer, or else the bottom of the chain.
    what, why
        Sentences: what was found, and its causes.
    depth
        Number of steps from the chain's top layer to its bottom one.
    log_total
        Log of the gradient's norm at the bottom over that at the top.
    factor
        Geometric mean, over the steps, of the norm's factor.
    shares
        ``log_total`` split into ``"weights"`` (from a layer's output to its input), ``"norms"``
        (from output to input of normalisers), ``"scales"`` (products with a parameter),
        ``"dropout"``, ``"slopes"`` (activations, and all else between two layers) and ``"skips"``
        (between two layers where the graph branches).
    """

    word: str
    where: str
    what: str
    why: str
    depth: int
    log_total: float
    factor: float
    shares: dict[str, float]

    @property
    def text(self) -> str:
        """``what`` and ``why``."""
        return f"{self.what} {self.why}".strip()


class Chain(NamedTuple):
    """The chain that is judged: its calls, what lies between them, and those that count as layers."""

    calls: list[int]
    gaps: list[Gap]
    rungs: list[int]


def chain_of(trace: Trace, seen: Pass) -> Chain:
    """The longest path on which the gradient lives, from its bottom layer to its top one."""
    alive = ~np.isneginf(seen.log_grad)
    chain = trace.graph.chain(alive) or trace.graph.chain()
    rungs = [k for k in chain if trace.graph.calls[k].site.kind in WEIGHTED]
    if rungs:
        chain = chain[chain.index(rungs[0]) : chain.index(rungs[-1]) + 1]
    return Chain(chain, trace.graph.between(chain), rungs)


def _shares(trace: Trace, seen: Pass, chain: Chain) -> dict[str, float]:
    """Log of the gradient from the top of a chain of calls to its bottom, by its causes."""
    shares, owners = dict.fromkeys(SHARES, 0.0), {"norm": "norms", "scale": "scales", "dropout": "dropout"}
    for a, b, gap in zip(chain.calls, chain.calls[1:], chain.gaps, strict=False):
        own = owners.get(trace.graph.calls[b].site.kind, "weights")
        shares[own] += float(seen.log_below[b] - seen.log_grad[b])
        shares["slopes" if gap.is_plain else "skips"] += float(seen.log_grad[a] - seen.log_below[b])
    return shares


def _no_chain(trace: Trace, seen: Pass, chain: Chain) -> Verdict:
    """Verdict on fewer than two layers."""
    nothing = dict.fromkeys(SHARES, 0.0)
    hidden = [i for i, name in enumerate(trace.leaves) if name in trace.hidden and np.isfinite(seen.leaves[i])]
    if len(hidden) > 1:
        total = float(seen.leaves[hidden[0]] - seen.leaves[hidden[-1]])
        word = "healthy" if abs(total) <= HEALTHY else "vanishes" if total < 0 else "explodes"
        names = trace.leaves[hidden[0]], trace.leaves[hidden[-1]]
        depth = len(hidden) - 1
        what = words.by_parameters(word, names, total, len(hidden))
        return Verdict(word, names[0], what, "", depth, total, float(np.exp(total / depth)), nothing)
    nan = float("nan")
    return Verdict("no chain", "", words.no_chain(trace, chain.rungs, seen), "", 0, nan, nan, nothing)


def _dead(trace: Trace, seen: Pass, chain: Chain) -> Verdict | None:
    """Verdict on a chain on which no gradient lives from end to end."""
    dead = next((k for k in reversed(chain.rungs) if np.isneginf(seen.log_grad[k])), None)
    if dead is None:
        return None
    depth, path = len(chain.rungs) - 1, trace.paths[dead]
    what, why = words.zero(trace, seen, chain.calls, dead)
    return Verdict("zero", path, what, why, depth, -float("inf"), 0.0, dict.fromkeys(SHARES, 0.0))


def starved(trace: Trace, seen: Pass, rungs: list[int]) -> tuple[list[int], int, float] | None:
    """Layers that get next to nothing, the call above that takes it away (or -1), and the least share."""
    layers = [k for k, call in enumerate(trace.graph.calls) if call.site.kind in WEIGHTED]
    ends = float(np.max(seen.log_grad[[rungs[0], rungs[-1]]]))
    poor = [k for k in layers if -np.inf < seen.log_grad[k] - ends < -STARVED]
    lowest = min(poor or layers, key=lambda k: seen.log_grad[k])
    lack = float(seen.log_grad[lowest]) - ends
    if not poor:
        return None
    takes = (k for k in range(lowest + 1, len(trace.paths)) if seen.log_below[k] - seen.log_grad[k] < -_CULPRIT)
    return poor, next(takes, -1), lack


def judged(trace: Trace, seen: Pass, found: Faults | None, *, is_masked: bool = False) -> Verdict:
    """Verdict on a pass.

    Parameters
    ----------
    trace, seen
        The model and the pass.
    found
        The faults, if the loss or a parameter's gradient is not finite.
    is_masked
        Whether there were entries that are not finite, which do not reach a parameter.
    """
    if found is not None:
        where, what, why = words.fault(trace, seen, found)
        nan = float("nan")
        return Verdict("not finite", where, what, why, 0, nan, nan, dict.fromkeys(SHARES, 0.0))
    chain = chain_of(trace, seen)
    rungs = chain.rungs
    if len(rungs) < 2:
        return _no_chain(trace, seen, chain)
    dead = _dead(trace, seen, chain)
    if dead is not None:
        return dead
    bottom, top, depth = trace.paths[rungs[0]], trace.paths[rungs[-1]], len(rungs) - 1
    log_total = float(seen.log_grad[rungs[0]] - seen.log_grad[rungs[-1]])
    factor, shares = float(np.exp(log_total / depth)), _shares(trace, seen, chain)
    word, where = "healthy" if abs(log_total) <= HEALTHY else "vanishes" if log_total < 0 else "explodes", bottom
    whole = float(np.logaddexp.reduce(2 * seen.leaves) / 2)
    poor = starved(trace, seen, rungs) if word == "healthy" else None
    if poor is not None:
        word, where = "starved", trace.paths[poor[0][0]]
    elif word == "healthy" and not SMALL < whole < LARGE:
        word = "large" if whole > 0 else "small"
    what = words.what(word, top, bottom, depth, log_total, factor, trace.hidden)
    why = words.parts(trace, shares, depth, chain.gaps)
    if word in ("vanishes", "explodes"):
        what += words.formats(trace, seen, rungs, factor, log_total)
    if poor is not None:
        what += words.poor(trace, *poor)
    if word in ("large", "small"):
        what += words.whole(word, whole)
    what += words.dead_branches(trace, seen) + (words.MASKED if is_masked else "")
    return Verdict(word, where, what, why, depth, log_total, factor, shares)
