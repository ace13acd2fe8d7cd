"""Largest slopes and the textbook bounds."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import reference
from tests.tolerances import EXACT, SINGLE, SUP_DECLARED, SUP_JUMP, SUP_SEARCHED
from vgtheory import ACTIVATIONS, Dense, theory

AT = {
    name: 0 for name in ("sigmoid", "erf", "tanh", "sin", "linear", "hard_tanh", "hard_sigmoid", "softsign", "arctan")
}
AT |= {name: 1 for name in ("elu", "relu", "leaky_relu", "relu6", "abs")}
"""Where the slope is largest, if that is plain; ``softplus`` only nears 1, ``selu`` jumps down from its largest."""
BETWEEN = {"gelu": (1, 2), "silu": (2, 3), "mish": (1, 2), "gelu_tanh": (1, 2), "gaussian": (-1, -0.5)}


@mp.workdps(30)
def largest_slope(name: str) -> float:
    dphi = reference.DPHI[name]
    if name in BETWEEN:
        return float(dphi(mp.findroot(lambda h: mp.diff(dphi, h), BETWEEN[name], solver="anderson")))
    limits = {"softplus": mp.mpf(1), "selu": reference.SCALE * reference.ALPHA, "hard_swish": mp.mpf(1.5)}
    limits |= {"relu_squared": mp.inf, "cube": mp.inf}
    return float(limits[name] if name in limits else dphi(mp.mpf(AT[name])))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_largest_slope_is_as_accurate_as_stated(name: str) -> None:
    assert theory.layers.sup_dphi(name) == pytest.approx(largest_slope(name), rel=SUP_DECLARED)


# Where a slope is largest between points, and where it jumps; at 0 or on a stretch is easier.
@pytest.mark.parametrize(
    "name", ["silu", "selu", *(pytest.param(name, marks=pytest.mark.slow) for name in ("tanh", "gelu", "hard_tanh"))]
)
def test_search_is_as_accurate_as_stated(name: str) -> None:
    found = theory.layers.sup_dphi(replace(ACTIVATIONS[name], sup_dphi=None))
    assert found == pytest.approx(largest_slope(name), rel=SUP_JUMP if name == "selu" else SUP_SEARCHED)


def test_search_reports_what_is_unbounded() -> None:
    assert theory.layers.sup_dphi(lambda h: h**2) > 2 * 8e4
    assert theory.layers.sup_dphi(lambda h: jnp.sqrt(jnp.abs(h))) == np.inf


@pytest.mark.parametrize(
    ("weights", "norm", "factor"),
    [("gaussian", "spectral", 2.0), ("orthogonal", "spectral", 1.0), ("gaussian", "frobenius", 3.0)],
)
def test_bound_is_its_closed_form(weights: str, norm: str, factor: float) -> None:
    bound = theory.layers.log_bound_layers(Dense("sigmoid", sigma_w=1.5, weights=weights), depth=4, width=9, norm=norm)
    np.testing.assert_allclose(bound, np.log(0.25 * 1.5 * factor) * np.array([3, 2, 1, 0]), rtol=EXACT)


@given(sigma_w=st.floats(0.1, 5), sigma_b=st.just(0.0) | st.floats(1e-100, 2))
def test_bound_is_above_the_gradient(sigma_w: float, sigma_b: float) -> None:
    scales = {"sigma_w": sigma_w, "sigma_b": sigma_b}
    gradient = theory.log_grad_layers(Dense("tanh", **scales), depth=8).mean
    for weights in ("gaussian", "orthogonal"):
        assert np.all(
            gradient <= theory.layers.log_bound_layers(Dense("tanh", **scales, weights=weights), depth=8) + EXACT
        )


@pytest.mark.parametrize(
    ("weights", "norm"), [("gaussian", "spectral"), ("orthogonal", "spectral"), ("gaussian", "frobenius")]
)
def test_excess_is_bound_less_mean_field(weights: str, norm: str) -> None:
    net = Dense("tanh", np.array([0.8, 1.5, 3.0]), 0.3, weights)
    excess = theory.layers.bound_excess(net, width=9, norm=norm)
    for index, sigma_w in enumerate(net.sigma_w):
        one = Dense("tanh", float(sigma_w), 0.3, weights)
        bound = theory.layers.log_bound_layers(one, depth=2, width=9, norm=norm)[0]
        assert excess[index] == pytest.approx(bound - np.log(theory.chi_1(one)) / 2, abs=EXACT)


def test_excess_of_closed_form() -> None:
    assert theory.layers.bound_excess(Dense("relu", sigma_w=1.3)) == pytest.approx(1.5 * np.log(2), rel=EXACT)
    assert theory.layers.bound_excess(Dense("linear", sigma_w=0.7, weights="orthogonal")) == pytest.approx(0, abs=EXACT)
    assert theory.layers.bound_excess(Dense("cube", sigma_w=0.2, sigma_b=0.3)) == np.inf


def test_zero_weights_bound_everything_by_nothing() -> None:
    bound = theory.layers.log_bound_layers(Dense("tanh", sigma_w=0.0), depth=3)
    np.testing.assert_array_equal(bound, [-np.inf, -np.inf, 0.0])


def test_precision_follows_the_argument() -> None:
    bound = jax.jit(lambda sigma_w: theory.layers.log_bound_layers(Dense("tanh", sigma_w=sigma_w), depth=3))(
        jnp.float32(1.5)
    )
    assert bound.dtype == jnp.float32
    np.testing.assert_allclose(bound, theory.layers.log_bound_layers(Dense("tanh", sigma_w=1.5), depth=3), rtol=SINGLE)


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    with refused("log_bound_layers", "depth"):
        theory.layers.log_bound_layers(Dense("tanh"), depth=0)
    with refused("log_bound_layers", "width"):
        theory.layers.log_bound_layers(Dense("tanh"), depth=3, norm="frobenius")
    with refused("bound_excess", "width"):
        theory.layers.bound_excess(Dense("tanh"), norm="frobenius")
    with refused("log_bound_layers", "norm", remedy=r"Did you mean 'spectral'\?$"):
        theory.layers.log_bound_layers(Dense("tanh"), depth=3, norm="spectrum")
    with refused("sup_dphi", "activation", remedy=r"Did you mean 'sigmoid'\?$"):
        theory.layers.sup_dphi("sigmod")
