"""Each call on the page from questions to calls runs, and its function is where the page's link leads."""

import importlib.util
import tomllib
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

import vgtheory

FILE = Path(__file__).resolve().parents[2] / "docs" / "_ext" / "questions.toml"
ASKS = [(asked, call) for group in tomllib.loads(FILE.read_text())["group"] for asked, call in group["asks"]]
SLOW = {"theory.magnitudes.log_update_variance", "theory.training.tangent_kernel", "theory.log_grad_variance"}
"""Compiled programs that other tests run too."""


def marked(call: str) -> Any:
    """The call as a case, slow or not."""
    return pytest.param(call, id=call[:60], marks=pytest.mark.slow if call.partition("(")[0] in SLOW else ())


def names() -> dict[str, Any]:
    """What a call may name."""
    model = nnx.Sequential(nnx.Linear(8, 8, rngs=nnx.Rngs(0)), nnx.tanh, nnx.Linear(8, 8, rngs=nnx.Rngs(1)))
    mine = {"model": model, "x": jax.numpy.ones((2, 8)), "loss": lambda model, x: (model(x) ** 2).mean()}
    offered = {name: getattr(vgtheory, name) for name in vgtheory.__all__}
    return {"jax": jax, "np": np, "matrix": np.array([[0.9, 5.0], [0.0, 0.9]]), **mine, **offered}


def test_there_are_some_forty_questions_and_none_twice() -> None:
    assert len(ASKS) >= 40
    assert len({asked for asked, _ in ASKS}) == len(ASKS)
    assert all(asked.endswith("?") for asked, _ in ASKS)


@pytest.mark.site
@pytest.mark.parametrize("call", [marked(call) for _, call in ASKS])
def test_a_call_answers(call: str) -> None:
    assert eval(call, names()) is not None


@pytest.mark.parametrize("path", sorted({call.partition("(")[0] for _, call in ASKS}))
def test_the_link_leads_to_a_public_function(path: str) -> None:
    place: Any = vgtheory
    for name in path.split("."):
        assert name in dir(place)
        place = getattr(place, name)
    assert callable(place)


def test_the_page_shows_every_question_with_its_call() -> None:
    spec = importlib.util.spec_from_file_location("reference", FILE.with_name("reference.py"))
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    page = reference.questions()
    for asked, call in ASKS:
        assert f"* - {asked}\n" in page
        assert f"``{call}``" in page
