"""The audit of published claims: one card, one panel and one law for each, laws that tend to what they should, and comparisons that can fail."""

import numpy as np
import pytest

from experiments import published
from experiments.corridor import catalogue
from experiments.parts.audit import claims_layers
from experiments.parts.audit.claim_lines import DECADE, line, mean_square_logs
from experiments.report import claims
from figures import published as figure
from vgtheory.compare import SIGMAS


def test_every_claim_has_its_card_its_panel_and_its_law() -> None:
    cards = [claim for claim in claims.CLAIMS if claim.experiment == "published"]
    assert len(cards) == 20
    assert {claim.panel for claim in cards} == set(published.AUDITS) == set(figure.PANELS)
    assert all(claim.key.split("/")[0] == claim.panel for claim in cards)
    assert figure.panels({"published": catalogue.load("published")}) == list(published.AUDITS)


def test_laws_a_tenth_off_would_fail() -> None:
    rows = published.comparisons(catalogue.load("published"))
    assert rows.z.abs().max() < SIGMAS
    wrong = (rows.measured - 1.1 * rows.predicted) / rows.predicted_err
    # The others are laws of nearly no change, or of means over few heavy-tailed networks.
    assert (wrong.abs() > SIGMAS).sum() >= 25


def test_identities_are_not_compared() -> None:
    rows = published.comparisons(catalogue.load("published"))
    assert not rows.label.str.contains("linear, orthogonal|: the last$").any()


@pytest.mark.parametrize(
    ("relu", "weights", "slope"), [(False, "gaussian", 1), (True, "gaussian", 2), (True, "orthogonal", 1)]
)
def test_spreads_of_singular_values_tend_to_those_of_infinite_width(relu: bool, weights: str, slope: int) -> None:
    np.testing.assert_allclose(claims_layers._spreads(relu, weights, 10**9, 8), slope * np.arange(1, 9), rtol=1e-6)


def test_lengths_under_a_product_of_known_matrices() -> None:
    doubling = np.broadcast_to(2 * np.eye(3), (5, 1, 3, 3))
    np.testing.assert_allclose(claims_layers._log_lengths(doubling)[0], np.log(2) * np.arange(1, 6))


def test_lines_are_in_decades_with_the_error_of_the_mean() -> None:
    samples = DECADE * np.array([[1.0, 2.0], [3.0, 2.0]])
    found = line("any", [0, 1], samples, DECADE * np.array([2.0, 2.0]), DECADE * 2**0.5, 1.0, DECADE)
    np.testing.assert_allclose([found.seen, found.law, found.said], [[2, 2], [2, 2], [1, 1]])
    np.testing.assert_allclose(found.law_err, 1.0, rtol=1e-6)
    np.testing.assert_allclose(found.err, [1.0, 0.0], atol=1e-6)
    half_log = np.log(np.mean(np.exp(2 * samples[:, 0]))) / 2 / DECADE
    np.testing.assert_allclose(mean_square_logs("any", [0, 1], samples, 0.0, unit=DECADE).seen, [half_log, 2.0])
