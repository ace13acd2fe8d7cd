"""Bands over networks of a model's own width: against laws of chi-squares, and against networks drawn with their weights."""

import itertools
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.special import polygamma

from tests.tolerances import SIGMAS
from vgtheory import Dense, theory
from vgtheory.diagnose import infinite_width
from vgtheory.diagnose.replicas.bands import Bands

SIZES, DRAWS = (40, 48, 6, 36), 400
"""A chain with a bottleneck of six units."""


def linear(params: Any, x: Any, top: Any) -> Any:
    for matrix in params:
        x = jnp.dot(x, matrix)
    return jnp.sum(x * top)


def chain(key: Any, sizes: tuple[int, ...] = SIZES) -> list[Any]:
    """Matrices whose mean square is 1 / fan-in exactly."""
    drawn = [jax.random.normal(jax.random.fold_in(key, n), (m, n)) for m, n in itertools.pairwise(sizes)]
    return [each / jnp.sqrt(jnp.sum(each**2) / each.shape[1]) for each in drawn]


@pytest.fixture(scope="module")
def case() -> tuple[Any, tuple, Bands]:
    key = jax.random.key(5)
    params, batch = chain(key), (jax.random.normal(key, (1, SIZES[0])), jnp.ones((1, SIZES[-1])))
    return params, batch, infinite_width(params, 256, loss=linear).bands(key, *batch, num_draws=DRAWS)


def test_a_linear_chain_scatters_as_chi_squares_do(case: Any) -> None:
    """With a single input: each layer below the gradient, or above the signal, adds its own psi'(N / 2) / 4."""
    params, _, bands = case
    own = polygamma(1, np.array(SIZES[1:]) / 2) / 4
    # The scale of each matrix is known as well as so many weights tell it.
    doubt = np.array([1 / (2 * each.size) for each in params])
    seen, law = [], []
    for k, band in enumerate(bands.layers.values()):
        seen += [band.log_rms.std**2, band.log_grad.std**2]
        law += [own[: k + 1].sum() + doubt[: k + 1].sum(), own[k:-1].sum() + doubt[k + 1 :].sum()]
    assert seen.pop() == law.pop() == 0
    assert np.abs(np.log(np.divide(seen, law))).max() < SIGMAS * (2 / DRAWS) ** 0.5


def test_a_band_says_how_unusual_a_network_is(case: Any) -> None:
    bands = case[2]
    shifted = lambda band: {name: law.mean + 2 * law.std for name, law in band._asdict().items()}
    rows = [SimpleNamespace(layer=path, **shifted(band)) for path, band in bands.layers.items()]
    z = np.array([list(each.values()) for each in bands.z(SimpleNamespace(rows=rows)).values()])
    np.testing.assert_allclose(np.append(z[:-1], z[-1, [0, 2]]), 2)
    assert np.isnan(z[-1, 1])
    assert 1.96 < bands.half_width() < 1.98
    assert list(bands.frame) == [
        *("layer", "log_rms", "log_rms_std", "log_grad", "log_grad_std", "log_grad_weight", "log_grad_weight_std")
    ]
    assert str(bands).splitlines()[0].split("  ")[0] == "layer"
    assert str(bands).endswith(f"over {DRAWS} networks.")
    assert "±" in str(bands)


def test_wrong_questions(case: Any, refused: Any) -> None:
    params, batch, bands = case
    twin = infinite_width(params, 256, loss=linear)
    with refused("bands", "num_draws"):
        twin.bands(jax.random.key(0), *batch, num_draws=1)
    with refused("bands", "loss"):
        infinite_width(nnx.Linear(4, 4, rngs=nnx.Rngs(0)), 16).bands(jax.random.key(0), jnp.ones((2, 4)))
    with refused("half_width", "level"):
        bands.half_width(1.0)
    with refused("z", "layers"):
        bands.z(SimpleNamespace(rows=()))


class Tied(nnx.Module):
    """Orthogonal weights used five times, between a layer of random biases and a bottleneck."""

    def __init__(self, key: Any) -> None:
        rngs = nnx.Rngs(key)
        self.first = nnx.Linear(16, 64, bias_init=nnx.initializers.normal(0.5), rngs=rngs)
        self.step = nnx.Linear(64, 64, kernel_init=nnx.initializers.orthogonal(1.3), rngs=rngs)
        self.neck, self.last = nnx.Linear(64, 5, rngs=rngs), nnx.Linear(5, 16, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = self.first(x)
        for _ in range(5):
            x = self.step(jnp.tanh(x))
        return self.last(nnx.gelu(self.neck(x)))


@pytest.mark.slow
def test_networks_lie_within_the_band_of_another(key: jax.Array) -> None:
    """Their own initialisers draw truncated and orthogonal weights; without the shuffling the spread would be twice too large."""
    batch = jax.random.normal(key, (4, 16)), jax.random.normal(jax.random.fold_in(key, 1), (4, 16))
    loss = lambda model, x, top: jnp.sum(model(x) * top)
    bands = infinite_width(Tied(key), loss=loss).bands(key, *batch)
    graph, _ = nnx.split(Tied(key))

    def logs(key: Any) -> Any:
        model = Tied(key)
        grads = jax.grad(lambda params: loss(nnx.merge(graph, params), *batch))(nnx.split(model)[1])
        x = model.first(batch[0])
        h = [jnp.log(jnp.mean(x**2)) / 2]
        for _ in range(5):
            x = model.step(jnp.tanh(x))
            h.append(jnp.log(jnp.mean(x**2)) / 2)
        own = [grads[name] for name in ("first", "neck", "last")]
        return jnp.stack([*h, *(jnp.log(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(each))) / 2 for each in own)])

    seen = np.asarray(jax.jit(lambda keys: jax.lax.map(logs, keys))(jax.random.split(key, 1024)), float)
    steps = ["first", "step", *(f"step@{k}" for k in range(1, 5))]
    laws = [bands.layers[path].log_rms for path in steps]
    laws += [bands.layers[path].log_grad_weight for path in ("first", "neck", "last")]
    mean, std = np.array(laws).T
    coverage = (np.abs(seen - mean) < bands.half_width() * std).mean(axis=0)
    print(coverage.round(3), (seen.std(axis=0) / std).round(2))
    assert 0.93 < coverage.mean() < 0.97
    assert (np.abs(np.log(seen.std(axis=0) / std)) < SIGMAS * (2 * bands.num_draws) ** -0.5).all()


@pytest.mark.slow
def test_several_replicas_scatter_as_a_network_so_many_times_as_wide(key: jax.Array) -> None:
    params = chain(key, (48,) * 5)
    batch = jax.random.normal(key, (1, 48)), jax.random.normal(jax.random.fold_in(key, 1), (1, 48))
    laws = infinite_width(params, 4 * 48, loss=linear).layers(key, *batch, num_draws=DRAWS)
    for k, law in enumerate(laws.values()):
        variance = law.log_rms.err**2 * DRAWS
        assert abs(np.log(variance / ((k + 1) * polygamma(1, 2 * 48) / 4))) < SIGMAS * (2 / DRAWS) ** 0.5


@pytest.mark.slow
def test_a_bottleneck_follows_its_closed_form(key: jax.Array) -> None:
    """Of a single input, the mean and the spread of every gradient are known exactly."""
    sizes = (784, 512, 32, 512, 10)
    params = [2**0.5 * each for each in chain(key, sizes)]

    def loss(params: Any, x: Any, top: Any) -> Any:
        for matrix in params[:-1]:
            x = jax.nn.relu(jnp.dot(x, matrix))
        return jnp.sum(jnp.dot(x, params[-1]) * top)

    batch = jax.random.normal(key, (1, 784)), jax.random.normal(key, (1, 10))
    bands = infinite_width(params, loss=loss).bands(key, *batch, num_draws=1024)
    mean, std = theory.log_grad_layers(Dense("relu", 2**0.5, widths=sizes))
    seen = np.array([band.log_grad for band in bands.layers.values()])
    gap = (seen[:, 0] - seen[-1, 0] - mean)[:-1] / (std[:-1] / 32)
    ratio = np.log(seen[:-1, 1] / std[:-1]) / 2048**-0.5
    print(gap.round(2), ratio.round(2))
    assert np.abs([gap, ratio]).max() < SIGMAS


@pytest.mark.slow
def test_a_band_is_drawn(case: Any) -> None:
    rows = [SimpleNamespace(layer=path, log_rms=0.1, log_grad=-np.inf, log_grad_weight=0.2) for path in case[2].layers]
    upper, lower = case[2].plot(SimpleNamespace(rows=rows)).axes
    assert (len(upper.collections), len(lower.collections)) == (1, 2)
    assert (len(upper.lines), len(lower.lines)) == (2, 4)
