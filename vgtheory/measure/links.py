"""One link of a chain of real Flax layers, its ``h`` kept near unit size while its true scale goes along as a log."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.activation import Activation
from vgtheory.measure.networks import Layer
from vgtheory.measure.tap import log_norm

_LOG_EDGE = 60.0
CHUNK_WEIGHTS = 2**18
"""Networks walked together have so many weights per layer: what fits a processor's cache."""


def affine(layer: Layer, params: Any, x: Array, log_scale: Array, scalable: bool) -> tuple[Array, Array]:
    """``W x + b`` over its root mean square, and the log of that; no derivative passes through the latter.

    Parameters
    ----------
    layer, params
        The Flax layer and its variables.
    x
        The layer's input over ``exp(log_scale)``, shape ``(width,)`` or ``(inputs, width)``.
    log_scale
        Natural log of what ``x`` was divided by, shape ``()``.
    scalable
        Whether ``h`` may be renormalised (``chain.is_scalable``); if not, it is left as it is.

    Returns
    -------
    tuple of arrays
        ``h`` over ``exp(log_scale)`` and its rms, and the log of that rms (0 where nothing was divided by it).
    """
    dense = params["params"]["Dense_0"]
    bias = (dense["bias"] * jnp.exp(jnp.minimum(-log_scale, _LOG_EDGE))).astype(x.dtype)
    h: Any = layer.apply({"params": {"Dense_0": {"kernel": dense["kernel"], "bias": bias}}}, x)
    if not scalable:
        return h, jnp.zeros_like(log_scale)
    log_size, _ = log_norm(lax.stop_gradient(h))
    log_rms = jnp.where(jnp.isfinite(log_size), log_size - np.log(h.size) / 2, 0.0)
    return h * jnp.exp(-log_rms).astype(x.dtype), log_rms


def activate(activation: Activation, h: Array, log_scale: Array, scalable: bool) -> Array:
    """``phi`` at the true scale, over that scale.

    Parameters
    ----------
    activation
        The nonlinearity.
    h
        Pre-activations over ``exp(log_scale)``.
    log_scale
        Natural log, shape ``()``.
    scalable
        Whether ``phi`` may be evaluated at a scale no further than exp(60) from 1 (``chain.is_scalable``).
    """
    log_seen = jnp.clip(log_scale, -_LOG_EDGE, _LOG_EDGE) if scalable else log_scale
    return (activation.phi(h * jnp.exp(log_seen).astype(h.dtype)) * jnp.exp(-log_seen)).astype(h.dtype)


def chunks(num_nets: int, width: int) -> tuple[int, int]:
    """How many chunks of how many networks to walk.

    Parameters
    ----------
    num_nets, width
        Numbers of networks and units.
    """
    size = int(np.clip(CHUNK_WEIGHTS // width**2, 1, min(16, num_nets)))
    return -(-num_nets // size), size
