"""Every example in theory's docstrings runs, and every public function says how accurate it is and what it assumes."""

import inspect

import pytest

from tests import docstrings, surface
from vgtheory import theory

SECTIONS = ("Parameters\n", "Returns\n", "Notes\n", "Accuracy:", "Assumes:", "Examples\n")


@pytest.mark.parametrize(
    "name", docstrings.under("theory", slow=("spectra.density", "magnitudes.split", "recurrent.leading_mode"))
)
def test_examples_run(name: str) -> None:
    docstrings.run(name)


@pytest.mark.parametrize("name", surface.public(theory))
def test_theory_states_accuracy_and_assumptions(name: str) -> None:
    subject = surface.public(theory)[name]
    assert subject.__doc__
    if inspect.isfunction(subject):
        missing = [section.strip() for section in SECTIONS if section not in subject.__doc__]
        assert not missing
