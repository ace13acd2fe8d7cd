"""Images of tokens: rules against exact moments of Gaussian matrices, and identities of Gaussian logits."""

from math import prod

import numpy as np
import pytest

from vgtheory.theory.attention.images import PAIRS, ROWS, Sizes, lengths, others
from vgtheory.theory.attention.moments import moments_at
from vgtheory.theory.attention.pairs import pair, side
from vgtheory.theory.attention.rows import row

SIZES = [
    Sizes(1 / 32, 1 / 100, False),
    Sizes(1 / 8, 1 / 64, True),
    Sizes(1 / 64, 0.0, True),
    Sizes(0.0, 1 / 1000, False),
]


@pytest.mark.parametrize("sizes", SIZES)
def test_the_rule_has_the_moments_of_three_chi_squares(sizes: Sizes) -> None:
    rule = lengths(sizes, ROWS)
    for power in range(2 * ROWS):
        factors = [prod(1 + 2 * k * each for k in range(power)) for each in (sizes.token, sizes.head, sizes.stream)]
        assert rule.weight @ rule.square**power == pytest.approx(prod(factors), rel=1e-9)
    # E v^2 / s and so on: each factor's mean at a node, times powers of v.
    assert rule.weight @ (rule.square * rule.key) == pytest.approx(1 + 2 * sizes.stream, rel=1e-9)
    assert rule.weight @ (rule.square * rule.query) == pytest.approx(
        (1 + 2 * sizes.token) * (1 + 2 * sizes.head), rel=1e-9
    )
    assert rule.weight @ (rule.square * rule.token) == pytest.approx(1 + 2 * sizes.token, rel=1e-9)


@pytest.mark.parametrize("c", [0.0, 0.4])
def test_overlaps_of_images_have_the_moments_of_products_of_wishart_matrices(c: float) -> None:
    sizes = SIZES[0]
    rule, partners = lengths(sizes, PAIRS), others(sizes)
    v, spread = rule.square[:, None], rule.spread[:, None]
    turn, apart = partners[:, 0] * spread, (1 - c * c) ** 0.5
    overlap = c * v + apart * turn * np.sqrt(v)
    square = c * (2 * overlap - c * v) + apart**2 * (turn**2 + partners[:, 1])
    mean = lambda values: rule.weight @ values @ partners[:, 2]
    squared, product = c * c, 1.0
    for inverse in (sizes.stream, sizes.head, sizes.stream):
        squared, product = squared + (squared + product) * inverse, product + 2 * squared * inverse
    assert mean(overlap) == pytest.approx(c, abs=1e-12)
    assert mean(square) == pytest.approx(1.0, rel=1e-12)
    assert mean(overlap**2) == pytest.approx(squared, rel=1e-3)
    assert mean(v * square) == pytest.approx(product, rel=1e-3)


@pytest.mark.parametrize("tau", [0.3, 0.8, 1.3])
def test_shares_lean_towards_large_logits_as_stein_says(tau: float) -> None:
    """E sum A^2 (z - F) = tau (E sum A^2 + lean - 1), against quadrature over three logits."""
    z, w = np.polynomial.hermite_e.hermegauss(48)
    points = np.stack(np.meshgrid(z, z, z, indexing="ij"), -1).reshape(-1, 3)
    weights = np.prod(np.stack(np.meshgrid(w, w, w, indexing="ij"), -1).reshape(-1, 3) / w.sum(), axis=1)
    shares = np.exp(tau * points - (tau * points).max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    around = points - (shares * points).sum(1, keepdims=True)
    found = row(np.asarray(tau), np.asarray(3.0))
    assert tau * (found.same + found.lean - 1) == pytest.approx(weights @ (shares**2 * around).sum(1), rel=1e-7)
    assert side(np.asarray(tau), np.asarray(3.0)).same == pytest.approx(found.same, rel=1e-7)


def test_without_finite_sizes_the_moments_are_those_of_one_pair() -> None:
    gap, kappa, count = (np.asarray(each) for each in (0.6, 1.5, 40.0))
    found = moments_at(gap, kappa, count, Sizes(0.0, 0.0, True))
    tau = np.sqrt(kappa * gap)
    alone, both = row(tau, count), pair(tau, tau, 1 - gap, count)
    assert found.swung == pytest.approx(alone.swing, rel=1e-12)
    assert found.images == pytest.approx((1 - gap) * both.swing, rel=1e-12)
    assert found.along == pytest.approx((1 - gap) * (1 - alone.same) ** 2, rel=1e-6)
    assert (found.loud, found.heard) == pytest.approx((1.0, 1.0), rel=1e-12)
