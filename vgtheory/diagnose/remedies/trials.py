"""Trials of remedies on the diagnosed model and batch."""

import functools

import numpy as np

from vgtheory.diagnose.passes.sizes import Pass
from vgtheory.diagnose.program.pointwise import Pointwise, pointwise
from vgtheory.diagnose.remedies import arithmetic
from vgtheory.diagnose.remedies.branches import branches
from vgtheory.diagnose.remedies.edits import SUBSTITUTES, edited, norms, substitutes
from vgtheory.diagnose.remedies.gates import Bias, forget_biases
from vgtheory.diagnose.remedies.remedy import Remedy, ranked
from vgtheory.diagnose.runs import Runs, critical
from vgtheory.diagnose.verdict import Verdict

_RISES = (1.0, 2.0, 3.0)
_MOST_OPS = 150
"""Operations of the largest program that is compiled again for a printed diagnosis."""
_MOST_PRODUCTS = 1e9
"""Multiplications of the dearest pass that is repeated for it."""
_SOUND = float(np.log(2.0))


class Trials:
    """A diagnosed model, on which remedies are tried."""

    def __init__(self, runs: Runs, verdict: Verdict) -> None:
        self.runs, self.verdict, self.seen = runs, verdict, runs.seen()
        self.chain = runs.chain(self.seen)
        self.rungs = runs.rungs(self.chain)
        paths = runs.trace.paths
        self.ends = (paths[self.rungs[0]], paths[self.rungs[-1]]) if len(self.rungs) > 1 else ("", "")
        if verdict.word == "starved":
            self.ends = (verdict.where, self.ends[1])

    def total(self, seen: Pass, runs: Runs | None = None) -> float:
        """Log of the gradient's norm at the lower end over that at the upper; NaN if there is none."""
        paths = (runs or self.runs).trace.paths
        if not all(end in paths for end in self.ends):
            return float("nan")
        lower, upper = (seen.log_grad[paths.index(end)] for end in self.ends)
        with np.errstate(invalid="ignore"):
            return float(lower - upper)

    @functools.cached_property
    def biases(self) -> list[Bias]:
        """Biases of forget gates."""
        return forget_biases(self.runs.trace, self.runs.leaves)

    @property
    def is_cheap(self) -> bool:
        """Whether forty passes take a few seconds at most."""
        sites = [call.site for call in self.runs.trace.graph.calls]
        products = sum(np.prod(site.shape) * (1 if np.isnan(site.fan_in) else site.fan_in) for site in sites)
        return bool(products < _MOST_PRODUCTS)

    @property
    def is_short(self) -> bool:
        """Whether all remedies take a few seconds at most."""
        is_small = _size(self.runs.trace.program.ops) <= _MOST_OPS
        return not self.is_judged or (self.is_cheap and is_small)

    def every(self) -> list[Remedy]:
        """All remedies."""
        return ranked([*self.written(), *self.by_parameters(), *self.by_programs()])

    def written(self) -> list[Remedy]:
        """Remedies that are arithmetic."""
        if self.verdict.word == "not finite":
            return []
        formats = arithmetic.formats(self.runs.trace, self.seen, self.rungs) if self.rungs else []
        return [*formats, *arithmetic.steps(self.verdict.word, self.seen)]

    def quick(self) -> list[Remedy]:
        """What takes a few seconds at most."""
        return ranked([*self.written(), *(self.by_parameters() if self.is_cheap else [])])

    @property
    def is_judged(self) -> bool:
        """Whether there is a change from end to end to mend."""
        return self.verdict.word in ("vanishes", "explodes", "zero", "starved") and len(self.rungs) > 1

    def by_parameters(self) -> list[Remedy]:
        """Remedies that are other parameters: no compilation."""
        if not self.is_judged:
            return []
        # Larger kernels saturate gates, and measure well on one batch for no good reason.
        scale = [] if self.biases else self._scale(self.runs)
        return [*scale, *self._branches(), *self._forgetting()]

    def by_programs(self) -> list[Remedy]:
        """Remedies that are another program: one compilation each."""
        return [*self._norms(), *self._activations()] if self.is_judged else []

    def _tried(self, name: str, text: str, after: float, value: float = float("nan")) -> list[Remedy]:
        """A remedy, if its run was finite."""
        return [Remedy(name, text, self.total(self.seen), after, value=value)] if np.isfinite(after) else []

    def _scale(self, runs: Runs, name: str = "critical scale", before: str = "") -> list[Remedy]:
        kernels = self.runs.kernels()
        total = lambda scale: self.total(runs.seen(runs.scaled(kernels, scale)), runs)
        scale = critical(total) if kernels else None
        first = self.runs.trace.graph.calls[self.rungs[0]].site
        which = "kernels" if kernels & first.leaves else "kernels but the first"
        text = f"{before}{which} times {scale:.3g}" if scale else ""
        return self._tried(name, text, total(scale), scale) if scale else []

    def _branches(self) -> list[Remedy]:
        found = branches(self.runs.trace)
        if found.num < 2:
            return []
        scale = float(found.num**-0.5)
        after = self.total(self.runs.seen(self.runs.scaled(found.kernels, scale)))
        text = f"last kernels of the {found.num} residual branches times 1/sqrt({found.num})"
        return self._tried("branch scale", text, after, scale)

    def _forgetting(self) -> list[Remedy]:
        biases, tried = self.biases, list[Remedy]()
        for rise in _RISES if biases else ():
            leaves = list(self.runs.leaves)
            for each in biases:
                leaves[each.leaf] = leaves[each.leaf].at[each.start : each.stop].add(rise)
            names = ", ".join(dict.fromkeys(self.runs.trace.leaves[each.leaf] for each in biases))
            text = f"forget-gate bias {rise:+.0f} ({names})"
            tried += self._tried("forget bias", text, self.total(self.runs.seen(leaves)), rise)
        return tried

    def _norms(self) -> list[Remedy]:
        sites = [self.runs.trace.graph.calls[k].site for k in self.rungs[:-1]]
        chosen = {site.number: site for site in sites if site.kind in ("dense", "conv")}
        edits = norms(self.runs.trace, chosen.values())
        if not edits:
            return []
        again = edited(self.runs, lambda number: edits, self.ends)
        return self._tried("norm", "a layer norm after every layer", self.total(again.seen(), again))

    def _activations(self) -> list[Remedy]:
        found = self._on_the_chain()
        if not found:
            return []
        old = list(dict.fromkeys(each.name for each in found))
        names = [name for name in SUBSTITUTES if name not in old and (name != "leaky_relu" or "relu" in old)]
        again = edited(self.runs, lambda number: substitutes(found, names, number), self.ends)
        tried = []
        for number, name in enumerate(names):
            again.arrays[-1] = again.arrays[-1] * 0 + number
            text, after = f"{name} in place of {', '.join(old)}", self.total(again.seen(), again)
            tried += self._tried("activation", text, after)
            if abs(after) > _SOUND:
                tried += self._scale(again, "activation and scale", f"{text} and ")
        return tried

    def _on_the_chain(self) -> list[Pointwise]:
        """Activations between layers of the chain, where it does not branch."""
        trace = self.runs.trace
        between = {id(op) for gap in trace.graph.between(self.chain) if gap.is_plain for op in gap.ops}
        every = pointwise(trace.layers, trace.flow)
        return [each for each in every if not each.is_gate and any(id(op) in between for op in each.ops)]


def _size(ops: list) -> int:
    return sum(1 if op.body is None else 1 + _size(op.body.ops) for op in ops)


__all__ = ["Trials"]
