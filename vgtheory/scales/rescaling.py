"""A model with scales at which its signal and its gradient keep their size."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from vgtheory.activation import Activation, Pointwise
from vgtheory.diagnose import diagnose
from vgtheory.diagnose.words import shown
from vgtheory.expect import expect, expect_flag, expect_key
from vgtheory.scales.chain import from_law, levelled, redrawn, strayed
from vgtheory.scales.kernel import KINDS
from vgtheory.scales.line import Point, point
from vgtheory.scales.passes import Passes, Seen
from vgtheory.scales.reading import activations
from vgtheory.scales.result import Initialised, layers_of
from vgtheory.scales.stack import Stack, balanced, stack_of
from vgtheory.weights import as_weights

_WHERE = "initialise"
_GRADIENT, _SIGNAL = float(np.log(3.0)), float(np.log(10.0))
"""Largest changes of gradient and signal from end to end, in logs, that count as none."""


class _Wishes(NamedTuple):
    """What the user asked for."""

    activation: Any
    weights: str | None
    centred: bool
    key: Array


@contextlib.contextmanager
def _asked_here() -> Iterator[None]:
    """Errors of ``diagnose`` as those of this function."""
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("diagnose: "):
            raise
        raise ValueError(str(error).replace("diagnose: ", f"{_WHERE}: ", 1)) from error


def _read(passes: Passes, wishes: _Wishes) -> list[Activation | None]:
    """Activation between each layer and the next, where it is asked for and can be read off."""
    rungs = passes.rungs
    if wishes.activation is not None or any(rung.kernel is None or rung.kind == "embed" for rung in rungs):
        return [None] * (len(rungs) - 1)
    return activations(passes, rungs)


def _known(read: list[Activation | None], wishes: _Wishes) -> Point | None:
    """Critical point of the chain's one activation, given or read off; None if there is no such."""
    bent = {each for each in read if each is None or each.name != "linear"} or set(read)
    chosen = wishes.activation if wishes.activation is not None else next(iter(bent)) if len(bent) == 1 else None
    return None if chosen is None else point(_WHERE, chosen, None, wishes.centred)


def _chain(passes: Passes, wishes: _Wishes) -> tuple[list[Any], Seen, str]:
    """Parameters of a chain, their pass, and what was done."""
    rungs, keys = passes.rungs, jax.random.split(wishes.key)
    read = _read(passes, wishes)
    law = _known(read, wishes)
    leaves = redrawn(passes, rungs, wishes.weights, wishes.centred, keys[0])
    if law is not None:
        straight = [False, *(each is not None and each.name == "linear" for each in read)]
        leaves = from_law(passes, [*zip(rungs, straight, strict=True)], leaves, law, keys[1])
    start = passes(leaves)
    leaves, seen = levelled(passes, rungs, leaves, law)
    factors = [
        passes.sigma_w(seen, rung) / passes.sigma_w(start, rung) for rung in rungs[1:] if rung.kernel is not None
    ]
    ends = f"{min(factors):.2f} to {max(factors):.2f}" if factors else "1"
    if law is None:
        text = (
            f"A chain of {len(rungs)} layers: each kernel times {ends}, so that no layer changes the gradient's norm."
        )
        return leaves, seen, text
    kind = "centred kernels, " if law.centred else ""
    text = (
        f"A chain of {len(rungs)} layers with {law.activation.name}: {kind}sigma_w = {law.sigma_w:.4g}, sigma_b ="
        f" {law.sigma_b:.3g} by the closed law; then each kernel times {ends}, so that no layer changes the gradient's"
        " norm on this batch."
    )
    return leaves, seen, text


def _stack(passes: Passes, stack: Stack) -> tuple[list[Any], Seen, str]:
    """Parameters of a residual stack, their pass, and what was done."""
    leaves, seen, factor = balanced(passes, stack)
    num = len(stack.ends)
    text = (
        f"A residual stack of {num} branches: the last kernel of each times {factor:.3g}, with which gradient and"
        f" stream grow by e^(1/4) at most (1/sqrt(2 x {num}) = {(2 * num) ** -0.5:.3g} for branches of unit gain)."
    )
    if stack.stem is not None:
        text += f" {stack.stem.layer} was scaled to an output of rms 1, if no other layer shares its weights."
    return leaves, seen, text


def _expect_kept(passes: Passes, seen: Seen, is_chain: bool, text: str) -> float:
    """The log of the gradient's change, or the error that no scale keeps it."""
    rungs = passes.rungs
    off, total = strayed(rungs, seen), float(seen.log_grad[rungs[0].row] - seen.log_grad[rungs[-1].row])
    signal = abs(float(seen.log_rms[rungs[-2].row] - seen.log_rms[rungs[0].row])) if is_chain else 0.0
    remedy = "Name it by activation=, or try centred=True." if is_chain else ""
    if any(rung.link == "norm" for rung in rungs) and is_chain:
        remedy = "A normaliser undoes the scale of the kernel before it. A skip connection around each layer helps."
    got = {"gradient": shown(total), "signal": shown(signal)}
    ok = off <= _GRADIENT if is_chain else abs(total) <= _GRADIENT
    expect(ok, _WHERE, "scales that keep the gradient within a factor of 3", remedy, **got)
    expect(signal <= _SIGNAL, _WHERE, "scales that keep the signal within a factor of 10", remedy, **got)
    return total


def initialise(
    model: Any,
    loss: Callable[..., Any],
    *batch: Any,
    variables: Any = None,
    rngs: Any = None,
    activation: str | Activation | Pointwise | None = None,
    weights: str | None = None,
    centred: bool = False,
    key: Array | None = None,
) -> Initialised:
    r"""Model rescaled so that its gradient and its signal keep their size from end to end.

    A chain of dense layers or convolutions with one activation gets the critical ``sigma_w`` and
    ``sigma_b`` of the closed law, and an input scale that puts the signal at its fixed point. Then
    each kernel is scaled by what this network strays from the law on the batch. In a residual
    stack, pre-norm transformers included, the last kernels of all branches get one factor,
    :math:`1 / \sqrt{2 L}` for L branches of unit gain.

    Parameters
    ----------
    model, loss, batch, variables, rngs
        As for ``diagnose``: a ``flax.nnx`` model, a ``flax.linen`` module with its ``variables``,
        or a pytree; ``loss(model, *batch)``; for a Linen module, ``rngs`` for dropout. The model is
        not changed.
    activation
        Activation of a chain. None reads it off the model, if its layers have biases and it is in
        ``ACTIVATIONS``.
    weights
        None keeps the model's own draw of each kernel; ``"gaussian"`` or ``"orthogonal"`` draws a
        chain's kernels anew.
    centred
        Whether the weights of each unit of a chain sum to zero; then softplus, too, has a critical
        scale.
    key
        A JAX key for new biases and kernels; None for ``jax.random.key(0)``.

    Returns
    -------
    Initialised
        Its ``model`` is of the kind that was given (Linen: the variables). Print it for what was
        done to each layer; ``frame`` is the table.

    Raises
    ------
    ValueError
        If no scale keeps both, as for softplus in a chain, or for a chain of normalised layers; and
        as ``diagnose``. The message says what would help.

    Notes
    -----
    Accuracy: on the batch, every layer of a chain has a gradient within a factor of 3 of the top
    layer's, and a residual stack from end to end; typically it is within 10 %. Another batch of the
    same kind strays by a few per cent per ten layers; with ``centred=True``, by up to a factor e in 30
    layers and e^4 in 100.
    Assumes: layers that ``diagnose`` can look into. One compilation, and some forty passes.

    References
    ----------
    Schoenholz et al. (2017), arXiv:1611.01232, for the critical scales; Hayou et al. (2021),
    arXiv:2010.12859, for the branches; Mishkin and Matas (2016), arXiv:1511.06422, who level the
    forward signal.

    Examples
    --------
    >>> import jax
    >>> from flax import nnx
    >>> from vgtheory import initialise
    >>> rngs = nnx.Rngs(0)
    >>> layers = [each for _ in range(8) for each in (nnx.Linear(64, 64, rngs=rngs), nnx.sigmoid)]
    >>> model, x = nnx.Sequential(*layers), jax.random.normal(jax.random.key(1), (16, 64))
    >>> done = initialise(model, lambda model, x: (model(x) ** 2).mean(), x)
    >>> y = done.model(x)
    >>> round(done.log_total_before, 1), abs(done.log_total) < 0.1
    (-10.2, True)
    """
    expect_flag(_WHERE, centred=centred)
    weights = None if weights is None else as_weights(KINDS, _WHERE, weights)
    key = jax.random.key(0) if key is None else key
    expect_key(_WHERE, key=key)
    if activation is not None:
        point(_WHERE, activation, None, centred)
    with _asked_here():
        found = diagnose(model, loss, *batch, variables=variables, rngs=rngs)
    word = found.verdict.word
    expect(word not in ("not finite", "no chain"), _WHERE, "a model with a finite gradient", verdict=found.verdict.text)
    passes = Passes(found)
    before = passes(passes.start)
    wishes = _Wishes(activation, weights, bool(centred), key)
    stack = stack_of(passes)
    leaves, seen, text = _chain(passes, wishes) if stack is None else _stack(passes, stack)
    total = _expect_kept(passes, seen, stack is None, text)
    ends = (
        f" The gradient changes {shown(total)}-fold from top to bottom, before {shown(found.verdict.log_total)}-fold."
    )
    model = passes.model(leaves)
    return Initialised(model, layers_of(passes, before, leaves, seen), text + ends, found.verdict.log_total, total)


__all__ = ["initialise"]
