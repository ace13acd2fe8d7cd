"""Laws of the experiments on questions of threads, each against an independent computation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import polygamma, psi

from experiments import biases, cliffs, input_gradient, layer_eigenvalues, nan_step, one_sided, update_size
from experiments.corridor import catalogue
from experiments.corridor.summary import compared_rows, placed
from tests.tolerances import EXACT
from vgtheory import Dense, theory
from vgtheory.compare import SIGMAS

QUADRATURE = 1e-6
"""Of trapezium rules."""


def test_a_rotated_matrix_has_the_law_of_its_singular_values() -> None:
    width = 32
    shift, projector = np.ones(width), np.zeros(width)
    shift[-1], projector[0] = 0.0, 1.0
    # 1 - z_1^2 and z_1^2 of a vector uniform on the sphere are beta variables.
    for values, part in ((shift, (width - 1) / 2), (projector, 0.5)):
        mean, std = layer_eigenvalues.log_factor(values)
        assert mean == pytest.approx((psi(part) - psi(width / 2)) / 2, abs=QUADRATURE)
        assert std == pytest.approx(np.sqrt(polygamma(1, part) - polygamma(1, width / 2)) / 2, rel=1e-3)


def test_a_scale_three_per_cent_off_would_not_pass() -> None:
    rows = catalogue.load("layer_eigenvalues").drop_duplicates("cell").set_index("matrix")
    wrong = (rows.measured - rows.predicted - np.log(1.03)).abs() / rows.predicted_err
    assert (wrong[["nilpotent shift", "nilpotent triangle", "Gaussian"]] > SIGMAS).all()


def test_nilpotent_cores_are_nilpotent() -> None:
    for name in ("nilpotent shift", "nilpotent triangle"):
        core = layer_eigenvalues._core(layer_eigenvalues.Config(matrix=(name,), width=8))
        assert not np.linalg.matrix_power(core, 8).any()
        assert np.linalg.norm(core) > 1


def test_the_largest_of_two_normal_numbers() -> None:
    mean, std = cliffs.largest_normal(np.zeros(2), np.ones(2))
    assert (mean, std) == pytest.approx((np.pi**-0.5, (1 - 1 / np.pi) ** 0.5), abs=QUADRATURE)
    far, spread = cliffs.largest_normal(np.array([0.0, 50.0]), np.array([1.0, 2.0]))
    assert (far, spread) == pytest.approx((50.0, 2.0), abs=1e-3)


@pytest.mark.parametrize("alignment", [-0.6, 0.0, 0.3, 1.0])
def test_a_step_multiplies_the_gradient_as_a_power_of_one_matrix_does(alignment: float) -> None:
    x, v, relative, matrices = np.eye(3)[0], np.array([alignment, (1 - alignment**2) ** 0.5, 0.0]), 0.07, 12
    power = np.linalg.matrix_power(np.eye(3) + relative * np.outer(v, x), matrices - 1)
    expected = np.log(np.linalg.norm(power.T @ v))
    assert cliffs.log_jump(matrices, relative, alignment) == pytest.approx(expected, abs=QUADRATURE)


def test_back_propagation_by_hand_is_that_of_jax() -> None:
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal((4, 3)), rng.standard_normal((4, 4)), rng.standard_normal((2, 4))]
    x, y = rng.standard_normal((3, 5)), rng.standard_normal((2, 5))

    def loss(weights: list[jax.Array]) -> jax.Array:
        h = weights[2] @ jnp.tanh(weights[1] @ jnp.tanh(weights[0] @ x))
        return jnp.mean(jnp.sum((h - y) ** 2, axis=0)) / 2

    with jax.enable_x64(True):
        value, slopes = jax.value_and_grad(loss)([jnp.asarray(each) for each in weights])
    found, ours = nan_step.gradients(weights, x, y, "tanh")
    assert found == pytest.approx(float(value), rel=EXACT)
    for slope, own in zip(slopes, ours, strict=True):
        np.testing.assert_allclose(own, slope, rtol=QUADRATURE)


def test_infinity_comes_before_nan_and_chains_square_their_growth() -> None:
    rows = catalogue.load("nan_step").drop_duplicates("cell").set_index("net")
    assert (rows.loss_infinite_hat < rows.weights_nan_hat).all()
    assert (rows.weights_nan_hat - rows.grad_infinite_hat).between(1, 2).all()
    log_loss, _, _ = nan_step.chain_law(5, 1e4, 1e4, 1.0, 4)
    assert np.diff(np.log(log_loss[1:])) == pytest.approx(np.log(9), abs=0.02)  # 2 L - 1


@pytest.mark.parametrize("rule", update_size.RULES)
def test_the_first_update_is_that_of_optax(rule: str) -> None:
    g = jnp.asarray([1e-12, 1e-9, 1e-6, 1e-3, 1.0], jnp.float32)
    optimiser = update_size.RULES[rule]
    update, _ = optimiser.update(g, optimiser.init(g))
    np.testing.assert_allclose(-np.asarray(update), update_size.FIRST[rule](np.asarray(g, float)), rtol=1e-5)


def test_rmsprop_settles_on_noise_as_simulated() -> None:
    rng, mean, seen = np.random.default_rng(1), np.zeros(4000), []
    for step in range(200):
        g = rng.standard_normal(4000)
        mean = update_size.DECAY * mean + (1 - update_size.DECAY) * g**2
        if step >= 60 and step % 20 == 0:
            seen.append(g**2 / mean)
    square, relative = update_size.settled_update("rmsprop", 200)
    assert np.mean(seen) == pytest.approx(square, abs=SIGMAS * square * (relative / np.size(seen)) ** 0.5)
    assert np.var(seen) / np.mean(seen) ** 2 == pytest.approx(relative, rel=0.05)


@pytest.mark.parametrize("name", one_sided.FUNCTIONS)
def test_the_open_share_times_the_squared_scale_is_chi_1(name: str) -> None:
    net = Dense(name, 2.0)
    q = min(float(theory.q_star(net)), 1e6)  # ReLU's grows without end and its share does not care
    share = one_sided.open_share(name, q)
    assert 4 * one_sided.FUNCTIONS[name].sup ** 2 * share == pytest.approx(float(theory.chi_1(net)), rel=QUADRATURE)


def test_slopes_lie_above_zero_and_reach_their_bound() -> None:
    frame = catalogue.load("one_sided")
    for name, largest in (("tanh", 1.0), ("sigmoid", 0.25)):
        rows = frame[frame.activation == name]
        assert (rows.slope_smallest > 0).all()
        assert largest * 0.999 < rows.slope_largest.max() <= largest


def test_weights_over_biases_behind_one_relu_layer_is_as_simulated() -> None:
    mean, std = biases.log_ratio(Dense("relu", 2**0.5), 3, 256)
    rng = np.random.default_rng(2)
    sums = np.log(np.sum(np.maximum(2**0.5 * rng.standard_normal((4000, 256)), 0) ** 2, axis=1)) / 2
    assert mean[0] == np.log(256) / 2
    assert mean[1] == pytest.approx(sums.mean(), abs=SIGMAS * sums.std() / 4000**0.5)
    assert std[1] == pytest.approx(sums.std(), rel=0.06)


def test_noise_at_a_minimum_costs_what_the_jacobian_says() -> None:
    rows = compared_rows(input_gradient, catalogue.load("input_gradient"))
    noise = rows[rows.label.str.startswith("loss under noise")]
    assert (noise.z.abs() < SIGMAS).all()
    assert len(noise) == 2


def test_compared_numbers_stand_in_their_rows() -> None:
    found = placed([{"label": "a", "z": 1.0}, {"label": "b", "z": 2.0}], (0, 2), 3)
    assert found["label"] == ["a", None, "b"]
    assert np.isnan(found["z"][1])
