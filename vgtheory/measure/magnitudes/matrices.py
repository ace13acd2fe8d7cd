"""Weight gradients of real transformer blocks, entry by entry, one network after the other."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.expect import expect, expect_scalars
from vgtheory.measure.attention.block import Layer, block, drawn, shapes
from vgtheory.measure.blocks.transformer import Size, inputs_of
from vgtheory.measure.engine.draws import COTANGENT, normal
from vgtheory.measure.engine.runs import chosen_devices, in_format, run
from vgtheory.measure.magnitudes.tensors import Asked, Piece, pieces_of
from vgtheory.networks.transformer import SCALES, Transformer, branch_factor


def _one(words: Array, given: tuple[Transformer, Array], size: Size) -> dict[str, Array]:
    """Gradients of all matrices of one network, each of shape (depth, inputs, outputs)."""
    (net, c_0), (depth, width, positions, dtype) = given, size
    top = normal(words, COTANGENT, 0, (positions, width), dtype)

    def link(x: Array, inputs: tuple[Array, dict[str, Array]]) -> tuple[Array, None]:
        index, slots = inputs
        return block(net, x, Layer(words, index, drawn(words, net, index, width, dtype), slots)), None

    def energy(slots: dict[str, Array]) -> Array:
        # Weights are drawn again in the backward pass; if kept, they would fill the memory.
        steps = jnp.arange(depth), slots
        end, _ = lax.scan(jax.checkpoint(link, prevent_cse=False), inputs_of(words, c_0, size), steps)
        return jnp.vdot(top, end)

    return jax.grad(energy)({name: jnp.zeros((depth, *shape), dtype) for name, shape in shapes(net, width).items()})


def _given(where: str, name: str, value: int | None) -> int:
    """A size that a Transformer needs."""
    got: dict[str, Any] = {name: value}
    expect(value is not None, where, f"a number {name} for a Transformer", **got)
    return int(got[name])


@pieces_of.register(Transformer)
def _pieces(net: Transformer, key: Array, asked: Asked) -> Iterator[Piece]:
    """Weight gradients of every matrix of every block."""
    where, *_, c_0, input_square, dtype = asked
    depth, width, positions = (_given(where, name, getattr(asked, name)) for name in ("depth", "width", "positions"))
    expect(input_square == 1, where, "inputs of unit mean square", input_square=input_square)
    net = net.replace(alpha=branch_factor(net, depth))
    expect_scalars(where, alpha=net.alpha, **{name: getattr(net, name) for name in SCALES})
    expect(width % net.heads == 0, where, f"a width that is a multiple of heads={net.heads}", width=width)
    size, given = Size(depth, width, positions, dtype), in_format((net, c_0), dtype)
    for index in range(asked.num_nets):
        own = jax.random.fold_in(key, index)
        found = run(_one, own, given, size, num_nets=1, dtype=dtype, devices=chosen_devices(None)[:1])
        for name, grads in found.items():
            for layer in range(depth):
                yield Piece(name, layer, np.swapaxes(grads[:, layer], 1, 2).astype(float))


__all__: list[str] = []
