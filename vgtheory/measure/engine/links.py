"""One link of a chain of real layers, with ``h`` near unit size and its scale kept as a log."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import DTypeLike

from vgtheory.activation import Activation
from vgtheory.activations.units import RReLU, Unit
from vgtheory.measure.engine.draws import ADDED, DROPPED, PRUNED, SLOPES, normal, signed_uniform
from vgtheory.measure.engine.networks import Weights, scale_w
from vgtheory.networks.noise import is_noisy

_LOG_EDGE = 60.0


def is_scalable(activation: Activation | Unit) -> bool:
    """Whether h may be renormalised: ``phi(s h) / s`` has a limit for s to 0 and for s to infinity.

    This holds for functions that pass through 0 with a finite slope and are bounded or straight at
    infinity. The scale may then stop at exp(-60) and exp(60) without an error visible in float64.
    """
    signs = np.array([1.0, -1.0] * (activation.fan if isinstance(activation, Unit) else 1))
    sizes = np.exp([[-60.0], [-45.0], [45.0], [60.0]])
    with jax.enable_x64(True):
        tiny, small, large, huge = np.asarray(jax.jit(lambda h: activation.phi(h))(signs * sizes)) / sizes
        return bool(np.allclose(tiny, small, rtol=1e-9, atol=1e-15) and np.allclose(large, huge, rtol=1e-9, atol=1e-15))


class Place(NamedTuple):
    """Where noise is drawn: the network's key, and the layer, which may be traced."""

    words: Array
    layer: Any


def kept(dropout: float, place: Place, role: int, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Factors of mean 1 that are 0 with a probability."""
    sizes = signed_uniform(place.words, role, place.layer, shape, dtype)[0]
    return jnp.where(sizes > dropout, 1 / (1 - dropout), 0.0).astype(dtype)


def factors(net: Any, place: Place, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
    """Dropout's factors of a layer's input, one for each input and unit; 1 without dropout."""
    if not is_noisy(net) or net.dropout == 0:
        return 1
    if net.mask == "bernoulli":
        return kept(net.dropout, place, DROPPED, shape, dtype)
    spread = (net.dropout / (1 - net.dropout)) ** 0.5
    return (1 + spread * normal(place.words, DROPPED, place.layer, shape, dtype)).astype(dtype)


def added(net: Any, place: Place, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Noise added to h, at its own scale."""
    return (net.sigma_noise * normal(place.words, ADDED, place.layer, shape, dtype)).astype(dtype)


def _product(net: Any, weights: Weights, x: Array, place: Place | None) -> Array:
    """``W x``, with other weights dropped for every input where there is DropConnect."""
    if place is None or net.dropconnect == 0:
        return jnp.dot(x, weights.matrix, precision=lax.Precision.HIGHEST)
    masks = kept(net.dropconnect, place, PRUNED, (len(x), *weights.matrix.shape), x.dtype)
    one = lambda x, mask: jnp.dot(x, weights.matrix * mask, precision=lax.Precision.HIGHEST)
    return jax.vmap(one)(x, masks)


def affine(net: Any, weights: Weights, x: Array, log_scale: Array, place: Place | None = None) -> Array:
    """``W x + b`` in units of ``exp(log_scale)``, with the product at the highest precision.

    Parameters
    ----------
    net
        The ensemble, with scalar ``sigma_w`` and ``sigma_b``.
    weights
        The layer's draw.
    x
        The layer's input over ``exp(log_scale)``, shape ``(inputs, width)``.
    log_scale
        Natural log of the divisor of ``x``, shape ``(inputs,)``.
    place
        Where DropConnect and added noise are drawn; None for a network without.
    """
    place = place if is_noisy(net) else None
    product = _product(net, weights, x, place)
    relative = jnp.exp(jnp.minimum(-log_scale, _LOG_EDGE)).astype(x.dtype)
    bias = net.sigma_b * relative[:, None] * weights.bias[None, :]
    if place is not None and net.sigma_noise > 0:
        bias = bias + relative[:, None] * added(net, place, product.shape, x.dtype)
    return (scale_w(net) * product + bias).astype(x.dtype)


def _applied(activation: Activation | Unit, h: Array, place: Place | None) -> Array:
    """Outputs of pre-activations; random slopes are drawn at the place of their ``h``."""
    if isinstance(activation, RReLU) and place is not None:
        return activation.phi(h, signed_uniform(place.words, SLOPES, place.layer, h.shape, h.dtype)[0])
    return activation.phi(h)


def activate(
    activation: Activation | Unit, h: Array, log_scale: Array, scalable: bool, place: Place | None = None
) -> Array:
    """``phi`` at the true scale, over that scale.

    Parameters
    ----------
    activation
        The nonlinearity.
    h
        Pre-activations over ``exp(log_scale)``, shape ``(inputs, width)``.
    log_scale
        Natural log, shape ``(inputs,)``.
    scalable
        Whether ``is_scalable`` holds, so that the scale may stop at exp(-60) and exp(60).
    place
        Where random slopes are drawn; None for those of their mean.
    """
    if not scalable or activation.degree == 1:
        # Homogeneous: the scale cancels, and using it would cost small components of the gradient their range.
        return _applied(activation, h, place).astype(h.dtype)
    seen = jnp.clip(log_scale, -_LOG_EDGE, _LOG_EDGE)
    there, back = (jnp.exp(log).astype(h.dtype)[:, None] for log in (seen, -seen))
    return (_applied(activation, h * there, place) * back).astype(h.dtype)
