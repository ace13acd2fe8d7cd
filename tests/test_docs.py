"""Every example in a docstring runs, and every public function of theory says how accurate it is and what it assumes."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import vgtheory
from tests import surface
from vgtheory import theory

MODULES = ["vgtheory", *(module.name for module in pkgutil.walk_packages(vgtheory.__path__, "vgtheory."))]
LONG = ("initialisers", "phase_diagram", "correlation", "profiles")
"""Modules of theory and measure whose examples take ten seconds or more to compile."""
SECTIONS = ("Parameters\n", "Returns\n", "Notes\n", "Accuracy:", "Assumes:", "Examples\n")


def marked(name: str) -> object:
    return pytest.param(name, marks=pytest.mark.slow if name.split(".")[-1] in LONG else ())


@pytest.mark.parametrize("name", [marked(name) for name in MODULES])
def test_examples_run(name: str) -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    said: list[str] = []
    for case in finder.find(importlib.import_module(name)):
        runner.run(case, out=said.append)
    assert runner.failures == 0, "".join(said)


@pytest.mark.parametrize("name", surface.public(theory))
def test_theory_states_accuracy_and_assumptions(name: str) -> None:
    subject = surface.public(theory)[name]
    assert subject.__doc__
    if inspect.isfunction(subject):
        missing = [section.strip() for section in SECTIONS if section not in subject.__doc__]
        assert not missing
