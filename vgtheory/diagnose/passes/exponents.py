"""Cotangents with an exponent of their own, ``unit * 2**power``, which neither vanish nor overflow.

Powers of two multiply without rounding, so that the exponents cost no accuracy.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

NOTHING = -(2**28)
"""Power of a cotangent that is zero."""
_BEYOND = 2**30 - 35
"""A number beyond all powers."""
MULTIPLES = (2.0**64, 1.0, 2.0**-64)
"""Squares of one of these multiples of any float32 number neither under- nor overflow."""
_EDGE = float(np.finfo(np.float32).tiny) * 2.0**20
"""Sum of squares above which single ones that are lost do not count."""
_ROOM = {"float16": 6}
"""Binary places left free above a unit, where a format could not hold its sums."""


class Scaled(NamedTuple):
    """A cotangent, ``unit * 2**power``."""

    unit: Array
    power: Array


class Size(NamedTuple):
    """What is kept of a cotangent: ``squares`` of its unit, and its power."""

    squares: ArrayLike
    power: ArrayLike


def wide_type(dtype: Any) -> Any:
    """The type, or float32 where that is wider."""
    return dtype if jnp.finfo(dtype).bits >= jnp.finfo(jnp.float32).bits else jnp.dtype("float32")


def _wide(x: Array) -> Array:
    """Real numbers of at least single precision; of a complex number, its size."""
    x = jnp.abs(x) if jnp.iscomplexobj(x) else x
    return x.astype(wide_type(x.dtype))


@jax.jit
def squares(x: Array, multiple: ArrayLike = 1.0) -> Array:
    """Sum of squares of a multiple of ``x``, in float32 or the wider format of ``x``."""
    wide = _wide(x)
    return jnp.sum((wide * jnp.asarray(multiple, wide.dtype)) ** 2)


def is_held(sums: ArrayLike) -> bool:
    """Whether plain sums are far from where float32 loses single squares; NaN is."""
    wide = np.asarray(sums)
    return not bool(np.any((wide < _EDGE) | (wide == np.inf)))


def widened(sums: ArrayLike) -> np.ndarray:
    """Plain sums as if they were ``squares`` of the three ``MULTIPLES``."""
    wide = np.asarray(sums, np.float64)
    return np.stack([wide + np.inf, wide, wide * MULTIPLES[2] ** 2], axis=-1)


def log_root(sums: ArrayLike) -> np.ndarray:
    """Log of a norm from ``squares`` of three multiples, shape ``(..., 3)``; inf if any entry was NaN or infinite."""
    wide = np.asarray(sums, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(wide) / 2 - np.log(MULTIPLES)
    large = np.where(np.isfinite(wide[..., 2]), logs[..., 2], np.inf)
    middle = np.where(np.isfinite(wide[..., 1]) & (wide[..., 1] > _EDGE), logs[..., 1], large)
    return np.asarray(np.where(np.isfinite(wide[..., 0]), logs[..., 0], middle))


def log_size(size: Size) -> np.ndarray:
    """Log-norm of a cotangent."""
    return np.asarray(log_root(size.squares) + np.asarray(size.power, np.float64) * np.log(2.0))


def power_of_two(exponent: Array) -> Array:
    """``2**exponent`` in float32; 0 below its normal numbers."""
    bits = jnp.clip(exponent + 127, 0, 254) << 23  # zero's own bits below the normal numbers
    return lax.bitcast_convert_type(bits.astype(jnp.int32), jnp.float32)


def _times(unit: Array, factor: Array) -> Array:
    """A unit times a power of two, at least in single precision."""
    wide = unit.astype(wide_type(unit.dtype))
    return wide * factor.astype(jnp.finfo(wide.dtype).dtype)


def held(unit: Array, dtype: Any) -> Array:
    """A unit in the type in which cotangents of ``dtype`` are added: its own, as JAX adds them.

    float16 has too few exponents for units that are not levelled.
    """
    return unit.astype(jnp.float32 if dtype == jnp.float16 else dtype)


def nothing(aval: Any) -> Scaled:
    """A cotangent of zeros."""
    return Scaled(held(jnp.zeros(aval.shape, aval.dtype), aval.dtype), jnp.asarray(NOTHING, jnp.int32))


def added(one: Scaled | None, other: Scaled, dtype: Any) -> Scaled:
    """Sum of two cotangents of a variable of this type."""
    if one is None:
        return Scaled(held(other.unit, dtype), other.power)
    return _sum(one, other, jnp.dtype(dtype))


@functools.partial(jax.jit, static_argnums=2)
def _sum(one: Scaled, other: Scaled, dtype: Any) -> Scaled:
    power = jnp.maximum(one.power, other.power)
    parts = [_times(each.unit, power_of_two(each.power - power)) for each in (one, other)]
    return Scaled(held(parts[0] + parts[1], dtype), power)


def _peak_power(x: Array) -> Array:
    """Exponent of the largest finite entry; ``NOTHING`` if there are only zeros."""
    wide = jnp.abs(_wide(x))
    peak = jnp.max(jnp.where(wide < jnp.inf, wide, 0.0), initial=0.0)
    if peak.dtype == jnp.float32:
        exponent = (lax.bitcast_convert_type(peak, jnp.int32) >> 23) - 126
    else:
        exponent = jnp.frexp(peak)[1].astype(jnp.int32)
    return jnp.where(peak > 0, exponent, NOTHING)


def levelled(cotangents: Sequence[Scaled], avals: Sequence[Any], axis: str | None = None) -> tuple[list[Array], Array]:
    """Cotangents in their variables' types and one common power, with peaks of at most 1.

    With ``axis``, the power is also common along this mapped axis.
    """
    return _levelled(list(cotangents), tuple(jnp.dtype(aval.dtype) for aval in avals), axis)


@functools.partial(jax.jit, static_argnums=(1, 2))
def _levelled(cotangents: list[Scaled], dtypes: tuple[Any, ...], axis: str | None) -> tuple[list[Array], Array]:
    tops = [each.power + _peak_power(each.unit) for each in cotangents]
    top = functools.reduce(jnp.maximum, tops)
    top = top if axis is None else lax.pmax(top, axis)
    top = jnp.maximum(top + max(_ROOM.get(str(dtype), 0) for dtype in dtypes), NOTHING)
    # A remainder of itself: XLA takes a division for dear, and so does not write the powers of all stretches above
    # out again in everything that reads this one.
    top = lax.rem(top, jnp.int32(_BEYOND))
    units = []
    for each, dtype in zip(cotangents, dtypes, strict=True):
        # Halves, because a reciprocal of the least numbers is beyond the largest.
        half = (each.power - top) >> 1
        unit = _times(_times(each.unit, power_of_two(half)), power_of_two(each.power - top - half))
        units.append(unit.astype(dtype))
    return units, top


def stacked(unit: Array, powers: Array) -> Scaled:
    """Cotangents of the slices of an array, each with its power, as one cotangent of the array."""
    top = jnp.max(powers)
    factor = power_of_two(powers - top)
    return Scaled(_times(unit, factor.reshape(-1, *[1] * (unit.ndim - 1))), top)


def size_of(unit: Array, power: Array, multiple: ArrayLike = 1.0, *, masked: bool) -> Size:
    """What is kept of a cotangent.

    Parameters
    ----------
    unit, power
        The cotangent.
    multiple
        As in ``squares``; 1 does where the largest entry is near 1.
    masked
        Whether entries that are not finite count as 0.
    """
    if masked:
        unit = jnp.where(jnp.isfinite(unit), unit, jnp.zeros((), unit.dtype))
    return Size(squares(unit, multiple), power)


def joined(sizes: Sequence[Size]) -> Size:
    """Size of several cotangents of one power together."""
    return Size(sum(jnp.asarray(each.squares) for each in sizes), sizes[0].power)
