"""The committed results, read and judged once for all tests of this file: verdicts, comparisons, and the page of claims."""

import numpy as np
import pytest

from experiments.corridor import catalogue
from experiments.report import agreement, claims, evidence


@pytest.fixture(scope="module")
def committed() -> evidence.Evidence:
    return evidence.gathered(catalogue.RESULTS)


@pytest.mark.parametrize("name", catalogue.EXPERIMENTS)
def test_every_experiment_asks_and_answers(name: str, committed: evidence.Evidence) -> None:
    assert "?" in catalogue.question(name)
    found = committed.findings[name]
    assert found.verdict.endswith(".")
    assert "nan" not in found.verdict
    assert all(value and "nan" not in value for value in found.numbers.values())


def test_no_comparison_is_broken_and_what_is_outside_keeps_its_gap_and_has_its_reason(
    committed: evidence.Evidence,
) -> None:
    table = committed.table
    found = agreement.counts(table)
    assert found["broken"] == 0
    assert sum(found.values()) == len(table)
    outside = table[table.outcome == "outside"]
    assert np.isinf(outside.predicted_err).all()
    assert np.isfinite(outside.predicted).all()
    assert (table.reason[np.isinf(table.predicted_err)] != "").all()
    assert set(agreement.failures(table).index) == set(table.index[table.outcome != "agrees"])


def test_a_measurement_that_is_nan_is_broken(committed: evidence.Evidence) -> None:
    row = committed.table.iloc[[0]].assign(measured=np.nan)
    broken = agreement._judged(row)
    assert broken.outcome.tolist() == ["broken"]
    assert agreement.closing(broken) == "agree / disagree / outside / broken = 0 / 0 / 0 / 1"


def test_the_page_is_that_of_the_committed_results(committed: evidence.Evidence) -> None:
    found = {name: findings.numbers for name, findings in committed.findings.items()}
    assert not claims.keyless(claims.CLAIMS, found)
    assert claims.PAGE.read_text() == claims.page(found)
