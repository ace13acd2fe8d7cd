"""How soon the explorer's page answers: ``python -m benchmarks.explorer [--tries 3]``, after ``make docs``.

Milliseconds of the page's own thread for a change of sigma_w in 190 networks of up to 100 layers, and of the activation (all of them), until all but the
measured network stands; then, for 50 deep networks, the longest time for which the page does not answer (0 for less than 50). A change counts by the
least of a few tries: another process lengthens the others.
"""

import argparse
import functools
import http.server
import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.docs.conftest import Quiet
from tests.docs.explorer.states import ALL, ask, show
from vgtheory.activation import ACTIVATIONS

BUILT = Path(__file__).resolve().parents[1] / "docs" / "_build" / "html"
DRAWN = "m.show(argument); document.body.getBoundingClientRect();"
State = dict[str, Any]


@contextmanager
def opened() -> Iterator[Any]:
    """The explorer's page in Chromium."""
    from playwright.sync_api import sync_playwright

    handler = functools.partial(Quiet, directory=str(BUILT))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/explorer.html")
        page.wait_for_selector("html[data-ready]")
        yield page
        browser.close()
        server.shutdown()


def least(page: Any, pairs: list[tuple[State, State]], change: Callable[[State], float], tries: int) -> np.ndarray:
    """What each change gives, the least of a few tries from the same state."""
    times = np.empty((len(pairs), tries))
    for row, (state, other) in enumerate(pairs):
        for column in range(tries):
            show(page, state)
            page.wait_for_selector("#diagram[aria-busy=false]")
            times[row, column] = change(other)
    return times.min(axis=1)


def spent(page: Any) -> Callable[[State], float]:
    """Milliseconds of the page's own thread for a change."""
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable", {"timeDomain": "threadTicks"})
    read = lambda: {each["name"]: each["value"] for each in tools.send("Performance.getMetrics")["metrics"]}

    def change(other: State) -> float:
        before = read()["TaskDuration"]
        ask(page, "main", DRAWN, other)
        page.wait_for_selector("html:not([data-busy])")
        return float(1000 * (read()["TaskDuration"] - before))

    return change


def held(page: Any) -> Callable[[State], float]:
    """The longest time for which a change keeps the page from answering, milliseconds."""
    page.evaluate(
        "new PerformanceObserver(list => (window.held ??= []).push(...list.getEntries().map(each => each.duration)))"
        ".observe({ type: 'longtask' })"
    )

    def change(other: State) -> float:
        page.evaluate("window.held = []")
        ask(page, "main", f"await new Promise(go => setTimeout(() => {{ {DRAWN} go(); }}))", other)
        page.wait_for_selector("html:not([data-busy])")
        page.evaluate("new Promise(go => setTimeout(go, 20))")  # a long task is told after its end
        return float(page.evaluate("Math.max(0, ...window.held)"))

    return change


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=3)
    tries = parser.parse_args().tries
    if not (BUILT / "explorer.html").exists():
        parser.error("the site is not built: run make docs")
    moved = [(state, {**state, "sigmaW": 1.01 * state["sigmaW"]}) for state in ALL]
    others = [{**ALL[0], "activation": name, "depth": 20} for name in ACTIVATIONS]
    with opened() as page:
        record = {
            "another sigma_w": least(
                page, [pair for pair in moved[:200] if pair[0]["depth"] <= 100], spent(page), tries
            ),
            "another activation": least(page, list(itertools.pairwise(others)), spent(page), tries),
            "held, deep networks": least(page, moved[19::20], held(page), tries),
        }
    for name, times in record.items():
        print(f"{name}: {np.median(times):.0f} ms, at most {times.max():.0f} ms ({times.size} changes)", flush=True)
    print(json.dumps({name: times.tolist() for name, times in record.items()}))


if __name__ == "__main__":
    main()
