"""The spectral radius of a random matrix: densities that count every eigenvalue, and matrices that are drawn."""

import jax
import numpy as np
import pytest

from tests.tolerances import COUNT, EXACT, SIGMAS
from vgtheory import FixedRecurrent, Recurrent, measure, theory
from vgtheory.theory.recurrent import spectral_radius


def linear(sigma_w: float, weights: str = "gaussian") -> Recurrent:
    return Recurrent("linear", sigma_w, weights=weights)


@pytest.mark.parametrize("width", [2, 8, 64])
def test_densities_count_every_eigenvalue(width: int) -> None:
    """All of them together, and the real ones of a two-by-two matrix: the root of 2 (Edelman, Kostlan and Shub)."""
    radii = np.linspace(1e-9, width**0.5 + 12, 40_001)
    pairs, real = (
        np.trapezoid(density(radii, width), radii)
        for density in (spectral_radius._complex_density, spectral_radius._real_density)
    )
    assert 2 * pairs + real == pytest.approx(width, abs=COUNT)
    if width == 2:
        assert real == pytest.approx(2**0.5, abs=COUNT)


@pytest.mark.parametrize("width", [8, 32])
def test_draws_agree_and_three_percent_off_does_not(key: jax.Array, width: int) -> None:
    num_nets = 2000
    hat = measure.recurrent.log_spectral_radius(key, linear(1.5), width=width, num_nets=num_nets)
    law, wrong = (theory.recurrent.log_spectral_radius(linear(scale), width=width) for scale in (1.5, 1.545))
    slack = 0.05 * law.std
    assert abs(hat.value - law.mean) < SIGMAS * law.std / num_nets**0.5 + slack
    assert hat.err * num_nets**0.5 == pytest.approx(law.std, rel=0.03 + SIGMAS / (2 * num_nets) ** 0.5)
    if width == 32:
        assert abs(hat.value - wrong.mean) > SIGMAS * law.std / num_nets**0.5 + slack


def test_orthogonal_matrices_have_no_spread(key: jax.Array) -> None:
    law = theory.recurrent.log_spectral_radius(linear(0.7, "orthogonal"), width=16)
    assert law.mean == pytest.approx(np.log(0.7), abs=EXACT)
    assert law.std == 0
    hat = measure.recurrent.log_spectral_radius(key, linear(0.7, "orthogonal"), width=16, num_nets=4)
    assert abs(hat.value - law.mean) < SIGMAS * hat.err


def test_wide_matrices_follow_the_gumbel_law() -> None:
    """Rider and Sinclair: sqrt(4 N g) (rho - 1 - sqrt(g / 4 N)), g = ln(N / 2 pi ln^2 N), tends to exp(-exp(-x) / 2), slowly."""
    off = []
    for width in (2**9, 2**13):
        g = np.log(width / (2 * np.pi * np.log(width) ** 2))
        law = theory.recurrent.log_spectral_radius(linear(1.0), width=width)
        mean = np.sqrt(g / (4 * width)) + (np.euler_gamma - np.log(2)) / np.sqrt(4 * width * g)
        std = np.pi / np.sqrt(6) / np.sqrt(4 * width * g)
        off.append([abs(np.log(law.mean / mean)), abs(np.log(law.std / std))])
    assert off[1][0] < off[0][0] / 2
    assert off[1][1] < off[0][1] / 2


def test_wrong_questions(refused: pytest.RaisesExc, key: jax.Array) -> None:
    for ask in (
        theory.recurrent.log_spectral_radius,
        lambda net, width: measure.recurrent.log_spectral_radius(key, net, width=width),
    ):
        with refused("log_spectral_radius", "net"):
            ask(FixedRecurrent("linear", matrix=np.eye(8)), width=8)
        with refused("log_spectral_radius", "width"):
            ask(linear(1.0), width=0)
    with refused("log_spectral_radius", "num_nets"):
        measure.recurrent.log_spectral_radius(key, linear(1.0), width=8, num_nets=1)
