"""A diagnosis as a page, as a summary by module, and as an assertion."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.diagnose.test_remedies import X, kernels, plain
from vgtheory.diagnose import assert_healthy, diagnose
from vgtheory.diagnose.rows import modules


def blocks(num: int, gain: float) -> Any:
    """Blocks of three matrices, in each a pair in a folder of its own."""
    each = kernels(3 * num, gain)
    return {
        "blocks": [
            {"first": {"<in>": each[3 * i], "out": each[3 * i + 1]}, "last": each[3 * i + 2]} for i in range(num)
        ]
    }


def deep(params: Any, x: Any) -> Any:
    for block in params["blocks"]:
        for kernel in (block["first"]["<in>"], block["first"]["out"], block["last"]):
            x = jnp.tanh(x @ kernel)
    return (x**2).mean()


def test_a_page_needs_no_other_file() -> None:
    found = diagnose(blocks(2, 0.3), deep, X)
    text = found.to_html()
    assert not re.findall(r"(?:src|href)=\"(?!#)", text)  # only what lies in the page itself
    assert "<script" not in text
    for each in (found.verdict.what, *(row.layer for row in found.rows), *(r.text for r in found.remedies())):
        assert each.replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#x27;") in text
    figure = ET.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    assert len(list(figure.iter("{http://www.w3.org/2000/svg}path"))) > 5
    assert text.count("<tr>") == 1 + len(found.rows) + 1 + len(found.modules) + 1 + len(found.remedies())
    assert found.verdict.what.split(":")[0] in found._repr_html_()


def test_a_deep_model_is_summed_up_by_module() -> None:
    found = diagnose(blocks(9, 0.8), deep, X)
    names = [each.name for each in found.modules]
    assert names == [name for i in range(9) for name in (f"blocks/{i}/first", f"blocks/{i}")]
    lines = str(found).split("\n\n")[0].splitlines()
    assert lines[0].split() == ["module", "calls", "rms", "|dE/dy|", "factor"]
    assert len(lines) == 19
    for module, rows in zip(found.modules[::2], np.reshape(np.arange(27), (9, 3))[:, :2], strict=True):
        logs = [found.rows[k].log_grad for k in rows]
        assert module.log_grad == (min(logs), max(logs))
        assert module.log_factor == logs[0] - logs[1]
    many = [found.rows[0]._replace(layer=f"blocks/{i}/{name}") for i in range(30) for name in ("up", "down")]
    (few,) = modules(many)
    assert (few.name, few.calls) == ("blocks", 60)  # the level below has more than two dozen


def test_an_assertion_for_test_suites(refused: Callable[..., Any]) -> None:
    assert_healthy(kernels(3, 2**0.5), plain(jax.nn.relu), X)
    with pytest.raises(AssertionError, match=r"(?s)vanishes.*What: The gradient vanishes.*What helps: ") as caught:
        assert_healthy(kernels(8, 0.4), plain(jnp.tanh), X)
    assert str(diagnose(kernels(8, 0.4), plain(jnp.tanh), X)).endswith(str(caught.value).partition("\n")[2])
    with pytest.raises(AssertionError, match="not finite"):
        assert_healthy(kernels(3), plain(jnp.tanh), X * jnp.nan)
    with refused("assert_healthy", "loss"):
        assert_healthy(kernels(3), lambda params, x: x @ params[0], X)
