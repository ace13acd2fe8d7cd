"""One pass of a trace: the loss, and logs of the sizes of signals and gradients."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from vgtheory.diagnose.passes.cut import Cut
from vgtheory.diagnose.passes.engine import Engine, Gradient, Signal
from vgtheory.diagnose.passes.exponents import Scaled, Size, log_size, size_of
from vgtheory.diagnose.passes.stretches import LONGEST
from vgtheory.diagnose.program.trace import Trace


class Raw(NamedTuple):
    """Result of one compiled pass: the loss, sizes by layer's number, and sizes by parameter."""

    loss: Any
    signals: dict[int, Signal]
    gradients: dict[int, Gradient]
    leaves: list[Size | None]


class Pass(NamedTuple):
    """Result of one pass: natural logs but for the loss, in arrays over calls.

    NaN where a quantity does not exist, inf where it is not finite.

    Attributes
    ----------
    loss
        Value of the loss.
    log_rms
        Log rms of the output.
    log_weight
        Log rms of the kernel.
    log_grad
        Log-norm of the loss's gradient with respect to the output.
    log_below
        Log-norm of the gradient with respect to the input, through this call only.
    log_grad_weight
        Log-norm of the gradient with respect to the parameters read, through this call only.
    leaves
        Log-norm of the whole gradient of each parameter; -inf for those that the loss does not
        depend on.
    """

    loss: float
    log_rms: np.ndarray
    log_weight: np.ndarray
    log_grad: np.ndarray
    log_below: np.ndarray
    log_grad_weight: np.ndarray
    leaves: np.ndarray


def measured(
    trace: Trace,
    leaves: list,
    arrays: list,
    cut: Cut | None = None,
    *,
    masked: bool = False,
    longest: int | None = LONGEST,
    multiple: ArrayLike = 1.0,
    engine: Engine | None = None,
) -> Raw:
    """Value, gradient norms and sizes of a traced loss; compile it with ``trace`` fixed.

    Parameters
    ----------
    trace
        From ``traced``.
    leaves, arrays
        Its parameters and data.
    cut
        A part to take out of the backward pass.
    masked
        Whether entries of a gradient that are not finite count as 0 in its size.
    longest
        Most operations that have one exponent together; None for no bound.
    multiple
        What values are multiplied by before they are squared. ``weighed`` runs a pass with others
        where float32 cannot hold the plain sums.
    engine
        What runs, in place of one with these settings.
    """
    engine = engine or Engine(trace.layers, trace.flow, longest, masked, multiple=multiple)
    program = trace.program
    env = dict(zip(program.inputs, [*leaves, *arrays], strict=True))
    tape: list[Any] = []
    signals = engine.forward(trace.layers, env, tape)
    end = program.outputs[0]
    if not isinstance(end, int):
        return Raw(end.val, signals, {}, [None] * len(leaves))
    cotangents = dict[int, Scaled]()
    if end in trace.flow.carrying:
        cotangents[end] = Scaled(jnp.ones((), env[end].dtype), jnp.zeros((), jnp.int32))
    rows = {number: jnp.asarray(each) for number, each in trace.rows.items()}
    at = None if cut is None else lambda number, where: (cut, rows[number][where])
    gradients = engine.backward(trace.layers, tape, cotangents, cut=at)
    found = [cotangents.get(var) for var in program.inputs[: len(leaves)]]
    size = lambda each: size_of(each.unit, each.power, engine.multiple, masked=masked)
    sizes = [None if each is None else size(each) for each in found]
    return Raw(env[end], signals, gradients, sizes)


def read(trace: Trace, raw: Raw) -> Pass:
    """Assemble a pass from a result of ``weighed``; layers that it left out are NaN."""
    columns = np.full((5, len(trace.graph.calls)), np.nan)

    def put(column: int, number: int, size: Size | None, shift: float = 0.0) -> None:
        if size is not None:
            logs = np.asarray(log_size(size)) + shift
            columns[column, trace.rows[number]] = np.where(np.isnan(logs), np.inf, logs)

    nil = np.zeros(())
    for call in trace.graph.calls:
        site = call.site
        if call.where and any(call.where):
            continue
        if site.number not in raw.signals:
            continue
        signal, gradient = raw.signals[site.number], raw.gradients.get(site.number)
        count = float(np.log(max(int(np.prod(site.shape)), 1))) / 2
        put(0, site.number, Size(signal.out, nil), -count)
        if signal.kernel is not None:
            size = max(trace.program.avals[site.uses[0]].size, 1)
            put(1, site.number, Size(signal.kernel, nil), -float(np.log(size)) / 2)
        if gradient is not None:
            put(2, site.number, gradient.out)
            put(3, site.number, gradient.below)
            put(4, site.number, gradient.weight)
    leaves = np.array([-np.inf if size is None else float(log_size(size)) for size in raw.leaves], float)
    leaves = np.where(np.isnan(leaves), np.inf, leaves)
    log_rms, log_weight, log_grad, log_below, log_grad_weight = columns
    return Pass(float(raw.loss), log_rms, log_weight, log_grad, log_below, log_grad_weight, leaves)


__all__ = ["Pass", "Raw", "measured", "read"]
