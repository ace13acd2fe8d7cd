"""The same measurement as one would write it without this package: torch.func.vmap, Flax with jax.grad, a scan over stacked weights.

Each draws its networks' weights, sends a batch of inputs through, and returns the norms of every layer's gradients with respect
to activations and to weights. Plain arithmetic: nothing is renormalised, so they measure only what float32 holds.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax


def _norms(by_h: Array, by_w: Array) -> tuple[Array, Array]:
    return jnp.sqrt(jnp.sum(by_h**2, axis=(-2, -1))), jnp.sqrt(jnp.sum(by_w**2, axis=(-2, -1)))


def flax_unrolled(depth: int, width: int, batch: int, sigma_w: float) -> Any:
    """One network: a Flax module with a Python loop over layers, ``jax.grad`` with respect to parameters and perturbations."""
    import flax.linen as nn

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x: Array, offsets: Array) -> Array:
            for layer in range(depth):
                init = nn.initializers.normal(sigma_w / width**0.5)
                h = nn.Dense(width, kernel_init=init, name=f"layer_{layer}")(x) + offsets[layer]
                x = jnp.tanh(h)
            return h

    module = Net()

    @jax.jit
    def run(key: Array) -> tuple[Array, Array]:
        keys = jax.random.split(key, 3)
        x, top = (jax.random.normal(each, (batch, width)) for each in keys[:2])
        offsets = jnp.zeros((depth, batch, width))
        params = module.init(keys[2], x, offsets)
        by_w, by_h = jax.grad(lambda p, o: jnp.vdot(top, module.apply(p, x, o)), argnums=(0, 1))(params, offsets)
        kernels = [by_w["params"][f"layer_{layer}"]["kernel"] for layer in range(depth)]
        rows = [_norms(by_h[layer], kernels[layer]) for layer in range(depth)]
        return jnp.stack([row[0] for row in rows]), jnp.stack([row[1] for row in rows])

    return lambda index: jax.block_until_ready(run(jax.random.key(index)))


def naive_scan(depth: int, width: int, batch: int, sigma_w: float) -> Any:
    """One network: ``lax.scan`` over stacked weights, ``jax.grad`` with respect to the stack."""

    @jax.jit
    def run(key: Array) -> tuple[Array, Array]:
        keys = jax.random.split(key, 3)
        x, top = (jax.random.normal(each, (batch, width)) for each in keys[:2])
        weights = jax.random.normal(keys[2], (depth, width, width)) * sigma_w / width**0.5

        def energy(weights: Array, offsets: Array) -> Array:
            def link(state: tuple[Array, Array], inputs: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
                h = state[0] @ inputs[0] + inputs[1]
                return (jnp.tanh(h), h), None

            (_, h), _ = lax.scan(link, (x, x), (weights, offsets))
            return jnp.vdot(top, h)

        by_w, by_h = jax.grad(energy, argnums=(0, 1))(weights, jnp.zeros((depth, batch, width)))
        return _norms(by_h, by_w)

    return lambda index: jax.block_until_ready(run(jax.random.key(index)))


def torch_vmap(depth: int, width: int, batch: int, sigma_w: float, num_nets: int) -> Any:
    """So many networks: ``torch.func.vmap`` of ``torch.func.grad`` over lists of weights."""
    import torch
    from torch.func import grad, vmap

    def energy(weights: Any, offsets: Any, x: Any, top: Any) -> Any:
        for layer in range(depth):
            h = x @ weights[layer] + offsets[layer]
            x = torch.tanh(h)
        return (top * h).sum()

    def run(index: int) -> Any:
        torch.manual_seed(index)
        scale = sigma_w / width**0.5
        weights = [torch.randn(num_nets, width, width) * scale for _ in range(depth)]
        x, top = torch.randn(num_nets, batch, width), torch.randn(num_nets, batch, width)
        offsets = [torch.zeros(num_nets, batch, width) for _ in range(depth)]
        by_w, by_h = vmap(grad(energy, argnums=(0, 1)))(weights, offsets, x, top)
        return tuple(torch.stack([each.norm(dim=(-2, -1)) for each in by]) for by in (by_h, by_w))

    return run
