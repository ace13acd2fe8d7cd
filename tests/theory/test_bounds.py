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

AT = {"sigmoid": 0, "erf": 0, "tanh": 0, "sin": 0, "linear": 0, "hard_tanh": 0, "elu": 1, "relu": 1, "leaky_relu": 1}
"""Where the slope is largest, if that is plain; ``softplus`` only nears 1, ``selu`` jumps down from its largest."""
BETWEEN = {"gelu": (1, 2), "silu": (2, 3)}


@mp.workdps(30)
def largest_slope(name: str) -> float:
    dphi = reference.DPHI[name]
    if name in BETWEEN:
        return float(dphi(mp.findroot(lambda h: mp.diff(dphi, h), BETWEEN[name], solver="anderson")))
    limits = {"softplus": mp.mpf(1), "selu": reference.SCALE * reference.ALPHA}
    return float(limits[name] if name in limits else dphi(mp.mpf(AT[name])))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_largest_slope_is_as_accurate_as_stated(name: str) -> None:
    assert theory.sup_dphi(name) == pytest.approx(largest_slope(name), rel=SUP_DECLARED)


@pytest.mark.parametrize("name", ["tanh", "gelu", "selu", "hard_tanh"])
def test_search_is_as_accurate_as_stated(name: str) -> None:
    found = theory.sup_dphi(replace(ACTIVATIONS[name], sup_dphi=None))
    assert found == pytest.approx(largest_slope(name), rel=SUP_JUMP if name == "selu" else SUP_SEARCHED)


def test_search_reports_what_is_unbounded() -> None:
    assert theory.sup_dphi(lambda h: h**2) > 2 * 8e4
    assert theory.sup_dphi(lambda h: jnp.sqrt(jnp.abs(h))) == np.inf


@pytest.mark.parametrize(
    ("weights", "norm", "factor"),
    [("gaussian", "spectral", 2.0), ("orthogonal", "spectral", 1.0), ("gaussian", "frobenius", 3.0)],
)
def test_bound_is_its_closed_form(weights: str, norm: str, factor: float) -> None:
    bound = theory.log_bound_layers(Dense("sigmoid", sigma_w=1.5, weights=weights), depth=4, width=9, norm=norm)
    np.testing.assert_allclose(bound, np.log(0.25 * 1.5 * factor) * np.array([3, 2, 1, 0]), rtol=EXACT)


@given(sigma_w=st.floats(0.1, 5), sigma_b=st.floats(0, 2))
def test_bound_is_above_the_gradient(sigma_w: float, sigma_b: float) -> None:
    scales = {"sigma_w": sigma_w, "sigma_b": sigma_b}
    gradient = theory.log_grad_layers(Dense("tanh", **scales), depth=8).mean
    for weights in ("gaussian", "orthogonal"):
        assert np.all(gradient <= theory.log_bound_layers(Dense("tanh", **scales, weights=weights), depth=8) + EXACT)


def test_zero_weights_bound_everything_by_nothing() -> None:
    bound = theory.log_bound_layers(Dense("tanh", sigma_w=0.0), depth=3)
    np.testing.assert_array_equal(bound, [-np.inf, -np.inf, 0.0])


def test_precision_follows_the_argument() -> None:
    bound = jax.jit(lambda sigma_w: theory.log_bound_layers(Dense("tanh", sigma_w=sigma_w), depth=3))(jnp.float32(1.5))
    assert bound.dtype == jnp.float32
    np.testing.assert_allclose(bound, theory.log_bound_layers(Dense("tanh", sigma_w=1.5), depth=3), rtol=SINGLE)


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    with refused("log_bound_layers", "depth"):
        theory.log_bound_layers(Dense("tanh"), depth=0)
    with refused("log_bound_layers", "width"):
        theory.log_bound_layers(Dense("tanh"), depth=3, norm="frobenius")
    with refused("log_bound_layers", "norm", remedy=r"Did you mean 'spectral'\?$"):
        theory.log_bound_layers(Dense("tanh"), depth=3, norm="spectrum")
    with refused("Activation", "activation", remedy=r"Did you mean 'sigmoid'\?$"):
        theory.sup_dphi("sigmod")
