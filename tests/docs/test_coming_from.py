"""Coming from another tool: what stands in our column of the tables runs."""

import re
from pathlib import Path
from typing import Any

import jax
import pytest
from flax import nnx

import vgtheory
from vgtheory.diagnose import assert_healthy, diagnose, infinite_width

PAGES = sorted((Path(__file__).resolve().parents[2] / "docs" / "coming-from").glob("*.md"))
ROW = re.compile(r"^\| (.+?) \| (.+) \|$", flags=re.MULTILINE)
OURS = [
    (page.stem, span)
    for page in PAGES
    for theirs, ours in ROW.findall(page.read_text())
    if theirs.startswith(("`", "the "))
    for span in re.findall(r"`([^`]+)`", ours)
    if span not in ("assert", "vgtheory.diagnose", "sigma_w / sqrt(fan_in)")
]


def names() -> dict[str, Any]:
    """What a call on these pages may name."""
    model = nnx.Sequential(nnx.Linear(8, 8, rngs=nnx.Rngs(0)), nnx.tanh, nnx.Linear(8, 8, rngs=nnx.Rngs(1)))
    mine = {"model": model, "batch": jax.numpy.ones((2, 8)), "loss": lambda model, x: (model(x) ** 2).mean()}
    offered = {name: getattr(vgtheory, name) for name in vgtheory.__all__}
    found = {each.__name__: each for each in (assert_healthy, diagnose, infinite_width)}
    return {**offered, **mine, **found, "W_std": 1.5, "b_std": 0.1}


def test_each_tool_has_its_rows() -> None:
    assert {page for page, _ in OURS} == {"anyinit", "mup", "neural-tangents"}
    assert len(OURS) > 25


@pytest.mark.parametrize("span", sorted({span for _, span in OURS}))
def test_our_call_runs(span: str) -> None:
    assert (eval(span, names()) is None) == span.startswith("assert_")
