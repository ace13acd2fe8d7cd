"""Examples in docstrings: which modules have them, and how one module's are run."""

import doctest
import importlib
import pkgutil

import pytest

import vgtheory

MODULES = ["vgtheory", *(module.name for module in pkgutil.walk_packages(vgtheory.__path__, "vgtheory."))]


def run(name: str) -> None:
    """Run every example of a module."""
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    said: list[str] = []
    for case in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name)):
        runner.run(case, out=said.append)
    assert runner.failures == 0, "".join(said)


def under(*rooms: str, slow: tuple[str, ...] = ()) -> list[object]:
    """Return the modules below some packages as cases, those named in ``slow`` marked so."""
    chosen = [name for name in MODULES if name.startswith(tuple(f"vgtheory.{room}" for room in rooms))]
    return [pytest.param(name, marks=pytest.mark.slow if name.endswith(slow or (" ",)) else ()) for name in chosen]
