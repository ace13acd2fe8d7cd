"""Every experiment has its verdict: one word, at most 25 more, one number; and docs/claims.md says what the committed results say."""

import re

import pytest

from experiments.corridor import catalogue
from experiments.report import claims


def test_every_experiment_has_one_claim_and_the_forty_five_are_counted() -> None:
    assert sorted(claim.experiment for claim in claims.CLAIMS) == sorted(catalogue.EXPERIMENTS)
    assert len(claims.CLAIMS) == 45


@pytest.mark.parametrize("claim", claims.CLAIMS, ids=lambda claim: claim.experiment)
def test_a_verdict_is_short_and_has_one_number(claim: claims.Claim) -> None:
    assert claim.verdict in claims.WORDS
    assert len(claim.claim.split()) <= 10
    assert len(claim.reason.split()) <= claims.MOST_WORDS
    assert not re.search(r"\d", claim.reason.replace("10^{", "").replace(f"{claim.key}}}", "}")), claim.reason
    assert claim.reason.endswith(".")


def test_the_page_is_that_of_the_committed_results() -> None:
    assert claims.PAGE.read_text() == claims.page()
