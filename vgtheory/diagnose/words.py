"""Sentences of a verdict."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from vgtheory.diagnose.passes.faults import Fault, Faults
from vgtheory.diagnose.passes.sizes import Pass
from vgtheory.diagnose.program.calls import Gap
from vgtheory.diagnose.program.sites import WEIGHTED
from vgtheory.diagnose.program.source import activation_of
from vgtheory.diagnose.program.trace import Trace
from vgtheory.theory.layers.formats import depth_limit, log_edges

MASKED = (
    " Some entries of the gradient between layers are not finite, but a selection stops them: the gradients of all"
    " parameters are finite."
)
_SHALLOW = float(np.log(2.0))
_CAUSES = {
    "weights": "the weights",
    "norms": "the normalisers",
    "scales": "products with a parameter",
    "dropout": "dropout",
    "slopes": "the activations' slopes",
    "skips": "what lies between layers where the graph branches (skips, gates, attention, slopes)",
}


def shown(log: float) -> str:
    """A number of any size, given by its natural log, as text.

    Examples
    --------
    >>> from vgtheory.diagnose.words import shown
    >>> shown(-1000.0), shown(0.5), shown(float("-inf"))
    ('5.1e-435', '1.65', '0')
    """
    if np.isnan(log):
        return "nan"
    if np.isinf(log):
        return "0" if log < 0 else "inf"
    if abs(log) < np.log(1000):
        return f"{np.exp(log):.3g}"
    ten = log / np.log(10)
    mantissa = f"{10 ** (ten - np.floor(ten)):.1f}"
    return f"1.0e{int(np.floor(ten)) + 1:+03d}" if mantissa == "10.0" else f"{mantissa}e{int(np.floor(ten)):+03d}"


def _listed(names: Sequence[str], most: int = 3) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def what(word: str, top: str, bottom: str, depth: int, log_total: float, factor: float, hidden: Sequence[str]) -> str:
    """What happens to the gradient from end to end."""
    is_sound = word not in ("vanishes", "explodes")
    head = "Healthy" if word == "healthy" else "Healthy from end to end"
    head = f"{head}{' as far as it was looked into' if hidden else ''}: the gradient" if is_sound else ""
    head = head or f"The gradient {word}: it"
    text = (
        f"{head} changes {shown(log_total)}-fold from the output of {top} to that of {bottom},"
        f" {depth} {'layer' if depth == 1 else 'layers'} below;"
        f" by {factor:.4g} per layer (geometric mean of norms)."
    )
    if is_sound and abs(np.log(factor)) > _SHALLOW and abs(log_total) > 2 * _SHALLOW:
        text += f" It is shallow enough for that: twenty such layers would make it {shown(20 * np.log(factor))}-fold."
    return text


def poor(trace: Trace, calls: list[int], taker: int, lack: float) -> str:
    """Layers that get next to nothing."""
    names = _listed([trace.paths[k] for k in calls], 4)
    text = f" But {names} get down to {shown(lack)} of the gradient at the ends"
    return text + (f": {trace.paths[taker]}, above it, takes the rest away." if taker >= 0 else ".")


def whole(word: str, log_size: float) -> str:
    """The size of all gradients together."""
    how = "beyond any usual step: reduce the loss, or clip" if word == "large" else "below Adam's epsilon"
    return f" But the whole gradient has norm {shown(log_size)}, which is {how}."


def by_parameters(word: str, names: tuple[str, str], total: float, count: int) -> str:
    """Verdict by the parameters' own gradients."""
    head = f"The gradient {word}, as far as" if word != "healthy" else "Healthy, as far as"
    return (
        f"{head} the parameters tell: no layer could be looked into (a cond, or a derivative of its own). The"
        f" gradient of {names[0]} is {shown(total)} times that of {names[1]}, the last of {count} matrices."
    )


def no_chain(trace: Trace, rungs: list[int], seen: Pass) -> str:
    """Why there is nothing to judge."""
    if trace.hidden:
        names = _listed(trace.hidden)
        return f"No chain was seen: {names} cannot be looked into (a cond, or a derivative of its own)."
    if np.all(np.isneginf(seen.leaves)):
        return "No gradient: layers were called, but the loss does not depend on them by any path that gradients take."
    many = "one layer was seen" if rungs else "no layer was seen"
    return f"No chain: {many} between parameters and loss, so there is no product of Jacobians to vanish or explode."


def _stops(trace: Trace, seen: Pass) -> list[int]:
    """Calls that get a gradient and pass none on: their kernel is zero, or they are gates of dead layers."""
    alive, dead = np.isfinite(seen.log_grad), np.isneginf(seen.log_grad)
    stops = np.isneginf(seen.log_below) | (np.isnan(seen.log_below) & dead.any())
    return [int(k) for k in np.flatnonzero(alive & stops & np.isneginf(seen.log_weight))]


def _leaf(trace: Trace, k: int) -> str:
    site = trace.graph.calls[k].site
    return trace.leaves[min(trace.flow.origin[site.uses[0]])] if site.uses else trace.paths[k]


def zero(trace: Trace, seen: Pass, chain: list[int], dead: int) -> tuple[str, str]:
    """No gradient at all, and why."""
    text = f"Zero: no gradient reaches the output of {trace.paths[dead]}, nor what lies below it."
    above = [k for k in _stops(trace, seen) if k > dead]
    if above:
        first = _leaf(trace, above[0])
        return (
            text,
            f"{first} is zero in all its entries: what lies below is live once {first} has moved, after one step.",
        )
    return text, "Its units are dead (all slopes are zero), or the gradient is beyond float32's range within one layer."


def dead_branches(trace: Trace, seen: Pass) -> str:
    """Branches that get no gradient, where the rest does."""
    text, stops = "", list(dict.fromkeys(_leaf(trace, k) for k in _stops(trace, seen)))
    if stops:
        verb = "starts" if len(stops) == 1 else "start"
        text = f" {_listed(stops)} {verb} at 0: the branch below is live after one step."
    dead = [k for k, log in enumerate(seen.log_grad) if np.isneginf(log) and trace.graph.calls[k].site.kind in WEIGHTED]
    if dead and not stops:
        count = (
            f"{len(dead)} of {len(trace.paths)} calls get no gradient" if len(dead) > 1 else "One call gets no gradient"
        )
        text = f" {count} ({_listed([trace.paths[k] for k in dead])})."
    return text


def parts(trace: Trace, shares: dict[str, float], depth: int, gaps: list[Gap]) -> str:
    """The shares in words."""
    del trace
    size = sum(abs(each) for each in shares.values())
    names = activations(gaps)
    said = [
        f"{_CAUSES[name]}{f' ({names})' if name == 'slopes' and names else ''} {np.exp(each / depth):.3g}"
        f" ({abs(each) / size:.0%})"
        for name, each in shares.items()
        if size > 0 and abs(each) / size > 0.005
    ]
    return f"Per layer, and as shares of all changes: {'; '.join(said)}." if said else ""


def activations(gaps: list[Gap]) -> str:
    """Names of the activations between the layers of a chain, the most frequent first."""
    found = Counter(name for gap in gaps for name in dict.fromkeys(map(activation_of, gap.ops)) if name)
    return ", ".join(name for name, _ in found.most_common(3))


def formats(trace: Trace, seen: Pass, rungs: list[int], factor: float, log_total: float) -> str:
    """Depths at which number formats lose the gradient, in this model and for its factor."""
    shapes = [trace.graph.calls[k].site.shape for k in rungs]
    rms = [seen.log_grad[k] - np.log(np.prod(shape)) / 2 for k, shape in zip(rungs, shapes, strict=True)][::-1]
    said = {"zero": "", "infinite": ""}
    for dtype in ("float16", "bfloat16", "float32"):
        smallest, _, largest = log_edges(dtype)
        gone = next((i for i, each in enumerate(rms) if each < smallest or each > largest), None)
        if gone is not None:
            how = "zero" if rms[gone] < smallest else "infinite"
            said[how] += f"{', ' if said[how] else ''}in {dtype} from {trace.paths[rungs[-1 - gone]]} down"
    limit = depth_limit(factor, "float16")
    depth = limit.zero if log_total < 0 else limit.overflow
    text = "".join(f" Its entries (rms) are {how} {where}." for how, where in said.items() if where)
    return text + (f" A power of {factor:.3g} leaves float16 at depth {depth}." if depth is not None else "")


def _place(fault: Fault | None) -> str:
    """The first operation that is not finite."""
    if fault is None:
        return ""
    share = "" if np.isnan(fault.share) else f", in {fault.share:.2%} of its entries"
    side = "is the first operation whose result is not finite" if share else "is the first whose gradient is not finite"
    return f"{fault.operation}{f' at {fault.line}' if fault.line else ''} {side}{share}."


def fault(trace: Trace, seen: Pass, found: Faults) -> tuple[str, str, str]:
    """Place where values that are not finite arise, and sentences."""
    for name, share in zip(trace.leaves, found.leaves, strict=True):
        if share > 0:
            owner = next(
                (p for p, c in zip(trace.paths, trace.graph.calls, strict=True) if _reads(trace, c, name)), name
            )
            return owner, f"Not finite: the parameter {name} is, in {share:.2%} of its entries.", ""
    if found.arrays > 0 and found.forward is None:
        return "batch", f"Not finite: the batch is, in {found.arrays:.2%} of an array's entries.", ""
    why = _place(found.forward or found.backward)
    if found.forward is not None:
        bad = next((k for k, share in enumerate(found.outputs) if share > 0), None)
        if bad is None:
            return "loss", "Not finite: the loss, though the outputs of all layers are finite.", why
        path = trace.paths[bad]
        text = f"Not finite: {path} is the first layer whose output is ({found.outputs[bad]:.2%} of its entries)."
        if bad:
            text += f" The output of {trace.paths[bad - 1]} before it has rms {shown(float(seen.log_rms[bad - 1]))}."
        return path, text, why
    for k in range(len(trace.paths) - 1, -1, -1):
        for side, log in (("output", seen.log_grad[k]), ("input", seen.log_below[k])):
            if np.isposinf(log):
                path = trace.paths[k]
                text = f"Not finite: the gradient, from the {side} of {path} down; the forward pass is finite."
                return path, text, why
    return "", "Not finite: the gradient of a parameter; the forward pass is finite.", why


def _reads(trace: Trace, call: object, name: str) -> bool:
    return trace.leaves.index(name) in call.site.leaves  # type: ignore[attr-defined]
