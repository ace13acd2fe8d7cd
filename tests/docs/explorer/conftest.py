"""The explorer as the built site serves it."""

from typing import Any

import pytest


@pytest.fixture
def explorer(page: Any) -> Any:
    """The explorer's page, once it has shown its first state."""
    page.goto("/explorer.html")
    page.wait_for_selector("html[data-ready]")
    return page
