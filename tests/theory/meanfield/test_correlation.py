"""The correlation map, where it settles and how fast: closed forms, laws, and one route against another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tolerances import CURVATURE, DIFFERENCE, EXACT, PAIR
from vgtheory import ACTIVATIONS, Activation, Dense, theory
from vgtheory.theory.integrals import moments_2d, tables_2d
from vgtheory.theory.integrals.moments_1d import curves, value_and_slope
from vgtheory.theory.precision import in_float64

C = np.array([-1.0, -0.7, -0.1, 0.0, 0.3, 0.9, 0.999, 1 - 1e-12, 1.0])
SETTLED = np.array([0.0, 0.2, 0.5, 0.9, 1 - 1e-6])


def arc_cosine(c: np.ndarray) -> np.ndarray:
    """The map of relu at sigma_w = sqrt 2, without biases."""
    angle = np.arccos(c)
    return (np.sin(angle) + (np.pi - angle) * c) / np.pi


def test_relu_has_the_arc_cosine_kernel() -> None:
    net = Dense("relu", sigma_w=2**0.5)
    np.testing.assert_allclose(theory.c_map(C, net), arc_cosine(C), atol=PAIR)
    np.testing.assert_allclose(theory.meanfield.c_map_slope(C, net), 1 - np.arccos(C) / np.pi, atol=PAIR)
    inner = C[1:6]
    bent = theory.meanfield.c_map_curvature(inner, net)
    np.testing.assert_allclose(
        bent * (1 - abs(inner)), (1 - abs(inner)) / np.pi / np.sqrt(1 - inner**2), atol=CURVATURE
    )


def test_relu_gives_the_same_map_at_any_scale() -> None:
    for sigma_w in (0.5, 2.5):
        np.testing.assert_allclose(theory.c_map(C, Dense("relu", sigma_w=sigma_w)), arc_cosine(C), atol=PAIR)


def test_erf_has_the_arcsine_kernel() -> None:
    net = Dense("erf", sigma_w=2.0, sigma_b=0.4)
    q = theory.q_star(net)
    expected = (4 * 2 / np.pi * np.arcsin(2 * q * C / (1 + 2 * q)) + 0.4**2) / q
    np.testing.assert_allclose(theory.c_map(C, net), expected, atol=PAIR)


def test_sin_has_its_elementary_kernel_far_into_its_periods() -> None:
    net = Dense("sin", sigma_w=30.0, sigma_b=0.4)
    q = theory.q_star(net)
    even = [np.exp(-q * (1 - sign * C)) for sign in (1, -1)]
    expected = (900 * (even[0] - even[1]) / 2 + 0.4**2) / q
    np.testing.assert_allclose(theory.c_map(C, net), expected, atol=PAIR)


@pytest.mark.parametrize("name", ["tanh", pytest.param("hard_swish", marks=pytest.mark.slow)])
def test_tables_give_what_integrals_give(name: str) -> None:
    entry, shares = ACTIVATIONS[name], [-9.0, -2.0, -0.4, -0.01]
    log_q, log_share = (each.ravel() for each in np.meshgrid(np.log([0.05, 0.4, 3.0, 20.0]), shares))
    few = [moments_2d.integrated_pair(*each, entry) for each in zip(log_q, log_share, strict=True)]

    def many() -> jnp.ndarray:
        table = tables_2d.pairs(entry, log_q)
        return tables_2d.lost(tables_2d.lost_at_pair(table, jnp.asarray(log_q), jnp.asarray(log_share)))

    np.testing.assert_allclose(in_float64(jax.jit(many))(), few, atol=PAIR)
    np.testing.assert_allclose(moments_2d.pair(log_q, log_share, entry), few, atol=PAIR)


@pytest.mark.slow
def test_tables_of_an_activation_that_is_not_shipped_give_what_integrals_give() -> None:
    own = Activation("mine", jnp.tanh, kinks=())
    log_q, log_share = (each.ravel() for each in np.meshgrid(np.log([0.4, 3.0]), [-9.0, -2.0, -0.4, -0.01]))
    table = in_float64(
        lambda: tables_2d.lost(
            tables_2d.lost_at_pair(tables_2d.pairs(own, log_q), jnp.asarray(log_q), jnp.asarray(log_share))
        )
    )
    np.testing.assert_allclose(table(), moments_2d.pair(log_q, log_share, ACTIVATIONS["tanh"]), atol=PAIR)


@pytest.mark.slow
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_whole_tables_give_what_integrals_give(name: str) -> None:
    entry, rng = ACTIVATIONS[name], np.random.default_rng(0)
    log_q = rng.uniform(-27.6, 27.6, 200)
    # What phi loses in a difference is no fault of the table: see ``pairs``.
    log_share = np.maximum(-(10 ** rng.uniform(-3, 1.1, 200)), np.minimum(-7.0, -6.9 - np.minimum(log_q, 0) / 4))

    def both() -> list:
        places = jnp.asarray(log_q), jnp.asarray(log_share)
        return [moments_2d.reader(jnp.zeros(1), entry)(*places), moments_2d.reader(jnp.asarray(log_q), entry)(*places)]

    few, many = in_float64(both)()
    with jax.enable_x64(True):
        log_f, log_g = (value_and_slope(each, log_q)[0] for each in curves(entry)[:2])
    # Where phi hardly varies about a mean, as gaussian at small q, its differences keep phi's own digits alone.
    weights = np.exp(np.minimum(log_q + log_g - log_f, 0.0))[:, None] ** [1, 0, 0, 0]
    np.testing.assert_allclose(weights * many, weights * few, atol=PAIR)
    np.testing.assert_allclose(weights * moments_2d.pair(log_q, log_share, entry), weights * few, atol=PAIR)


def test_settled_correlation_is_mapped_to_itself() -> None:
    nets = [Dense("tanh", 2.0, 0.3), Dense("tanh", 1.02, 0.0), Dense("erf", 3.0, 0.1)]
    for net in nets:
        c = theory.c_star(net)
        assert abs(theory.c_map(c, net) - c) < PAIR
        assert 0 <= c < 1
        assert theory.meanfield.chi_c(net) == pytest.approx(theory.meanfield.c_map_slope(c, net), rel=PAIR)


def test_near_criticality_the_root_is_still_found() -> None:
    critical = theory.critical("tanh", sigma_b=0.1).sigma_w[0]
    for excess in (1e-3, 1e-5, 1e-7):
        net = Dense("tanh", critical * (1 + excess), 0.1)
        # To first order the curvature turns the map back: (chi_1 - 1) = (1 - c) c'' / 2.
        bend = theory.meanfield.c_map_curvature(1 - 1e-6, net)
        assert 1 - theory.c_star(net) == pytest.approx(
            2 * (theory.chi_1(net) - 1) / bend, rel=max(10 * excess, DIFFERENCE)
        )


def test_ordered_and_marginal_networks_agree_with_themselves() -> None:
    for net in (
        Dense("tanh", 0.9, 0.3),
        Dense("tanh", 1.0),
        Dense("relu", 2.5),
        Dense("relu", 2**0.5),
        Dense("linear", 3.0),
    ):
        assert theory.c_star(net) == 1
    assert theory.meanfield.chi_c(Dense("relu", 0.5)) == 1
    assert theory.meanfield.chi_c(Dense("tanh", 0.9, 0.3)) == pytest.approx(
        theory.chi_1(Dense("tanh", 0.9, 0.3)), rel=EXACT
    )


@given(
    sigma_w=st.floats(0.3, 4),
    sigma_b=st.just(0.0) | st.floats(1e-150, 2.0),
    low=st.floats(0, 0.98),
    step=st.floats(0.001, 0.01),
)
def test_map_of_erf_increases_and_is_convex(sigma_w: float, sigma_b: float, low: float, step: float) -> None:
    first, second, third = theory.c_map(np.array([low, low + step, low + 2 * step]), Dense("erf", sigma_w, sigma_b))
    assert second > first - PAIR
    assert third - second > second - first - 3 * PAIR


def test_many_networks_are_solved_as_one_is() -> None:
    sigma_w, sigma_b = np.meshgrid(np.linspace(0.8, 3.0, 6), np.linspace(0, 0.6, 5))
    table = theory.c_star(Dense("tanh", sigma_w, sigma_b))
    assert table.shape == (5, 6)
    for place in ((0, 2), (3, 1), (4, 5)):
        assert table[place] == pytest.approx(theory.c_star(Dense("tanh", sigma_w[place], sigma_b[place])), abs=PAIR)


@pytest.mark.parametrize("name", ["tanh", "erf", "sin"])
def test_without_biases_odd_activations_make_inputs_orthogonal(name: str) -> None:
    assert np.max(np.abs(theory.c_star(Dense(name, np.array([1.4, 2.0, 4.0, 6.0, 8.0, 10.0, 30.0]))))) < PAIR


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    with refused("c_map", "c"):
        theory.c_map(1.1, Dense("tanh"))
    with refused("c_map_curvature", "c"):
        theory.meanfield.c_map_curvature(1.0, Dense("tanh"))
