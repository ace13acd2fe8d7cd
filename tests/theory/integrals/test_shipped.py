"""The curves that are shipped: what is integrated afresh, and what 30 digits say; and NumPy's answers beside JAX's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import reference
from tests.tolerances import EXACT, POINTWISE
from vgtheory import ACTIVATIONS, Dense, theory
from vgtheory.activation import both_in_numpy
from vgtheory.theory.integrals.moments_1d import curves, integrated_curves, reader, value_and_slope
from vgtheory.theory.precision import in_float64

SCALES = (np.array([0.9, 1.3, 1.7]), np.array([0.0, 0.2, 0.4]))


def only(*quick: str) -> list:
    return [pytest.param(name, marks=() if name in quick else pytest.mark.slow) for name in ACTIVATIONS]


@pytest.mark.parametrize("name", only("tanh"))
def test_shipped_curves_are_those_that_are_integrated_afresh(name: str) -> None:
    afresh = integrated_curves(ACTIVATIONS[name])
    with jax.enable_x64(True):
        shipped = curves(ACTIVATIONS[name])
    for one, other in zip(shipped, afresh, strict=True):
        np.testing.assert_allclose(one, other, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("name", only("tanh", "relu"))
def test_shipped_curves_have_thirty_digits_behind_them(name: str) -> None:
    qs = np.array([1e-4, 0.3, 2.0, 50.0])
    with jax.enable_x64(True):
        table = curves(ACTIVATIONS[name])
    for field, is_slope in ((table.log_f, False), (table.log_g, True)):
        expected = [float(reference.mean_square(name, q, slope=is_slope)) for q in qs]
        np.testing.assert_allclose(np.exp(value_and_slope(field, np.log(qs))[0]), expected, rtol=EXACT)


def test_curves_are_read_alike_by_both_libraries_and_one_by_one() -> None:
    log_qs = np.array([-300.0, -218.0, -50.0, -1.3, 0.0, 7.7, 41.0, 218.0])
    with jax.enable_x64(True):
        table = curves(ACTIVATIONS["gelu"])
        compiled = jax.jit(lambda log_qs: value_and_slope(table.log_f, log_qs))(log_qs)
    looped = value_and_slope(table.log_f, log_qs)
    np.testing.assert_allclose(looped[0], compiled[0], rtol=EXACT)
    np.testing.assert_allclose(looped[1], compiled[1], rtol=EXACT, atol=EXACT)
    read = reader(table.log_f)
    np.testing.assert_allclose([read(log_q) for log_q in log_qs.tolist()], looped[0], rtol=EXACT)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_numpy_has_the_functions_of_the_table(name: str) -> None:
    entry, h = ACTIVATIONS[name], np.concatenate([-np.geomspace(40, 1e-9, 300), [0.0], np.geomspace(1e-9, 40, 300)])
    ours = both_in_numpy(entry, h)
    theirs = in_float64(lambda h: [each(jnp.asarray(h)) for each in (entry.phi, entry.dphi)])(h)
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, other, rtol=POINTWISE, atol=POINTWISE)


# By default both routes are compared by the phase diagram that each makes, in test_special_points.
@pytest.mark.slow
@pytest.mark.parametrize("name", only("tanh"))
def test_few_plain_numbers_give_what_arrays_of_jax_give(name: str) -> None:
    """NumPy's route beside the one that is compiled."""
    plain = Dense(name, *SCALES)
    with jax.enable_x64(True):
        compiled = Dense(name, *(jnp.asarray(each) for each in SCALES))
        for quantity in (theory.q_star, theory.chi_1, theory.xi_grad, theory.xi_q, theory.c_star):
            one, other = quantity(plain), quantity(compiled)
            assert isinstance(one, np.ndarray)
            assert isinstance(other, jax.Array)
            np.testing.assert_allclose(one, other, rtol=1e3 * EXACT, atol=1e3 * EXACT)
