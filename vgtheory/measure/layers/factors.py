"""Effect of the weights and of the activation's slopes on the gradient, separately, layer by layer.

In the backward pass ``W^T g`` and then ``D W^T g`` are formed, and a ``tap`` behind each records
the change of the norm. In the forward pass ``h`` is divided by constants; their effect on the
gradient is added back.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from vgtheory.measure.arguments import asked
from vgtheory.measure.engine.averages import averaged
from vgtheory.measure.engine.links import activate, affine, is_scalable
from vgtheory.measure.engine.networks import draw_cotangent, draw_input, draw_weights, wide
from vgtheory.measure.engine.runs import chosen_devices, lanes_for, run
from vgtheory.measure.engine.taps import log_norm, tap
from vgtheory.networks.ensemble import Layered


class Parts(NamedTuple):
    """Effect of the two factors of a layer on the gradient's norm, as natural logs.

    Attributes
    ----------
    weights
        Log of ``|W^T g| / |g|``.
    slopes
        Log of ``|D W^T g| / |W^T g|``, D the diagonal matrix of the activation's slopes.
    """

    weights: Any
    slopes: Any


def _walk(words: Array, net: Layered, depth: int, width: int, dtype: str, scalable: bool) -> Parts:
    """Run one network; index l of both parts is the link from l+1 to l, and the last is 0."""

    def climb(x: Array, log_scale: Array, index: ArrayLike) -> tuple[Array, Array, Array]:
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
    """Static arguments of the compiled program."""

    depth: int
    width: int
    dtype: str
    scalable: bool


def _one(words: Array, net: Layered, size: _Size) -> Parts:
    """Run one network."""
    return _walk(words, net, *size)


@asked()
def link_parts(key: Array, net: Layered, *, depth: int, width: int, num_nets: int, dtype: str = "float32") -> Parts:
    """Effect of weights and slopes on the gradient at every layer of every network.

    Parameters
    ----------
    key, net, depth, width, num_nets, dtype
        As for ``measure.log_grad_layers``, with scalar ``sigma_w`` and ``sigma_b``. Network i is
        the same as in ``measure.samples``.

    Returns
    -------
    Parts
        Natural logs of the norms' ratios from layer l+1 to layer l, float64, shape
        ``(num_nets, depth)``; 0 at the top. The sum of both parts over the layers from l upwards is
        ``log_grad`` of ``measure.samples``.

    Notes
    -----
    Accuracy: one rounding of ``dtype`` per entry.
    Assumes: nothing about the network. Memory grows with depth times the number of weights per
    layer.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net, size = Dense("tanh", sigma_w=1.5), {"depth": 8, "width": 64, "num_nets": 4}
    >>> parts = measure.layers.link_parts(jax.random.key(0), net, **size)
    >>> bool((parts.slopes[:, :-1] < 0).all())  # slopes of at most 1 only reduce the norm
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
    r"""Effect of weights and slopes on the gradient at every layer, averaged over networks.

    .. math:: \ln \frac{|W_{l+1}^{\mathsf T} g_{l+1}|}{|g_{l+1}|}, \qquad
        \ln \frac{|D_l W_{l+1}^{\mathsf T} g_{l+1}|}{|W_{l+1}^{\mathsf T} g_{l+1}|},
        \qquad l = 1 \dots L - 1

    Parameters
    ----------
    key, net, depth, width, num_nets, dtype
        As for ``measure.log_grad_layers``, with scalar ``sigma_w`` and ``sigma_b``.

    Returns
    -------
    Parts
        Two ``Estimate``, each of shape ``(depth,)``, last entry 0: means over networks of natural
        logs per layer; ``err`` is one standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: as ``link_parts``.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net, size = Dense("tanh", sigma_w=1.5), {"depth": 8, "width": 64, "num_nets": 4}
    >>> parts = measure.layers.log_parts_layers(jax.random.key(0), net, **size)
    >>> bool((parts.slopes.value[:-1] < 0).all())
    True
    """
    parts = link_parts(key, net, depth=depth, width=width, num_nets=num_nets, dtype=dtype)
    return Parts(*(averaged(samples, np.full(depth, 1), dtype) for samples in parts))
