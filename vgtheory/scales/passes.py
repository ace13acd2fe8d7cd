"""A diagnosed model run again with other parameters: the only place that knows how ``diagnose`` does it."""

from typing import Any, NamedTuple

import numpy as np

from vgtheory.diagnose import Diagnosis
from vgtheory.diagnose.program.sites import WEIGHTED
from vgtheory.scales.model import axes_of


class Seen(NamedTuple):
    """Natural logs by row of the diagnosis, as in its ``Row``.

    Attributes
    ----------
    log_rms, log_grad
        Of the output, and of the loss's gradient with respect to it.
    log_weight
        Of the root mean square of the kernel.
    """

    log_rms: np.ndarray
    log_grad: np.ndarray
    log_weight: np.ndarray


class Rung(NamedTuple):
    """A layer of the chain.

    Attributes
    ----------
    row
        Number of its row in the diagnosis.
    layer, kind
        As there.
    kernel, bias
        Its leaves among the parameters; None if there is none.
    log_fan_in
        Half the log of the fan-in, which turns the kernel's root mean square into ``sigma_w``.
    features
        Number of outputs.
    link
        What lies between it and the next rung: ``"slopes"``, ``"skips"``, or ``"norm"``.
    """

    row: int
    layer: str
    kind: str
    kernel: int | None
    bias: int | None
    log_fan_in: float
    features: int
    link: str


class Passes:
    """Runs of one compiled program with any parameters."""

    def __init__(self, found: Diagnosis) -> None:
        self.found, self.runs = found, found._runs
        self.start = self.runs.leaves
        self.rungs = self._rungs()

    def __call__(self, leaves: list[Any], *, is_rough: bool = False) -> Seen:
        """One pass; a rough one takes norms below 1e-22 for zero."""
        seen = self.runs.seen(leaves, is_rough=is_rough)
        return Seen(seen.log_rms, seen.log_grad, seen.log_weight)

    def sigma_w(self, seen: Seen, rung: Rung) -> float:
        """Scale of a layer's weights in a pass."""
        return float(np.exp(seen.log_weight[rung.row] + rung.log_fan_in))

    def axes(self, kernel: int) -> tuple[int, int]:
        """Axes of inputs and outputs of a kernel."""
        return axes_of(self.runs.model.names[kernel])

    def model(self, leaves: list[Any]) -> Any:
        """The model, of the kind it was, with other parameters."""
        return self.runs.model.with_leaves(leaves)

    def _parameters(self, k: int) -> tuple[int | None, int | None, int]:
        """A row's kernel and bias among the parameters, and its number of outputs."""
        site, origin = self.runs.trace.graph.calls[k].site, self.runs.trace.flow.origin
        single = [next(iter(origin[var])) for var in site.uses if len(origin[var]) == 1]
        shape = self.found.rows[k].shape
        if not single or not site.uses or len(origin[site.uses[0]]) != 1:
            return None, None, shape[-1]
        kernel, *others = single
        features = shape[-1] if np.isnan(site.fan_in) else round(self.start[kernel].size / site.fan_in)
        return kernel, next((j for j in others if self.start[j].size == features), None), features

    def _rungs(self) -> list[Rung]:
        """The chain's layers, first to last."""
        rows, seen = self.found.rows, self(self.start)
        named = {row.layer: k for k, row in enumerate(rows)}
        chain, rungs = [named[layer] for layer in self.found.chain], []
        for place, k in enumerate(chain):
            row = rows[k]
            if row.kind not in WEIGHTED:
                continue
            after = next((rows[above].kind for above in chain[place + 1 :]), "")
            link = "norm" if after == "norm" and row.between == "slopes" else row.between
            kernel, bias, features = self._parameters(k)
            with np.errstate(divide="ignore"):
                log_fan_in = float(np.log(row.sigma_w) - seen.log_weight[k])
            rungs.append(Rung(k, row.layer, row.kind, kernel, bias, log_fan_in, features, link))
        return rungs


__all__ = ["Passes", "Rung", "Seen"]
