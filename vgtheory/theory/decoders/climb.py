"""Blocks of a decoder in the forward pass: overlaps of the stream, and what a branch reads and adds.

===========  =================================================================  ================
symbol       meaning                                                            shape
===========  =================================================================  ================
``same``     overlap of a position with itself                                  (places,)
``pairs``    overlap of two positions; on the diagonal, of two neighbours       (places, places)
``scatter``  variance over networks of the overlap of two positions             (places, places)
``vary``     log of the mean over networks of what two rows' own overlaps
             multiply to, over the product of their means                       (places, places)
``split``    E[phi^2] - E[phi phi'] over ``s E[phi'^2] gap``                    (places, places)
``turn``     E[phi' phi'] over E[phi'^2], at two positions                      (places, places)
===========  =================================================================  ================
"""

from typing import Any, NamedTuple

import numpy as np

from vgtheory.networks.transformer import Transformer
from vgtheory.theory.arrays import library
from vgtheory.theory.attention.branches import Curve
from vgtheory.theory.attention.climb import Widths, kept_by, sizes_of
from vgtheory.theory.decoders.attention import forward
from vgtheory.theory.decoders.functions import two
from vgtheory.theory.decoders.places import Places
from vgtheory.theory.decoders.sight import Sight, diagonal, sight
from vgtheory.theory.precision import Values

_NODES = 40
"""Of the gap, between which the moments of a pair are interpolated."""


class Stream(NamedTuple):
    """Overlaps of the stream; the table above has the symbols."""

    same: Values
    pairs: Values
    scatter: Values
    vary: Values


class Overlaps(NamedTuple):
    """Overlaps of a position with itself, shape (places,), and of two of them, shape (places, places)."""

    same: Values
    pairs: Values


class Branch(NamedTuple):
    """One branch's forward pass.

    Attributes
    ----------
    read
        What it reads.
    into, after
        Roots of the gradient's factors: of the norm in front of it, and of that behind the sum; shape (places,).
    turn
        Factor of the gradient's overlap of two positions besides, of shape () or (places, places).
    out
        The same between the sum and what W_o or W_2 put out.
    made
        Overlaps of attention's outputs before W_o, or of the hidden units.
    """

    read: Stream
    into: Values
    turn: Values
    after: Values
    out: Values
    made: Overlaps


class Hidden(NamedTuple):
    """Overlaps of the derivatives of the hidden units by the pre-activations of W_1 and of W_3."""

    into: Overlaps
    gate: Overlaps


class Block(NamedTuple):
    """One block's forward pass: its branches, what attention saw, and the stream's mean square behind it."""

    attention: Branch
    perceptron: Branch
    view: Sight
    hidden: Hidden
    same: Values


class Rule(NamedTuple):
    """What all blocks share.

    Attributes
    ----------
    net
        With scalar numbers.
    here, widths
        The positions, and what is finite.
    length, slope
        E[phi^2] and E[phi'^2].
    series
        Of ``split`` and ``turn``.
    turns
        As ``attention.turned``.
    phi, norm
        Moments of the activation at all variances, and of what stands in place of a norm; None behind norms.
    """

    net: Transformer
    here: Places
    widths: Widths
    length: Values
    slope: Values
    series: Values
    turns: Any
    phi: Curve | None = None
    norm: Curve | None = None

    @property
    def kappa(self) -> Values:
        """Variance of the logits of uncorrelated tokens."""
        return self.length * 0 + 1 if self.net.is_qk_normed else self.net.sigma_qk**4


def outer(factor: Any) -> Any:
    """Products of two positions' factors."""
    return library(factor).outer(factor, factor)


def _normed(stream: Stream, is_asked: bool) -> tuple[Stream, Any]:
    """Behind a norm, and the norm's factor; or as it is."""
    xp = library(stream)
    if not is_asked:
        return stream, xp.ones_like(stream.same)
    factor = 1 / xp.sqrt(stream.same)
    both = outer(factor)
    return Stream(xp.ones_like(stream.same), stream.pairs * both, stream.scatter * both**2, stream.vary), factor


def _read(rule: Rule, stream: Stream) -> tuple[Stream, Any, Any]:
    """What a branch reads, and ``into`` and ``turn``."""
    xp = library(stream)
    if rule.norm is None:
        return *_normed(stream, rule.net.place != "post"), xp.ones_like(rule.length)
    root = xp.sqrt(stream.same)
    found = two(rule.norm, xp.log(stream.same) + 2 * xp.log(rule.net.norm_slope), stream.pairs / outer(root))
    into, turn = rule.net.norm_slope * xp.sqrt(found.slope), found.slopes / outer(xp.sqrt(found.slope))
    own, made = stream.same - diagonal(stream.pairs), found.length - diagonal(found.lengths)
    passed, after = (outer(into) * turn) ** 2, outer(made)
    scatter = passed * stream.scatter + (after - passed * outer(own)) * rule.widths.stream
    return Stream(found.length, found.lengths, scatter, stream.vary), into, turn


def _joined(rule: Rule, stream: Stream, slopes: Any, made: tuple[Any, Any], passed: Any, units: float) -> Stream:
    """The sum of the stream and a branch, whose fresh weights add to the scatter of all overlaps."""
    xp = library(stream)
    same, pairs = made
    own, fresh = (each - diagonal(beside) for each, beside in ((stream.same, stream.pairs), made))
    cross = xp.outer(own, fresh)
    added = (cross + cross.T) * rule.widths.stream + outer(fresh) * units
    scatter = (1 + passed * slopes) ** 2 * stream.scatter + added
    return Stream(stream.same + same, stream.pairs + pairs, scatter, stream.vary)


def _renormed(rule: Rule, base: Stream, made: tuple[Any, Any], stream: Stream, matrices: int) -> tuple[Stream, Any]:
    """A sum behind its norm (``post``), and the norm's factor.

    The sum's mean square v varies between networks of N units, by 1/N relatively, and with it the
    correlations, E[C], and the gradient, E[1/v].
    """
    xp = library(stream)
    after, factor = _normed(stream, rule.net.place == "post")
    if rule.net.place != "post" or rule.widths.stream == 0:
        return after, factor
    (same, pairs), power, unit = made, factor**2, 2 * rule.widths.stream
    varied = unit * power**2 * (2 * base.same * same + matrices * same**2)
    shared = unit * outer(power) * (2 * base.pairs * pairs + matrices * pairs**2)
    along = base.same[:, None] * pairs + base.pairs * same[:, None] + matrices * same[:, None] * pairs
    along = unit * outer(factor) * power[:, None] * along
    ones = xp.ones_like(varied)
    grown = after.pairs * (3 / 8 * (xp.outer(varied, ones) + xp.outer(ones, varied)) + shared / 4)
    moved = after.pairs + grown - (along + along.T) / 2
    return Stream(after.same, moved, after.scatter, after.vary + xp.log1p(shared)), factor * xp.sqrt(1 + varied)


def pair_series(phi: Curve, log_s: Any) -> Any:
    """Chebyshev coefficients of ``split`` and ``turn`` in the root of 1 - c, shape (2, nodes).

    Parameters
    ----------
    phi
        Moments of the activation.
    log_s
        Log of the variance of its argument.
    """
    xp = library(log_s)
    angles = np.pi * (np.arange(_NODES) + 0.5) / _NODES
    transform = np.cos(np.arange(_NODES)[:, None] * angles) * 2 / _NODES
    transform[0] /= 2
    nodes = xp.asarray(np.log((1 + np.cos(angles)) / 2), log_s.dtype)
    lost = phi.row(log_s + 0 * nodes, nodes)
    return (transform.astype(log_s.dtype) @ (1 - xp.stack(lost, axis=-1))).T


def _pair_moments(series: Any, gap: Any) -> tuple[Any, Any]:
    """``split`` and ``turn`` of all pairs, half of which are read."""
    xp = library(gap)
    first, second = np.tril_indices(len(gap))
    place = np.zeros(gap.shape, int)
    place[first, second] = place[second, first] = np.arange(first.size)
    inside = 1 - 4 * float(xp.finfo(gap.dtype).eps)
    angle = xp.arccos(xp.clip(2 * xp.sqrt(gap[first, second]) - 1, -inside, inside))
    found = series @ xp.cos(np.arange(_NODES, dtype=gap.dtype)[:, None] * angle[None])
    return found[0][place], found[1][place]


def _units(rule: Rule, read: Stream) -> tuple[Overlaps, Overlaps]:
    """Overlaps of the activation and of its derivative."""
    xp, s = library(read), rule.net.sigma_1**2
    if rule.phi is not None:
        found = two(rule.phi, xp.log(s * read.same), read.pairs / outer(xp.sqrt(read.same)))
        return Overlaps(found.length, found.lengths), Overlaps(found.slope, found.slopes)
    ones = xp.ones_like(read.same)
    gap = xp.clip(1 - read.pairs, xp.finfo(read.pairs.dtype).tiny, 1.0)
    split, turn = _pair_moments(rule.series, gap)
    made = Overlaps(rule.length * ones, rule.length - s * rule.slope * split * gap)
    return made, Overlaps(rule.slope * ones, rule.slope * turn)


def _hidden(rule: Rule, read: Stream) -> tuple[Overlaps, Hidden, Any]:
    """Overlaps of the hidden units, of their derivatives, and the change of the former with ``pairs``."""
    pairs, s = read.pairs, rule.net.sigma_1**2
    ones = library(pairs).ones_like(read.same)
    made, into = _units(rule, read)
    if not rule.net.is_gated:
        return made, Hidden(into, Overlaps(0 * ones, 0 * pairs)), s * into.pairs
    both = Overlaps(s * read.same * made.same, s * pairs * made.pairs)
    first = Overlaps(s * read.same * into.same, s * pairs * into.pairs)
    return both, Hidden(first, made), s * (made.pairs + s * pairs * into.pairs)


def _out(rule: Rule, raw: Any) -> tuple[Any, Any]:
    """Roots of the factors of a branch's output, of mean square ``raw`` behind dropout: forward, and of a gradient."""
    xp, net = library(raw), rule.net
    drop = (1 - net.dropout) ** -0.5
    if net.place != "peri":
        return (ahead := net.alpha * xp.ones_like(raw)), ahead * drop
    ahead = net.alpha / xp.sqrt(raw)
    return ahead, ahead * drop * kept_by(net, rule.widths) ** 0.5


def _attention(rule: Rule, stream: Stream, base: Stream) -> tuple[Stream, Branch, Sight]:
    """The branch of attention, which reads ``stream`` and is added to ``base``."""
    net = rule.net
    read, into, turn = _read(rule, stream)
    view = sight(rule.here, rule.kappa, read, sizes_of(net, rule.widths), rule.turns)
    same, pairs, change = forward(rule.here, rule.kappa, view, net.dropout)
    raw = net.sigma_v**2 * net.sigma_o**2
    dropped = raw * same / (1 - net.dropout)
    ahead, out = _out(rule, dropped)
    both = raw * outer(ahead)
    added = ahead**2 * dropped, both * pairs
    after = _joined(rule, base, outer(into) * turn, added, both * change, rule.widths.head)
    after, factor = _renormed(rule, base, added, after, 2)
    return after, Branch(read, into, turn, factor, out, Overlaps(same, pairs)), view


def _perceptron(rule: Rule, stream: Stream, base: Stream) -> tuple[Stream, Branch, Hidden]:
    """The branch of the perceptron, which reads ``stream`` and is added to ``base``."""
    net = rule.net
    read, into, turn = _read(rule, stream)
    made, hidden, rate = _hidden(rule, read)
    raw = net.sigma_2**2
    dropped = raw * made.same / (1 - net.dropout)
    ahead, out = _out(rule, dropped)
    both, units = raw * outer(ahead), rule.widths.stream / rule.widths.ratio
    added = ahead**2 * dropped, both * made.pairs
    after = _joined(rule, base, outer(into) * turn, added, both * rate, units)
    after, factor = _renormed(rule, base, added, after, 1)
    return after, Branch(read, into, turn, factor, out, made), hidden


def climb(rule: Rule, stream: Stream, _: None) -> tuple[Stream, Block]:
    """One block, upwards.

    Parameters
    ----------
    rule
        What all blocks share.
    stream
        In front of the block.
    """
    middle, attention, view = _attention(rule, stream, stream)
    top, perceptron, hidden = _perceptron(rule, stream if rule.net.is_parallel else middle, middle)
    return top, Block(attention, perceptron, view, hidden, top.same)


__all__ = ["Block", "Branch", "Hidden", "Overlaps", "Rule", "Stream", "climb", "outer", "pair_series"]
