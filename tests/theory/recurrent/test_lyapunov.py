"""Lyapunov exponents: Newman's law, a finite matrix product by numpy, limits, and wrong questions."""

from collections.abc import Callable

import jax
import numpy as np
import pytest
from scipy.special import comb, digamma

from tests.tolerances import EXACT, LYAPUNOV, LYAPUNOV_WIDTH, MOMENT_WIDTH
from vgtheory import Activation, Dense, FixedRecurrent, Leaky, Recurrent, measure, theory


def test_the_triangular_law() -> None:
    straight = Activation("straight", lambda h: 1.0 * h, lambda h: 0 * h + 1.0, ())
    x = np.linspace(0, 0.99, 12)
    expected = np.log(0.7) + np.log1p(-x) / 2
    assert theory.recurrent.lyapunov_curve(Dense("linear", 0.7), x) == pytest.approx(expected, abs=LYAPUNOV)
    assert theory.recurrent.lyapunov_curve(Dense(straight, 0.7), x) == pytest.approx(expected, abs=LYAPUNOV)


def test_its_ends_are_chi_1_and_no_slope_at_all() -> None:
    net = Recurrent("tanh", sigma_w=2.0, sigma_b=0.3)
    assert theory.recurrent.lyapunov_curve(net, 0.0) == pytest.approx(
        theory.recurrent.lyapunov_exponent(net), abs=LYAPUNOV
    )
    relu = theory.recurrent.lyapunov_curve(Dense("relu", 2**0.5), [0.0, 0.2, 0.49, 0.5, 0.9])
    assert relu[:3] == pytest.approx(np.log(2 * (0.5 - np.array([0.0, 0.2, 0.49]))) / 2, abs=LYAPUNOV)
    assert np.all(np.isneginf(relu[3:]))


def test_the_sum_of_all_is_the_volume() -> None:
    """The mean of the exponents is the mean log of the slopes plus that of a square Gaussian matrix's singular values."""
    net = Dense("tanh", 1.8, 0.4)
    x, weights = np.polynomial.legendre.leggauss(400)
    mean = theory.recurrent.lyapunov_curve(net, (x + 1) / 2) @ weights / 2
    z, shares = np.polynomial.hermite_e.hermegauss(150)
    log_slope = np.log(1 / np.cosh(np.sqrt(theory.q_star(net)) * z) ** 2) @ shares / shares.sum()
    assert mean == pytest.approx(log_slope + np.log(1.8) - 0.5, abs=1e-4)  # the curve has a logarithmic end


def test_a_leak_has_its_limits() -> None:
    exponent = lambda *scales, **others: float(theory.recurrent.lyapunov_exponent(Leaky(*scales, **others)))
    assert exponent("linear", 0.8, sigma_in=1.0, leak=0.3) == pytest.approx(np.log(0.7 + 0.3 * 0.8), rel=EXACT)
    assert exponent("tanh", 0.9, leak=0.3) == pytest.approx(np.log(0.7 + 0.3 * 0.9), rel=EXACT)  # at rest
    assert exponent("tanh", 2.0, leak=1 - 1e-9) == pytest.approx(exponent("tanh", 2.0), abs=LYAPUNOV)


def overlaps(state: np.ndarray, sigma_w: float) -> tuple[np.ndarray, np.ndarray]:
    """Of erf: its own and its slope's, times sigma_w squared, in closed form."""
    inner = 1 + 2 * state[0]
    values = 2 / np.pi * np.arcsin(2 * state / inner)
    return sigma_w**2 * values, sigma_w**2 * 4 / np.pi / np.sqrt(inner**2 - 4 * state**2)


def test_erf_with_a_leak_by_plain_iteration_and_a_dense_eigenproblem() -> None:
    sigma_w, drive, leak, lags = 2.0, 0.5, 0.4, 80
    keep = 1 - leak
    line = np.arange(-4 * lags, 4 * lags + 1)
    green = leak**2 * keep ** np.abs(line[:, None] - line) / (1 - keep**2)
    whole = np.where(line == 0, 1.0, 0.0)
    for _ in range(400):
        noise = overlaps(np.roll(whole, -4 * lags), sigma_w)[0]
        noise[0] += drive**2
        whole = (whole + green @ np.roll(noise, 4 * lags)) / 2
    state = whole[4 * lags :][:lags]
    depth = leak**2 * overlaps(state, sigma_w)[1]
    depth = np.concatenate([depth[:0:-1], depth])
    size = len(depth)
    shift = keep * (np.eye(size, k=1) + np.eye(size, k=-1))
    # (z^2 + keep^2) psi = z shift psi + depth psi, as a linear problem of twice the size
    twice = np.block([[np.zeros((size, size)), np.eye(size)], [np.diag(depth - keep**2), shift]])
    largest = np.linalg.eigvals(twice).real.max()
    found = theory.recurrent.lyapunov_exponent(Leaky("erf", sigma_w, sigma_in=drive, leak=leak))
    assert float(found) == pytest.approx(np.log(largest), abs=1e-7)


@pytest.mark.slow
def test_leaky_networks_tend_to_the_law() -> None:
    """From below, by a part in four with each doubling of the width: 2 % at 3,072 units are told from 10 %."""
    net = Leaky("tanh", 2.5, leak=0.5)
    seen = measure.lyapunov_exponents(jax.random.key(1), net, width=2048, steps=1600, burn_in=400, num_nets=8)
    law = float(theory.recurrent.lyapunov_exponent(net))
    assert 0.93 * law < float(seen.value[0]) + 3 * float(seen.err[0])
    assert float(seen.value[0]) - 3 * float(seen.err[0]) < law


@pytest.mark.slow
def test_a_product_of_finite_matrices() -> None:
    rng, width, steps, sigma_w = np.random.default_rng(0), 200, 24, 1.5
    net = Dense("erf", sigma_w, 0.3)
    q, total = float(theory.q_star(net)), np.zeros(width)
    basis = np.eye(width)
    for _ in range(steps):
        slope = 2 / np.sqrt(np.pi) * np.exp(-q * rng.standard_normal(width) ** 2)
        basis, r = np.linalg.qr(sigma_w / width**0.5 * rng.standard_normal((width, width)) @ (slope[:, None] * basis))
        total += np.log(np.abs(np.diag(r)))
    predicted = theory.lyapunov_exponents(net, width=width).mean
    off = (total / steps - predicted)[: width * 7 // 8].reshape(7, -1).mean(axis=1)
    assert np.max(np.abs(off)) < LYAPUNOV_WIDTH


def test_gaussian_products_at_any_width() -> None:
    law = theory.lyapunov_exponents(Dense("linear", 1.3), width=5, steps=7)
    k = np.arange(1, 6)
    assert law.mean == pytest.approx((np.log(2 * 1.69 / 5) + digamma((6 - k) / 2)) / 2, rel=EXACT)
    one = theory.log_grad_layers(
        Dense("linear", 1.3), depth=8, width=5
    )  # a norm that starts anywhere grows as the first
    assert law.mean[0] * 7 == pytest.approx(float(one.mean[0]), rel=EXACT)
    assert law.std[0] * 7 == pytest.approx(float(one.std[0]), rel=EXACT)
    still = theory.lyapunov_exponents(Dense("linear", 1.3, weights="orthogonal"), width=5)
    assert still.mean == pytest.approx(np.log(1.3), rel=EXACT)


def test_noise_suppresses_chaos() -> None:
    alone, driven = (float(theory.recurrent.lyapunov_exponent(Leaky("tanh", 1.5, sigma_in=s))) for s in (0.0, 1.0))
    assert driven < 0 < alone
    assert alone == pytest.approx(float(theory.recurrent.lyapunov_exponent(Recurrent("tanh", sigma_w=1.5))), rel=EXACT)


def test_wrong_questions_are_refused(refused: Callable) -> None:
    with refused("lyapunov_curve", "x"):
        theory.recurrent.lyapunov_curve(Dense("tanh"), 1.2)
    with refused("lyapunov_curve", "weights"):
        theory.recurrent.lyapunov_curve(Dense("tanh", weights="orthogonal"), 0.2)
    with refused("lyapunov_exponents", "leak"):
        theory.lyapunov_exponents(Leaky("tanh", leak=0.5), width=3)
    with refused("lyapunov_exponent", "weights"):
        theory.recurrent.lyapunov_exponent(Leaky("tanh", 2.0, leak=0.5, weights="orthogonal"))
    with refused("lyapunov_exponent", "sigma_w"):
        theory.recurrent.lyapunov_exponent(Leaky("tanh", np.array([1.5, 2.0]), leak=0.5))
    with refused("lyapunov_exponent", "net", remedy=r"measure\.lyapunov_exponents\.$"):
        theory.recurrent.lyapunov_exponent(Leaky("relu", 2.0, sigma_in=1.0, leak=0.5))
    with refused("lyapunov_exponent", "net", remedy=r"log_power_norms or log_rate\.$"):
        theory.recurrent.lyapunov_exponent(FixedRecurrent("tanh", matrix=np.eye(2)))
    with refused("lyapunov_exponents", "num_exponents"):
        theory.lyapunov_exponents(Dense("linear"), width=3, num_exponents=4)


def test_powers_and_products_have_the_same_singular_values() -> None:
    """At infinite width (the circular element is R-diagonal); a symmetric matrix's powers do not."""
    rng, width, steps = np.random.default_rng(1), 300, 4
    spread = float(theory.spectra.jacobian_moments(Dense("linear"), steps).spread)

    def seen(product: np.ndarray) -> float:
        squares = np.linalg.svd(product, compute_uv=False) ** 2
        return float((squares**2).mean() / squares.mean() ** 2)

    draw = lambda: rng.standard_normal((width, width)) / width**0.5
    power = np.linalg.matrix_power(draw(), steps)
    fresh = np.linalg.multi_dot([draw() for _ in range(steps)])
    half = draw()
    symmetric = np.linalg.matrix_power((half + half.T) / 2**0.5, steps)
    assert seen(power) == pytest.approx(spread, rel=MOMENT_WIDTH)
    assert seen(fresh) == pytest.approx(spread, rel=MOMENT_WIDTH)
    catalan = lambda n: comb(2 * n, n) / (n + 1)
    assert seen(symmetric) == pytest.approx(catalan(2 * steps) / catalan(steps) ** 2, rel=2 * MOMENT_WIDTH)
    assert seen(symmetric) > 1.2 * spread
