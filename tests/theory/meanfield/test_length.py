"""The length map, its fixed point and chi_1."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import reference
from tests.tolerances import EXACT, FIXED_POINT, MEAN, SINGLE
from vgtheory import Dense, FixedRecurrent, Recurrent, theory

POSITIVE = st.floats(1e-3, 1e3)


@pytest.mark.parametrize("name", reference.CLOSED)
def test_q_map_is_its_closed_form(name: str) -> None:
    qs = np.array([1e-2, 1.0, 3.0, 100.0])
    expected = [2.25 * float(reference.mean_square(name, q)) + 0.09 for q in qs]
    np.testing.assert_allclose(theory.q_map(qs, Dense(name, sigma_w=1.5, sigma_b=0.3)), expected, rtol=EXACT)


SETTLING = [
    ("tanh", 1.5, 0.3),
    ("tanh", 1.01, 0.0),
    ("tanh", 4.0, 0.0),
    ("hard_tanh", 1.2, 0.2),
    ("gelu", 1.3, 0.5),
    ("sigmoid", 1.0, 0.0),
]


@pytest.mark.parametrize(("name", "sigma_w", "sigma_b"), SETTLING)
def test_fixed_point_is_as_accurate_as_stated(name: str, sigma_w: float, sigma_b: float) -> None:
    net = Dense(name, sigma_w=sigma_w, sigma_b=sigma_b)
    q = float(theory.q_star(net))
    error, slope = reference.fixed_point_error(name, sigma_w, sigma_b, q)
    assert abs(slope) < 1
    assert abs(error) / q < FIXED_POINT / (1 - slope)
    chi = sigma_w**2 * float(reference.mean_square(name, q, slope=True))
    assert theory.chi_1(net) == pytest.approx(chi, rel=FIXED_POINT)


LIMITS = [
    ("relu", 1.0, 0.0, 0.0, 0.5),
    ("relu", 2**0.5, 0.0, 2.0, 1.0),
    ("relu", 2.0, 0.0, np.inf, 2.0),
    ("relu", 1.0, 0.5, 0.5, 0.5),
    ("tanh", 1.0, 0.0, 0.0, 1.0),
    ("tanh", 0.0, 0.0, 0.0, 0.0),
    ("tanh", 0.0, 0.5, 0.25, 0.0),
    ("linear", 1.0, 0.0, 1.0, 1.0),
    ("linear", 1.0, 0.5, np.inf, 1.0),
    ("linear", 0.5, 0.5, 1 / 3, 0.25),
    ("hard_tanh", 1.0, 0.0, 0.0, 1.0),
    ("gelu", 2**0.5, 0.0, 0.0, 0.5),
    ("softplus", 2**0.5, 0.0, np.inf, 1.0),
]


@pytest.mark.parametrize(("name", "sigma_w", "sigma_b", "q", "chi"), LIMITS)
def test_marginal_and_limiting_fixed_points(name: str, sigma_w: float, sigma_b: float, q: float, chi: float) -> None:
    net = Dense(name, sigma_w=sigma_w, sigma_b=sigma_b)
    assert theory.q_star(net) == pytest.approx(q, rel=EXACT)
    assert theory.chi_1(net) == pytest.approx(chi, rel=EXACT)


@given(q=POSITIVE, factor=st.floats(1.01, 10))
def test_q_map_of_tanh_increases_and_saturates(q: float, factor: float) -> None:
    net = Dense("tanh", sigma_w=1.5, sigma_b=0.3)
    low, high = theory.q_map(np.array([q, q * factor]), net)
    assert low < high < 1.5**2 + 0.3**2


@given(sigma_w=st.floats(0.1, 1.4), sigma_b=st.just(0.0) | st.floats(1e-150, 5))
def test_chi_1_of_relu_knows_no_bias(sigma_w: float, sigma_b: float) -> None:
    net = Dense("relu", sigma_w=sigma_w, sigma_b=sigma_b)
    assert theory.chi_1(net) == pytest.approx(sigma_w**2 / 2, rel=EXACT)
    if sigma_b > 0.1:
        assert theory.q_star(net) == pytest.approx(sigma_b**2 / (1 - sigma_w**2 / 2), rel=EXACT / (2 - sigma_w**2))


@given(sigma_w=st.floats(1.1, 5), sigma_b=st.floats(0.1, 2))
def test_q_star_is_mapped_to_itself(sigma_w: float, sigma_b: float) -> None:
    net = Dense("tanh", sigma_w=sigma_w, sigma_b=sigma_b)
    q = theory.q_star(net)
    assert theory.q_map(q, net) == pytest.approx(q, rel=FIXED_POINT)


def test_scales_broadcast() -> None:
    rows, columns = np.array([[0.5], [1.5]]), np.array([0.1, 0.2, 0.3])
    table = theory.chi_1(Dense("tanh", sigma_w=rows, sigma_b=columns))
    assert table.shape == (2, 3)
    assert table[1, 2] == pytest.approx(theory.chi_1(Dense("tanh", sigma_w=1.5, sigma_b=0.3)), rel=EXACT)


def test_reusing_the_weights_changes_nothing_here() -> None:
    assert theory.chi_1(Recurrent("tanh", sigma_w=1.5)) == theory.chi_1(Dense("tanh", sigma_w=1.5))


def test_plain_numbers_are_float64_and_leave_the_flag() -> None:
    net = Dense("tanh", sigma_w=1.5, sigma_b=0.3)
    for value in (theory.q_star(net), theory.chi_1(net), theory.q_map(1, net)):
        assert isinstance(value, np.float64)
    assert not jax.config.jax_enable_x64


def test_float32_arrays_stay_float32_even_beside_float64() -> None:
    net = Dense("tanh", sigma_w=jnp.float32(1.5), sigma_b=0.3)
    exact = theory.chi_1(Dense("tanh", sigma_w=1.5, sigma_b=0.3))
    with jax.enable_x64(True):
        chi = theory.chi_1(net)
        assert isinstance(chi, jax.Array)
        assert chi.dtype == theory.q_map(jnp.float32(1.0), net).dtype == jnp.float32
        assert float(chi) == pytest.approx(exact, rel=SINGLE)


@pytest.mark.slow
def test_chi_1_maps_and_compiles() -> None:
    both = jax.jit(jax.vmap(lambda net: (theory.q_star(net), theory.chi_1(net))))
    scales = [(0.5, 0.3), (1.0, 0.0), (1.5, 0.3)]
    sigma_w, sigma_b = jnp.array(scales).T
    q, chi = both(Dense("hard_tanh", sigma_w=sigma_w, sigma_b=sigma_b))
    assert float(q[1]) == 0, "a critical net in float32 has no root in the rounding noise"
    nets = [Dense("hard_tanh", sigma_w=w, sigma_b=b) for w, b in scales]
    np.testing.assert_allclose(q, [theory.q_star(net) for net in nets], rtol=SINGLE)
    np.testing.assert_allclose(chi, [theory.chi_1(net) for net in nets], rtol=SINGLE)


def test_derivative_of_chi_1_is_finite_at_criticality() -> None:
    slope = jax.jit(jax.grad(lambda sigma_w: theory.chi_1(Dense("relu", sigma_w=sigma_w))))(2**0.5)
    assert float(slope) == pytest.approx(2**0.5, rel=SINGLE)


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    with refused("q_map", "q"):
        theory.q_map(-1.0, Dense("tanh"))
    given_matrix = FixedRecurrent("tanh", matrix=np.eye(2))
    for name in ("q_star", "chi_1"):
        with refused(name, "net", remedy=r"log_power_norms or log_rate\.$"):
            getattr(theory, name)(given_matrix)


def test_stated_accuracy_of_q_map_is_that_of_the_integrator() -> None:
    got = theory.q_map(np.array([1e-12, 3.0, 1e8]), Dense("gelu", sigma_w=1.0))
    expected = [float(reference.mean_square("gelu", q)) for q in (1e-12, 3.0, 1e8)]
    np.testing.assert_allclose(got, expected, rtol=MEAN)
