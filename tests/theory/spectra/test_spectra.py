"""Jacobian spectra: closed forms, an independent continuation, moments by quadrature, edges, and depths beyond float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from tests import surface
from tests.tolerances import EDGE, EXACT, FIXED_POINT, SPECTRAL_MOMENT, SPECTRAL_WEIGHT, SPECTRUM
from vgtheory import Dense, Recurrent, theory

pytestmark = pytest.mark.optimised

SLOW = pytest.mark.slow
RELU = 2**0.5


def fuss_catalan(depth: int, num_points: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Squared singular values and their density for linear Gaussian nets, by the angle in [0, pi / (L + 1)]."""
    angle = np.linspace(0.05, 0.95, num_points) * np.pi / (depth + 1)
    top, one, low = np.sin((depth + 1) * angle), np.sin(angle), np.sin(depth * angle)
    log_lambda = (depth + 1) * np.log(top) - np.log(one) - depth * np.log(low)
    log_density = 2 * np.log(one) + (depth - 1) * np.log(low) - np.log(np.pi) - depth * np.log(top)
    return log_lambda, 2 * np.exp(log_density + log_lambda)


def continued(g: np.ndarray, weights: np.ndarray, depth: int, is_gaussian: bool, square: float) -> float:
    """Density of ln s at a given s^2, by following lambda = s^2 exp(i alpha) from the negative axis down to alpha = 0."""

    def image(zeta: complex) -> tuple[complex, complex, complex]:
        w, fall = np.sum(weights * g / (zeta - g)), np.sum(weights * g * zeta / (zeta - g) ** 2)
        value = (1 + w) / w * (w * zeta / (1 + w) * (1 + w if is_gaussian else 1)) ** depth
        slope = (depth - 1) * -fall / (w * (1 + w)) + depth * (1 - is_gaussian * fall / (1 + w))
        return w, value, slope

    low, high = -60.0, 60.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (low, middle) if -image(complex(-np.exp(middle)))[1].real > square else (middle, high)
    log_zeta = complex(low, np.pi)
    for alpha in np.pi * (1 - np.linspace(0, 1, 400)[1:]):
        for _ in range(8):
            _, value, slope = image(np.exp(log_zeta))
            log_zeta -= np.log(value / (square * np.exp(1j * alpha))) / slope
    return -2 * image(np.exp(log_zeta))[0].imag / np.pi


def quadrature(net: Dense, depth: int, low: float) -> tuple[float, float, float]:
    """Weight, mean of s^2 and mean of s^4 of the continuous part, in units of their own size, from ln s = low upwards."""
    edge, scale = theory.jacobian_edge(net, depth), theory.spectra.jacobian_moments(net, depth).log_mean_square
    start = max(low, float(edge.log_lower))
    angle = (np.arange(2000) + 0.5) * np.pi / 2000
    log_s = start + (edge.log_upper - start) * (1 - np.cos(angle)) / 2
    share = (
        theory.spectra.jacobian_density_of_log(log_s, net, depth)
        * np.sin(angle)
        * (edge.log_upper - start)
        * np.pi
        / 4000
    )
    squares = np.exp(2 * log_s - scale)
    return float(share.sum()), float(share @ squares), float(share @ squares**2)


@pytest.mark.parametrize("depth", [1, 2, 16, 1000])
def test_linear_gaussian_nets_are_fuss_catalan(depth: int) -> None:
    log_lambda, expected = fuss_catalan(depth)
    net = Dense("linear", 1.3)
    log_s = log_lambda / 2 + depth * np.log(1.3)
    np.testing.assert_allclose(theory.spectra.jacobian_density_of_log(log_s, net, depth), expected, rtol=SPECTRUM)


def test_one_gaussian_layer_is_the_quarter_circle_and_for_relu_a_marchenko_pastur_law() -> None:
    s = np.array([0.0, 1e-30, 1e-3, 0.5, 1.0, 1.9, 1.999, 2.1])
    inside = np.sqrt(np.maximum(4 - s**2, 0))
    np.testing.assert_allclose(theory.spectra.jacobian_density(s, Dense("linear"), 1), inside / np.pi, rtol=SPECTRUM)
    weight = (s * inside / 2 + 2 * np.arcsin(np.minimum(s / 2, 1))) / np.pi
    np.testing.assert_allclose(theory.spectra.jacobian_cdf(s, Dense("linear"), 1), weight, rtol=EXACT, atol=EXACT)
    s = np.array([0.3, 0.5, 1.0, 1.5, 1.7, 1.8])
    ends = 1 - 0.5**0.5, 1 + 0.5**0.5
    inside = np.sqrt(np.maximum((ends[1] ** 2 - s**2) * (s**2 - ends[0] ** 2), 0))
    np.testing.assert_allclose(
        theory.spectra.jacobian_density(s, Dense("relu"), 1), inside / (np.pi * s), rtol=SPECTRUM
    )
    np.testing.assert_allclose(theory.jacobian_edge(Dense("relu"), 1)[:2], ends, rtol=EXACT)


def test_two_orthogonal_relu_layers_are_two_free_projections() -> None:
    s = np.array([0.0, 1e-6, 0.1, 0.5, 0.9, 0.999, 1.001])
    net = Dense("relu", 1.0, weights="orthogonal")
    weight = 0.5 + np.arcsin(np.minimum(s, 1)) / np.pi
    np.testing.assert_allclose(theory.spectra.jacobian_cdf(s, net, 2), weight, rtol=SPECTRAL_WEIGHT)
    inside = np.where(s < 1, 1 / np.pi / np.sqrt(np.maximum(1 - s**2, EXACT)), 0)[1:]
    np.testing.assert_allclose(theory.spectra.jacobian_density(s[1:], net, 2), inside, rtol=SPECTRUM)


@pytest.mark.slow
def test_more_than_half_of_active_units_leave_a_point_mass() -> None:
    """Two projections of share p > 1/2 meet: a share 2 p - 1 of singular values is exactly sigma_w^2."""
    net = Dense("hard_tanh", 1.1, 0.1, weights="orthogonal")
    p = 1 - float(theory.spectra.jacobian_atom(net, 2))
    top, reach = 1.1**2, 4 * p * (1 - p)
    s = top * np.array([0.0, (reach**0.5 + 1) / 2, 1 - 1e-6, 1 + 1e-6])
    np.testing.assert_allclose(
        theory.spectra.jacobian_cdf(s, net, 2), [1 - p, 2 - 2 * p, 2 - 2 * p, 1.0], rtol=SPECTRAL_WEIGHT
    )
    x = reach * np.array([0.1, 0.5, 0.9])
    expected = np.sqrt(reach - x) / (np.sqrt(x) * (1 - x)) / np.pi * x
    np.testing.assert_allclose(
        theory.spectra.jacobian_density_of_log(np.log(x) / 2 + np.log(top), net, 2), expected, rtol=SPECTRUM
    )


def test_one_orthogonal_layer_has_the_law_of_the_slope_itself() -> None:
    net = Dense("tanh", 1.3, 0.2, weights="orthogonal")
    s, root = np.array([1e-8, 0.1, 0.7, 1.29, 1.4]), float(theory.q_star(net)) ** 0.5
    z = np.arccosh(np.sqrt(np.maximum(1.3 / s, 1))) / root
    np.testing.assert_allclose(
        theory.spectra.jacobian_cdf(s, net, 1), 2 * stats.norm.sf(z), rtol=FIXED_POINT, atol=EXACT
    )
    with np.errstate(divide="ignore"):
        density = np.where(z > 0, stats.norm.pdf(z) / (root * np.tanh(root * z)), 0)
    np.testing.assert_allclose(
        theory.spectra.jacobian_density_of_log(np.log(s), net, 1), density, rtol=SPECTRUM, atol=EXACT
    )
    relu = theory.spectra.jacobian_cdf(np.array([0.0, 0.9, 1.1]), Dense("relu", 1.0, weights="orthogonal"), 1)
    np.testing.assert_allclose(relu, [0.5, 0.5, 1.0], rtol=EXACT)


@pytest.mark.parametrize("depth", [1, 64])
def test_orthogonal_linear_nets_are_one_point(depth: int) -> None:
    net = Dense("linear", 0.9, weights="orthogonal")
    log_s = depth * np.log(0.9) + depth * EXACT * np.array([-1, 1])
    assert theory.spectra.jacobian_cdf_of_log(log_s, net, depth).tolist() == [0.0, 1.0]
    assert theory.spectra.jacobian_density_of_log(log_s, net, depth).tolist() == [0.0, 0.0]
    assert theory.spectra.jacobian_condition(net, depth) == pytest.approx(1.0, rel=EXACT * depth)


CONTINUED = [
    pytest.param("tanh", "gaussian", 1, 0.5, marks=SLOW),
    pytest.param("tanh", "gaussian", 3, 0.2, marks=SLOW),
    pytest.param("tanh", "orthogonal", 2, 0.5, marks=SLOW),
    pytest.param("tanh", "orthogonal", 5, 0.1, marks=SLOW),
    pytest.param("relu", "gaussian", 4, 0.3, marks=SLOW),
    pytest.param("relu", "orthogonal", 3, 2.0, marks=SLOW),
    pytest.param("gelu", "gaussian", 2, 0.3, marks=SLOW),
    pytest.param("gelu", "orthogonal", 4, 0.1, marks=SLOW),
    pytest.param("selu", "orthogonal", 3, 1.0, marks=SLOW),
]


@pytest.mark.parametrize(("name", "weights", "depth", "square"), CONTINUED)
def test_density_is_what_continuation_from_the_negative_axis_gives(
    name: str, weights: str, depth: int, square: float
) -> None:
    """A trapezium rule that steps over no kink but at 0, and another path to the same point."""
    net = Dense(name, 1.4, 0.3, weights)
    z = (np.arange(-12_000, 12_000) + 0.5) / 1000
    with jax.enable_x64(True):
        g = np.asarray(net.activation.dphi(jnp.asarray(z) * float(theory.q_star(net)) ** 0.5)) ** 2
    expected = continued(1.4**2 * g, stats.norm.pdf(z) / 1000, depth, weights == "gaussian", square)
    got = theory.spectra.jacobian_density_of_log(np.log(square) / 2, net, depth)
    assert got == pytest.approx(expected, rel=1000 * SPECTRUM if name == "selu" else SPECTRUM)


MOMENTS = [
    pytest.param("tanh", "gaussian", 2, -60.0, marks=SLOW),
    pytest.param("tanh", "orthogonal", 3, -15.0, marks=SLOW),
    pytest.param("relu", "orthogonal", 4, -60.0, marks=SLOW),
    pytest.param("relu", "gaussian", 64, -1500.0, marks=SLOW),
    pytest.param("linear", "gaussian", 16, -300.0, marks=SLOW),
    pytest.param("tanh", "orthogonal", 16, -40.0, marks=SLOW),
    pytest.param("gelu", "gaussian", 4, -80.0, marks=SLOW),
    pytest.param("sigmoid", "orthogonal", 4, -40.0, marks=SLOW),
    pytest.param("leaky_relu", "orthogonal", 3, -40.0, marks=SLOW),
]


@pytest.mark.parametrize(("name", "weights", "depth", "low"), MOMENTS)
def test_density_has_the_moments(name: str, weights: str, depth: int, low: float) -> None:
    net = Dense(name, 1.2, 0.2 if name != "linear" else 0.0, weights)
    got = quadrature(net, depth, low)
    spread = theory.spectra.jacobian_moments(net, depth).spread
    expected = [1 - float(theory.spectra.jacobian_atom(net, depth)), 1.0, float(spread)]
    np.testing.assert_allclose(got, expected, rtol=SPECTRAL_MOMENT)


def test_weight_is_the_integral_of_the_density() -> None:
    net = Dense("tanh", 1.2, 0.2, "orthogonal")
    nodes, rule = np.polynomial.legendre.leggauss(60)
    log_s = -1.0 + 0.5 * nodes
    ends = theory.spectra.jacobian_cdf_of_log(np.array([-1.5, -0.5]), net, 6)
    integral = 0.5 * rule @ theory.spectra.jacobian_density_of_log(log_s, net, 6)
    assert integral == pytest.approx(ends[1] - ends[0], rel=SPECTRUM)


@pytest.mark.parametrize(
    ("weights", "depth"), [("gaussian", 1), ("gaussian", 40), ("orthogonal", 2), ("orthogonal", 40)]
)
def test_weight_rises_from_the_atom_to_one(weights: str, depth: int) -> None:
    net = Dense("relu", RELU, weights=weights)
    edge = theory.jacobian_edge(net, depth).log_upper
    log_s = np.concatenate([[-np.inf], np.linspace(-3.0 * depth, edge, 200), [edge + depth * EXACT, np.inf]])
    weight = theory.spectra.jacobian_cdf_of_log(log_s, net, depth)
    assert weight[0] == 0.5
    assert (weight[-2:] == 1).all()
    assert (np.diff(weight) >= 0).all()


@pytest.mark.parametrize("depth", [1, 2, 5, 64, 10_000])
def test_edges_are_their_closed_forms(depth: int) -> None:
    linear, relu = Dense("linear", 0.7), Dense("relu", RELU, weights="orthogonal")
    log_square = (depth + 1) * np.log(depth + 1) - depth * np.log(depth) + 2 * depth * np.log(0.7)
    assert theory.jacobian_edge(linear, depth).log_upper == pytest.approx(log_square / 2, rel=0, abs=EDGE * depth)
    log_square = depth * np.log(depth) - (depth - 1) * np.log(max(depth - 1, 1)) + (depth == 1) * np.log(2)
    assert theory.jacobian_edge(relu, depth).log_upper == pytest.approx(log_square / 2, rel=0, abs=EDGE * depth)
    assert theory.jacobian_edge(linear, depth).lower == 0
    assert theory.spectra.jacobian_condition(relu, depth) == np.inf


@pytest.mark.slow
def test_slopes_that_stay_away_from_zero_bound_the_condition_number() -> None:
    """One by one the factors' norms bound the product's; by the symmetry lambda -> a^(2 L) / lambda edges come in pairs."""
    net = Dense("leaky_relu", 1.0, weights="orthogonal")
    for depth in (1, 2, 3, 20):
        edge = theory.jacobian_edge(net, depth)
        assert edge.log_lower + edge.log_upper == pytest.approx(depth * np.log(0.01), rel=FIXED_POINT)
        assert theory.spectra.jacobian_condition(net, depth) < 100**depth * (1 + EXACT)
    assert theory.spectra.jacobian_condition(net, 1) == pytest.approx(100, rel=EXACT)


@pytest.mark.parametrize("depth", [1, 3, 50])
def test_moments_are_their_closed_forms(depth: int) -> None:
    gaussian, orthogonal = (
        theory.spectra.jacobian_moments(Dense("relu", 1.5, weights=w), depth) for w in ("gaussian", "orthogonal")
    )
    assert gaussian.log_mean_square == pytest.approx(depth * np.log(1.125), rel=EXACT)
    assert (gaussian.spread, orthogonal.spread) == pytest.approx((1 + 2 * depth, 1 + depth), rel=EXACT)
    assert gaussian.mean_log == orthogonal.mean_log == -np.inf
    linear = theory.spectra.jacobian_moments(Dense("linear", 1.5), depth)
    assert linear.mean_log == pytest.approx(depth * (np.log(1.5) - 0.5), rel=EXACT)


def test_depths_and_scales_beyond_float64() -> None:
    """sigma_w^(2 L) = 1e-600 shifts ln s and does nothing else; 100,000 layers are no harder than ten."""
    depth, shift = 600, 600 * np.log(1e-1)
    small, one = Dense("relu", RELU * 1e-1), Dense("relu", RELU)
    log_s = np.array([-300.0, -30.0, 0.0, 3.0])
    for law in (theory.spectra.jacobian_cdf_of_log, theory.spectra.jacobian_density_of_log):
        np.testing.assert_allclose(law(log_s + shift, small, depth), law(log_s, one, depth), rtol=SPECTRUM)
    edge = theory.jacobian_edge(small, depth)
    assert edge.upper == 0
    assert edge.log_upper == pytest.approx(theory.jacobian_edge(one, depth).log_upper + shift, rel=EXACT)
    deep = theory.spectra.jacobian_cdf_of_log(np.array([-1e6, -1e4, 0.0]), Dense("linear"), 100_000)
    assert (np.diff([0.0, *deep, 1.0]) > 0).all()


def test_tanh_becomes_an_isometry_and_relu_does_not() -> None:
    """At q -> 0 and unit gain tanh is linear: orthogonal nets keep every length, Gaussian ones none."""
    for scale in (1.001, 1.0001, 1.00001):
        net = Dense("tanh", scale, weights="orthogonal")
        assert 0 < theory.spectra.jacobian_moments(net, 100).spread - 1 < 100 * 8 * float(theory.q_star(net)) ** 2
    assert theory.spectra.jacobian_moments(Dense("tanh", 1.0, weights="orthogonal"), 100).spread == pytest.approx(
        1, rel=EXACT * 100
    )
    assert theory.spectra.jacobian_moments(Dense("tanh", 1.0), 100).spread == pytest.approx(101, rel=EXACT)
    assert theory.spectra.jacobian_condition(Dense("tanh", 1.0, weights="orthogonal"), 100) == pytest.approx(
        1, rel=EXACT * 100
    )


@pytest.mark.parametrize(("depth", "width"), [(5, 10), pytest.param(64, 512, marks=SLOW)])
def test_zeros_at_finite_width_are_the_least_of_binomials(depth: int, width: int) -> None:
    net = Dense("relu", RELU)
    active = np.arange(width + 1)
    least = 1 - (1 - stats.binom.cdf(active, width, 0.5)) ** depth
    mean = np.sum(active * np.diff(least, prepend=0))
    assert theory.spectra.jacobian_atom(net, depth, width) == pytest.approx(1 - mean / width, rel=EXACT)
    assert theory.spectra.jacobian_atom(net, depth) == 0.5
    assert theory.spectra.jacobian_atom(Dense("tanh", 1.5), depth, width) == 0
    raised = theory.spectra.jacobian_cdf(np.array([0.0, 10.0]), net, 5, width=10)
    np.testing.assert_allclose(raised, [theory.spectra.jacobian_atom(net, 5, 10), 1.0], rtol=EXACT)


def test_no_weights_no_singular_values() -> None:
    net = Dense("linear", 0.0)
    assert theory.spectra.jacobian_cdf(np.array([0.0, 1e-300]), net, 3).tolist() == [1.0, 1.0]
    assert theory.spectra.jacobian_atom(net, 3) == 1
    assert theory.jacobian_edge(net, 3).upper == 0


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    net = Dense("tanh")
    with refused("jacobian_moments", "net", "like layers|one of the layers"):
        theory.spectra.jacobian_moments(Dense("tanh", (1.5, 1.2)), 2)
    with refused("jacobian_density", "s"):
        theory.spectra.jacobian_density(np.array([-1.0]), net, 2)
    with refused("jacobian_cdf_of_log", "shape", remedy=r"jax\.vmap\.$"):
        theory.spectra.jacobian_cdf_of_log(0.0, Dense("tanh", np.array([1.0, 2.0])), 2)
    with refused("jacobian_cdf", "width"):
        theory.spectra.jacobian_cdf(0.5, net, 2, width=0)
    with refused("jacobian_atom", "width"):
        theory.spectra.jacobian_atom(net, 2, width=0)
    for name in ("jacobian_moments", "jacobian_edge", "jacobian_condition"):
        with refused(name, "depth"):
            surface.public(theory)[name](net, 0)
        with refused(name, "net"):
            surface.public(theory)[name](Recurrent("tanh", sigma_w=1.0), 2)


@pytest.mark.slow
def test_the_atom_of_a_scale_that_is_no_number_is_none() -> None:
    atom = jax.jit(lambda sigma_w: theory.spectra.jacobian_atom(Dense("tanh", sigma_w), 4))
    assert np.isnan(atom(jnp.float32(np.nan)))
    assert atom(jnp.float32(1.0)) == 0
