"""Dropout at finite width: chi-squares of binomially many degrees of freedom, and moments of units with factors."""

import mpmath as mp
import numpy as np
import pytest
import scipy

from tests.tolerances import CHI_SQUARE, MEAN
from vgtheory import Dense, theory
from vgtheory.activation import ACTIVATIONS
from vgtheory.theory.integrals import rules
from vgtheory.theory.width.masked import first_law, log_masked_law, masked, masks_of
from vgtheory.theory.width.unit import unit

P = 0.3
GAUSSIAN = 1e-10
"""Of a law by the rule for Gaussian factors: of the log, relative to one unit's spread."""


def mixture(counts: np.ndarray, shares: np.ndarray, mean: np.ndarray, var: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of a mixture."""
    shares = shares / shares.sum()
    total = shares @ mean
    return total, float(shares @ (var + (mean - total) ** 2)) ** 0.5


@pytest.mark.parametrize("width", [1, 3, 64])
@pytest.mark.parametrize(("slopes", "alive"), [((1.0, 1.0), 1 - P), ((1.0, 0.0), (1 - P) / 2)])
def test_live_units_are_binomial(width: int, slopes: tuple[float, float], alive: float) -> None:
    counts = np.arange(1, width + 1)
    shares = scipy.stats.binom.pmf(counts, width, alive)
    log_mean = scipy.special.digamma(counts / 2) + np.log(2 / width / (1 - P))
    expected = mixture(counts, shares, log_mean, scipy.special.polygamma(1, counts / 2))
    np.testing.assert_allclose(log_masked_law(width, slopes, P, "bernoulli"), expected, atol=10 * CHI_SQUARE)


def test_half_of_all_units_dropped_is_a_rectifier() -> None:
    for width in (2, 50):
        dropped, rectified = (
            log_masked_law(width, (1.0, 1.0), 0.5, "bernoulli"),
            theory.width.log_chi_square_law(width, (1.0, 0.0)),
        )
        np.testing.assert_allclose(dropped, (rectified.mean + np.log(2), rectified.std), atol=10 * CHI_SQUARE)


@pytest.mark.parametrize("drop", [1e-4, 0.05, 0.5])
def test_gaussian_factors_against_their_own_law_for_one_unit(drop: float) -> None:
    """ln m^2 + ln z^2 of independent m and z, by mpmath."""
    v = drop / (1 - drop)
    density = lambda m: mp.npdf(m, 1, mp.sqrt(v))
    edges = [-40 * v**0.5 + 1, 0, 1, 1 + 40 * v**0.5] if v > 0.01 else [1 - 20 * v**0.5, 1, 1 + 20 * v**0.5]
    raw = [float(mp.quad(lambda m, k=k: mp.log(m * m / (1 + v)) ** k * density(m), sorted(edges))) for k in (1, 2)]
    alone = theory.width.log_chi_square_law(1)
    expected = raw[0] + alone.mean, (raw[1] - raw[0] ** 2 + alone.std**2) ** 0.5
    np.testing.assert_allclose(log_masked_law(1, (1.0, 1.0), drop, "gaussian"), expected, atol=GAUSSIAN)


def test_first_input_is_a_beta_variable() -> None:
    width, counts = 16, np.arange(1, 17)
    shares = scipy.stats.binom.pmf(counts, width, 1 - P)
    log_mean = scipy.special.digamma(counts / 2) - scipy.special.digamma(width / 2) - np.log(1 - P)
    var = scipy.special.polygamma(1, counts / 2) - scipy.special.polygamma(1, width / 2)
    np.testing.assert_allclose(
        first_law(width, P, "bernoulli"), mixture(counts, shares, log_mean, var), atol=10 * CHI_SQUARE
    )


@pytest.mark.parametrize("mask", ["bernoulli", "gaussian"])
def test_moments_of_units_with_factors(mask: str) -> None:
    """By a rule over units and factors together."""
    activation, log_q = ACTIVATIONS["gelu"], np.asarray(0.2)
    masks = masks_of(Dense("gelu", dropout=P, mask=mask), 64)
    assert masks is not None
    z, weights = rules.nodes(np.exp(log_q), activation.kinks)
    phi, dphi = rules.values(activation, np.exp(log_q / 2) * z)
    f, g = phi**2 / (phi**2 @ weights), dphi**2 / (dphi**2 @ weights)
    if mask == "bernoulli":
        mu, w = np.array([0, 1 / (1 - P)]), np.array([P, 1 - P])
    else:
        m, w = np.polynomial.hermite_e.hermegauss(12)
        mu, w = (1 + (P / (1 - P)) ** 0.5 * m) ** 2, w / w.sum()
        mu = mu / (mu @ w)
    over = lambda values: float(w @ (values @ weights))
    f, g, z2 = mu[:, None] * f, mu[:, None] * g, z[None] ** 2
    found = masked(unit(log_q, activation), masks.second, masks.third)
    pull, own = over(f * g), over(g * z2)
    expected = dict(
        x2=over((f - 1) ** 2),
        x3=over((f - 1) ** 3),
        y2=over(3 * g**2 - 2 * g + 1),
        y3=over(15 * g**3 - 9 * g**2 + 3 * g - 1),
        xy=over((f - 1) * (g - 1)),
        xxy=over((f - 1) ** 2 * (g - 1)),
        xyy=over((f - 1) * (3 * g**2 - 2 * g + 1)),
        pull=pull,
        own=own,
        own_x=over(g * z2 * (f - 1)) - own * (pull - 1),
        own_y=over(g * z2 * (3 * g - 1)) - own * over(3 * g**2 - 2 * g + 1),
    )
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(found, name), value, rtol=100 * MEAN, atol=100 * MEAN, err_msg=name)


LISTED = 1e-7
"""Between the two chains, of logs and their spread: interpolation and the grid's ends, 1e-9 to 1e-8 a layer."""


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_listed_layers_that_are_alike_have_the_laws_of_like_layers(name: str) -> None:
    alike, size = Dense(name, 1.4, 0.3, dropout=P, sigma_noise=0.2), dict(depth=6, width=64)
    listed = alike.replace(widths=(64,) * 7)
    for law in (
        theory.log_grad_layers,
        theory.log_q_layers,
        theory.log_grad_weight_layers,
        theory.layers.log_chi_layers,
    ):
        for each in ({}, {"width": np.inf}):
            one, other = law(alike, **size | each), law(listed, **each)
            np.testing.assert_allclose(other.mean, one.mean, atol=LISTED)
            np.testing.assert_allclose(other.std, one.std, atol=LISTED)
    one, other = theory.layers.c_layers(alike, depth=6), theory.layers.c_layers(listed)
    np.testing.assert_allclose(other.mean, one.mean, atol=LISTED)
