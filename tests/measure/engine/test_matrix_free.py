"""The sampler without matrices draws from the distribution of real networks, at their own width."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from scipy.stats import ks_2samp

from tests.tolerances import POWER, SAME_LAW, SIGMAS
from vgtheory import Dense, Recurrent, measure, theory

NETS = {"tanh": Dense("tanh", 1.6, 0.3), "relu": Dense("relu", 2**0.5), "gelu": Dense("gelu", 1.5, 0.2)}


def drawn(key: jax.Array, net: Dense, **how: Any) -> tuple[measure.layers.ChainLogs, measure.layers.ChainLogs]:
    """Real networks, and as many without matrices, of other draws."""
    keys = (jax.random.fold_in(key, index) for index in (1, 2))
    both = [
        measure.samples(own, net, **how, sampler=name)
        for own, name in zip(keys, ("networks", "matrix_free"), strict=True)
    ]
    return both[0], both[1]


def p_values(real: measure.layers.ChainLogs, other: measure.layers.ChainLogs) -> dict[str, float]:
    """Two-sample tests of the layers at the bottom, in the middle and at the top; a dead layer counts as a very small number."""
    found = {}
    for name in measure.layers.ChainLogs._fields:
        ours, theirs = (np.nan_to_num(getattr(logs, name), nan=-2e4, neginf=-1e4) for logs in (real, other))
        depth = ours.shape[-1]
        for layer in (0, depth // 2, depth - 1 if name == "log_q" else depth - 2):
            found[f"{name} {layer}"] = float(
                ks_2samp(*(x.reshape(len(x), -1, depth)[:, 0, layer] for x in (ours, theirs))).pvalue
            )
    return found


@pytest.mark.slow
@pytest.mark.parametrize("width", [8, 64, 512])
@pytest.mark.parametrize("name", NETS)
def test_same_law_as_real_networks(key: jax.Array, name: str, width: int) -> None:
    found = p_values(*drawn(key, NETS[name], depth=12, width=width, num_nets=6000 if width == 8 else 1000))
    assert min(found.values()) > SAME_LAW, found


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NETS, "sigmoid"])
def test_same_law_with_several_inputs(key: jax.Array, name: str) -> None:
    """Of one input, of the weight gradient of all, and of how two inputs differ."""
    net = NETS.get(name, Dense("sigmoid", 3.0, 0.1))
    real, other = drawn(key, net, depth=6, width=8, num_nets=8000, num_inputs=3)
    found = p_values(real, other)
    for field, layer in (("log_q", -1), ("log_grad", 0)):
        pair = [getattr(logs, field)[:, :2, layer] for logs in (real, other)]
        pair = [np.where(np.isfinite(x), x, -1e4) for x in pair]  # a dead layer, of one input or of both
        found[f"{field} apart"] = float(ks_2samp(*(x[:, 0] - x[:, 1] for x in pair)).pvalue)
    assert min(found.values()) > SAME_LAW, found


@pytest.mark.slow
def test_the_test_has_power(key: jax.Array) -> None:
    """sigma_w three per cent off is found."""
    real = measure.samples(key, NETS["tanh"], depth=12, width=8, num_nets=6000, sampler="matrix_free")
    off = Dense("tanh", 1.03 * 1.6, 0.3)
    assert (
        min(
            p_values(
                real,
                measure.samples(
                    jax.random.fold_in(key, 1), off, depth=12, width=8, num_nets=6000, sampler="matrix_free"
                ),
            ).values()
        )
        < POWER
    )


@pytest.mark.slow
def test_dead_layers_are_as_frequent_as_predicted(key: jax.Array) -> None:
    """With one input and with two: zero vectors on the way up and down."""
    predicted = theory.width.dead_probability(Dense("relu", 1.4), depth=20, width=3)
    for inputs in (None, 2):
        logs = measure.samples(
            key, Dense("relu", 1.4), depth=20, width=3, num_nets=600, num_inputs=inputs, sampler="matrix_free"
        )
        bottom = logs.log_grad.reshape(600, -1, 20)[:, 0, 0]
        assert not np.isnan(bottom).any()
        assert abs(np.isneginf(bottom).mean() - predicted) < SIGMAS * (predicted * (1 - predicted) / 600) ** 0.5


@pytest.mark.slow
def test_inputs_that_become_the_same(key: jax.Array) -> None:
    """A deep ordered network, where R is singular: all inputs have the same gradient in the end, and it is the law's."""
    net, size = Dense("tanh", 0.9, 0.5), {"depth": 80, "width": 64}
    logs = measure.samples(key, net, **size, num_nets=60, num_inputs=4, sampler="matrix_free")
    assert np.ptp(logs.log_q[:, :, -1], axis=1).max() < 1e-4
    law = theory.log_grad_layers(net, **size)
    assert abs(logs.log_grad[:, 0, 0].mean() - law.mean[0]) < SIGMAS * law.std[0] / 60**0.5


# The law at 64 units is held in test_finite_width_law; this is a program for one width more.
@pytest.mark.slow
def test_a_million_units(key: jax.Array) -> None:
    net, size = Dense("tanh", 1.327, 0.05**0.5), {"depth": 3, "width": 10**6}
    measured = measure.log_grad_layers(key, net, **size, num_nets=2, sampler="matrix_free")
    law = theory.log_grad_layers(net, **size)
    assert abs(measured.value[0] - law.mean[0]) < SIGMAS * law.std[0] / 2**0.5


@pytest.mark.parametrize("net", [Recurrent("tanh", sigma_w=1.0), Dense("tanh", weights="orthogonal")])
def test_other_weights_are_refused(key: jax.Array, refused: Callable[..., Any], net: Any) -> None:
    with refused("samples", "net|weights", "sampler='networks'"):
        measure.samples(key, net, depth=3, width=4, num_nets=1, sampler="matrix_free")
