"""The residual plot of the built site: it needs no network, and every point tells what it is to a mouse and to a keyboard."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytestmark = pytest.mark.site


def told(page: Any) -> dict[str, str]:
    """What is said of the chosen point."""
    words = page.locator(".vg-walk dl > *").all_inner_texts()
    return dict(zip(words[::2], words[1::2], strict=True))


@pytest.fixture
def accuracy(page: Any, address: str) -> Any:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/accuracy.html")
    page.locator(".vg-walk dl dt").first.wait_for(timeout=60_000)
    assert not page.errors
    assert all(url.startswith((address, "data:", "blob:")) for url in asked)
    return page


def test_every_comparison_is_a_point_and_the_first_is_the_furthest(accuracy: Any, site: Path) -> None:
    table = pd.read_csv(site / "data" / "comparisons.csv")
    shown = accuracy.evaluate("Bokeh.documents[0].get_model_by_name('points').length")
    assert shown == len(table)
    assert int(accuracy.locator(".vg-walk input").get_attribute("max")) == len(table) - 1
    first = told(accuracy)
    rows = table[(table.label == first["configuration"]) & (table.experiment == first["experiment"])]
    assert first["run again"] in set(rows.command)
    assert first["outcome"] in set(rows.outcome)


def test_a_keyboard_walks_through_the_points(accuracy: Any) -> None:
    before = told(accuracy)
    accuracy.locator(".vg-walk input").focus()
    accuracy.keyboard.press("ArrowRight")
    after = told(accuracy)
    assert list(after) == list(before)
    assert after != before
    assert after["configuration"] in accuracy.locator(".vg-walk input").get_attribute("aria-valuetext")
    accuracy.get_by_role("button", name="Previous").click()
    assert told(accuracy) == before


def test_a_mouse_chooses_a_point_and_sees_its_numbers(accuracy: Any) -> None:
    """The point for which the centre of the plot, enlarged to a stretch around it, leaves no other."""
    index = accuracy.evaluate(
        """() => {
            const plot = Bokeh.documents[0].get_model_by_name("residuals");
            const data = Bokeh.documents[0].get_model_by_name("points").data;
            const index = data.experiment.indexOf("aspect");
            plot.x_range.setv({start: data.x[index] - 0.05, end: data.x[index] + 0.05});
            plot.y_range.setv({start: data.y[index] - 0.05, end: data.y[index] + 0.05});
            Bokeh.index.get_by_id(plot.id).el.scrollIntoView({block: "center", behavior: "instant"});
            return index;
        }"""
    )
    accuracy.wait_for_timeout(1500)  # the plot makes room for the new labels
    x, y = accuracy.evaluate(
        """() => {
            const view = Bokeh.index.get_by_id(Bokeh.documents[0].get_model_by_name("residuals").id);
            const frame = view.frame.bbox, box = view.el.getBoundingClientRect();
            return [box.left + frame.left + frame.width / 2, box.top + frame.top + frame.height / 2];
        }"""
    )
    accuracy.mouse.move(x, y)
    tip = accuracy.locator(".bk-tooltip-content").first
    tip.wait_for(timeout=20_000)
    accuracy.mouse.click(x, y)
    accuracy.wait_for_function("document.querySelector('.vg-walk dl').textContent.includes('aspect')", timeout=20_000)
    assert told(accuracy)["experiment"] == "aspect"
    assert told(accuracy)["configuration"] in tip.inner_text()
    assert told(accuracy)["run again"] in tip.inner_text()
    assert accuracy.locator(".vg-walk input").input_value() == str(index)


@pytest.mark.parametrize("path", ["/gallery.html", "/gallery/rates.html", "/accuracy.html", "/limits.html"])
def test_no_axe_violation_on_a_phone(page: Any, path: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(path, wait_until="networkidle")
    assert not page.errors
    found = Axe().run(page).response["violations"]
    assert not [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in found]
