"""The infinite-width twin of networks from any library, against networks of width 512 by plain automatic differentiation."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vgtheory.diagnose import diagnose, infinite_width
from vgtheory.diagnose.program.names import layer_names, leaf_names

WIDTH, INPUTS, PARTICLES, DRAWS = 512, 6, 2048, 6
NETWORKS = 16
ERRORS = 3
"""Standard errors within which the mean of squares must lie."""
TOO_LARGE = 1.03


class Written(NamedTuple):
    """A network: its model (a pytree) from a key, and what it makes of an input."""

    make: Callable[[Any], Any]
    output: Callable[[Any, Any], Any]

    def loss(self, model: Any, x: Any, top: Any) -> Any:
        """Its gradient at the output is given: white, and independent of the weights."""
        return jnp.sum(self.output(model, x) * top)


def by_hand(key: Any) -> Any:
    sizes = (64, WIDTH, WIDTH, 64)
    draw = lambda k, m, n: jax.random.normal(jax.random.fold_in(key, k), (m, n)) * (2 / m) ** 0.5
    return [{"w": draw(k, m, n), "b": jnp.zeros(n)} for k, (m, n) in enumerate(itertools.pairwise(sizes))]


def run_by_hand(params: Any, x: Any) -> Any:
    for k, layer in enumerate(params):
        x = jnp.dot(x, layer["w"]) + layer["b"].reshape(1, -1)
        x = jax.nn.relu(x) if k < len(params) - 1 else x
    return x


class Block(eqx.Module):
    """A pre-norm transformer block."""

    attention: eqx.nn.MultiheadAttention
    norms: list[eqx.nn.LayerNorm]
    mlp: eqx.nn.MLP

    def __init__(self, key: Any) -> None:
        one, other = jax.random.split(key)
        self.attention = eqx.nn.MultiheadAttention(8, WIDTH, key=one)
        self.norms = [eqx.nn.LayerNorm(WIDTH) for _ in range(2)]
        self.mlp = eqx.nn.MLP(WIDTH, WIDTH, 2 * WIDTH, 1, activation=jax.nn.gelu, key=other)

    def __call__(self, x: Any) -> Any:
        n = jax.vmap(self.norms[0])(x)
        x = x + self.attention(n, n, n)
        return x + jax.vmap(self.mlp)(jax.vmap(self.norms[1])(x))


haiku_mlp = hk.without_apply_rng(hk.transform(lambda x: hk.nets.MLP([WIDTH, WIDTH, 64], activation=jnp.tanh)(x)))


def einsum(key: Any) -> Any:
    rngs = nnx.Rngs(key)
    layers = nnx.Einsum("TD,DNH->TNH", (WIDTH, 8, 64), rngs=rngs), nnx.Einsum("TNH,NHD->TD", (8, 64, WIDTH), rngs=rngs)
    return nnx.split(nnx.List(layers), nnx.Param)


EINSUM = einsum(jax.random.key(0))[0]


def run_einsum(params: Any, x: Any) -> Any:
    first, second = nnx.merge(EINSUM, params)
    y = jnp.tanh(first(x))
    return second(y * jax.lax.rsqrt(jnp.mean(y**2, axis=(1, 2), keepdims=True)))


def stack(key: Any) -> Any:
    """Three blocks in one array, and a matrix for each of four heads."""
    draw = lambda k, *shape: jax.random.normal(jax.random.fold_in(key, k), shape) / shape[-2] ** 0.5
    return {"blocks": draw(0, 3, WIDTH, WIDTH), "heads": draw(1, 4, WIDTH // 4, WIDTH // 4)}


def run_stack(params: Any, x: Any) -> Any:
    step = jax.checkpoint(lambda x, w: (x + jnp.tanh(jnp.dot(x, w)), None))
    x = jax.lax.scan(step, x, params["blocks"])[0]
    return jnp.einsum("thd,hde->the", x.reshape(len(x), 4, -1), params["heads"])


CASES: dict[str, tuple[Written, int]] = {
    "plain pytree": (Written(by_hand, run_by_hand), 64),
    "Equinox MLP": (
        Written(lambda key: eqx.nn.MLP(64, 64, WIDTH, 2, key=key), lambda model, x: jax.vmap(model)(x)),
        64,
    ),
    "Equinox transformer block": (Written(Block, lambda model, x: model(x)), WIDTH),
    "Haiku MLP": (Written(lambda key: haiku_mlp.init(key, jnp.ones((1, 64))), haiku_mlp.apply), 64),
    "nnx.Einsum, and a norm by hand": (Written(lambda key: einsum(key)[1], run_einsum), WIDTH),
    "scanned blocks, and heads": (Written(stack, run_stack), WIDTH),
}
SLOW = ("plain pytree", "Equinox MLP")
"""The scanned blocks are a plain pytree too, which two tests below have as well; the Equinox block holds such an MLP."""


def arguments(key: Any, written: Written, size: int) -> tuple[Any, Any]:
    x = jax.random.normal(key, (INPUTS, size))
    shape = jax.eval_shape(lambda key, x: written.output(written.make(key), x), key, x).shape
    return x, jax.random.normal(jax.random.fold_in(key, 1), shape)


def squares(key: Any, written: Written, args: tuple, scales: tuple[float, ...]) -> tuple[list[str], list[np.ndarray]]:
    """Squared gradient norms by layer, for each scale: of networks whose matrices but the first are so many times too large."""
    params, fixed = eqx.partition(written.make(key), eqx.is_inexact_array)

    def scaled(params: Any, scale: Any) -> Any:
        leaves, tree = jax.tree.flatten(params)
        leaves = [leaf * scale if k and leaf.ndim > 1 else leaf for k, leaf in enumerate(leaves)]
        params = jax.tree.unflatten(tree, leaves)
        grads = jax.grad(lambda params: written.loss(eqx.combine(params, fixed), *args))(params)
        return jnp.stack([jnp.sum(leaf**2) for leaf in jax.tree.leaves(grads)])

    def one(key: Any) -> Any:
        drawn = eqx.filter(written.make(key), eqx.is_inexact_array)
        return jax.lax.map(lambda scale: scaled(drawn, scale), np.array(scales, np.float32))

    rows = np.array(jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(key, NETWORKS)), float)
    layers = np.array(layer_names(leaf_names(params), jax.tree.leaves(params)))
    names = list(dict.fromkeys(layers.tolist()))
    by_layer = np.stack([rows[:, :, layers == name].sum(axis=2) for name in names])
    return names, list(np.moveaxis(by_layer, 2, 0))


def distances(key: Any, name: str, scales: tuple[float, ...]) -> list[dict[str, float]]:
    """By layer, predicted less measured log of the mean squared gradient by the weights, in standard errors, for each scale."""
    written, size = CASES[name]
    args = arguments(jax.random.fold_in(key, 1), written, size)
    twin = infinite_width(written.make(key), PARTICLES, loss=written.loss)
    plan = twin.plan(*args)
    assert not plan.narrow
    assert not plan.drawn
    laws = twin.layers(jax.random.fold_in(key, 2), *args, num_draws=DRAWS)
    names, each = squares(jax.random.fold_in(key, 3), written, args, scales)
    return [_distances(laws, names, rows) for rows in each]


def _distances(laws: dict[str, Any], names: list[str], rows: np.ndarray) -> dict[str, float]:
    seen, err = rows.mean(axis=1), rows.std(axis=1, ddof=1) / NETWORKS**0.5
    found = {}
    for layer, mean, error in zip(names, seen, err, strict=True):
        calls = [law.log_grad_weight for path, law in laws.items() if path.partition("@")[0] == layer]
        if calls:
            # Each call has weights of its own.
            each = np.exp([2 * law.value for law in calls])
            own = np.linalg.norm(each * [2 * law.err for law in calls]) / each.sum()
            found[layer] = float((np.log(each.sum()) - np.log(mean)) / np.hypot(own, error / mean))
    return found


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in CASES])
def test_networks_follow_their_twins_and_3_percent_would_be_seen(key: jax.Array, name: str) -> None:
    right, wrong = distances(key, name, (1.0, TOO_LARGE))
    assert max(map(abs, right.values())) < ERRORS, right
    assert max(map(abs, wrong.values())) > ERRORS, wrong


def test_a_network_in_flax_and_by_hand_has_one_twin(key: jax.Array) -> None:
    """And its rows are those of the diagnosis."""
    params = by_hand(key)
    layers = [nnx.Linear(*layer["w"].shape, rngs=nnx.Rngs(0)) for layer in params]
    for layer, owned in zip(layers, params, strict=True):
        layer.kernel[...] = owned["w"]
    model = nnx.Sequential(layers[0], nnx.relu, layers[1], nnx.relu, layers[2])
    args = arguments(key, CASES["plain pytree"][0], 64)
    loss = lambda model, x, top: jnp.sum(model(x) * top)
    mine = infinite_width(params, 1024, loss=CASES["plain pytree"][0].loss).layers(key, *args, num_draws=2)
    flax = infinite_width(model, 1024, loss=loss).layers(key, *args, num_draws=2)
    assert list(mine) == [row.layer for row in diagnose(params, CASES["plain pytree"][0].loss, *args).rows]
    for one, other in zip(mine.values(), flax.values(), strict=True):
        np.testing.assert_allclose([each.value for each in one], [each.value for each in other], rtol=1e-4)


def test_what_cannot_be_drawn_as_gaussian_weights_is_named(key: jax.Array) -> None:
    names = ("positive", "masked", "repeated", "low", "plain")
    draw = lambda k, *shape: jax.random.normal(jax.random.fold_in(key, k), shape) / 8
    params = {name: draw(k, 64, 64) for k, name in enumerate(names)}
    params |= {"positive": jnp.abs(params["positive"]), "repeated": draw(5, 64, 1), "low": draw(6, 64, 4)}

    def loss(params: Any, x: Any) -> Any:
        x = jnp.dot(x, params["positive"])
        x = jnp.dot(x, params["masked"] * np.tri(64, dtype="float32"))
        x = jnp.dot(x, jnp.broadcast_to(params["repeated"], (64, 64)))
        x = jnp.dot(x, jnp.dot(params["low"], params["low"].T))
        return jnp.sum(jnp.dot(x, params["plain"] * 0.5) ** 2)

    twin, x = infinite_width(params, 256, loss=loss), jnp.ones((2, 64))
    assert twin.plan(x).drawn == {
        "low": "its weights are made by dot_general",
        "masked": "its weights are masked",
        "positive": "the mean of its weights is not zero",
        "repeated": "its weights repeat",
    }
    assert np.isfinite([law.value for law in twin.weights(key, x, num_draws=1).values()]).all()


def test_data_that_a_loss_holds_itself_is_data(key: jax.Array) -> None:
    params, written = by_hand(key), CASES["plain pytree"][0]
    args = arguments(key, written, 64)
    handed = infinite_width(params, 1024, loss=written.loss).layers(key, *args, num_draws=2)
    held = infinite_width(params, 1024, loss=lambda params: written.loss(params, *args)).layers(key, num_draws=2)
    for one, other in zip(handed.values(), held.values(), strict=True):
        np.testing.assert_allclose([each.value for each in one], [each.value for each in other], rtol=1e-4)
