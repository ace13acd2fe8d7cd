"""Singular values of real networks against automatic differentiation, high precision, and the law; sigma_w off by 3 % fails."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from tests.tolerances import EDGE, EQUAL_FLOAT64, POWER
from vgtheory import Dense, compare, measure, theory
from vgtheory.measure.engine.draws import words_of
from vgtheory.measure.engine.networks import draw_input, draw_layer
from vgtheory.measure.spectra import values

SLOW = pytest.mark.slow
SCALES = {"linear": (1.0, 0.0), "relu": (2**0.5, 0.0), "tanh": (1.3, 0.2)}
WIDTH = 24
"""Of most tests here and in test_top, so that programs are shared."""
ROUNDING = 1e-11
"""Of a measured log, per layer; a hundred times what is stated."""
TOGETHER = 2e-9
"""Stated: float64's rounding times the condition number, 1e7, up to which products of layers are formed."""


def settled_input(net: Dense) -> float:
    """Mean square of the input whose first layer is at the fixed point."""
    return float((theory.q_star(net) - net.sigma_b**2) / net.sigma_w**2)


def sampled(key: jax.Array, net: Dense, depth: int, width: int, num_nets: int) -> np.ndarray:
    shape = {"depth": depth, "width": width, "num_nets": num_nets}
    return measure.jacobian_singular_values(key, net, **shape, input_square=settled_input(net))


def compared(
    logs: np.ndarray, net: Dense, depth: int, width: int | None = None, num_knots: int = 512
) -> compare.KSTest:
    """All singular values of all networks against the law, itself taken at some of them and in straight lines between."""
    around, finite = depth * ROUNDING, logs[np.isfinite(logs)]
    knots = np.quantile(finite, np.linspace(0, 1, num_knots), method="nearest")
    zero = float(theory.spectra.jacobian_cdf_of_log(-np.inf, net, depth, width))
    above, below = (
        np.interp(logs, knots, theory.spectra.jacobian_cdf_of_log(knots + shift, net, depth, width), left=side)
        for shift, side in ((around, zero), (-around, 0.0))
    )
    return compare.ks_test(
        logs, np.where(np.isneginf(logs), zero, above), np.where(np.isneginf(logs), 0, below), around
    )


@pytest.mark.parametrize(("name", "weights"), [("tanh", "gaussian"), ("relu", "orthogonal")])
def test_logs_are_those_of_plain_automatic_differentiation(key: jax.Array, name: str, weights: str) -> None:
    net, shape = Dense(name, 1.4, 0.3, weights), {"depth": 3, "width": WIDTH}
    logs = measure.jacobian_singular_values(key, net, **shape, num_nets=2, input_square=0.7)[1]
    with jax.enable_x64(True):
        own = jax.random.fold_in(key, 1)

        @jax.jit
        def jacobian_of(key: jax.Array) -> jax.Array:
            module, variables = measure.engine.draw_network(key, net, **shape, dtype="float64")
            x_0 = draw_input(words_of(key), WIDTH, "float64") * 0.7**0.5
            return jax.jacrev(lambda x: net.activation.phi(module.apply(variables, x, jnp.zeros((3, WIDTH)))))(x_0)

        jacobian = jacobian_of(own)
    expected = np.linalg.svd(np.asarray(jacobian), compute_uv=False)
    np.testing.assert_allclose(np.exp(logs), expected, rtol=EQUAL_FLOAT64, atol=EQUAL_FLOAT64)
    assert np.isfinite(logs).sum() == np.linalg.matrix_rank(jacobian)


def log_values_of_product(factors: list[np.ndarray], digits: int) -> list[float]:
    """Logs of the singular values of a product of matrices, the first factor first, in so many digits."""
    with mp.workdps(digits):
        product = mp.eye(factors[0].shape[1])
        for factor in factors:
            product = mp.matrix(factor.tolist()) * product
        return [float(mp.log(each)) for each in mp.svd_r(product, compute_uv=False)]


def test_singular_values_a_hundred_orders_of_magnitude_apart(key: jax.Array) -> None:
    """Four units, 240 layers: 400 digits say what the logs are."""
    net = Dense("linear", 1.1)
    logs = measure.jacobian_singular_values(key, net, depth=240, width=4, num_nets=1)[0]
    with jax.enable_x64(True):
        words = words_of(jax.random.fold_in(key, 0))
        layers = jax.jit(jax.vmap(lambda layer: draw_layer(words, net, layer, 4, "float64")))(np.arange(1, 241))
    kernels = np.asarray(layers["params"]["Dense_0"]["kernel"])
    expected = log_values_of_product([kernel.T for kernel in kernels], 400)
    assert logs[0] - logs[-1] > 100 * np.log(10)
    np.testing.assert_allclose(logs, expected, rtol=0, atol=200 * EDGE)


@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_products_of_wide_layers_are_formed_together(
    key: jax.Array, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What is done from a width of 128 on, at one where 100 digits are affordable: fewer values are lost than is stated."""
    monkeypatch.setattr(values, "_WIDE", 8)
    net, depth, width, absorbed = Dense(name, 1.5), 12, WIDTH, []
    times = values._times
    monkeypatch.setattr(values, "_times", lambda *given: absorbed.append(given) or times(*given))
    logs = measure.jacobian_singular_values(key, net, depth=depth, width=width, num_nets=1)[0]
    with jax.enable_x64(True):
        factors = list(values._factors(jax.random.fold_in(key, 0), net, depth, width, 1.0))
    expected, kept = log_values_of_product([each.T for each in factors], 100), min(min(each.shape) for each in factors)
    assert len(absorbed) < depth
    np.testing.assert_allclose(logs[:kept], expected[:kept], rtol=0, atol=TOGETHER)
    assert np.isneginf(logs[kept:]).all()


def test_what_float64_cannot_reach_is_said(key: jax.Array) -> None:
    logs = measure.jacobian_singular_values(key, Dense("linear", 1.0), depth=1000, width=4, num_nets=1)[0]
    assert np.isfinite(logs[0])
    assert np.isnan(logs[-1])
    dead = measure.jacobian_singular_values(key, Dense("hard_tanh", 1.0, 1e6), depth=2, width=4, num_nets=1)
    assert np.isneginf(dead).all()


POWERED = [
    pytest.param("linear", "gaussian", 4, 70, marks=SLOW),
    pytest.param("tanh", "orthogonal", 4, 60, marks=SLOW),
]


@pytest.mark.parametrize(("name", "weights", "depth", "num_nets"), POWERED)
def test_the_law_is_accepted_and_three_percent_off_rejected(
    key: jax.Array, name: str, weights: str, depth: int, num_nets: int
) -> None:
    sigma_w, sigma_b = SCALES[name]
    logs = sampled(key, Dense(name, sigma_w, sigma_b, weights), depth, 128, num_nets)
    assert compared(logs, Dense(name, sigma_w, sigma_b, weights), depth).p_value > POWER
    for off in (0.97, 1.03):
        assert compared(logs, Dense(name, off * sigma_w, sigma_b, weights), depth).p_value < POWER


@pytest.mark.slow
def test_zeros_are_as_many_as_the_width_has(key: jax.Array) -> None:
    """The infinite-width weight at 0 fails, that of this width does not."""
    net = Dense("relu", 2**0.5, weights="orthogonal")
    logs = sampled(key, net, 4, WIDTH, 80)
    assert compared(logs, net, 4, WIDTH, num_knots=100).p_value > POWER
    assert compared(logs, net, 4, num_knots=100).p_value < POWER


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 4, 16, 64])
@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
@pytest.mark.parametrize("name", SCALES)
def test_the_law_is_accepted_at_width_512(key: jax.Array, name: str, weights: str, depth: int) -> None:
    net = Dense(name, *SCALES[name], weights)
    assert compared(sampled(key, net, depth, 512, 8), net, depth, width=512).p_value > POWER
