"""Minibatch after minibatch through networks whose weights stand still: what optimisers make of each entry's gradient in the long run."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from vgtheory import Dense, measure

BETA_1, BETA_2, EPS = 0.9, 0.999, 1e-8
RULES = {
    "SGD": optax.identity(),
    "RMSProp": optax.scale_by_rms(decay=BETA_2, eps=EPS, eps_in_sqrt=False, bias_correction=True),
    "Adam": optax.scale_by_adam(b1=BETA_1, b2=BETA_2, eps=EPS),
    "sign": optax.scale_by_sign(),
}
"""RMSProp with Adam's memory, so that the two differ in momentum alone."""
BETA_OF = {"RMSProp": 0.0, "Adam": BETA_1}


class Setting(NamedTuple):
    """How long, and of which size."""

    depth: int
    width: int
    batch: int
    burn_in: int
    num_draws: int
    apart: int


def _grads(matrices: Array, net: Dense, key: Array, batch: int) -> Array:
    """Diagonals of every layer's gradient for fresh normal inputs and cotangents, shape (depth, width)."""
    first, second = jax.random.split(key)
    width = matrices.shape[-1]
    x = jax.random.normal(first, (batch, width))
    x = x / jnp.sqrt(jnp.mean(x**2, axis=1, keepdims=True))
    top = jax.random.normal(second, (batch, width)) / batch
    affine = lambda x, matrix: jnp.dot(x, matrix, precision=lax.Precision.HIGHEST)

    def climb(h: Array, matrix: Array) -> tuple[Array, Array]:
        return affine(net.activation.phi(h), matrix), h

    def descend(g: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        h, matrix = inputs
        x, pull = jax.vjp(net.activation.phi, h)
        return pull(affine(g, matrix.T))[0], jnp.sum(g * x, axis=0)

    _, kept = lax.scan(climb, affine(x, matrices[0]), matrices[1:])
    g, above = lax.scan(descend, top, (kept, matrices[1:]), reverse=True)
    return jnp.concatenate([jnp.sum(g * x, axis=0)[None], above])


def _one(key: Array, net: Dense, setting: Setting) -> dict[str, Array]:
    """One network: log|update| by every rule, shape (depth, width, num_draws)."""
    depth, width, batch, burn_in, num_draws, apart = setting
    drawn, stream = jax.random.split(key)
    matrices = net.sigma_w * width**-0.5 * jax.random.normal(drawn, (depth, width, width))
    states = {name: rule.init(jnp.zeros((depth, width))) for name, rule in RULES.items()}

    def step(states: Any, index: Array) -> tuple[Any, dict[str, Array]]:
        grads = _grads(matrices, net, jax.random.fold_in(stream, index), batch)
        moved = {name: rule.update(grads, states[name]) for name, rule in RULES.items()}
        logs = {name: jnp.log(jnp.abs(update)) for name, (update, _) in moved.items()}
        return {name: state for name, (_, state) in moved.items()}, logs

    def stretch(states: Any, indices: Array) -> tuple[Any, dict[str, Array]]:
        states, _ = lax.scan(lambda states, index: (step(states, index)[0], None), states, indices[:-1])
        return step(states, indices[-1])

    states, _ = lax.scan(lambda states, index: (step(states, index)[0], None), states, jnp.arange(burn_in))
    indices = burn_in + jnp.arange(num_draws * apart).reshape(num_draws, apart)
    _, logs = lax.scan(stretch, states, indices)
    return {name: jnp.moveaxis(each, 0, -1) for name, each in logs.items()}


def log_updates(key: Array, net: Dense, setting: Setting, num_nets: int) -> dict[str, np.ndarray]:
    """log|update| of every rule, shape (num_nets, depth, width, num_draws)."""
    run = jax.jit(lambda keys: lax.map(lambda key: _one(key, net, setting), keys))
    return jax.tree.map(np.asarray, run(jax.random.split(key, num_nets)))


def split_of(logs: np.ndarray) -> measure.magnitudes.VarianceSplit:
    """Its variance, split, averaged over networks."""
    return measure.magnitudes.averaged_split(measure.magnitudes.variance_split(logs))
