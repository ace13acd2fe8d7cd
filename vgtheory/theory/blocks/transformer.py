"""Transformer blocks: stream, gradient, and weight gradients by matrix."""

from functools import partial
from typing import Any

import jax
import numpy as np

from vgtheory.estimate import Law
from vgtheory.expect import Numbers, expect, expect_count, expect_flag, expect_number, expect_scalars, is_static
from vgtheory.networks.conv import expect_field
from vgtheory.networks.transformer import SCALES, Transformer, branch_factor
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library
from vgtheory.theory.attention.branches import curve, replacing
from vgtheory.theory.attention.climb import Block, Facts, Widths, kept_by
from vgtheory.theory.attention.groups import log_weights
from vgtheory.theory.attention.rows import cotangent
from vgtheory.theory.attention.stack import Grads, profile
from vgtheory.theory.attention.turns import UNTURNED, turns
from vgtheory.theory.decoders.stack import inverse_mean
from vgtheory.theory.decoders.tokens import causal_below_norm, causal_grad, causal_groups, causal_q
from vgtheory.theory.laws import Question, grad_law, q_law
from vgtheory.theory.precision import Values, in_float64, numbers, reals

LEAST_HEAD = 8
"""Units of a head from which terms of first order in 1 over its width mean something."""
MOST_SIGMA_QK = 2.5
"""Logits of a variance of 36, up to which the integrals hold."""


def _check(where: str, net: Transformer, width: Any, positions: Any, c_0: Any) -> None:
    """Raise unless the question is a proper one."""
    expect_field(where, positions)
    expect_count(where, positions=positions)
    expect_scalars(where, **{name: getattr(net, name) for name in SCALES})
    expect_scalars(where, alpha=branch_factor(net, 1))
    fits = width is None or (width % net.heads == 0 and width >= LEAST_HEAD * net.heads)
    whole = f"{LEAST_HEAD} or more units for each of heads={net.heads}, and as many for all"
    expect(fits, where, whole, "Narrower heads can be measured: measure.samples.", width=width)
    calm = bool(not is_static(net.sigma_qk) or abs(net.sigma_qk) <= MOST_SIGMA_QK)
    expect(calm, where, f"sigma_qk up to {MOST_SIGMA_QK:g}", "Measure it: measure.samples.", sigma_qk=net.sigma_qk)
    expect(bool(not is_static(net.sigma_w) or net.sigma_w > 0), where, "sigma_w > 0", sigma_w=net.sigma_w)
    fits = net.place == "pre" or net.norm in ("layer", "rms")
    expect(fits, where, f'place="pre" with norm={net.norm!r}', "Measure it: measure.samples.", place=net.place)
    ok = not is_static(c_0) or bool(np.all((np.asarray(c_0) >= 0) & (np.asarray(c_0) <= 1)))
    expect(ok, where, "a correlation from 0 to 1", c_0=c_0)


def walked(
    where: str, net: Transformer, depth: int, width: int | None, positions: Any, c_0: Any
) -> tuple[Widths, Facts, Block, Grads]:
    """Check the question, then compute all blocks.

    Parameters
    ----------
    where
        Name of the public function that was called.
    net, depth, width, positions, c_0
        As in ``log_grad_groups``.
    """
    _check(where, net, width, positions, c_0)
    ratio = round(width * net.mlp_ratio) / width if width else net.mlp_ratio
    widths = Widths(1 / width, net.heads / width, ratio) if width else Widths(0.0, 0.0, ratio)
    net = net.replace(alpha=branch_factor(net, depth))
    leaves, tree = jax.tree.flatten(net)
    replaced = replacing(net)
    count, c, *leaves = numbers(net.activation, float(positions), c_0, *leaves)
    net = jax.tree.unflatten(tree, leaves)
    phi = curve(net.activation, 2 * library(net).log(net.sigma_1), replaced is None)
    norm = None if replaced is None else curve(replaced, library(net).log(net.sigma_w * 0 + 1e3), is_fixed=False)
    turned = turns(positions, widths.head) if net.is_rotary else UNTURNED
    return (widths, *profile(net, count, c, phi, norm, depth, widths, turned))


def _half(log_square: Values, width: int | None) -> Law:
    """The law of a norm whose mean square is known; the spread of networks of finite width is not."""
    xp = library(log_square)
    return Law(log_square / 2, xp.full_like(log_square, 0.0 if width is None else xp.inf))


def _asked(net: Transformer, question: Question) -> tuple[Widths, Facts, Block, Grads]:
    """All blocks, for inputs that are independent between positions."""
    where, depth, width, positions, *_ = question
    return walked(where, net, depth, width, positions, 0.0)


@grad_law.register(Transformer)
def _grad(net: Transformer, question: Question) -> Law:
    """Gradient of the stream after each transformer block.

    Notes
    -----
    Accuracy: as ``log_grad_groups``.
    Assumes: as ``log_grad_groups``; inputs that are independent between positions.
    """
    log_square = causal_grad(net, question) if net.is_causal else _asked(net, question)[3].top[0]
    return _half(log_square, question.width)


@q_law.register(Transformer)
def _q(net: Transformer, question: Question) -> Law:
    """Mean square of the stream after each transformer block: the log of its mean over networks.

    Notes
    -----
    Accuracy: as ``log_grad_groups``.
    Assumes: as ``log_grad_groups``; inputs that are independent between positions.
    """
    log_q = causal_q(net, question) if net.is_causal else _asked(net, question)[2].log_q
    return _half(2 * log_q, question.width)


@asked(c_0=partial(expect_number, interval="[0, 1]", ndim=0))
@in_float64
def log_grad_groups(
    net: Transformer, *, depth: int, positions: int, width: int | None = None, c_0: Numbers = 0.0
) -> dict[str, Law]:
    r"""Log-norms of the weight gradients of a transformer, relative to W_2 of the last perceptron.

    .. math:: \ln \frac{|\partial E / \partial W_{g,l}|_F}{|\partial E / \partial W_{2,L}|_F}, \quad
        l = 1 \dots L

    The sequence of inputs has unit mean square. The gradients :math:`\partial E / \partial h_L` are
    standard normal, independent of the weights and between positions. Let the T tokens of a block
    have correlation c and their gradients correlation b, and let :math:`A_{ij}` be the shares of
    attention. At infinite width,

    .. math:: |\partial E/\partial W_v|^2 = |\partial E/\partial W_o|^2
        &\propto \sigma_w^2\, \textstyle\sum_{ik} E[\delta_i \delta_k]\, E[o_i o_k], \quad
        E[o_i o_k] = c + (1 - c) E \sum_j A_{ij} A_{kj} \\
        |\partial E/\partial W_{q, k}|^2
        &\propto \sigma_{qk}^2 \sigma_w^4 (1-c)^2\, [S + (T-1)\, c b S']

    S is :math:`E \sum_j A_{ij}^2 (1 - 2 A_{ij} + \sum_k A_{ik}^2)`, and S' its like for two queries:
    ``theory.attention``. For uniform attention (``sigma_qk = 0``) both are (T - 1) / T^2.

    Parameters
    ----------
    net
        A ``Transformer`` with scalar ``sigma_w`` and ``sigma_qk``.
    depth
        Number of blocks L, >= 1.
    positions
        Number of positions T, >= 1.
    width
        Units N of the stream, a multiple of the number of heads; None for a stream and heads of
        infinite width. Real models are far from it: what is of order T/N matters.
    c_0
        Correlation of the inputs at two positions, from 0 to 1.

    Returns
    -------
    dict
        By matrix (``query``, ``key``, ``value``, ``output``, ``mlp_in``, ``mlp_out``), a ``Law`` of
        the natural log of the norm (not of its square), ``mean`` of shape ``(depth,)``; -inf where a
        gradient is exactly zero. The mean is half the log of the mean square over networks. ``std``
        is 0 at infinite width, and inf (unknown) at finite width.

    Notes
    -----
    Accuracy: at infinite width 1e-7 per block, for ``sigma_qk`` up to 1.4. Against real networks
    of 12 blocks, width 512, 8 heads and 256 positions at ``sigma_qk = 1`` the groups are within 3 %,
    most within 1 %; at ``sigma_qk = 1.4`` and width 256 within 5 %. Corrections are of first order
    in 1/N, T/N and 1 over the width of a head. At ``sigma_qk = 2`` with heads of 32 units they do not
    suffice, and gradients are off by 14 % (pre) and 33 % (post).
    With ``place="post"`` six blocks of width 256 with 64 positions are within 2 %, and five with 128
    positions within 3 to 4 %. In 12 blocks of width 128 queries and keys of the last blocks are 10 to
    15 % larger, for the variance of 1 - c between networks counts to first order at each norm. Below
    96 blocks of width 256, gradients are 6 % larger with ``place="pre"`` and ``"peri"``, and 10 % with
    ``norm="dyt"``. With rotary positions the 12 blocks of width 512 are within 4.3 %, in the median
    1 %, of which measuring is 0.5 to 2.8 %. With a causal mask as ``theory.decoders.log_grad_tokens``.
    Assumes: matrices of the scales of ``Transformer``, gradients independent of the weights.

    Examples
    --------
    >>> from vgtheory import Transformer, theory
    >>> groups = theory.blocks.log_grad_groups(Transformer("linear"), depth=1, positions=8)
    >>> round(float(groups["query"].mean[0]), 3), round(float(groups["value"].mean[0]), 3)
    (-1.399, -1.126)
    """
    if net.is_causal:
        logs = causal_groups(net, Question("log_grad_groups", depth, width, positions), c_0)
    else:
        widths, facts, stack, grads = walked("log_grad_groups", net, depth, width, positions, c_0)
        logs = log_weights(facts, widths, stack, grads)
    top = logs["mlp_out"][-1]
    return {name: _half(logs[name] - top, width) for name in net.groups}


def _absolute_groups(
    where: str, net: Transformer, depth: int, width: int, positions: int, c_0: Any
) -> tuple[dict[str, Values], Values]:
    """Logs of squared gradients, where that behind the last norm is 1 / sqrt(T) long everywhere; log q at the top."""
    if net.is_causal:
        logs, log_q = causal_below_norm(net, Question(where, depth, width, positions), c_0)
        scale = np.log(width / positions)
    else:
        widths, facts, stack, grads = walked(where, net, depth, width, positions, c_0)
        logs, log_q = log_weights(facts, widths, stack, grads), stack.log_q[-1]
        xp = library(log_q)
        scale = np.log(width) + xp.log(inverse_mean(xp.exp(log_q), widths.stream))
    return {name: logs[name] + scale for name in net.groups}, log_q


@asked(
    positions=expect_count,
    width=expect_count,
    classes=lambda where, **got: expect_count(where, 2, **got),
    sigma_head=partial(expect_number, interval="(0, 2.5]", ndim=0),
    c_0=partial(expect_number, interval="[0, 1]", ndim=0),
    is_tied=expect_flag,
)
@in_float64
def log_grad_cross_entropy(
    net: Transformer,
    *,
    depth: int,
    positions: int,
    width: int,
    classes: int,
    sigma_head: Numbers = 1.0,
    c_0: Numbers = 0.0,
    is_tied: bool = False,
) -> dict[str, Law]:
    r"""Log-norms of the weight gradients of a language model at initialisation.

    .. math:: E = -\frac1T \sum_t \ln \mathrm{softmax}(W n_t)_{y_t}, \qquad
        \ln \sqrt{\mathrm{E}\,|\partial E / \partial W_{g,l}|_F^2}

    The head W reads the norm n of the stream, or the stream itself with ``place="post"``. Its
    entries have the variance :math:`\sigma^2 / N`, so that logits have the variance
    :math:`\sigma^2`. Shares p of V classes and targets y, which know nothing of the network, have

    .. math:: \mathrm{E}\,|p - y|^2 = 1 - \frac2V + \mathrm{E} \sum_v p_v^2

    and the squared gradient with respect to n is :math:`\sigma^2 / T^2` times as large. The laws are
    half the logs of mean squares over networks. In a tied head the embedding of the position's own
    token is a part of the stream of mean square q, so that its logit has the mean
    :math:`\sigma \sqrt{N / q}`; it takes a share of its own, and lies along the stream in part.

    Parameters
    ----------
    net, depth, positions, width, c_0
        As in ``log_grad_groups``; the width is finite.
    classes
        Number of classes V, >= 2: the vocabulary.
    sigma_head
        Standard deviation of ``sqrt(fan_in) * W``, from 0 (excluded) to 2.5.
    is_tied
        Whether W holds the embeddings of the tokens, which are the inputs but for their length.

    Returns
    -------
    dict
        By matrix, as ``log_grad_groups``, a ``Law`` of the natural log of the norm itself (not of
        its square, not relative), ``mean`` of shape ``(depth,)``; and ``head``, of shape ``()``:
        what W gets as the head, without what it gets as the table of embeddings. ``std`` is inf
        (unknown).

    Notes
    -----
    Accuracy: in three blocks of width 128 with 16 positions and 1,000 classes within 2.8 %, most
    within the measurement's 1 %. Values and outputs are up to 8 % larger where a tied head gives
    half its share to the position's own token, for then the gradients at two positions correlate.
    Assumes: as ``log_grad_groups``, with layer or RMS norm; many more classes than positions, for
    the gradients at two positions have correlations of order 1/V. A tied head needs
    ``place="pre"`` or ``"peri"`` and independent tokens, ``c_0 = 0``.

    Examples
    --------
    >>> from vgtheory import Transformer, theory
    >>> net = Transformer.decoder(heads=8)
    >>> size = {"depth": 12, "positions": 256, "width": 512, "classes": 50_000}
    >>> found = theory.blocks.log_grad_cross_entropy(net, **size)
    >>> round(float(found["head"].mean), 2)
    0.35
    """
    where = "log_grad_cross_entropy"
    expect(net.norm in ("layer", "rms"), where, 'norm="layer" or norm="rms"', norm=net.norm)
    fits = not is_tied or net.place != "post"
    expect(fits, where, 'place="pre" or place="peri" for a tied head', place=net.place)
    logs, log_q = _absolute_groups(where, net, depth, width, positions, c_0)
    sigma, count = reals(sigma_head, float(classes))
    xp = library(logs, sigma)
    size, passed = cotangent(
        sigma, count, (sigma * xp.exp((np.log(width) - log_q) / 2), xp.exp(-log_q)) if is_tied else None
    )
    kept = 1.0 if net.place == "post" else kept_by(net, Widths(1 / width, 0.0, 1.0))
    log_top = xp.log(sigma**2 * passed * kept / positions)
    half = lambda log_square: Law(log_square / 2, xp.full_like(log_square, xp.inf))
    found = {name: half(each + log_top) for name, each in logs.items()}
    return found | {"head": half(xp.log(size * width / positions))}
