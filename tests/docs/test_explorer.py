"""The explorer: its tables agree with the library, and in the browser so does every number that it computes from them."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

from docs.explorer import tables
from docs.explorer.page import HERE, page, worker
from vgtheory import Dense, theory
from vgtheory.activation import ACTIVATIONS
from vgtheory.theory.width.unit import unit

LOG_Q = (-9.3, -0.7, 0.0, 1.9, 8.2)
WEIGHTS = ("gaussian", "orthogonal", "uniform", "truncated_normal", "sparse")
FORMATS = ("float16", "bfloat16", "float32")
RELATIVE = 1e-3
"""What the page promises of every number; of a logarithm beyond 1 likewise, and of a smaller one absolutely."""
TINY_STD = 1e-6
"""Of the logarithm, a millionth of the gradient: what spreads of nearly linear orthogonal networks are rounded to."""
OVERFLOWN = 1e6
"""Logs of gradients beyond this are those of powers whose signal overflows doubly exponentially."""
MOST_MS = 50


def decoded(text: str, step: float) -> list[list[float]]:
    """What ``tables.packed`` wrote."""
    numbers, panels = iter(base64.b64decode(text)), []
    for size in numbers:
        row = []
        for _ in range(size):
            value, place = 0, 1
            while (byte := next(numbers)) > 127:
                value, place = value + (byte - 128) * place, place * 128
            value += byte * place
            row.append(step * (value // 2 if value % 2 == 0 else -(value + 1) // 2))
        panels.append(row)
    return panels


def read(panels: list[list[float]], log_q: float) -> float:
    first, width, _, _ = tables.GRID
    index = int((log_q - first) // width)
    return float(np.polynomial.chebyshev.chebval(2 * ((log_q - first) / width - index) - 1, panels[index]))


@pytest.mark.parametrize("name", ["tanh", "hard_swish"])
def test_tables_agree_with_the_library(name: str) -> None:
    grid = tables.tables([name])["grid"]
    curves = tables.curves(ACTIVATIONS[name])
    steps = {key: grid["fine" if len(key) == 1 else "coarse"] for key in curves}
    panels = {key: decoded(text, steps[key]) for key, text in curves.items()}
    for log_q in LOG_Q:
        found = {key: np.exp(read(each, log_q)) for key, each in panels.items()}
        q = np.exp(log_q)
        assert found["f"] == pytest.approx(theory.q_map(q, Dense(name, 1.0)), rel=1e-11)
        first_layer = Dense(name, sigma_w=q**0.5 / 2**0.5, sigma_b=q**0.5 / 2**0.5)  # its q is q
        rate = 2 * theory.log_grad_layers(first_layer, depth=2).mean[0]
        assert np.log(found["g"]) == pytest.approx(rate - np.log(q / 2), abs=1e-11)
        moments = unit(np.float64(log_q), ACTIVATIONS[name])
        assert found["ff"] - 1 == pytest.approx(moments.x2, abs=1e-8 * found["ff"])
        assert 3 * found["gg"] - 1 == pytest.approx(moments.y2, abs=1e-8 * found["gg"])
        assert found["fg"] == pytest.approx(moments.pull, rel=1e-8)


def test_the_page_is_whole() -> None:
    text = page(tables.tables(["relu"]))
    assert "{{" not in text.split('id="tables"')[0].replace("}}", "")
    assert not re.findall(r'(?:src|href)="https?:', text)
    names = re.findall(r"^  (\w+): \{ ?", (HERE / "activations.js").read_text(), re.MULTILINE)
    assert set(names) >= set(ACTIVATIONS)
    assert not re.findall(r"^(?:import|export)\b", worker(), re.MULTILINE)


def settings(count: int) -> Iterator[dict[str, Any]]:
    """Random networks over all that the page offers; one in twenty is deep."""
    draw = np.random.default_rng(18)
    between = lambda low, high: float(np.exp(draw.uniform(np.log(low), np.log(high))))
    names = list(ACTIVATIONS)
    for index in range(count):
        yield {
            "activation": names[index % len(names)],
            "sigmaW": between(0.2, 8),
            "sigmaB": float(draw.choice([0.0, draw.uniform(0, 0.3), draw.uniform(0, 3)])),
            "depth": round(between(100, 1000) if index % 20 == 19 else between(2, 100)),
            "width": round(between(16, 4096)),
            "weights": str(draw.choice(WEIGHTS)),
            "format": str(draw.choice(FORMATS)),
            "seed": index + 1,
        }


def net_of(state: dict[str, Any]) -> Dense:
    return Dense(state["activation"], state["sigmaW"], state["sigmaB"], weights=state["weights"])


def assert_close(found: Any, wanted: Any, about: Any, *, log: bool = False) -> None:
    found, wanted = np.asarray(found, float), np.asarray(wanted, float)
    scale = np.maximum(np.abs(wanted), 1) if log else np.abs(wanted)
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    with np.errstate(invalid="ignore"):
        assert np.all(same | (np.abs(found - wanted) <= RELATIVE * scale)), (about, found, wanted)


@pytest.fixture
def explorer(page: Any) -> Any:
    """The explorer as the built site serves it."""
    page.goto("/explorer.html")
    page.wait_for_selector("html[data-ready]")
    return page


def ask(page: Any, module: str, body: str, argument: Any) -> Any:
    """Value of a function body over one of the page's own modules, ``m``, and an argument."""
    return page.evaluate(f"async (argument) => {{ const m = await import('explorer/{module}.js'); {body} }}", argument)


ALL = list(settings(1000))
CORNERS = [
    {"activation": name, "sigmaW": sigma_w, "sigmaB": sigma_b, "depth": depth, "width": width}
    | {"weights": "gaussian", "format": "float16"}
    for name, sigma_w, sigma_b in (("gelu", 1.126, 0.0), ("gelu", 2.49, 0.0), ("selu", 2.334, 1.0), ("silu", 1.5, 0.3))
    for depth, width in ((400, 256), (1000, 4096))
]
"""Lengths that run away over hundreds of layers, or nearly die out: the grid's ends are reached."""


@pytest.mark.site
def test_settled_numbers_equal_the_library(explorer: Any) -> None:
    found = ask(
        explorer,
        "fixed_points",
        "return argument.map((s) => [m.chi1, m.qStar, m.phase].map((f) => f(s.activation, s.sigmaW, s.sigmaB)))",
        ALL,
    )
    critical = ask(explorer, "critical", "return argument.map((s) => m.critical(s.activation, s.sigmaB))", ALL)
    for name in ACTIVATIONS:
        chosen = [index for index, state in enumerate(ALL) if state["activation"] == name]
        sigma_w, sigma_b = (np.array([ALL[index][key] for index in chosen]) for key in ("sigmaW", "sigmaB"))
        net = Dense(name, sigma_w, sigma_b)
        chi, q, phase = np.array([found[index] for index in chosen]).T
        assert_close(chi, theory.chi_1(net), name)
        assert_close(q, theory.q_star(net), name)
        assert np.array_equal(phase, theory.phase(net)), name
        wanted = theory.critical(name, sigma_b=sigma_b)
        for row, index in enumerate(chosen):
            lines, size = critical[index], int(np.sum(~np.isnan(wanted.sigma_w[row])))
            assert len(lines) == size, ALL[index]
            assert_close([each["sigmaW"] for each in lines], wanted.sigma_w[row, :size], ALL[index])
            assert_close([each["q"] for each in lines], wanted.q_star[row, :size], ALL[index])
            assert [each["stable"] for each in lines] == wanted.is_stable[row, :size].tolist(), ALL[index]


@pytest.mark.site
def test_profiles_and_probabilities_equal_the_library(explorer: Any) -> None:
    body = """return argument.map((s) => {
        const { mean, std, infinite } = m.lawsOf(s, s.depth, s.width);
        return { mean: [...mean], std: [...std], infinite: [...infinite], kept: m.keptProbability(mean[0], std[0]) };
    })"""
    compared = declined = 0
    chosen = ALL + CORNERS
    for state, found in zip(chosen, ask(explorer, "laws", body, chosen), strict=True):
        net, size = net_of(state), {"depth": state["depth"], "width": state["width"]}
        law, infinite = theory.log_grad_layers(net, **size), theory.log_grad_layers(net, depth=state["depth"]).mean
        tame = np.abs(infinite) < OVERFLOWN
        assert_close(np.array(found["infinite"])[tame], infinite[tame], state, log=True)
        held = np.isfinite(law.std) & np.isfinite(law.mean) & tame
        std, mean = np.array(found["std"]), np.array(found["mean"])
        assert np.array_equal(np.isfinite(std)[tame], held[tame]), state
        assert_close(mean[held], law.mean[held], state, log=True)
        assert np.all(np.abs(std[held] - law.std[held]) <= np.maximum(RELATIVE * law.std[held], TINY_STD)), state
        if held.all():
            assert found["kept"] == pytest.approx(kept(law.mean[0], law.std[0]), abs=RELATIVE), state
        else:
            declined += 1
        compared += int(held.sum())
    assert compared > 10_000
    assert declined > 10


def kept(mean: float, std: float) -> float:
    """Probability that a normal variable is within a factor of ten."""
    ends = (np.array([1, -1]) * np.log(10) - mean) / max(std, TINY_STD)
    return float(-np.diff(ndtr(ends))[0])


@pytest.mark.site
def test_pass_limits_equal_the_library(explorer: Any) -> None:
    chosen = [state for state in ALL[::10] if state["activation"] not in ("cube", "relu_squared")]
    chosen += ALL[19::200] + CORNERS
    body = """const l = await import('explorer/laws.js');
    return argument.map((s) => {
        const limit = m.passLimit(s, l.lawsOf(s, s.depth, s.width), s.format, s.width);
        return [limit.forward, limit.backward];
    })"""
    lost = 0
    for state, found in zip(chosen, ask(explorer, "formats", body, chosen), strict=True):
        wanted = theory.pass_limit(net_of(state), state["format"], depth=state["depth"], width=state["width"])
        assert found == [wanted.forward, wanted.backward], state
        lost += wanted.backward is not None
    assert lost > 20
    factors = [[factor, dtype] for factor in (0.25, 0.9, 1.0, 1.0003, 1.7, 40.0) for dtype in FORMATS]
    for (factor, dtype), depth in zip(
        factors, ask(explorer, "formats", "return argument.map((each) => m.depthLimit(...each))", factors), strict=True
    ):
        limit = theory.depth_limit(factor, dtype)
        assert depth == (limit.zero if factor < 1 else limit.overflow), (factor, dtype)


@pytest.mark.site
def test_make_critical_does_as_the_library(explorer: Any) -> None:
    for name in ACTIVATIONS:
        show(explorer, {**ALL[0], "activation": name, "sigmaB": 0.1, "depth": 20, "width": 64})
        explorer.click("#critical")
        told, state = explorer.inner_text("#made"), shown(explorer)
        stable = theory.critical(name, sigma_b=np.linspace(0, 4, 401)).is_stable.any()
        assert told.startswith("No critical scale") != stable, (name, told)
        if stable:
            chi = theory.chi_1(Dense(name, state["sigmaW"], state["sigmaB"]))
            assert chi == pytest.approx(1, abs=1e-4), (name, told)


def show(page: Any, state: dict[str, Any]) -> None:
    ask(page, "main", "m.show(argument)", state)


def shown(page: Any) -> dict[str, Any]:
    """The state that the address describes."""
    return dict(ask(page, "state", "return m.fromHash(location.hash)", None))


def texts(page: Any) -> list[str]:
    """All that the page says of its state, the measured network included."""
    page.wait_for_function("!document.getElementById('run').textContent.startsWith('Drawing')", timeout=20_000)
    said = [page.inner_text(f"#{each}") for each in ("summary", "run", "limits", "code")]
    return said + page.locator("dd").all_inner_texts() + [page.input_value(f"#{each}") for each in CONTROLS]


CONTROLS = ("activation", "sigmaW", "sigmaB", "depth", "width", "weights", "format")


@pytest.mark.site
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


@pytest.mark.site
def test_every_change_is_answered_at_once(explorer: Any) -> None:
    body = """return argument.map((s) => {
        m.show(s);
        const began = performance.now();
        m.show({ ...s, sigmaW: 1.01 * s.sigmaW });
        document.body.getBoundingClientRect();
        return performance.now() - began;
    })"""
    times = ask(explorer, "main", body, ALL[:200])
    assert np.median(times) < MOST_MS, np.percentile(times, [50, 90, 100])


@pytest.mark.site
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


@pytest.mark.site
def test_measured_networks_follow_the_law(explorer: Any) -> None:
    body = """const t = await import('explorer/tables.js');
    const { scalable, degree } = t.activation(argument.activation);
    const of = (seed) => m.measured({ ...argument, scalable, degree, seed });
    return Array.from({ length: 120 }, (_, k) => of(k + 1)).map((run) => [run.logGrad[0], run.logQ.at(-1)]);"""
    for name, sigma_w, sigma_b, weights in (
        ("tanh", 1.5, 0.1, "gaussian"),
        ("gelu", 2.0, 0.3, "orthogonal"),
        ("sigmoid", 3.0, 0.5, "truncated_normal"),
        ("selu", 1.0, 0.2, "uniform"),
        ("leaky_relu", 1.4, 0.0, "gaussian"),
    ):
        net, size = Dense(name, sigma_w, sigma_b, weights=weights), {"depth": 24, "width": 64}
        state = {"activation": name, "sigmaW": sigma_w, "sigmaB": sigma_b, "weights": weights, **size}
        runs = np.array(ask(explorer, "network", body, state))
        mean, err = runs.mean(axis=0), runs.std(axis=0, ddof=1) / len(runs) ** 0.5
        laws = [theory.log_grad_layers(net, **size).mean[0], theory.log_q_layers(net, **size).mean[-1]]
        assert np.all(np.abs(mean - laws) < 5 * err), (name, mean, err, laws)
        off = theory.log_grad_layers(Dense(name, 1.06 * sigma_w, sigma_b, weights=weights), **size).mean[0]
        assert abs(mean[0] - off) > 5 * err[0] or abs(off - laws[0]) < 5 * err[0], name


@pytest.mark.site
def test_the_initialisers_draw_what_they_say(explorer: Any) -> None:
    from flax import nnx

    body = """return Object.keys(m.FRAMEWORKS).map((name) => m.initialiser(name, argument));"""
    width, sigma_w, sigma_b = 400, 1.7, 0.3
    for weights in WEIGHTS:
        codes = ask(explorer, "initialisers", body, {"sigmaW": sigma_w, "sigmaB": sigma_b, "weights": weights})
        for code in codes:
            compile(code, weights, "exec")
        drawn: dict[str, Any] = {}
        exec(codes[0], drawn)
        linear = drawn["layer"](width, nnx.Rngs(0))
        kernel, bias = np.asarray(linear.kernel[...], float), np.asarray(linear.bias[...], float)
        assert kernel.std() * width**0.5 == pytest.approx(sigma_w, rel=0.03)
        assert bias.std() == pytest.approx(sigma_b, rel=0.2)
        excess = np.mean(kernel**4) / np.mean(kernel**2) ** 2 - 3
        wanted = {"uniform": -1.2, "truncated_normal": -0.634, "sparse": 27.0}.get(weights, 0.0)
        assert excess == pytest.approx(wanted, abs=0.05 + 0.05 * abs(wanted))
        is_orthogonal = np.allclose(kernel @ kernel.T, sigma_w**2 * np.eye(width), atol=1e-3)
        assert is_orthogonal == (weights == "orthogonal")


@pytest.mark.site
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


@pytest.mark.site
def test_words_that_round_to_one_say_so(explorer: Any) -> None:
    show(explorer, {**ALL[0], "activation": "relu", "sigmaW": 1.4142, "sigmaB": 0.0, "weights": "gaussian"})
    told = f"chi_1 = 1 - {1 - float(theory.chi_1(Dense('relu', 1.4142))):.1e}".replace("e-05", " × 10^-5")
    assert f"{told}, all but critical" in explorer.inner_text("#summary")
    show(explorer, {**ALL[0], "activation": "linear", "sigmaW": 1.0, "sigmaB": 0.0, "weights": "orthogonal"})
    assert "top is 10^0." in texts(explorer)[1]


@pytest.mark.site
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


@pytest.mark.site
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


def test_every_kind_of_weights_that_can_be_measured_and_predicted_is_offered() -> None:
    offered = tables.tables([])["weights"]
    for weights in offered:
        assert np.isfinite(theory.log_grad_layers(Dense("tanh", 1.0, weights=weights), depth=2, width=4096).std[0])
    with pytest.raises(ValueError, match="fourth moment"):
        theory.log_grad_layers(Dense("tanh", 1.0, weights="heavy_tailed"), depth=2, width=64)
    assert set(offered) == set(WEIGHTS)
