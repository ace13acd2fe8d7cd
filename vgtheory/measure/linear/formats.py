"""Decays and sums run in narrow number formats, step by step, as XLA computes them."""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import DTypeLike

from vgtheory.measure.arguments import asked, count, dtype_of, number, optional

DTYPES = ("bfloat16", "float16", "float32", "float64")
FADED = math.exp(-1)
_checks = {"dtype": dtype_of(DTYPES), "decay_dtype": optional(dtype_of(DTYPES)), "steps": count()}


class DecayLag(NamedTuple):
    """What repeated multiplication by a decay ends in, in a number format; fields as in ``theory.linear.DecayLag``."""

    held: float
    lag: int | None
    last: float


class Overflow(NamedTuple):
    """What becomes of a state that adds up inputs in a number format; fields as in ``theory.linear.Overflow``."""

    held: float
    step: int | None
    last: float


def _cast(value: Array, dtype: str) -> Array:
    """A float64 number rounded once to a format, and kept in that format between steps."""
    if dtype in ("bfloat16", "float16"):  # XLA casts by way of float32, which would round twice
        info = jnp.finfo(dtype)
        spacing = float(info.smallest_subnormal)
        small = jnp.round(value / spacing) * spacing
        normal = lax.reduce_precision(value, exponent_bits=11, mantissa_bits=int(info.nmant))
        value = jnp.where(jnp.abs(value) < float(info.tiny), small, normal)
    return value.astype(dtype)


@partial(jax.jit, static_argnames=("dtype", "steps"))
def _run(decay: Array, x: Array, start: Array, aim: Array, dtype: str, steps: int) -> tuple[Array, Array, Array]:
    """Steps of h -> decay h + x until h rests, falls to ``aim`` or is infinite; the step, h there, and h before."""

    def going(state: tuple[Array, Array, Array]) -> Array:
        step, h, before = state
        return (step < steps) & (h != before) & (h > aim) & jnp.isfinite(h)

    def move(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        step, h, _ = state
        return step + 1, _cast(decay * h.astype("float64") + x, dtype), h

    return lax.while_loop(going, move, (jnp.zeros((), "int64"), start, jnp.asarray(-1, dtype)))


def _held(decay: float, dtype: str, decay_dtype: str | None) -> Array:
    return _cast(jnp.asarray(decay, "float64"), decay_dtype or dtype).astype("float64")


@asked(**_checks, decay=number("[0, 1]"), share=number("(0, 1)"))
def decay_lag(
    decay: float,
    dtype: DTypeLike,
    share: float = FADED,
    *,
    decay_dtype: DTypeLike | None = None,
    steps: int = 10_000_000,
) -> DecayLag:
    """Lag at which a gradient has fallen to a share, when every product is rounded to a number format.

    Parameters
    ----------
    decay, dtype, share, decay_dtype
        As in ``theory.linear.decay_lag``.
    steps
        Most steps to run.

    Returns
    -------
    DecayLag
        The lag, the decay as it is held, and the product there. The lag is None for a product that
        rests, or has not fallen so far within ``steps``.

    Notes
    -----
    Accuracy: the hardware's, which may flush subnormal numbers to 0.
    Assumes: nothing.

    Examples
    --------
    >>> from vgtheory import measure
    >>> measure.linear.decay_lag(0.99, "bfloat16")
    DecayLag(held=0.98828125, lag=84, last=0.365234375)
    """
    with jax.enable_x64(True):
        held = _held(decay, str(dtype), None if decay_dtype is None else str(decay_dtype))
        aim = jnp.asarray(share, "float64")
        step, h, _before = _run(held, jnp.zeros((), "float64"), jnp.ones((), dtype), aim, str(dtype), steps)
        fallen = float(h) <= share
        return DecayLag(float(held), int(step) if fallen else None, float(h))


@asked(**_checks, decay=number("[0, 2]"), size=number("(0, 1e300)"))
def overflow_step(
    decay: float,
    dtype: DTypeLike,
    size: float = 1.0,
    *,
    decay_dtype: DTypeLike | None = None,
    steps: int = 10_000_000,
) -> Overflow:
    """Step at which a state that adds up inputs of one size leaves a number format.

    Parameters
    ----------
    decay, dtype, size, decay_dtype
        As in ``theory.linear.overflow_step``.
    steps
        Most steps to run.

    Returns
    -------
    Overflow
        The step, the decay as it is held, and the last finite state; the step is None for a state
        that rests, or is finite after ``steps``.

    Notes
    -----
    Accuracy: the hardware's; sums are taken in float64 and rounded once.
    Assumes: nothing.

    Examples
    --------
    >>> from vgtheory import measure
    >>> measure.linear.overflow_step(0.9999, "float16", 32.0)
    Overflow(held=1.0, step=2048, last=65504.0)
    """
    with jax.enable_x64(True):
        held = _held(decay, str(dtype), None if decay_dtype is None else str(decay_dtype))
        x = _cast(jnp.asarray(size, "float64"), str(dtype)).astype("float64")
        below = jnp.asarray(-1.0, "float64")
        step, h, before = _run(held, x, jnp.zeros((), dtype), below, str(dtype), steps)
        infinite = not np.isfinite(float(h))
        return Overflow(float(held), int(step) if infinite else None, float(before if infinite else h))


__all__ = ["DTYPES", "DecayLag", "Overflow", "decay_lag", "overflow_step"]
