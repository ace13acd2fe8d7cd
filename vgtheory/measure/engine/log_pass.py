"""One network's forward and backward pass in the log domain, many inputs at once.

Depth is a ``lax.scan``, so compile time does not grow with it. Weights are drawn by counter
inside the scan and drawn again in the backward pass, because storing them takes longer. The
argument ``keep`` selects what else is stored:

===============  =====================================  ================  ========================
keep             stored                                 draws, products   numbers per network
===============  =====================================  ================  ========================
``activations``  h of every layer                       twice each        depth rows width
``segments``     h of every sqrt(depth)-th layer, and   three times each  2 sqrt(depth) rows width
                 of all layers of one segment
===============  =====================================  ================  ========================
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from vgtheory.measure.engine.links import Place, activate, affine, factors
from vgtheory.measure.engine.networks import Weights
from vgtheory.measure.engine.taps import Slots, gauge, log_norm
from vgtheory.networks.ensemble import Layered

KEEP = ("activations", "segments")


class Walk(NamedTuple):
    """Record of one pass at each layer; sums over depth are formed later, in float64.

    Attributes
    ----------
    log_rms
        Log rms of h_l in units of the scale of h_{l-1} (of 1, where h is not renormalised), shape
        ``(depth, inputs)``.
    rows
        Log of |dE/dh_l| / |dE/dh_{l+1}| (at the top: of the cotangent itself), shape
        ``(depth, inputs)``.
    pair
        ``taps.Slots.pair`` of each layer, shape ``(depth,)``.
    start
        Log of |dE/dh_0| over |dE/dh_1| where a pass starts from h_0, shape ``(inputs,)``.
    """

    log_rms: Array
    rows: Array
    pair: Array
    start: Array


def segment_length(depth: int) -> int:
    """Layers per segment: near the root of the depth, a divisor of it if one is near."""
    root = math.isqrt(depth)
    near = [length for length in range(max(1, root // 2), 2 * root + 1) if depth % length == 0]
    return min(near, key=lambda length: abs(length - root)) if near else max(1, root)


def over_layers(link: Callable, state: Any, inputs: Any, depth: int, keep: str) -> tuple[Any, Any]:
    """``lax.scan`` of ``link`` over layers, storing what ``keep`` selects."""
    inner = functools.partial(lax.scan, jax.checkpoint(link, prevent_cse=False))
    if keep != "segments":
        return inner(state, inputs)
    length = segment_length(depth)
    short = depth % length
    segment = jax.checkpoint(inner, prevent_cse=False)
    head, tail = (
        jax.tree.map(lambda leaf, part=part: leaf[part], inputs) for part in (slice(short), slice(short, None))
    )
    state, first = segment(state, head)
    state, rest = lax.scan(segment, state, jax.tree.map(lambda leaf: leaf.reshape(-1, length, *leaf.shape[1:]), tail))
    rest = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), rest)
    return state, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), first, rest)


def walk(
    weights_of: Callable[[Array], Weights],
    net: Layered,
    start: Array,
    cotangent: Array | Callable[[Array, Array], Array],
    depth: int,
    scalable: bool,
    keep: str = "activations",
    from_h: bool = False,
    inputs_of: Callable[[Array, Array, Array], Array] | None = None,
    words: Array | None = None,
) -> Walk:
    """Run one network forward and backward.

    Parameters
    ----------
    weights_of
        Maps a layer's index (from 1, traced) to its draw.
    net
        The ensemble, with scalar ``sigma_w`` and ``sigma_b``.
    start
        The first layer's input x_0, shape ``(inputs, width)``, with zeros behind it where a unit has
        several pre-activations; or h_0, to which ``phi`` is applied.
    cotangent
        dE/dh at the top, of the same shape; or a function of the top ``h`` over its scale and of the
        log of that scale.
    depth
        Number of layers.
    scalable
        Whether ``h`` may be renormalised (``links.is_scalable``).
    keep
        One of ``KEEP``.
    from_h
        Whether ``start`` is h_0.
    inputs_of
        Maps a layer's index, the ``h`` below it and its log-scale to the layer's input, where
        activations differ or units are missing.
    words
        The network's key, of which noise is drawn.
    """
    zeros = jnp.zeros(start.shape[0], jnp.promote_types(start.dtype, jnp.float32))

    def link(state: tuple[Array, Array, Array], inputs: tuple[Array, Slots]) -> tuple[tuple[Array, ...], Array]:
        (h, log_scale, ledger), (index, slots) = state, inputs
        weights = weights_of(index)
        place = None if words is None else Place(words, index)
        seen = inputs_of(index, h, log_scale) if inputs_of else activate(net.activation, h, log_scale, scalable, place)
        x = seen if from_h else jnp.where(index == 1, h[:, : seen.shape[1]], seen)
        if place is not None:
            x = x * factors(net, place, x.shape, x.dtype)
        h = affine(net, weights, x, log_scale, place)
        h, log_rms, ledger = gauge(scalable, h, lax.stop_gradient(x), log_scale, ledger, slots)
        log_rms = lax.stop_gradient(log_rms)
        grown = jnp.where(jnp.isfinite(log_rms), log_rms, 0.0) if scalable else 0.0
        return (h, log_scale + grown, ledger), log_rms

    def energy(slots: Slots, start: Array) -> tuple[Array, Array]:
        state, log_rms = over_layers(link, (start, zeros, zeros), (jnp.arange(1, depth + 1), slots), depth, keep)
        top = cotangent(*map(lax.stop_gradient, state[:2])) if callable(cotangent) else cotangent
        return jnp.vdot(top, state[0]), log_rms

    slots = Slots(jnp.zeros((depth, zeros.size), zeros.dtype), jnp.zeros(depth, zeros.dtype))
    (seen, below), log_rms = jax.grad(energy, argnums=(0, 1), has_aux=True)(slots, start)
    return Walk(log_rms, seen.rows, seen.pair, jax.vmap(log_norm)(below)[0])
