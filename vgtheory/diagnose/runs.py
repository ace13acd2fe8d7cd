"""Repeated runs of a traced model: as it is, with other weights, or with a part cut out."""

import functools
import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vgtheory.diagnose.tracing.backward import Faults, Pass, faults, measured, read
from vgtheory.diagnose.tracing.calls import Hooked
from vgtheory.diagnose.tracing.probes import Cut
from vgtheory.diagnose.tracing.trace import split_arrays, traced


class Removal(NamedTuple):
    """Effect of cutting one layer, or the stretch between two, out of the backward pass.

    Attributes
    ----------
    layer
        Path, or ``"slopes between ..."``.
    how
        ``"identity"``: the Jacobian is replaced by the identity. ``"factor"``: input and output
        differ in shape, and the factor of the gradient's norm is removed instead.
    log_gain
        Change of the log-norm of the gradient at the bottom of the chain.
    """

    layer: str
    how: str
    log_gain: float


class Runs:
    """A traced model that can be run again."""

    def __init__(self, model: Hooked, batch: tuple) -> None:
        self.trace = traced(model, batch)
        self.arrays = split_arrays(batch)[0]
        self.leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(model.params)]
        self.compiled = jax.jit(functools.partial(measured, self.trace))

    def seen(self, leaves: list | None = None) -> Pass:
        """One pass, with these parameters or the model's own."""
        return read(self.trace, jax.device_get(self.compiled(self.trace.consts, leaves or self.leaves, self.arrays)))

    def faults(self) -> Faults:
        """Places where the forward pass is not finite."""
        return jax.device_get(
            jax.jit(functools.partial(faults, self.trace))(self.trace.consts, self.leaves, self.arrays)
        )

    def rungs(self, seen: Pass) -> list[int]:
        """Calls of the chain that count as layers."""
        return [k for k in self.trace.chain if self.trace.sites[k].kind != "norm" and not np.isnan(seen.log_grad[k])]

    def critical_scale(self) -> float | None:
        """As ``Diagnosis.critical_scale``."""
        seen, inputs = self.seen(), {var: j for j, var in enumerate(self.trace.jaxpr.invars[: len(self.leaves)])}
        rungs = self.rungs(seen)
        sites = [self.trace.sites[k] for k in rungs[1:]]
        kernels = {
            inputs[v] for s in sites if s.kind in ("dense", "conv") for v in s.uses if v in inputs and v.aval.ndim > 1
        }
        if not kernels:
            return None

        @functools.cache
        def total(log_scale: float) -> float:
            scale = float(np.exp(log_scale))
            leaves = [leaf * scale if j in kernels else leaf for j, leaf in enumerate(self.leaves)]
            again = self.seen([each.astype(old.dtype) for each, old in zip(leaves, self.leaves, strict=True)])
            return float(again.log_grad[rungs[0]] - again.log_grad[rungs[-1]])

        grid = [float(np.log(2.0)) * half / 2 for half in range(-12, 13)]
        brackets = [(a, b) for a, b in itertools.pairwise(grid) if total(a) * total(b) <= 0]
        if not brackets:
            return None
        low, high = min(brackets, key=lambda pair: abs(pair[0] + pair[1]))
        while high - low > 1e-3:
            middle = (low + high) / 2
            low, high = (middle, high) if total(middle) * total(low) > 0 else (low, middle)
        return float(np.exp((low + high) / 2))

    def stretches(self, seen: Pass) -> dict[int, tuple[str, float, Any, Any]]:
        """Removable stretches of the chain, by number in ``Cut``: name, log-factor, both ends."""
        sites, eqns, found = self.trace.sites, self.trace.jaxpr.eqns, {}
        for a, b, plain in zip(self.trace.chain, self.trace.chain[1:], self.trace.plain, strict=False):
            below, start = eqns[sites[a].end].outvars[0], eqns[sites[b].start].outvars[0]
            found[2 * b] = (sites[b].path, seen.log_below[b] - seen.log_grad[b], start, eqns[sites[b].end].outvars[0])
            if plain:
                name = f"slopes between {sites[a].path} and {sites[b].path}"
                found[2 * b + 1] = (name, seen.log_grad[a] - seen.log_below[b], below, start)
        return {number: stretch for number, stretch in found.items() if np.isfinite(stretch[1])}

    def killers(self, top: int) -> list[Removal]:
        """As ``Diagnosis.killers``."""
        seen, sites = self.seen(), self.trace.sites
        found, bottom = self.stretches(seen), next(iter(self.rungs(seen)), -1)
        tried = sorted(found, key=lambda number: -abs(found[number][1]))[:top]
        same = {n: found[n][2].aval.shape == found[n][3].aval.shape for n in tried}
        links = {n: (found[n][2] if same[n] else None, float(np.exp(-found[n][1]))) for n in tried}
        # A tap below the upper end of a by-pass does not see the gradient that by-passes it.
        gaps = [(sites[a].end, sites[b].start) for a, b in itertools.pairwise(self.trace.chain) if 2 * b + 1 in links]
        taps = {i: alive for i, alive in self.trace.taps.items() if not any(low < i < high for low, high in gaps)}
        trace = self.trace._replace(taps=taps)
        run = jax.jit(lambda which, consts, leaves, arrays: measured(trace, consts, leaves, arrays, Cut(which, links)))
        removals = []
        for n in tried:
            raw = jax.device_get(run(jnp.asarray(n), self.trace.consts, self.leaves, self.arrays))
            gain = float(read(trace, raw).log_grad[bottom] - seen.log_grad[bottom])
            removals.append(Removal(found[n][0], "identity" if same[n] else "factor", gain))
        return sorted(removals, key=lambda each: -abs(each.log_gain))
