"""Residual chains: closed forms, another quadrature, growth at great depth, finite width, and wrong questions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.tolerances import ASYMPTOTIC, BLOCK, EXACT, PER_LAYER, SIGMAS, SMALLEST
from vgtheory import Residual, theory
from vgtheory.theory.blocks.residual_width import log_block_law

Z = np.linspace(-14, 14, 6001)
NORMAL = np.exp(-(Z**2) / 2) / np.sum(np.exp(-(Z**2) / 2))


def squared(net: Residual, depth: int) -> np.ndarray:
    """Ln of the mean squared gradient's growth down to every block."""
    return 2 * theory.log_grad_layers(net, depth=depth).mean


@given(st.floats(0.1, 3.0), st.floats(0.01, 2.0))
def test_relu_and_linear_blocks_have_closed_forms(sigma_w: float, alpha: float) -> None:
    for name, half in (("relu", 0.5), ("linear", 1.0)):
        net, rate = Residual(name, sigma_w, alpha=alpha), np.log1p(alpha**2 * sigma_w**2 * half)
        np.testing.assert_allclose(squared(net, 9), rate * np.arange(8, -1, -1), atol=9 * PER_LAYER)
        np.testing.assert_allclose(theory.log_q_layers(net, depth=9).mean, rate * np.arange(1, 10), atol=9 * PER_LAYER)


def test_ten_thousand_blocks_neither_overflow_nor_drift() -> None:
    depth = 10_000
    assert squared(Residual("relu", 2.0), depth)[0] == pytest.approx((depth - 1) * np.log(3), rel=EXACT)
    assert squared(Residual("relu", 2.0, alpha="1/L"), depth)[0] == pytest.approx(
        (depth - 1) * np.log1p(2 / depth**2), rel=EXACT
    )


@pytest.mark.parametrize("branch_layers", [1, 2])
def test_tanh_by_a_trapezium_rule(branch_layers: int) -> None:
    net, depth = Residual("tanh", 1.4, 0.3, 0.8, branch_layers), 12
    q, log_q, log_chi = 1.0, [], []
    for _ in range(depth):
        inner, factor = q, 1.0
        for _ in range(branch_layers):
            h = inner**0.5 * Z
            factor *= 1.4**2 * np.sum(NORMAL * (1 - np.tanh(h) ** 2) ** 2)
            inner = 1.4**2 * np.sum(NORMAL * np.tanh(h) ** 2) + 0.3**2
        q += 0.8**2 * inner
        log_q.append(np.log(q))
        log_chi.append(np.log1p(0.8**2 * factor))
    grown = np.concatenate([np.cumsum(log_chi[:0:-1])[::-1], [0.0]])
    np.testing.assert_allclose(theory.log_q_layers(net, depth=depth).mean, log_q, atol=depth * PER_LAYER)
    np.testing.assert_allclose(squared(net, depth), grown, atol=depth * PER_LAYER)


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_relu_with_a_norm_before_the_branch_telescopes(norm: str) -> None:
    net, depth = Residual("relu", 1.7, alpha=0.6, norm=norm), 1000
    log_q = theory.log_q_layers(net, depth=depth).mean
    np.testing.assert_allclose(squared(net, depth), log_q[-1] - log_q, atol=EXACT * depth)
    assert log_q[-1] == pytest.approx(np.log1p(depth * 0.36 * 1.7**2 / 2), rel=EXACT)


def test_relu_with_a_norm_of_the_sum_keeps_the_gradient_and_tanh_lets_it_grow() -> None:
    """(1/2)^(L-l) of the square would be the skip's path alone."""
    assert np.abs(squared(Residual("relu", 2**0.5, norm="rms", place="post"), 500)).max() < 500 * PER_LAYER
    z = 1 - np.tanh(Z) ** 2
    each = np.log((1 + np.sum(NORMAL * z**2)) / (1 + np.sum(NORMAL * np.tanh(Z) ** 2)))
    assert squared(Residual("tanh", 1.0, norm="layer", place="post"), 2)[0] == pytest.approx(each, abs=10 * PER_LAYER)


@pytest.mark.slow
def test_the_stretched_exponential_of_tanh_has_its_constant() -> None:
    """(8/3) sigma_w / sqrt(2 pi); the next term, of relative order 1 / sqrt(L), is taken off by two depths."""
    sigma_w, grown = 1.3, squared(Residual("tanh", 1.3), 2**16)
    total = lambda depth: grown[0] - grown[depth - 1]
    slopes = [(total(4 * depth) - total(depth)) / depth**0.5 for depth in (2**12, 2**14)]
    assert 2 * slopes[1] - slopes[0] == pytest.approx(8 / 3 * sigma_w / (2 * np.pi) ** 0.5, rel=ASYMPTOTIC)


GROWTH = {
    "relu": Residual("relu", 1.2),
    "sin": Residual("sin", 1.3),
    "sigmoid, two layers": Residual("sigmoid", 1.3, 0.1, 0.7, 2),
    "gaussian": Residual("gaussian", 1.3),
    "tanh pre": Residual("tanh", norm="rms"),
    "relu pre, batch": Residual("relu", norm="batch", batch=8),
    "tanh post": Residual("tanh", norm="layer", place="post"),
    "tanh 1/sqrt(L)": Residual("tanh", alpha="1/sqrt(L)"),
    "tanh pre 1/sqrt(L)": Residual("tanh", norm="rms", alpha="1/sqrt(L)"),
    "relu pre, batch 1/sqrt(L)": Residual("relu", norm="batch", batch=8, alpha="1/sqrt(L)"),
}


QUICK = ("relu pre, batch", "tanh 1/sqrt(L)", "tanh post")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in GROWTH]
)
def test_growth_is_what_profiles_tend_to(name: str) -> None:
    net, few, many = GROWTH[name], 2**12, 2**14
    law, low, high = theory.blocks.residual_growth(net), squared(net, few)[0], squared(net, many)[0]
    scale = {"exponential": lambda depth: depth, "stretched": lambda depth: depth**law.exponent, "power": np.log}
    seen = (high - low) / (scale[law.kind](many) - scale[law.kind](few)) if law.kind in scale else high
    assert seen == pytest.approx(law.coefficient, rel=30 * ASYMPTOTIC if law.kind == "stretched" else ASYMPTOTIC)


def test_no_growth_and_faster_growth() -> None:
    assert theory.blocks.residual_growth(Residual("relu", alpha=0.0)) == ("bounded", 0.0, 0.0)
    assert theory.blocks.residual_growth(Residual("relu", alpha="1/L")).coefficient == 0
    assert theory.blocks.residual_growth(Residual("relu_squared")).kind == "faster"
    assert not np.any(squared(Residual("tanh", 2.0, 1.0, alpha=0.0), 50))


def test_no_alpha_is_starved_where_all_are_zero() -> None:
    start = theory.blocks.log_grad_alpha_layers(Residual("relu", 2**0.5, alpha=0.0), depth=2000)
    np.testing.assert_allclose(start.mean, -(np.euler_gamma + np.log(2)) / 2, atol=EXACT)


@pytest.mark.parametrize("depth", [1, 7, 1000])
def test_the_first_step_grows_as_the_depth_but_with_fixup_s_scales(depth: int) -> None:
    skip = theory.blocks.first_decrease(Residual.skip_init(sigma_w=1.5), depth=depth)
    assert skip.mean == pytest.approx(depth * 1.5**2 / 2, rel=BLOCK)
    assert skip.std == pytest.approx((2 * depth) ** 0.5 * 1.5**2 / 2, rel=BLOCK)
    for layers in (2, 3, 5):
        net = Residual.fixup(depth=depth, branch_layers=layers)
        assert theory.blocks.first_decrease(net, depth=depth, learned="last").mean == pytest.approx(0.5, rel=BLOCK)
        assert not squared(net, min(depth, 9)).any()


def test_the_first_step_lowers_the_loss_of_a_network_in_numpy() -> None:
    """Branches of one layer of ReLU, whose factors take a step of their own, small size."""
    rng, depth, width, nets, rate = np.random.default_rng(5), 6, 48, 400, 1e-6
    seen = []
    for _ in range(nets):
        matrices = rng.standard_normal((depth, width, width)) * (2 / width) ** 0.5
        start, top = rng.standard_normal((2, width))
        start /= np.sqrt(np.mean(start**2))
        f = np.maximum(start, 0) @ matrices
        alphas = -rate * (f @ top)
        h = start
        for alpha, matrix in zip(alphas, matrices, strict=True):
            h = h + alpha * (np.maximum(h, 0) @ matrix)
        seen.append(-(h - start) @ top / rate / (top @ top))
    law = theory.blocks.first_decrease(Residual.skip_init(), depth=depth)
    # The mean square of half the units is 1/2 only on average over inputs.
    assert abs(np.mean(seen) - law.mean) < SIGMAS * np.std(seen) / nets**0.5
    assert np.std(seen) == pytest.approx(float(law.std), rel=0.2)
    assert abs(np.mean(seen) - 1.5 * law.mean) > SIGMAS * np.std(seen) / nets**0.5


@pytest.mark.parametrize("beta2", [0.02, 0.5, 4.0])
def test_a_linear_block_is_a_noncentral_chi_square(beta2: float) -> None:
    """Against the density of |e + alpha W e|^2, integrated over its log."""
    width = 24
    law, logs = log_block_law(beta2, width), np.linspace(-6, 6, 4001)
    weights = np.exp(logs) * stats.ncx2.pdf(np.exp(logs) * width / beta2, width, width / beta2)
    weights /= weights.sum()
    mean = weights @ logs
    assert law.mean == pytest.approx(mean, abs=BLOCK)
    assert law.std == pytest.approx((weights @ (logs - mean) ** 2) ** 0.5, rel=BLOCK)


def test_a_weak_linear_block_is_its_expansion() -> None:
    beta2, width = 1e-9, 100
    law = log_block_law(beta2, width)
    assert law.std == pytest.approx(2 * (beta2 / width) ** 0.5, rel=10 * beta2)
    assert law.mean == pytest.approx(beta2 * (1 - 2 / width), abs=SMALLEST)


def test_where_there_is_no_law_at_finite_width_its_spread_says_so() -> None:
    unknown = Residual("tanh"), Residual("relu", norm="rms"), Residual("relu", branch_layers=2, dropout=0.1)
    for net in (*unknown, Residual("relu", 1.0, 0.1, drop_path=0.2)):
        assert np.isinf(theory.log_grad_layers(net, depth=3, width=64).std).all()


def test_wrong_questions_are_refused(refused: Callable) -> None:
    makers: tuple[Callable[[], Any], ...] = (
        lambda: Residual("relu", alpha="1/l"),
        lambda: Residual("relu", alpha=-1.0),
        lambda: Residual("relu", norm="group"),
        lambda: Residual("relu", norm="batch", batch=3),
        lambda: Residual("relu", norm="layer", batch=8),
        lambda: Residual("relu", norm="batch", place="post", batch=8),
        lambda: Residual("relu", norm="batch", branch_layers=2, batch=8),
        lambda: Residual("relu", branch_layers=0),
        lambda: Residual.skip_init(alpha=-1.0),
    )
    for make in makers:
        with pytest.raises(ValueError, match=r"^Residual: expected .+, got .+\."):
            make()
    with refused("log_grad_layers", "depth"):
        theory.log_grad_layers(Residual("relu"), depth=0)
    with refused("log_q_layers", "sigma_w", "Call it once for each"):
        theory.log_q_layers(Residual("relu", np.ones(2)), depth=3)
    with refused("residual_growth", "alpha", "Call it once for each"):
        theory.blocks.residual_growth(Residual("relu", alpha=np.ones(2)))
    with refused("log_grad_alpha_layers", "net"):
        theory.blocks.log_grad_alpha_layers(Residual("relu", norm="batch", batch=8), depth=3)
    with refused("first_decrease", "alpha", "Give Residual.skip_init"):
        theory.blocks.first_decrease(Residual("relu"), depth=3)
    with refused("first_decrease", "net"):
        theory.blocks.first_decrease(Residual("relu", norm="rms", place="post", alpha=0.0), depth=3)
    with refused("Residual.fixup", "branch_layers"):
        Residual.fixup(depth=3, branch_layers=1)
    for name in ("chi_1", "q_star"):
        with refused(name, "net"):
            getattr(theory, name)(Residual("relu"))
    with refused("log_grad_weight_layers", "net"):
        theory.log_grad_weight_layers(Residual("relu"), depth=3)
