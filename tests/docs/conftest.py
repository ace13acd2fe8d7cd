"""The built site for the tests that open it: its folder, a server of it, and pages of Chromium that remember what went wrong in them."""

import functools
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BUILT = Path(__file__).resolve().parents[2] / "docs" / "_build" / "html"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word about each."""

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site."""
    if not (BUILT / "index.html").exists():
        pytest.fail("The site is not built: run make docs.")
    return BUILT


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """The address at which the built site is served, without a slash at its end."""
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium: Debian's, or the one that the environment's CHROMIUM names."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


def lost(request: Any) -> bool:
    """Whether a request failed by itself, and not because the page was left before it was answered."""
    return request.failure != "net::ERR_ABORTED"


def remember_errors(page: Any) -> list[str]:
    """A list that gets every error that the page throws, prints to its console, or has in loading a file."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
    page.on("console", lambda said: errors.append(f"{page.url}: {said.text}") if said.type == "error" else None)
    page.on(
        "requestfailed",
        lambda request: errors.append(f"{page.url}: {request.url} {request.failure}") if lost(request) else None,
    )
    return errors


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """A page of its own context at desk size; addresses begin at the site's root; ``page.errors`` holds what went wrong in it."""
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 900})
    found = context.new_page()
    found.errors = remember_errors(found)
    yield found
    context.close()
