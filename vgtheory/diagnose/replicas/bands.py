"""Spread over networks of a model's own width: what many draws of one replica say."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from vgtheory.diagnose.passes.exponents import Size, log_size
from vgtheory.diagnose.passes.sizes import Raw
from vgtheory.diagnose.program.trace import Trace
from vgtheory.diagnose.replicas.plan import Design, Redraw, is_orthogonal
from vgtheory.diagnose.rows import aligned
from vgtheory.estimate import Law
from vgtheory.expect import expect
from vgtheory.frame import needed

if TYPE_CHECKING:
    import matplotlib.figure
    import pandas

_SHOWN = 48
"""Most rows of a printed table."""
_ROUNDING = 1e-5
"""Spread of a log that is float32's rounding alone: the quantity is the same in every network."""


class LayerBand(NamedTuple):
    """Sizes at one layer call over networks: natural logs, a mean and a standard deviation each.

    Attributes
    ----------
    log_rms
        Log of the root mean square of the layer's output, bias included.
    log_grad
        Log of ``|dE/dy|``, the norm over all of the output.
    log_grad_weight
        Log of ``|dE/dW|``, the norm with respect to weights and bias together, as ``diagnose``
        measures it; the share of this call where the layer is called more than once.
    """

    log_rms: Law
    log_grad: Law
    log_grad_weight: Law


@dataclass(frozen=True, eq=False)
class Bands:
    """Spread of a model's signals and gradients over networks of its own width; print it.

    Attributes
    ----------
    layers
        By path of the call, as ``diagnose`` names it, in order.
    weights
        Log of ``|dE/dW|`` by name, for the matrices that are in no layer of infinite width.
    num_draws
        Number of networks drawn.

    Notes
    -----
    Accuracy: exact at the model's own widths, bottlenecks and all orders of 1/N included, but for
    the sampling error of the draws. Bands of 95 % held 94 to 97 % of real networks in each of
    twelve architectures of widths 128 and 1,024 (the experiment ``bands``). The scales are those of
    the model's own weights, and the spread includes how well so many weights tell them.
    Assumes: from network to network the weights differ, the tables, and biases of which most entries
    differ; the batch does not. Weights are independent Gaussians, or orthogonal where the model's are:
    then the model's own are drawn, with their units in other places and other signs. Truncated or
    uniform weights change the variance by O(1/N) of it. Tied weights are drawn twice.
    """

    layers: dict[str, LayerBand]
    weights: dict[str, Law]
    num_draws: int

    def half_width(self, level: float = 0.95) -> float:
        """Half of the width of a band, in standard deviations.

        A further network lies within with probability ``level``, where its logs are normal. Student's
        t allows for the finite number of draws, of which the mean and the deviation are.

        Parameters
        ----------
        level
            Probability, in (0, 1).
        """
        expect(0 < level < 1, "half_width", "a probability in (0, 1)", level=level)
        return float(stdtrit(self.num_draws - 1, (1 + level) / 2)) * (1 + 1 / self.num_draws) ** 0.5

    def z(self, found: Any) -> dict[str, dict[str, float]]:
        """Distances of one network from the mean in standard deviations, by path of the call and quantity.

        NaN where the spread is zero.

        Parameters
        ----------
        found
            The network's own ``Diagnosis``, of the same loss and batch.
        """
        rows = {row.layer: row for row in found.rows}
        expect(self.layers.keys() <= rows.keys(), "z", "a diagnosis of the same model", layers=list(rows))

        def distance(law: Law, seen: float) -> float:
            return float((seen - law.mean) / law.std) if law.std > 0 else math.nan

        return {
            path: {name: distance(law, getattr(rows[path], name)) for name, law in band._asdict().items()}
            for path, band in self.layers.items()
        }

    @property
    def frame(self) -> "pandas.DataFrame":
        """Table with a row for every call, as a ``pandas.DataFrame``."""
        pandas = needed("Bands.frame", "pandas", "plot")
        rows = [{"layer": path, **_columns(band)} for path, band in self.layers.items()]
        return pandas.DataFrame(rows, columns=["layer", *_columns(LayerBand(*[Law(0.0, 0.0)] * 3))])

    def plot(self, found: Any = None, level: float = 0.95) -> "matplotlib.figure.Figure":
        """Picture of the bands by layer call, with one network's own sizes as markers.

        Parameters
        ----------
        found
            A network's ``Diagnosis``, of the same loss and batch.
        level
            Probability of the band.

        Returns
        -------
        matplotlib.figure.Figure
            Two axes, one above the other.
        """
        from vgtheory.diagnose.plot import bands_figure

        return bands_figure(self, found, level)

    def __str__(self) -> str:
        head = ("layer", "ln rms", "ln |dE/dy|", "ln |dE/dW|")
        lines = [head, *((path, *map(repr, band)) for path, band in self.layers.items())]
        if len(lines) > _SHOWN + 1:
            half = _SHOWN // 2
            lines = [*lines[: half + 1], ("...", "", "", ""), *lines[-half:]]
        rest = [f"{name}: ln |dE/dW| = {law!r}" for name, law in self.weights.items()]
        return "\n".join([*aligned(lines), *rest, f"Mean ± standard deviation over {self.num_draws} networks."])


def _columns(band: LayerBand) -> dict[str, Any]:
    """Mean and standard deviation of each quantity, by the name of the column."""
    pairs = ((name, law) for name, law in band._asdict().items())
    return {key: value for name, law in pairs for key, value in ((name, law.mean), (f"{name}_std", law.std))}


def law_of(logs: np.ndarray) -> Law:
    """Mean and standard deviation over draws; no deviation of what is the same in every network."""
    if np.isneginf(logs).all():
        return Law(-math.inf, 0.0)
    with np.errstate(invalid="ignore"):
        std = float(logs.std(ddof=1))
    return Law(float(logs.mean()), 0.0 if std < _ROUNDING else std)


def _random(design: Design, leaves: list[Any]) -> Iterator[int]:
    """Places of biases and scales that are drawn at random: most of their entries differ."""
    for place, leaf in enumerate(leaves):
        is_other = place not in design.redraws and place not in design.infinite
        entries = np.asarray(leaf).ravel() if is_other else np.zeros(0)
        if entries.size > 2 and np.unique(entries).size > entries.size / 2:
            yield place


def _doubt(leaf: Any) -> float:
    """Standard deviation of the log of the root mean square of so many independent weights as a matrix has."""
    wide = np.asarray(leaf, np.float64)
    square = np.mean(wide**2)
    excess = np.mean(wide**4) / square**2 - 1 if square > 0 else 0.0
    return math.sqrt(max(excess, 0.0) / (4 * max(math.prod(wide.shape[-2:]), 1)))


def single(trace: Trace, design: Design, leaves: list[Any]) -> Design:
    """The design of one replica alone, which is a network.

    Biases are drawn anew too, orthogonal weights stay orthogonal, and the scale of all weights is
    known as well as one model's own tell it.
    """
    axes = lambda place: tuple(range(np.ndim(leaves[place])))[-2:]
    redraws = design.redraws | {place: Redraw(axes(place), False) for place in _random(design, leaves)}
    orthogonal = {place for place in design.infinite if is_orthogonal(leaves[place])}
    origin = lambda wide: trace.flow.origin[wide.op.reads[wide.layout.side]]
    shuffled = frozenset(number for number, wide in design.choice.wide.items() if origin(wide) <= orthogonal)
    doubts = {place: _doubt(leaves[place]) for place in {*design.infinite, *redraws} - orthogonal}
    plan = design.plan._replace(replicas=1)
    return design._replace(plan=plan, redraws=redraws, doubts=doubts, shuffled=shuffled)


def bands_of(trace: Trace, design: Design, raw: Raw) -> Bands:
    """Spread of all sizes, from those of draws of one replica; first axes of draws and of the replica."""
    planned, layers = {*design.choice.wide, *design.choice.narrow}, dict[str, LayerBand]()
    logs = {
        number: (log_size(Size(raw.signals[number].out, np.zeros(()))), *map(log_size, _gradients(raw, number)))
        for number in planned & raw.signals.keys()
    }
    for path, call in zip(trace.paths, trace.graph.calls, strict=True):
        if call.site.number in logs:
            at: Any = (slice(None), 0, *call.where)
            rms, log_grad, log_weight = (law_of(each[at]) for each in logs[call.site.number])
            log_count = math.log(max(math.prod(call.site.shape), 1))
            layers[path] = LayerBand(Law(rms.mean - log_count / 2, rms.std), log_grad, log_weight)
    sizes = zip(trace.leaves, raw.leaves, strict=True)
    weights = {
        name: Law(-math.inf, 0.0) if size is None else law_of(log_size(size)[:, 0])
        for name, size in sizes
        if name in design.plan.drawn
    }
    num_draws = len(next(iter(logs.values()))[0]) if logs else len(np.asarray(raw.loss))
    return Bands(layers, weights, num_draws)


def _gradients(raw: Raw, number: int) -> tuple[Any, Any]:
    gradient = raw.gradients[number]
    return gradient.out, gradient.weight


__all__ = ["Bands", "LayerBand", "bands_of", "law_of", "single"]
