"""The table of activations against definitions of its own at 30 digits, and what may stand for an activation."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from tests import reference
from tests.tolerances import EXACT, POINTWISE
from vgtheory import ACTIVATIONS, Activation, Dense, theory
from vgtheory.activation import as_activation
from vgtheory.theory.precision import in_float64

HS = np.array([-40.0, -9.3, -3.1, -1.7, -0.9, -0.11, -1e-3, -1e-9, 1e-9, 1e-3, 0.11, 0.9, 1.7, 3.1, 9.3, 40.0])


def at(function: object, points: np.ndarray) -> np.ndarray:
    return in_float64(lambda h: function(jnp.asarray(h)))(points)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_phi_and_its_slope_are_their_definitions(name: str) -> None:
    entry = ACTIVATIONS[name]
    assert entry.name == name
    for function, definition in ((entry.phi, reference.PHI[name]), (entry.dphi, reference.DPHI[name])):
        expected = np.array([float(definition(mp.mpf(h))) for h in HS])
        np.testing.assert_allclose(at(function, HS), expected, rtol=POINTWISE, atol=POINTWISE)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus", "elu", "erf"])
def test_small_values_keep_their_digits(name: str) -> None:
    entry, points = ACTIVATIONS[name], np.array([-1e-9, 1e-12])
    expected = [float(reference.PHI[name](mp.mpf(h))) for h in points]
    np.testing.assert_allclose(at(entry.phi, points), expected, rtol=POINTWISE)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "erf", "softplus"])
def test_saturated_slopes_keep_their_digits(name: str) -> None:
    points = np.array([-20.0, -5.0])
    expected = [float(reference.DPHI[name](mp.mpf(h))) for h in points]
    np.testing.assert_allclose(at(ACTIVATIONS[name].dphi, points), expected, rtol=EXACT)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slope_is_the_automatic_derivative(name: str) -> None:
    entry = ACTIVATIONS[name]
    automatic = Activation("again", entry.phi).dphi
    np.testing.assert_allclose(at(entry.dphi, HS), at(automatic, HS), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_no_argument_gives_nan_and_the_dtype_stays(name: str) -> None:
    entry = ACTIVATIONS[name]
    curvature = jax.vmap(jax.grad(entry.dphi))
    all_three = jax.jit(lambda h: (entry.phi(h), entry.dphi(h), curvature(h)))
    with jax.enable_x64(True):
        for dtype in (jnp.float32, jnp.float64):
            for values in all_three(jnp.array([-1e4, -100.0, 0.0, 100.0, 1e4], dtype)):
                assert values.dtype == dtype
                assert bool(jnp.all(jnp.isfinite(values)))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_kinks_are_declared_where_one_sided_slopes_or_bends_differ(name: str) -> None:
    dphi, step = reference.DPHI[name], mp.mpf(10) ** -8
    for h in (-1, 0, 1):
        left, right = dphi(h - step), dphi(h + step)
        bend = (dphi(h + 2 * step) - right) - (left - dphi(h - 2 * step))
        smooth = abs(right - left) < 4 * step and abs(bend) < step * mp.mpf(10) ** -3
        assert smooth == (h not in ACTIVATIONS[name].kinks)


@pytest.mark.parametrize("kink", [-1.3, 0.2, 2.0])
def test_a_declared_kink_is_integrated_exactly(kink: float) -> None:
    ramp = Activation("ramp", lambda h: jnp.maximum(h - kink, 0), kinks=(kink,))
    tail, density = float(mp.ncdf(-kink)), float(mp.npdf(kink))
    expected = (1 + kink**2) * tail - kink * density
    assert theory.q_map(1.0, Dense(ramp)) == pytest.approx(expected, rel=EXACT, abs=EXACT)


def test_names_entries_and_callables_all_stand_for_an_activation() -> None:
    assert as_activation("tanh") is ACTIVATIONS["tanh"]
    assert as_activation(ACTIVATIONS["relu"]) is ACTIVATIONS["relu"]
    assert as_activation(jnp.tanh).name == "tanh"
    assert as_activation(jnp.tanh) == as_activation(jnp.tanh), "equal, so that jit compiles once"
    own = theory.q_map(2.0, Dense(jnp.tanh))
    assert own == pytest.approx(theory.q_map(2.0, Dense("tanh")), rel=EXACT)


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    with refused("Activation", "activation", remedy=r"Did you mean 'tanh'\?$"):
        Dense("tahn")
    with refused("Activation", "activation"):
        as_activation("qqq")
    with refused("Activation", "activation"):
        as_activation(3)
    with refused("Activation", "phi"):
        Activation("broken", 3)
