"""Noise at infinite width: closed forms, published scales, exponents of the correlation length, refusals."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

from tests.good_calls import MEASURE, THEORY
from tests.surface import public
from tests.tolerances import CRITICAL, DIFFERENCE, EXACT, PAIR, PER_LAYER
from vgtheory import Dense, Recurrent, measure, theory
from vgtheory.networks.noise import Noisy

P = 0.2
NOISY = dict(dropout=P, dropconnect=0.1, sigma_noise=0.4)
EXPONENT_ERR = 0.01
"""Of a power law between p = 1e-6 and 1e-8, whose corrections are of the order p^(1/3)."""


def arc_cosine(c: float) -> float:
    """Correlation of two ReLU outputs."""
    angle = np.arccos(c)
    return (np.sin(angle) + (np.pi - angle) * c) / np.pi


@pytest.mark.parametrize("mask", ["bernoulli", "gaussian"])
def test_factors_of_linear_and_relu_in_closed_form(mask: str) -> None:
    for name, share in (("linear", 1), ("relu", 2)):
        net = Dense(name, 1.3, dropout=P, mask=mask)
        np.testing.assert_allclose(theory.chi_1(net), 1.3**2 / share / (1 - P), rtol=EXACT)
        law = theory.log_q_layers(net, depth=4)
        log_factor = np.log(1.3**2 / (1 - P))
        np.testing.assert_allclose(
            law.mean, log_factor + np.arange(4) * (log_factor - np.log(share)), atol=PER_LAYER * 4
        )
    weights = Dense("relu", 1.3, dropconnect=P)
    np.testing.assert_allclose(theory.chi_1(weights), 1.3**2 / 2 / (1 - P), rtol=EXACT)


def test_critical_relu_has_the_scale_of_pretorius() -> None:
    """2 over the noise's mean square: arXiv:1811.00293, whose p is the probability to keep; here it is that to drop."""
    for drop in (0.0, 0.1, 0.5):
        found = theory.critical("relu", dropout=drop)
        np.testing.assert_allclose(found.sigma_w**2, 2 * (1 - drop), rtol=CRITICAL)
        net = Dense("relu", found.sigma_w[0], dropout=drop)
        assert theory.phase(net) == 0
        np.testing.assert_allclose(theory.log_grad_layers(net, depth=50).mean, 0, atol=50 * PER_LAYER)


def test_added_noise_is_a_bias_to_one_input_alone() -> None:
    noisy, biased = Dense("tanh", 1.5, 0.3, sigma_noise=0.4), Dense("tanh", 1.5, 0.5)
    for quantity in (theory.q_star, theory.chi_1, theory.xi_q, theory.xi_grad):
        np.testing.assert_allclose(quantity(noisy), quantity(biased), rtol=EXACT)
    assert theory.c_star(noisy) < theory.c_star(biased)
    found = theory.critical("tanh", sigma_b=0.3, sigma_noise=0.4)
    np.testing.assert_allclose(found.sigma_w, theory.critical("tanh", sigma_b=0.5).sigma_w, rtol=CRITICAL)


def test_critical_relu_forgets_what_two_inputs_have_in_common() -> None:
    net = Dense("relu", (2 * (1 - P)) ** 0.5, dropout=P)
    c = brentq(lambda c: (1 - P) * arc_cosine(c) - c, 0, 1, xtol=PAIR)
    np.testing.assert_allclose(theory.c_star(net), c, atol=2 * PAIR)
    slope = (1 - P) * (np.pi - np.arccos(c)) / np.pi
    np.testing.assert_allclose(theory.meanfield.chi_c(net), slope, atol=2 * PAIR)
    np.testing.assert_allclose(theory.xi_c(net), -1 / np.log(slope), rtol=10 * PAIR)
    rows, at = [], 0.5 * (1 - P)
    for _ in range(8):
        rows.append(at)
        at = (1 - P) * arc_cosine(at)
    np.testing.assert_allclose(theory.layers.c_layers(net, depth=8, c_0=0.5).mean, rows, atol=8 * PAIR)


@pytest.mark.parametrize("name", ["tanh", "relu", "gelu", "linear"])
def test_map_fixed_point_and_profile_agree(name: str) -> None:
    net = Dense(name, 0.8, 0.3, **NOISY)
    c = theory.c_star(net)
    assert 0 <= c < 1
    np.testing.assert_allclose(theory.c_map(c, net), c, atol=PAIR)
    np.testing.assert_allclose(theory.meanfield.c_map_slope(c, net), theory.meanfield.chi_c(net), atol=PAIR)
    around = np.array([c - 1e-4, c + 1e-4])
    np.testing.assert_allclose(np.diff(theory.c_map(around, net)) / 2e-4, theory.meanfield.chi_c(net), rtol=DIFFERENCE)
    np.testing.assert_allclose(theory.layers.c_layers(net, depth=256).mean[-1], c, atol=256 * PAIR)
    diagram = theory.phase_diagram(net)
    assert (diagram.sigma_w, diagram.sigma_b, diagram.c_star) == (0.8, 0.3, c)


@pytest.mark.parametrize(
    ("name", "sigma_b", "exponent"), [("tanh", 0.3, 1 / 2), ("erf", 0.5, 1 / 2), ("relu", 0.0, 1 / 3)]
)
def test_correlation_length_diverges_by_class(name: str, sigma_b: float, exponent: float) -> None:
    """At criticality by p^(-1/2) where the map is smooth at c = 1, and by p^(-1/3) where it has a branch point."""
    sigma_w = theory.critical(name, sigma_b=sigma_b).sigma_w[0]
    drops = np.array([1e-8, 1e-7, 1e-6])
    lengths = [theory.xi_c(Dense(name, sigma_w, sigma_b, dropout=drop)) for drop in drops]
    slope = np.polyfit(np.log(drops), np.log(lengths), 1)[0]
    np.testing.assert_allclose(slope, -exponent, atol=EXPONENT_ERR)
    gaps = [1 - theory.c_star(Dense(name, sigma_w, sigma_b, dropout=drop)) for drop in drops]
    order = np.polyfit(np.log(drops), np.log(gaps), 1)[0]
    np.testing.assert_allclose(order, 1 - exponent, atol=EXPONENT_ERR)


def test_special_scales() -> None:
    odd = Dense("tanh", 1.2, dropout=P)
    np.testing.assert_allclose(theory.c_star(odd), 0, atol=PAIR)
    np.testing.assert_allclose(theory.c_star(Dense("tanh", 0.0, 0.3, dropout=P)), 1, atol=PAIR)
    np.testing.assert_allclose(theory.c_star(Dense("tanh", 0.0, 0.3, sigma_noise=0.3)), 0.5, atol=PAIR)
    many = Dense("tanh", np.array([0.5, 1.5]), np.array([[0.1], [0.2], [0.3]]), dropout=P)
    each = [[theory.c_star(many.replace(sigma_w=w, sigma_b=b)) for w in (0.5, 1.5)] for b in (0.1, 0.2, 0.3)]
    np.testing.assert_allclose(theory.c_star(many), each, atol=PAIR)


@pytest.mark.slow
def test_arrays_of_jax_are_compiled_and_differentiated() -> None:
    with jax.enable_x64(True):
        for quantity in (theory.c_star, theory.xi_c, theory.chi_1):
            at = lambda scale, quantity=quantity: quantity(Dense("tanh", scale, 0.3, **NOISY))
            scale, step = jnp.asarray(1.5), 1e-4
            np.testing.assert_allclose(jax.jit(at)(scale), at(1.5), rtol=10 * PAIR)
            change = (at(1.5 + step) - at(1.5 - step)) / (2 * step)
            np.testing.assert_allclose(jax.grad(at)(scale), change, rtol=DIFFERENCE)


KNOWN = {
    *("c_layers", "c_map", "c_map_curvature", "c_map_slope", "c_star", "chi_1", "chi_c", "decade_depth", "phase"),
    *("phase_diagram", "q_map", "q_slope", "q_star", "q_stars", "xi_c", "xi_grad", "xi_q"),
    *("log_chi_layers", "log_grad_layers", "log_grad_weight_layers", "log_q_layers", "plan", "samples"),
}
"""Functions that take a network with noise."""


def with_noise(given: dict[str, Any]) -> dict[str, Any] | None:
    """The call with noise in its network, if that can have some."""
    nets = {name: net.replace(dropout=P) for name, net in given.items() if isinstance(net, Noisy)}
    return given | nets if nets else None


@pytest.mark.parametrize("room", [theory, measure])
def test_no_other_function_ignores_noise(room: Any) -> None:
    calls = {name: with_noise(given) for name, given in (THEORY if room is theory else MEASURE).items()}
    functions, tried = public(room), 0
    for name, given in calls.items():
        if given is None or name in KNOWN:
            continue
        with pytest.raises(ValueError, match=rf"^{name}: expected a network without noise"):
            functions[name](**given)
        tried += 1
    assert tried > 8


def test_wrong_noise_is_named(refused: Callable[..., Any]) -> None:
    for noun in (Dense, Recurrent):
        with refused(noun.__name__, "dropout"):
            noun("tanh", dropout=1.0)
        with refused(noun.__name__, "mask", "Did you mean 'gaussian'"):
            noun("tanh", mask="gausian")
        with refused(noun.__name__, "sigma_noise"):
            noun("tanh", sigma_noise=-1.0)
    with refused("Dense", "dropconnect"):
        jax.jit(lambda p: theory.chi_1(Dense("tanh", dropconnect=p)))(0.1)
    with refused("critical", "dropout"):
        theory.critical("tanh", dropout=1.5)
    assert repr(Dense("tanh", 1.5, dropout=0.1)) == "Dense('tanh', sigma_w=1.5, dropout=0.1)"
