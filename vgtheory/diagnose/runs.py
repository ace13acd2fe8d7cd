"""Repeated runs of a traced model: as it is, with other weights, or with a part cut out."""

import functools
import itertools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vgtheory.diagnose.passes.cut import Cut
from vgtheory.diagnose.passes.faults import Faults, faults
from vgtheory.diagnose.passes.runner import Runner
from vgtheory.diagnose.passes.sizes import Pass, measured, read
from vgtheory.diagnose.passes.weighing import plain
from vgtheory.diagnose.program.models import Model
from vgtheory.diagnose.program.sites import WEIGHTED, every_site
from vgtheory.diagnose.program.trace import split_arrays, traced


class Removal(NamedTuple):
    """Effect of cutting one layer, or the stretch between two, out of the backward pass.

    Attributes
    ----------
    layer
        Path, or ``"slopes between ..."``.
    how
        ``"identity"``: the Jacobian is replaced by the identity. ``"factor"``: the factor of the
        gradient's norm is removed instead, because input and output differ in shape, or are in
        different steps of a scan.
    log_gain
        Change of the log-norm of the gradient at the bottom of the chain.
    """

    layer: str
    how: str
    log_gain: float


class Runs:
    """A traced model that can be run again."""

    def __init__(self, model: Model, batch: tuple, where: str = "diagnose") -> None:
        self.model, self.batch = model, batch
        self.trace = traced(model, batch, where)
        self.arrays = split_arrays(batch)[0]
        self.leaves = model.leaves
        self.compiled = Runner(self.trace)

    def seen(self, leaves: list | None = None, *, is_rough: bool = False) -> Pass:
        """One pass, with these parameters or the model's own; a rough one takes norms below 1e-22 for zero."""
        return self.compiled.seen(leaves or self.leaves, self.arrays, is_rough=is_rough)

    def masked(self) -> Pass:
        """One pass, in which entries of a gradient that are not finite count as 0."""
        return Runner(self.trace, masked=True).seen(self.leaves, self.arrays)

    def faults(self) -> Faults:
        """Places where a pass is not finite."""
        return faults(self.trace, self.leaves, self.arrays)

    def chain(self, seen: Pass) -> list[int]:
        """Calls along the longest path on which the gradient lives; the longest of all if it lives on none."""
        alive = ~np.isneginf(seen.log_grad)
        return self.trace.graph.chain(alive) or self.trace.graph.chain()

    def rungs(self, chain: list[int]) -> list[int]:
        """Calls of a chain that count as layers."""
        return [k for k in chain if self.trace.graph.calls[k].site.kind in WEIGHTED]

    def kernels(self) -> frozenset[int]:
        """Kernels of the chain's dense layers and convolutions, but that of the first layer."""
        rungs = self.rungs(self.chain(self.seen()))
        sites = [self.trace.graph.calls[k].site for k in rungs[1:]]
        found = {i for site in sites if site.kind in ("dense", "conv") for i in site.leaves if self.leaves[i].ndim > 1}
        return frozenset(found)

    def scaled(self, which: frozenset[int], scale: float) -> list:
        """The parameters, some of them times a factor."""
        return [(leaf * scale).astype(leaf.dtype) if j in which else leaf for j, leaf in enumerate(self.leaves)]

    def critical_scale(self) -> float | None:
        """As ``Diagnosis.critical_scale``."""
        rungs, kernels = self.rungs(self.chain(self.seen())), self.kernels()

        def total(scale: float) -> float:
            log_grad = self.seen(self.scaled(kernels, scale)).log_grad[rungs]
            with np.errstate(invalid="ignore"):
                return float(log_grad[0] - log_grad[-1])

        return critical(total) if kernels else None

    def stretches(self, seen: Pass, chain: list[int]) -> dict[int, tuple[str, float]]:
        """Removable parts of the chain, by number in ``Cut``: name and log of their factor."""
        paths, found = self.trace.paths, dict[int, tuple[str, float]]()
        gaps = self.trace.graph.between(chain)
        for a, b, gap in zip(chain, chain[1:], gaps, strict=False):
            found[2 * b] = (paths[b], float(seen.log_below[b] - seen.log_grad[b]))
            if gap.is_plain:
                name = f"slopes between {paths[a]} and {paths[b]}"
                found[2 * a + 1] = (name, float(seen.log_grad[a] - seen.log_below[b]))
        return {number: part for number, part in found.items() if np.isfinite(part[1])}

    def killers(self, top: int) -> list[Removal]:
        """As ``Diagnosis.killers``."""
        seen, sites = self.seen(), every_site(self.trace.layers)
        chain = self.chain(seen)
        found, bottom = self.stretches(seen, chain), next(iter(self.rungs(chain)), -1)
        tried = sorted(found, key=lambda number: -abs(found[number][1]))[:top]
        avals = self.trace.program.avals
        same = frozenset(s.number for s in sites if s.source in avals and avals[s.source].shape == s.shape)
        factors = np.zeros((2 * len(self.trace.paths), 2))
        for number in tried:
            power = float(np.floor(-found[number][1] / np.log(2.0)))
            factors[number] = np.exp(-found[number][1] - power * np.log(2.0)), power
        calls, pairs = self.trace.graph.calls, dict[int, int]()
        for a, b in itertools.pairwise(chain):
            lower, upper = calls[a], calls[b]
            is_one = lower.where == upper.where and avals.get(upper.site.source) is not None
            if 2 * a + 1 in found and is_one and avals[upper.site.source].shape == lower.site.shape:
                pairs[lower.site.number] = upper.site.number
        run = jax.jit(
            lambda which, factors, leaves, arrays: measured(
                self.trace, leaves, arrays, Cut(which, same, pairs, factors)
            )
        )
        removals = []
        for number in tried:
            raw = jax.device_get(run(jnp.asarray(number), jnp.asarray(factors), self.leaves, self.arrays))
            gain = float(read(self.trace, plain(raw)).log_grad[bottom] - seen.log_grad[bottom])
            is_same = calls[number // 2].site.number in (pairs if number % 2 else same)
            removals.append(Removal(found[number][0], "identity" if is_same else "factor", gain))
        return sorted(removals, key=lambda each: -abs(each.log_gain))


def critical(total: Callable[[float], float]) -> float | None:
    """The factor nearest to 1 (in the log) between 1/64 and 64 at which ``total`` is 0; None without one."""
    at = functools.cache(lambda log_scale: total(float(np.exp(log_scale))))
    grid = [float(np.log(2.0)) * half / 2 for half in range(-12, 13)]
    outwards = sorted(itertools.pairwise(grid), key=lambda pair: abs(pair[0] + pair[1]))
    low, high = next(((a, b) for a, b in outwards if at(a) * at(b) <= 0), (np.nan, np.nan))
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle) * at(low) > 0 else (low, middle)
    return None if np.isnan(low) else float(np.exp((low + high) / 2))


def is_finite(seen: Pass) -> bool:
    """Whether the loss and the gradients of all parameters are finite."""
    return bool(np.isfinite(seen.loss)) and not np.isposinf(seen.leaves).any()


__all__ = ["Removal", "Runs", "critical", "is_finite"]
