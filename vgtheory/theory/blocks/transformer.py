"""Transformer blocks of infinite width with uniform attention: stream, gradient, weight gradients.

If all pairs of the T positions are alike, the stream has two overlaps: ``q`` of a position with
itself, and ``q - apart`` of two positions. The gradient has two as well, ``a`` and ``a * tie``.
Uniform attention replaces both by their average over pairs, the perceptron acts on them by the
correlation map of its activation, and layer norm divides by q.

=========  ===================================================================  =====
symbol     meaning                                                              shape
=========  ===================================================================  =====
``q``      mean square of the stream                                            ()
``gap``    1 - c, c the correlation of two positions                            ()
``tie``    correlation of the gradients at two positions                        ()
``mix``    mean of an overlap over all pairs, positions with themselves too     ()
``split``  E[phi^2] - E[phi phi'] over ``s E[phi'^2] gap``                      ()
``turn``   E[phi' phi'] over E[phi'^2], at two positions                        ()
=========  ===================================================================  =====
"""

import functools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from vgtheory.estimate import Law
from vgtheory.expect import Numbers, expect, expect_count, expect_number, expect_scalars, is_static
from vgtheory.networks.conv import expect_field
from vgtheory.networks.transformer import GROUPS, Transformer
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import compiled, library, scan
from vgtheory.theory.integrals import moments_2d
from vgtheory.theory.integrals.moments_1d import curves, value_and_slope
from vgtheory.theory.laws import Question, grad_law, q_law
from vgtheory.theory.precision import Values, floats, in_float64, looped


class Block(NamedTuple):
    """State of the forward pass at one block, each of shape (depth,).

    ``log_q`` and ``gap`` describe the stream after the block. ``gap_attention`` and ``gap_mlp`` are
    gaps before attention and before the perceptron. ``into_*`` multiplies the gradient of a branch
    where it joins the skip's, and ``after_*`` is the gain of the norm after a sum (``post``).
    ``cross`` is E[phi phi'] at two positions over E[phi^2].
    """

    log_q: Values
    gap: Values
    gap_attention: Values
    gap_mlp: Values
    into_attention: Values
    into_mlp: Values
    after_attention: Values
    after_mlp: Values
    turn: Values
    cross: Values


class _Facts(NamedTuple):
    """Numbers that all blocks share."""

    weight: Values
    positions: Values
    length: Values
    slope: Values


def _facts(net: Transformer, positions: Values) -> _Facts:
    """sigma_w^2, T, E[phi^2] and E[phi'^2]."""
    sigma_w, xp = net.sigma_w, library(net)
    log_s = xp.log(sigma_w**2)
    table = curves(net.activation)
    log_f, log_g = (value_and_slope(each, log_s)[0] for each in table[:2])
    return _Facts(sigma_w**2, positions.astype(sigma_w.dtype), xp.exp(log_f), xp.exp(log_g))


def _mixed(gap: Values, positions: Values) -> Values:
    """Mean over pairs of positions of a correlation, 1 on the diagonal and 1 - gap off it."""
    return 1 - gap * (1 - 1 / positions)


def _climb(
    facts: _Facts, place: str, read: Callable[[Values, Values], Values], state: tuple[Values, Values], _: None
) -> tuple[tuple[Values, Values], Block]:
    """One block, upwards; the state is (log q, gap)."""
    log_q, gap = state
    xp = library(state)
    weight, positions, length, slope = facts
    pre = place == "pre"
    # In units of q, attention adds one number to all overlaps.
    added = weight**2 * _mixed(gap, positions) * (xp.exp(-log_q) if pre else 1.0)
    log_mid, gap_mid = log_q + xp.log1p(added), gap / (1 + added)
    four = read(xp.log(weight)[None], (xp.log(xp.maximum(gap_mid, xp.finfo(gap.dtype).tiny)) / 2)[None])[0]
    split, turn = four[0], four[1]
    scale = weight * (xp.exp(-log_mid) if pre else 1.0)
    new_gap = (gap_mid + scale * weight * slope * gap_mid * split) / (1 + scale * length)
    log_top = log_mid + xp.log1p(scale * length)
    block = Block(
        log_top if pre else xp.zeros_like(log_top),
        new_gap,
        gap,
        gap_mid,
        xp.exp(-log_q) if pre else xp.ones_like(log_q),
        xp.exp(-log_mid) if pre else xp.ones_like(log_q),
        xp.ones_like(log_q) if pre else 1 / (1 + added),
        xp.ones_like(log_q) if pre else 1 / (1 + scale * length),
        turn,
        1 - weight * slope * gap_mid * split / length,
    )
    return ((log_top if pre else xp.zeros_like(log_top)), new_gap), block


class _Grads(NamedTuple):
    """Log of a position's squared gradient and its ``tie``: block, perceptron, attention."""

    top: tuple[Values, Values]
    mlp: tuple[Values, Values]
    attention: tuple[Values, Values]


def _descend(facts: _Facts, state: tuple[Values, Values], block: Block) -> tuple[tuple[Values, Values], _Grads]:
    """One block, downwards; the state is (log a, tie)."""
    log_a, tie = state
    xp = library(state)
    weight, positions, _, slope = facts
    at_mlp = log_a + xp.log(block.after_mlp)
    gain = weight**2 * slope * block.into_mlp
    log_mid = at_mlp + xp.log1p(gain)
    tie_mid = tie * (1 + gain * block.turn) / (1 + gain)
    at_attention = log_mid + xp.log(block.after_attention)
    # Every position receives the mean over pairs of the gradient behind attention.
    added = weight**2 * _mixed(1 - tie_mid, positions) * block.into_attention
    below = (at_attention + xp.log1p(added), (tie_mid + added) / (1 + added))
    return below, _Grads(state, (at_mlp, tie), (at_attention, tie_mid))


@compiled("depth")
def _profile(
    net: Transformer, positions: Values, c_0: Values, read: Callable[[Values, Values], Values], depth: int
) -> tuple[_Facts, Block, _Grads]:
    """Numbers of every block, for inputs of unit mean square and a white gradient at the top."""
    facts = _facts(net, positions)
    zero = library(facts).zeros_like(facts.weight)
    climb = functools.partial(_climb, facts, net.place, read)
    stack = scan(climb, (zero, 1 - c_0.astype(zero.dtype)), length=depth)[1]
    return facts, stack, scan(functools.partial(_descend, facts), (zero, zero), stack, reverse=True)[1]


def _check(where: str, net: Transformer, depth: int, positions: Any, c_0: Any) -> None:
    """Raise unless the question is a proper one."""
    expect_field(where, positions)
    expect_count(where, positions=positions)
    expect_scalars(where, sigma_w=net.sigma_w, sigma_qk=net.sigma_qk)
    expect(not is_static(net.sigma_w) or net.sigma_w > 0, where, "sigma_w > 0", sigma_w=net.sigma_w)
    ok = not is_static(c_0) or bool(np.all((np.asarray(c_0) >= 0) & (np.asarray(c_0) <= 1)))
    expect(ok, where, "a correlation from 0 to 1", c_0=c_0)


def _walked(where: str, net: Transformer, depth: int, positions: Any, c_0: Any) -> tuple[_Facts, Block, _Grads]:
    """Check the question, then compute all blocks."""
    _check(where, net, depth, positions, c_0)
    leaves, tree = jax.tree.flatten(net)
    count, c, *leaves = looped(net.activation, depth, float(positions), c_0, *leaves)
    net = jax.tree.unflatten(tree, leaves)
    xp = library(net)
    # Many blocks read one row of the activation's table, which costs less than integrals.
    log_s = xp.full(moments_2d.FEW + 1, 2 * xp.log(net.sigma_w))
    return _profile(net, count, c, moments_2d.reader(log_s, net.activation, 2), depth)


def _certain(mean: Values) -> Law:
    return Law(mean, library(mean).zeros_like(mean))


def _asked(net: Transformer, question: Question) -> tuple[_Facts, Block, _Grads]:
    """All blocks, for inputs that are independent between positions."""
    where, depth, width, positions = question
    remedy = "Leave width out, or measure it: measure.samples."
    expect(width is None, where, "infinite width for a Transformer", remedy, width=width)
    return _walked(where, net, depth, positions, 0.0)


@grad_law.register(Transformer)
def _grad(net: Transformer, question: Question) -> Law:
    """Gradient of the stream after each transformer block.

    Notes
    -----
    Accuracy: 1e-10 per block at infinite width; there is no law at finite width.
    Assumes: attention that weighs all positions alike (``sigma_qk = 0``); inputs and cotangents
    that are independent between positions.
    """
    return _certain(_asked(net, question)[2].top[0] / 2)


@q_law.register(Transformer)
def _q(net: Transformer, question: Question) -> Law:
    """Mean square of the stream after each transformer block.

    Notes
    -----
    Accuracy: as of the gradient.
    Assumes: as of the gradient.
    """
    return _certain(_asked(net, question)[1].log_q)


@asked(c_0=partial(expect_number, interval="[0, 1]", ndim=0))
@in_float64
def log_grad_groups(net: Transformer, *, depth: int, positions: int, c_0: Numbers = 0.0) -> dict[str, Law]:
    r"""Log-norms of the weight gradients of a transformer, relative to W_2 of the last perceptron.

    .. math:: \ln \frac{|\partial E / \partial W_{g,l}|_F}{|\partial E / \partial W_{2,L}|_F}, \quad
        l = 1 \dots L

    The sequence of inputs has unit mean square. The gradients :math:`\partial E / \partial h_L` are
    standard normal, independent of the weights and between positions. With T positions of
    correlation c before attention, gradients of correlation b, and uniform attention,

    .. math:: |\partial E/\partial W_v|^2 = |\partial E/\partial W_o|^2
        \propto \sigma_w^2\, [1 + (T-1) c]\,[1 + (T-1) b], \qquad
        |\partial E/\partial W_{q, k}|^2
        \propto \sigma_{qk}^2 \sigma_w^4 (1-c)^2 \tfrac{T-1}{T}\,[1 + (T-1) c b]

    The gradients of queries and keys are 0 where all positions have become alike.

    Parameters
    ----------
    net
        A ``Transformer`` with scalar ``sigma_w`` and ``sigma_qk``.
    depth
        Number of blocks L, >= 1.
    positions
        Number of positions T, >= 1.
    c_0
        Correlation of the inputs at two positions, from 0 to 1.

    Returns
    -------
    dict
        By matrix (``query``, ``key``, ``value``, ``output``, ``mlp_in``, ``mlp_out``), a ``Law`` of
        the natural log of the norm (not of its square), ``mean`` of shape ``(depth,)``, without
        spread; -inf where a gradient is exactly zero.

    Notes
    -----
    Accuracy: 1e-10 per block for uniform attention (``sigma_qk = 0``); queries and keys to first
    order in ``sigma_qk``. With ``sigma_qk = 1`` attention is not uniform; the experiment
    ``attention`` measures the difference.
    Assumes: infinite width and heads of infinite width; gradients independent of the weights.

    Examples
    --------
    >>> from vgtheory import Transformer, theory
    >>> groups = theory.blocks.log_grad_groups(Transformer("linear"), depth=1, positions=8)
    >>> round(float(groups["query"].mean[0]), 3), round(float(groups["value"].mean[0]), 3)
    (-1.482, -1.415)
    """
    facts, stack, grads = _walked("log_grad_groups", net, depth, positions, c_0)
    weight, count = facts.weight, facts.positions
    xp = library(facts)
    (sigma_qk,) = floats(net.sigma_qk) if xp is not np else [net.sigma_qk]
    (at_mlp, tie), (at_attention, tie_mid) = grads.mlp, grads.attention
    over = lambda overlap: xp.log1p((count - 1) * overlap)
    averaged = at_attention + over(1 - stack.gap_attention) + over(tie_mid) + xp.log(weight) - xp.log(count)
    attended = 2 * xp.log(stack.gap_attention) + xp.log((count - 1) / count) + over((1 - stack.gap_attention) * tie_mid)
    logits = at_attention + 2 * xp.log(sigma_qk * weight) + attended - xp.log(count)
    logs = {
        "query": logits,
        "key": logits,
        "value": averaged,
        "output": averaged,
        "mlp_in": at_mlp + xp.log(weight * facts.slope) + over((1 - stack.gap_mlp) * tie * stack.turn),
        "mlp_out": at_mlp + xp.log(net.mlp_ratio * facts.length) + over(stack.cross * tie),
    }
    top = logs["mlp_out"][-1]
    return {name: _certain((logs[name] - top) / 2) for name in GROUPS}
