"""The table of activations against definitions of its own at 30 digits, and what may stand for an activation."""

import pickle

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from tests import reference
from tests.reference_pair import FUNCTIONS
from tests.tolerances import EXACT, POINTWISE, SUP_DECLARED
from vgtheory import ACTIVATIONS, Activation, Dense, measure, theory
from vgtheory.activation import Pointwise, as_activation
from vgtheory.activations.families import FAMILIES
from vgtheory.activations.kinks import found_kinks
from vgtheory.theory.precision import in_float64

HS = np.array([-40.0, -9.3, -3.1, -1.7, -0.9, -0.11, -1e-3, -1e-9, 1e-9, 1e-3, 0.11, 0.9, 1.7, 3.1, 9.3, 40.0])
FAR = 1e4
"""Where what saturates has saturated and what grows has grown."""

KINK = 1e-15
"""Stated by ``found_kinks``: absolute, near 0."""


def at(function: object, points: np.ndarray) -> np.ndarray:
    return in_float64(jax.jit(lambda h: function(h)))(points)


def far_out(scale: float) -> np.ndarray:
    return scale * FAR * np.sign(HS) + HS


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_phi_and_its_slope_are_their_definitions(name: str) -> None:
    entry = ACTIVATIONS[name]
    assert entry.name == name
    for function, definition in ((entry.phi, reference.PHI[name]), (entry.dphi, reference.DPHI[name])):
        expected = np.array([float(definition(mp.mpf(h))) for h in HS])
        np.testing.assert_allclose(at(function, HS), expected, rtol=POINTWISE, atol=POINTWISE)


@pytest.mark.parametrize(
    "name",
    ["tanh", "sigmoid", "softplus", "elu", "erf", "softsign", "arctan", "mish", "gelu_tanh", "hard_swish", "cube"],
)
def test_small_values_keep_their_digits(name: str) -> None:
    entry, points = ACTIVATIONS[name], np.array([-1e-9, 1e-12])
    expected = [float(reference.PHI[name](mp.mpf(h))) for h in points]
    np.testing.assert_allclose(at(entry.phi, points), expected, rtol=POINTWISE)


@pytest.mark.parametrize(
    "name", ["tanh", "sigmoid", "erf", "softplus", "softsign", "arctan", "mish", "gaussian", "gelu_tanh"]
)
def test_saturated_slopes_keep_their_digits(name: str) -> None:
    points = np.array([-20.0, -5.0])
    expected = [float(reference.DPHI[name](mp.mpf(h))) for h in points]
    np.testing.assert_allclose(at(ACTIVATIONS[name].dphi, points), expected, rtol=EXACT)


QUICK = ("tanh", "relu", "gelu", "arctan", "hard_swish")
"""One of each kind: smooth, kinked, by erf, by XLA's own function, with two kinks. The others are slow: a program each."""
EACH = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in ACTIVATIONS]


@pytest.mark.parametrize("name", EACH)
def test_slope_is_the_automatic_derivative(name: str) -> None:
    entry = ACTIVATIONS[name]
    automatic = Activation("again", entry.phi, kinks=()).dphi
    np.testing.assert_allclose(at(entry.dphi, HS), at(automatic, HS), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("name", EACH)
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
    with mp.workdps(30):
        dphi, step = reference.DPHI[name], mp.mpf(10) ** -8
        for h in (-6, -3, -1, 0, 1, 3, 6):
            left, right = dphi(h - step), dphi(h + step)
            bend = (dphi(h + 2 * step) - right) - (left - dphi(h - 2 * step))
            smooth = max(abs(right - left), abs(bend) / step) < mp.sqrt(step)
            assert smooth == (h not in ACTIVATIONS[name].kinks)


@pytest.mark.parametrize("name", EACH)
def test_declared_kinks_are_those_found(name: str) -> None:
    assert found_kinks(ACTIVATIONS[name].phi) == ACTIVATIONS[name].kinks


@pytest.mark.parametrize(
    ("phi", "kinks"),
    [
        (lambda h: jnp.where(h > 0.7, h - 0.7, 0.1 * (h - 0.7)), (0.7,)),
        (lambda h: jnp.sign(h) * jnp.maximum(jnp.abs(h) - 0.5, 0), (-0.5, 0.5)),
        (lambda h: jnp.maximum(h - 30.25, 0) ** 2 + h**3, (30.25,)),
        (lambda h: 1e-9 * jnp.maximum(h, 0), (0.0,)),
        (lambda h: jnp.sqrt(jnp.abs(h)), (0.0,)),
        (lambda h: jnp.tanh(1e4 * h) + jnp.exp(h**2), ()),
        (lambda h: jax.nn.gelu(h, approximate=True), ()),
        (lambda h: jnp.tanh(h.astype(jnp.float32)), ()),
    ],
    ids=["leaky", "shrink", "bend", "small", "root", "steep", "rounded", "single"],
)
def test_kinks_of_a_users_own_function_are_found(phi: Pointwise, kinks: tuple[float, ...]) -> None:
    assert Activation("own", phi).kinks == kinks
    assert Activation("own", phi, kinks=()).kinks == ()


def test_a_kink_between_floats_is_found_to_a_rounding() -> None:
    (kink,) = found_kinks(lambda h: jnp.maximum(3 * h - 1, 0))
    assert kink == pytest.approx(1 / 3, abs=KINK)


def test_kinks_are_found_under_jit() -> None:
    count = lambda h: h + len(Dense(lambda x: jnp.maximum(x, 0.3)).activation.kinks)
    assert jax.jit(count)(0.0) == jax.vmap(count)(jnp.zeros(1))[0] == 1


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_largest_slope_is_the_one_a_search_finds(name: str) -> None:
    slopes = np.abs(FUNCTIONS[name][1](np.append(np.linspace(-8, 8, 100_001, dtype=np.longdouble), 100 * FAR)))
    declared = ACTIVATIONS[name].sup_dphi
    if np.isinf(declared):
        assert np.max(slopes) > FAR
    else:
        assert declared * (1 - 1 / FAR) < np.max(slopes) <= declared * (1 + SUP_DECLARED)


@pytest.mark.parametrize("name", ["mish", "gelu_tanh", "gaussian"])
def test_a_smooth_largest_slope_is_right_to_the_last_digit(name: str) -> None:
    with mp.workdps(30):
        start = -0.7 if name == "gaussian" else 1.45
        highest = mp.findroot(lambda h: mp.diff(reference.DPHI[name], h), start)
        expected = float(reference.DPHI[name](highest))
    assert ACTIVATIONS[name].sup_dphi == pytest.approx(expected, rel=SUP_DECLARED)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_bounded_is_true(name: str) -> None:
    near, far = (np.max(np.abs(at(ACTIVATIONS[name].phi, h))) for h in (far_out(1), far_out(4)))
    assert ACTIVATIONS[name].bounded == (far <= 2 * near)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_degree_is_true(name: str) -> None:
    entry = ACTIVATIONS[name]
    one, three = at(entry.phi, np.array([1.0, 3.0]))
    degree = np.log(three / one) / np.log(3)
    is_power = np.allclose(at(entry.phi, 3 * HS), 3**degree * at(entry.phi, HS), rtol=EXACT, atol=0)
    assert entry.degree == (pytest.approx(degree, rel=EXACT) if is_power else None)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_period_is_true(name: str) -> None:
    entry = ACTIVATIONS[name]
    if entry.period is None:
        assert not entry.bounded or np.max(np.abs(at(entry.dphi, far_out(1)))) < 1 / FAR
        return
    moved = [at(entry.phi, HS + entry.period / part) - at(entry.phi, HS) for part in (1, 2, 3, 5)]
    sizes = np.max(np.abs(moved), axis=1)
    assert sizes[0] < EXACT < FAR * EXACT < np.min(sizes[1:])


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
    with refused("Dense", "activation", remedy=r"Did you mean 'tanh'\?$"):
        Dense("tahn")
    with refused("Activation", "activation"):
        as_activation("qqq")
    with refused("Activation", "activation"):
        as_activation(3)
    with refused("Activation", "phi"):
        Activation("broken", 3)


MEMBERS = {
    "leaky_relu(0.2)": lambda h: np.where(h > 0, h, 0.2 * h),
    "elu(0.5)": lambda h: np.where(h > 0, h, 0.5 * (np.exp(h) - 1)),
    "celu(2)": lambda h: np.where(h > 0, h, 2 * (np.exp(h / 2) - 1)),
    "silu(1.702)": lambda h: h / (1 + np.exp(-1.702 * h)),
    "softplus(2)": lambda h: np.log(1 + np.exp(2 * h)) / 2,
    "snake(1.5)": lambda h: h + np.sin(1.5 * h) ** 2 / 1.5,
    "tanh(0.7)": lambda h: np.tanh(0.7 * h),
    "sin(3)": lambda h: np.sin(3 * h),
    "hard_tanh(2)": lambda h: np.minimum(np.maximum(h, -2), 2),
}
"""Definitions by NumPy, whose slopes are differences."""


@pytest.mark.parametrize("name", MEMBERS)
def test_an_activation_with_a_parameter_is_its_definition(name: str) -> None:
    found, points = as_activation(name), np.linspace(-5.03, 5.01, 400)
    assert found.name == name
    np.testing.assert_allclose(at(found.phi, points), MEMBERS[name](points), rtol=1e-12, atol=1e-12)
    step = 1e-6
    slope = (MEMBERS[name](points + step) - MEMBERS[name](points - step)) / (2 * step)
    np.testing.assert_allclose(at(found.dphi, points), slope, atol=1e-8)
    assert np.abs(slope).max() <= found.sup_dphi * (1 + 1e-9)
    assert found.bounded == (np.abs(MEMBERS[name](np.array([30.0, -30.0]))).max() < 29)
    assert found.kinks == found_kinks(found.phi)


def test_a_member_is_one_object_however_it_is_written() -> None:
    found = as_activation("leaky_relu(0.2)")
    for written in ("leaky_relu:0.2", "Leaky ReLU (0.20)", "prelu(0.2)", "leaky_relu(slope=0.2)"):
        assert as_activation(written) is found
    assert pickle.loads(pickle.dumps(found)) is found
    assert as_activation("swish(1)") is ACTIVATIONS["silu"]
    assert Dense("leaky_relu(0.2)", 1.3) == Dense("leaky_relu:0.2", 1.3)


def test_leaky_slopes_have_their_closed_factor() -> None:
    assert float(theory.chi_1(Dense("leaky_relu(0.2)", 1.3))) == pytest.approx(1.3**2 * (1 + 0.2**2) / 2, rel=1e-12)


@pytest.mark.slow
def test_leaky_slopes_have_their_law() -> None:
    net = Dense("leaky_relu(0.2)", 1.3)
    law = theory.log_grad_layers(net, depth=20, width=64)
    seen = measure.log_grad_layers(jax.random.key(0), net, depth=20, width=64, num_nets=64)
    assert abs(float(seen.value[0] - law.mean[0])) < 4 * float(seen.err[0])
    assert abs(float(seen.value[0] - theory.log_grad_layers(Dense("leaky_relu", 1.3), depth=20, width=64).mean[0])) > (
        4 * float(seen.err[0])
    )


@pytest.mark.parametrize("written", ["leaky_relu(x)", "foo(2)", "tanh()", "leaky_relu(0.2"])
def test_what_is_no_member_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        as_activation(written)
    with pytest.raises(ValueError, match=r"elu: expected a finite parameter > 0, got parameter=-1\.0"):
        as_activation("elu(-1)")


@pytest.mark.parametrize("parameter", ["inf", "-inf", "nan"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_parameter_is_finite(family: str, parameter: str) -> None:
    with pytest.raises(ValueError, match=f"{family}: expected a finite parameter"):
        as_activation(f"{family}({parameter})")
