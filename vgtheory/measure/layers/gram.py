"""A batch of given inputs sent through real networks: lengths, overlaps, and the gradient of the whole batch."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.checks import expect_batch
from vgtheory.estimate import Estimate
from vgtheory.expect import Numbers, expect_noun
from vgtheory.measure.arguments import asked, free, units
from vgtheory.measure.arguments import listed as may_be_listed
from vgtheory.measure.engine.averages import averaged, half_log_of_mean
from vgtheory.measure.engine.draws import COTANGENT, normal
from vgtheory.measure.engine.networks import wide
from vgtheory.measure.engine.runs import chosen_devices, lanes_for, run
from vgtheory.measure.engine.taps import log_norm, log_pair
from vgtheory.measure.layers.listed import Listed, Plan, planned_layers, unit_of
from vgtheory.networks.dense import Dense
from vgtheory.networks.listed import depth_of, known_width


class GramLayers(NamedTuple):
    """A batch of B examples at every layer.

    Attributes
    ----------
    log_q
        Natural log of the mean square of each example's h, shape
        ``(depth, B)``.
    c
        Mean over networks of the cosine of two examples' h, shape ``(depth, B, B)``.
    log_grad
        Log of the root mean square norm of each example's dE/dh, shape ``(depth, B)``.
    c_grad
        Mean of the cosine of two examples' dE/dh, shape ``(depth, B, B)``.
    log_grad_weight
        Log of the root mean square of the Frobenius norm of the whole batch's dE/dW, over the root
        of the layer's number of inputs, shape ``(depth,)``.
    """

    log_q: Estimate
    c: Estimate
    log_grad: Estimate
    c_grad: Estimate
    log_grad_weight: Estimate


class _Size(NamedTuple):
    """Static arguments of the compiled program."""

    plan: Plan
    depth: int
    dtype: str
    scalable: bool


class _Rows(NamedTuple):
    """Vectors of a batch: log-norms, shape ``(..., B)``, and cosines, shape ``(..., B, B)``."""

    log: Array
    cosines: Array


class _Record(NamedTuple):
    """One network: its h and its gradients at every layer, and the log-norm of the batch's weight gradients."""

    h: _Rows
    grad: _Rows
    log_grad_weight: Array


def _rows(x: Array, log_scale: Array) -> tuple[_Rows, Array]:
    """The record of a batch of vectors that are over ``exp(log_scale)``, and the unit vectors."""
    size, unit = jax.vmap(log_norm)(x)
    return _Rows(size + log_scale, jnp.dot(unit, unit.T, precision="highest")), unit


def _one(words: Array, given: tuple[Any, Array, Array], size: _Size) -> _Record:
    """Run one network up and down."""
    rows, inputs, root = given
    layers = Listed(
        words, size.plan, jax.tree.map(jnp.asarray, rows), size.dtype, size.scalable, unit_of(Dense("linear"))
    )
    batch, widest = len(inputs), size.plan.widest
    x_0 = jnp.zeros((batch, widest), size.dtype).at[:, : inputs.shape[1]].set(inputs)

    def up(state: tuple[Array, Array], layer: Array) -> tuple[tuple[Array, Array], tuple[Array, ...]]:
        x, log_scale = state
        h, seen = layers.affine(layer, x, log_scale), log_scale
        if size.scalable:
            grown = jax.vmap(log_norm)(h)[0]
            grown = jnp.where(jnp.isfinite(grown), grown - np.log(widest) / 2, 0.0)
            h, log_scale = h * jnp.exp(-grown).astype(h.dtype)[:, None], log_scale + grown
        return (layers.inputs(layer + 1, h, log_scale), log_scale), (x, seen, h, log_scale)

    places = jnp.arange(1, size.depth + 1)
    _, (x, log_x, h, log_h) = lax.scan(up, (x_0, jnp.zeros(batch, wide(size.dtype))), places)

    def down(state: tuple[Array, Array], seen: tuple[Array, ...]) -> tuple[tuple[Array, Array], tuple[_Rows, Array]]:
        (grad, log_grad), (layer, x, log_x, below, log_below) = state, seen
        found, unit = _rows(grad, log_grad)
        size_x = jax.vmap(log_norm)(x)[0]
        pair = log_pair(found.log + log_x + size_x, unit, x, size_x)
        passed = jnp.dot(unit, layers.weights(layer).matrix.T, precision=lax.Precision.HIGHEST)
        pulled = jax.vjp(lambda h: layers.inputs(layer, h, log_below), below)[1](passed)[0]
        return (pulled, found.log), (found, pair)

    z = normal(words, COTANGENT, 0, (root.shape[1], widest), wide(size.dtype)) * layers.mask(size.depth)[None, :]
    sizes = jnp.asarray(layers.rows.sizes, z.dtype)
    top = jnp.dot(root, z.astype(size.dtype), precision="highest") / jnp.sqrt(sizes[-1]).astype(size.dtype)
    below = tuple(jnp.concatenate([jnp.ones_like(each[:1]), each[:-1]]) for each in (h, log_h))
    start = top, jnp.zeros(batch, wide(size.dtype))
    _, (grads, pairs) = lax.scan(down, start, (places, x, log_x, *below), reverse=True)
    signals = jax.vmap(lambda h, log_h: _rows(h, log_h)[0])(h, log_h)
    signals = signals._replace(log=signals.log - jnp.log(sizes[1:])[:, None] / 2)
    return _Record(signals, grads, pairs - jnp.log(sizes[:-1]) / 2)


def _root(cotangent: Any, batch: int) -> np.ndarray:
    """Square root of the cotangents' matrix, shape (B, rank)."""
    if cotangent is None:
        return np.ones((batch, 1))
    eigenvalues, vectors = np.linalg.eigh(np.asarray(cotangent, float))
    return np.asarray(vectors * np.sqrt(np.maximum(eigenvalues, 0.0)))


def _sized(net: Dense, features: int, depth: int | None, width: int | None) -> Dense:
    """The network with the inputs' own size."""
    if net.widths is not None:
        return net
    sizes = (known_width("gram_layers", width),) * depth_of("gram_layers", net, depth)
    return dataclasses.replace(net, widths=(features, *sizes))


def _flat(samples: np.ndarray, links: np.ndarray, dtype: str, how: Any) -> Estimate:
    """Averages of entries with axes behind that of depth."""
    nets, *shape = samples.shape
    counts = np.broadcast_to(links.reshape(-1, *(1,) * (len(shape) - 1)), shape).ravel()
    found = how(samples.astype(np.float64).reshape(nets, -1), counts, dtype)
    return Estimate(*(np.reshape(each, shape) for each in found))


@asked(net=may_be_listed, depth=units, width=units, inputs=free, cotangent=free)
def gram_layers(
    key: Array,
    net: Dense,
    inputs: Numbers,
    *,
    depth: int | None = None,
    width: int | None = None,
    num_nets: int,
    cotangent: Numbers | None = None,
    dtype: str = "float32",
) -> GramLayers:
    r"""Lengths and overlaps of a batch of inputs at every layer, and the gradient of the whole batch.

    Every network gets the same inputs. Its gradient is that of :math:`\sum_b \delta_b \cdot h_L^b`
    for normal cotangents :math:`\delta_b` that do not depend on the weights.

    Parameters
    ----------
    key, net, depth, width, num_nets, dtype
        As for ``measure.log_grad_layers``; the network is a ``Dense``, whose first layer has as many
        inputs as there are features.
    inputs
        The batch, shape ``(B, features)``.
    cotangent
        Mean inner products of the examples' dE/dh_L, shape ``(B, B)``; None for ones.

    Returns
    -------
    GramLayers
        Estimates over networks; each ``err`` is one standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing about the network; ``h`` is renormalised where ``is_scalable`` allows it.

    Examples
    --------
    >>> import jax, numpy as np
    >>> from vgtheory import Dense, measure
    >>> net, x = Dense("relu", sigma_w=2**0.5), np.eye(2, 16)
    >>> found = measure.layers.gram_layers(jax.random.key(0), net, x, depth=3, width=64, num_nets=8)
    >>> found.c.value.shape, found.log_grad_weight.value.shape
    ((3, 2, 2), (3,))
    """
    where = "gram_layers"
    expect_noun(where, (Dense,), net=net)
    expect_batch(where, inputs, cotangent, net.widths[0] if net.widths else None)
    data = np.asarray(inputs, dtype)
    net = _sized(net, data.shape[1], depth, width)
    plan, rows, layers = planned_layers(where, net, depth, None, 1.0, dtype)
    root = _root(cotangent, len(data)).astype(dtype)
    depth, devices = len(layers.sigma_b), chosen_devices(None)
    numbers = plan.widest * max(plan.widest, depth * len(data))
    how: dict[str, Any] = {"num_nets": num_nets, "dtype": dtype, "lanes": lanes_for(numbers, num_nets, devices)}
    found = run(_one, key, (rows, data, root), _Size(plan, depth, dtype, plan.scalable), **how, devices=devices)
    up, down = np.arange(1, depth + 1), np.arange(depth, 0, -1)
    log_q = _flat(found.h.log, up, dtype, half_log_of_mean)
    return GramLayers(
        Estimate(2 * log_q.value, 2 * log_q.err),
        _flat(found.h.cosines, up, dtype, averaged),
        _flat(found.grad.log, down, dtype, half_log_of_mean),
        _flat(found.grad.cosines, down, dtype, averaged),
        _flat(found.log_grad_weight, down, dtype, half_log_of_mean),
    )
