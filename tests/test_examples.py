"""Every example outside of theory and measure runs."""

import pytest

from tests import docstrings

REST = [name for name in docstrings.MODULES if not name.startswith(("vgtheory.theory", "vgtheory.measure"))]


@pytest.mark.parametrize("name", REST)
def test_examples_run(name: str) -> None:
    docstrings.run(name)
