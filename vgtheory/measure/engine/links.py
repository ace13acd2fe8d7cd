"""One link of a chain of real layers, with ``h`` near unit size and its scale kept as a log."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.activation import Activation
from vgtheory.measure.engine.networks import Weights, scale_w
from vgtheory.networks.ensemble import Layered

_LOG_EDGE = 60.0


def is_scalable(activation: Activation) -> bool:
    """Whether h may be renormalised: ``phi(s h) / s`` has a limit for s to 0 and for s to infinity.

    This holds for functions that pass through 0 with a finite slope and are bounded or straight at
    infinity. The scale may then stop at exp(-60) and exp(60) without an error visible in float64.
    """
    with jax.enable_x64(True):
        signs = jnp.asarray([1.0, -1.0])
        ratios = [activation.phi(signs * jnp.exp(edge)) / jnp.exp(edge) for edge in (-60.0, -45.0, 45.0, 60.0)]
        tiny, small, large, huge = (np.asarray(ratio) for ratio in ratios)
        return bool(np.allclose(tiny, small, rtol=1e-9, atol=1e-15) and np.allclose(large, huge, rtol=1e-9, atol=1e-15))


def affine(net: Layered, weights: Weights, x: Array, log_scale: Array) -> Array:
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
    """
    product = jnp.dot(x, weights.matrix, precision=lax.Precision.HIGHEST)
    relative = jnp.exp(jnp.minimum(-log_scale, _LOG_EDGE)).astype(x.dtype)
    bias = net.sigma_b * relative[:, None] * weights.bias[None, :]
    return (scale_w(net) * product + bias).astype(x.dtype)


def activate(activation: Activation, h: Array, log_scale: Array, scalable: bool) -> Array:
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
    """
    if not scalable or activation.degree == 1:
        # Homogeneous: the scale cancels, and using it would cost small components of the gradient their range.
        return activation.phi(h).astype(h.dtype)
    seen = jnp.clip(log_scale, -_LOG_EDGE, _LOG_EDGE)
    there, back = (jnp.exp(log).astype(h.dtype)[:, None] for log in (seen, -seen))
    return (activation.phi(h * there) * back).astype(h.dtype)
