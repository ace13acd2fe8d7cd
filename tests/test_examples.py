"""Every example outside of theory and measure runs."""

import pytest

from tests import docstrings

REST = [name for name in docstrings.MODULES if not name.startswith(("vgtheory.theory", "vgtheory.measure"))]


SLOW = ("vgtheory.scales.rescaling", "vgtheory.scales.kernel")
"""They compile programs of their own; tests/scales asks the same functions."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in REST]
)
def test_examples_run(name: str) -> None:
    docstrings.run(name)
