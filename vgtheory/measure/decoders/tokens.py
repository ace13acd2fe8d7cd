"""Stream and gradient of real transformer blocks, token by token, by automatic differentiation in the log domain."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.expect import expect, expect_scalars
from vgtheory.measure.arguments import asked, count, number
from vgtheory.measure.attention.block import Layer, block, drawn
from vgtheory.measure.engine.averages import averaged
from vgtheory.measure.engine.draws import COTANGENT, INPUT, normal
from vgtheory.measure.engine.runs import chosen_devices, in_format, run
from vgtheory.measure.engine.taps import log_norm
from vgtheory.networks.transformer import SCALES, Transformer, branch_factor


class _Size(NamedTuple):
    """Static arguments of the compiled program."""

    depth: int
    width: int
    positions: int
    is_last: bool
    dtype: str


@jax.custom_vjp
def _tap(x: Array, slot: Array) -> Array:
    """``taps.tap`` whose slot, of shape ``(positions,)``, takes the log-norm of each row."""
    del slot
    return x


def _backward(slot: Array, cotangent: Array) -> tuple[Array, Array]:
    size, unit = log_norm(cotangent)
    return unit, (size + jax.vmap(log_norm)(unit)[0]).astype(slot.dtype)


_tap.defvjp(lambda x, slot: (x, slot), _backward)


def _one(words: Array, given: tuple[Transformer, Array], size: _Size) -> tuple[Array, Array]:
    """Mean squares after each block, and log-norms of the gradient from the inputs on, by token."""
    (net, c_0), (depth, width, positions, is_last, dtype) = given, size
    tokens = normal(words, INPUT, 0, (positions + 1, width), dtype)
    x_0 = jnp.sqrt(1 - c_0) * tokens[1:] + jnp.sqrt(c_0) * tokens[:1]
    x_0 = x_0 * lax.rsqrt(jnp.mean(x_0**2, axis=1, keepdims=True))
    drawn_top = normal(words, COTANGENT, 0, (positions, width), dtype)
    _, top = log_norm(
        jnp.where(np.arange(positions)[:, None] < positions - 1, 0.0, drawn_top) if is_last else drawn_top
    )
    unused = dict.fromkeys(net.groups, jnp.zeros((), dtype))

    def link(x: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        index, slot = inputs
        layer = Layer(words, index, drawn(words, net, index, width, dtype), unused)
        after = block(net, _tap(x, slot), layer)
        return after, jnp.mean(lax.stop_gradient(after) ** 2, axis=1)

    def energy(slots: Array) -> tuple[Array, Array]:
        # Weights are drawn again in the backward pass; if kept, they would fill the memory.
        end, squares = lax.scan(jax.checkpoint(link, prevent_cse=False), x_0, (jnp.arange(depth), slots[:-1]))
        return jnp.vdot(top, _tap(end, slots[-1])), squares

    rows, squares = jax.grad(energy, has_aux=True)(jnp.zeros((depth + 1, positions), dtype))
    return squares, rows


def _samples(
    key: Array, net: Transformer, size: _Size, num_nets: int, c_0: float, devices: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Logs of mean squares, and of the gradient's norms over the top's, shape (num_nets, blocks, positions)."""
    where = "tokens"
    net = net.replace(alpha=branch_factor(net, size.depth))
    expect_scalars(where, alpha=net.alpha, **{name: getattr(net, name) for name in SCALES})
    expect(size.width % net.heads == 0, where, f"a width that is a multiple of heads={net.heads}", width=size.width)
    given = in_format((net, c_0), size.dtype)
    how: dict[str, Any] = {"num_nets": num_nets, "dtype": size.dtype, "devices": chosen_devices(devices)}
    squares, rows = (np.asarray(each, float) for each in run(_one, key, given, size, **how))
    with np.errstate(divide="ignore"):
        size_of_all = np.log(np.exp(2 * rows).sum(axis=2)) / 2
        above = np.cumsum(size_of_all[:, :0:-1], axis=1)[:, ::-1]
        return np.log(squares), rows + np.pad(above, ((0, 0), (0, 1)))[..., None]


def _of_mean(logs: np.ndarray, links: np.ndarray, dtype: str) -> Estimate:
    """Half the log of the mean square over networks, with its error."""
    top = logs.max(axis=0)
    squares = np.exp(2 * (logs - np.where(np.isfinite(top), top, 0.0)))
    flat = averaged(squares.reshape(len(logs), -1), np.repeat(links, logs.shape[2]), dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, err = np.log(flat.value) / 2, np.where(flat.value > 0, flat.err / flat.value / 2, 0.0)
    return Estimate(mean.reshape(top.shape) + top, err.reshape(top.shape))


_given = asked(positions=count(), c_0=number("[0, 1]"))


@_given
def log_q_tokens(
    key: Array,
    net: Transformer,
    *,
    depth: int,
    width: int,
    positions: int,
    num_nets: int,
    c_0: float = 0.0,
    dtype: str = "float32",
    devices: Any = None,
) -> Estimate:
    """Log of the mean square of a transformer's stream, by block and position.

    Parameters
    ----------
    key, net, depth, width, num_nets, dtype
        As for ``measure.log_grad_layers``; ``net`` is a ``Transformer``, with or without a mask.
    positions
        Number of positions.
    c_0
        Correlation of the inputs at two positions, from 0 to 1.
    devices
        As for ``measure.samples``.

    Returns
    -------
    Estimate
        Natural log of the mean over networks, shape ``(depth, positions)``; ``err`` is one standard
        error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Transformer, measure
    >>> net = Transformer(is_causal=True, heads=2)
    >>> size = {"depth": 2, "width": 32, "positions": 4, "num_nets": 4}
    >>> seen = measure.decoders.log_q_tokens(jax.random.key(0), net, **size).value
    >>> bool((seen[:, 0] > seen[:, 3]).all())  # the first token attends to itself alone
    True
    """
    logs = _samples(key, net, _Size(depth, width, positions, False, dtype), num_nets, c_0, devices)[0]
    half = _of_mean(logs / 2, np.arange(1, depth + 1), dtype)
    return Estimate(2 * half.value, 2 * half.err)


@_given
def log_grad_tokens(
    key: Array,
    net: Transformer,
    *,
    depth: int,
    width: int,
    positions: int,
    num_nets: int,
    c_0: float = 0.0,
    dtype: str = "float32",
    devices: Any = None,
) -> Estimate:
    """Log-norm of a transformer's gradient, by block and position.

    The norm is relative to the root mean square over positions of the top's gradient.

    Parameters
    ----------
    key, net, depth, width, positions, num_nets, c_0, dtype, devices
        As for ``log_q_tokens``.

    Returns
    -------
    Estimate
        Half the natural log of the mean square over networks, shape ``(depth, positions)``; ``err``
        is one standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Transformer, measure
    >>> net = Transformer(is_causal=True, heads=2)
    >>> size = {"depth": 2, "width": 32, "positions": 4, "num_nets": 4}
    >>> measure.decoders.log_grad_tokens(jax.random.key(0), net, **size).value.shape
    (2, 4)
    """
    logs = _samples(key, net, _Size(depth, width, positions, False, dtype), num_nets, c_0, devices)[1][:, 1:]
    return _of_mean(logs + np.log(positions) / 2, np.arange(depth, 0, -1), dtype)


@_given
def log_influence(
    key: Array,
    net: Transformer,
    *,
    depth: int,
    width: int,
    positions: int,
    num_nets: int,
    c_0: float = 0.0,
    dtype: str = "float32",
    devices: Any = None,
) -> Estimate:
    """Log-norm of the gradient of a transformer's last output with respect to every input token.

    The norm is relative to that of the gradient at the last position of the top, the only one there.

    Parameters
    ----------
    key, net, depth, width, positions, num_nets, c_0, dtype, devices
        As for ``log_q_tokens``.

    Returns
    -------
    Estimate
        Half the natural log of the mean square over networks, shape ``(positions,)``; ``err`` is one
        standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Transformer, measure
    >>> net = Transformer(is_causal=True, heads=2)
    >>> size = {"depth": 2, "width": 32, "positions": 4, "num_nets": 4}
    >>> seen = measure.decoders.log_influence(jax.random.key(0), net, **size).value
    >>> int(seen.argmax())
    3
    """
    logs = _samples(key, net, _Size(depth, width, positions, True, dtype), num_nets, c_0, devices)[1][:, :1]
    found = _of_mean(logs, np.full(1, depth), dtype)
    return Estimate(found.value[0], found.err[0])


__all__ = ["log_grad_tokens", "log_influence", "log_q_tokens"]
