r"""The input-output Jacobian of one network as two maps of blocks of vectors, up and down.

.. math:: J = \frac{\partial x_L}{\partial x_0}, \qquad x_l = \phi(W_l x_{l-1} + b_l)

The Jacobian is never formed and no weights are kept. Every layer draws its weights again, and
automatic differentiation pushes the block through it, or pulls it back. After each layer the block
is settled: it is brought back to unit size, and what was taken out is kept as logs. Weights and
products are of the run's format, everything else is float64.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.measure.engine.draws import PROBE, normal
from vgtheory.measure.engine.links import activate, affine
from vgtheory.measure.engine.networks import Weights, draw_input, draw_weights, orthonormal_columns
from vgtheory.measure.engine.taps import log_norm
from vgtheory.measure.spectra.values import RANGE
from vgtheory.networks.ensemble import Layered


class Size(NamedTuple):
    """What a program is compiled for.

    Attributes
    ----------
    depth, width, num_nets
        Numbers of layers, units and networks.
    dtype
        Of weights and products.
    scalable
        Whether ``h`` may be renormalised (``links.is_scalable``).
    """

    depth: int
    width: int
    num_nets: int
    dtype: str
    scalable: bool


class Link(NamedTuple):
    """A layer at the point where it is differentiated.

    Attributes
    ----------
    layer
        Its index, from 1.
    x
        Its input over ``exp(log_scale)``, shape ``(1, width)``.
    log_scale
        Natural log, shape ``(1,)``.
    log_rms
        What the output is divided by beyond that, shape ``(1,)``.
    """

    layer: Array
    x: Array
    log_scale: Array
    log_rms: Array


class Block(NamedTuple):
    """Vectors as ``basis @ diag(exp(logs)) @ rows``, float64.

    Attributes
    ----------
    basis
        Orthonormal (or, where a walk does not ask for that, near unit size), shape ``(width, vectors)``.
    logs
        Natural logs, shape ``(vectors,)``.
    rows
        Well conditioned, shape ``(vectors, vectors)``.
    """

    basis: Array
    logs: Array
    rows: Array


def probes(words: Array, width: int, num_vectors: int) -> Array:
    """Standard normal vectors, independent of the network's weights, shape ``(width, num_vectors)``.

    Parameters
    ----------
    words
        The network's key (``draws.words_of``).
    width, num_vectors
        Numbers of units and vectors.
    """
    return normal(words, PROBE, 0, (num_vectors, width), jnp.float64).T


def fresh(basis: Array, dead: Array | None = None) -> Block:
    """A block of unit size.

    Parameters
    ----------
    basis
        Shape ``(width, vectors)``.
    dead
        Which of the vectors are to count as zeros, shape ``(vectors,)``; ``None`` for none.
    """
    logs, rows = jnp.zeros(basis.shape[1], basis.dtype), jnp.eye(basis.shape[1], dtype=basis.dtype)
    return Block(basis, logs if dead is None else jnp.where(dead, -jnp.inf, logs), rows)


def layer_map(weights: Weights, net: Layered, link: Link, size: Size) -> Callable[[Array], Array]:
    """One layer as a function of its input, shape ``(width,)``, in units in which input and output are near 1.

    Parameters
    ----------
    weights, net
        The layer's draw and the ensemble.
    link
        Where the layer is looked at.
    size
        What is compiled for.
    """

    def apply(x: Array) -> Array:
        h = affine(net, weights, x[None], link.log_scale) * jnp.exp(-link.log_rms).astype(x.dtype)[:, None]
        return activate(net.activation, h, link.log_scale + link.log_rms, size.scalable)[0]

    return apply


def pushed(weights: Weights, net: Layered, link: Link, vectors: Array, size: Size) -> tuple[Array, Array]:
    """The layer's output, and its Jacobian over ``exp(log_rms)`` times vectors, by forward differentiation.

    Parameters
    ----------
    weights, net, link, size
        As for ``layer_map``.
    vectors
        Shape ``(width, vectors)``.
    """
    out, push = jax.linearize(layer_map(weights, net, link, size), link.x[0])
    return out, jax.vmap(push, 1, 1)(vectors.astype(size.dtype)).astype(vectors.dtype)


def pulled(weights: Weights, net: Layered, link: Link, vectors: Array, size: Size) -> Array:
    """The layer's transposed Jacobian, over ``exp(log_rms)``, times vectors, by reverse differentiation.

    Parameters
    ----------
    weights, net, link, size
        As for ``layer_map``.
    vectors
        Shape ``(width, vectors)``.
    """
    pull = jax.vjp(layer_map(weights, net, link, size), link.x[0])[1]
    return jax.vmap(lambda vector: pull(vector)[0], 1, 1)(vectors.astype(size.dtype)).astype(vectors.dtype)


def _finite(top: Array) -> Array:
    return jnp.where(jnp.isneginf(top), 0.0, top)


def in_order(columns: Array, block: Block, log_rms: Array) -> Block:
    """The columns as an orthonormal basis, the long ones first.

    Parameters
    ----------
    columns
        What became of ``block.basis``.
    block
        Before the layer.
    log_rms
        Log of what the layer's Jacobian was divided by.
    """
    top = _finite(jnp.max(block.logs))
    kept = jnp.maximum(block.logs, top - RANGE)
    graded = columns * jnp.exp(kept - top)[None, :]
    order = jnp.argsort(-jnp.linalg.norm(graded, axis=0))
    basis, upper = orthonormal_columns(graded[:, order])
    # Units that are all dead leave no more directions than live ones; QR would fill up with rounding noise.
    alive = jnp.arange(order.size) < jnp.sum(jnp.any(columns != 0, axis=1))
    sizes = jnp.where(alive, jnp.abs(jnp.diagonal(upper)), 0.0)
    logs = top + log_rms + jnp.log(sizes) + (block.logs - kept)[order]
    return Block(basis, logs, upper / jnp.where(sizes == 0, 1.0, sizes)[:, None] @ block.rows[order])


def in_size(columns: Array, block: Block, log_rms: Array) -> Block:
    """The columns over their common root mean square, and its log in every entry of ``logs``; no order among them.

    Parameters
    ----------
    columns, block, log_rms
        As for ``in_order``.
    """
    log_size = log_norm(columns)[0] - np.log(columns.size) / 2
    grown = block.logs + log_size + log_rms
    return Block(columns * jnp.exp(-_finite(log_size)), grown, block.rows)


def _link_at(weights: Weights, net: Layered, index: Array, x: Array, log_scale: Array, size: Size) -> Link:
    h = affine(net, weights, x, log_scale)
    log_rms = log_norm(h)[0] - np.log(size.width) / 2
    usable = jnp.isfinite(log_rms) & size.scalable
    return Link(index, x, log_scale, jnp.where(usable, log_rms, 0.0).astype(log_scale.dtype)[None])


def up(
    words: Array, net: Layered, input_square: Array, block: Block, settle: Callable, size: Size
) -> tuple[Block, Link, Array]:
    """Push a block from the input to the output.

    Returns what becomes of it, the layers on the way, and the largest log after each of them.

    Parameters
    ----------
    words, net
        The network.
    input_square
        Mean square of its input.
    block
        At the input.
    settle
        ``in_order`` or ``in_size``.
    size
        What is compiled for.
    """
    x_0 = draw_input(words, size.width, size.dtype, 1) * jnp.sqrt(input_square).astype(size.dtype)

    def step(state: tuple[Array, Array, Block], index: Array) -> tuple[tuple[Array, Array, Block], tuple[Link, Array]]:
        x, log_scale, block = state
        weights = draw_weights(words, net, index, size.width, size.dtype)
        link = _link_at(weights, net, index, x, log_scale, size)
        out, columns = pushed(weights, net, link, block.basis, size)
        block = settle(columns, block, link.log_rms[0])
        return (out[None], log_scale + link.log_rms, block), (link, jnp.max(block.logs))

    start = (x_0, jnp.zeros(1, jnp.float64), block)
    (_, _, block), (along, tops) = lax.scan(step, start, jnp.arange(1, size.depth + 1))
    return block, along, tops


def down(words: Array, net: Layered, along: Link, block: Block, settle: Callable, size: Size) -> Block:
    """From the output to the input, through the transposed Jacobians.

    Parameters
    ----------
    words, net, settle, size
        As for ``up``.
    along
        The layers, as ``up`` left them.
    block
        At the output.
    """

    def step(block: Block, link: Link) -> tuple[Block, None]:
        weights = draw_weights(words, net, link.layer, size.width, size.dtype)
        return settle(pulled(weights, net, link, block.basis, size), block, link.log_rms[0]), None

    return lax.scan(step, block, along, reverse=True)[0]


def scaled_product(words: Array, net: Layered, along: Link, shrink: Array, size: Size) -> Callable[[Array], Array]:
    """The Jacobian times one vector, every layer's share divided by a constant of its own; made to be differentiated.

    Parameters
    ----------
    words, net, along, size
        As for ``down``.
    shrink
        Logs of the constants, shape ``(depth,)``.
    """

    def step(vector: Array, at: tuple[Link, Array]) -> tuple[Array, None]:
        link, log = at
        weights = draw_weights(words, net, link.layer, size.width, size.dtype)
        vector = jax.jvp(layer_map(weights, net, link, size), (link.x[0],), (vector.astype(size.dtype),))[1]
        return vector.astype(jnp.float64) * jnp.exp(link.log_rms[0] - log), None

    # Kept for the way back would be every layer's weights.
    drawn_again = jax.checkpoint(step, prevent_cse=False)
    return lambda vector: lax.scan(drawn_again, vector, (along, shrink))[0]
