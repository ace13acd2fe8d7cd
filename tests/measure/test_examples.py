"""Every example in measure's docstrings runs."""

import pytest

from tests import docstrings


@pytest.mark.parametrize("name", docstrings.under("measure"))
def test_examples_run(name: str) -> None:
    docstrings.run(name)
