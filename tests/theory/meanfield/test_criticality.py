"""The critical line, phases and scales: published pairs, closed forms, and what 30-digit integrals say of the solutions."""

import numpy as np
import pytest

from tests import reference
from tests.tolerances import CRITICAL, DIFFERENCE, EXACT, FIXED_POINT, PAIR
from vgtheory import Dense, theory

PUBLISHED = [(0.05, 1.76), (2.01e-5, 1.05)]
"""sigma_b^2 and sigma_w^2 of critical tanh networks, to the digits printed: Schoenholz et al., Pennington et al."""


@pytest.mark.parametrize(("bias", "weight"), PUBLISHED)
def test_published_pairs_of_tanh(bias: float, weight: float) -> None:
    line = theory.critical("tanh", sigma_b=bias**0.5)
    assert line.sigma_w.size == 1
    assert round(float(line.sigma_w[0] ** 2), 2) == weight
    assert line.is_stable[0]


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "gelu", "silu", "elu", "softsign"])
def test_solutions_are_critical_by_independent_integrals(name: str) -> None:
    line = theory.critical(name, sigma_b=0.4)
    assert line.sigma_w.size >= 1
    for q, sigma_w in zip(line.q_star, line.sigma_w, strict=True):
        f, g = (float(reference.mean_square(name, float(q), slope)) for slope in (False, True))
        assert sigma_w**2 * g == pytest.approx(1, rel=CRITICAL)
        assert sigma_w**2 * f + 0.16 == pytest.approx(q, rel=CRITICAL)


def test_erf_has_an_elementary_line() -> None:
    q = np.array([0.1, 1.0, 7.0])
    slope = 4 / np.pi / np.sqrt(1 + 4 * q)
    sigma_b = np.sqrt(q - 2 / np.pi * np.arcsin(2 * q / (1 + 2 * q)) / slope)
    line = theory.critical("erf", sigma_b=sigma_b)
    np.testing.assert_allclose(line.q_star[:, 0], q, rtol=CRITICAL)
    np.testing.assert_allclose(line.sigma_w[:, 0], slope**-0.5, rtol=CRITICAL)


@pytest.mark.parametrize(
    ("name", "sigma_w", "q", "stable"), [("relu", 2**0.5, 2, True), ("leaky_relu", None, None, True)]
)
def test_homogeneous_ones_keep_any_length(name: str, sigma_w: float | None, q: float | None, stable: bool) -> None:
    line = theory.critical(name)
    gain = sigma_w or (2 / (1 + 0.01**2)) ** 0.5
    assert line.sigma_w.tolist() == pytest.approx([gain], rel=EXACT)
    assert line.q_star.tolist() == pytest.approx([q or gain**2], rel=EXACT)
    assert line.is_stable.tolist() == [stable]
    assert theory.critical(name, sigma_b=0.2).sigma_w.size == 0


@pytest.mark.parametrize(("name", "sigma_w", "stable"), [("tanh", 1, True), ("gelu", 2, False), ("silu", 2, False)])
def test_solutions_at_no_length(name: str, sigma_w: float, stable: bool) -> None:
    line = theory.critical(name)
    assert (line.q_star[0], line.is_stable[0]) == (0, stable)
    assert line.sigma_w[0] == pytest.approx(sigma_w, rel=EXACT)


def test_sigmoid_has_a_critical_network_and_q_runs_to_it() -> None:
    line = theory.critical("sigmoid")
    assert line.sigma_w.size == 1
    net = Dense("sigmoid", float(line.sigma_w[0]))
    assert theory.q_star(net) == pytest.approx(line.q_star[0], rel=PAIR)
    assert theory.chi_1(net) == pytest.approx(1, rel=PAIR)
    assert theory.phase(net) == 0
    assert line.q_star[0] > 10, "small q suggests that there is none"


@pytest.mark.parametrize("name", [pytest.param("softplus", marks=pytest.mark.slow), "relu_squared", "cube"])
def test_none_is_said_to_be_none(name: str) -> None:
    assert theory.critical(name).sigma_w.shape == (0,)
    padded = theory.critical(name, size=3)
    assert np.isnan(padded.sigma_w).tolist() == [True] * 3
    assert not padded.is_stable.any()


def test_gelu_and_silu_have_two_basins_with_the_gain_of_tanh() -> None:
    for name in ("gelu", "silu"):
        points = theory.meanfield.q_stars(Dense(name, 5 / 3))
        assert points.is_stable[:3].tolist() == [True, False, True]
        middle = float(points.q[1])
        error, slope = reference.fixed_point_error(name, 5 / 3, 0.0, middle)
        assert abs(error) < FIXED_POINT * middle / abs(1 - slope)
        assert float(slope) == pytest.approx(points.slope[1], rel=PAIR)
        assert points.q[0] == 0
        assert np.isinf(points.q[2])


def test_selu_keeps_its_unit_length_and_its_gradients_grow() -> None:
    net = Dense("selu", 1.0)
    points = theory.meanfield.q_stars(net)
    assert points.q[points.is_stable].tolist() == pytest.approx([1.0], rel=PAIR)
    assert round(float(theory.chi_1(net)), 4) == 1.0716
    assert theory.phase(net) == 1


def test_scales_are_minus_one_over_logs() -> None:
    net = Dense("tanh", np.array([0.8, 1.5]), 0.3)
    np.testing.assert_allclose(theory.xi_grad(net), -1 / np.log(theory.chi_1(net)), rtol=EXACT)
    np.testing.assert_allclose(theory.xi_c(net), -1 / np.log(theory.meanfield.chi_c(net)), rtol=EXACT)
    np.testing.assert_allclose(theory.xi_q(net), -1 / np.log(theory.meanfield.q_slope(net)), rtol=EXACT)
    assert (np.sign(theory.xi_grad(net)) == [1, -1]).all()
    assert np.isinf(theory.xi_grad(Dense("relu", 2**0.5)))
    np.testing.assert_allclose(
        np.exp(-theory.meanfield.decade_depth(net, 3) / 2 / abs(theory.xi_grad(net))), 1e-3, rtol=EXACT
    )


def test_slope_of_the_length_map_is_its_derivative() -> None:
    for name in ("hard_tanh", "gelu"):
        net = Dense(name, 1.2, 0.5)
        q = theory.q_star(net)
        difference = (theory.q_map(q * (1 + 1e-5), net) - theory.q_map(q * (1 - 1e-5), net)) / (2e-5 * q)
        assert theory.meanfield.q_slope(net) == pytest.approx(difference, rel=DIFFERENCE)


def test_grids_of_many_networks_are_those_of_single_ones() -> None:
    sigma_w, sigma_b = np.meshgrid(np.linspace(0.5, 4, 64), np.linspace(0, 2, 33))
    table = theory.q_star(Dense("tanh", sigma_w, sigma_b))
    for place in ((0, 9), (0, 10), (20, 40), (32, 63)):
        assert table[place] == pytest.approx(theory.q_star(Dense("tanh", sigma_w[place], sigma_b[place])), rel=EXACT)


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    with refused("critical", "sigma_b"):
        theory.critical("tanh", sigma_b=-0.1)
    with refused("critical", "activation", remedy="Did you mean 'tanh'"):
        theory.critical("tanhh")
    with refused("critical", "size"):
        theory.critical("tanh", size=0)
    with refused("decade_depth", "decades"):
        theory.meanfield.decade_depth(Dense("tanh"), -1.0)
