"""Depths at which a number format gives out, and depths at which a network's forward or backward pass does."""

import functools
from decimal import ROUND_CEILING, Decimal, localcontext
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import erfc
from scipy.special import erfinv

from vgtheory.activation import Activation
from vgtheory.ensemble import Ensemble
from vgtheory.expect import expect, expect_count, expect_one_of
from vgtheory.formats import FORMATS
from vgtheory.theory import finite_width, gaussian
from vgtheory.theory.precision import floats, in_float64, in_numpy
from vgtheory.theory.profiles import log_grad_layers, log_q_layers, walked_layers

_DIGITS, _NEAR = 60, Decimal("1e-30")


class DepthLimit(NamedTuple):
    """First depths at which a power leaves a number format; None where it never does."""

    subnormal: int | None
    zero: int | None
    overflow: int | None


def format_range(dtype: str) -> tuple[Fraction, Fraction, Fraction]:
    """Smallest subnormal, smallest normal and largest finite number of a format, exactly.

    Parameters
    ----------
    dtype
        One of ``float16``, ``bfloat16``, ``tensorfloat32`` (float32 but for the operands of matrix products, whose range is
        the same), ``float32``, ``float64``.

    Returns
    -------
    tuple of Fraction
        The three numbers.

    Raises
    ------
    ValueError
        If the format is none of these.
    """
    expect_one_of(FORMATS, "format_range", dtype=dtype)
    info = jnp.finfo(FORMATS[dtype])
    values = (info.smallest_subnormal, info.tiny, info.max)
    smallest, normal, largest = (Fraction(float(value)) for value in values)
    return smallest, normal, largest


def _power_beyond(factor: Fraction, depth: int, bound: Fraction, above: bool) -> bool:
    """Exactly whether factor**depth lies beyond the bound."""
    power = factor**depth
    return power > bound if above else power < bound


def _first_depth(factor: Fraction, bound: Fraction, above: bool) -> int | None:
    """Smallest depth >= 1 with factor**depth above (below) the bound."""
    if factor == 0:
        return None if above else 1
    if (factor > 1) != above or factor == 1:
        return None
    with localcontext(prec=_DIGITS):
        crossing = _log(bound) / _log(factor)
        depth = int(crossing.to_integral_value())
        if abs(crossing - depth) > _NEAR:
            return int(crossing.to_integral_value(ROUND_CEILING))
    return depth if _power_beyond(factor, depth, bound, above) else depth + 1


def _log(value: Fraction) -> Decimal:
    """Natural log of a positive fraction to the context's precision, near 1 too."""
    return (Decimal(value.numerator) / Decimal(value.denominator)).ln()


@in_numpy
def depth_limit(factor: float, dtype: str) -> DepthLimit:
    r"""First depths at which ``factor**depth`` leaves a number format.

    .. math:: \min\{d \ge 1 : f^d < \mathrm{bound}\} \quad\text{or}\quad \min\{d \ge 1 : f^d > \mathrm{bound}\}

    Parameters
    ----------
    factor
        Factor per layer of the number itself (not of its square), >= 0; it is taken as the exact binary number given.
    dtype
        ``"float16"``, ``"bfloat16"``, ``"float32"`` or ``"float64"``.

    Returns
    -------
    DepthLimit
        ``subnormal``: first depth below the smallest normal number, from where digits are lost (and from where hardware
        that flushes subnormals to zero reports 0); ``zero``: first depth below the smallest subnormal; ``overflow``:
        first depth above the largest finite number. None for what never happens.

    Raises
    ------
    ValueError
        If ``factor`` is negative, infinite or NaN, or the format is unknown.

    Notes
    -----
    Accuracy: exact: the crossing is found to 60 digits, and settled in rational arithmetic where it is within 1e-30 of an
    integer (powers of two).
    Assumes: the exact power, compared once. A chain that rounds at every step is another question: with gradual
    underflow and a factor above 1/2 it sticks at a few smallest subnormals and never reaches 0.

    Examples
    --------
    >>> from vgtheory import theory
    >>> theory.depth_limit(0.25, "float16")
    DepthLimit(subnormal=8, zero=13, overflow=None)
    >>> theory.depth_limit(1.1, "float32").overflow
    931
    """
    finite = isinstance(factor, float | int | np.floating | np.integer) and bool(np.isfinite(factor)) and factor >= 0
    expect(finite, "depth_limit", "a finite factor >= 0", factor=factor)
    expect_one_of(FORMATS, "depth_limit", dtype=dtype)
    exact = Fraction(float(factor))
    smallest, normal, largest = format_range(dtype)
    return DepthLimit(
        _first_depth(exact, normal, above=False),
        _first_depth(exact, smallest, above=False),
        _first_depth(exact, largest, above=True),
    )


class PassLimit(NamedTuple):
    """First layers at which each pass leaves a number format; None where it does not within the depth."""

    forward: int | None
    backward: int | None


@functools.partial(jax.jit, static_argnames=("activation", "width"))
def _log_peaks(log_q: Any, activation: Activation, width: int) -> Any:
    """``_log_peak`` at every layer."""
    return lax.map(lambda each: _log_peak(each, activation, width), log_q)


def _log_peak(log_q: Any, activation: Activation, width: int) -> Any:
    """Log of the median largest of width entries |phi'(h) u|, u standard normal."""
    edge = 0.45 * float(np.log(np.finfo(float).tiny))
    q = jnp.exp(jnp.clip(log_q, edge, -edge))
    dphi = activation.dphi
    tail = -np.expm1(np.log(0.5) / width)

    def excess(log_x: Any) -> Any:
        def beyond(z: Any) -> Any:
            slope = jnp.abs(dphi(jnp.sqrt(q) * z))
            return jnp.where(slope > 0, erfc(jnp.exp(log_x) / np.sqrt(2) / jnp.where(slope > 0, slope, 1.0)), 0.0)

        return gaussian.mean(beyond, q, activation.kinks) - tail

    def halve(_: Any, bracket: tuple[Any, Any]) -> tuple[Any, Any]:
        low, high = bracket
        middle = (low + high) / 2
        above = excess(middle) > 0
        return jnp.where(above, middle, low), jnp.where(above, high, middle)

    low, high = lax.fori_loop(0, 50, halve, (jnp.full_like(q, -400.0), jnp.full_like(q, 10.0)))
    return (low + high) / 2


class _Peaks(NamedTuple):
    """Natural logs of the median largest entries of h_l, of W^T dE/dh_{l+1} and of dE/dh_l, each of shape (depth,)."""

    h: Any
    product: Any
    grad: Any


@in_float64
def _peaks(net: Ensemble, depth: int, width: int, squared_loss: bool) -> _Peaks:
    log_q = log_q_layers.__wrapped__(net, depth=depth, width=width).mean  # type: ignore[attr-defined]
    log_g = log_grad_layers.__wrapped__(net, depth=depth, width=width).mean  # type: ignore[attr-defined]
    top = jnp.zeros_like(log_q[:1])
    if squared_loss:
        top = log_q[-1:] / 2
        log_g += finite_width.aligned_gain(walked_layers("pass_limit", net, depth, width)) / 2
    gaussian_peak = np.log(np.sqrt(2) * erfinv(0.5 ** (1 / width)))
    log_rms = jnp.log(*floats(net.sigma_w)) + log_g[1:] + top
    padded = jnp.pad(log_q, (0, (1 << (depth - 1).bit_length()) - depth), mode="edge")
    sloped = _log_peaks(padded, net.activation, width)[: depth - 1]
    product, grad = (jnp.concatenate([log_rms + peak, top + gaussian_peak]) for peak in (gaussian_peak, sloped))
    return _Peaks(log_q / 2 + gaussian_peak, product, grad)


def pass_limit(
    net: Ensemble, dtype: str, *, depth: int, width: int, squared_loss: bool = False, flush: bool = False
) -> PassLimit:
    r"""First layers at which the forward and the backward pass of a network under- or overflow.

    The forward pass is lost at the first layer (counted from the input) whose largest entry overflows, or all of whose
    entries round to zero; the backward pass at the first layer met on the way down from the top.

    Parameters
    ----------
    net
        The ensemble, with scalar ``sigma_w`` and ``sigma_b``.
    dtype
        ``"float16"``, ``"bfloat16"``, ``"float32"`` or ``"float64"``.
    depth
        Number of layers, >= 1.
    width
        Number of units, >= 1.
    squared_loss
        Whether the top cotangent is ``h_depth`` itself (``E = |h|^2 / 2``) rather than standard normal.
    flush
        Whether the hardware flushes subnormal numbers to zero (``measure.flushes_subnormals``).

    Returns
    -------
    PassLimit
        ``forward``: the layer, from 1 at the input; ``backward``: the number of layers that the gradient has come down
        from the top when it is lost (1 for the layer below the top; 0 if the cotangent itself is lost).

    Raises
    ------
    ValueError
        If the format is unknown or ``depth`` or ``width`` is no positive integer.

    Notes
    -----
    Accuracy: the largest of ``width`` entries is taken at its median (entries of h Gaussian, of the gradient Gaussian
    times a slope), and the norm at its typical value; the first lost layer of a single network scatters about it by
    about the spread of the log-norm over the rate, and comes a little earlier where that spread is many layers.
    Assumes: the two passes apart: a forward pass already lost is not followed into the backward one. With
    ``squared_loss`` the cotangent is aligned with the weights; what that adds (over k layers of a critical linear or ReLU
    stack a factor 1 + k or 1 + 2 k in the square) is taken at its leading order at large width.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> theory.pass_limit(Dense("tanh", sigma_w=3.0), "float16", depth=100, width=256)
    PassLimit(forward=None, backward=31)
    """
    expect_one_of(FORMATS, "pass_limit", dtype=dtype)
    expect_count("pass_limit", depth=depth)
    expect_count("pass_limit", width=width)
    smallest, normal, largest = (float(np.log(float(bound))) for bound in format_range(dtype))
    floor = normal if flush else smallest - np.log(2)
    peaks = _peaks(net, depth, width, squared_loss)

    def first(lost: Any) -> int | None:
        return int(np.argmax(lost)) if bool(lost.any()) else None

    forward = first((peaks.h > largest) | (peaks.h < floor))
    backward = first(((peaks.product > largest) | (peaks.grad < floor))[::-1])
    return PassLimit(None if forward is None else forward + 1, backward)
