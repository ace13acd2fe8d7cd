"""Weight gradients of real dense networks, entry by entry.

For one input, the gradient of a layer's weights is the outer product of its input and of the
gradient of its ``h``. A plain pass yields both; NumPy forms the products.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from vgtheory.expect import expect
from vgtheory.measure.engine.runs import chosen_devices, lanes_for, run
from vgtheory.measure.layers.listed import Listed, Plan, Rows, planned_layers, unit_of
from vgtheory.measure.magnitudes.tensors import WHOLE, Asked, Piece, pieces_of
from vgtheory.networks.dense import Dense


class _Size(NamedTuple):
    """Static arguments of the compiled program."""

    plan: Plan
    dtype: str


def _one(words: Array, rows: Rows, size: _Size) -> tuple[Array, Array]:
    """Inputs of all layers of one network, and gradients of all ``h``, each of shape (depth, widest)."""
    rows, unit = jax.tree.map(jnp.asarray, rows), unit_of(Dense("linear"))
    layers = Listed(words, size.plan, rows, size.dtype, scalable=False, unit=unit)
    x_0, depth = layers.start(1), len(rows.sigma_w)
    whole = jnp.zeros(1, x_0.dtype)

    @jax.checkpoint
    def link(h: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        layer, offset = inputs
        x = jnp.where(layer == 1, x_0, layers.inputs(layer, h, whole))
        return layers.affine(layer, x, whole) + offset, x

    def top(offsets: Array) -> tuple[Array, Array]:
        return lax.scan(link, jnp.zeros_like(x_0), (jnp.arange(1, depth + 1), offsets))

    _, pull, inputs = jax.vjp(top, jnp.zeros((depth, *x_0.shape), x_0.dtype), has_aux=True)
    (grads,) = pull(layers.cotangent(1))
    return inputs[:, 0], grads[:, 0]


@pieces_of.register(Dense)
def _pieces(net: Dense, key: Array, asked: Asked) -> Iterator[Piece]:
    """Weight gradients of all networks, layer by layer."""
    where, dtype, num_nets = asked.where, asked.dtype, asked.num_nets
    expect(asked.positions is None, where, "no positions of a Dense", positions=asked.positions)
    plan, rows, known = planned_layers(where, net, asked.depth, asked.width, asked.input_square, dtype)
    devices = chosen_devices(None)
    how: dict[str, Any] = {"num_nets": num_nets, "dtype": dtype, "lanes": lanes_for(plan.widest**2, num_nets, devices)}
    inputs, grads = run(_one, key, rows, _Size(plan, dtype), **how, devices=devices)
    for layer, (below, above) in enumerate(zip(known.sizes, known.sizes[1:], strict=False)):
        x, g = (each[:, layer, :size].astype(float) for each, size in ((inputs, below), (grads, above)))
        yield Piece(WHOLE, layer, g[:, :, None] * x[:, None, :])


__all__: list[str] = []
