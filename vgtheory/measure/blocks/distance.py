"""How alike tokens become in stacks of real transformer blocks."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from vgtheory.estimate import Estimate
from vgtheory.expect import expect, expect_scalars
from vgtheory.measure.arguments import asked, count, number
from vgtheory.measure.attention.block import Layer, block, drawn, norm_of
from vgtheory.measure.blocks.transformer import Size, inputs_of
from vgtheory.measure.engine.averages import averaged
from vgtheory.measure.engine.runs import chosen_devices, in_format, run
from vgtheory.networks.transformer import SCALES, Transformer, branch_factor


def _mean_distance(x: Array) -> Array:
    """Mean over all pairs of rows of 1 minus their cosine, from differences, for small ones are wanted too."""
    unit = x * lax.rsqrt(jnp.sum(x**2, axis=1, keepdims=True))
    apart = lax.map(lambda row: jnp.sum((unit - row[None]) ** 2), unit)
    return jnp.sum(apart) / (2 * len(x) * (len(x) - 1))


def _one(words: Array, given: tuple[Transformer, Array], size: Size) -> Array:
    """Distances of one network, shape (depth,)."""
    net, c_0 = given
    read = (lambda x: x) if net.place == "post" else norm_of(net)
    no_slots = dict.fromkeys(net.groups, jnp.zeros((), size.dtype))

    def link(x: Array, index: Array) -> tuple[Array, Array]:
        layer = Layer(words, index, drawn(words, net, index, size.width, size.dtype), no_slots)
        return block(net, x, layer), _mean_distance(read(x))

    return lax.scan(link, inputs_of(words, c_0, size), jnp.arange(size.depth))[1]


@asked(depth=count(), positions=count(2), width=count(), num_nets=count(), c_0=number("[0, 1]"))
def cosine_distance(
    key: Array,
    net: Transformer,
    *,
    depth: int,
    width: int,
    positions: int,
    num_nets: int,
    c_0: ArrayLike = 0.0,
    dtype: str = "float32",
    devices: Sequence[jax.Device] | None = None,
) -> Estimate:
    """Cosine distance of two tokens, as attention reads them in every block of real transformers.

    Parameters
    ----------
    key, net, depth, width, num_nets, dtype, devices
        As for ``measure.samples``; ``net`` is a ``Transformer``, with or without causal mask, and
        ``depth`` counts blocks.
    positions
        Number of positions, >= 2.
    c_0
        Correlation of the inputs at two positions, from 0 to 1.

    Returns
    -------
    Estimate
        Mean over networks of the mean over all pairs of positions, shape ``(depth,)``; ``err`` is one
        standard error.

    Notes
    -----
    Accuracy: ``err``. Networks are those of ``measure.samples`` with the same key.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Transformer, measure
    >>> size = {"depth": 2, "width": 16, "positions": 4, "num_nets": 3}
    >>> found = measure.blocks.cosine_distance(jax.random.key(0), Transformer("relu", heads=2), **size)
    >>> found.value.shape
    (2,)
    """
    where = "cosine_distance"
    net = net.replace(alpha=branch_factor(net, depth))
    expect_scalars(where, alpha=net.alpha, **{name: getattr(net, name) for name in SCALES})
    expect(width % net.heads == 0, where, f"a width that is a multiple of heads={net.heads}", width=width)
    size, chosen = Size(depth, width, positions, dtype), chosen_devices(devices)
    each = run(_one, key, in_format((net, c_0), dtype), size, num_nets=num_nets, dtype=dtype, devices=chosen)
    found = averaged(np.asarray(each, float), 0, dtype)
    # The difference of two unit vectors is rounded, not the distance, which is half its square.
    rounding = 2 * float(jnp.finfo(dtype).eps) * np.arange(1, depth + 1) * np.sqrt(2 * found.value)
    return Estimate(found.value, np.hypot(found.err, rounding))
