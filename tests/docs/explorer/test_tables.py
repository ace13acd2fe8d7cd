"""The explorer's tables agree with the library, and its page is whole."""

import base64
import re

import numpy as np
import pytest

from docs.explorer import tables
from docs.explorer.page import HERE, page, worker
from tests.docs.explorer.states import WEIGHTS
from vgtheory import Dense, theory
from vgtheory.activation import ACTIVATIONS
from vgtheory.theory.width.unit import unit

LOG_Q = (-9.3, -0.7, 0.0, 1.9, 8.2)


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


def test_every_kind_of_weights_that_can_be_measured_and_predicted_is_offered() -> None:
    offered = tables.tables([])["weights"]
    for weights in offered:
        assert np.isfinite(theory.log_grad_layers(Dense("tanh", 1.0, weights=weights), depth=2, width=4096).std[0])
    with pytest.raises(ValueError, match="fourth moment"):
        theory.log_grad_layers(Dense("tanh", 1.0, weights="heavy_tailed"), depth=2, width=64)
    assert set(offered) == set(WEIGHTS)
