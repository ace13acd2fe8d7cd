"""Every example in measure's docstrings runs."""

import pytest

from tests import docstrings

SLOW = (
    *("training.networks", "blocks.transformer", "blocks.alpha", "blocks.positions", "blocks.groups"),
    *("spectra.top", "spectra.moments", "layers.factors", "magnitudes.entries", "magnitudes.split"),
    *("decoders.tokens", "attention.layer", "layers.losses", "magnitudes.underflow", "cells.untied"),
    *("linear.modules", "linear.blocks", "linear.sensitivity", "linear.lags", "engine.dispatch", "layers.formats"),
    *("layers.profiles", "layers.gram", "layers.correlation", "recurrent.lyapunov", "engine.taps", "spectra.values"),
    *("engine.plain", "training.modes", "recurrent.tied_lags", "recurrent.scalar_chain"),
)
"""Modules whose examples compile a program of their own; what they measure has twins in the default run."""


@pytest.mark.parametrize("name", docstrings.under("measure", slow=SLOW))
def test_examples_run(name: str) -> None:
    docstrings.run(name)
