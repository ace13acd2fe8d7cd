"""How feed-forward networks are trained: optimisers at rate 1, which ``training_logs`` multiplies; one object each, so that programs are shared."""

from functools import cache, reduce
from typing import Any

import jax
import jax.numpy as jnp
import optax

BETA = 0.9
"""Of momentum, and of Adam's first moment."""
OPTIMISERS = {
    "sgd": optax.sgd(1.0),
    "momentum": optax.sgd(1.0, momentum=BETA),
    "rmsprop": optax.rmsprop(1.0),
    "adam": optax.adam(1.0, b1=BETA),
    "sign": optax.sign_sgd(1.0),
}
LABELS = {"sgd": "SGD", "momentum": "momentum", "rmsprop": "RMSProp", "adam": "Adam", "sign": "sign"}
CLIPS = ("none", "norm", "value", "layer")
CLIP_LABELS = {"none": "not clipped", "norm": "global norm", "value": "by value", "layer": "per layer"}


def _scaled(leaves: list[Any], largest: float) -> list[Any]:
    """Arrays of one layer, scaled together to a norm of at most ``largest``; no entry is squared before the largest is divided out."""
    peak = reduce(jnp.maximum, [jnp.abs(leaf).max() for leaf in leaves])
    safe = jnp.where(peak > 0, peak, 1.0)
    norm = safe * jnp.sqrt(sum(jnp.sum((leaf / safe) ** 2) for leaf in leaves))
    return [jnp.where(norm > largest, leaf / safe * (largest / norm * safe), leaf) for leaf in leaves]


def clip_layers(largest: float) -> optax.GradientTransformation:
    """Each layer of ``training_logs`` by itself, matrix and bias together; those stacked one by one."""

    def layer(tree: Any) -> Any:
        leaves, shape = jax.tree.flatten(tree)
        return jax.tree.unflatten(shape, _scaled(leaves, largest))

    def update(slopes: Any, _: Any = None) -> Any:
        return {name: jax.vmap(layer)(each) if name == "hidden" else layer(each) for name, each in slopes.items()}

    return optax.stateless(update)


@cache
def clipped(method: str, num_layers: int, num_entries: int) -> optax.GradientTransformation:
    """SGD at rate 1 whose step has a norm of at most 1, by one bound for all: on the whole, on every layer's part or on every entry."""
    makers = {
        "none": optax.identity,
        "norm": lambda: optax.clip_by_global_norm(1.0),
        "value": lambda: optax.clip(num_entries**-0.5),
        "layer": lambda: clip_layers(num_layers**-0.5),
    }
    return optax.chain(makers[method](), optax.sgd(1.0))


@cache
def decayed(decay: float) -> optax.GradientTransformation:
    """SGD at rate 1 with half ``decay`` times the squared norm of all parameters in the loss."""
    return optax.chain(optax.add_decayed_weights(decay), optax.sgd(1.0))
