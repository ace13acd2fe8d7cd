"""Depths at which a number format gives out, for powers of a factor and for networks."""

import functools
import math
from decimal import ROUND_CEILING, Decimal, localcontext
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jax import lax
from jax.typing import DTypeLike

from vgtheory.activation import Activation, is_tabled
from vgtheory.expect import expect, expect_dtype, expect_one_of
from vgtheory.formats import FORMATS, WITHOUT_INFINITY
from vgtheory.networks.ensemble import Ensemble, expect_matrices
from vgtheory.networks.listed import expect_unlisted
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library, scan, special
from vgtheory.theory.integrals.rules import nodes, values
from vgtheory.theory.laws import Question, grad_law, q_law
from vgtheory.theory.layers.dense import layers_of
from vgtheory.theory.precision import LOOPED, Arrays, Values, in_float64, in_numpy
from vgtheory.theory.width import expansion

_DIGITS, _NEAR = 60, Decimal("1e-30")


class DepthLimit(NamedTuple):
    """First depths at which a power, cast to a number format, leaves it; None if it never does."""

    subnormal: int | None
    zero: int | None
    overflow: int | None


def format_range(dtype: str) -> tuple[Fraction, Fraction, Fraction]:
    """Smallest subnormal, smallest normal and largest finite number of a format, exactly.

    The format ``tensorfloat32`` has the range of ``float32``, and differs in the operands of
    products.
    """
    expect_one_of(FORMATS, "format_range", dtype=dtype)
    info = jnp.finfo(FORMATS[dtype])
    values = (info.smallest_subnormal, info.tiny, info.max)
    smallest, normal, largest = (Fraction(float(value)) for value in values)
    return smallest, normal, largest


class _Edges(NamedTuple):
    """Exact numbers at which a cast begins to give infinity or NaN, and ends to give 0 or a subnormal."""

    zero: Fraction
    normal: Fraction
    overflow: Fraction


@functools.cache
def _edges(dtype: str) -> _Edges:
    """Half-way points between neighbours; ties go to 0, the smallest normal and infinity if there is one."""
    smallest, normal, largest = format_range(dtype)
    spacing = Fraction(float(jnp.finfo(FORMATS[dtype]).epsneg)) * 2 ** math.ceil(math.log2(largest))
    return _Edges(smallest / 2, normal - smallest / 2, largest + spacing / 2)


def log_edges(dtype: str) -> tuple[float, float, float]:
    """Natural logs of where a cast gives 0 (below), normal numbers (above) and infinity (above)."""
    zero, normal, overflow = (math.log(edge.numerator) - math.log(edge.denominator) for edge in _edges(dtype))
    return zero, normal, overflow


def _power_beyond(factor: Fraction, depth: int, bound: Fraction, above: bool, at: bool) -> bool:
    """Exactly whether factor**depth lies beyond the bound; ``at`` includes the bound itself."""
    power = factor**depth
    return (at and power == bound) or (power > bound if above else power < bound)


def _first_depth(factor: Fraction, bound: Fraction, above: bool, at: bool) -> int | None:
    """Smallest depth >= 1 with factor**depth above (below) the bound; ``at`` includes the bound."""
    if factor == 0:
        return None if above else 1
    if (factor > 1) != above or factor == 1:
        return None
    with localcontext(prec=_DIGITS):
        crossing = _log(bound) / _log(factor)
        depth = int(crossing.to_integral_value())
        if abs(crossing - depth) > _NEAR:
            return int(crossing.to_integral_value(ROUND_CEILING))
    return depth if _power_beyond(factor, depth, bound, above, at) else depth + 1


def _log(value: Fraction) -> Decimal:
    """Natural log of a positive fraction to the context's precision, near 1 too."""
    return (Decimal(value.numerator) / Decimal(value.denominator)).ln()


@asked()
@in_numpy
def depth_limit(factor: float, dtype: DTypeLike) -> DepthLimit:
    r"""First depths at which ``factor**depth``, cast to a number format, leaves the format.

    A cast rounds to the nearest number, and a tie to the even one. Zero therefore begins at half
    the smallest subnormal number s, and infinity half a spacing above the largest finite number.
    ``float8_e4m3fn`` has no infinity; a cast gives NaN from beyond that point:

    .. math:: \min\{d \ge 1 : f^d \le s / 2\} \quad\text{and}\quad
        \min\{d \ge 1 : f^d \ge \mathrm{largest} + \mathrm{spacing} / 2\}

    Parameters
    ----------
    factor
        Factor per layer of the number itself, >= 0, taken as the exact binary number. A gradient's
        is the square root of ``chi_1``, which is the factor of its square.
    dtype
        ``"float8_e4m3fn"``, ``"float8_e5m2"``, ``"float16"``, ``"bfloat16"``, ``"float32"`` or
        ``"float64"``, or a dtype.

    Returns
    -------
    DepthLimit
        First depths at which the cast is below the smallest normal number (``subnormal``), 0
        (``zero``) and infinite or NaN (``overflow``); None for what never happens. A subnormal
        number has lost digits, and hardware that flushes subnormals makes it 0.

    Notes
    -----
    Accuracy: exact. The crossing is found to 60 digits, and rational arithmetic decides where it is
    within 1e-30 of an integer (powers of two).
    Assumes: the exact power, rounded once to nearest. A cast that saturates gives the largest finite
    number from the depth ``overflow`` on. A chain that rounds at every step differs:
    with gradual underflow and a factor above 1/2 it stays at a few smallest subnormals and never
    reaches 0. Formats whose blocks have scales (MXFP8, NVFP4) have no such depth short of float32's:
    their range moves with the gradient. What they lose is in ``magnitudes.underflow_share``.

    References
    ----------
    Micikevicius et al. (2022), arXiv:2209.05433, for E4M3 and E5M2.

    Examples
    --------
    >>> from vgtheory import theory
    >>> theory.depth_limit(0.25, "float16")
    DepthLimit(subnormal=8, zero=13, overflow=None)
    """
    finite = isinstance(factor, float | int | np.floating | np.integer) and bool(np.isfinite(factor)) and factor >= 0
    expect(finite, "depth_limit", "a finite factor >= 0", factor=factor)
    dtype = expect_dtype(FORMATS, "depth_limit", dtype=dtype)
    exact = Fraction(float(factor))
    edges = _edges(dtype)
    return DepthLimit(
        _first_depth(exact, edges.normal, above=False, at=False),
        _first_depth(exact, edges.zero, above=False, at=True),
        _first_depth(exact, edges.overflow, above=True, at=dtype not in WITHOUT_INFINITY),
    )


class PassLimit(NamedTuple):
    """First layers at which each pass leaves a number format; None if it does not."""

    forward: int | None
    backward: int | None


def _log_peaks(log_q: Values, activation: Activation, width: int) -> Values:
    """``_log_peak`` at every layer: all at once by NumPy, or one by one in a program that serves many depths."""
    if library(log_q) is np and is_tabled(activation) and len(log_q) <= LOOPED:
        return _log_peak(log_q, activation, width)
    depth = len(log_q)
    padded = jnp.pad(jnp.asarray(log_q), (0, (1 << (depth - 1).bit_length()) - depth), mode="edge")
    return _each_peak(padded, activation, width)[:depth]


@functools.partial(jax.jit, static_argnames=("activation", "width"))
def _each_peak(log_q: Values, activation: Activation, width: int) -> Values:
    return lax.map(lambda each: _log_peak(each, activation, width), log_q)


def _log_peak(log_q: Values, activation: Activation, width: int) -> Values:
    """Log of the median largest of ``width`` entries |phi'(h) u|, u standard normal."""
    xp, erfc = library(log_q), special(log_q).erfc
    edge = 0.45 * float(np.log(np.finfo(float).tiny))
    q = xp.exp(xp.clip(log_q, edge, -edge))
    tail = -np.expm1(np.log(0.5) / width)
    z, weights = nodes(q, activation.kinks)
    slope = xp.abs(values(activation, xp.sqrt(q)[..., None] * z)[1])
    counts = (weights > 0) & (slope > 0)
    slope, weights = xp.where(counts, slope, 1.0), xp.where(counts, weights, 0.0)

    def halve(bracket: tuple[Any, Any], _: None) -> tuple[tuple[Values, Values], None]:
        low, high = bracket
        middle = (low + high) / 2
        above = xp.sum(erfc(xp.exp(middle)[..., None] / np.sqrt(2) / slope) * weights, axis=-1) > tail
        return (xp.where(above, middle, low), xp.where(above, high, middle)), None

    low, high = scan(halve, (xp.full_like(q, -400.0), xp.full_like(q, 10.0)), length=50)[0]
    return (low + high) / 2


class _Peaks(NamedTuple):
    """Logs of the median largest entries of h_l, W^T dE/dh_{l+1} and dE/dh_l."""

    h: Arrays
    product: Arrays
    grad: Arrays


@in_float64
def _peaks(net: Ensemble, depth: int, width: int, squared_loss: bool) -> _Peaks:
    question = Question("pass_limit", depth, width)
    log_q, log_g = q_law(net, question).mean, grad_law(net, question).mean
    xp = library(log_q, log_g)
    top = xp.zeros_like(log_q[:1])
    if squared_loss:
        top = log_q[-1:] / 2
        log_g = log_g + expansion.aligned_gain(layers_of(question.where, net, depth, width)) / 2
    gaussian_peak = np.log(np.sqrt(2) * scipy.special.erfinv(0.5 ** (1 / width)))
    log_rms = xp.log(xp.asarray(net.sigma_w, log_q.dtype)) + log_g[1:] + top
    sloped = _log_peaks(log_q, net.activation, width)[:-1]
    product, grad = (xp.concatenate([log_rms + peak, top + gaussian_peak]) for peak in (gaussian_peak, sloped))
    return _Peaks(log_q / 2 + gaussian_peak, product, grad)


@asked()
def pass_limit(
    net: Ensemble, dtype: DTypeLike, *, depth: int, width: int, squared_loss: bool = False, flush: bool = False
) -> PassLimit:
    """First layers at which the forward and the backward pass of a network under- or overflow.

    The forward pass is lost at the first layer, counted from the input, whose largest entry
    overflows or whose entries all round to zero. The backward pass is lost at the first such layer
    counted from the top.

    Parameters
    ----------
    net
        A ``Dense`` or ``Recurrent`` ensemble with scalar ``sigma_w`` and ``sigma_b``.
    dtype
        As in ``depth_limit``.
    depth, width
        Numbers of layers and of units, >= 1.
    squared_loss
        Whether the top cotangent is ``h_depth`` itself (``E = |h|^2 / 2``) instead of standard
        normal.
    flush
        Whether the hardware flushes subnormal numbers to zero
        (``measure.engine.flushes_subnormals``).

    Returns
    -------
    PassLimit
        ``forward``: the layer, from 1 at the input. ``backward``: the number of layers below the
        top at which the gradient is lost; 0 if the cotangent itself is lost. None for a pass that
        survives the ``depth``.

    Notes
    -----
    Accuracy: the limits are typical values. The largest of ``width`` entries is taken at its median
    (entries of h Gaussian, entries of the gradient Gaussian times a slope), and the norm at its
    typical value. Single networks scatter about the limit by the spread of the log-norm over the
    rate, and lose a pass a little earlier where this scatter is many layers.
    Assumes: separate passes; a forward pass that is lost does not affect the backward limit. In
    float8, sums are formed in float32, and an overflow gives infinity or NaN; accelerators that
    saturate instead lose digits at this layer. The law neglects the rounding of the numbers that
    are stored. Each rounding takes 0.07 % (E4M3) or 0.3 % (E5M2) from a mean square of normal
    numbers. Weights must not be so small that they round to zero: ``sigma_w / sqrt(width)`` is
    above the smallest subnormal number. In every format, rounding to multiples of the smallest
    subnormal number s adds s^2 / 12 to a mean square, so that a pass that shrinks slowly lasts
    longer: by about 1 layer at a factor of 0.6, and 5 at 0.8. With
    ``squared_loss`` the cotangent is aligned with the weights. The gain from this is taken at
    leading order at large width: 1 + k or 1 + 2 k in the square over k layers of a critical linear
    or ReLU network.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> theory.pass_limit(Dense("linear", sigma_w=3.0), "float16", depth=16, width=64)
    PassLimit(forward=10, backward=10)
    """
    dtype = expect_dtype(FORMATS, "pass_limit", dtype=dtype)
    expect_matrices("pass_limit", net)
    expect_unlisted("pass_limit", net=net)
    zero, normal, largest = log_edges(dtype)
    floor = normal if flush else zero
    peaks = _peaks(net, depth, width, squared_loss)

    def first(lost: Any) -> int | None:
        return int(np.argmax(lost)) if bool(lost.any()) else None

    forward = first((peaks.h > largest) | (peaks.h < floor))
    backward = first(((peaks.product > largest) | (peaks.grad < floor))[::-1])
    return PassLimit(None if forward is None else forward + 1, backward)
