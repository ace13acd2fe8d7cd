"""Results of an infinite-width twin: each layer's law over draws."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vgtheory.diagnose.passes.exponents import Size, log_size
from vgtheory.diagnose.passes.sizes import Raw
from vgtheory.diagnose.program.trace import Trace
from vgtheory.diagnose.replicas.plan import Design
from vgtheory.estimate import Estimate


class LayerLaw(NamedTuple):
    """Sizes at one layer of the twin: natural logs, ``err`` one standard error over draws.

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

    log_rms: Estimate
    log_grad: Estimate
    log_grad_weight: Estimate


def copies_of(replicas: int, args: Any) -> Any:
    """Arguments for every replica."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(jnp.asarray(leaf), (replicas, *jnp.shape(leaf))), args)


def mean_of(draws: np.ndarray) -> Estimate:
    """Mean over draws, and its standard error; inf from a single draw."""
    with np.errstate(invalid="ignore"):
        err = draws.std(ddof=1) / len(draws) ** 0.5 if len(draws) > 1 else np.inf
    return Estimate(draws.mean(), float(err))


def _pooled(logs: np.ndarray) -> np.ndarray:
    """Log of the root mean square over replicas."""
    return (np.logaddexp.reduce(2 * logs, axis=1) - np.log(logs.shape[1])) / 2


def _is_neck(trace: Trace, number: int, planned: set[int]) -> bool:
    """Whether no planned layer but those of this number is met on the way down from the loss."""
    seen, calls = {trace.graph.end}, trace.graph.calls
    for node in reversed(trace.graph.nodes):
        if not any(var in seen for var in node.makes):
            continue
        own = calls[node.call].site.number if node.call >= 0 else -1
        if own != number and own in planned:
            return False
        seen.update(node.reads if own != number else ())
    return True


def _stacked(sizes: list[Any]) -> np.ndarray:
    """Log-norms with first axes of draws and replicas."""
    return np.stack([log_size(size) for size in sizes])


def _logs(number: int, shape: tuple[int, ...], design: Design, draws: list[Raw]) -> tuple[np.ndarray, ...]:
    """Logs of a layer's output and of the gradients by its output and weights, for each draw and step."""
    out = _stacked([Size(draw.signals[number].out, np.zeros(())) for draw in draws])
    grad = _stacked([draw.gradients[number].out for draw in draws])
    weight = _stacked([draw.gradients[number].weight for draw in draws])
    narrow, log_count = design.choice.narrow.get(number), float(np.log(max(math.prod(shape), 1)))
    log_grad = grad[:, 0] if narrow is not None and narrow.is_shared else _pooled(grad)
    return _pooled(out) - log_count / 2, log_grad, _pooled(weight) if narrow is None else weight.mean(axis=1)


def _shift(trace: Trace, design: Design, draws: list[Raw]) -> np.ndarray:
    """Log of a typical replica's gradient at the last layer, less that of the root mean square.

    Of outputs, each replica has its own; a network has one set, whose log is this much smaller.
    """
    planned = {*design.choice.wide, *design.choice.narrow}
    last = [call for call in trace.graph.calls if call.site.number in planned][-1]
    number = last.site.number
    if number not in design.choice.wide or not _is_neck(trace, number, planned):
        return np.zeros(len(draws))
    grad = _stacked([draw.gradients[number].out for draw in draws])
    at: Any = (slice(None), *last.where)
    return np.asarray((grad.mean(axis=1) - _pooled(grad))[at])


def laws_of(trace: Trace, design: Design, draws: list[Raw]) -> dict[str, LayerLaw]:
    """Laws of the calls, from the sizes in every replica (the first axis) for each draw."""
    planned, laws = {*design.choice.wide, *design.choice.narrow}, dict[str, LayerLaw]()
    sites = {call.site.number: call.site for call in trace.graph.calls if call.site.number in planned}
    if not sites:
        return {}
    logs = {number: _logs(number, site.shape, design, draws) for number, site in sites.items()}
    shift = _shift(trace, design, draws)
    for path, call in zip(trace.paths, trace.graph.calls, strict=True):
        if call.site.number in planned:
            at: Any = (slice(None), *call.where)
            log_rms, log_grad, log_weight = (each[at] for each in logs[call.site.number])
            laws[path] = LayerLaw(mean_of(log_rms), mean_of(log_grad + shift), mean_of(log_weight + shift))
    return laws


def weights_of(trace: Trace, design: Design, draws: list[Raw]) -> dict[str, Estimate]:
    """Mean over draws and replicas of the log-norms of the gradients of what is drawn anew."""
    found = {}
    for i, name in enumerate(trace.leaves):
        if name in design.plan.drawn:
            sizes = [draw.leaves[i] for draw in draws]
            logs = [np.full(1, -np.inf) if size is None else log_size(size) for size in sizes]
            found[name] = mean_of(np.array([each.mean() for each in logs]))
    return found
