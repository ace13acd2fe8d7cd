r"""What the weights and what the slopes of the activation do to the gradient, apart, at every layer of real networks.

Going down, ``W^T g`` and then ``D W^T g`` is taken, and a ``tap`` behind each keeps what it did to the norm. Forward, ``h`` is
renormalised by constants; what they do to the gradient is added back.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.measure.arguments import asked
from vgtheory.measure.engine.averages import averaged
from vgtheory.measure.engine.links import activate, affine, is_scalable
from vgtheory.measure.engine.networks import draw_cotangent, draw_input, draw_weights, wide
from vgtheory.measure.engine.runs import chosen_devices, lanes_for, run
from vgtheory.measure.engine.taps import log_norm, tap
from vgtheory.networks.ensemble import Layered


class Parts(NamedTuple):
    """The two factors of a layer's gradient, as natural logs.

    Attributes
    ----------
    weights
        What ``W^T`` does to the norm.
    slopes
        What the slopes of the activation do to it after that.
    """

    weights: Any
    slopes: Any


def _walk(words: Array, net: Layered, depth: int, width: int, dtype: str, scalable: bool) -> Parts:
    """One network; both parts of shape (depth,), at index l between layers l+1 and l, the last one unused."""

    def climb(x: Array, log_scale: Array, index: Any) -> tuple[Array, Array, Array]:
        h = affine(net, draw_weights(words, net, index, width, dtype), x, log_scale)
        if not scalable:
            return h, log_scale, jnp.zeros_like(log_scale)
        size = log_norm(lax.stop_gradient(h))[0]
        log_rms = jnp.where(jnp.isfinite(size), size - np.log(width) / 2, 0.0)[None]
        return h * jnp.exp(-log_rms).astype(dtype)[:, None], log_scale + log_rms, log_rms

    def energy(slots: Parts) -> tuple[Array, Array]:
        h, log_scale, _ = climb(draw_input(words, width, dtype, 1), jnp.zeros(1, slots.weights.dtype), 1)

        def link(state: tuple[Array, Array], inputs: tuple[Array, Parts]) -> tuple[tuple[Array, Array], Array]:
            (h, log_scale), (index, slot) = state, inputs
            x = activate(net.activation, tap(h, slot.slopes), log_scale, scalable)
            h, log_scale, log_rms = climb(tap(x, slot.weights), log_scale, index)
            return (h, log_scale), log_rms

        (h, _), log_rms = lax.scan(link, (h, log_scale), (jnp.arange(2, depth + 1), slots))
        return jnp.vdot(log_norm(draw_cotangent(words, width, dtype, 1))[1], h), log_rms[:, 0]

    zeros = jnp.zeros(depth - 1, wide(dtype))
    parts, log_rms = jax.grad(energy, has_aux=True)(Parts(zeros, zeros))
    top = jnp.zeros(1, zeros.dtype)
    return Parts(jnp.concatenate([parts.weights + log_rms, top]), jnp.concatenate([parts.slopes, top]))


class _Size(NamedTuple):
    """What a program is compiled for."""

    depth: int
    width: int
    dtype: str
    scalable: bool


def _one(words: Array, net: Layered, size: _Size) -> Parts:
    """One network."""
    return _walk(words, net, *size)


@asked()
def link_parts(key: Array, net: Layered, *, depth: int, width: int, num_nets: int, dtype: str = "float32") -> Parts:
    r"""Both parts of the gradient's log-factor at every layer of every network.

    Parameters
    ----------
    key
        A JAX key; network i uses ``fold_in(key, i)`` and is the one that ``samples`` walks for it.
    net
        The ensemble, with scalar ``sigma_w`` and ``sigma_b``.
    depth, width, num_nets
        Numbers of layers, units and networks.
    dtype
        ``"float32"`` or ``"float64"``.

    Returns
    -------
    Parts
        Arrays of shape ``(num_nets, depth)``, float64: of the norm, per layer, from layer l+1 to layer l; 0 at the top. Their
        sum over the layers from l up is ``samples``'s ``log_grad``.

    Raises
    ------
    ValueError
        If a count is no positive integer or the format is unknown.

    Notes
    -----
    Accuracy: one rounding of ``dtype`` per entry.
    Assumes: nothing about the network. Memory grows with depth times the number of weights of a layer.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> parts = measure.layers.link_parts(jax.random.key(0), Dense("relu", 1.4), depth=4, width=16, num_nets=3)
    >>> bool((parts.slopes[:, :-1] < 0).all())  # slopes of at most 1 only take away
    True
    """
    size, devices = _Size(depth, width, dtype, is_scalable(net.activation)), chosen_devices(None)
    how: dict[str, Any] = {"num_nets": num_nets, "dtype": dtype, "lanes": lanes_for(width**2, num_nets, devices)}
    walked = run(_one, key, net, size, **how, devices=devices)
    return Parts(*(leaf.astype(np.float64) for leaf in walked))


@asked()
def log_parts_layers(
    key: Array, net: Layered, *, depth: int, width: int, num_nets: int, dtype: str = "float32"
) -> Parts:
    r"""What each layer's weights, and what its slopes, do to the norm of the gradient.

    .. math:: \ln \frac{|W_{l+1}^{\mathsf T} g_{l+1}|}{|g_{l+1}|}, \qquad
        \ln \frac{|D_l W_{l+1}^{\mathsf T} g_{l+1}|}{|W_{l+1}^{\mathsf T} g_{l+1}|}, \qquad l = 1 \dots L - 1

    Parameters
    ----------
    key
        A JAX key.
    net
        The ensemble, with scalar ``sigma_w`` and ``sigma_b``.
    depth, width, num_nets
        Numbers of layers, units and networks.
    dtype
        ``"float32"`` or ``"float64"``.

    Returns
    -------
    Parts
        Two ``Estimate``, each of shape ``(depth,)``, per layer, the last entry 0: means over networks of natural logs;
        ``err`` is one standard error.

    Raises
    ------
    ValueError
        As ``link_parts``.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: as ``link_parts``.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> parts = measure.layers.log_parts_layers(jax.random.key(0), Dense("linear", 1.0), depth=4, width=64, num_nets=8)
    >>> bool((abs(parts.slopes.value) < 1e-6).all())
    True
    """
    parts = link_parts(key, net, depth=depth, width=width, num_nets=num_nets, dtype=dtype)
    return Parts(*(averaged(samples, np.full(depth, 1), dtype) for samples in parts))
