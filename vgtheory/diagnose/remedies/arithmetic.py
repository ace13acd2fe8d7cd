"""Remedies that are arithmetic on one pass: for number formats, and for the size of all gradients."""

import numpy as np

from vgtheory.diagnose.passes.sizes import Pass
from vgtheory.diagnose.program.trace import Trace
from vgtheory.diagnose.remedies.remedy import FORMAT, SIZE, Remedy
from vgtheory.diagnose.words import shown
from vgtheory.theory.layers.formats import log_edges

_HEADROOM = 6 * float(np.log(2.0))
"""Left above the rms of a gradient's entries for its largest ones."""


def _entries(trace: Trace, seen: Pass, rungs: list[int]) -> np.ndarray:
    """Log rms of the entries of the gradient at each layer of a chain, top first."""
    sizes = [np.prod(trace.graph.calls[k].site.shape) for k in rungs]
    return (seen.log_grad[rungs] - np.log(sizes) / 2)[::-1]


def formats(trace: Trace, seen: Pass, rungs: list[int]) -> list[Remedy]:
    """Loss scale and bfloat16, for a model that loses its gradient in float16."""
    types = [trace.program.avals[trace.graph.calls[k].site.out].dtype for k in rungs]
    logs = _entries(trace, seen, rungs)
    alive = np.isfinite(logs)
    if not any(str(each) == "float16" for each in types) or not alive.any():
        return []
    _, normal, largest = log_edges("float16")
    low, high = float(logs[alive].min()), float(logs[alive].max()) + _HEADROOM
    end = trace.program.outputs[0]
    if isinstance(end, int) and str(trace.program.avals[end].dtype) == "float16":
        high = max(high, 0.0)  # the scale itself is the gradient by the loss
    lack, excess = max(normal - low, 0.0), max(high - largest, 0.0)
    if not lack + excess:
        return []
    before = -lack if lack else excess
    names = [trace.paths[k] for k in reversed(rungs)]
    most = int(np.floor((largest - high) / np.log(2.0)))
    least = int(np.ceil((normal - low) / np.log(2.0)))
    power = (least + most) // 2 if least <= most else most
    rest = min(low + power * float(np.log(2.0)) - normal, 0.0)
    gone = [name for name, log in zip(names, logs, strict=True) if log < normal or log > largest - _HEADROOM]
    lost = [name for name, log in zip(names, logs, strict=True) if log + power * np.log(2.0) < normal]
    place = f"float16 loses it from {gone[0]} down without" if gone else ""
    text = f"a loss scale of 2^{power} ({place}{f', and still from {lost[0]} down' if lost else ''})"
    _, small, large = log_edges("bfloat16")
    wide = min(low - small, 0.0) or max(high - large, 0.0)
    return [
        Remedy("loss scale", text, before, rest, FORMAT, float(power)),
        Remedy("bfloat16", "bfloat16 in place of float16", before, wide, FORMAT),
    ]


def steps(word: str, seen: Pass) -> list[Remedy]:
    """Clipping, where only the size of all gradients is large; a larger loss where it is small."""
    whole = float(np.logaddexp.reduce(2 * seen.leaves) / 2)
    if word == "large":
        text = f"clip_by_global_norm(1.0), which multiplies this step by {shown(-whole)}"
        return [Remedy("clipping", text, whole, 0.0, SIZE, float(np.exp(-whole)))]
    if word == "small":
        power = round(-whole / float(np.log(2.0)))
        return [
            Remedy(
                "loss scale",
                f"a loss 2^{power} times as large",
                whole,
                whole + power * float(np.log(2.0)),
                SIZE,
                float(power),
            )
        ]
    return []


__all__ = ["formats", "steps"]
