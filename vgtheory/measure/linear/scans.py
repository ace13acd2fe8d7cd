"""A diagonal recurrence run by a sequential or an associative scan, and its Jacobian by lag in the log domain.

The state's Jacobian over many steps leaves every number format, yet unit by unit it is a product. A
sequence is cut into blocks within which no product leaves float32. Automatic differentiation gives
the Jacobian of every block's last state, and logs add up from block to block.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

SCANS = ("associative", "sequential")
_SMALLEST = 1e-30
"""Least product of decays within a block."""
_LONGEST_BLOCK = 16


def _combined(left: tuple[Array, Array], right: tuple[Array, Array]) -> tuple[Array, Array]:
    """One step after another: h -> a h + b."""
    return right[0] * left[0], right[0] * left[1] + right[1]


def states(decays: Array, inputs: Array, scan: str) -> Array:
    """States h_t = a_t h_(t-1) + x_t from h = 0, both of shape ``(steps, *units)``, by either scan."""
    if scan == "associative":
        return lax.associative_scan(_combined, (decays, inputs))[1]

    def step(h: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        after = row[0] * h + row[1]
        return after, after

    return lax.scan(step, jnp.zeros_like(inputs[0]), (decays, inputs))[1]


def block_for(eigenvalues: np.ndarray, steps: int) -> int:
    """Largest power of two of steps within which no product of these decays leaves float32."""
    with np.errstate(divide="ignore"):
        size = np.log(np.abs(eigenvalues))
    reach = float(np.max(np.abs(size[np.isfinite(size)]), initial=1e-9))
    most = min(_LONGEST_BLOCK, steps, max(1.0, -np.log(_SMALLEST) / reach))
    return 1 << int(np.log2(most))


def _of_block(decays: Array, before: Array, scan: str) -> tuple[Array, Array]:
    """ln of the Jacobian of a block's last state, by the state before the block and by each step's state."""

    def last(before: Array, inputs: Array) -> Array:
        return states(decays, inputs.at[0].add(decays[0] * before), scan)[-1]

    inputs = jnp.zeros_like(decays)
    at_start, at_steps = jax.vjp(last, before, inputs)[1](jnp.ones_like(before))
    return jnp.log(jnp.abs(at_start)), jnp.log(jnp.abs(at_steps))


@partial(jax.jit, static_argnames=("block", "scan"))
def log_jacobians(decays: Array, block: int, scan: str) -> Array:
    """ln|dh_T / dh_(T-t)| of every unit at t = 0 ... steps, by automatic differentiation.

    Parameters
    ----------
    decays
        a_1 ... a_T, shape ``(steps, units)``; steps a multiple of ``block``.
    block
        Steps within which products neither overflow nor underflow (``block_for``).
    scan
        One of ``SCANS``.

    Returns
    -------
    jax.Array
        Shape ``(steps + 1, units)``, real.
    """
    cut = decays.reshape(-1, block, *decays.shape[1:])
    if scan == "associative":  # its slices are quickest along the first axis
        totals, inside = _of_block(jnp.moveaxis(cut, 1, 0), jnp.zeros_like(cut[:, 0]), scan)
        inside = jnp.moveaxis(inside, 0, 1)
    else:
        totals, inside = jax.vmap(partial(_of_block, scan=scan), in_axes=(0, None))(cut, jnp.zeros_like(decays[0]))
    above = jnp.cumsum(totals[::-1], axis=0)[::-1] - totals
    logs = (inside + above[:, None]).reshape(decays.shape)
    first = (totals[0] + above[0])[None]
    return jnp.concatenate([logs[::-1], first])


def plain_jacobians(decays: Any, scan: str) -> Array:
    """dh_T / dh_(T-t) itself, at t = 0 ... steps - 1: one backward pass through the whole scan, without logs."""
    last = lambda inputs: states(decays, inputs, scan)[-1]
    return jax.vjp(last, jnp.zeros_like(decays))[1](jnp.ones_like(decays[0]))[0][::-1]


__all__ = ["SCANS", "block_for", "log_jacobians", "plain_jacobians", "states"]
