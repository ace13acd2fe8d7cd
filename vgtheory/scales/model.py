"""Arrays of a model's parameters, and the axes of its kernels."""

from typing import Any

import jax.numpy as jnp
from jax import Array


def axes_of(name: str) -> tuple[int, int]:
    """Axes of inputs and outputs of a kernel: Equinox writes ``weight``, of shape (out, in, *taps)."""
    return (1, 0) if name.rpartition("/")[2].startswith("weight") else (-2, -1)


def scaled(leaf: Array, factor: Any) -> Array:
    """An array times a number, in its own format."""
    return (jnp.asarray(leaf, jnp.promote_types(leaf.dtype, jnp.float32)) * factor).astype(leaf.dtype)
