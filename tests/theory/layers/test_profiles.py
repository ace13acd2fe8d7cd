"""Profiles over depth: recursion at 30 digits, exact laws, consistency across depths, no under- or overflow."""

from typing import Any

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import reference
from tests.tolerances import CHI_SQUARE, DIFFERENCE, EXACT, PER_LAYER, SINGLE
from vgtheory import Dense, FixedRecurrent, Law, measure, theory

PROFILES = (theory.log_grad_layers, theory.log_grad_weight_layers, theory.log_q_layers)
SCALES = st.floats(0.1, 3)
SELU = 1.0507009873554805
FAR = 1e-6
"""Per layer, of interpolation where the activation has all but reached its far slopes."""


def recursion(name: str, sigma_w: float, sigma_b: float, depth: int) -> tuple[list, list, list]:
    """ln q, ln chi and ln |x_{l-1}|^2 / N of every layer, each float's rounding of q being the only loss."""
    q, rows = sigma_w**2 + sigma_b**2, []
    square = mp.mpf(1)
    for _ in range(depth):
        chi = mp.mpf(sigma_w) ** 2 * reference.mean_square(name, q, slope=True)
        rows.append((mp.log(q), mp.log(chi), mp.log(square)))
        square = reference.mean_square(name, q)
        q = float(mp.mpf(sigma_w) ** 2 * square + mp.mpf(sigma_b) ** 2)
    return tuple(zip(*rows, strict=True))


@pytest.mark.parametrize(("name", "sigma_w", "sigma_b"), [("tanh", 1.3, 0.2), ("gelu", 1.5, 0.0), ("relu", 1.0, 0.5)])
def test_infinite_width_is_as_accurate_as_stated(name: str, sigma_w: float, sigma_b: float) -> None:
    depth, net = 4, Dense(name, sigma_w=sigma_w, sigma_b=sigma_b)
    log_q, log_chi, log_x = (np.array(row, float) for row in recursion(name, sigma_w, sigma_b, depth))
    grad = np.append(np.cumsum(log_chi[:-1][::-1])[::-1], 0) / 2
    expected = (grad, grad + (log_x - log_x[-1]) / 2, log_q)
    for profile, truth in zip(PROFILES, expected, strict=True):
        law = profile(net, depth=depth)
        np.testing.assert_allclose(law.mean, truth, rtol=0, atol=depth * PER_LAYER)
        np.testing.assert_array_equal(law.std, 0)


@pytest.mark.parametrize("name", ["linear", "relu"])
def test_finite_width_is_a_sum_of_chi_square_logs(name: str) -> None:
    depth, width, net = 6, 50, Dense(name, sigma_w=1.2)
    mean, std = (float(each) for each in reference.log_chi_square_law(width, relu=name == "relu"))
    full, full_std = (float(each) for each in reference.log_chi_square_law(width, relu=False))
    num = np.arange(depth)
    allowed = {"rtol": EXACT, "atol": depth * CHI_SQUARE}
    grad, q = theory.log_grad_layers(net, depth=depth, width=width), theory.log_q_layers(net, depth=depth, width=width)
    np.testing.assert_allclose(grad.mean[::-1], num * (mean / 2 + np.log(1.2)), **allowed)
    np.testing.assert_allclose(grad.std[::-1], num**0.5 * std / 2, **allowed)
    np.testing.assert_allclose(q.mean, full + num * mean + 2 * (num + 1) * np.log(1.2), **allowed)
    np.testing.assert_allclose(q.std, (full_std**2 + num * std**2) ** 0.5, **allowed)


def test_orthogonal_linear_layers_only_scale() -> None:
    net, height = Dense("linear", sigma_w=1.2, weights="orthogonal"), np.log(1.2) * np.arange(1, 7)
    grad, weight, q = (profile(net, depth=6, width=50) for profile in PROFILES)
    np.testing.assert_allclose(grad.mean, height[::-1] - height[0], atol=EXACT)
    np.testing.assert_allclose(q.mean, 2 * height, atol=EXACT)
    np.testing.assert_allclose(weight.mean, 0, atol=EXACT)
    for law in (grad, weight, q):
        np.testing.assert_array_equal(law.std, 0)


@pytest.mark.parametrize("name", ["linear", "abs"])
@pytest.mark.parametrize("sigma_w", [0.9, 1.1])
def test_lengths_that_orthogonal_layers_keep_have_no_spread_at_any_depth(name: str, sigma_w: float) -> None:
    """A rounding per layer would show, and its root would be 1e-8."""
    net = Dense(name, sigma_w, weights="orthogonal")
    np.testing.assert_array_equal(theory.log_q_layers(net, depth=1000, width=32).std, 0)
    np.testing.assert_array_equal(theory.log_grad_layers(net, depth=1000, width=32).std, 0)


@given(sigma_w=SCALES, sigma_b=st.just(0.0) | st.floats(1e-150, 1))
def test_a_deeper_network_begins_and_ends_alike(sigma_w: float, sigma_b: float) -> None:
    net = Dense("tanh", sigma_w=sigma_w, sigma_b=sigma_b)
    np.testing.assert_array_equal(theory.log_q_layers(net, depth=8).mean[:5], theory.log_q_layers(net, depth=5).mean)
    deep, shallow = theory.log_grad_layers(net, depth=8).mean, theory.log_grad_layers(net, depth=5).mean
    np.testing.assert_allclose(deep[:5] - deep[4], shallow, rtol=EXACT, atol=EXACT)
    deep, shallow = (theory.log_grad_layers(Dense("relu", sigma_w), depth=num, width=9) for num in (8, 5))
    np.testing.assert_allclose(deep.mean[3:], shallow.mean, rtol=EXACT)
    np.testing.assert_allclose(deep.std[3:], shallow.std, rtol=EXACT)


@given(sigma_w=SCALES, factor=SCALES)
def test_a_linear_network_scales_with_its_weights(sigma_w: float, factor: float) -> None:
    for width in (None, 9):
        for profile, power in (
            (theory.log_grad_layers, np.arange(7, -1, -1)),
            (theory.log_q_layers, np.arange(2, 18, 2)),
        ):
            one, two = (profile(Dense("linear", scale), depth=8, width=width) for scale in (sigma_w, factor * sigma_w))
            np.testing.assert_allclose(two.mean - one.mean, power * np.log(factor), rtol=EXACT, atol=EXACT)
            np.testing.assert_array_equal(two.std, one.std)


@given(sigma_w=SCALES)
def test_weight_gradients_of_homogeneous_networks_are_level(sigma_w: float) -> None:
    for name in ("relu", "linear"):
        np.testing.assert_allclose(
            theory.log_grad_weight_layers(Dense(name, sigma_w), depth=8).mean, 0, atol=8 * PER_LAYER
        )


def test_great_width_is_infinite_width() -> None:
    net = Dense("tanh", sigma_w=1.3, sigma_b=0.2)
    for profile in PROFILES:
        wide, limit = profile(net, depth=8, width=10**14), profile(net, depth=8)
        np.testing.assert_allclose(wide.mean, limit.mean, atol=8 * EXACT)
        assert np.all(wide.std < np.sqrt(EXACT))


def test_depth_neither_underflows_nor_overflows() -> None:
    depth = 1000
    for sigma_w in (0.1, 9.0):
        net, scale = Dense("relu", sigma_w=sigma_w), np.log(sigma_w**2 / 2)
        height = np.arange(depth)
        q, grad = theory.log_q_layers(net, depth=depth).mean, theory.log_grad_layers(net, depth=depth).mean
        np.testing.assert_allclose(q, height * scale + 2 * np.log(sigma_w), atol=depth * PER_LAYER)
        np.testing.assert_allclose(grad[::-1], height * scale / 2, atol=depth * PER_LAYER)


def test_deep_rate_is_that_of_chi_1() -> None:
    net = Dense("tanh", sigma_w=1.5, sigma_b=0.3)
    mean = theory.log_grad_layers(net, depth=256).mean
    assert mean[100] - mean[101] == pytest.approx(np.log(theory.chi_1(net)) / 2, rel=EXACT)


def test_too_large_a_fluctuation_is_infinite_never_nan() -> None:
    law = theory.log_grad_layers(Dense("softplus", sigma_w=1.3, sigma_b=0.2), depth=160, width=256)
    lost = np.isinf(law.std)
    assert lost[0]
    assert not lost[-1]
    assert np.all(np.diff(lost.astype(int)) <= 0)
    assert np.all(np.isfinite(law.mean))
    assert not np.any(np.isnan(law.std))


@pytest.mark.parametrize(
    ("name", "sigma_w", "sigma_b", "limit", "slope"),
    [("gelu", 2.49, 0.0, "relu", 1.0), ("selu", 2.334, 1.0, "relu", SELU), ("gelu", 1.126, 0.0, "linear", 0.5)],
)
def test_lengths_that_run_away_leave_the_law_of_the_far_slopes(
    name: str, sigma_w: float, sigma_b: float, limit: str, slope: float
) -> None:
    depth, width = 400, 10_000
    law = theory.log_grad_layers(Dense(name, sigma_w, sigma_b), depth=depth, width=width)
    far = theory.log_grad_layers(Dense(limit, sigma_w * slope), depth=depth, width=width)
    settled = slice(depth // 2, -1)
    np.testing.assert_allclose(np.diff(law.mean)[settled], np.diff(far.mean)[settled], atol=FAR)
    np.testing.assert_allclose(law.std[settled], far.std[settled], rtol=1 / width)  # the law is local in 1/N
    assert law.std[0] < 1


@pytest.mark.slow
def test_grid_points_that_no_walk_reaches_change_nothing() -> None:
    plain = theory.log_grad_layers(Dense("gelu", 1.126), depth=40, width=64)
    with jax.enable_x64(True):
        whole = theory.log_grad_layers(Dense("gelu", jnp.asarray(1.126)), depth=40, width=64)
    np.testing.assert_allclose(plain.mean, whole.mean, rtol=0, atol=40 * CHI_SQUARE)
    np.testing.assert_allclose(plain.std, whole.std, rtol=0, atol=40 * CHI_SQUARE)


def test_zero_weights_send_nothing_back() -> None:
    for net, width in ((Dense("tanh", sigma_w=0.0, sigma_b=0.5), None), (Dense("linear", sigma_w=0.0), 9)):
        np.testing.assert_array_equal(theory.log_grad_layers(net, depth=8, width=width).mean, [-np.inf] * 7 + [0.0])


def test_precision_follows_the_argument() -> None:
    for width in (None, 9):
        plain = theory.log_grad_layers(Dense("relu", sigma_w=1.2), depth=8, width=width)
        traced = jax.jit(lambda s, width=width: theory.log_grad_layers(Dense("relu", s), depth=8, width=width))
        single = traced(jnp.float32(1.2))
        for exact, rounded in zip(plain, single, strict=True):
            assert isinstance(exact, np.ndarray)
            assert (exact.dtype, rounded.dtype) == (np.float64, jnp.float32)
            np.testing.assert_allclose(rounded, exact, rtol=SINGLE, atol=SINGLE)
    assert not jax.config.jax_enable_x64


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    for profile in PROFILES:
        where = profile.__name__
        for depth in (0, -1, 2.5, True, "3"):
            with refused(where, "depth"):
                profile(Dense("tanh"), depth=depth)
        with refused(where, "width"):
            profile(Dense("tanh"), depth=3, width=0)
        with refused(where, "net"):
            profile(FixedRecurrent("tanh", matrix=np.eye(2)), depth=3)
        with refused(where, "sigma_w", remedy=r"Use jax.vmap\.$"):
            profile(Dense("tanh", sigma_w=np.ones(2)), depth=3)


@pytest.mark.parametrize(("name", "sigma_w", "degree"), [("cube", 0.8, 3), ("cube", 0.5, 3), ("relu_squared", 1.2, 2)])
def test_powers_run_away_doubly_exponentially_at_any_size(name: str, sigma_w: float, degree: int) -> None:
    """E phi^2 is a constant times q^degree, so ln q is known at every depth, and ln chi with it."""
    depth, net = 12, Dense(name, sigma_w=sigma_w)
    log_f, log_g = (float(mp.log(reference.mean_square(name, 1.0, slope=slope))) for slope in (False, True))
    log_q = [2 * np.log(sigma_w)]
    for _ in range(depth - 1):
        log_q.append(2 * np.log(sigma_w) + log_f + degree * log_q[-1])
    log_chi = 2 * np.log(sigma_w) + log_g + (degree - 1) * np.array(log_q)
    grad = np.append(np.cumsum(log_chi[:-1][::-1])[::-1], 0) / 2
    np.testing.assert_allclose(theory.log_q_layers(net, depth=depth).mean, log_q, rtol=EXACT)
    np.testing.assert_allclose(theory.log_grad_layers(net, depth=depth).mean, grad, rtol=EXACT)
    assert np.abs(log_q[-1]) > 1000


@pytest.mark.slow
def test_derivatives_in_single_precision_are_those_in_double() -> None:
    def mean(scale: Any) -> Any:
        return theory.log_grad_layers(Dense("tanh", scale, 0.2), depth=50, width=64).mean[0]

    def std(scale: Any) -> Any:
        return theory.log_grad_layers(Dense("tanh", scale, 0.2), depth=50, width=64).std[0]

    for law in (mean, std):
        single = float(jax.jit(jax.grad(law))(1.5))
        step = (law(1.5 + DIFFERENCE) - law(1.5 - DIFFERENCE)) / (2 * DIFFERENCE)
        assert single == pytest.approx(step, rel=DIFFERENCE)


def test_a_length_that_runs_away_at_infinite_width_settles_at_a_finite_one():
    """At infinite width ln q climbs to 124, at 128 units it wanders about 0.7: the grid smears the first, and must not spoil the second."""
    net = Dense("mish", float(theory.critical("mish", sigma_b=0.3).sigma_w[0]), 0.3)
    log_q = theory.log_q_layers(net, depth=12_800, width=128)
    assert theory.log_q_layers(net, depth=12_800).mean[-1] > 100
    assert log_q.mean[[6400, -1]] == pytest.approx(log_q.mean[3200], abs=1e-2)
    assert log_q.std[[6400, -1]] == pytest.approx(log_q.std[3200], rel=1e-2)
    logs = measure.samples(jax.random.key(0), net, depth=3200, width=128, num_nets=200, sampler="matrix_free")
    seen, law = logs.log_q[:, -1], Law(log_q.mean[3199], log_q.std[3199])
    assert abs(seen.mean() - law.mean) < 4 * law.std / len(seen) ** 0.5
    grad = theory.log_grad_layers(net, depth=3200, width=128)
    assert abs(logs.log_grad[:, 0].mean() - grad.mean[0]) < 4 * grad.std[0] / len(seen) ** 0.5
