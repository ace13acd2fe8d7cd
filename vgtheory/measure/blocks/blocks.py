"""Gradients through chains of residual blocks and of normalised layers, in the log domain.

The whole gradient flows through the stream. Its cotangent is therefore renormalised after every
block, and the log of the factor is kept. Where a block has no norm, the forward pass divides the
stream by its rms, as in dense networks, and carries the scale as a log.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.expect import expect, expect_scalars
from vgtheory.frame import frame_of_logs
from vgtheory.measure.arguments import asked, listed, one_of, units
from vgtheory.measure.engine.averages import from_top
from vgtheory.measure.engine.dispatch import measures
from vgtheory.measure.engine.draws import BIAS, PATH, normal
from vgtheory.measure.engine.links import Place, activate, added, affine, factors, is_scalable, kept
from vgtheory.measure.engine.log_pass import over_layers
from vgtheory.measure.engine.memory import planned
from vgtheory.measure.engine.networks import SAMPLERS, draw_cotangent, draw_input, draw_weights
from vgtheory.measure.engine.runs import chosen_devices, in_format, run
from vgtheory.measure.engine.single_use import fresh_product
from vgtheory.measure.engine.taps import log_norm
from vgtheory.networks.blocks import Blocks, Normed, Residual, alpha_of
from vgtheory.networks.dense import Dense
from vgtheory.networks.listed import at_layer, depth_of
from vgtheory.networks.noise import NOISE, dropconnect_of

if TYPE_CHECKING:
    import pandas

_LOG_EDGE = 60.0


class BlockLogs(NamedTuple):
    """Log-norms of networks of blocks, one by one: natural logs, float64.

    Every array has the shape ``(num_nets, depth)``. With ``num_inputs`` there is an axis of inputs
    before the last.

    Attributes
    ----------
    log_q
        Log of the mean square of ``h_l`` (with batch norm, over the batch).
    log_grad
        Log of ``|dE/dh_l| / |dE/dh_depth|`` (with batch norm, of the whole batch).
    log_grad_alpha
        Log of ``|dE/dalpha_l| / |dE/dh_depth|``, where each block's alpha is a parameter of its
        own; NaN where there are no branches.
    """

    log_q: np.ndarray
    log_grad: np.ndarray
    log_grad_alpha: np.ndarray

    @property
    def frame(self) -> "pandas.DataFrame":
        """Table with a row for each block of each network, as a ``pandas.DataFrame``."""
        return frame_of_logs(self, inputs=np.ndim(self.log_q) > 2)


class _Slots(NamedTuple):
    """Zeros whose gradients are a block's log-factors of the cotangent and gradients of alpha.

    ``grad`` has the shape (inputs,), or (1,) with batch norm; ``alpha`` always has (inputs,).
    """

    grad: Array
    alpha: Array


class _Size(NamedTuple):
    """Static arguments of the compiled program."""

    depth: int
    width: int
    num_inputs: int
    dtype: str
    keep: str
    scalable: bool
    free: bool


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _gauge(scalable: bool, h: Array, slot: Array) -> tuple[Array, Array]:
    """Divide each row by its rms if ``scalable``; renormalise the cotangent and keep its log."""
    del slot
    size, unit = jax.vmap(log_norm)(h)
    return (unit * np.sqrt(h.shape[1]).astype(h.dtype) if scalable else h), size - np.log(h.shape[1]) / 2


def _gauge_forward(scalable: bool, h: Array, slot: Array) -> tuple[tuple[Array, Array], Array]:
    return _gauge(scalable, h, slot), slot


def _gauge_backward(scalable: bool, slot: Array, cotangents: tuple[Array, Array]) -> tuple[Array, Array]:
    del scalable
    if slot.size == 1:
        size, unit = log_norm(cotangents[0])
        return unit, size[None].astype(slot.dtype)
    sizes, units = jax.vmap(log_norm)(cotangents[0])
    return units, sizes.astype(slot.dtype)


_gauge.defvjp(_gauge_forward, _gauge_backward)


def normed(h: Array, norm: str) -> Array:
    """Apply a norm, ``"layer"``, ``"rms"`` or ``"batch"``, to rows of units, without epsilon."""
    axis = 0 if norm == "batch" else 1
    centred = h if norm == "rms" else h - jnp.mean(h, axis=axis, keepdims=True)
    return centred / jnp.sqrt(jnp.mean(centred**2, axis=axis, keepdims=True))


class Draw(NamedTuple):
    """Source of a network's weights: the ensemble, its key, and whether it is free of matrices."""

    net: Blocks
    words: Array
    free: bool

    def times(self, stream: int | Array, x: Array, log_scale: Array) -> Array:
        """``W x + b`` in units of the stream's scale, with weights drawn for this stream."""
        noise = {name: getattr(self.net, name) for name in NOISE}
        dense = Dense(self.net.activation, self.net.sigma_w, self.net.sigma_b, **noise)
        width, dtype, place = x.shape[1], x.dtype, Place(self.words, stream)
        x = x * factors(dense, place, x.shape, dtype)
        if not self.free:
            return affine(dense, draw_weights(self.words, dense, stream, width, dtype), x, log_scale, place)
        relative = jnp.exp(jnp.minimum(-log_scale, _LOG_EDGE)).astype(dtype)[:, None]
        bias = dense.sigma_b * relative * normal(self.words, BIAS, stream, (width,), dtype)[None, :]
        if dense.sigma_noise > 0:
            bias = bias + relative * added(dense, place, x.shape, dtype)
        return (dense.sigma_w * fresh_product(self.words, stream, x) + bias).astype(dtype)


def _layer(net: Normed, draw: Draw, index: Array, h: Array) -> Array:
    """Apply one normalised layer; the first takes the input as it is."""
    phi, norm = net.activation.phi, functools.partial(normed, norm=net.norm)
    x = phi(norm(h)) if net.place == "pre" else norm(phi(h))
    return draw.times(index, jnp.where(index == 1, h, x), jnp.zeros(h.shape[0], h.dtype))


def _block(net: Residual, draw: Draw, index: Array, state: tuple[Array, Array], alpha: Array, scalable: bool) -> Array:
    """Apply one residual block in units of the stream's scale; ``alpha`` has shape (inputs,)."""
    h, log_scale = state
    u = normed(h, net.norm) if net.norm is not None and net.place == "pre" else h
    for layer in range(net.branch_layers):
        stream = (index - 1) * net.branch_layers + layer + 1
        u = draw.times(stream, activate(net.activation, u, log_scale, scalable), log_scale)
    if net.drop_path > 0:
        u = u * kept(net.drop_path, Place(draw.words, index), PATH, (len(u), 1), u.dtype)
    summed = h + alpha[:, None].astype(h.dtype) * u
    return normed(summed, net.norm) if net.norm is not None and net.place == "post" else summed


def _one(words: Array, net: Blocks, size: _Size) -> tuple[Array, ...]:
    """Log rms of h, log-factors of its gradient, gradients of alpha, and log-scales."""
    vectors = (words, size.width, size.dtype, size.num_inputs)
    start, cotangent = draw_input(*vectors), draw_cotangent(*vectors)
    zeros, draw = jnp.zeros(size.num_inputs, start.dtype), Draw(net, words, size.free)

    def link(
        state: tuple[Array, Array], inputs: tuple[Array, _Slots]
    ) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        (h, log_scale), (index, slots) = state, inputs
        if isinstance(net, Normed):
            h = _layer(net, draw, index, h)
        else:
            own = at_layer(net, index)
            h = _block(own, draw._replace(net=own), index, state, own.alpha + slots.alpha, size.scalable)
        h, log_rms = _gauge(size.scalable, h, slots.grad)
        log_rms = jax.lax.stop_gradient(log_rms)
        return (h, log_scale + log_rms if size.scalable else log_scale), (log_rms, log_scale)

    def energy(slots: _Slots) -> tuple[Array, tuple[Array, Array]]:
        blocks = (jnp.arange(1, size.depth + 1), slots)
        (h, _), seen = over_layers(link, (start, zeros), blocks, size.depth, size.keep)
        return jnp.vdot(cotangent, h), seen

    joint = 1 if net.norm == "batch" else size.num_inputs
    slots = _Slots(*(jnp.zeros((size.depth, rows), start.dtype) for rows in (joint, size.num_inputs)))
    down, (log_rms, log_scale) = jax.grad(energy, has_aux=True)(slots)
    return log_rms, down.grad, down.alpha, log_scale


def _logs(net: Blocks, scalable: bool, walked: tuple[np.ndarray, ...]) -> BlockLogs:
    """Sum over depth in float64; (num_nets, depth, inputs) becomes (num_nets, inputs, depth)."""
    log_rms, grad, alpha, log_scale = (np.swapaxes(np.asarray(leaf, np.float64), 1, 2) for leaf in walked)
    log_q = 2 * (np.cumsum(log_rms, axis=-1) if scalable else log_rms)
    if net.norm == "batch":
        log_q = np.logaddexp.reduce(log_q, axis=1, keepdims=True) - np.log(log_q.shape[1])
        alpha, log_scale = alpha.sum(axis=1, keepdims=True), log_scale[:, :1]
    log_grad = from_top(grad)
    with np.errstate(divide="ignore"):
        log_alpha = np.log(np.abs(alpha)) + log_scale + log_grad
    return BlockLogs(log_q, log_grad, np.full_like(log_grad, np.nan) if isinstance(net, Normed) else log_alpha)


@measures(Residual, Normed)
@asked(noise=True, net=listed, depth=units, sampler=one_of(SAMPLERS))
def samples(
    key: Array,
    net: Blocks,
    *,
    depth: int | None = None,
    width: int,
    num_nets: int,
    num_inputs: int | None = None,
    dtype: str = "float32",
    sampler: str = "networks",
    keep: str | None = None,
    memory: float | int | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> BlockLogs:
    """Log-norms in real networks of residual blocks or normalised layers; as ``measure.samples``.

    Each input is followed on its own. With batch norm the number of inputs is ``net.batch``, and
    the batch is followed as a whole. ``sampler="matrix_free"`` takes at most as many inputs as
    units.

    Notes
    -----
    Accuracy: a few roundings of ``dtype`` per block. The norms' epsilon is 0.
    Assumes: nothing.
    """
    depth = depth_of("samples", net, depth)
    scales = {"sigma_w": net.sigma_w, "sigma_b": net.sigma_b}
    if isinstance(net, Residual):
        net = dataclasses.replace(net, alpha=alpha_of(net, depth))
        scales["alpha"] = net.alpha
    expect_scalars("samples", **{name: scale for name, scale in scales.items() if not isinstance(scale, tuple)})
    alone = num_inputs is None or net.norm != "batch"
    expect(alone, "samples", "no number of inputs but net.batch", num_inputs=num_inputs)
    rows, where = net.batch or num_inputs or 1, chosen_devices(devices)
    scalable, free = net.norm is None and is_scalable(net.activation), sampler == "matrix_free"
    expect(not free or rows <= width, "samples", "no more inputs than units", rows=rows)
    cut, remedy = dropconnect_of(net), "Use sampler='networks'."
    expect(not free or cut == 0, "samples", "no DropConnect", remedy, dropconnect=cut)
    count = {"depth": depth, "width": width, "num_nets": num_nets, "rows": rows, "itemsize": np.dtype(dtype).itemsize}
    plan = planned("samples", **count, keep=keep, memory=memory, devices=where, matrices=not free)
    size = _Size(depth, width, rows, dtype, plan.keep, scalable, free)
    how: dict[str, Any] = {"num_nets": num_nets, "dtype": dtype, "lanes": plan.lanes, "devices": where}
    logs = _logs(net, scalable, run(_one, key, in_format(net, dtype), size, **how))
    return logs if num_inputs is not None else BlockLogs(*(leaf[:, 0] for leaf in logs))
