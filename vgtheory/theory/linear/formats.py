"""What a number format does to a decay close to 1, and to a state that grows: exact, by fractions."""

import math
from fractions import Fraction
from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from jax.typing import DTypeLike

from vgtheory.checks import optional
from vgtheory.expect import expect, expect_dtype, expect_number
from vgtheory.theory.arguments import asked
from vgtheory.theory.precision import in_numpy

DTYPES = ("bfloat16", "float16", "float32", "float64")
FADED = math.exp(-1)
_MOST = 20_000
"""Most steps of a growing state that are followed."""


class DecayLag(NamedTuple):
    """What becomes of repeated multiplication by a decay in a number format.

    Attributes
    ----------
    held
        The decay as its format holds it.
    lag
        First step at which the product is at most the asked share; None if it never is.
    last
        The product there, or the value at which it stays.
    """

    held: float
    lag: int | None
    last: float


class Overflow(NamedTuple):
    """What becomes of a state that adds up inputs of one size in a number format.

    Attributes
    ----------
    held
        The decay as its format holds it.
    step
        First step at which the state is infinite; None if it comes to rest before.
    last
        The last finite state.
    """

    held: float
    step: int | None
    last: float


def _exponent(size: Fraction) -> int:
    """The largest e with 2^e <= size."""
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    return exponent - (size < Fraction(2) ** exponent)


def _spacing(size: Fraction, dtype: str) -> Fraction:
    """Distance of neighbouring numbers of a format just above a size > 0, gradual underflow included."""
    info = jnp.finfo(dtype)
    return Fraction(2) ** max(_exponent(size) - int(info.nmant), int(info.minexp) - int(info.nmant))


def rounded(value: Fraction, dtype: str) -> Fraction:
    """The nearest number of a format, ties to even, subnormal numbers among them; without a largest one."""
    if value == 0:
        return value
    spacing = _spacing(abs(value), dtype)
    return round(value / spacing) * spacing


def _largest(dtype: str) -> Fraction:
    """The smallest number that rounds to infinity."""
    info = jnp.finfo(dtype)
    return Fraction(float(info.max)) + Fraction(2) ** (int(info.maxexp) - int(info.nmant) - 2)


def _falls(held: Fraction, product: Fraction, after: Fraction, dtype: str) -> int:
    """Number of steps in which a product falls by one and the same amount, at least 1.

    A fall is (1 - decay) times the product, rounded to whole spacings, while the exact product
    stays where the spacing is the same.
    """
    fall, spacing = product - after, _spacing(product, dtype)
    floor = Fraction(2) ** _exponent(product)
    if _spacing(floor / 2, dtype) == spacing:  # subnormal numbers are all equally far apart
        floor = Fraction(0)
    steady = (product - (fall - spacing / 2) / (1 - held)) // fall
    inside = (product - floor / held) // fall + 1
    return max(1, min(steady, inside))


def _alike(state: Fraction, x: Fraction, dtype: str) -> int:
    """Number of steps in which a plain sum rises by one and the same amount, at least 1."""
    spacing = _spacing(state, dtype)
    if (x / spacing).denominator == 2:  # ties go to even numbers, now up and now down
        return 1
    return max(1, int((2 * Fraction(2) ** _exponent(state) - state) / (round(x / spacing) * spacing)))


_decay = {
    "decay": partial(expect_number, interval="[0, 2]", ndim=0),
    "dtype": partial(expect_dtype, DTYPES),
    "decay_dtype": optional(partial(expect_dtype, DTYPES)),
}


@in_numpy
@asked(**_decay, share=partial(expect_number, interval="(0, 1)", ndim=0))
def decay_lag(
    decay: float, dtype: DTypeLike, share: float = FADED, *, decay_dtype: DTypeLike | None = None
) -> DecayLag:
    r"""Lag at which a gradient has fallen to a share, when every product is rounded to a number format.

    .. math:: g_{t+1} = \mathrm{round}(\hat\lambda\, g_t), \qquad g_0 = 1

    With p significant bits, a decay above :math:`1 - 2^{-p-1}` is held as 1, and never decays:
    memories above 512 steps in bfloat16, 4,096 in float16, 3e7 in float32. A decay that a wider
    format holds is lost all the same once :math:`(1 - \lambda) g` is below half a spacing of g.
    Between, the product falls by whole spacings, and its rate is wrong.

    Parameters
    ----------
    decay
        lambda, from 0 to 1.
    dtype
        Format that products are rounded to: ``"bfloat16"``, ``"float16"``, ``"float32"``,
        ``"float64"``.
    share
        Share of the gradient at which the lag is taken.
    decay_dtype
        Format that holds the decay; None for ``dtype``.

    Returns
    -------
    DecayLag
        The exact lag, the decay as it is held, and the product there.

    Notes
    -----
    Accuracy: exact, with gradual underflow.
    Assumes: one rounding to nearest of every exact product.

    Examples
    --------
    >>> from vgtheory import theory
    >>> theory.linear.decay_lag(0.999, "bfloat16")
    DecayLag(held=1.0, lag=None, last=1.0)
    >>> theory.linear.decay_lag(0.99, "bfloat16"), theory.linear.decay_lag(0.99, "float64").lag
    (DecayLag(held=0.98828125, lag=84, last=0.365234375), 100)
    """
    expect(decay <= 1, "decay_lag", "a decay from 0 to 1", decay=decay)
    dtype = expect_dtype(DTYPES, "decay_lag", dtype=dtype)
    kept = dtype if decay_dtype is None else expect_dtype(DTYPES, "decay_lag", decay_dtype=decay_dtype)
    held, aim = rounded(Fraction(float(decay)), kept), Fraction(float(share))
    product, lag = Fraction(1), 0
    while product > aim:
        after = rounded(held * product, dtype)
        if after == product:
            return DecayLag(float(held), None, float(product))
        fall = product - after
        jump = min(_falls(held, product, after, dtype), math.ceil((product - aim) / fall)) if held else 1
        product, lag = product - jump * fall, lag + jump
    return DecayLag(float(held), lag, float(product))


@in_numpy
@asked(**_decay, size=partial(expect_number, interval="(0, 1e300)", ndim=0))
def overflow_step(
    decay: float, dtype: DTypeLike, size: float = 1.0, *, decay_dtype: DTypeLike | None = None
) -> Overflow:
    r"""Step at which a state that adds up inputs of one size leaves a number format.

    .. math:: h_{t+1} = \mathrm{round}(\hat\lambda\, h_t + x), \qquad h_0 = 0

    A decay that is held as 1, or has drifted above it, sums its inputs up. In a narrow format the
    sum comes to rest where x is below half its spacing; it overflows if that lies beyond the
    format's range, or if the decay exceeds 1.

    Parameters
    ----------
    decay
        lambda, from 0 to 2.
    dtype, decay_dtype
        As in ``decay_lag``, for the state.
    size
        Size x > 0 of the inputs, which is rounded to ``dtype``.

    Returns
    -------
    Overflow
        The exact step, the decay as it is held, and the last finite state.

    Raises
    ------
    ValueError
        If the state neither overflows nor rests within 20,000 steps. With a decay of 1, steps in which
        it rises by the same amount count as one.

    Notes
    -----
    Accuracy: exact.
    Assumes: one rounding to nearest at every step.

    Examples
    --------
    >>> from vgtheory import theory
    >>> theory.linear.overflow_step(0.9999, "float16", 32.0)  # held as 1
    Overflow(held=1.0, step=2048, last=65504.0)
    >>> theory.linear.overflow_step(0.9999, "float16", 1.0)
    Overflow(held=1.0, step=None, last=2048.0)
    """
    dtype = expect_dtype(DTYPES, "overflow_step", dtype=dtype)
    kept = dtype if decay_dtype is None else expect_dtype(DTYPES, "overflow_step", decay_dtype=decay_dtype)
    held, x = rounded(Fraction(float(decay)), kept), rounded(Fraction(float(size)), dtype)
    expect(x > 0, "overflow_step", f"a size that {dtype} holds", size=size)
    state, infinite, step = Fraction(0), _largest(dtype), 0
    for _ in range(_MOST):
        after = held * state + x
        if after >= infinite:
            return Overflow(float(held), step + 1, float(state))
        after = rounded(after, dtype)
        if after == state:
            return Overflow(float(held), None, float(state))
        rise = after - state
        jump = min(_alike(state, x, dtype), math.ceil((infinite - state) / rise) - 1) if held == 1 and state else 1
        state, step = state + jump * rise, step + jump
    expect(False, "overflow_step", f"a state that overflows or rests within {_MOST} steps", decay=decay)
    raise AssertionError


__all__ = ["DTYPES", "DecayLag", "Overflow", "decay_lag", "overflow_step", "rounded"]
