"""Stacks of causal transformer blocks: stream, gradient and weight gradients, by block and position.

The stream has overlaps of every position with itself and of every two positions, and the gradient
as well. Attention acts on them as in ``attention``; norms, the perceptron and the skips act on each
entry by itself. Symbols are in ``climb``.
"""

import functools
from typing import Any, NamedTuple

import numpy as np

from vgtheory.networks.transformer import Transformer
from vgtheory.theory.arrays import compiled, library, scan
from vgtheory.theory.attention.branches import Curve
from vgtheory.theory.attention.climb import Widths, kept_by, sizes_of
from vgtheory.theory.decoders.attention import backward
from vgtheory.theory.decoders.climb import Block, Branch, Overlaps, Rule, Stream, climb, outer, pair_series
from vgtheory.theory.decoders.places import places, total
from vgtheory.theory.decoders.sight import diagonal, turned
from vgtheory.theory.precision import Values


class Grads(NamedTuple):
    """Log of a common factor of the gradient's overlaps, and the overlaps over it."""

    log_scale: Values
    same: Values
    pairs: Values


def _log(square: Any) -> Any:
    """Log of what may be zero, which then has no derivative."""
    xp = library(square)
    return xp.where(square > 0, xp.log(xp.where(square > 0, square, 1.0)), -xp.inf)


def _through(grads: Grads, factor: Any, tied: float = 1.0) -> Grads:
    """The gradient's overlaps with a factor at every position, and one besides for those of two positions."""
    return Grads(grads.log_scale, grads.same * factor**2, grads.pairs * outer(factor) * tied)


def _added(grads: Grads, scale: Any, branch: Branch, more: Overlaps) -> Grads:
    """The gradient's overlaps with those that a branch adds."""
    same = grads.same + scale * branch.into**2 * more.same
    return Grads(grads.log_scale, same, grads.pairs + scale * outer(branch.into) * branch.turn * more.pairs)


def _below_mlp(rule: Rule, grads: Grads, below: Grads, block: Block) -> tuple[Grads, dict[str, Any]]:
    """What the perceptron adds to the gradient, and what its matrices get."""
    net, here, branch = rule.net, rule.here, block.perceptron
    at = _through(grads, branch.out, 1 - net.dropout)
    summed = lambda same, pairs: total(here, at.same * same, at.pairs * pairs)
    into, gate = block.hidden
    sums = {
        "mlp_in": net.sigma_2**2 * summed(branch.read.same * into.same, branch.read.pairs * into.pairs),
        "mlp_out": rule.widths.ratio * summed(*branch.made),
    }
    if net.is_gated:
        sums["mlp_gate"] = net.sigma_2**2 * summed(branch.read.same * gate.same, branch.read.pairs * gate.pairs)
    back = Overlaps(at.same * (into.same + gate.same), at.pairs * (into.pairs + gate.pairs))
    scale = net.sigma_2**2 * net.sigma_1**2 * (1 if net.place == "post" else kept_by(net, rule.widths))
    return _added(below, scale, branch, back), sums


def _below_attention(rule: Rule, grads: Grads, below: Grads, block: Block) -> tuple[Grads, dict[str, Any]]:
    """What attention adds to the gradient, and what its matrices get."""
    net, here, branch = rule.net, rule.here, block.attention
    at = _through(grads, branch.out, 1 - net.dropout)
    raw = net.sigma_v**2 * net.sigma_o**2
    found = backward(here, rule.kappa, block.view, (at.same, at.pairs), sizes_of(net, rule.widths), net.dropout)
    averaged = total(here, at.same * branch.made.same, at.pairs * branch.made.pairs)
    # A query of one length has no gradient along itself, nor has a key.
    logits = raw * ((1 - rule.widths.head) / net.sigma_qk**2 if net.is_qk_normed else net.sigma_qk**2)
    # Between networks the tokens' distances vary, and all rows feel it at once.
    read, vary = branch.read, library(at).exp(branch.read.vary)
    summed = lambda same, pairs: logits * total(here, same * read.same * diagonal(vary), pairs * read.pairs * vary)
    sums = {
        "query": summed(*found.query),
        "key": summed(*found.key),
        "value": net.sigma_o**2 * averaged,
        "output": net.sigma_v**2 * averaged,
    }
    scale = raw * (1 if net.place == "post" else kept_by(net, rule.widths))
    return _added(below, scale, branch, Overlaps(*found.tokens)), sums


def _descend(rule: Rule, grads: Grads, block: Block) -> Any:
    """One block, downwards; what each group of matrices gets is added up over all positions."""
    xp, whole = library(grads), rule.here.whole
    at_mlp = _through(grads, block.perceptron.after)
    below, sums = _below_mlp(rule, at_mlp, at_mlp, block)
    at = at_mlp if rule.net.is_parallel else (below := _through(below, block.attention.after))
    below, more = _below_attention(rule, at, below, block)
    size = xp.sum(whole * below.same) / xp.sum(whole)
    logs = {name: grads.log_scale + _log(each) for name, each in (sums | more).items()}
    next_one = Grads(grads.log_scale + xp.log(size), below.same / size, below.pairs / size)
    return next_one, (grads.log_scale, grads.same, logs)


def inverse_mean(mean: Any, stream: float) -> Any:
    """Mean over networks of one over a stream's mean square, which varies from 1 at the inputs on.

    Parameters
    ----------
    mean
        The mean itself.
    stream
        1 over the units of the stream.
    """
    # A branch b adds 2 (2 q b + b^2) / N to the variance of q, which makes 2 (q^2 - 1) / N of all.
    return (1 + 2 * stream * (1 - 1 / mean**2)) / mean


class Profile(NamedTuple):
    """Every block's numbers.

    Attributes
    ----------
    log_q
        Log of the mean square of the stream after each block, shape (depth, positions).
    log_grad
        Log of the squared gradient of the inputs, and after each block, shape (depth + 1, positions).
    log_groups
        Logs of the squared gradients by matrix, of a common scale, each of shape (depth,).
    """

    log_q: Values
    log_grad: Values
    log_groups: dict[str, Values]


@compiled("count", "depth", "widths", "top")
def profile(
    net: Transformer,
    c_0: Values,
    phi: Curve,
    norm: Curve | None,
    count: int,
    depth: int,
    widths: Widths,
    top: str = "even",
) -> Profile:
    """Numbers of every block, for inputs of unit mean square and a white gradient at the top.

    Parameters
    ----------
    net
        With scalar numbers.
    c_0
        Correlation of two inputs, shape ``()``.
    phi
        Moments of the activation, at the variance ``sigma_1**2``; at all up to it where there is no norm.
    norm
        Moments of the function of each unit that stands in place of a norm, if one does.
    count, depth
        Numbers of positions and of blocks.
    widths
        What is finite.
    top
        The gradient at the top: as large at all positions (``"even"``), that of the last alone (``"last"``), or
        that of as large ones behind a norm (``"normed"``).
    """
    xp = library(net)
    one = net.sigma_w * 0 + 1
    here = places(count, one.dtype.name)
    turns = turned(here, widths.head) if net.is_rotary else None
    if norm is None:
        series = pair_series(phi, 2 * xp.log(net.sigma_1))
        rule = Rule(net, here, widths, xp.exp(phi.squares[0]), xp.exp(phi.squares[1]), series, turns)
    else:
        rule = Rule(net, here, widths, one, one, one, turns, phi, norm)
    ones = one * np.ones(len(here.at), one.dtype)
    square = outer(ones)
    start = Stream(ones, c_0 * square, widths.stream * square, 0 * square)
    blocks = scan(functools.partial(climb, rule), start, length=depth)[1]
    behind = {"even": ones, "last": ones * (here.at == count), "normed": inverse_mean(blocks.same[-1], widths.stream)}
    start_down = Grads(one * 0, behind[top], 0 * square)
    end, (scale, same, logs) = scan(functools.partial(_descend, rule), start_down, blocks, reverse=True)
    squares = xp.concatenate([end.same[None], same]) @ here.spread.T
    scale = xp.concatenate([end.log_scale[None], scale])
    log_grad = scale[:, None] + _log(squares)
    return Profile(xp.log(blocks.same @ here.spread.T), log_grad, logs)


__all__ = ["Profile", "inverse_mean", "profile"]
