r"""What a norm and a perceptron make of the overlaps of tokens, and of those of gradients.

Overlaps come in pairs: of a position with itself, and of two positions. ``s`` is the variance of
the pre-activations of the perceptron.

==========  =========================================================================  =====
symbol      meaning                                                                    shape
==========  =========================================================================  =====
``gap``     1 - c, c the correlation of two tokens                                     ()
``split``   E[phi^2] - E[phi phi'] over ``s E[phi'^2] gap``                            ()
``turn``    E[phi' phi'] over E[phi'^2], at two positions                              ()
==========  =========================================================================  =====
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from vgtheory.activation import Activation, as_activation
from vgtheory.networks.transformer import Transformer
from vgtheory.theory.arrays import library
from vgtheory.theory.integrals import moments_2d
from vgtheory.theory.integrals.moments_1d import curves, value_and_slope
from vgtheory.theory.precision import Values

_SHAPES = {"dyt": "tanh", "derf": "erf"}
_DECADES = 12.0
"""Range of ln s, downwards from its largest, for which an elementwise norm's tables are made."""


class Curve(NamedTuple):
    """Moments of an activation over the variances that a stack needs.

    Attributes
    ----------
    squares
        Tables of ln E[phi^2] and ln E[phi'^2], each as in ``moments_1d.Curves``; if only one variance is
        needed, the two logs themselves.
    row
        1 - split and 1 - turn, as ``moments_2d.ahead`` gives them.
    """

    squares: tuple[Values, Values]
    row: Callable[[Values, Values], tuple[Values, Values]]


class Pairs(NamedTuple):
    """Moments of an activation at two positions.

    Attributes
    ----------
    length, slope
        E[phi^2] and E[phi'^2].
    apart
        E[phi^2] - E[phi phi'].
    split, turn
        See above.
    """

    length: Any
    slope: Any
    apart: Any
    split: Any
    turn: Any


class Token(NamedTuple):
    """What a branch reads: a token behind its norm, and how a gradient passes back through that norm.

    Attributes
    ----------
    size, gap
        Mean square, and 1 - c.
    scatter
        Variance of the overlap of two tokens' own parts.
    vary
        ln E[(1 - c)^2] / E[1 - c]^2, means over networks.
    gain, turn
        Factor of the squared gradient, and of the overlap of two positions over that.
    """

    size: Any
    gap: Any
    scatter: Any
    vary: Any
    gain: Any
    turn: Any


class Perceptron(NamedTuple):
    """Overlaps of the hidden units, and what they multiply those of gradients by.

    Attributes
    ----------
    same, own
        Mean square of the hidden units, and that of the part in which two positions differ.
    rate
        Derivative of the overlap at two positions by the tokens' correlation.
    into, gate
        Overlaps of the derivatives by the pre-activations of W_1 and of W_3.
    """

    same: Any
    own: Any
    rate: Any
    into: tuple[Any, Any]
    gate: tuple[Any, Any]

    @property
    def back(self) -> tuple[Any, Any]:
        """Overlaps of the derivatives by the tokens, over the variance of W_1."""
        return self.into[0] + self.gate[0], self.into[1] + self.gate[1]


def curve(activation: Activation, log_s: Any, is_fixed: bool) -> Curve:
    """Moments of an activation at one variance, or at all up to it.

    Parameters
    ----------
    activation
        The nonlinearity.
    log_s
        Log of the variance, shape ``()``.
    is_fixed
        Whether that is the only one.
    """
    xp, steps = library(log_s), np.linspace(0, 1, moments_2d.FEW + 1)
    squares: Any = tuple(curves(activation)[:2])
    if not is_fixed:
        # Many variances read a table of the activation, which costs less than integrals.
        log_many = log_s - _DECADES * xp.asarray(steps, log_s.dtype)
        return Curve(squares, jax.tree_util.Partial(_two, moments_2d.reader(log_many, activation, 2)))
    log_one = log_s[None] if moments_2d.is_shipped(log_s, activation) else log_s + xp.zeros(steps.size, log_s.dtype)
    return Curve(tuple(value_and_slope(each, log_s)[0] for each in squares), moments_2d.ahead(log_one, activation))


def _two(read: Callable[[Values, Values], Values], log_s: Values, log_share: Values) -> tuple[Values, Values]:
    found = read(log_s, log_share)
    return 1 - found[..., 0], 1 - found[..., 1]


def replacing(net: Transformer) -> Activation | None:
    """The function of each unit that stands in place of a norm, if one does."""
    return as_activation(_SHAPES[net.norm], "Transformer") if net.norm in _SHAPES else None


def pairs(known: Curve, log_s: Any, gap: Any) -> Pairs:
    """Moments of an activation at two positions.

    Parameters
    ----------
    known
        Of this activation.
    log_s
        Log of the variance of its argument, shape ``()``.
    gap
        1 - c of its arguments, shape ``()``.
    """
    xp = library(log_s, gap)
    length, slope = (xp.exp(each if each.ndim == 0 else value_and_slope(each, log_s)[0]) for each in known.squares)
    tiny = xp.finfo(gap.dtype).tiny
    two = known.row(log_s[None], (xp.log(xp.maximum(gap, tiny)) / 2)[None])
    split, turn = (1 - each[0] for each in two)
    return Pairs(length, slope, xp.exp(log_s) * slope * gap * split, split, turn)


def normed(log_q: Any, gap: Any, scatter: Any, vary: Any, kept: float) -> Token:
    """Tokens behind a norm.

    Parameters
    ----------
    log_q, gap, scatter, vary
        Of the stream: log of its mean square, 1 - c, the scatter of its own parts' overlaps, and ``vary`` of ``Token``.
    kept
        Share of the directions of a gradient that the norm passes on.
    """
    xp = library(log_q)
    return Token(xp.ones_like(log_q), gap, scatter, vary, kept * xp.exp(-log_q), xp.ones_like(log_q))


def squashed(known: Curve, slope: Any, log_q: Any, gap: Any, scatter: Any, stream: float) -> Token:
    """Tokens behind a function of each unit of the stream.

    Parameters
    ----------
    known
        Moments of the function at slope 1.
    slope
        Its slope s at 0.
    log_q, gap, scatter
        As in ``normed``.
    stream
        1 over the number of units of the stream.
    """
    xp = library(log_q)
    found = pairs(known, log_q + 2 * xp.log(slope), gap)
    passed = (found.turn / found.split) ** 2
    spread = passed * scatter + (1 - passed) * stream
    return Token(found.length, found.apart / found.length, spread, 0 * gap, slope**2 * found.slope, found.turn)


def perceptron(known: Curve, log_s: Any, gap: Any, is_gated: bool) -> Perceptron:
    """Overlaps of the hidden units of a perceptron.

    Parameters
    ----------
    known
        Moments of its activation.
    log_s
        Log of the variance of the pre-activations, shape ``()``.
    gap
        1 - c of the tokens, shape ``()``.
    is_gated
        Whether a second linear map multiplies the activation.
    """
    xp = library(log_s, gap)
    found, s, c = pairs(known, log_s, gap), xp.exp(log_s), 1 - gap
    slopes, zero = (found.slope, found.slope * found.turn), xp.zeros_like(gap)
    if not is_gated:
        return Perceptron(found.length, found.apart, s * slopes[1], slopes, (zero, zero))
    lengths = (found.length, found.length - found.apart)
    own = s * (gap * found.length + c * found.apart)
    return Perceptron(
        s * found.length, own, s * (lengths[1] + c * s * slopes[1]), (s * slopes[0], s * c * slopes[1]), lengths
    )


__all__ = ["Curve", "Perceptron", "Token", "curve", "normed", "perceptron", "replacing", "squashed"]
