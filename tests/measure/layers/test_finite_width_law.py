"""Mean and spread of log-gradients and log-activations over networks of width 64 to 1024, ten times the root of it deep."""

from typing import Any

import jax
import numpy as np
import pytest
from scipy.stats import ks_2samp

from tests import surface
from tests.tolerances import LAW_MEAN, LAW_STD, POWER, SIGMAS
from vgtheory import Dense, compare, measure, theory

BIAS = 0.05**0.5
CRITICAL = {
    "tanh": Dense("tanh", 1.327, BIAS),
    "erf": Dense("erf", 1.173, BIAS),
    "gelu": Dense("gelu", 1.4033, 0.8426),
    "silu": Dense("silu", 1.4032, 1.17),
    "relu": Dense("relu", 2**0.5),
    "selu": Dense("selu", 1.0),
}
OFF_CRITICAL = {
    "tanh": Dense("tanh", 2.5, BIAS),
    "erf": Dense("erf", 0.8, 0.3),
    "gelu": Dense("gelu", 1.0, 0.2),
    "silu": Dense("silu", 1.0, 0.2),
    "relu": Dense("relu", 1.2, 0.5),
    "selu": Dense("selu", 0.85, 0.075),
}
TWO_BASINS = Dense("gelu", 1.5, 0.2)
NUM_NETS = {64: 10_000, 128: 8000, 256: 6000, 512: 5000, 1024: 4000}
FEW = 1000
"""Networks whose mean is held against its standard error; the spread takes all of them, to be known to 1 %."""
PROFILES = ("log_q_layers", "log_grad_layers", "log_grad_weight_layers")


def depth_of(width: int) -> int:
    return int(10 * width**0.5)


def sampled(key: jax.Array, net: Dense, width: int, num_nets: int | None = None) -> Any:
    size = {"depth": depth_of(width), "width": width, "num_nets": num_nets or NUM_NETS[width]}
    return measure.samples(key, net, **size, sampler="matrix_free")


def check_law(samples: np.ndarray, law: Any, layers: list[int]) -> None:
    """Hold mean and spread at these layers against the law."""
    samples, mean, std = samples[:, layers], law.mean[layers], law.std[layers]
    spread = samples.std(axis=0, ddof=1)
    assert np.all(np.abs(samples[:FEW].mean(axis=0) - mean) < SIGMAS * spread / FEW**0.5)
    assert np.all(np.abs(samples.mean(axis=0) - mean) < LAW_MEAN * spread)
    assert np.all(np.abs(spread / std - 1) < LAW_STD)


def cells() -> list[Any]:
    """All of the table, slow but for one: a law of mean and spread to 1 % takes ten thousand networks."""
    slow = lambda name, width: () if (name, width) == ("tanh", 64) else pytest.mark.slow
    return [
        pytest.param(net, width, marks=slow(name, width), id=f"{name}-{width}")
        for width in NUM_NETS
        for name, net in CRITICAL.items()
    ] + [
        pytest.param(net, width, marks=pytest.mark.slow, id=f"{name}-off-{width}")
        for width in (64, 256)
        for name, net in OFF_CRITICAL.items()
    ]


@pytest.mark.optimised
@pytest.mark.parametrize(("net", "width"), cells())
def test_log_gradients_have_the_law_of_their_width(key: jax.Array, net: Dense, width: int) -> None:
    depth = depth_of(width)
    samples = sampled(key, net, width).log_grad
    alive = samples[np.isfinite(samples).all(axis=1)]
    assert len(alive) > 0.99 * len(samples)
    law = theory.log_grad_layers(net, depth=depth, width=width)
    check_law(alive, law, [0, depth // 4, depth // 2])
    wrong = theory.log_grad_layers(Dense(net.activation, 1.03 * net.sigma_w, net.sigma_b), depth=depth, width=width)
    assert abs(alive[:FEW, 0].mean() - wrong.mean[0]) > SIGMAS * alive[:, 0].std() / FEW**0.5


@pytest.mark.slow
@pytest.mark.parametrize("width", [64, 256])
@pytest.mark.parametrize("name", ["tanh", "gelu", "selu"])
def test_the_other_profiles_have_theirs(key: jax.Array, name: str, width: int) -> None:
    depth, net = depth_of(width), CRITICAL[name]
    samples = sampled(key, net, width)
    layers = {"log_q_layers": [1, depth // 2, depth - 1], "log_grad_weight_layers": [0, depth // 2]}
    for quantity, at in layers.items():
        law = surface.public(theory)[quantity](net, depth=depth, width=width)
        check_law(samples[PROFILES.index(quantity)], law, at)


@pytest.mark.slow
def test_networks_that_fall_into_two_basins_have_the_law_as_well(key: jax.Array) -> None:
    """An expansion about either basin, or any sum of independent layers, gives a small part of this spread."""
    samples = sampled(key, TWO_BASINS, 64).log_grad
    law = theory.log_grad_layers(TWO_BASINS, depth=80, width=64)
    check_law(samples, law, [0, 20, 40])
    layers = theory.layers.log_chi_layers(TWO_BASINS, depth=80, width=64)
    assert law.std[0] > 3 * np.sqrt((layers.std**2).sum()) / 2


@pytest.mark.slow
@pytest.mark.parametrize(("name", "width"), [("tanh", 64), ("gelu", 64), ("relu", 64), ("selu", 128)])
def test_real_weight_matrices_give_the_same(key: jax.Array, name: str, width: int) -> None:
    net, depth = CRITICAL[name], depth_of(width)
    samples = measure.samples(key, net, depth=depth, width=width, num_nets=FEW).log_grad
    law = theory.log_grad_layers(net, depth=depth, width=width)
    samples, mean, std = samples[:, :-1], law.mean[:-1], law.std[:-1]
    off, spread = samples - samples.mean(axis=0), samples.std(axis=0, ddof=1)
    assert np.all(np.abs(samples.mean(axis=0) - mean) < SIGMAS * spread / FEW**0.5)
    err = np.sqrt(((off**4).mean(axis=0) / spread**4 - 1) / 4 / FEW)
    assert np.all(np.abs(spread / std - 1) < SIGMAS * err)


@pytest.mark.slow
def test_factors_of_single_layers_agree(key: jax.Array) -> None:
    net, shape = Dense("tanh", 2.0, 0.1), {"depth": 24, "width": 64}
    estimate = measure.layers.log_chi_layers(key, net, **shape, num_nets=8000, sampler="matrix_free")
    law = theory.layers.log_chi_layers(net, **shape)
    assert np.abs(compare.z_score(estimate, law.mean)).max() < SIGMAS
    np.testing.assert_allclose(estimate.err * 8000**0.5, law.std, rtol=LAW_STD * 2)
    wrong = theory.layers.log_chi_layers(Dense("tanh", 2.06, 0.1), **shape)
    assert np.abs(compare.z_score(estimate, wrong.mean)).max() > SIGMAS


@pytest.mark.slow
@pytest.mark.parametrize(
    "net",
    [
        Dense("tanh", 1.5, 0.3),
        pytest.param(Dense("relu", 1.4, 0.3), marks=pytest.mark.slow),
        pytest.param(Dense("gelu", 1.3, 0.4), marks=pytest.mark.slow),
        pytest.param(Dense("softplus", 1.0, 0.5), marks=pytest.mark.slow),
    ],
    ids=lambda net: net.activation.name,
)
def test_networks_without_matrices_are_distributed_as_networks(key: jax.Array, net: Dense) -> None:
    """At width 8, where nothing is small; also a sum of forward and backward logs, which tells of their correlation."""
    real = measure.samples(key, net, depth=12, width=8, num_nets=3000)
    free = measure.samples(jax.random.fold_in(key, 1), net, depth=12, width=8, num_nets=12_000, sampler="matrix_free")
    off = Dense(net.activation, 1.06 * net.sigma_w, net.sigma_b)
    other = measure.samples(key, off, depth=12, width=8, num_nets=3000)

    def p_values(logs: Any) -> list[float]:
        pairs = [(logs[row][:, layer], free[row][:, layer]) for row in range(3) for layer in (0, 5, 10)]
        pairs.append((logs[1][:, 0] - logs[0][:, -1], free[1][:, 0] - free[0][:, -1]))
        return [float(ks_2samp(*pair).pvalue) for pair in pairs]

    assert min(p_values(real)) > POWER
    assert min(p_values(other)) < POWER


@pytest.mark.slow
def test_without_matrices_a_network_does_not_depend_on_how_many_are_drawn(key: jax.Array) -> None:
    net, size = Dense("tanh", 1.5, 0.3), {"depth": 5, "width": 8, "sampler": "matrix_free"}
    few, more = (measure.samples(key, net, num_nets=num, **size) for num in (3, 300))
    for one, two in zip(few, more, strict=True):
        np.testing.assert_allclose(one, two[:3], rtol=LAW_STD**4, atol=LAW_STD**4)


@pytest.mark.slow
def test_without_matrices_depth_and_dead_layers_are_reported(key: jax.Array) -> None:
    deep = measure.samples(key, Dense("sigmoid", 1.0), depth=1000, width=16, num_nets=2, sampler="matrix_free")
    assert np.isfinite(deep.log_grad).all()
    assert deep.log_grad[:, 0].max() < -1000
    dead = measure.samples(key, Dense("relu", 1.4), depth=30, width=2, num_nets=50, sampler="matrix_free")
    share = np.isneginf(dead.log_grad).any(axis=1).mean()
    assert share == pytest.approx(theory.width.dead_probability(Dense("relu"), depth=30, width=2), abs=0.05)


@pytest.mark.parametrize("net", [Dense("tanh", 1.0, weights="orthogonal")])
def test_only_gaussian_networks_go_without_matrices(key: jax.Array, net: Dense, refused: pytest.RaisesExc) -> None:
    with refused("samples", "weights"):
        measure.samples(key, net, depth=3, width=4, num_nets=2, sampler="matrix_free")
    with refused("samples", "sampler"):
        measure.samples(key, Dense("tanh"), depth=3, width=4, num_nets=2, sampler="matrices")
