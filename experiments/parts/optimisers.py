"""How feed-forward networks are trained: optimisers at rate 1, which ``training_logs`` multiplies; one object each, so that programs are shared."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import optax

BETA = 0.9
"""Of momentum, and of Adam's first moment."""
CLIP = 1.0
"""Norm of the whole gradient, beyond which it is shortened."""
OPTIMISERS = {
    "sgd": optax.sgd(1.0),
    "momentum": optax.sgd(1.0, momentum=BETA),
    "rmsprop": optax.rmsprop(1.0),
    "adam": optax.adam(1.0, b1=BETA),
    "sign": optax.sign_sgd(1.0),
    "clipped": optax.chain(optax.clip_by_global_norm(CLIP), optax.sgd(1.0)),
}
LABELS = {"sgd": "SGD", "momentum": "momentum", "rmsprop": "RMSProp", "adam": "Adam", "sign": "sign"}
LABELS |= {"clipped": "clipped SGD"}
CLIPS = ("none", "norm", "value", "layer")


def _scaled(leaf: jax.Array, largest: float) -> jax.Array:
    """An array scaled to a norm of at most ``largest``; no entry is squared before the largest is divided out."""
    peak = jnp.abs(leaf).max()
    unit = leaf / jnp.where(peak > 0, peak, 1.0)
    norm = jnp.sqrt(jnp.sum(unit**2))
    return jnp.where(peak * norm > largest, unit * (largest / norm), leaf)


def clip_layers(largest: float) -> optax.GradientTransformation:
    """Each matrix and each bias of ``training_logs`` by itself; those stacked one by one."""
    scaled = lambda leaf: _scaled(leaf, largest)

    def update(slopes: Any, _: Any = None) -> Any:
        each = {name: jax.vmap(scaled) if name == "hidden" else scaled for name in slopes}
        return {name: jax.tree.map(each[name], slopes[name]) for name in slopes}

    return optax.stateless(update)


@cache
def clipped(method: str, num_layers: int, num_entries: int) -> optax.GradientTransformation:
    """SGD at rate 1 whose step has a norm of at most 1, by one bound for all: on the whole, on every layer's matrix and bias or on every entry."""
    makers = {
        "none": optax.identity,
        "norm": lambda: optax.clip_by_global_norm(1.0),
        "value": lambda: optax.clip(num_entries**-0.5),
        "layer": lambda: clip_layers((2 * num_layers) ** -0.5),
    }
    return optax.chain(makers[method](), optax.sgd(1.0))


@cache
def decayed(decay: float) -> optax.GradientTransformation:
    """SGD at rate 1 with half ``decay`` times the squared norm of all parameters in the loss."""
    return optax.chain(optax.add_decayed_weights(decay), optax.sgd(1.0))
