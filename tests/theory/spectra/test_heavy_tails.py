"""The largest singular value of heavy-tailed matrices, against matrices of other software's numbers."""

from typing import Any

import numpy as np
from scipy import stats
from scipy.linalg import eigvalsh
from threadpoolctl import threadpool_limits

from tests.tolerances import EXACT, HEAVY_EDGE, SIGMAS
from vgtheory import theory

LEVELS = np.array([0.4, 0.6, 0.75, 0.9])


def largest(matrices: np.ndarray) -> np.ndarray:
    """Largest singular value of each of some matrices."""
    with threadpool_limits(1):
        return np.array([eigvalsh(each.T @ each, subset_by_index=[95, 95])[0] for each in matrices]) ** 0.5


def test_quantiles_are_those_of_sampled_matrices() -> None:
    rng = np.random.default_rng(4)
    draws = largest(rng.standard_t(4, size=(600, 96, 96)) / 192**0.5)
    below, above = (
        np.array([np.mean(draws <= edge) for edge in theory.spectra.heavy_edge(LEVELS) * (1 + off)])
        for off in (HEAVY_EDGE, -HEAVY_EDGE)
    )
    slack = SIGMAS * (LEVELS * (1 - LEVELS) / 600) ** 0.5
    assert (below > LEVELS - slack).all()
    assert (above < LEVELS + slack).all()
    # Gaussian matrices end at 2.
    normal = largest(rng.normal(size=(100, 96, 96)) / 96**0.5)
    assert np.quantile(normal, 0.9) < theory.spectra.heavy_edge(0.75)


def test_the_tail_is_that_of_students_law() -> None:
    """P(|w| > x) x^4 tends to 3/2, from which the formula follows; at x = 1000 it has."""
    tail = 2 * stats.t(4).sf(1000 * 2**0.5) * 1000.0**4
    level = 0.8
    y = (tail / -np.log(level)) ** 0.25
    np.testing.assert_allclose(theory.spectra.heavy_edge(level), y + 1 / y, rtol=EXACT**0.4)
    np.testing.assert_allclose(theory.spectra.heavy_edge(0.2), 2, rtol=EXACT)


def test_wrong_probabilities(refused: Any) -> None:
    for bad in (0.0, 1.0, -1.0, np.nan):
        with refused("heavy_edge", "probability"):
            theory.spectra.heavy_edge(bad)
