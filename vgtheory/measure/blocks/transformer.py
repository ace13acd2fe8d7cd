"""Gradients through real transformer blocks, by automatic differentiation in the log domain."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.expect import expect, expect_scalars
from vgtheory.measure.arguments import asked, count, number
from vgtheory.measure.engine.averages import averaged, from_top
from vgtheory.measure.engine.dispatch import measures
from vgtheory.measure.engine.draws import COTANGENT, INPUT, WEIGHTS, normal
from vgtheory.measure.engine.runs import chosen_devices, in_format, run
from vgtheory.measure.engine.taps import log_norm, log_pair, tap
from vgtheory.networks.transformer import GROUPS, Transformer


class TransformerLogs(NamedTuple):
    """Stacks of blocks one by one; natural logs, float64.

    Attributes
    ----------
    log_q
        Of the mean square of the stream after each block, over positions and units; shape ``(num_nets, depth)``.
    log_grad
        Of ``|dE/dh_l| / |dE/dh_depth|``, norms over all positions; same shape.
    log_grad_groups
        By matrix: of ``|dE/dW| / |dE/dh_depth|`` in each block; same shape.
    """

    log_q: np.ndarray
    log_grad: np.ndarray
    log_grad_groups: dict[str, np.ndarray]


@jax.custom_vjp
def _weighed(x: Array, matrix: Array, slot: Array) -> Array:
    """``x @ matrix``; the "gradient" of slot is the log-norm of the matrix's."""
    del slot
    return jnp.matmul(x, matrix, precision=lax.Precision.HIGHEST)


def _weighed_forward(x: Array, matrix: Array, slot: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    return _weighed(x, matrix, slot), (x, matrix, slot)


def _weighed_backward(kept: tuple[Array, Array, Array], cotangent: Array) -> tuple[Array, None, Array]:
    x, matrix, slot = kept
    (log_x, _), (log_g, unit) = jax.vmap(log_norm)(x), jax.vmap(log_norm)(cotangent)
    size = log_pair(log_x + log_g, unit, x, log_x)
    return jnp.matmul(cotangent, matrix.T, precision=lax.Precision.HIGHEST), None, size.astype(slot.dtype)


_weighed.defvjp(_weighed_forward, _weighed_backward)


def _layer_norm(x: Array) -> Array:
    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    return centred * lax.rsqrt(jnp.mean(centred**2, axis=-1, keepdims=True))


def _drawn(words: Array, net: Transformer, layer: Array, width: int, dtype: Any) -> dict[str, Array]:
    """One block's matrices."""
    wide = width * net.mlp_ratio
    shapes = {name: (width, width) for name in GROUPS} | {"mlp_in": (width, wide), "mlp_out": (wide, width)}
    scales = {"query": net.sigma_qk, "key": net.sigma_qk}
    return {
        name: (scales.get(name, net.sigma_w) * normal(words, WEIGHTS, layer * len(GROUPS) + k, shape, dtype)).astype(
            dtype
        )
        * np.asarray(shape[0] ** -0.5, dtype)
        for k, (name, shape) in enumerate(shapes.items())
    }


def _attended(n: Array, weights: dict[str, Array], slots: dict[str, Array], heads: int) -> Array:
    """Softmax self-attention over positions, all of them seen."""
    split = lambda name: jnp.moveaxis(_weighed(n, weights[name], slots[name]).reshape(n.shape[0], heads, -1), 1, 0)
    query, key, value = (split(name) for name in ("query", "key", "value"))
    product = functools.partial(jnp.matmul, precision=lax.Precision.HIGHEST)
    share = jax.nn.softmax(product(query, jnp.swapaxes(key, -1, -2)) * query.shape[-1] ** -0.5)
    seen = jnp.moveaxis(product(share, value), 0, 1).reshape(n.shape)
    return _weighed(seen, weights["output"], slots["output"])


def _block(net: Transformer, x: Array, weights: dict[str, Array], slots: dict[str, Array]) -> Array:
    """One block, as its noun says."""
    pre = net.place == "pre"
    before, after = (_layer_norm, lambda x: x) if pre else (lambda x: x, _layer_norm)
    x = after(x + _attended(before(x), weights, slots, net.heads))
    inner = net.activation.phi(_weighed(before(x), weights["mlp_in"], slots["mlp_in"]))
    return after(x + _weighed(inner, weights["mlp_out"], slots["mlp_out"]))


class _Size(NamedTuple):
    """What a program is compiled for."""

    depth: int
    width: int
    positions: int
    dtype: str


def _one(words: Array, given: tuple[Transformer, Array], size: _Size) -> tuple[Array, Array, dict[str, Array]]:
    """One network: mean squares, log-factors of the stream's gradient from each block to the one below, and the weights'."""
    (net, c_0), (depth, width, positions, dtype) = given, size
    drawn = normal(words, INPUT, 0, (positions + 1, width), dtype)
    x_0 = jnp.sqrt(1 - c_0) * drawn[1:] + jnp.sqrt(c_0) * drawn[:1]
    x_0 = x_0 * lax.rsqrt(jnp.mean(x_0**2, axis=1, keepdims=True))
    _, top = log_norm(normal(words, COTANGENT, 0, (positions, width), dtype))

    def link(x: Array, inputs: tuple[Array, Array, dict[str, Array]]) -> tuple[Array, Array]:
        layer, slot, slots = inputs
        after = _block(net, tap(x, slot), _drawn(words, net, layer, width, dtype), slots)
        return after, jnp.mean(lax.stop_gradient(after) ** 2)

    def energy(slots: tuple[Array, dict[str, Array]]) -> tuple[Array, Array]:
        # Weights are drawn again on the way down: kept, they would fill the memory.
        end, squares = lax.scan(jax.checkpoint(link, prevent_cse=False), x_0, (jnp.arange(depth), *slots))
        return jnp.vdot(top, end), squares

    zeros = jnp.zeros(depth, dtype)
    (rows, groups), squares = jax.grad(energy, has_aux=True)((zeros, dict.fromkeys(GROUPS, zeros)))
    return squares, rows, groups


@measures(Transformer)
@asked(positions=count(), c_0=number("[0, 1]"))
def samples(
    key: Array,
    net: Transformer,
    *,
    depth: int,
    width: int,
    num_nets: int,
    positions: int,
    c_0: Any = 0.0,
    dtype: str = "float32",
    devices: Sequence[Any] | None = None,
) -> TransformerLogs:
    r"""Signals and gradients through stacks of real transformer blocks, each with one sequence and weights of its own.

    Parameters
    ----------
    key
        A JAX key.
    net
        The blocks.
    depth, width, num_nets, positions
        Numbers of blocks, of units of the stream, of networks, and of positions.
    c_0
        Correlation of the inputs at two positions, from 0 to 1.
    dtype
        ``"float32"`` or ``"float64"``.
    devices
        Devices to spread networks over; ``None`` for all.

    Returns
    -------
    TransformerLogs
        Of every network.

    Raises
    ------
    ValueError
        If a count is no positive integer, a scale is not a single number, or ``width`` no multiple of the heads.

    Notes
    -----
    Accuracy: a few roundings of ``dtype`` per block.
    On another number of devices the same to rounding, not to the bit.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Transformer, measure
    >>> small = {"depth": 2, "width": 16, "num_nets": 3, "positions": 4}
    >>> measure.samples(jax.random.key(0), Transformer("relu", heads=2), **small).log_grad[:, -1].tolist()
    [0.0, 0.0, 0.0]
    """
    where = "samples"
    expect_scalars(where, sigma_w=net.sigma_w, sigma_qk=net.sigma_qk)
    expect(width % net.heads == 0, where, f"a width that is a multiple of heads={net.heads}", width=width)
    size, chosen = _Size(depth, width, positions, dtype), chosen_devices(devices)
    given = in_format((net, c_0), dtype)
    squares, rows, groups = run(_one, key, given, size, num_nets=num_nets, dtype=dtype, devices=chosen)
    # The tap at a block's foot belongs to the stream after the block below.
    log_grad = from_top(np.pad(np.asarray(rows, float)[:, 1:], ((0, 0), (0, 1))))
    return TransformerLogs(
        np.log(squares.astype(float)), log_grad, {name: leaf.astype(float) + log_grad for name, leaf in groups.items()}
    )


@asked(positions=count(), c_0=number("[0, 1]"))
def log_grad_groups(
    key: Array, net: Transformer, *, depth: int, width: int, num_nets: int, dtype: str = "float32", **how: Any
) -> dict[str, Estimate]:
    r"""Log-norm of the gradient with respect to each matrix of each transformer block, relative to the top's second of the perceptron.

    .. math:: \ln \frac{|\partial E / \partial W_{g,l}|_F}{|\partial E / \partial W_{2,L}|_F}, \qquad l = 1 \dots L

    Parameters
    ----------
    key
        A JAX key.
    net
        The blocks.
    depth, width, num_nets
        Numbers of blocks, of units of the stream, and of networks.
    dtype
        ``"float32"`` or ``"float64"``.
    how
        ``positions``, ``c_0``, ``devices`` of ``samples``.

    Returns
    -------
    dict
        By matrix, an ``Estimate`` of shape ``(depth,)``: mean over networks of the natural log of the norm; ``err`` is one
        standard error.

    Raises
    ------
    ValueError
        As ``samples``.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Transformer, measure
    >>> small = {"depth": 2, "width": 16, "num_nets": 3, "positions": 4}
    >>> groups = measure.blocks.log_grad_groups(jax.random.key(0), Transformer("relu", heads=2), **small)
    >>> float(groups["mlp_out"].value[-1])
    0.0
    """
    logs = samples(key, net, depth=depth, width=width, num_nets=num_nets, dtype=dtype, **how).log_grad_groups
    top = logs["mlp_out"][:, -1:]
    return {name: averaged(each - top, np.full(depth, depth), dtype) for name, each in logs.items()}
