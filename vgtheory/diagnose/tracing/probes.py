"""Identities that measure the gradient in the backward pass, in few operations."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import Var
from jax.typing import ArrayLike

_SCALES = (2.0**64, 1.0, 2.0**-64)
"""Squares of one of these multiples of any float32 number neither under- nor overflow."""


def squares(x: Array) -> Array:
    """Sums of squares of three multiples of ``x``, from which ``log_root`` finds its norm."""
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    return jnp.stack([jnp.sum((wide * scale) ** 2) for scale in _SCALES]).astype(jnp.float32)


def log_root(sums: ArrayLike) -> np.ndarray:
    """Log of a norm from ``squares``, shape ``(..., 3)``; inf if any entry was NaN or infinite."""
    wide = np.asarray(sums, np.float64)
    edge = float(np.finfo(np.float32).tiny) * 2.0**20  # far from where single squares are lost
    with np.errstate(divide="ignore"):
        logs = np.log(wide) / 2 - np.log(_SCALES)
    large = np.where(np.isfinite(wide[..., 2]), logs[..., 2], np.inf)
    middle = np.where(np.isfinite(wide[..., 1]) & (wide[..., 1] > edge), logs[..., 1], large)
    return np.where(np.isfinite(wide[..., 0]), logs[..., 0], middle)


@jax.custom_vjp
def probe(x: Array, slot: Array) -> Array:
    """Identity; the "gradient" of ``slot``, shape ``(3,)``, is ``squares`` of the cotangent."""
    del slot
    return x


probe.defvjp(lambda x, slot: (x, None), lambda _, cotangent: (cotangent, squares(cotangent)))


@jax.custom_vjp
def joint_tap(xs: tuple[Array, ...], slot: Array) -> tuple[Array, ...]:
    """``measure.tap`` for several arrays; ``slot`` gets the log of the largest cotangent entry."""
    del slot
    return xs


def _joint_back(_: None, cotangents: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array]:
    wide = [each.astype(jnp.promote_types(each.dtype, jnp.float32)) for each in cotangents]
    peaks = [jnp.max(jnp.abs(each)) for each in wide]
    peak = peaks[0] if len(peaks) == 1 else jnp.max(jnp.stack(peaks))
    # The root is used twice, because the reciprocal of a very large number would be flushed to zero.
    root = jax.lax.rsqrt(jnp.where(peak == 0, 1.0, peak))
    units = tuple((each * root * root).astype(old.dtype) for each, old in zip(wide, cotangents, strict=True))
    return units, jnp.log(peak).astype(jnp.float32)


joint_tap.defvjp(lambda xs, slot: (xs, None), _joint_back)


class Cut(NamedTuple):
    """Stretches that can be taken out of the backward pass, without a change of the forward pass.

    Attributes
    ----------
    which
        Number of the stretch to take out; traced. Call k is 2 k, and what lies right below is 2 k +
        1.
    links
        For each removable stretch: the variable at its lower end, to which the gradient is passed
        on as it is; or None and the factor of the gradient below.
    """

    which: Array
    links: dict[int, tuple[Var | None, float]]

    def joined(self, number: int, value: Array, env: dict) -> Array:
        """Value at the upper end of a stretch, whose gradient by-passes it if it is taken out."""
        if number not in self.links:
            return value
        source, factor = self.links[number]
        still = jax.lax.stop_gradient(value)
        if source is None:
            return still + jnp.where(self.which == number, factor, 1.0).astype(value.dtype) * (value - still)
        below = env[source]
        return jnp.where(self.which == number, still + (below - jax.lax.stop_gradient(below)), value)
