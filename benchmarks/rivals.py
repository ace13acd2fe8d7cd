"""The same measurement as one would write it without this package: torch.func.vmap, Flax with jax.grad, a scan over stacked weights.

Each draws its networks' weights, sends a batch of inputs through, and returns the norms of every layer's gradients with respect
to activations and to weights. Plain arithmetic: nothing is renormalised, so they measure only what float32 holds.
The singular values of a Jacobian, too: a product of NumPy's, and torch's ``jacrev``, which hold 16 decades.
"""

import importlib.util
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

_NEEDED = {"torch": "torch", "flax": "flax", "anyinit": "anyinit"}
"""By a rival's name: the package that it is written with, where this library does without that."""


def installed(names: Sequence[str]) -> list[str]:
    """The rivals that can run here; the others are named in a line of their own."""
    found = [name for name in names if name not in _NEEDED or importlib.util.find_spec(_NEEDED[name])]
    for name in names:
        if name not in found:
            print(f"{name}: not installed, left out", flush=True)
    return found


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


def numpy_product(depth: int, width: int, sigma_w: float, num_nets: int) -> Any:
    """Jacobians of so many tanh networks as a NumPy product, float64, and their singular values."""

    def run(index: int) -> np.ndarray:
        random, rows = np.random.default_rng(index), []
        for _ in range(num_nets):
            x, jacobian = random.normal(size=width), np.eye(width)
            for _ in range(depth):
                weights = sigma_w / width**0.5 * random.normal(size=(width, width))
                x = np.tanh(weights @ x)
                jacobian = (1 - x**2)[:, None] * (weights @ jacobian)
            rows.append(np.linalg.svd(jacobian, compute_uv=False))
        return np.array(rows)

    return run


def torch_jacobian(depth: int, width: int, sigma_w: float, num_nets: int) -> Any:
    """Jacobians of so many tanh networks by ``torch.func.jacrev``, float64, and their singular values."""
    import torch
    from torch.func import jacrev

    def run(index: int) -> Any:
        torch.manual_seed(index)
        rows = []
        for _ in range(num_nets):
            weights = torch.randn(depth, width, width, dtype=torch.float64) * sigma_w / width**0.5

            def network(x: Any, weights: Any = weights) -> Any:
                for layer in weights:
                    x = torch.tanh(layer @ x)
                return x

            rows.append(torch.linalg.svdvals(jacrev(network)(torch.randn(width, dtype=torch.float64))).numpy())
        return np.array(rows)

    return run
