"""Networks with noise beside their laws; and that a plain gradient of the same networks is what is measured."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tolerances import SIGMAS, SINGLE
from vgtheory import Dense, Recurrent, measure, theory
from vgtheory.measure.engine.draws import PRUNED, words_of
from vgtheory.measure.engine.links import Place, added, factors, kept
from vgtheory.measure.engine.networks import draw_cotangent, draw_input, draw_weights

SIZE: dict[str, Any] = dict(depth=5, width=256, num_nets=100)
FINITE = 0.04
"""Of logs at 256 units: a few times depth over width."""
BIAS, STD, ROUNDING = 0.05, 0.05, 1e-5
"""Stated at finite width: of the mean in standard deviations, of the standard deviation; and of float32's logs."""
NOISY = dict(dropout=0.2, sigma_noise=0.4)


SLOW = [
    pytest.param(sampler, mask, marks=pytest.mark.slow)
    for sampler, mask in (("networks", "gaussian"), ("matrix_free", "bernoulli"))
]


@pytest.mark.optimised
@pytest.mark.parametrize(("sampler", "mask"), [("networks", "bernoulli"), ("matrix_free", "gaussian"), *SLOW])
def test_dense_twin_and_power(key: jax.Array, sampler: str, mask: str) -> None:
    net = Dense("tanh", 1.5, 0.3, mask=mask, **NOISY)
    grad, q = (each(key, net, **SIZE, sampler=sampler) for each in (measure.log_grad_layers, measure.log_q_layers))
    laws = [law(net, depth=SIZE["depth"]).mean for law in (theory.log_grad_layers, theory.log_q_layers)]
    for found, mean in zip((grad, q), laws, strict=True):
        assert (abs(found.value - mean) <= SIGMAS * found.err + FINITE).all()
    off = theory.log_grad_layers(net.replace(dropout=0.0), depth=SIZE["depth"]).mean
    assert (abs(grad.value - off) > SIGMAS * grad.err + FINITE)[0]


@pytest.mark.slow
@pytest.mark.parametrize("net", [Recurrent("tanh", 1.5, 0.3, **NOISY), Dense("relu", 1.4, 0.2, dropconnect=0.3)])
def test_other_twins(key: jax.Array, net: Any) -> None:
    for measured, law in (
        (measure.log_grad_layers, theory.log_grad_layers),
        (measure.log_q_layers, theory.log_q_layers),
        (measure.layers.c_layers, theory.layers.c_layers),
    ):
        found, mean = measured(key, net, **SIZE), law(net, depth=SIZE["depth"]).mean
        assert (abs(found.value - mean) <= SIGMAS * found.err + FINITE).all()


@pytest.mark.optimised
def test_correlation_twin_and_power(key: jax.Array) -> None:
    net = Dense("relu", 1.2, 0.1, dropconnect=0.1, **NOISY)
    found = measure.layers.c_layers(key, net, depth=4, width=256, num_nets=100)
    assert (abs(found.value - theory.layers.c_layers(net, depth=4).mean) <= SIGMAS * found.err + FINITE).all()
    shared = theory.layers.c_layers(net.replace(dropout=0.0), depth=4).mean
    assert (abs(found.value - shared) > SIGMAS * found.err + FINITE).all()


@pytest.mark.parametrize(
    "net", [Dense("tanh", 1.5, 0.3, dropconnect=0.2, **NOISY), Recurrent("relu", 1.3, 0.3, **NOISY)]
)
def test_a_plain_gradient_is_what_is_measured(key: jax.Array, net: Any) -> None:
    depth, width, inputs = 3, 16, 2
    words, dtype = words_of(jax.random.fold_in(key, 0)), jnp.float32

    def top(offsets: jax.Array) -> tuple[jax.Array, jax.Array]:
        x, rows = draw_input(words, width, dtype, inputs), []
        for layer in range(1, depth + 1):
            place, weights = Place(words, layer), draw_weights(words, net, layer, width, dtype)
            x = x * factors(net, place, x.shape, dtype)
            masks = kept(net.dropconnect, place, PRUNED, (inputs, width, width), dtype)
            h = net.sigma_w * jnp.einsum("bi,bij,ij->bj", x, masks, weights.matrix, precision="highest")
            h = h + net.sigma_b * weights.bias[None] + added(net, place, h.shape, dtype) + offsets[layer - 1]
            rows.append(jnp.log(jnp.mean(h**2, axis=1)))
            x = net.activation.phi(h)
        return jnp.vdot(draw_cotangent(words, width, dtype, inputs), h), jnp.stack(rows)

    grads, log_q = jax.grad(top, has_aux=True)(jnp.zeros((depth, inputs, width), dtype))
    logs = jnp.log(jnp.linalg.norm(grads, axis=2))
    found = measure.samples(key, net, depth=depth, width=width, num_nets=1, num_inputs=inputs)
    np.testing.assert_allclose(found.log_grad[0].T, logs - logs[-1:], atol=10 * SINGLE)
    np.testing.assert_allclose(found.log_q[0].T, log_q, atol=10 * SINGLE)


def test_an_input_has_the_same_noise_in_any_batch(key: jax.Array) -> None:
    net, size = Dense("tanh", 1.5, 0.3, **NOISY), dict(depth=3, width=16, num_nets=2)
    few, many = (measure.samples(key, net, **size, num_inputs=count) for count in (2, 3))
    np.testing.assert_allclose(few.log_grad, many.log_grad[:, :2], atol=10 * SINGLE)


def test_what_cannot_be_measured_is_refused(key: jax.Array, refused: Callable[..., Any]) -> None:
    net, size = Dense("tanh", dropconnect=0.1), dict(depth=2, width=4, num_nets=2)
    with refused("log_grad_layers", "dropconnect", "sampler='networks'"):
        measure.log_grad_layers(key, net, **size, sampler="matrix_free")
    with refused("log_grad_weight_layers", "dropconnect"):
        measure.log_grad_weight_layers(key, net, **size)
    assert np.isnan(measure.samples(key, net, **size).log_grad_weight).all()
    with refused("log_q_layers", "net", "layers that are alike"):
        measure.log_q_layers(key, Dense("tanh", widths=(4, 3, 4), sigma_noise=0.1), num_nets=2)


WIDE = [
    (Dense("relu", 1.3, dropout=0.3), 48),
    pytest.param(Dense("relu", 1.3, dropout=0.3, mask="gaussian"), 32, marks=pytest.mark.slow),
    pytest.param(Dense("linear", 1.0, dropout=0.5), 48, marks=pytest.mark.slow),
    pytest.param(Dense("tanh", 1.5, 0.3, dropout=0.3), 64, marks=pytest.mark.slow),
    pytest.param(Dense("gelu", 1.6, 0.3, dropout=0.1, mask="gaussian", sigma_noise=0.2), 64, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("net", "width"), WIDE)
def test_mean_and_spread_at_finite_width(key: jax.Array, net: Any, width: int) -> None:
    depth, num_nets = 20, 3000
    logs = measure.samples(key, net, depth=depth, width=width, num_nets=num_nets, sampler="matrix_free")
    for found, law in ((logs.log_grad, theory.log_grad_layers), (logs.log_q, theory.log_q_layers)):
        predicted = law(net, depth=depth, width=width)
        mean, std = found.mean(axis=0), found.std(axis=0)
        err = predicted.std / num_nets**0.5
        bias, more = (0, 0) if net.activation.degree == 1 else (BIAS * predicted.std, STD)
        assert (abs(mean - predicted.mean) <= SIGMAS * err + bias + ROUNDING).all()
        fourth = np.mean((found - mean) ** 4, axis=0) / np.maximum(std, ROUNDING) ** 4
        std_err = std * ((np.maximum(fourth, 1) - 1) / num_nets / 4) ** 0.5
        assert (abs(std - predicted.std) <= SIGMAS * std_err + more * std + ROUNDING).all()
    off = theory.log_grad_layers(net.replace(dropout=0.9 * net.dropout), depth=depth, width=width)
    far = abs(logs.log_grad.mean(axis=0) - off.mean)[0] > SIGMAS * off.std[0] / num_nets**0.5
    assert far or net.dropout < 0.2


@pytest.mark.slow
def test_dropconnect_at_finite_width(key: jax.Array) -> None:
    net, depth, width, num_nets = Dense("relu", 1.0, 0.1, dropconnect=0.5, sigma_noise=0.3), 20, 64, 1000
    logs = measure.samples(key, net, depth=depth, width=width, num_nets=num_nets)
    for found, law in ((logs.log_grad, theory.log_grad_layers), (logs.log_q, theory.log_q_layers)):
        predicted = law(net, depth=depth, width=width)
        assert (
            abs(found.mean(axis=0) - predicted.mean) <= (SIGMAS / num_nets**0.5 + BIAS) * predicted.std + ROUNDING
        ).all()
        assert (abs(found.std(axis=0)[1:-1] / predicted.std[1:-1] - 1) < 2 * STD).all()


SIZES = (100, 64, 96, 48, 80, 64, 32)
MIXED = ("tanh", "relu", "gelu", "tanh", "relu", "tanh")
LISTED = [
    (Dense("relu", 2**0.5, widths=SIZES, dropout=0.2), "matrix_free"),
    pytest.param(Dense("relu", 2**0.5, widths=SIZES, dropout=0.2, mask="gaussian"), "networks", marks=pytest.mark.slow),
    pytest.param(Dense(MIXED, 1.5, 0.3, widths=SIZES, dropout=0.3), "matrix_free", marks=pytest.mark.slow),
    pytest.param(
        Dense("tanh", (1.5, 1.2, 2.0, 1.5, 1.5, 1.0), 0.3, dropout=0.3, widths=SIZES),
        "networks",
        marks=pytest.mark.slow,
    ),
    pytest.param(Dense("tanh", 1.5, 0.3, widths=SIZES, dropconnect=0.4), "networks", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("net", "sampler"), LISTED)
def test_layers_of_any_sizes(key: jax.Array, net: Dense, sampler: str) -> None:
    num_nets = 2000
    logs = measure.samples(key, net, num_nets=num_nets, sampler=sampler)
    laws = [(logs.log_grad, theory.log_grad_layers), (logs.log_q, theory.log_q_layers)]
    if net.dropconnect == 0:
        laws.append((logs.log_grad_weight, theory.log_grad_weight_layers))
    for found, law in laws:
        predicted = law(net)
        mean, std = found.mean(axis=0), found.std(axis=0)
        assert (abs(mean - predicted.mean) <= (SIGMAS / num_nets**0.5 + BIAS) * predicted.std + ROUNDING).all()
        err = SIGMAS * (0.7 / num_nets**0.5) * std
        assert (abs(std - predicted.std) <= 2 * err + STD * std + ROUNDING).all()


def test_correlations_of_any_sizes(key: jax.Array) -> None:
    net = Dense("relu", 1.3, 0.2, widths=(256, 200, 256, 300), dropout=0.3)
    found = measure.layers.c_layers(key, net, num_nets=60)
    assert (abs(found.value - theory.layers.c_layers(net).mean) <= SIGMAS * found.err + FINITE).all()
