"""Chi-square laws, dead layers, and the order-1/N engine against the exact laws."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from tests import reference
from tests.tolerances import CHI_SQUARE, EXACT, ORDER, PROBABILITY, SIGMAS
from vgtheory import ACTIVATIONS, Dense, theory
from vgtheory.theory.precision import in_float64
from vgtheory.theory.width import expansion

LAYER_VARIANCE = {"linear": 2, "relu": 5}
"""N times the variance of one layer's ln |g|^2, to leading order."""


LINEAR, RELU = (1.0, 1.0), (1.0, 0.0)


@pytest.mark.parametrize("slopes", [LINEAR, RELU])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_chi_square_law_is_the_integral_over_its_density(width: int, slopes: tuple[float, float]) -> None:
    law = theory.width.log_chi_square_law(width, slopes)
    mean, std = reference.log_chi_square_law(width, slopes == RELU, by_integral=True)
    assert abs(law.mean - mean) < CHI_SQUARE
    assert abs(law.std - std) < CHI_SQUARE


@pytest.mark.parametrize("slopes", [LINEAR, RELU])
@pytest.mark.parametrize("width", [7, 64, 300])
def test_chi_square_law_is_as_accurate_as_stated(width: int, slopes: tuple[float, float]) -> None:
    law = theory.width.log_chi_square_law(width, slopes)
    mean, std = reference.log_chi_square_law(width, slopes == RELU)
    assert abs(law.mean - mean) < CHI_SQUARE
    assert abs(law.std - std) < CHI_SQUARE


@pytest.mark.parametrize("width", [1, 3, pytest.param(64, marks=pytest.mark.slow)])
@pytest.mark.parametrize("slopes", [(1.0, 0.01), (1.0507, -0.3), (2.0, 1e-6), (0.5, -0.5)])
def test_two_slopes_are_as_accurate_as_stated(width: int, slopes: tuple[float, float]) -> None:
    law = theory.width.log_chi_square_law(width, slopes)
    mean, std = reference.log_two_slopes_law(width, slopes)
    assert abs(law.mean - mean) < CHI_SQUARE
    assert abs(law.std - std) < CHI_SQUARE * max(1, 1 / law.std)


@pytest.mark.parametrize("width", [1, 64])
def test_two_slopes_scale_and_meet_their_limits(width: int) -> None:
    alone, scaled = (
        theory.width.log_chi_square_law(width, (1.0, 0.3)),
        theory.width.log_chi_square_law(width, (-3.0, 0.9)),
    )
    assert scaled.mean - alone.mean == pytest.approx(2 * np.log(3), abs=CHI_SQUARE)
    assert scaled.std == pytest.approx(alone.std, abs=CHI_SQUARE)
    same = theory.width.log_chi_square_law(width, (1.0, -1.0))
    assert same == theory.width.log_chi_square_law(width)


@pytest.mark.parametrize("slopes", [RELU, (1.0, 0.3)])
def test_the_law_is_that_of_drawn_layers(slopes: tuple[float, float]) -> None:
    width, num = 8, 100_000
    units = stats.norm.rvs(size=(num, 2, width), random_state=1)
    squares = (units[:, 0] ** 2 * np.where(units[:, 1] > 0, *np.square(slopes))).sum(axis=1)
    logs = np.log(squares[squares > 0] / width)
    law = theory.width.log_chi_square_law(width, slopes)
    assert abs(logs.mean() - law.mean) < SIGMAS * law.std / logs.size**0.5
    assert abs(logs.std() / law.std - 1) < SIGMAS * stats.kurtosis(logs, fisher=False) ** 0.5 / (2 * logs.size**0.5)


@pytest.mark.parametrize(("depth", "width"), [(1, 2), (2, 3), (3, 4), (4, 3)])
def test_dead_probability_is_counted(depth: int, width: int) -> None:
    layers = list(itertools.product(itertools.product((0, 1), repeat=width), repeat=depth - 1))
    dead = sum(any(not any(layer) for layer in pattern) for pattern in layers) / len(layers)
    assert abs(theory.width.dead_probability(Dense("relu"), depth=depth, width=width) - dead) < PROBABILITY


def test_dead_probability_does_not_round_to_zero() -> None:
    tiny = theory.width.dead_probability(Dense("relu"), depth=101, width=200)
    assert tiny == pytest.approx(100 * 0.5**200, rel=EXACT)
    assert theory.width.dead_probability(Dense("tanh"), depth=9, width=1) == 0


def engine(name: str, width: int, with_inputs: bool = False) -> np.ndarray:
    """Shift and variance of ln |g_l|^2 over nine layers, and those of r_l: rows of nine."""

    def both() -> list:
        layers = expansion.trajectory(jnp.asarray(1.2), jnp.asarray(0.0), ACTIVATIONS[name], False, 9)
        backward = expansion.backward_fluctuation(layers, width, with_inputs)
        return [*backward, *expansion.forward_fluctuation(layers, width)]

    return np.stack(in_float64(both)())


@pytest.mark.parametrize("name", LAYER_VARIANCE)
def test_engine_has_the_leading_order_of_each_layer(name: str) -> None:
    shift, var, r_mean, r_var = engine(name, 128) * 128
    below, above = np.arange(8, -1, -1), np.arange(9)
    np.testing.assert_allclose(var, LAYER_VARIANCE[name] * below, rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(shift, -LAYER_VARIANCE[name] * below / 2, rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(r_var, LAYER_VARIANCE[name] * above, rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(r_mean, 0, atol=EXACT)


@pytest.mark.parametrize("name", LAYER_VARIANCE)
def test_exact_law_leaves_the_engine_at_order_two(name: str) -> None:
    def excess(width: int) -> np.ndarray:
        exact = theory.width.log_chi_square_law(width, RELU if name == "relu" else LINEAR)
        shift, var, _, _ = engine(name, width)
        gain = -np.log(2) if name == "relu" else 0.0
        return np.array([8 * (exact.mean - gain) - shift[0], 8 * exact.std**2 - var[0]]) * width**2

    np.testing.assert_allclose(excess(512), excess(128), rtol=ORDER)


@pytest.mark.parametrize(("name", "per_layer"), [("linear", 4), ("relu", 8)])
def test_weight_gradients_share_their_layers_masks(name: str, per_layer: float) -> None:
    shift, var, _, _ = engine(name, 128, with_inputs=True) * 128
    np.testing.assert_allclose(var, per_layer * np.arange(8, -1, -1), rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(shift, 0, atol=EXACT)


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    with refused("dead_probability", "depth"):
        theory.width.dead_probability(Dense("relu"), depth=0, width=3)
    with refused("dead_probability", "width"):
        theory.width.dead_probability(Dense("relu"), depth=3, width=2.5)
    with refused("log_chi_square_law", "width"):
        theory.width.log_chi_square_law(0)
    with refused("log_chi_square_law", "slopes"):
        theory.width.log_chi_square_law(4, (0.0, 0.0))


@pytest.mark.parametrize(("name", "per_layer"), [("linear", 1), ("relu", 2)])
def test_aligned_cotangents_gain_what_homogeneous_stacks_should(name: str, per_layer: int) -> None:
    def gain() -> jnp.ndarray:
        layers = expansion.trajectory(jnp.asarray(1.2), jnp.asarray(0.0), ACTIVATIONS[name], False, 9)
        return expansion.aligned_gain(layers)

    expected = np.log1p(per_layer * np.arange(8, -1, -1))
    np.testing.assert_allclose(in_float64(gain)(), expected, rtol=EXACT, atol=EXACT)


def test_noise_that_is_unknown_stays_nan_and_does_not_count_as_none() -> None:
    net = Dense("swiglu", 1.5, 0.1)
    layers = expansion.trajectory(np.asarray(1.5), np.asarray(0.1), net.activation, False, 3)
    assert np.isnan([layers.forward, layers.back, layers.joint]).all()
