"""The depth at which a number format gives out in a plain forward and backward pass."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.formats import FORMATS, TF32_BITS
from vgtheory.measure.arguments import asked, dtype_of
from vgtheory.measure.engine.networks import draw_cotangent, draw_input, draw_layer
from vgtheory.measure.engine.runs import chosen_devices, lanes_for, run
from vgtheory.networks.ensemble import Layered


class PassLimits(NamedTuple):
    """First lost layer of each pass, one entry per network, float64; inf where it is not lost within the depth."""

    forward: np.ndarray
    backward: np.ndarray


@jax.custom_vjp
def _rounded_product(x: Array, kernel: Array) -> Array:
    """A product as tensor cores form it in tensorfloat32: operands rounded, sums in float32; on the way down too."""
    return jnp.dot(*(lax.reduce_precision(each, *TF32_BITS) for each in (x, kernel)), precision=lax.Precision.HIGHEST)


_rounded_product.defvjp(
    lambda x, kernel: (_rounded_product(x, kernel), kernel),
    lambda kernel, cotangent: (_rounded_product(cotangent, kernel.T), jnp.zeros_like(kernel)),
)


class _Size(NamedTuple):
    """What a program is compiled for."""

    depth: int
    width: int
    dtype: str


def _one(own: Array, given: tuple[Layered, Array], size: _Size) -> tuple[Array, Array]:
    """Largest |entry| of h_l and of dE/dh_l in plain arithmetic, each of shape (depth,)."""
    (net, squared_loss), (depth, width, name) = given, size
    multiply = _rounded_product if name == "tensorfloat32" else functools.partial(jnp.dot, precision="highest")
    dtype = FORMATS[name]

    def affine(number: Any, x: Array) -> Array:
        layer = draw_layer(own, net, number, width, dtype)["params"]["Dense_0"]
        return multiply(x, layer["kernel"]) + layer["bias"]

    @jax.checkpoint
    def link(h: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        number, offset = inputs
        h = affine(number, net.activation.phi(h).astype(dtype)) + offset
        return h, h

    def top(offsets: Array) -> tuple[Array, Array]:
        h = affine(1, draw_input(own, width, dtype)) + offsets[0]
        last, rest = lax.scan(link, h, (jnp.arange(2, depth + 1), offsets[1:]))
        return last, jnp.concatenate([h[None], rest])

    last, pull, states = jax.vjp(top, jnp.zeros((depth, width), dtype), has_aux=True)
    (grads,) = pull(jnp.where(squared_loss, last, draw_cotangent(own, width, dtype)))
    wide = jnp.promote_types(dtype, jnp.float32)
    peak_h, peak_grad = (jnp.max(jnp.abs(values), axis=1).astype(wide) for values in (states, grads))
    return peak_h, peak_grad


def _first_lost(peaks: np.ndarray) -> np.ndarray:
    """Index of the first entry along the last axis that is zero, infinite or NaN; inf if none is."""
    lost = (peaks == 0) | ~np.isfinite(peaks)
    return np.where(lost.any(axis=1), lost.argmax(axis=1).astype(float), np.inf)


@asked(dtype=dtype_of(FORMATS))
def pass_limit(
    key: Array, net: Layered, dtype: str, *, depth: int, width: int, num_nets: int, squared_loss: bool = False
) -> PassLimits:
    r"""First layers at which the forward and the backward pass of plain networks under- or overflow.

    Parameters
    ----------
    key
        A JAX key.
    net
        The ensemble.
    dtype
        ``"float16"``, ``"bfloat16"``, ``"float32"`` or ``"float64"``: of weights, activations and gradients; or
        ``"tensorfloat32"``: float32 with the operands of products rounded as tensor cores do, on any hardware.
    depth, width, num_nets
        Numbers of layers, units and networks.
    squared_loss
        Whether the top cotangent is ``h_depth`` itself (``E = |h|^2 / 2``) rather than standard normal.

    Returns
    -------
    PassLimits
        ``forward``: the layer, from 1 at the input, at which all entries are zero or one is not finite; ``backward``: how
        many layers the gradient has come down from the top when that happens to it. One entry per network.

    Raises
    ------
    ValueError
        If the format is unknown or a count is no positive integer.

    Notes
    -----
    Accuracy: exact for the networks drawn, on this hardware. Whether subnormal numbers are kept or flushed to zero is the
    hardware's choice: XLA on a CPU flushes those of float32 and bfloat16.
    Assumes: nothing. A backward pass through a forward pass that has overflowed is reported as it comes out.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> limits = measure.pass_limit(jax.random.key(0), Dense("linear", 4.0), "float16", depth=20, width=64, num_nets=2)
    >>> bool((limits.forward < 10).all())
    True
    """
    given, devices = (net, np.asarray(squared_loss)), chosen_devices(None)
    how: dict[str, Any] = {"num_nets": num_nets, "dtype": dtype, "lanes": lanes_for(width**2, num_nets, devices)}
    forward, backward = run(_one, key, given, _Size(depth, width, dtype), **how, devices=devices)
    return PassLimits(_first_lost(forward) + 1, _first_lost(backward[:, ::-1]))
