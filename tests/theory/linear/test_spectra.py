"""Inputs of a given spectrum: an AR(1) input's, a band, and spectra that there are not."""

import numpy as np
import pytest

from vgtheory import LinearRecurrence, theory


def test_the_spectrum_of_a_slow_input() -> None:
    found = theory.linear.input_correlations(lambda w: 1 / (1 + 0.49 - 1.4 * np.cos(w)), num_lags=150)
    assert found == pytest.approx(0.7 ** np.arange(1, 151), abs=1e-12)
    units = [0.9, 0.5, -0.8]
    for law in (theory.linear.log_q_state, lambda net: theory.linear.log_sensitivity(net, "eigenvalue")):
        listed, number = (law(LinearRecurrence(units, "gamma", each)) for each in (found, 0.7))
        assert listed == pytest.approx(number, abs=1e-9)


def test_a_band_excites_the_unit_that_turns_with_it() -> None:
    """The state's mean square is the integral of the spectrum times the unit's gain."""
    band = lambda w: np.exp(-(((w - 0.5) / 0.1) ** 2) / 2)
    eigenvalues = 0.95 * np.exp(1j * np.array([0.5, 1.5]))
    net = LinearRecurrence(eigenvalues, "gamma", theory.linear.input_correlations(band, num_lags=200))
    w = np.linspace(-np.pi, np.pi, 20_001)[:-1]
    gain = (1 - 0.95**2) / np.abs(1 - eigenvalues[:, None] * np.exp(-1j * w)) ** 2
    exact = gain @ band(np.abs(w)) / band(np.abs(w)).sum()
    assert np.exp(theory.linear.log_q_state(net)) == pytest.approx(exact, rel=1e-6)
    assert exact[0] > 50 * exact[1]


@pytest.mark.parametrize("spectrum", [lambda w: np.cos(w), lambda w: 0 * w, lambda w: w / 0])
def test_no_spectrum(spectrum: object) -> None:
    with pytest.raises(ValueError, match="spectrum"), np.errstate(all="ignore"):
        theory.linear.input_correlations(spectrum, num_lags=3)


def test_correlations_that_are_cut_too_early() -> None:
    with pytest.raises(ValueError, match="more correlations"):
        theory.linear.input_correlations(lambda w: 1 / (1.01 - np.cos(w)), num_lags=3)
