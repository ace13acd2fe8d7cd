"""The explorer's page: its address, its answers, its words, keys, pointer and accessibility."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.docs.explorer.states import ALL, ask, net_of, show, shown, texts
from vgtheory import Dense, theory
from vgtheory.activation import ACTIVATIONS

pytestmark = pytest.mark.site


def test_states_survive_a_reload_and_a_visit_elsewhere(explorer: Any) -> None:
    for state in ALL[:60:5]:
        show(explorer, state)
        before, address = texts(explorer), explorer.url
        explorer.reload()
        explorer.wait_for_selector("html[data-ready]")
        assert explorer.url == address
        assert texts(explorer) == before
        assert {key: shown(explorer)[key] for key in state} == {
            **state,
            **{key: pytest.approx(state[key], rel=1e-9) for key in ("sigmaW", "sigmaB")},
        }
    explorer.evaluate("location.hash = '#activation=relu&sigma_w=nonsense&depth=12'")
    explorer.wait_for_function("document.getElementById('activation').value === 'relu'")
    assert (shown(explorer)["depth"], shown(explorer)["sigmaW"]) == (12, 1.5)
    assert explorer.errors == []


def turns(page: Any, other: dict[str, Any]) -> int:
    """How often the page answers while it computes what a change asks for, by a clock that advances by 1 ms a reading."""
    body = """
        const now = performance.now;
        let clock = 0, count = 0;
        performance.now = () => clock++;
        m.show(argument);
        while ("busy" in document.documentElement.dataset) {
            await new Promise((go) => setTimeout(go));
            count++;
        }
        performance.now = now;
        return count;"""
    return int(ask(page, "main", body, other))


def test_the_page_answers_while_the_laws_of_a_deep_network_are_computed(explorer: Any) -> None:
    shallow, deep = (turns(explorer, {**ALL[0], "depth": depth}) for depth in (100, 1000))
    assert shallow >= 2
    assert deep > 5 * shallow


def test_a_change_ends_the_laws_of_the_state_before(explorer: Any) -> None:
    first, second = ({**ALL[0], "depth": depth} for depth in (1000, 20))
    ask(explorer, "main", "m.show(argument[0]); m.show(argument[1]);", [first, second])
    explorer.wait_for_selector("html:not([data-busy])")
    assert shown(explorer)["depth"] == 20
    said = texts(explorer)
    show(explorer, first)
    show(explorer, second)
    assert texts(explorer) == said


def test_another_activation_is_answered_and_its_diagram_follows(explorer: Any) -> None:
    for name in ACTIVATIONS:
        show(explorer, {**ALL[0], "activation": name, "depth": 20})
        assert shown(explorer)["activation"] == name
    show(explorer, {**ALL[0], "activation": "tanh"})
    explorer.wait_for_selector("#diagram[aria-busy=false]")
    assert explorer.locator("#diagram .critical").get_attribute("d").startswith("M")
    assert "gradients vanish" in explorer.text_content("#diagram")


def test_the_page_is_small_and_opens_from_a_disk(browser: Any, site: Path) -> None:
    file = site / "explorer.html"
    assert file.stat().st_size < 1_000_000
    page, errors = browser.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.goto(f"{file.as_uri()}#activation=selu&sigma_w=0.8")
    page.wait_for_selector("html[data-ready]")
    assert any("Network 1: the gradient of layer 1" in text for text in texts(page))
    assert errors == []
    page.close()


def test_where_the_law_declines_no_number_stands(explorer: Any) -> None:
    state = {
        **ALL[0],
        "activation": "silu",
        "sigmaW": 2.5,
        "sigmaB": 0.2,
        "depth": 40,
        "width": 100,
        "weights": "sparse",
    }
    assert not np.isfinite(theory.log_grad_layers(net_of(state), depth=40, width=100).std[0])
    show(explorer, state)
    assert explorer.inner_text("#size") == explorer.inner_text("#kept") == "the law declines here"
    assert "the law declines here" in explorer.text_content("#profile")
    assert "declines" in explorer.inner_text("#summary")


def test_words_that_round_to_one_say_so(explorer: Any) -> None:
    show(explorer, {**ALL[0], "activation": "relu", "sigmaW": 1.4142, "sigmaB": 0.0, "weights": "gaussian"})
    told = f"chi_1 = 1 - {1 - float(theory.chi_1(Dense('relu', 1.4142))):.1e}".replace("e-05", " × 10^-5")
    assert f"{told}, all but critical" in explorer.inner_text("#summary")
    show(explorer, {**ALL[0], "activation": "linear", "sigmaW": 1.0, "sigmaB": 0.0, "weights": "orthogonal"})
    assert "top is 10^0." in texts(explorer)[1]


def test_keys_and_pointer_move_the_point(explorer: Any) -> None:
    show(explorer, {**ALL[0], "activation": "tanh", "sigmaW": 1.5, "sigmaB": 0.1})
    explorer.focus("#diagram")
    for key, moved in (("ArrowRight", (1.51, 0.1)), ("ArrowUp", (1.51, 0.11)), ("Shift+ArrowLeft", (1.41, 0.11))):
        explorer.keyboard.press(key)
        assert (shown(explorer)["sigmaW"], shown(explorer)["sigmaB"]) == pytest.approx(moved)
    place = explorer.locator("#diagram .frame").bounding_box()
    explorer.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    explorer.mouse.down()
    explorer.mouse.move(place["x"] + place["width"] / 4, place["y"] + place["height"] / 3, steps=4)
    explorer.mouse.up()
    assert shown(explorer)["sigmaW"] == pytest.approx(1.0, abs=0.02)
    assert shown(explorer)["sigmaB"] == pytest.approx(2.0, abs=0.02)
    explorer.fill("#depth", "77")
    assert shown(explorer)["depth"] == 77
    assert explorer.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_accessible(browser: Any, address: str, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{address}/explorer.html")
    page.wait_for_selector("html[data-ready]")
    texts(page)
    found = Axe().run(page).response["violations"]
    assert not found, json.dumps([(each["id"], [node["html"] for node in each["nodes"]]) for each in found])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


def test_a_number_beyond_its_bounds_is_told(explorer: Any) -> None:
    for key, asked, stands, told in (
        ("sigmaW", "0.01", 0.05, "sigma_w lies between 0.05 and 20 here; 0.05 is shown."),
        ("sigmaB", "7", 5, "sigma_b lies between 0 and 5 here; 5 is shown."),
        ("depth", "5000", 1000, "The depth lies between 2 and 1000 here; 1000 is shown."),
    ):
        explorer.fill(f"#{key}", asked)
        assert explorer.inner_text("#beyond") == told
        assert explorer.get_attribute(f"#{key}", "aria-invalid") == "true"
        assert shown(explorer)[key] == stands
        explorer.fill(f"#{key}", "3")
        assert explorer.inner_text("#beyond") == ""
        assert explorer.get_attribute(f"#{key}", "aria-invalid") == "false"
    explorer.evaluate("location.hash = '#sigma_w=0.001'")
    explorer.wait_for_function("document.getElementById('beyond').textContent.startsWith('sigma_w')")


@pytest.mark.parametrize(
    ("net", "told"),
    [
        (Dense("tanh", 1.5, 0.1), "layers"),
        (Dense("tanh", 1.0, 0.0), "never: it does not settle"),
        (Dense("relu", 2.0, 0.1), "never: it does not settle"),
        (Dense("sin", 8.0, 0.1), "less than 0.1 layers: it settles at once"),
    ],
)
def test_how_soon_the_signal_settles_is_told(explorer: Any, net: Dense, told: str) -> None:
    show(explorer, {**ALL[0], "activation": net.activation.name, "sigmaW": net.sigma_w, "sigmaB": net.sigma_b})
    said = explorer.inner_text("#settling")
    assert said.endswith(told)
    if told == "layers":
        assert float(said.split()[0]) == pytest.approx(abs(theory.xi_q(net)), rel=1e-2)
