"""A diagnosis compiles each model anew, and runs it once."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _quickly(quickly_compiled: None) -> None:
    """See ``quickly_compiled``."""
