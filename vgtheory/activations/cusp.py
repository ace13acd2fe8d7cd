"""Kinks next to which a derivative grows without bound (cusps), and integration beside them."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

_FLAT, _SUMMABLE, _SAFELY = -1e-3, 1e-6, 1e-3


_TIMES = np.array([2.0, 128.0])[:, None, None]
"""Two distances from a cusp, in hairs."""


class Cusp(float):
    """A kink next to which phi' or phi'' grows without bound."""


def hair(kink: float) -> float:
    """Distance from a cusp within which a slope is replaced by a constant."""
    return 2.0**-174 if kink == 0 else 2.0 ** (np.ceil(np.log2(abs(kink))) - 30)


def graded(kinks: Any) -> Any:
    """Kinks, and points that approach the cusps among them in steps of a factor of 8.

    An array is returned as it is.
    """
    if not isinstance(kinks, tuple) or not any(isinstance(kink, Cusp) for kink in kinks):
        return kinks
    steps = [(kink, hair(kink) * 8.0 ** np.arange(11 if kink else 58)) for kink in kinks if isinstance(kink, Cusp)]
    return (*kinks, *(float(kink + sign * step) for kink, away in steps for step in away for sign in (-1, 1)))


def _held(dphi: Callable[[Array], Array], ends: tuple[Any, ...], h: Array) -> Array:
    slope = dphi(h)
    for kink, left, right in ends:
        near = jnp.abs(h - kink) < hair(kink)
        side = jnp.where(h > kink, right, jnp.where(h < kink, left, 0.0)).astype(slope.dtype)
        slope = jnp.where(near | (h == kink), side, slope)
    return slope


@functools.cache
def steepness(dphi: Callable[[Array], Array], kinks: tuple[float, ...]) -> float:
    """Largest p for which a slope grows as the inverse p-th power of the distance from a cusp.

    It is 0 if the slope stays bounded.

    Parameters
    ----------
    dphi
        The slope, elementwise, as ``with_cusps`` returns it.
    kinks
        Its kinks, cusps marked.
    """
    at = np.array([kink for kink in kinks if isinstance(kink, Cusp)])
    if not at.size:
        return 0.0
    away = np.array([-1.0, 1.0])[:, None] * np.array([hair(each) for each in at])
    with jax.enable_x64(True), jax.ensure_compile_time_eval(), np.errstate(all="ignore"):
        near, far = np.abs(np.asarray(jax.jit(lambda h: dphi(h))(jnp.asarray(at + _TIMES * away)), float))
        return float(np.nanmax(np.log2(near / far) / 6, initial=0.0))


def has_fourth(activation: Any) -> bool:
    """Whether E[phi'^4] is finite; next to a cusp it need not be. Of a unit it is if those of its parts are."""
    if hasattr(activation, "parts"):
        return all(map(has_fourth, activation.parts))
    return 4 * steepness(activation.dphi, activation.kinks) < 1 - _SAFELY


@functools.cache
def with_cusps(dphi: Callable[[Array], Array], kinks: tuple[float, ...]) -> tuple[Any, tuple[float, ...], bool]:
    """A slope made constant near its cusps; the kinks, cusps marked; whether it is unbounded.

    Next to a cusp the slope is a power of the distance. The integral of its square over the
    interval ``hair`` is then known, and it is infinite for a power of -1/2 or less. The constant
    has the same integral.

    Parameters
    ----------
    dphi
        The slope, elementwise.
    kinks
        Points to test.
    """
    at = np.asarray(kinks, float)
    away = (
        np.array([-1.0, 1.0])[:, None, None] * np.array([1.0, 64.0])[:, None] * np.array([hair(each) for each in kinks])
    )
    with jax.enable_x64(True), jax.ensure_compile_time_eval(), np.errstate(all="ignore"):
        h = jnp.asarray(at + away)
        jet = jax.jit(lambda h: jax.jvp(dphi, (h,), (jnp.ones_like(h),)))
        slope, bend = (np.asarray(each, float) for each in jet(h))
        power, curved = (np.log2(np.abs(each[:, 1] / each[:, 0])) / 6 for each in (slope, bend))
        summed = np.where(1 + 2 * power > _SUMMABLE, slope[:, 0] / np.sqrt(1 + 2 * power), np.inf)
        ends = np.where(power < _FLAT, summed, slope[:, 0])
    sharp = np.any((power < _FLAT) | (curved < _FLAT), axis=0)
    if not sharp.any():
        return dphi, kinks, False
    held = tuple((float(at[k]), *map(float, ends[:, k])) for k in np.flatnonzero(sharp))
    told: Iterable[float] = (Cusp(kink) if each else kink for kink, each in zip(kinks, sharp, strict=True))
    return functools.partial(_held, dphi, held), tuple(told), bool(np.any(power < _FLAT))
