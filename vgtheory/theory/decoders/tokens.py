"""Decoders token by token: stream, gradient, and the influence of every token on the last output."""

from functools import partial
from typing import Any

import jax

from vgtheory.estimate import Law
from vgtheory.expect import Numbers, expect, expect_count, expect_number, expect_scalars, is_static
from vgtheory.networks.conv import expect_field
from vgtheory.networks.transformer import SCALES, Transformer, branch_factor
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library
from vgtheory.theory.attention.branches import curve, replacing
from vgtheory.theory.attention.climb import Widths
from vgtheory.theory.decoders.stack import Profile, profile
from vgtheory.theory.laws import Question
from vgtheory.theory.precision import Values, in_float64, numbers

LEAST_HEAD = 8
"""Units of a head from which terms of first order in 1 over its width mean something."""
MOST_SIGMA_QK = 1.4
"""Logits of a variance of 4, up to which first order in the tokens' differences suffices."""


def _check(where: str, net: Transformer, width: Any, positions: Any, c_0: Any) -> None:
    """Raise unless the question is a proper one."""
    expect_field(where, positions)
    expect_count(where, positions=positions)
    expect_number(where, "[0, 1]", ndim=0, c_0=c_0)
    scales = {name: getattr(net, name) for name in SCALES}
    expect_scalars(where, alpha=branch_factor(net, 1), **scales)
    for name, value in scales.items():
        least = bool(name == "sigma_qk" or not is_static(value) or value > 0)
        expect(least, where, f"{name} > 0", **{name: value})
    fits = width is None or (width % net.heads == 0 and width >= LEAST_HEAD * net.heads)
    whole = f"{LEAST_HEAD} or more units for each of heads={net.heads}, and as many for all"
    expect(fits, where, whole, "Narrower heads can be measured: measure.samples.", width=width)
    calm = bool(not is_static(net.sigma_qk) or abs(net.sigma_qk) <= MOST_SIGMA_QK)
    expect(calm, where, f"sigma_qk up to {MOST_SIGMA_QK:g}", "Measure it: measure.samples.", sigma_qk=net.sigma_qk)
    remedy = "Measure it: measure.samples."
    expect(net.is_causal, where, "is_causal=True", remedy, net=net)
    # All heads may drop the first token's one share at once, and then a norm divides by nothing.
    expect(net.place != "peri" or net.dropout == 0, where, 'dropout=0 with place="peri"', remedy, dropout=net.dropout)
    fits = net.place == "pre" or net.norm in ("layer", "rms")
    expect(fits, where, f'place="pre" with norm={net.norm!r}', remedy, place=net.place)


def _walked(net: Transformer, question: Question, c_0: Any = 0.0, top: str = "even") -> Profile:
    """Check the question, then compute all blocks."""
    where, depth, width, positions, *_ = question
    _check(where, net, width, positions, c_0)
    ratio = round(width * net.mlp_ratio) / width if width else net.mlp_ratio
    widths = Widths(1 / width, net.heads / width, ratio) if width else Widths(0.0, 0.0, ratio)
    net = net.replace(alpha=branch_factor(net, depth))
    leaves, tree = jax.tree.flatten(net)
    c, *leaves = numbers(net.activation, c_0, *leaves)
    net = jax.tree.unflatten(tree, leaves)
    replaced = replacing(net)
    phi = curve(net.activation, 2 * library(net).log(net.sigma_1), replaced is None)
    norm = None if replaced is None else curve(replaced, library(net).log(net.sigma_w * 0 + 1e3), is_fixed=False)
    return profile(net, c, phi, norm, positions, depth, widths, top)


def causal_grad(net: Transformer, question: Question) -> Values:
    """Log of the squared gradient after each block, over all positions, relative to the top; shape (depth,).

    Parameters
    ----------
    net
        With ``is_causal=True``.
    question
        As in ``laws``.
    """
    return _mean(_walked(net, question).log_grad[1:])


def causal_q(net: Transformer, question: Question) -> Values:
    """Log of the mean square after each block, over all positions; shape (depth,).

    Parameters
    ----------
    net, question
        As in ``causal_grad``.
    """
    return _mean(_walked(net, question).log_q)


def causal_groups(net: Transformer, question: Question, c_0: Any) -> dict[str, Values]:
    """Logs of the squared gradients by matrix, of a common scale, each of shape (depth,).

    Parameters
    ----------
    net, question
        As in ``causal_grad``.
    c_0
        Correlation of the inputs at two positions.
    """
    return _walked(net, question, c_0).log_groups


def causal_below_norm(net: Transformer, question: Question, c_0: Any) -> tuple[dict[str, Values], Values]:
    """As ``causal_groups`` below a last norm, and the log of the mean square at the top, over all positions.

    Parameters
    ----------
    net, question, c_0
        As in ``causal_groups``.
    """
    found = _walked(net, question, c_0, "normed")
    return found.log_groups, _mean(found.log_q[-1:])[0]


def _mean(logs: Values) -> Values:
    """Log of the mean over positions."""
    xp = library(logs)
    top = xp.max(logs, axis=1)
    return top + xp.log(xp.mean(xp.exp(logs - top[:, None]), axis=1))


def _law(mean: Values, width: int | None) -> Law:
    """The law of a log of a mean over networks; the spread of networks of finite width is not known."""
    xp = library(mean)
    return Law(mean, xp.full_like(mean, 0.0 if width is None else xp.inf))


_given = asked(
    positions=expect_count,
    c_0=partial(expect_number, interval="[0, 1]", ndim=0),
)


@_given
@in_float64
def log_q_tokens(net: Transformer, *, depth: int, positions: int, width: int | None = None, c_0: Numbers = 0.0) -> Law:
    r"""Log of the mean square of a decoder's stream, by block and position.

    .. math:: \ln E\, \tfrac1N |h_l(t)|^2

    Position t attends to itself and to the t - 1 positions before it. The first attends to itself
    alone, so that its branch is as large as a token; later ones average over tokens.

    Parameters
    ----------
    net
        A ``Transformer`` with ``is_causal=True``.
    depth
        Number of blocks L, >= 1.
    positions
        Number of positions T, >= 1.
    width
        Units N of the stream, a multiple of the number of heads; None for infinite.
    c_0
        Correlation of the inputs at two positions, from 0 to 1.

    Returns
    -------
    Law
        ``mean``: natural log of the mean over networks, shape ``(depth, positions)``; ``std``: 0 at
        infinite width, and inf (unknown) at finite width.

    Notes
    -----
    Accuracy: for ``sigma_qk = 0`` and infinite width 1e-10 per block up to 40 positions, and 1e-3
    beyond. For ``sigma_qk = 1``, 12 blocks, width 512, 8 heads and 256 positions the mean square is
    within 0.8 % of that of 828 real sequences at all positions, and with rotary ones within 1.3 % of
    that of 308, where measuring is 0.3 % and 0.5 %.
    With DyT, Derf or dropout within the measurement's 1 % in four blocks of width 256 with 64
    positions, and groups of matrices of the 12 blocks with DyT within 1.9 %, in the median 0.5 %;
    with dropout the first token's gradient is up to 2 % larger where there are four heads, for
    they may drop it together.
    Assumes: as ``theory.blocks.log_grad_groups``, with a causal mask; tokens of a row that differ from
    each other about equally: how unequally they do counts to first order, and rotary positions with
    it. Tokens that DyT leaves of different lengths count in pairs by the mean of their logs.

    Examples
    --------
    >>> from vgtheory import Transformer, theory
    >>> net = Transformer("linear", is_causal=True, sigma_qk=0.0)
    >>> theory.decoders.log_q_tokens(net, depth=1, positions=3).mean.round(2)  # ln (2 + 1 / t)
    array([[1.1 , 0.92, 0.85]])
    """
    return _law(_walked(net, Question("log_q_tokens", depth, width, positions), c_0).log_q, width)


@_given
@in_float64
def log_grad_tokens(
    net: Transformer, *, depth: int, positions: int, width: int | None = None, c_0: Numbers = 0.0
) -> Law:
    r"""Log-norm of a decoder's gradient, by block and position.

    .. math:: \tfrac12 \ln \frac{E |\partial E / \partial h_l(t)|^2}
        {\langle E |\partial E / \partial h_L(s)|^2 \rangle_s}

    All later positions attend to a token, the first one the most: for uniform attention through one
    layer a token receives :math:`\sum_{s \ge t} s^{-2} \approx 1 / t` through the values.

    Parameters
    ----------
    net, depth, positions, width, c_0
        As in ``log_q_tokens``.

    Returns
    -------
    Law
        ``mean``: natural log of the norm (not of its square), shape ``(depth, positions)``, 0 at the
        top; half the log of the mean square over networks. ``std``: as in ``log_q_tokens``.

    Notes
    -----
    Accuracy: for the same networks within 1.4 % at all positions of all blocks, the first ones
    included, where measuring is 0.1 to 0.4 % (828 sequences); with rotary positions within 1.1 %, and
    measuring is 0.6 % (308). Groups of matrices in the median 0.8 %, at the worst 4 % (6 %), of
    which measuring is 2 %.
    At ``sigma_qk = 1.4`` within 5 %. With ``place="post"`` 5 % in streams of eight times as many units
    as positions; queries and keys of the last blocks are up to 14 % too low with twice as many, where
    the tokens of a row differ by little and unequally.
    Assumes: as ``log_q_tokens``; gradients at the top that are standard normal, and independent of
    the weights and between positions.

    Examples
    --------
    >>> from vgtheory import Transformer, theory
    >>> net = Transformer("linear", is_causal=True, sigma_qk=0.0)
    >>> theory.decoders.log_grad_tokens(net, depth=2, positions=3).mean[0].round(2)
    array([0.3 , 0.21, 0.17])
    """
    log_square = _walked(net, Question("log_grad_tokens", depth, width, positions), c_0).log_grad[1:]
    return _law(log_square / 2, width)


@_given
@in_float64
def log_influence(net: Transformer, *, depth: int, positions: int, width: int | None = None, c_0: Numbers = 0.0) -> Law:
    r"""Log-norm of the gradient of a decoder's last output with respect to every input token.

    .. math:: \tfrac12 \ln \frac{E |\partial E / \partial x(t)|^2}{|\partial E / \partial h_L(T)|^2},
        \qquad \partial E / \partial h_L(s) = 0 \text{ for } s < T

    An untrained decoder already favours both ends of its context. The last token reaches the output
    through the skips. The first ones reach it through all tokens that have attended to them, the
    more so the deeper the stack is. Tokens in between have neither.

    Parameters
    ----------
    net, depth, positions, width, c_0
        As in ``log_q_tokens``.

    Returns
    -------
    Law
        ``mean``: natural log of the norm (not of its square), shape ``(positions,)``; half the log
        of the mean square over networks. ``std``: as in ``log_q_tokens``.

    Notes
    -----
    Accuracy: within 5 % in 4 blocks of width 256 with 64 positions; in 12 blocks of width 512 with 256
    positions within 10 %, of which measuring is 5 %.
    Assumes: as ``log_grad_tokens``.

    Examples
    --------
    >>> from vgtheory import Transformer, theory
    >>> net = Transformer(is_causal=True)
    >>> found = theory.decoders.log_influence(net, depth=6, positions=64).mean
    >>> found[[0, 32, 63]].round(1)
    array([-0.7, -2.2,  0.6])
    """
    log_square = _walked(net, Question("log_influence", depth, width, positions), c_0, top="last").log_grad[0]
    return _law(log_square / 2, width)


__all__ = [
    "causal_below_norm",
    "causal_grad",
    "causal_groups",
    "causal_q",
    "log_grad_tokens",
    "log_influence",
    "log_q_tokens",
]
