"""The log-domain chain equals plain ``jax.grad``, survives any depth, and knows its own error."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tolerances import EQUAL_FLOAT32, EQUAL_FLOAT64, SIGMAS
from vgtheory import ACTIVATIONS, Activation, Dense, FixedRecurrent, Recurrent, measure, theory
from vgtheory.measure.engine.averages import averaged
from vgtheory.measure.engine.draws import words_of
from vgtheory.measure.engine.links import is_scalable
from vgtheory.measure.engine.networks import draw_input

TIGHT = {"float32": EQUAL_FLOAT32, "float64": EQUAL_FLOAT64}


@pytest.mark.parametrize(
    ("activation", "dtype", "depth", "width"),
    [
        ("tanh", "float64", 4, 64),  # the program of test_numpy_loop
        *(
            pytest.param(name, dtype, 20, 24, marks=pytest.mark.slow)
            for name in ("tanh", "relu", "sigmoid")
            for dtype in ("float32", "float64")
        ),
    ],
)
def test_equals_plain_autodiff(key: jax.Array, activation: str, dtype: str, depth: int, width: int) -> None:
    net, size = Dense(activation, 1.2, 0.1), {"depth": depth, "width": width}
    chain = measure.samples(key, net, **size, num_nets=1, dtype=dtype)
    plain = measure.engine.plain_grads(jax.random.fold_in(key, 0), net, **size, dtype=dtype)
    for ours, theirs in ((chain.log_grad, plain.log_grad), (chain.log_grad_weight, plain.log_grad_weight)):
        relative = np.expm1(ours[0] - (theirs - theirs[-1]))
        assert np.abs(relative).max() < TIGHT[dtype]


# They are held to their laws in test_twins and in measure/recurrent.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("net", "depth"),
    [
        (Dense("tanh", 1.1, 0.2, "orthogonal"), 12),
        (Recurrent("tanh", sigma_w=1.1), 5),
        (FixedRecurrent("erf", matrix=0.9 * np.eye(24)), 12),
    ],
    ids=["orthogonal", "recurrent", "fixed"],
)
def test_other_networks_equal_plain_autodiff_too(key: jax.Array, net: Any, depth: int) -> None:
    chain = measure.samples(key, net, depth=depth, width=24, num_nets=1)
    plain = measure.engine.plain_grads(jax.random.fold_in(key, 0), net, depth=depth, width=24)
    assert np.abs(np.expm1(chain.log_grad[0] - plain.log_grad + plain.log_grad[-1])).max() < EQUAL_FLOAT32


# By default they are those of a loop of NumPy: test_numpy_loop.
@pytest.mark.slow
def test_forward_log_sizes_are_those_of_the_network(key: jax.Array) -> None:
    net = Dense("gelu", 1.3, 0.1)
    own = jax.random.fold_in(key, 0)
    module, variables = measure.engine.draw_network(own, net, depth=6, width=24)
    x = draw_input(words_of(own), 24, jnp.float32)
    sizes = [float(jnp.mean(module.clone(depth=d).apply(variables, x, jnp.zeros((d, 24))) ** 2)) for d in range(1, 7)]
    measured = measure.samples(key, net, depth=6, width=24, num_nets=1).log_q[0]
    assert np.abs(np.expm1(measured - np.log(sizes))).max() < EQUAL_FLOAT32


DEEP = {"depth": 10_000, "width": 8, "num_nets": 2, "num_inputs": 3}


def test_deep_linear_stack_does_not_overflow(key: jax.Array) -> None:
    logs = measure.samples(key, FixedRecurrent("linear", matrix=1.1 * np.eye(8)), **DEEP)
    decades = logs.log_grad[..., 0] / np.log(10)
    assert np.isfinite(logs.log_q).all()
    assert decades == pytest.approx(413.9, abs=0.05)
    assert logs.log_q[..., -1] / np.log(100) == pytest.approx(np.log10(1.1) * 10_000, abs=0.05)


def test_weight_gradients_of_inputs_far_apart_in_size(key: jax.Array) -> None:
    """A linear recurrence whose directions grow and shrink by 3,000 decades: each Gram entry has its own scale."""
    logs = measure.samples(key, FixedRecurrent("linear", matrix=np.diag([2.0, 0.5] * 4)), **DEEP)
    assert np.isfinite(logs.log_grad_weight).all()
    assert np.isfinite(logs.log_grad).all()


@pytest.mark.optimised
def test_sigmoid_of_depth_1000_reports_its_decades(key: jax.Array) -> None:
    net, size = Dense("sigmoid", 1.0), {"depth": 1000, "width": 128}
    measured = measure.log_grad_layers(key, net, **size, num_nets=2)
    law = theory.log_grad_layers(net, **size)
    assert abs(measured.value[0] - law.mean[0]) < SIGMAS * law.std[0] / 2**0.5
    assert round(law.mean[0] / np.log(10)) == -629
    assert round(theory.log_grad_layers(net, depth=1000).mean[0] / np.log(10)) == -626


@pytest.mark.slow
def test_sigmoid_of_depth_100000_runs(key: jax.Array) -> None:
    net, size = Dense("sigmoid", 1.0), {"depth": 100_000, "width": 128}
    measured = measure.log_grad_layers(key, net, **size, num_nets=2)
    law = theory.log_grad_layers(net, **size)
    assert abs(measured.value[0] - law.mean[0]) < SIGMAS * law.std[0] / 2**0.5


def test_a_dead_layer_is_reported_not_dropped(key: jax.Array) -> None:
    logs = measure.samples(key, Dense("relu", 1.4), depth=30, width=2, num_nets=200)
    dead = np.isneginf(logs.log_grad[:, 0])
    predicted = theory.width.dead_probability(Dense("relu", 1.4), depth=30, width=2)
    assert abs(dead.mean() - predicted) < SIGMAS * (predicted * (1 - predicted) / 200) ** 0.5
    assert np.isneginf(averaged(logs.log_grad, 1, "float32").value[0])


NOT_SCALABLE = ("sigmoid", "softplus", "hard_sigmoid", "gaussian", "relu_squared", "cube")
"""Those that do not pass through 0, and those that do not end up straight."""


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_scalable_activations_are_recognised(name: str) -> None:
    assert is_scalable(ACTIVATIONS[name]) == (name not in NOT_SCALABLE)


def test_what_may_not_be_scaled_is_recognised() -> None:
    assert not is_scalable(Activation("square", lambda h: h * h))


@pytest.mark.parametrize(
    "wrong", [{"depth": 0}, {"depth": 2.5}, {"width": -1}, {"num_nets": 0}, {"dtype": "float8"}, {"depth": True}]
)
def test_wrong_questions_get_one_sentence(key: jax.Array, refused: Callable[..., Any], wrong: dict[str, Any]) -> None:
    asked = {"depth": 3, "width": 4, "num_nets": 2} | wrong
    with refused("samples", next(iter(wrong))):
        measure.samples(key, Dense("tanh"), **asked)


def test_a_matrix_of_another_width_is_refused(key: jax.Array, refused: Callable[..., Any]) -> None:
    with refused("samples", "width"):
        measure.samples(key, FixedRecurrent("tanh", matrix=np.eye(4)), depth=3, width=5, num_nets=1)
