"""Integrals that a fixed rule gets wrong: slopes without bound, ripples, lengths beyond 1e12; and growth by how an activation grows."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from tests.tolerances import CURVE, EXACT, FIXED_POINT
from vgtheory import Dense, Recurrent, Residual, theory
from vgtheory.activation import ACTIVATIONS, Activation, as_activation
from vgtheory.theory.integrals.moments_1d import curves, value_and_slope

RIPPLE = 1e-9
"""Stated by ``curves``: relative, with ripples."""

GROWTH = 1e-8
"""Stated by ``residual_growth`` of powers below 1."""


def positive_power(alpha: float) -> Activation:
    return as_activation(jax.jit(lambda h: jnp.where(h > 0, jnp.abs(h) ** alpha, 0.0)))


@pytest.mark.parametrize("alpha", [0.6, pytest.param(0.75, marks=pytest.mark.slow), 0.9])
def test_item_5_powers_have_their_closed_form(alpha: float) -> None:
    assert theory.chi_1(Dense(positive_power(alpha), 1.0)) == pytest.approx(alpha**2 / (2 * alpha - 1), rel=FIXED_POINT)


@pytest.mark.parametrize(
    "phi",
    [
        positive_power(0.5),
        jnp.cbrt,
        *(
            pytest.param(phi, marks=pytest.mark.slow)
            for phi in (positive_power(0.4), lambda h: jnp.sign(h) * jnp.sqrt(jnp.abs(h)))
        ),
    ],
)
def test_item_5_slopes_that_are_not_square_integrable_are_infinite(phi: Callable) -> None:
    activation = as_activation(phi)
    assert theory.chi_1(Dense(activation, 1.0, 0.1)) == np.inf
    assert np.isfinite(theory.q_star(Dense(activation, 1.0, 0.1)))
    assert theory.layers.sup_dphi(activation) == np.inf
    assert theory.critical(activation, sigma_b=0.1).sigma_w.size == 0


def test_item_5_a_cusp_away_from_zero() -> None:
    """Against SciPy's rule with an algebraic weight."""
    net = Dense(as_activation(lambda h: jnp.abs(h - 1.5) ** 0.75), 1.0, 0.1)
    q = theory.q_star(net)
    density = lambda h: np.exp(-(h**2) / (2 * q)) / np.sqrt(2 * np.pi * q)
    left = quad(density, -30, 1.5, weight="alg", wvar=(0, -0.5), epsabs=1e-14, limit=400)[0]
    right = quad(density, 1.5, 30, weight="alg", wvar=(-0.5, 0), epsabs=1e-14, limit=400)[0]
    assert theory.chi_1(net) == pytest.approx(0.75**2 * (left + right), rel=1e-7)


# The default run holds a snake's profile, in test_ripples.
@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.5, 1.0, 5.0])
def test_item_6_snakes_have_their_closed_form(rate: float) -> None:
    """phi = h + sin(a h)^2 / a: phi' = 1 + sin(2 a h), E[cos(k h)] = exp(-k^2 q / 2)."""
    snake = as_activation(lambda h: h + jnp.sin(rate * h) ** 2 / rate)
    q = np.geomspace(1e-3, 1e60, 127)
    ripple = lambda k: np.exp(-((k * rate) ** 2) * q / 2)
    f = q + (3 / 8 - ripple(2) / 2 + ripple(4) / 8) / rate**2
    with jax.enable_x64(True):
        log_f, log_g = (value_and_slope(each, np.log(q))[0] for each in curves(snake)[:2])
    np.testing.assert_allclose(np.exp(log_f), f, rtol=RIPPLE)
    np.testing.assert_allclose(np.exp(log_g), 1.5 - ripple(4) / 2, rtol=RIPPLE)
    np.testing.assert_allclose(theory.q_map(q, Dense(snake, 1.0)), f, rtol=RIPPLE)
    if rate == 1.0:
        assert theory.chi_1(Dense(snake, 1.1, 0.1)) == pytest.approx(1.1**2 * 1.5, rel=RIPPLE)
        assert np.isnan(theory.c_map(0.5, Dense(snake, 0.9, 3.0)))


def test_item_6_ripples_invent_no_critical_points() -> None:
    """At large q E[phi'^2] is (1 + 0.1^2) / 2, phi being relu less 0.1 sin h."""
    wavy = as_activation(lambda h: h * jax.nn.sigmoid(1.7 * h) - 0.1 * jnp.sin(h))
    assert theory.chi_1(Dense(wavy, 1.7, 0.2)) == pytest.approx(1.7**2 * 0.505, rel=RIPPLE)
    assert np.all(theory.critical(wavy, sigma_b=0.2).q_star < 1e3)


def test_item_6_what_is_not_resolved_is_nan() -> None:
    slow = as_activation(lambda h: h + 3 * jnp.cos(0.05 * h))
    assert np.isnan(theory.chi_1(Dense(slow, 1.1, 0.1)))


@pytest.mark.parametrize("sigma_w", [2e6, 1e7, 1e9])
def test_item_7_tanh_at_large_scales(sigma_w: float) -> None:
    """q* = sigma_w^2 (1 - 2 / sqrt(2 pi q)) and chi_1 = sigma_w (4/3) / sqrt(2 pi) times half its inverse, to 1/q."""
    net, loss = Dense("tanh", sigma_w), 2 / (np.sqrt(2 * np.pi) * sigma_w)
    assert theory.q_star(net) == pytest.approx(sigma_w**2 * (1 - loss), rel=CURVE)
    assert theory.chi_1(net) == pytest.approx(sigma_w * 4 / 3 / np.sqrt(2 * np.pi) * (1 + loss / 2), rel=CURVE)
    rate = theory.recurrent.lyapunov_exponent(Recurrent("tanh", sigma_w))
    assert rate == pytest.approx(np.log(theory.chi_1(net)) / 2, rel=EXACT)
    assert theory.meanfield.q_stars(net).q[1] == pytest.approx(theory.q_star(net), rel=EXACT)


SHARE = {
    "sigmoid": 0.5,
    "hard_sigmoid": 0.5,
    "sin": 0.5,
    "relu6": 18.0,
    "tanh": 1.0,
    "erf": 1.0,
    "hard_tanh": 1.0,
    "softsign": 1.0,
}


@pytest.mark.parametrize("name", SHARE)
def test_item_7_lengths_of_bounded_ones(name: str) -> None:
    assert theory.q_star(Dense(name, 1e9)) == pytest.approx(SHARE[name] * 1e18, rel=1e-6)
    assert theory.q_star(Dense(name, 1e-9, 1e9)) == pytest.approx(1e18, rel=EXACT)


def test_item_7_limits_and_what_lies_beyond() -> None:
    assert theory.q_star(Dense("sigmoid", 100.0, 1e7)) == pytest.approx(1e14 + 5e3, rel=EXACT)
    assert theory.q_star(Dense("sigmoid", 1e-9)) == pytest.approx(0.25e-18, rel=EXACT)
    assert theory.critical("tanh", sigma_b=1e9).q_star == pytest.approx(1e18, rel=1e-8)
    assert (theory.q_star(Dense("tanh", 0.9)), theory.q_star(Dense("relu", 1.5))) == (0.0, np.inf)
    assert np.isnan(theory.q_star(Dense("tanh", 1e60)))
    assert np.isnan(theory.chi_1(Dense("tanh", 1e60)))
    assert theory.q_star(Dense("tanh", jnp.float32(1e7))) == pytest.approx(1e14, rel=1e-4)
    for name, entry in ACTIVATIONS.items():
        assert all(np.all(np.isfinite(each)) for each in curves(entry)[:2]), name


@pytest.mark.parametrize("alpha", [0.6, 0.75, 0.9])
def test_item_4_powers_grow_as_powers_of_the_depth(alpha: float) -> None:
    """Yang and Schoenholz (2017)."""
    law = theory.blocks.residual_growth(Residual(as_activation(lambda h: jnp.abs(h) ** alpha)))
    assert (law.kind, law.exponent) == ("power", 0.0)
    assert law.coefficient == pytest.approx(alpha**2 / ((2 * alpha - 1) * (1 - alpha)), rel=GROWTH)


@pytest.mark.parametrize("phi", [jnp.arcsinh, lambda h: jnp.sign(h) * jnp.log1p(jnp.abs(h))])
def test_item_4_logarithms_are_said_to_follow_no_law(phi: Callable) -> None:
    law = theory.blocks.residual_growth(Residual(as_activation(phi)))
    assert law.kind == "unsettled"
    assert np.isnan(law.coefficient)


def test_item_4_the_profile_of_arcsinh_is_its_recursion() -> None:
    """The recursion over 4,000 blocks by the trapezium rule in h = sinh(t)."""
    t = np.linspace(-14, 14, 1401)
    h, q, log_grad = np.sinh(t), 1.0, 0.0
    squares = np.stack([t**2, 1 / np.cosh(t) ** 2]) * np.cosh(t) * (t[1] - t[0]) / np.sqrt(2 * np.pi)
    for block in range(4000):
        f, g = squares @ (np.exp(-(h**2) / (2 * q)) / np.sqrt(q))
        log_grad += np.log1p(g) if block else 0.0
        q += f
    profile = theory.log_grad_layers(Residual(as_activation(jnp.arcsinh)), depth=4000)
    assert 2 * float(np.asarray(getattr(profile, "mean", profile))[0]) == pytest.approx(log_grad, rel=1e-9)
