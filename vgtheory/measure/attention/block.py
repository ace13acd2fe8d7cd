"""One real transformer block: its matrices, its norms, its two branches."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import DTypeLike

from vgtheory.measure.engine.draws import MASK, WEIGHTS, normal, signed_uniform
from vgtheory.measure.engine.taps import log_norm, log_pair
from vgtheory.networks.transformer import GROUPS, Transformer

ROTARY_BASE = 10_000.0
"""Of the angles of rotary positions."""
_STREAMS = tuple(sorted(GROUPS, key=lambda name: name == "mlp_gate"))
_DROPS = 3


class Layer(NamedTuple):
    """One block of one network: what its random numbers are drawn from, its matrices, and slots for their gradients.

    Attributes
    ----------
    words, number
        Key of the network, and number of the block.
    weights, slots
        By matrix.
    """

    words: Array
    number: Array
    weights: dict[str, Array]
    slots: dict[str, Array]


def product(a: Array, b: Array) -> Array:
    """``a @ b`` at full precision on every device."""
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)


def weighed(x: Array, matrix: Array, slot: Array) -> Array:
    """``x @ matrix``, and a slot, zero, for the matrix's gradient.

    The "gradient" of a slot of shape ``()`` is the log-norm of the matrix's gradient, and that of one
    of the matrix's shape is the matrix's gradient itself.

    Parameters
    ----------
    x, matrix, slot
        Rows of numbers, and what they are multiplied by.
    """
    return product(x, matrix + slot) if slot.ndim else _logged(x, matrix, slot)


@jax.custom_vjp
def _logged(x: Array, matrix: Array, slot: Array) -> Array:
    del slot
    return product(x, matrix)


def _forward(x: Array, matrix: Array, slot: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    return _logged(x, matrix, slot), (x, matrix, slot)


def _backward(kept: tuple[Array, Array, Array], cotangent: Array) -> tuple[Array, None, Array]:
    x, matrix, slot = kept
    (log_x, _), (log_g, unit) = jax.vmap(log_norm)(x), jax.vmap(log_norm)(cotangent)
    size = log_pair(log_x + log_g, unit, x, log_x)
    return product(cotangent, matrix.T), None, size.astype(slot.dtype)


_logged.defvjp(_forward, _backward)


def shapes(net: Transformer, width: int) -> dict[str, tuple[int, int]]:
    """Shape of each matrix of a block, fan-in first."""
    hidden = round(width * net.mlp_ratio)
    few = width * (net.kv_heads or net.heads) // net.heads
    narrow = {"key": (width, few), "value": (width, few), "mlp_out": (hidden, width)}
    wide = dict.fromkeys(("mlp_in", "mlp_gate"), (width, hidden))
    every = dict.fromkeys(GROUPS, (width, width)) | narrow | wide
    return {name: every[name] for name in net.groups}


def drawn(words: Array, net: Transformer, layer: Array, width: int, dtype: DTypeLike) -> dict[str, Array]:
    """Draw one block's matrices."""
    scales = {"query": net.sigma_qk, "key": net.sigma_qk, "value": net.sigma_v, "output": net.sigma_o}
    scales |= {"mlp_in": net.sigma_1, "mlp_gate": net.sigma_1, "mlp_out": net.sigma_2}
    stream = lambda name: layer * len(net.groups) + _STREAMS.index(name)
    return {
        name: (scales[name] * normal(words, WEIGHTS, stream(name), shape, dtype)).astype(dtype)
        * np.asarray(shape[0] ** -0.5, dtype)
        for name, shape in shapes(net, width).items()
    }


def layer_norm(x: Array) -> Array:
    """Layer norm without scale and shift."""
    return rms_norm(x - jnp.mean(x, axis=-1, keepdims=True))


def rms_norm(x: Array) -> Array:
    """RMS norm without scale."""
    return x * lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True))


def norm_of(net: Transformer) -> Callable[[Array], Array]:
    """The norm of a network's blocks, or what stands in its place."""
    elementwise = {"dyt": jnp.tanh, "derf": jax.scipy.special.erf}
    if net.norm in elementwise:
        return lambda x: elementwise[net.norm](net.norm_slope * x).astype(x.dtype)
    return {"layer": layer_norm, "rms": rms_norm}[net.norm]


def turned(x: Array) -> Array:
    """Queries or keys, shape ``(heads, positions, units)``, turned by their positions."""
    half = x.shape[-1] // 2
    rates = ROTARY_BASE ** (-np.arange(half) / half)
    angles = np.outer(np.arange(x.shape[-2]), rates)
    cos, sin = (jnp.asarray(each, x.dtype)[None] for each in (np.cos(angles), np.sin(angles)))
    first, second = x[..., :half], x[..., half : 2 * half]
    turned = [first * cos - second * sin, first * sin + second * cos, x[..., 2 * half :]]
    return jnp.concatenate(turned, axis=-1)


def _kept(net: Transformer, layer: Layer, index: int, x: Array) -> Array:
    """Dropout of one of a block's three places."""
    if net.dropout == 0:
        return x
    sizes = signed_uniform(layer.words, MASK, layer.number * _DROPS + index, x.shape, x.dtype)[0]
    return jnp.where(sizes > net.dropout, x / (1 - net.dropout), 0.0).astype(x.dtype)


def _heads(net: Transformer, n: Array, layer: Layer, name: str) -> Array:
    """Queries, keys or values by head of the queries, shape ``(heads, positions, units)``."""
    width = n.shape[1] // net.heads
    few = jnp.moveaxis(weighed(n, layer.weights[name], layer.slots[name]).reshape(len(n), -1, width), 1, 0)
    return jnp.repeat(few, net.heads // few.shape[0], axis=0)


def attended(net: Transformer, n: Array, layer: Layer) -> Array:
    """Softmax self-attention over positions."""
    query, key, value = (_heads(net, n, layer, name) for name in ("query", "key", "value"))
    if net.is_qk_normed:
        query, key = rms_norm(query), rms_norm(key)
    if net.is_rotary:
        query, key = turned(query), turned(key)
    logits = product(query, jnp.swapaxes(key, -1, -2)) * query.shape[-1] ** -0.5
    if net.is_causal:
        logits = jnp.where(np.tri(len(n), dtype=bool), logits, -jnp.inf)
    share = _kept(net, layer, 0, jax.nn.softmax(logits))
    seen = jnp.moveaxis(product(share, value), 0, 1).reshape(n.shape)
    return _kept(net, layer, 1, weighed(seen, layer.weights["output"], layer.slots["output"]))


def perceptron(net: Transformer, n: Array, layer: Layer) -> Array:
    """The perceptron at every position."""
    through = lambda x, name: weighed(x, layer.weights[name], layer.slots[name])
    hidden = net.activation.phi(through(n, "mlp_in"))
    hidden = hidden * through(n, "mlp_gate") if net.is_gated else hidden
    return _kept(net, layer, 2, through(hidden, "mlp_out"))


def block(net: Transformer, x: Array, layer: Layer) -> Array:
    """Apply one block, as ``Transformer`` defines it."""
    norm, same = norm_of(net), lambda x: x
    before = same if net.place == "post" else norm
    inside = norm if net.place == "peri" else same
    after = norm if net.place == "post" else same
    branch: Callable[[Any, Array], Array] = lambda part, n: (
        inside(part(net, n, layer)) * jnp.asarray(net.alpha, x.dtype)
    )
    if net.is_parallel:
        n = before(x)
        return x + branch(attended, n) + branch(perceptron, n)
    x = after(x + branch(attended, before(x)))
    return after(x + branch(perceptron, before(x)))


__all__ = ["Layer", "block", "drawn", "layer_norm", "rms_norm", "turned", "weighed"]
