"""Identities that measure the gradient on its way down, in few operations: they are compiled into every layer of a model."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

_SCALES = (2.0**64, 1.0, 2.0**-64)
"""Squares of one of these multiples of any float32 number neither under- nor overflow."""


def squares(x: Array) -> Array:
    """Sums of the squares of three multiples of ``x``, from which ``log_root`` finds the log of its norm.

    Parameters
    ----------
    x
        Any shape; floating.
    """
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    return jnp.stack([jnp.sum((wide * scale) ** 2) for scale in _SCALES]).astype(jnp.float32)


def log_root(sums: Any) -> np.ndarray:
    """Log of a norm from ``squares``; inf if any entry was NaN or infinite.

    Parameters
    ----------
    sums
        Shape ``(..., 3)``.
    """
    wide = np.asarray(sums, np.float64)
    edge = float(np.finfo(np.float32).tiny) * 2.0**20  # far from where single squares are lost
    with np.errstate(divide="ignore"):
        logs = np.log(wide) / 2 - np.log(_SCALES)
    large = np.where(np.isfinite(wide[..., 2]), logs[..., 2], np.inf)
    middle = np.where(np.isfinite(wide[..., 1]) & (wide[..., 1] > edge), logs[..., 1], large)
    return np.where(np.isfinite(wide[..., 0]), logs[..., 0], middle)


@jax.custom_vjp
def probe(x: Array, slot: Array) -> Array:
    """Identity; the "gradient" of ``slot`` is ``squares`` of the cotangent, which goes on as it is.

    Parameters
    ----------
    x
        Any shape; floating.
    slot
        Zeros of shape ``(3,)``.
    """
    del slot
    return x


probe.defvjp(lambda x, slot: (x, None), lambda _, cotangent: (cotangent, squares(cotangent)))


@jax.custom_vjp
def joint_tap(xs: tuple[Array, ...], slot: Array) -> tuple[Array, ...]:
    """``measure.tap`` for several arrays, whose cotangents are divided by the largest entry among them; ``slot`` gets its log.

    Parameters
    ----------
    xs
        Arrays of any shapes; floating.
    slot
        A zero of shape ``()``.
    """
    del slot
    return xs


def _joint_back(_: None, cotangents: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array]:
    wide = [each.astype(jnp.promote_types(each.dtype, jnp.float32)) for each in cotangents]
    peaks = [jnp.max(jnp.abs(each)) for each in wide]
    peak = peaks[0] if len(peaks) == 1 else jnp.max(jnp.stack(peaks))
    # Twice by the root: the reciprocal of a number near the format's largest would be flushed to zero.
    root = jax.lax.rsqrt(jnp.where(peak == 0, 1.0, peak))
    units = tuple((each * root * root).astype(old.dtype) for each, old in zip(wide, cotangents, strict=True))
    return units, jnp.log(peak).astype(jnp.float32)


joint_tap.defvjp(lambda xs, slot: (xs, None), _joint_back)


class Cut(NamedTuple):
    """Stretches to take out of the backward pass, the forward one being as it was.

    Attributes
    ----------
    which
        Number of the stretch to take out; traced. Call k is 2 k, what lies right below it 2 k + 1.
    links
        For each stretch that can be: the variable at its lower end, to which the gradient is passed on as it is; or None and
        what to multiply the gradient below by.
    """

    which: Array
    links: dict[int, tuple[Any, float]]

    def joined(self, number: int, value: Array, env: dict) -> Array:
        """The value at the upper end of a stretch, with another way down for its gradient if that is the one to take out."""
        if number not in self.links:
            return value
        source, factor = self.links[number]
        still = jax.lax.stop_gradient(value)
        if source is None:
            return still + jnp.where(self.which == number, factor, 1.0).astype(value.dtype) * (value - still)
        below = env[source]
        return jnp.where(self.which == number, still + (below - jax.lax.stop_gradient(below)), value)
