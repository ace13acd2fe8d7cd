"""Plan of an infinite-width twin: which layers are replaced, and what becomes of all other matrices."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from vgtheory.diagnose.program.sites import every_site
from vgtheory.diagnose.program.trace import Trace
from vgtheory.diagnose.replicas.choice import NARROW, Choice, chosen
from vgtheory.expect import expect


class TwinPlan(NamedTuple):
    """Plan from a trace of the model; print it.

    Attributes
    ----------
    replicas
        Number of copies of the model, whose units together are the particles.
    calls
        Paths of the calls for which ``layers`` has a law, in order, as ``diagnose`` names them.
    uses
        Number of calls by layer.
    narrow
        Paths of calls that keep their own width, with the reason: few units in or out,
        channels that do not mix.
    drawn
        Names of the matrices (arrays of at least two axes) that are drawn anew in every replica
        with their own mean and spread, with the reason: those of ``narrow`` calls, and those that
        no product with the data reads.
    kept
        Names of the matrices that stay as they are, with the reason.
    own
        Layers that have weights of their own at each call (a scan over stacked weights).
    warnings
        Sentences on what the error of a prediction does not hold.
    """

    replicas: int
    calls: tuple[str, ...]
    uses: dict[str, int]
    narrow: dict[str, str]
    drawn: dict[str, str]
    kept: dict[str, str]
    own: tuple[str, ...]
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        wide = len(set(self.calls) - self.narrow.keys())
        lines = [f"{self.replicas} replicas; {wide} calls of infinite width, {len(self.narrow)} of their own."]
        lines += [f"Own width: {path} ({why})." for path, why in self.narrow.items()]
        lines += [f"Drawn anew: {name} ({why})." for name, why in self.drawn.items()]
        lines += [f"Kept: {name} ({why})." for name, why in self.kept.items()]
        return "\n".join([*lines, *self.warnings])


class Redraw(NamedTuple):
    """How a parameter is drawn anew: axes of its mean and spread, and whether all replicas have the same."""

    axes: tuple[int, ...]
    is_common: bool


class Design(NamedTuple):
    """A plan, with all that a run needs.

    Attributes
    ----------
    plan, choice
        What becomes of matrices and layers.
    redraws
        How parameters are drawn anew, by place.
    infinite
        Places of the kernels of layers of infinite width.
    doubts
        Standard deviation, by place, of the log of a parameter's scale, which one model's weights leave open.
    shuffled
        Numbers of layers whose weights are the model's own, orthogonal ones, shuffled.
    """

    plan: TwinPlan
    choice: Choice
    redraws: dict[int, Redraw]
    infinite: frozenset[int]
    doubts: Mapping[int, float] = MappingProxyType({})
    shuffled: frozenset[int] = frozenset()


def is_orthogonal(kernel: Any) -> bool:
    """Whether a kernel, as a matrix, has orthogonal columns (or rows) of equal length."""
    matrix = np.asarray(kernel, np.float64).reshape(-1, np.shape(kernel)[-1])
    matrix = (matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T)[:, :64]
    gram = matrix.T @ matrix
    return len(gram) > 1 and bool(np.allclose(gram, np.eye(len(gram)) * gram[0, 0], atol=1e-3 * abs(gram[0, 0])))


def _warnings(widths: list[int], kernels: dict[str, Any], tied: list[str]) -> tuple[str, ...]:
    """Sentences on what the error of a prediction does not hold."""
    said, scatter = [], sum(1 / width for width in widths)
    if scatter > 0.1:
        said.append(
            f"Finite width: 1 / width summed over the calls is {scatter:.2g}. Gradients of single networks scatter by"
            " a variance of that order, and their mean log lies lower than the twin's by as much (twice or thrice for"
            " ReLU)."
        )
    orthogonal = [name for name, kernel in kernels.items() if is_orthogonal(kernel)]
    if orthogonal:
        said.append(
            f"Orthogonal kernels ({', '.join(orthogonal[:3])}{', ...' if len(orthogonal) > 3 else ''}) are drawn as"
            " Gaussian ones of the same size, whose gradients scatter more."
        )
    if tied:
        said.append(
            f"Tied weights ({', '.join(tied)}) are drawn twice, for look-up and product: the logit of a word"
            " that was looked up is not larger than others, as it is in the model."
        )
    return tuple(said)


def _roles(trace: Trace, choice: Choice) -> tuple[set[int], set[int], set[int], dict[int, str]]:
    """Places of parameters: wide kernels, tables, biases and scales; and of those that stay narrow, why."""
    wide, tables, small, narrow = set[int](), set[int](), set[int](), dict[int, str]()
    for site in every_site(trace.layers):
        own = trace.flow.origin.get(site.uses[0], frozenset()) if site.uses else frozenset[int]()
        if site.number in choice.wide:
            wide |= own
        elif site.number in choice.narrow:
            narrow |= dict.fromkeys(own, choice.narrow[site.number].why)
        elif site.kind == "embed":
            tables |= own
        if site.kind in ("dense", "conv", "norm"):
            rest = site.uses[1:] if site.kind != "norm" else site.uses
            small |= frozenset[int]().union(*(trace.flow.origin.get(var, frozenset()) for var in rest))
    return wide, tables, small - wide - narrow.keys() - tables, narrow


def _redraw(trace: Trace, choice: Choice, place: int, leaf: Any) -> Redraw:
    """How a parameter is drawn: by its layer's axes, where the layer reads it as it is."""
    rank = jnp.ndim(leaf)
    for site in every_site(trace.layers):
        if site.number in choice.narrow and trace.flow.origin.get(site.uses[0]) == frozenset([place]):
            found = choice.narrow[site.number]
            shape = trace.program.avals[site.uses[0]].shape
            shift = rank - len(shape)
            is_as_it_is = shift >= 0 and jnp.shape(leaf)[shift:] == shape and found.axes
            axes = tuple(axis + shift for axis in found.axes) if is_as_it_is else (rank - 2, rank - 1)
            return Redraw(axes, found.mixes_positions)
    return Redraw((rank - 2, rank - 1), False)


def designed(trace: Trace, leaves: list[Any], num_particles: int) -> Design:
    """Plan of a twin.

    Parameters
    ----------
    trace
        The model.
    leaves
        Its parameters.
    num_particles
        Least number of particles in a layer of median width.
    """
    choice = chosen(trace, leaves)
    infinite, tables, small, reasons = _roles(trace, choice)
    names, hidden = trace.leaves, set(trace.hidden)
    matrices = [
        i
        for i, leaf in enumerate(leaves)
        if jnp.ndim(leaf) > 1 and i not in small and names[i].rpartition("/")[2] != "bias"
    ]
    drawn, kept = dict[str, str](), dict[str, str]()
    for i in matrices:
        if i in infinite or i in tables:
            continue
        unseen = "read where nothing can be looked into" if names[i] in hidden else "used outside of known layers"
        if np.ptp(np.real(np.asarray(leaves[i])).astype(np.float32)) == 0:
            kept[names[i]] = "all entries are equal"
        else:
            drawn[names[i]] = reasons.get(i, unseen)
    uses, own, calls, narrow, widths = dict[str, int](), dict[str, None](), list[str](), dict[str, str](), list[int]()
    for path, call in zip(trace.paths, trace.graph.calls, strict=True):
        layer, number = path.partition("@")[0], call.site.number
        uses[layer] = uses.get(layer, 0) + 1
        if number in choice.wide:
            found = choice.wide[number]
            calls.append(path)
            own |= dict.fromkeys([layer] if found.weights.levels else [])
            widths += [found.layout.num_out] if found.layout.num_out > NARROW else []
        elif number in choice.narrow:
            calls.append(path)
            narrow[path] = choice.narrow[number].why
    expect(bool(calls or drawn), "infinite_width", "a model with a matrix of weights", layers=list(uses))
    sizes = widths or [jnp.shape(leaves[i])[-1] for i in matrices if names[i] in drawn] or [num_particles]
    replicas = max(2, -(-num_particles // int(np.median(sizes))))
    kernels = {names[i]: leaves[i] for i in sorted(infinite) if jnp.ndim(leaves[i]) > 1}
    tied = [names[i] for i in sorted(tables & (infinite | reasons.keys()))]
    plan = TwinPlan(replicas, tuple(calls), uses, narrow, drawn, kept, tuple(own), _warnings(widths, kernels, tied))
    again = [i for i in matrices if names[i] in drawn or i in tables or i in reasons]
    redraws = {i: _redraw(trace, choice, i, leaves[i]) for i in again if names[i] not in kept}
    return Design(plan, choice, redraws, frozenset(infinite))


__all__ = ["Design", "Redraw", "TwinPlan", "designed", "is_orthogonal"]
