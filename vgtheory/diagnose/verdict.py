"""Interpretation of a pass through a model, in words with numbers."""

from typing import NamedTuple

import numpy as np

from vgtheory.diagnose.tracing.backward import Faults, Pass
from vgtheory.diagnose.tracing.trace import WEIGHTED, Trace
from vgtheory.theory.layers.formats import depth_limit, log_edges

HEALTHY = float(np.log(100.0))
"""Largest change of a healthy gradient's log-norm from end to end: two decades."""


class Verdict(NamedTuple):
    """A verdict and the numbers it rests on.

    Attributes
    ----------
    word
        ``"vanishes"``, ``"explodes"``, ``"healthy"``, ``"not finite"``, ``"zero"`` or ``"no
        chain"``.
    where
        Layer that the verdict is about: the origin of a fault, the layer below which the gradient
        is zero, or else the bottom of the chain.
    text
        Sentences.
    depth
        Number of steps from the chain's top layer to its bottom one.
    log_total
        Log of the gradient's norm at the bottom over that at the top.
    factor
        Geometric mean, over the steps, of the norm's factor.
    shares
        ``log_total`` split into ``"weights"`` (from a layer's output to its input), ``"norms"``
        (from output to input of normalisers), ``"slopes"`` (activations, and all else between two
        layers) and ``"skips"`` (between two layers where the graph branches).
    """

    word: str
    where: str
    text: str
    depth: int
    log_total: float
    factor: float
    shares: dict[str, float]


def shown(log: float) -> str:
    """A number of any size, given by its natural log, as text.

    Examples
    --------
    >>> from vgtheory.diagnose.verdict import shown
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


def _fault(trace: Trace, seen: Pass, found: Faults) -> tuple[str, str]:
    """Origin of values that are not finite, and a sentence."""
    for name, share in zip(trace.leaves, found.leaves, strict=True):
        if share > 0:
            owner = next((site.path for site in trace.sites if name.startswith(f"{site.layer}/")), name)
            return owner, f"Not finite: the parameter {name} is, in {share:.2%} of its entries."
    for k, site in enumerate(trace.sites):
        if found.inputs[k] > 0:
            return (
                site.path,
                f"Not finite: the input of {site.path} is, though the outputs of all layers called before it"
                " are finite.",
            )
        if found.outputs[k] > 0:
            share = f"{found.outputs[k]:.2%} of its entries"
            text = f"Not finite: {site.path} is the first layer whose output is ({share}) though its input is finite."
            size = shown(float(seen.log_rms[k - 1])) if k else ""
            return site.path, text + (
                f" The output of {trace.sites[k - 1].path} before it has rms {size}." if k else ""
            )
    if not np.isfinite(seen.loss):
        return "loss", "Not finite: the loss, though the outputs of all layers are finite."
    for k in range(len(trace.sites) - 1, -1, -1):
        for side, log in (("output", seen.log_grad[k]), ("input", seen.log_below[k])):
            if np.isposinf(log):
                path = trace.sites[k].path
                return path, f"Not finite: the gradient, from the {side} of {path} down; the forward pass is finite."
    return "", "Not finite: the gradient of a parameter; the forward pass is finite."


def is_finite(seen: Pass) -> bool:
    """Whether all numbers of a pass are finite."""
    return bool(np.isfinite(seen.loss)) and not any(np.isposinf(column).any() for column in seen[1:])


def _shares(trace: Trace, seen: Pass, chain: list[int], plain: list[bool]) -> dict[str, float]:
    """Log of the gradient from the top of a chain of calls to its bottom, by its causes."""
    shares = dict.fromkeys(("weights", "norms", "slopes", "skips"), 0.0)
    for a, b, is_plain in zip(chain, chain[1:], plain, strict=False):
        own = "norms" if trace.sites[b].kind == "norm" else "weights"
        shares[own] += float(seen.log_below[b] - seen.log_grad[b])
        shares["slopes" if is_plain else "skips"] += float(seen.log_grad[a] - seen.log_below[b])
    return shares


def _parts(shares: dict[str, float], depth: int) -> str:
    """The shares in words."""
    words = {
        "weights": "the weights",
        "norms": "the normalisers",
        "slopes": "the activations' slopes",
        "skips": "what lies between layers where the graph branches (skips, gates, attention, slopes)",
    }
    size = sum(abs(each) for each in shares.values())
    said = [
        f"{words[name]} {np.exp(each / depth):.3g} ({abs(each) / size:.0%})"
        for name, each in shares.items()
        if size > 0 and abs(each) / size > 0.005
    ]
    return f" Per layer, and as shares of all changes: {'; '.join(said)}." if said else ""


def _formats(trace: Trace, seen: Pass, rungs: list[int], factor: float, log_total: float) -> str:
    """Depths at which number formats lose the gradient, in this model and for its factor."""
    rms = [seen.log_grad[k] - np.log(np.prod(trace.sites[k].shape)) / 2 for k in reversed(rungs)]
    said = {"zero": "", "infinite": ""}
    for dtype in ("float16", "bfloat16", "float32"):
        smallest, _, largest = log_edges(dtype)
        gone = next((i for i, each in enumerate(rms) if each < smallest or each > largest), None)
        if gone is not None:
            how = "zero" if rms[gone] < smallest else "infinite"
            said[how] += f"{', ' if said[how] else ''}in {dtype} from {trace.sites[rungs[-1 - gone]].path} down"
    limit = depth_limit(factor, "float16")
    depth = limit.zero if log_total < 0 else limit.overflow
    text = "".join(f" Its entries (rms) are {how} {where}." for how, where in said.items() if where)
    return text + (f" A power of {factor:.3g} leaves float16 at depth {depth}." if depth is not None else "")


def _remedy(trace: Trace, seen: Pass, chain: list[int], plain: list[bool], factor: float) -> str:
    """Scale of weights that would make the factor 1, where the chain is plain."""
    steps = [k for k in chain[1:] if trace.sites[k].kind in ("dense", "conv")]
    if not steps or not all(plain) or any(trace.sites[k].kind == "norm" for k in chain):
        return ""
    logs = [seen.log_weight[k] + np.log(trace.sites[k].fan_in) / 2 for k in steps]
    sigma_w = float(np.exp(np.mean(logs)))
    if not np.isfinite(sigma_w):
        return ""
    return (
        f" Weights of sigma_w = {sigma_w / factor:.3g} instead of {sigma_w:.3g} make the factor 1"
        " if the activation is homogeneous (linear, ReLU, leaky ReLU); for any other, critical_scale() measures it."
    )


def judged(trace: Trace, seen: Pass, found: Faults | None) -> Verdict:
    """Verdict on a pass; ``found`` has the faults if something is not finite."""
    nothing = dict.fromkeys(("weights", "norms", "slopes", "skips"), 0.0)
    if found is not None:
        where, text = _fault(trace, seen, found)
        return Verdict("not finite", where, text, 0, float("nan"), float("nan"), nothing)
    rungs = [k for k in trace.chain if trace.sites[k].kind in WEIGHTED and not np.isnan(seen.log_grad[k])]
    if len(rungs) < 2:
        many = "one layer was seen" if rungs else "no layer was seen"
        text = (
            f"No chain: {many} between parameters and loss, so there is no product of Jacobians to vanish or explode."
        )
        if trace.sites and not rungs:
            text = (
                "No gradient: layers were called, but the loss does not depend on them by any path that gradients take."
            )
        return Verdict("no chain", "", text, 0, float("nan"), float("nan"), nothing)
    start, end = trace.chain.index(rungs[0]), trace.chain.index(rungs[-1])
    chain, plain = trace.chain[start : end + 1], trace.plain[start:end]
    bottom, top, depth = trace.sites[rungs[0]].path, trace.sites[rungs[-1]].path, len(rungs) - 1
    dead = next((k for k in reversed(rungs) if np.isneginf(seen.log_grad[k])), None)
    if dead is not None:
        path = trace.sites[dead].path
        text = (
            f"Zero: no gradient reaches the output of {path}, nor what lies below it"
            " (dead units, or beyond float32's range between two taps)."
        )
        return Verdict("zero", path, text, depth, -float("inf"), 0.0, nothing)
    log_total = float(seen.log_grad[rungs[0]] - seen.log_grad[rungs[-1]])
    factor, shares = float(np.exp(log_total / depth)), _shares(trace, seen, chain, plain)
    word = "healthy" if abs(log_total) <= HEALTHY else "vanishes" if log_total < 0 else "explodes"
    head = "Healthy: the gradient" if word == "healthy" else f"The gradient {word}: it"
    text = (
        f"{head} changes {shown(log_total)}-fold from the output of {top} to that of {bottom},"
        f" {depth} {'layer' if depth == 1 else 'layers'} below;"
        f" by {factor:.4g} per layer (geometric mean of norms)."
    )
    text += _parts(shares, depth)
    if word != "healthy":
        text += _formats(trace, seen, rungs, factor, log_total) + _remedy(trace, seen, chain, plain, factor)
    return Verdict(word, bottom, text, depth, log_total, factor, shares)
