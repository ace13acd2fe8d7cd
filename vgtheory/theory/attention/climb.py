"""Blocks of a transformer in the forward pass: what a branch reads and adds; ``stack`` has the symbols."""

from typing import Any, NamedTuple

from vgtheory.networks.transformer import Transformer
from vgtheory.theory.arrays import library
from vgtheory.theory.attention.branches import Curve, Perceptron, Token, normed, perceptron, squashed
from vgtheory.theory.attention.moments import Moments, Sizes, moments_at, read
from vgtheory.theory.attention.overlaps import Scene, forward, inherited
from vgtheory.theory.attention.turns import UNTURNED, Turns
from vgtheory.theory.precision import Values


class Branch(NamedTuple):
    """A branch in the forward pass.

    Attributes
    ----------
    token
        What it reads.
    out
        As in ``stack``.
    after
        Gain of a norm after the sum (``post``), but for the directions that it does not pass on.
    share
        Of the sum's mean square, what the branch brings (``post``).
    """

    token: Token
    out: Values
    after: Values
    share: Values


class Block(NamedTuple):
    """A block in the forward pass; each of shape (depth,).

    Attributes
    ----------
    log_q
        Log of the stream's mean square after the block.
    attention, mlp
        The two branches.
    found
        Moments of attention.
    hidden
        Overlaps of the perceptron.
    """

    log_q: Values
    attention: Branch
    mlp: Branch
    found: Moments
    hidden: Perceptron


class Facts(NamedTuple):
    """What all blocks share.

    Attributes
    ----------
    net
        With scalar numbers.
    factor
        Squared factor of the branches.
    positions
        Number T.
    moments
        Of attention, as ``moments.tabled``; None if the logits' variance varies.
    phi, norm
        Moments of the activation, and of what stands in place of a norm, if anything does.
    turned
        Of rotary positions.
    """

    net: Transformer
    factor: Values
    positions: Values
    moments: Any
    phi: Curve
    norm: Curve | None
    turned: Turns = UNTURNED


class Widths(NamedTuple):
    """1 over the units of the stream and of a head, 0 for infinitely many, and the perceptron's per stream's."""

    stream: float
    head: float
    ratio: float


class Addend(NamedTuple):
    """What a branch adds, over the stream's mean square.

    Attributes
    ----------
    same, own
        Mean square, and that of the part in which two positions differ.
    passed
        Change of two own parts' overlap with that of the branch's inputs.
    fresh
        Variance that its own weights add to the overlap of two own parts of unit mean square.
    matrices
        Number of matrices that every path through the branch meets.
    """

    same: Any
    own: Any
    passed: Any
    fresh: Any
    matrices: int


def kept_by(net: Transformer, widths: Widths) -> float:
    """Share of a gradient's directions that a norm passes on: not its output, and for layer norm not the mean.

    Parameters
    ----------
    net, widths
        Of all blocks.
    """
    return 1 - {"layer": 2, "rms": 1}.get(net.norm, 0) * widths.stream


def _token(facts: Facts, widths: Widths, state: Any) -> Token:
    """What the next branch reads."""
    log_q, gap, scatter, vary = state
    xp, net = library(state), facts.net
    if net.place == "post":
        return normed(xp.zeros_like(log_q), gap, scatter, vary, 1.0)
    if facts.norm is None:
        return normed(log_q, gap, scatter, vary, kept_by(net, widths))
    return squashed(facts.norm, net.norm_slope, log_q, gap, scatter, widths.stream)


def scene_of(facts: Facts, widths: Widths, token: Token, tie: Any) -> Scene:
    """What a block's attention sees.

    Parameters
    ----------
    facts, widths
        Of all blocks.
    token
        Of one block, or of all of them.
    tie
        Correlation of the cotangents at two positions of its outputs.
    """
    net = facts.net
    kappa = token.size * 0 + 1 if net.is_qk_normed else net.sigma_qk**4 * token.size**2
    sphere = token.gap**2 * (widths.stream if facts.norm is None else 0.0)
    return Scene(
        token.gap, tie, kappa, facts.positions, widths.head, token.scatter, sphere, vary=token.vary, turns=facts.turned
    )


def sizes_of(net: Transformer, widths: Widths) -> Sizes:
    """What is finite in a block's attention.

    Parameters
    ----------
    net, widths
        Of all blocks.
    """
    return Sizes(widths.head, widths.stream, net.norm in ("layer", "rms"))


def _out(facts: Facts, widths: Widths, raw: Any, matrices: int) -> tuple[Any, Any]:
    """Squared factors of a branch's output, of mean square ``raw``: forward, and of a gradient at one position."""
    net = facts.net
    drop = 1 / (1 - net.dropout)
    if net.place != "peri":
        return facts.factor, facts.factor * drop
    # The norm sees what dropout has left, and a mean square that varies between networks: E[1/b] is not 1/E[b].
    scale = facts.factor / (raw * drop)
    return scale, scale * drop * kept_by(net, widths) * (1 + 2 * matrices * widths.stream)


def _attention(facts: Facts, widths: Widths, state: Any) -> tuple[Addend, Token, Moments, Any]:
    """The branch of attention."""
    xp, net = library(state), facts.net
    token = _token(facts, widths, state)
    scene = scene_of(facts, widths, token, token.gap * 0)
    if facts.moments is None:
        found = moments_at(token.gap, scene.kappa, facts.positions, sizes_of(net, widths), facts.turned)
    else:
        found = read(facts.moments, token.gap)
    same, other = forward(found, scene, net.dropout)
    raw = net.sigma_v**2 * net.sigma_o**2 * token.size
    ahead, out = _out(facts, widths, raw * same, 2)
    scale = ahead * raw * xp.exp(-state[0])
    drop, passed = same / (1 - net.dropout), inherited(found, scene)
    addend = Addend(
        scale * drop, scale * (drop - other), scale * passed, _fresh(facts, widths, same - other, passed), 2
    )
    return addend, token, found, out


def _fresh(facts: Facts, widths: Widths, own: Any, passed: Any) -> Any:
    """Scatter that all heads together bring in: by W_v, the queries' overlaps, and the pattern of their shares."""
    per_head = widths.stream / widths.head if widths.head else 0.0  # 1 over the number of heads
    xp = library(own)
    # Uniform attention leaves no own part; the derivative divides by the square of this least one.
    turned = xp.minimum(passed / xp.maximum(own, float(xp.finfo(own.dtype).tiny) ** 0.4), 1.0) ** 2
    return widths.stream * (1 + turned) + per_head * (1 / facts.positions + widths.stream)


def _mlp(facts: Facts, widths: Widths, state: Any) -> tuple[Addend, Token, Perceptron, Any]:
    """The branch of the perceptron."""
    xp, net = library(state), facts.net
    token = _token(facts, widths, state)
    hidden = perceptron(facts.phi, xp.log(net.sigma_1**2 * token.size), token.gap, net.is_gated)
    raw = net.sigma_2**2
    ahead, out = _out(facts, widths, raw * hidden.same, 1)
    scale, extra = ahead * raw * xp.exp(-state[0]), net.dropout / (1 - net.dropout) * hidden.same
    same, own = hidden.same + extra, hidden.own + extra
    units = widths.stream / widths.ratio
    return Addend(scale * same, scale * own, scale * hidden.rate * token.gap, units, 1), token, hidden, out


def _renormed(widths: Widths, gap: Any, added: Addend) -> tuple[Any, Any, Any]:
    """1 - c behind the norm of a sum; relative variances between networks of its mean square and of its common part.

    The mean of a ratio is not that of the means. The expansion is that of ``decoders``, without differences of near
    numbers.
    """
    unit, m, c = 2 * widths.stream, added.matrices, 1 - gap
    same, own = added.same, added.own
    power = unit / (1 + same) ** 2
    behind, varied = (gap + own) / (1 + same), power * (2 * same + m * same**2)
    lost = power * (2 * gap * same + 2 * c * own + m * own * (2 * same - own))
    along = power * (own + gap * same + m * same * own)
    return behind * (1 + varied) + (1 - behind) * lost / 4 - along, varied, varied - lost


def _sum(facts: Facts, widths: Widths, state: Any, *added: Addend) -> tuple[Any, Any]:
    """The stream after a sum, and ``after`` and ``share`` of the branch."""
    log_q, gap, scatter, vary = state
    xp = library(state)
    same, own = 1 + sum(each.same for each in added), sum(each.own for each in added)
    whole = xp.maximum(gap + own, xp.finfo(gap.dtype).tiny)
    share, passed = own / whole, sum(each.passed for each in added) / whole
    fresh = sum((each.own / whole) ** 2 * each.fresh for each in added)
    kept = ((1 - share) + passed) ** 2 * scatter
    # That of unit vectors cannot exceed 1, which its first order does for logits beyond the law's range.
    scatter = xp.minimum(kept + (2 * share - share**2) * widths.stream + fresh, 1.0)
    if facts.net.place != "post":
        one = xp.ones_like(log_q)
        return (log_q + xp.log(same), (gap + own) / same, scatter, vary), (one, 0 * one)
    gap, varied, common = _renormed(widths, gap, *added)
    # The mean square of the sum varies between networks, and with it the gain: E[1/v] is not 1/E[v].
    return (xp.zeros_like(log_q), gap, scatter, vary + xp.log1p(common)), ((1 + varied) / same, 1 - 1 / same)


def climb(facts: Facts, widths: Widths, state: Any, _: None) -> tuple[Any, Block]:
    """One block, upwards.

    Parameters
    ----------
    facts, widths
        Of all blocks.
    state
        Log of the stream's mean square, 1 - c, the scatter of its own parts' overlaps, and ``vary`` of ``Token``.
    """
    one, token, found, out = _attention(facts, widths, state)
    if facts.net.is_parallel:
        two, token_mlp, hidden, out_mlp = _mlp(facts, widths, state)
        state, after = _sum(facts, widths, state, one, two)
        first = Branch(token, out, *after)
    else:
        middle, after = _sum(facts, widths, state, one)
        first = Branch(token, out, *after)
        two, token_mlp, hidden, out_mlp = _mlp(facts, widths, middle)
        state, after = _sum(facts, widths, middle, two)
    return state, Block(state[0], first, Branch(token_mlp, out_mlp, *after), found, hidden)


__all__ = ["Addend", "Block", "Branch", "Facts", "Widths", "climb", "kept_by", "scene_of", "sizes_of"]
