"""Bad input: what every check refuses, in one line that names what was called; what it takes; what JAX copies freely."""

import inspect
import pickle
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import surface
from vgtheory import GRU, Activation, Conv, Dense, FixedRecurrent, Leaky, Residual, Skip, Transformer, theory
from vgtheory.expect import EXACT, MOST, expect_count, expect_dtype, expect_flag, expect_key, expect_number
from vgtheory.formats import FORMATS

NAN, INF = float("nan"), float("inf")
NO_NUMBERS: list[Any] = [
    None,
    "",
    "1",
    b"1",
    True,
    np.bool_(True),
    1 + 2j,
    {},
    {1.0},
    object(),
    int,
    len,
    ["1"],
    [[1.0], [2.0, 3.0]],
]
NO_NUMBERS += [np.array("x"), np.array([object()]), np.array([True]), jax.random.key(0), Dense("tanh"), 10**30]
TANH = Dense("tanh")


@pytest.mark.parametrize("bad", NO_NUMBERS, ids=lambda bad: type(bad).__name__)
def test_bad_input_that_is_no_number(bad: Any, refused: pytest.RaisesExc) -> None:
    with refused("f", "x"):
        expect_number("f", "[-inf, inf]", x=bad)
    with refused("f", "x"):
        expect_count("f", x=bad)
    if not isinstance(bad, bool | np.bool_):
        with refused("f", "x"):
            expect_flag("f", x=bad)


@pytest.mark.parametrize(
    "make", [float, np.float64, np.float16, jnp.float32, jnp.bfloat16, lambda x: [x], lambda x: np.array([1.0, x])]
)
def test_bad_input_outside_an_interval(make: Any, refused: pytest.RaisesExc) -> None:
    for bad in (NAN, INF, -INF, -1.0):
        with refused("f", "x"):
            expect_number("f", "[0, inf)", x=make(bad))
    expect_number("f", "[0, inf)", x=make(0.0))
    expect_number("f", "(0, inf]", x=make(INF))
    with refused("f", "x"):
        expect_number("f", "(0, inf]", x=make(0.0))


def test_bad_input_is_told_in_one_short_line() -> None:
    for bad in (np.full((50, 3), NAN), jnp.full((50, 3), NAN), [NAN] * 500, np.array([["x"] * 30] * 30), "x" * 1000):
        with pytest.raises(ValueError, match=r"^f: expected ") as caught:
            expect_number("f", x=bad)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 200
    with pytest.raises(ValueError, match=r"got x=nan at \[1, 0\] of shape \[2, 2\]\.$"):
        expect_number("f", x=np.array([[0.0, 1.0], [NAN, 2.0]]))


def test_bad_input_of_keys_and_formats(refused: pytest.RaisesExc) -> None:
    for bad in (0, None, jax.random.split(jax.random.key(0)), np.zeros(2), TANH):
        with refused("f", "key", remedy="jax.random.key"):
            expect_key("f", key=bad)
    expect_key("f", key=jax.random.key(0))
    expect_key("f", key=jax.random.PRNGKey(0))
    for good in ("float16", np.float16, np.dtype("float16"), jnp.float16):
        assert expect_dtype(FORMATS, "f", dtype=good) == "float16"
    for none in (None, 3, "f2", np.int32, object):
        with refused("f", "dtype"):
            expect_dtype(FORMATS, "f", dtype=none)
    assert theory.depth_limit(0.25, jnp.float16) == theory.depth_limit(0.25, "float16")


def test_bad_input_to_theory_is_named_by_what_was_called(refused: pytest.RaisesExc) -> None:
    """Of every function: the first argument none of our nouns or numbers; each parameter has its check."""
    for name, function in surface.public(theory).items():
        if not inspect.isclass(function):
            first = next(iter(inspect.signature(function).parameters))
            for bad in (object(), {"a": 1}, 1 + 2j):
                with refused(name, first if first != "activations" else "activation.*"):
                    function(**{first: bad})


@pytest.mark.parametrize(
    ("name", "given", "spoilt"),
    [
        ("chain_flow", {"weights": [0.2, 0.5, 2.0], "log_time": NAN}, "log_time"),
        ("log_scalar_steps", {"w": NAN, "activation": "linear", "h_0": 1.0, "steps": 3}, "w"),
        (
            "log_escape_steps",
            {"optimiser": "adam", "depth": 3, "w0": 0.3, "learning_rate": 0.1, "momentum": NAN},
            "momentum",
        ),
        ("log_escape_steps", {"optimiser": "sgd", "depth": 3, "w0": 0.3, "learning_rate": 0.1, "eps": [0.1]}, "eps"),
        ("chain_decay", {"depth": 4, "decay": 0.1, "y": 1 + 2j}, "y"),
        ("c_map_slope", {"c": "3", "net": TANH}, "c"),
        ("c_map", {"c": jnp.float32(2.0), "net": TANH}, "c"),
        ("c_map_curvature", {"c": [1.0], "net": TANH}, "c"),
        ("q_map", {"q": jnp.float32(-1.0), "net": TANH}, "q"),
        ("overshoot", {"net": TANH, "state": [1.0], "target": [0.0], "learning_rates": NAN, "steps": 3}, "net"),
        ("pass_limit", {"net": TANH, "dtype": "float16", "depth": 3, "width": 4, "flush": 1}, "flush"),
        ("log_grad_layers", {"net": TANH, "depth": 10**30}, "depth"),
        ("log_grad_layers", {"net": TANH, "depth": True}, "depth"),
        ("bound_excess", {"net": TANH, "width": -1}, "width"),  # not used, for the norm is the spectral one
        ("critical", {"activation": np.ones(2)}, "activation"),
        ("log_mode_times", {"singular_values": [1.0, 2.0], "depth": 2, "w0": [0.1, 0.2, 0.3]}, "singular_values"),
    ],
)
def test_bad_input_to_theory(name: str, given: dict[str, Any], spoilt: str, refused: pytest.RaisesExc) -> None:
    with refused(name, spoilt):
        surface.public(theory)[name](**given)


def test_bad_input_to_nouns(refused: pytest.RaisesExc) -> None:
    for bad in (None, 1 + 2j, {}, np.array(["a"]), jnp.float32(NAN), jnp.float32(-1.0), [-1.0], 1e308, 1e-320, len):
        for kind in (Dense, Conv, Leaky, Skip, Residual, Transformer):
            with refused(kind.__name__, "sigma_w"):
                kind("tanh", sigma_w=bad)
        with refused("GRU", "sigma_in"):
            GRU(sigma_in=bad)
    for field, bad in (
        ("period", NAN),
        ("kinks", (NAN,)),
        ("sup_dphi", -1.0),
        ("degree", "2"),
        ("bounded", 1),
        ("dphi", 3),
        ("name", 3),
    ):
        with refused("Activation", field):
            Activation(**({"name": "a", "phi": jnp.tanh, "kinks": ()} | {field: bad}))
    with refused("Leaky", "leak"):
        Leaky("tanh", leak=jnp.float32(NAN))
    with refused("Residual", "norm"):
        Residual("tanh", norm=np.ones(2))
    with refused("FixedRecurrent", "matrix"):
        FixedRecurrent("tanh", matrix={})


@pytest.mark.slow
def test_bad_input_check_leaves_what_jax_makes_of_a_network() -> None:
    """Gradients may be negative, axes and masks are no scales, tracers are taken as they come."""
    net = Dense("tanh", jnp.float32(1.5), jnp.float32(0.3))
    assert jax.tree.map(lambda leaf: False, net).sigma_w is False
    assert float(jax.grad(theory.chi_1)(net).sigma_b) < 0
    two = jax.vmap(theory.chi_1, in_axes=(Dense("tanh", 0, 0),))(jax.tree.map(lambda leaf: jnp.stack([leaf] * 2), net))
    np.testing.assert_array_equal(two, two[:1].repeat(2))
    assert pickle.loads(pickle.dumps(theory.chi_1)) is theory.chi_1
    traced = jax.jit(lambda h: theory.recurrent.log_scalar_steps(0.5, "linear", h, steps=2))
    assert np.isnan(traced(jnp.float32(NAN))).all()


def test_bad_input_without_variance_has_limits() -> None:
    """The arc-cosine kernel of ReLU and its derivatives at 0: 1 / pi, 1 / 2, 1 / pi, for every sigma_w and so at 0."""
    net = Dense("relu", 0.0, 0.0)
    found = [
        float(law(0.0, net)) for law in (theory.c_map, theory.meanfield.c_map_slope, theory.meanfield.c_map_curvature)
    ]
    np.testing.assert_allclose(found, [1 / np.pi, 0.5, 1 / np.pi], rtol=1e-7)


def test_bad_input_of_counts_ends_at_the_index_and_of_widths_where_floats_skip_integers(
    refused: Callable[..., pytest.RaisesExc],
) -> None:
    net = Dense("tanh", 1.2)
    expect_count("f", n=np.int64(3))
    assert np.isfinite(theory.log_grad_layers(net, depth=2, width=EXACT).mean).all()
    with refused("log_grad_layers", "width"):
        theory.log_grad_layers(net, depth=2, width=EXACT + 1)
    with refused("log_grad_layers", "depth"):
        theory.log_grad_layers(net, depth=MOST + 1)
