"""Units of several pre-activations, or of random slopes: their names, and that every function without a law refuses them."""

import pickle
from collections.abc import Callable
from typing import Any

import jax
import pytest

from tests import good_calls, surface
from vgtheory import Activation, Conv, Dense, Recurrent, Residual, measure, theory
from vgtheory.activations.units import GLU, Maxout, RReLU

KNOWN = {"chi_1", "log_chi_layers", "log_grad_layers", "log_grad_weight_layers", "log_q_layers", "q_map", "q_slope"}
KNOWN |= {"q_star", "q_stars", "samples", "xi_q"}
"""Functions that take such networks; all others refuse them."""


def test_names() -> None:
    written = {"GLU": "glu", "Swi-GLU": "swiglu", "glu(silu)": "swiglu", "glu:tanh": "glu(tanh)", "maxout": "maxout(2)"}
    written |= {"maxout:3": "maxout(3)", "maxout( 4 )": "maxout(4)", "rrelu:0.125:0.333": "rrelu(0.125, 0.333)"}
    written |= {"rrelu(0,1)": "rrelu(0, 1)", "glu(leaky_relu(0.2))": "glu(leaky_relu(0.2))"}
    for name, known in written.items():
        assert Dense(name).activation.name == known
        assert Dense(name) == Dense(Dense(name).activation)
    assert isinstance(Dense("bilinear").activation, GLU)
    assert Dense("maxout(3)").activation == Maxout(3)
    assert Dense("rrelu").activation == RReLU(1 / 8, 1 / 3)
    assert repr(Dense("swiglu", 1.5)) == "Dense('swiglu', sigma_w=1.5)"
    gate = Activation("mine", jax.nn.relu)
    assert float(theory.q_map(2.0, Dense(GLU(gate)))) == pytest.approx(2.0)


@pytest.mark.parametrize("name", ["swiglu", "maxout(3)", "rrelu(0.1, 0.3)"])
def test_they_travel(name: str) -> None:
    net = Dense(name, 1.5)
    assert pickle.loads(pickle.dumps(net)) == net
    assert jax.tree.map(lambda leaf: leaf, net) == net


@pytest.mark.parametrize(
    ("written", "got"),
    [
        ("maxout(1)", "pieces"),
        ("maxout(2.5)", "activation"),
        ("maxout(x)", "activation"),
        ("rrelu(0.3, 0.1)", "activation"),
        ("rrelu(0.1)", "activation"),
        ("rrelu(0, inf)", "high"),
        ("reglu(tanh)", "activation"),
        ("glu(tonh)", "activation"),
    ],
)
def test_wrong_names_are_answered(written: str, got: str, refused: Callable[..., Any]) -> None:
    with refused("Dense", got):
        Dense(written)


@pytest.mark.parametrize(("written", "meant"), [("swiglo", "swiglu"), ("maxot(3)", "maxout"), ("gelo", "gelu")])
def test_a_misspelt_name_is_told_from_both_tables(written: str, meant: str, refused: Callable[..., Any]) -> None:
    with refused("Dense", "activation", f"Did you mean {meant!r}"):
        Dense(written)


def test_a_misspelt_name_near_a_unit_and_an_activation_is_told_both(refused: Callable[..., Any]) -> None:
    with refused("Dense", "activation", "Did you mean 'glu' or 'gelu'?"):
        Dense("gleu")


def test_nouns_without_such_layers_refuse_them(refused: Callable[..., Any]) -> None:
    for noun in (Conv, Recurrent, Residual):
        with refused(noun.__name__, "activation", "Dense"):
            noun("maxout(3)")
    with refused("Dense", "activation", "Dense"):
        Dense(("swiglu", "tanh"))
    with refused("Dense", "net"):
        Dense("swiglu", widths=(4, 3, 2))
    with refused("Dense", "net"):
        Dense("swiglu", (1.0, 2.0))
    with refused("Dense", "weights"):
        Dense("swiglu", weights="orthogonal")


def test_questions_without_an_answer_are_refused(key: jax.Array, refused: Callable[..., Any]) -> None:
    net, size = Dense("swiglu", 1.5), {"depth": 3, "width": 8}
    with refused("log_grad_layers", "net"):
        theory.log_grad_layers(net, depth=3, input_square=2.0)
    with refused("log_grad_layers", "net", "Infinite width"):
        theory.log_grad_layers(net.replace(dropout=0.1), **size)
    with refused("log_q_layers", "net", "Infinite width"):
        theory.log_q_layers(net.replace(weights="uniform"), **size)
    with refused("log_grad_layers", "net"):
        measure.log_grad_layers(key, net, **size, num_nets=2, input_square=2.0)
    with refused("log_grad_layers", "net", "sampler='networks'"):
        measure.log_grad_layers(key, net, **size, num_nets=2, sampler="matrix_free")


CALLS = [
    (room, name)
    for room in ("theory", "measure")
    for name, given in getattr(good_calls, room.upper()).items()
    if isinstance(given.get("net"), Dense) and name not in KNOWN
]


@pytest.mark.parametrize(("room", "name"), CALLS)
def test_every_other_function_refuses_them(room: str, name: str, refused: Callable[..., Any]) -> None:
    given = getattr(good_calls, room.upper())[name]
    function = surface.public({"theory": theory, "measure": measure}[room])[name]
    for written in ("swiglu", "rrelu"):
        with refused(name, "net"):
            function(**given | {"net": Dense(written, 1.5)})
