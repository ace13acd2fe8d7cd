"""What ``initialise`` returns: the model, and what was done to each layer."""

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vgtheory.diagnose.words import shown
from vgtheory.frame import aligned, needed
from vgtheory.scales.passes import Passes, Seen

if TYPE_CHECKING:
    import pandas

_SHOWN = 24
"""Most rows of a printed table; of a longer one, the first and last are printed."""


class ScaledLayer(NamedTuple):
    """One layer of the chain, before and after.

    Attributes
    ----------
    layer, kind
        Path and kind, as in a diagnosis.
    sigma_w_before, sigma_w
        Root mean square of the kernel times the root of its fan-in; NaN without a kernel.
    sigma_b
        Root mean square of the biases; NaN without biases.
    log_rms
        Natural log of the output's root mean square.
    log_grad
        Natural log of the gradient's norm at the output over that at the top layer's.
    """

    layer: str
    kind: str
    sigma_w_before: float
    sigma_w: float
    sigma_b: float
    log_rms: float
    log_grad: float


@dataclasses.dataclass(frozen=True, eq=False)
class Initialised:
    """A rescaled model and what was done; print it.

    Attributes
    ----------
    model
        The model, of the kind that was given: a new nnx model, Linen variables, or a pytree.
    layers
        What was done to each layer of the chain.
    text
        The same in sentences.
    log_total_before, log_total
        Natural log of the gradient's norm at the bottom layer's output over that at the top's.
    """

    model: Any
    layers: tuple[ScaledLayer, ...]
    text: str
    log_total_before: float
    log_total: float

    @property
    def frame(self) -> "pandas.DataFrame":
        """Table of the layers, as a ``pandas.DataFrame``."""
        return needed("Initialised.frame", "pandas", "plot").DataFrame(list(self.layers), columns=ScaledLayer._fields)

    def __str__(self) -> str:
        rows = [_row(layer) for layer in self.layers]
        if len(rows) > _SHOWN:
            rows = [*rows[: _SHOWN // 2], dict.fromkeys(rows[0], "...") | {"kind": ""}, *rows[-_SHOWN // 2 :]]
        return f"{aligned(rows)}\n\n{self.text}"

    __repr__ = __str__


def _row(layer: ScaledLayer) -> dict[str, str]:
    """A line of the table."""
    number = lambda value: "-" if np.isnan(value) else f"{value:.3g}"
    size = lambda log: "-" if np.isnan(log) else shown(log)
    return {
        "layer": layer.layer,
        "kind": layer.kind,
        "sigma_w": f"{number(layer.sigma_w_before)} -> {number(layer.sigma_w)}",
        "sigma_b": number(layer.sigma_b),
        "rms": size(layer.log_rms),
        "|dE/dy|": size(layer.log_grad),
    }


def layers_of(passes: Passes, before: Seen, leaves: list[Any], after: Seen) -> tuple[ScaledLayer, ...]:
    """Rows of the result.

    Parameters
    ----------
    passes
        The model.
    before, after
        Passes with the old and the new parameters.
    leaves
        The new parameters.
    """
    rows, top = [], passes.rungs[-1].row
    for rung in passes.rungs:
        old, new = (passes.sigma_w(seen, rung) for seen in (before, after))
        bias = np.nan if rung.bias is None else float(np.sqrt(np.mean(np.asarray(leaves[rung.bias], float) ** 2)))
        log_grad = float(after.log_grad[rung.row] - after.log_grad[top])
        rows.append(ScaledLayer(rung.layer, rung.kind, old, new, bias, float(after.log_rms[rung.row]), log_grad))
    return tuple(rows)


__all__ = ["Initialised", "ScaledLayer", "layers_of"]
