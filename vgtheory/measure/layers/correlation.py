"""Correlation of two inputs sent through the same real networks, layer by layer."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.expect import expect, expect_noun
from vgtheory.measure.arguments import asked, count, number, optional, units
from vgtheory.measure.arguments import listed as may_be_listed
from vgtheory.measure.engine.averages import averaged
from vgtheory.measure.engine.links import Place, activate, affine, factors, is_scalable
from vgtheory.measure.engine.networks import draw_input, draw_weights, wide
from vgtheory.measure.engine.runs import chosen_devices, lanes_for, run
from vgtheory.measure.engine.taps import log_norm
from vgtheory.measure.layers import listed
from vgtheory.networks.dense import Dense
from vgtheory.networks.ensemble import Layered
from vgtheory.networks.listed import depth_of, is_listed, known_width
from vgtheory.networks.recurrent import Tied

LEAST = 3
"""Fewest units of an input that can have any correlation with another in any direction."""


class _Chain(NamedTuple):
    """A network: ``h`` of a layer from its index, input and log-scale, and that layer's output from its ``h``."""

    affine: Callable[[Array, Array, Array], Array]
    outputs: Callable[[Array, Array, Array], Array]


def _pair(inputs: Array, c_0: Array, size: Array | int) -> Array:
    """Two inputs of overlap c_0 from two of unit mean square over ``size`` units, shape (2, width)."""
    first, other = inputs
    apart = other - jnp.sum(first * other) / size * first
    apart = apart / jnp.sqrt(jnp.sum(apart**2) / size)
    return jnp.stack([first, c_0 * first + jnp.sqrt(1 - c_0**2) * apart])


def _pair_walk(chain: _Chain, start: Array, depth: int, dtype: str, scalable: bool) -> Array:
    """Correlations at every layer of one network, shape (depth,)."""

    def link(state: tuple[Array, Array], index: Array) -> tuple[tuple[Array, Array], Array]:
        x, log_scale = state
        h = chain.affine(index, x, log_scale)
        size, unit = jax.vmap(log_norm)(h)
        overlap = jnp.where(jnp.isfinite(size).all(), jnp.vdot(unit[0], unit[1]), jnp.nan)
        if scalable:
            grown = jnp.where(jnp.isfinite(size), size - np.log(start.shape[1]) / 2, 0.0)
            h, log_scale = h * jnp.exp(-grown).astype(dtype)[:, None], log_scale + grown
        return (chain.outputs(index, h, log_scale), log_scale), overlap

    return lax.scan(link, (start, jnp.zeros(2, wide(dtype))), jnp.arange(1, depth + 1))[1]


class _Size(NamedTuple):
    """Static arguments of the compiled program; ``plan`` is of listed layers."""

    depth: int
    width: int
    dtype: str
    scalable: bool
    plan: listed.Plan | None = None


def _one(words: Array, given: tuple[Layered, Array, Any], size: _Size) -> Array:
    """Run one network."""
    net, c_0, rows = given
    if size.plan is not None:
        layers = listed.Listed(words, size.plan, rows, size.dtype, size.scalable, listed.unit_of(net))
        return _one_listed(layers, c_0, size)
    tied = draw_weights(words, net, 1, size.width, size.dtype) if isinstance(net, Tied) else None
    weights_of = lambda index: tied or draw_weights(words, net, index, size.width, size.dtype)

    def noisy(index: Array, x: Array, log_scale: Array) -> Array:
        place = Place(words, index)
        return affine(net, weights_of(index), x * factors(net, place, x.shape, x.dtype), log_scale, place)

    chain = _Chain(
        noisy,
        lambda index, h, log_scale: activate(net.activation, h, log_scale, size.scalable),
    )
    start = _pair(draw_input(words, size.width, size.dtype, 2), c_0, size.width)
    return _pair_walk(chain, start, size.depth, size.dtype, size.scalable)


def _one_listed(layers: listed.Listed, c_0: Array, size: _Size) -> Array:
    """Run one network whose layers are listed."""
    chain = _Chain(layers.affine, lambda index, h, log_scale: layers.inputs(index + 1, h, log_scale))
    rms = jnp.asarray(layers.rows.input_rms, size.dtype)
    start = _pair(layers.start(2) / rms, c_0, jnp.asarray(layers.rows.sizes, size.dtype)[0]) * rms
    return _pair_walk(chain, start, size.depth, size.dtype, size.scalable)


@asked(noise=True, net=may_be_listed, depth=units, c_0=number("[-1, 1]"), width=optional(count(LEAST)))
def c_layers(
    key: Array,
    net: Layered,
    *,
    depth: int | None = None,
    width: int | None = None,
    num_nets: int,
    c_0: float = 0.5,
    dtype: str = "float32",
    input_square: float = 1.0,
) -> Estimate:
    r"""Correlation of two inputs at every layer of the same networks.

    .. math:: c_l = \frac{h_l \cdot h'_l}{|h_l|\, |h'_l|}, \qquad l = 1 \dots L

    The two inputs have exactly the mean square ``input_square`` and overlap ``c_0``. Noise is
    independent for them.

    Parameters
    ----------
    key, net, depth, width, num_nets, dtype
        As for ``measure.log_grad_layers``; at least 3 units, and scalar ``sigma_w`` and ``sigma_b``
        unless layers are listed.
    c_0
        Correlation of the two inputs, from -1 to 1.
    input_square
        Mean square of both inputs of a ``Dense``.

    Returns
    -------
    Estimate
        Mean over networks of ``c_l``, shape ``(depth,)``; ``err`` is one standard error.

    Notes
    -----
    Accuracy: ``err``; NaN from a dead layer upwards. The mean at width N differs from infinite
    width by up to 4 sqrt(1 - c^2) / N, most in the chaotic phase. This bound was found by
    measurement at widths 64 and 128; it was not derived.
    Assumes: nothing about the network; ``h`` is renormalised where ``is_scalable`` allows it.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net = Dense("tanh", sigma_w=0.8, sigma_b=0.3)  # ordered
    >>> c = measure.layers.c_layers(jax.random.key(0), net, depth=8, width=64, num_nets=4)
    >>> bool(c.value[-1] > c.value[0])
    True
    """
    devices, rows, plan = chosen_devices(None), None, None
    if is_listed(net) or input_square != 1:
        expect_noun("c_layers", (Dense,), "Only its layers may differ, or have another input.", net=net)
        plan, rows, layers = listed.planned_layers("c_layers", net, depth, width, input_square, dtype)
        expect(layers.sizes[0] >= LEAST, "c_layers", f"at least {LEAST} inputs", widths=layers.sizes)
        depth, width, scalable = len(layers.sigma_b), plan.widest, plan.scalable
    else:
        depth, width = depth_of("c_layers", net, depth), known_width("c_layers", width)
        scalable = is_scalable(net.activation)
    size = _Size(depth, width, dtype, scalable, plan)
    how: dict[str, Any] = {"num_nets": num_nets, "dtype": dtype, "lanes": lanes_for(width**2, num_nets, devices)}
    walked = run(_one, key, (net, np.asarray(c_0, dtype), rows), size, **how, devices=devices)
    return averaged(walked.astype(np.float64), np.arange(1, depth + 1), dtype)
