"""Infinite width: mean squares of a residual stream and of its gradient, block by block.

========  ==================================================================  =====
symbol    meaning                                                             shape
========  ==================================================================  =====
``q``     mean square of the stream                                           ()
``F``     mean square of a branch's output                                    ()
``C``     factor by which a branch alone changes the mean squared gradient    ()
``s2``    variance of the stream over a batch                                 ()
``a``     mean squared gradient without its mean over the batch               ()
``b``     mean squared gradient of the batch's mean, which the norm removes   ()
========  ==================================================================  =====
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from vgtheory.activation import Activation
from vgtheory.estimate import Law
from vgtheory.expect import expect, expect_scalars
from vgtheory.networks.blocks import Residual, alpha_of
from vgtheory.networks.conv import expect_positions
from vgtheory.networks.listed import depth_of, is_listed
from vgtheory.networks.noise import added_square, drop_path_of, factor_square, lone_scales
from vgtheory.theory.arrays import compiled, library, running_sum, scan
from vgtheory.theory.blocks import residual_width, stochastic
from vgtheory.theory.blocks.batch_norm import batch_rates
from vgtheory.theory.integrals import gaussian
from vgtheory.theory.integrals.moments_1d import curves, squares_at, value_and_slope
from vgtheory.theory.integrals.squares import log_resolved
from vgtheory.theory.laws import Question, grad_law, halved, q_law
from vgtheory.theory.precision import Arrays, Values, looped, stacked


class Profile(NamedTuple):
    """Natural logs along a chain, each of shape (depth,).

    Attributes
    ----------
    log_q
        Log of the mean square of ``h_l``.
    log_grad
        Log of the mean squared gradient with respect to ``h_l``, relative to the top.
    log_branch
        Log of the mean square of block l's branch, before ``alpha``; without skips, of ``h_l``.
    log_chi
        Log of the factor by which block l changes the mean squared gradient; None with batch norm.
    """

    log_q: Arrays
    log_grad: Arrays
    log_branch: Arrays
    log_chi: Arrays | None = None


def log_of(value: Values) -> Values:
    """Natural log, -inf at 0, whose derivative there is 0."""
    xp = library(value)
    return xp.where(value > 0, xp.log(xp.where(value > 0, value, 1.0)), -xp.inf)


def log_sum(first: Values, second: Values) -> Values:
    """ln(exp(first) + exp(second)), with derivatives where one or both are -inf."""
    xp = library(first, second)
    larger, less = xp.maximum(first, second), xp.minimum(first, second)
    there = less > -xp.inf
    return larger + xp.where(there, xp.log1p(xp.exp(xp.where(there, less - larger, 0.0))), 0.0)


def log_squares(log_q: Values, activation: Activation) -> tuple[Values, Values]:
    """ln E[phi^2] and ln E[phi'^2] at one ln q; beyond 1e138 by the declared degree (or 1)."""
    if log_resolved(activation) < np.inf:
        log_f, log_g = (value_and_slope(each, log_q)[0] for each in curves(activation)[:2])
        return log_f, log_g
    xp, degree = library(log_q), activation.degree or 1.0
    edge = 0.45 * float(np.log(float(xp.finfo(log_q.dtype).max))) / max(degree, 1.0)
    inside = xp.clip(log_q, -edge, edge)
    q = gaussian.settled(xp.exp(inside), activation)
    logs = log_of(gaussian.mean(squares_at(q, activation), q, activation.kinks))
    beyond = log_q - inside
    return logs[0] + degree * beyond, logs[1] + ((degree - 1) * beyond if degree != 1 else 0.0)


def from_top(log_chi: Values) -> Values:
    """Sum of log-factors from the top down; entry l - 1 belongs to ``h_l`` and ``h_{l-1}``."""
    xp = library(log_chi)
    return xp.concatenate([running_sum(log_chi[1:][::-1])[::-1], xp.zeros_like(log_chi[:1])])


@compiled("activation", "num_layers")
def branch(
    log_q: Values, sigma_w: Values, sigma_b: Values, activation: Activation, num_layers: int = 1
) -> tuple[Values, Values]:
    """ln F and ln C of a branch whose input has normal entries of this ln q."""
    log_w, log_c = 2 * log_of(sigma_w), library(log_q).zeros_like(log_q)
    for _ in range(num_layers):
        log_f, log_g = log_squares(log_q, activation)
        log_c, log_q = log_c + log_w + log_g, log_sum(log_w + log_f, 2 * log_of(sigma_b))
    return log_q, log_c


@compiled("activation", "num_layers", "size")
def _plain(
    sigma_w: Values, sigma_b: Values, alpha: Values, activation: Activation, num_layers: int, size: int
) -> tuple[Values, ...]:
    """Blocks without a norm: ln q, ln chi, ln F."""
    xp, log_a = library(alpha), 2 * log_of(alpha)

    def block(log_q: Values, _: None) -> tuple[Values, tuple[Values, ...]]:
        log_f, log_c = branch(log_q, sigma_w, sigma_b, activation, num_layers)
        after = log_sum(log_q, log_a + log_f)
        return after, (after, log_sum(xp.zeros_like(log_c), log_a + log_c), log_f)

    return scan(block, xp.zeros_like(sigma_w), length=size)[1]


def _normed(net: Residual, scales: list[Values], depth: int) -> Profile:
    """Layer or RMS norm: before the branch q grows linearly; after the sum every block is alike."""
    sigma_w, sigma_b, alpha = scales
    xp = library(scales)
    logs = branch(xp.zeros_like(sigma_w), sigma_w, sigma_b, net.activation, net.branch_layers)
    size, factor = map(xp.exp, logs)
    blocks = xp.arange(depth, dtype=sigma_w.dtype)
    before = 1 + alpha**2 * size * blocks
    if net.place == "pre":
        log_chi, log_q = xp.log1p(alpha**2 * factor / before), xp.log(before + alpha**2 * size)
    else:
        log_chi = xp.broadcast_to(xp.log1p(alpha**2 * factor) - xp.log1p(alpha**2 * size), (depth,))
        log_q = xp.zeros_like(log_chi)
    return Profile(log_q, from_top(log_chi), xp.broadcast_to(log_of(size), (depth,)), log_chi)


def _batch(net: Residual, scales: list[Values], depth: int) -> Profile:
    """Batch norm before every branch; the gradient at the top is independent between inputs."""
    sigma_w, sigma_b, alpha = scales
    xp = library(scales)
    factor = factor_square(net)
    rates, spread = batch_rates(net.activation, net.batch, factor), alpha**2 * sigma_w**2 / factor
    blocks = xp.arange(depth, dtype=sigma_w.dtype)
    size = sigma_w**2 * rates.square + sigma_b**2
    pull = spread * rates.variance / (1 + (spread * rates.variance + alpha**2 * added_square(net)) * blocks)

    def block(state: tuple[Values, Values], pull: Values) -> tuple[tuple[Values, Values], Values]:
        # exp(log_a) is a; b keeps its value from the top, and ratio is b / a.
        log_a, ratio = state
        grown = pull * (rates.seen + rates.unseen * ratio)
        log_a, ratio = log_a + xp.log1p(grown), ratio / (1 + grown)
        return (log_a, ratio), log_a + xp.log1p((ratio - 1) / net.batch)

    zero = xp.zeros_like(sigma_w)
    log_grad = xp.concatenate([scan(block, (zero, zero + 1), pull[1:], reverse=True)[1], zero[None]])
    log_q = xp.log1p(alpha**2 * size * (blocks + 1))
    return Profile(log_q, log_grad, xp.broadcast_to(log_of(size), (depth,)))


def profile(net: Residual, depth: int) -> Profile:
    """The stream and its gradient along a residual chain with scalar numbers."""
    scales = looped(net.activation, depth, *lone_scales(net), alpha_of(net, depth))
    if net.norm is None:
        size = depth if library(scales) is np else 1 << (depth - 1).bit_length()
        log_q, log_chi, log_f = (leaf[:depth] for leaf in _plain(*scales, net.activation, net.branch_layers, size))
        return Profile(log_q, from_top(log_chi), log_f, log_chi)
    return _batch(net, scales, depth) if net.norm == "batch" else _normed(net, scales, depth)


def _by_block(net: Residual, scales: list[Values], depth: int) -> Profile:
    """Blocks of listed numbers, with a layer or RMS norm or without: each grows by its own."""
    xp = library(scales)
    rows = tuple(xp.broadcast_to(scale, (depth,)) for scale in scales)
    zero = xp.zeros_like(rows[0][0])

    def block(log_q: Values, row: tuple[Values, ...]) -> tuple[Values, tuple[Values, ...]]:
        sigma_w, sigma_b, alpha = row
        seen = log_q if net.norm is None else zero
        log_f, log_c = branch(seen, sigma_w, sigma_b, net.activation, net.branch_layers)
        log_a = 2 * log_of(alpha)
        grown, log_chi = log_sum(log_q, log_a + log_f), log_sum(zero, log_a + log_c + seen - log_q)
        if net.norm is not None and net.place == "post":
            grown, log_chi = zero, log_chi - grown
        return grown, (grown, log_chi, log_f)

    log_q, log_chi, log_f = scan(block, zero, rows)[1]
    return Profile(log_q, from_top(log_chi), log_f, log_chi)


def _listed(where: str, net: Residual, depth: int) -> Profile:
    """``profile`` of blocks whose numbers are listed."""
    depth_of(where, net, depth)
    expect(net.norm != "batch", where, "no batch norm of listed blocks", "Measure it.", norm=net.norm)
    given = (*lone_scales(net), alpha_of(net, depth))
    return _by_block(net, looped(net.activation, depth, *(stacked(each, depth) for each in given)), depth)


def checked(where: str, net: Residual, depth: int) -> Profile:
    """``profile`` of an ensemble, after checking that its numbers are scalars."""
    expect_scalars(where, sigma_w=net.sigma_w, sigma_b=net.sigma_b, alpha=alpha_of(net, depth))
    return profile(net, depth)


@grad_law.register(Residual)
def _grad(net: Residual, question: Question) -> Law:
    """Gradient of the stream of a residual chain.

    Notes
    -----
    Accuracy: 1e-13 per block at infinite width. At finite width ``std`` is inf, and the mean is
    that of infinite width. The exception are branches of one layer without norm whose activation is
    straight on either side of 0, listed or not. Without bias and noise the law is then exact for a
    linear activation. Otherwise it is to order 1/N: at depths up to the width the mean to 0.1
    standard deviations (0.15 with dropout of p = 0.5), ``std`` to 15 % (measured). With batch norm
    the mean is half the log of the mean square of the whole batch's gradient.
    With stochastic depth the law is exact at infinite width, where ``std`` is that of which branches
    stay; at finite width it is the mixture of the laws above, where nothing is added to a branch.
    Assumes: a cotangent independent of the weights.
    """
    return halved(_answer(net, question, of_grad=True))


@q_law.register(Residual)
def _q(net: Residual, question: Question) -> Law:
    """Mean square of the stream of a residual chain.

    Notes
    -----
    Accuracy: as of the gradient.
    Assumes: an input of normal entries, independent of the weights.
    """
    return _answer(net, question, of_grad=False)


def _answer(net: Residual, question: Question, of_grad: bool) -> Law:
    """Law of the log of a mean square, of the stream or of its gradient relative to the top."""
    drop, width = drop_path_of(net), question.width
    kept = _kept(net, question) if drop > 0 else net
    found = _asked(kept, question)
    log_square = found.log_grad if of_grad else found.log_q
    xp = library(log_square)
    plain = (stochastic.log_grad_law if of_grad else stochastic.log_q_law)(found, drop) if drop > 0 else None
    if width is None:
        return Law(log_square, xp.zeros_like(log_square)) if plain is None else plain
    chain = residual_width.chain_of(question.where, kept, found.log_q, found.log_chi)
    if chain is None or (plain is not None and not residual_width.is_homogeneous(kept)):
        return Law(log_square if plain is None else plain.mean, xp.full_like(log_square, xp.inf))
    change = (residual_width.log_grad_change if of_grad else residual_width.log_q_change)(chain, width)
    law = Law(*(xp.asarray(each, log_square.dtype) for each in (log_square + change.mean, change.std)))
    return law if plain is None else stochastic.mixed(law, drop, of_grad)


def _asked(net: Residual, question: Question) -> Profile:
    expect_positions(question.where, net, question.positions)
    where, depth = question.where, question.depth
    return _listed(where, net, depth) if is_listed(net) else checked(where, net, depth)


def _kept(net: Residual, question: Question) -> Residual:
    """A chain of those blocks alone whose branches stay."""
    remedy = "Stochastic depth is known for blocks that are alike."
    expect(not is_listed(net), question.where, "no drop_path of listed blocks", remedy, drop_path=net.drop_path)
    return dataclasses.replace(net, drop_path=0.0, alpha=alpha_of(net, question.depth) / (1 - net.drop_path))
