"""Rescaling a model compiles it, and runs it a few times."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _quickly(quickly_compiled: None) -> None:
    """See ``quickly_compiled``."""
