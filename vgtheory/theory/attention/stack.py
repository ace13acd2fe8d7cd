"""Stacks of transformer blocks: stream and gradient, block by block.

If all pairs of the T positions are alike, the stream has two overlaps: ``q`` of a position with
itself, and ``q - apart`` of two positions. The gradient has two as well, ``a`` and ``a * tie``.
Attention acts on them as in ``overlaps``, norms and the perceptron as in ``branches``. In a stream
of N units the overlaps of the tokens' own parts scatter by a variance of 1/N at the input, and by
more behind every block: each branch adds random weights of its own, and passes on what it was given
(``scatter``).

===========  =================================================================  =====
symbol       meaning                                                            shape
===========  =================================================================  =====
``q``        mean square of the stream                                          ()
``gap``      1 - c, c the correlation of two positions                          ()
``tie``      correlation of the gradients at two positions                      ()
``scatter``  variance of the overlap of two tokens' own parts, which have
             unit mean square                                                   ()
``out``      squared factor of a gradient between the sum and what W_o or W_2
             put out: the branch's own, that of a norm behind it, dropout       ()
===========  =================================================================  =====
"""

import functools
from typing import Any, NamedTuple

from vgtheory.networks.transformer import Transformer
from vgtheory.theory.arrays import compiled, library, scan
from vgtheory.theory.attention.branches import Curve
from vgtheory.theory.attention.climb import Block, Branch, Facts, Widths, climb, scene_of, sizes_of
from vgtheory.theory.attention.moments import tabled
from vgtheory.theory.attention.overlaps import backward
from vgtheory.theory.attention.turns import UNTURNED, Turns
from vgtheory.theory.precision import Values


class Above(NamedTuple):
    """Shares of the branch above a sum: of the gradient that comes down, and of the sum's mean square."""

    gained: Any
    share: Any


class Grads(NamedTuple):
    """Log of a position's squared gradient and its ``tie``, at the block's top and behind the sums of both branches."""

    top: tuple[Values, Values]
    mlp: tuple[Values, Values]
    attention: tuple[Values, Values]


def behind(net: Transformer, tie: Any) -> Any:
    """Correlation of two positions' gradients behind dropout.

    Parameters
    ----------
    net
        Whose dropout.
    tie
        Correlation at the sum.
    """
    return tie * (1 - net.dropout)


def _through_mlp(facts: Facts, block: Block, tie: Any) -> tuple[Any, Any]:
    """Overlaps that the perceptron adds to the gradient, over the gradient at the sum."""
    net, token = facts.net, block.mlp.token
    scale = block.mlp.out * net.sigma_2**2 * net.sigma_1**2 * token.gain
    same, other = block.hidden.back
    return scale * same, scale * other * behind(net, tie) * token.turn


def _through_attention(facts: Facts, widths: Widths, block: Block, tie: Any) -> tuple[Any, Any]:
    """Overlaps that attention adds to the gradient, over the gradient at the sum."""
    net, token = facts.net, block.attention.token
    paths = backward(block.found, scene_of(facts, widths, token, behind(net, tie)), net.dropout)
    scale = block.attention.out * net.sigma_o**2 * net.sigma_v**2 * token.gain
    return scale * sum(path[0] for path in paths), scale * token.turn * sum(path[1] for path in paths)


def _norm_back(facts: Facts, widths: Widths, branch: Branch, above: Above) -> Any:
    """Gain of the norm behind a sum (``post``).

    It passes nothing on along its output and, as layer norm, along the mean. What came down the
    skip has lost both at the norm above, whose output differs by a branch's share alone.
    """
    if facts.net.place != "post":
        return branch.after
    outputs = above.gained + above.share * (1 - above.gained)
    means = above.gained if facts.net.norm == "layer" else 0.0
    return branch.after * (1 - widths.stream * (outputs + means))


def _descend(facts: Facts, widths: Widths, state: Any, block: Block) -> Any:
    """One block, downwards; the state is (log a, tie) and what is known of the sum above."""
    (log_a, tie), above = state
    xp = library(state)
    at_mlp = log_a + xp.log(_norm_back(facts, widths, block.mlp, above))
    same, other = _through_mlp(facts, block, tie)
    if facts.net.is_parallel:
        at_attention, tie_mid = at_mlp, tie
        more = _through_attention(facts, widths, block, tie)
        same, other = same + more[0], other + more[1]
    else:
        tie_mid, above = (tie + other) / (1 + same), Above(same / (1 + same), block.mlp.share)
        at_attention = at_mlp + xp.log1p(same) + xp.log(_norm_back(facts, widths, block.attention, above))
        same, other = _through_attention(facts, widths, block, tie_mid)
    below = at_attention + xp.log1p(same), (tie_mid + other) / (1 + same)
    return (below, Above(same / (1 + same), block.attention.share)), Grads(
        state[0], (at_mlp, tie), (at_attention, tie_mid)
    )


@compiled("depth", "widths", "turned")
def profile(
    net: Transformer,
    positions: Values,
    c_0: Values,
    phi: Curve,
    norm: Curve | None,
    depth: int,
    widths: Widths,
    turned: Turns = UNTURNED,
) -> tuple[Facts, Block, Grads]:
    """Numbers of every block, for inputs of unit mean square and a white gradient at the top.

    Parameters
    ----------
    net
        With scalar numbers.
    positions, c_0
        Number T, and correlation of two inputs, each of shape ``()``.
    phi, norm
        As in ``Facts``.
    depth
        Number of blocks.
    widths
        What is finite.
    turned
        Of rotary positions.
    """
    one = net.sigma_w * 0 + 1
    count, kappa = positions.astype(one.dtype), one if net.is_qk_normed else net.sigma_qk**4
    moments = tabled(kappa, count, sizes_of(net, widths), turned) if norm is None else None
    facts = Facts(net, net.alpha**2, count, moments, phi, norm, turned)
    start = (one * 0, 1 - c_0.astype(one.dtype), one * widths.stream, one * 0)
    stack = scan(functools.partial(climb, facts, widths), start, length=depth)[1]
    top = (one * 0, one * 0), Above(one, one * 0)
    grads = scan(functools.partial(_descend, facts, widths), top, stack, reverse=True)[1]
    return facts, stack, grads


__all__ = ["Grads", "behind", "profile"]
