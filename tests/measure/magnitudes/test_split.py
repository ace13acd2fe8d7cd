"""The split of Var log|g|: exact, of the very gradients that autodiff gives, and as predicted."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tolerances import EQUAL_FLOAT64, LOG_MOMENT, ORDER_SPLIT, ORDER_TILT, SIGMAS, TINY_SPLIT
from vgtheory import Dense, measure, theory
from vgtheory.measure.engine.draws import words_of
from vgtheory.measure.engine.networks import draw_cotangent, draw_input

ROOT_2 = 2**0.5


@hypothesis.given(st.integers(0, 2**20), st.integers(1, 6), st.integers(1, 7), st.integers(2, 5), st.floats(0, 0.9))
def test_the_parts_add_up_to_the_whole(seed: int, layers: int, entries: int, draws: int, dead: float) -> None:
    rng = np.random.default_rng(seed)
    logs = 10 * rng.normal(size=(layers, entries, draws)) + 30 * rng.normal(size=(layers, 1, 1))
    logs = np.where(rng.uniform(size=logs.shape) < dead, -np.inf, logs)
    logs[0, 0, 0] = 1.0
    parts = measure.magnitudes.variance_split(logs)
    assert sum(parts[:3]) == pytest.approx(np.var(logs[np.isfinite(logs)]), rel=TINY_SPLIT, abs=TINY_SPLIT)
    assert parts.zeros == pytest.approx(np.mean(logs == -np.inf))
    assert min(parts[:3]) >= 0


def test_nothing_but_zeros_has_no_variance() -> None:
    assert np.isnan(measure.magnitudes.variance_split(np.full((2, 3, 4), -np.inf)).layers)


@pytest.mark.parametrize("name", ["tanh", pytest.param("relu", marks=pytest.mark.slow)])
def test_entries_are_those_of_autodiff(key: jax.Array, name: str) -> None:
    net, (depth, width, batch, draws) = Dense(name, 1.3, 0.2), (3, 8, 2, 2)
    size = {"depth": depth, "width": width, "num_nets": 2, "batch": batch, "num_draws": draws, "dtype": "float64"}
    found = measure.magnitudes.log_grad_entries(key, net, **size)[1]
    with jax.enable_x64(True):
        own = jax.random.fold_in(key, 1)
        module, variables = measure.engine.draw_network(own, net, depth=depth, width=width, dtype=jnp.float64)
        rows = draws * batch + 1
        x = draw_input(words_of(own), width, jnp.float64, rows)[1:].reshape(draws, batch, width)
        top = draw_cotangent(words_of(own), width, jnp.float64, rows)[1:].reshape(draws, batch, width)

        def loss(variables: dict, x: jax.Array, top: jax.Array) -> jax.Array:
            apply = lambda x: module.apply(variables, x, jnp.zeros((depth, width)))
            return jnp.sum(jax.vmap(apply)(x) * top) / batch

        gradient = jax.jit(jax.grad(loss))
        for draw in range(draws):
            grads = gradient(variables, x[draw], top[draw])["params"]
            for layer in range(depth):
                kernel = np.asarray(grads[f"layer_{layer + 1}"]["Dense_0"]["kernel"])
                np.testing.assert_allclose(
                    np.exp(found[layer, :, draw]), np.abs(np.diagonal(kernel)), rtol=100 * EQUAL_FLOAT64
                )


def distances(
    key: jax.Array, net: Dense, seen_nets: Sequence[Dense], depth: int, width: int, batch: int
) -> list[float]:
    """Return, of each network seen, the largest distance of a part from its prediction for ``net``, in standard errors."""
    size = {"depth": depth, "width": width, "batch": batch, "num_draws": 8}
    predicted = theory.log_grad_variance(net, **size)
    seen = [measure.log_grad_variance(key, each, num_nets=20, **size) for each in seen_nets]
    return [max(_apart(predicted, each, depth, width)) for each in seen]


def _apart(predicted: Any, seen: Any, depth: int, width: int) -> list[float]:
    stated = [ORDER_TILT * (depth / width) ** 3 + predicted.entries.value / width, 0.0, 0.0, 0.0]
    return [
        abs(there.value - here.value)
        / (np.hypot(here.err, there.err) + (ORDER_SPLIT * abs(here.value) + besides) / SIGMAS)
        for here, there, besides in zip(predicted, seen, stated, strict=True)
        if here.value > TINY_SPLIT
    ]


SOON = (("relu", ROOT_2, 8, 1),)
"""Nets, depths and batches of the default run, besides that of three per cent below."""
CASES = [
    pytest.param(
        name, sigma_w, depth, width, batch, marks=() if (name, sigma_w, depth, batch) in SOON else pytest.mark.slow
    )
    for name, sigma_w in (("tanh", 1.0), ("tanh", 1.5), ("relu", ROOT_2))
    for depth, width in ((8, 128), (32, 256), (128, 512))
    for batch in (1, 32)
]


@pytest.mark.parametrize(("name", "sigma_w", "depth", "width", "batch"), CASES)
def test_as_predicted(key: jax.Array, name: str, sigma_w: float, depth: int, width: int, batch: int) -> None:
    net = Dense(name, sigma_w)
    assert distances(key, net, [net], depth, width, batch)[0] < SIGMAS


@pytest.mark.slow
def test_what_the_law_leaves_out_falls_with_the_square_of_the_width(key: jax.Array) -> None:
    """Were something of order 1/N missing, it would be twice as large, times N^2, at twice the width."""
    net, size = Dense("tanh", 1.0), {"depth": 32, "batch": 32, "num_draws": 16}
    left, errs = [], []
    for width, num_nets in ((64, 96), (128, 96)):
        law = theory.log_grad_variance(net, width=width, **size)
        seen = measure.log_grad_variance(jax.random.fold_in(key, width), net, width=width, num_nets=num_nets, **size)
        parts = [(here, there) for here, there in zip(law[:2], seen[:2], strict=True)]
        left.append([width**2 * (there.value - here.value) for here, there in parts])
        errs.append([width**2 * np.hypot(here.err, there.err) for here, there in parts])
    (small, large), (small_err, large_err) = np.array(left), np.array(errs)
    assert (np.abs(small) > SIGMAS * small_err).all()
    assert (np.abs(large - small) < SIGMAS * np.hypot(large_err, small_err)).all()
    assert abs(large[0] - 2 * small[0]) > SIGMAS * np.hypot(large_err[0], 2 * small_err[0])


@pytest.mark.parametrize(
    "net", [Dense("tanh", 1.5), pytest.param(Dense("relu", 1.2, 0.3), marks=pytest.mark.slow)], ids=["tanh", "relu"]
)
def test_three_per_cent_are_seen(key: jax.Array, net: Dense) -> None:
    off = dataclasses.replace(net, sigma_w=1.03 * net.sigma_w)
    right, wrong = distances(key, net, [net, off], 32, 256, 8)
    assert right < SIGMAS < wrong


def test_without_biases_a_relu_network_has_the_same_spread_at_every_scale(key: jax.Array) -> None:
    assert distances(key, Dense("relu", ROOT_2), [Dense("relu", 0.5)], 8, 128, 1)[0] < SIGMAS
    exact = [theory.log_grad_variance(Dense("relu", scale), depth=6).layers.value for scale in (0.5, 3.0)]
    assert exact[0] == pytest.approx(exact[1], abs=LOG_MOMENT)


def test_wrong_questions(key: jax.Array, refused: Callable[..., pytest.RaisesExc]) -> None:
    net, size = Dense("tanh"), {"depth": 3, "width": 4, "num_nets": 2}
    with refused("log_grad_entries", "c_0"):
        measure.magnitudes.log_grad_entries(key, net, c_0=1.0, **size)
    with refused("log_grad_variance", "num_nets"):
        measure.log_grad_variance(key, net, depth=3, width=4, num_nets=1)
    with refused("log_grad_entries", "batch"):
        measure.magnitudes.log_grad_entries(key, net, batch=0, **size)
    with refused("variance_split", "shape"):
        measure.magnitudes.variance_split(np.zeros((2, 3)))
