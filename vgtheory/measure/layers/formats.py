"""Depth at which a number format is exhausted in a plain forward and backward pass."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from vgtheory.formats import FLOAT8, FORMATS, TF32_BITS, WITHOUT_INFINITY
from vgtheory.measure.arguments import asked, dtype_of
from vgtheory.measure.engine.networks import draw_cotangent, draw_input, draw_layer, wide
from vgtheory.measure.engine.runs import chosen_devices, lanes_for, run
from vgtheory.networks.ensemble import Layered


class PassLimits(NamedTuple):
    """First layer lost in each pass, one entry per network, float64; inf where no layer is lost."""

    forward: np.ndarray
    backward: np.ndarray


@jax.custom_vjp
def _rounded_product(x: Array, kernel: Array) -> Array:
    """Product as tensor cores form it in tensorfloat32: float32 sums of rounded operands."""
    return jnp.dot(*(lax.reduce_precision(each, *TF32_BITS) for each in (x, kernel)), precision=lax.Precision.HIGHEST)


_rounded_product.defvjp(
    lambda x, kernel: (_rounded_product(x, kernel), kernel),
    lambda kernel, cotangent: (_rounded_product(cotangent, kernel.T), jnp.zeros_like(kernel)),
)


def _nearest(x: Array, name: str) -> Array:
    """Nearest numbers of an 8-bit format, ties to even, by arithmetic: XLA compiles casts for minutes (JAX 0.12)."""
    facts = jnp.finfo(FORMATS[name])
    exponent = jnp.maximum(jnp.frexp(x)[1] - 1, int(facts.minexp))
    ulp = jnp.ldexp(jnp.ones_like(x), exponent - int(facts.nmant))
    rounded = jnp.round(x / ulp) * ulp
    beyond = jnp.nan if name in WITHOUT_INFINITY else jnp.sign(x) * jnp.inf
    return jnp.where(jnp.abs(rounded) > float(facts.max), beyond, rounded)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _stored(x: Array, name: str) -> Array:
    """Numbers as an 8-bit format stores them, on the way up and on the way down."""
    return _nearest(x, name)


_stored.defvjp(lambda x, name: (_nearest(x, name), None), lambda name, _, cotangent: (_nearest(cotangent, name),))


class _Size(NamedTuple):
    """Static arguments of the compiled program."""

    depth: int
    width: int
    dtype: str


def _one(own: Array, given: tuple[Layered, Array], size: _Size) -> tuple[Array, Array]:
    """Largest |entry| of h_l and of dE/dh_l in plain arithmetic, each of shape (depth,)."""
    (net, squared_loss), (depth, width, name) = given, size
    multiply = _rounded_product if name == "tensorfloat32" else functools.partial(jnp.dot, precision="highest")
    dtype = "float32" if name in FLOAT8 else FORMATS[name]
    store = (lambda x: _stored(x, name)) if name in FLOAT8 else lambda x: x

    def affine(number: ArrayLike, x: Array, offset: Array) -> Array:
        layer = draw_layer(own, net, number, width, dtype)["params"]["Dense_0"]
        return store(multiply(x, store(layer["kernel"])) + store(layer["bias"]) + offset)

    @jax.checkpoint
    def link(h: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        number, offset = inputs
        h = affine(number, store(net.activation.phi(h)), offset)
        return h, h

    def top(offsets: Array) -> tuple[Array, Array]:
        h = affine(1, store(draw_input(own, width, dtype)), offsets[0])
        last, rest = lax.scan(link, h, (jnp.arange(2, depth + 1), offsets[1:]))
        return last, jnp.concatenate([h[None], rest])

    last, pull, states = jax.vjp(top, jnp.zeros((depth, width), dtype), has_aux=True)
    (grads,) = pull(jnp.where(squared_loss, last, store(draw_cotangent(own, width, dtype))))
    peak_h, peak_grad = (jnp.max(jnp.abs(values), axis=1).astype(wide(dtype)) for values in (states, grads))
    return peak_h, peak_grad


def _first_lost(peaks: np.ndarray) -> np.ndarray:
    """Index of the first entry of each row that is zero, infinite or NaN; inf if there is none."""
    lost = (peaks == 0) | ~np.isfinite(peaks)
    return np.where(lost.any(axis=1), lost.argmax(axis=1).astype(float), np.inf)


@asked(dtype=dtype_of(FORMATS))
def pass_limit(
    key: Array, net: Layered, dtype: str, *, depth: int, width: int, num_nets: int, squared_loss: bool = False
) -> PassLimits:
    """First layers at which the forward and the backward pass of plain networks under- or overflow.

    Parameters
    ----------
    key, net, depth, width, num_nets
        As for ``measure.log_grad_layers``.
    dtype
        Format of weights, activations and gradients: ``"float16"``, ``"bfloat16"``, ``"float32"``,
        ``"float64"``, ``"tensorfloat32"``, ``"float8_e4m3fn"`` or ``"float8_e5m2"``.
        ``tensorfloat32`` is float32 with the operands of products rounded as tensor cores do, on any
        hardware. In float8 every weight, ``h``, activation and gradient is rounded to the format.
        Sums and slopes are formed in float32, as accelerators do; a cast beyond the largest
        number gives infinity (E5M2) or NaN (E4M3, which has no infinity). No tensor has a scale of
        its own.
    squared_loss
        Whether the top cotangent is ``h_depth`` itself (``E = |h|^2 / 2``) rather than standard
        normal.

    Returns
    -------
    PassLimits
        One entry per network. ``forward`` is the first layer, counted from 1 at the input, whose
        entries are all zero or not all finite. ``backward`` is the number of layers, counted down
        from the top, after which this happens to the gradient.

    Notes
    -----
    Accuracy: exact for the networks drawn, on this hardware. Subnormal numbers are kept or flushed
    as the hardware does; XLA on a CPU flushes those of float32 and bfloat16.
    Assumes: nothing. After an overflow in the forward pass, the backward pass is reported as it is.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net, size = Dense("linear", sigma_w=16.0), {"depth": 8, "width": 64, "num_nets": 4}
    >>> limits = measure.pass_limit(jax.random.key(0), net, "float16", **size)
    >>> bool((limits.forward < 8).all())
    True
    """
    given, devices = (net, np.asarray(squared_loss)), chosen_devices(None)
    how: dict[str, Any] = {"num_nets": num_nets, "dtype": dtype, "lanes": lanes_for(width**2, num_nets, devices)}
    forward, backward = run(_one, key, given, _Size(depth, width, dtype), **how, devices=devices)
    return PassLimits(_first_lost(forward) + 1, _first_lost(backward[:, ::-1]))
