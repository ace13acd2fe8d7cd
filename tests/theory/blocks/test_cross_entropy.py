"""Cross-entropy at the top of transformer blocks: against relative gradients, two classes by quadrature, real models."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from vgtheory import Transformer, measure, theory

SIGMAS = 4.5
SECOND_ORDER = 0.02
"""Of half a log, from terms of second order in the widths, and of T / V."""
ROUNDING = 1e-12
SMALL: dict[str, Any] = {"depth": 2, "width": 128, "positions": 16, "classes": 1000}
WIDE: dict[str, Any] = {"depth": 6, "width": 256, "positions": 48, "classes": 4000}
TIED: dict[str, Any] = {"sigma_head": 0.7, "is_tied": True}
MODELS = [
    (Transformer("gelu", heads=4), SMALL | {"sigma_head": 1.5}, 48),
    pytest.param(Transformer.decoder(heads=4), SMALL | TIED, 48, marks=pytest.mark.slow),
    pytest.param(Transformer.decoder(heads=8), WIDE, 32, marks=pytest.mark.slow),
    pytest.param(Transformer("gelu", place="post"), WIDE | {"sigma_head": 0.5}, 32, marks=pytest.mark.slow),
]


def test_between_matrices_it_is_the_gradient_of_groups() -> None:
    net, size = Transformer("relu", 1.2, heads=4), {"depth": 3, "positions": 8, "width": 64}
    found, groups = (
        theory.blocks.log_grad_cross_entropy(net, classes=100, **size),
        theory.blocks.log_grad_groups(net, **size),
    )
    for name, law in groups.items():
        np.testing.assert_allclose(found[name].mean - found["mlp_out"].mean[-1], law.mean, atol=ROUNDING)


def test_two_classes_are_logistic() -> None:
    """|p - y|^2 is 2 (1 - p)^2 or 2 p^2, of which the mean is 1 - 2 p (1 - p), and p is logistic in a Gaussian."""
    z, weight = np.polynomial.hermite_e.hermegauss(80)
    p = 1 / (1 + np.exp(-np.sqrt(2) * 0.7 * z))
    square = (weight / weight.sum()) @ (1 - 2 * p * (1 - p))
    net, size = Transformer(heads=2), {"depth": 1, "positions": 4, "width": 32}
    found = theory.blocks.log_grad_cross_entropy(net, classes=2, sigma_head=0.7, **size)
    assert np.exp(2 * found["head"].mean) == pytest.approx(square * 32 / 4, rel=1e-9)


def test_a_tied_head_has_a_share_of_the_token_itself() -> None:
    """Without branches the stream is the token: its logit is sigma sqrt(N), and the norm passes nothing on of its embedding."""
    size, sigma = {"depth": 1, "positions": 4, "width": 64, "classes": 300}, 0.5
    net, share = Transformer(alpha=0.0, heads=2), 1 / (1 + 300 * np.exp(sigma**2 / 2 - sigma * 8))
    found = theory.blocks.log_grad_cross_entropy(net, sigma_head=sigma, is_tied=True, **size)
    shares = theory.attention.participation(sigma**2, positions=300)
    others = 1 + (1 - share) ** 2 * shares - 2 * (1 - share) / 300
    assert np.exp(2 * found["head"].mean) == pytest.approx((others + share**2) * 64 / 4, rel=1e-9)


def test_a_tied_head_needs_a_norm_in_front_of_it(refused: Callable) -> None:
    size = {"depth": 1, "positions": 4, "width": 64, "classes": 300}
    with refused("log_grad_cross_entropy", "place"):
        theory.blocks.log_grad_cross_entropy(Transformer(place="post"), is_tied=True, **size)
    with refused("log_grad_cross_entropy", "norm"):
        theory.blocks.log_grad_cross_entropy(Transformer(norm="dyt"), **size)


@pytest.mark.parametrize(("net", "size", "num_nets"), MODELS)
def test_real_models_have_the_law(net: Transformer, size: dict[str, Any], num_nets: int, key: jax.Array) -> None:
    seen = measure.blocks.log_grad_cross_entropy(key, net, num_nets=num_nets, **size)

    def largest(net: Transformer) -> float:
        law = theory.blocks.log_grad_cross_entropy(net, **size)
        scores = [
            (each.value - law[name].mean) / np.hypot(each.err, SECOND_ORDER / SIGMAS) for name, each in seen.items()
        ]
        return max(np.abs(score).max() for score in scores)

    assert largest(net) < SIGMAS
    assert largest(net.replace(alpha=1.25)) > SIGMAS
