"""Rescaled models: the gradient from end to end, measured apart from ``diagnose`` by ``jax.grad`` in networks written by hand."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

from vgtheory import initialise, theory

WIDTH, INPUTS = 64, 16
KEPT = np.log(3.0)


class Block(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.up, self.down = (nnx.Linear(WIDTH, WIDTH, rngs=rngs) for _ in range(2))

    def __call__(self, x: Any) -> Any:
        return x + self.down(nnx.relu(self.up(x)))


class Net(nnx.Module):
    """A chain, or with ``blocks`` a residual stack."""

    def __init__(self, phi: Any, depth: int, blocks: bool = False) -> None:
        rngs = nnx.Rngs(0)
        make = lambda: Block(rngs) if blocks else nnx.Linear(WIDTH, WIDTH, rngs=rngs)
        self.phi, self.stem = phi, nnx.Linear(WIDTH, WIDTH, rngs=rngs)
        self.layers, self.head = nnx.List([make() for _ in range(depth)]), nnx.Linear(WIDTH, 10, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = self.phi(self.stem(x))
        for layer in self.layers:
            x = self.phi(layer(x))
        return self.head(x)


def loss(model: Any, x: Any, y: Any) -> Any:
    return jnp.mean((model(x) - y) ** 2)


def batch(seed: int = 0) -> tuple[Any, Any]:
    keys = jax.random.split(jax.random.key(seed))
    return jax.random.normal(keys[0], (INPUTS, WIDTH)), jax.random.normal(keys[1], (INPUTS, 10))


def by_hand(net: Net, seed: int) -> np.ndarray:
    """Log-norms of dE/dh of every layer over the top one's, with plain arrays, for any batch."""
    linear = lambda layer, x: x @ layer.kernel[...] + layer.bias[...][None]

    def energy(zeros: list) -> Any:
        x, y = batch(seed)
        h = linear(net.stem, x) + zeros[0]
        for layer, zero in zip(net.layers, zeros[1:], strict=True):
            if isinstance(layer, Block):
                h = h + linear(layer.down, jnp.maximum(linear(layer.up, h), 0)) + zero
            else:
                h = linear(layer, net.phi(h)) + zero
        return jnp.mean((linear(net.head, net.phi(h)) - y) ** 2)

    grads = jax.jit(jax.grad(energy))([jnp.zeros((INPUTS, WIDTH))] * (len(net.layers) + 1))
    logs = np.log([float(jnp.linalg.norm(each)) for each in grads])
    return logs - logs[-1]


@pytest.mark.parametrize(
    "phi",
    [
        pytest.param(nnx.sigmoid, id="sigmoid"),
        pytest.param(lambda h: h * jax.nn.sigmoid(h), id="silu by hand", marks=pytest.mark.slow),
    ],
)
def test_a_chain_keeps_its_gradient(phi: Any) -> None:
    net = Net(phi, 10)
    assert by_hand(net, 0)[0] < -2 * KEPT
    done = initialise(net, loss, *batch())
    assert np.max(np.abs(by_hand(done.model, 0))) < 0.2
    assert np.max(np.abs(by_hand(done.model, 1))) < KEPT
    assert "silu" in done.text or "sigmoid" in done.text
    assert np.allclose(
        [layer.log_grad for layer in done.layers[:-2]],
        by_hand(done.model, 0)[:-1] + done.layers[-2].log_grad,
        atol=1e-3,
    )
    assert by_hand(net, 0)[0] < -2 * KEPT, "the model that was given is not changed"


def test_softplus_is_refused_and_has_a_scale_when_centred(refused: Callable[..., Any]) -> None:
    net = Net(nnx.softplus, 6)
    with refused("initialise", "activation", "centred=True"):
        initialise(net, loss, *batch())
    done = initialise(net, loss, *batch(), centred=True)
    assert np.max(np.abs(by_hand(done.model, 0))) < 0.3
    assert np.allclose(done.model.layers[3].kernel[...].sum(axis=0), 0, atol=1e-4)


def test_a_residual_stack_keeps_its_gradient() -> None:
    net = Net(lambda h: h, 12, blocks=True)
    assert by_hand(net, 0)[0] > 1.5 * KEPT
    done = initialise(net, loss, *batch())
    assert abs(by_hand(done.model, 1)[0]) < 0.5
    gain, unit = float(jnp.std(done.model.layers[3].down.kernel[...])) * WIDTH**0.5, 24**-0.5
    assert unit < gain < 2.5 * unit  # relu halves the squared gradient, so the gain of a block is below 1


class Plain(nn.Module):
    """A Linen chain of convolutions."""

    norm: bool = False

    @nn.compact
    def __call__(self, x: Any) -> Any:
        for _ in range(8):
            x = nn.tanh(nn.LayerNorm()(nn.Conv(16, (3,))(x)) if self.norm else nn.Conv(16, (3,))(x))
        return nn.Dense(1)(x)


@pytest.mark.parametrize("weights", [None, "orthogonal"])
def test_linen_convolutions(weights: str | None) -> None:
    x, model = jax.random.normal(jax.random.key(0), (8, 32, 16)), Plain()
    variables = jax.jit(model.init)(jax.random.key(1), x)
    mean = lambda model, x: jnp.mean(model(x) ** 2)
    done = initialise(model, mean, x, variables=variables, weights=weights)
    assert jax.tree.structure(done.model) == jax.tree.structure(variables)
    assert abs(done.log_total) < 0.3
    assert done.frame.shape == (9, 7)
    kernel = done.model["params"]["Conv_3"]["kernel"]
    assert (np.count_nonzero(kernel) == 256) == (weights == "orthogonal")


def test_a_scale_that_a_norm_undoes_does_not_count(refused: Callable[..., Any]) -> None:
    x, model = jax.random.normal(jax.random.key(0), (8, 32, 16)), Plain(norm=True)
    variables = jax.jit(model.init)(jax.random.key(1), x)
    saturated = jax.tree_util.tree_map_with_path(lambda path, w: w * 9 if path[-1].key == "scale" else w, variables)
    with refused("initialise", "gradient", "normaliser"):
        initialise(model, lambda model, x: jnp.mean(model(x) ** 2), x, variables=saturated)


def test_errors_bear_its_name(refused: Callable[..., Any]) -> None:
    net = Net(nnx.tanh, 2)
    with refused("initialise", "loss"):
        initialise(net, lambda model, x, y: model(x), *batch())
    with refused("initialise", "activation"):
        initialise(net, loss, *batch(), activation="tanhh")


def test_models_of_other_libraries_are_rescaled() -> None:
    x = jax.random.normal(jax.random.key(1), (16, 16))
    net = eqx.nn.MLP(16, 1, 32, 6, activation=jax.nn.sigmoid, key=jax.random.key(0))
    done = initialise(net, lambda net, x: (jax.vmap(net)(x) ** 2).mean(), x)
    assert done.log_total_before < -6
    assert abs(done.log_total) < 0.2
    assert isinstance(done.model, eqx.nn.MLP)
    assert jax.vmap(done.model)(x).shape == (16, 1)
    gains = [float(jnp.std(layer.weight) * layer.weight.shape[1] ** 0.5) for layer in done.model.layers[1:-1]]
    law = theory.critical("sigmoid").sigma_w[0]
    assert 0.7 < np.median(gains) / law < 1.4  # width 32, fitted to the batch
