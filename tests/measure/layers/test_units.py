"""Gated units, maxout and random slopes in real networks beside their laws; and a plain gradient of the same networks."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tolerances import SIGMAS
from vgtheory import Dense, measure, theory
from vgtheory.activations.units import RReLU
from vgtheory.measure.engine.draws import SLOPES, signed_uniform, words_of
from vgtheory.measure.engine.networks import draw_cotangent, draw_input, draw_weights

ROUNDING = 1e-5
"""Of float32's logs."""
MEAN, STD = 0.05, 0.05
"""Stated at finite width from 128 units on: of the mean in standard deviations, of the standard deviation."""
NARROW_MEAN, NARROW_STD = 0.1, 0.1
"""The same at 64 units, where lengths do not settle."""
FINITE = 0.032
"""Of logs at 512 units."""
OFF = 1.03
NETS = [
    Dense("swiglu", 1.8),
    *(
        pytest.param(net, marks=pytest.mark.slow)
        for net in (
            Dense("glu", 1.9, 0.3),
            Dense("geglu", 1.6),
            Dense("bilinear", 1.0, 0.1),
            Dense("maxout(3)", 0.9),
            Dense("rrelu(-0.5, 0.5)", 1.4),
        )
    ),
]
PAIRS = (
    ("log_q", theory.log_q_layers),
    ("log_grad", theory.log_grad_layers),
    ("log_grad_weight", theory.layers.log_grad_weight_layers),
)


def gaps(logs: Any, net: Dense, size: dict[str, int]) -> dict[str, tuple[np.ndarray, ...]]:
    """By quantity: gap of the mean over the measured spread, relative gap of the spread, and the standard errors of both."""
    found = {}
    for name, law in PAIRS:
        rows = np.asarray(getattr(logs, name))
        rows = rows if name == "log_q" else rows[:, :-1]
        expected = law(net, **size)
        mean, std = (each[: rows.shape[1]] for each in (expected.mean, expected.std))
        spread, count = rows.std(axis=0, ddof=1), len(rows)
        centred = ((rows - rows.mean(axis=0)) / spread) ** 4
        error = np.sqrt(np.maximum(centred.mean(axis=0) - 1, 0) / count) / 2
        found[name] = ((rows.mean(axis=0) - mean) / spread, spread / std - 1, np.full_like(mean, count**-0.5), error)
    return found


@pytest.mark.optimised
@pytest.mark.parametrize("net", NETS, ids=lambda net: net.activation.name)
def test_twin_and_power_at_finite_width(key: jax.Array, net: Dense) -> None:
    size = {"depth": 4, "width": 128}
    logs = measure.samples(key, net, **size, num_nets=600)
    for mean, std, mean_err, std_err in gaps(logs, net, size).values():
        assert (abs(mean) <= MEAN + SIGMAS * mean_err).all()
        assert (abs(std) <= STD + SIGMAS * std_err).all()
    off = gaps(logs, net.replace(sigma_w=OFF * net.sigma_w), size)
    mean, _, err, _ = off["log_q"]
    assert (abs(mean) > MEAN + SIGMAS * err).any()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["swiglu", "maxout(3)"])
def test_narrow_twin(key: jax.Array, name: str) -> None:
    net, size = Dense(name, 1.4 if name == "swiglu" else 0.9), {"depth": 5, "width": 64}
    logs = measure.samples(key, net, **size, num_nets=3000)
    for mean, std, mean_err, std_err in gaps(logs, net, size).values():
        assert (abs(mean) <= NARROW_MEAN + SIGMAS * mean_err).all()
        assert (abs(std) <= NARROW_STD + SIGMAS * std_err).all()


@pytest.mark.slow
def test_twin_at_infinite_width(key: jax.Array) -> None:
    """With dropout, which has a law there alone, and with uniform weights."""
    size = {"depth": 4, "width": 512}
    for net in (Dense("swiglu", 1.2, 0.3, dropout=0.2), Dense("maxout(4)", 0.8, 0.2, weights="uniform")):
        for measured, law in (
            (measure.log_q_layers, theory.log_q_layers),
            (measure.log_grad_layers, theory.log_grad_layers),
        ):
            found, mean = measured(key, net, **size, num_nets=60), law(net, depth=4).mean
            assert (abs(found.value - mean) <= SIGMAS * found.err + FINITE).all()


@pytest.mark.slow
def test_the_gradient_of_deep_maxout_is_held_along_its_own_pre_activations(key: jax.Array) -> None:
    """At the scale that keeps lengths the mean square falls by 1 / E[max^2] per layer; a network's own gradient stops falling."""
    net, size = Dense("maxout(3)", 0.7839052046911243**0.5), {"depth": 40, "width": 64}
    infinite, finite = (theory.log_grad_layers(net, depth=40, width=width) for width in (None, 64))
    bottom = measure.log_grad_layers(key, net, **size, num_nets=200).value[0]
    assert infinite.mean[0] < -4.7
    assert finite.std[0] == np.inf
    assert -2.6 < bottom < -1.8


@pytest.mark.parametrize(
    "name", ["rrelu(0.1, 0.9)", *(pytest.param(name, marks=pytest.mark.slow) for name in ("swiglu", "maxout(3)"))]
)
def test_a_plain_gradient_is_what_is_measured(key: jax.Array, name: str) -> None:
    net, depth, width, inputs = Dense(name, 1.3, 0.2), 3, 16, 2
    fan, words, dtype = net.activation.fan, words_of(jax.random.fold_in(key, 0)), jnp.float32

    def top(offsets: list[jax.Array]) -> tuple[jax.Array, list[jax.Array]]:
        drawn = [draw_weights(words, net, layer, width, dtype) for layer in range(1, depth + 1)]
        x, rows = draw_input(words, width, dtype, inputs), []
        for index, (weights, offset) in enumerate(zip(drawn, offsets, strict=True)):
            h = 1.3 * jnp.dot(x, weights.matrix, precision="highest") + 0.2 * weights.bias[None] + offset
            rows.append(h)
            shares = signed_uniform(words, SLOPES, index + 2, h.shape, dtype)[0]
            x = net.activation.phi(h, shares) if isinstance(net.activation, RReLU) else net.activation.phi(h)
        return jnp.vdot(draw_cotangent(words, fan * width, dtype, inputs), h), rows

    offsets = [jnp.zeros((inputs, fan * width), dtype)] * depth
    slopes, rows = jax.jit(jax.grad(top, has_aux=True))(offsets)
    logs = measure.samples(key, net, depth=depth, width=width, num_nets=1, num_inputs=inputs)
    log_q = np.log(np.mean(np.square(rows), axis=2))
    log_grad = np.log(np.linalg.norm(slopes, axis=2))
    np.testing.assert_allclose(logs.log_q[0].T, log_q, atol=ROUNDING)
    np.testing.assert_allclose(logs.log_grad[0].T, log_grad - log_grad[-1:], atol=ROUNDING)
    assert logs.log_grad_weight.shape == (1, depth)
