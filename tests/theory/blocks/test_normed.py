"""Normalised chains: closed forms, sampled spheres, Poincare's bound, and wrong questions."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tolerances import EXACT, LARGE_BATCH, PER_LAYER, SIGMAS
from vgtheory import ACTIVATIONS, Normed, theory
from vgtheory.theory.blocks.batch_norm import averages

BATCHES = (4, 5, 8, 32, 256, 10_000)
Z = np.linspace(-14, 14, 6001)
NORMAL = np.exp(-(Z**2) / 2) / np.sum(np.exp(-(Z**2) / 2))


@pytest.mark.parametrize("batch", BATCHES)
def test_linear_and_relu_have_closed_forms(batch: int) -> None:
    c = -1 / (batch - 1)
    kernel = (np.sqrt(1 - c**2) + (np.pi - np.arccos(c)) * c) / np.pi
    slope = (np.pi - np.arccos(c)) / np.pi
    relu = (slope + batch - 1) / ((batch - 3) * (1 - kernel)) - 1 / (batch - 3)
    assert theory.blocks.batch_norm_rate("relu", batch=batch) == pytest.approx(relu, rel=10 * EXACT)
    assert theory.blocks.batch_norm_rate("linear", batch=batch) == pytest.approx(
        (batch - 2) / (batch - 3), rel=10 * EXACT
    )


@pytest.mark.parametrize("batch", BATCHES)
def test_dropout_between_weights_and_batch_norm_has_closed_forms(batch: int) -> None:
    """It leaves a linear layer's rate; arc-cosine kernels see their angle, and terms in one input are 1 / (1 - p) times as large."""
    c, factor = -1 / (batch - 1), 1 / 0.7
    kernel = (np.sqrt(1 - c**2) + (np.pi - np.arccos(c)) * c) / np.pi
    relu = (np.arccos(-c) / np.pi + kernel + factor * (batch - 2)) / (batch - 3) / (factor - kernel)
    rate = theory.blocks.batch_norm_rate
    assert rate("relu", batch=batch, dropout=0.3) == pytest.approx(relu, rel=10 * EXACT)
    assert rate("linear", batch=batch, dropout=0.3) == pytest.approx((batch - 2) / (batch - 3), rel=10 * EXACT)
    assert rate("relu", dropout=0.3) == pytest.approx(factor / (factor - 1 / np.pi), rel=10 * EXACT)


@pytest.mark.parametrize("place", ["pre", "post"])
@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_one_input_sees_noise_as_larger_scales(norm: str, place: str) -> None:
    net = Normed("gelu", norm, 1.2, 0.3, place, dropout=0.2, dropconnect=0.1, sigma_noise=0.4)
    plain = Normed("gelu", norm, 1.2 / 0.72**0.5, 0.5, place)
    for law in (theory.log_grad_layers, theory.log_q_layers):
        np.testing.assert_allclose(law(net, depth=5).mean, law(plain, depth=5).mean, atol=5 * PER_LAYER)
        assert np.isinf(law(net, depth=5, width=64).std).all()


@pytest.mark.parametrize("name", ["linear", "tanh"])
def test_added_noise_only_adds_to_what_batch_norm_divides_by(name: str) -> None:
    """The variance over the batch, of which a layer's weights make a share."""
    net, batch, added = Normed(name, "batch", 1.2, 0.3, batch=8, dropout=0.2), 8, 0.4
    m, depth = averages(net.activation, batch), 4
    spread = 1.2**2 * np.array([1 / 0.8, *(m["ff"] / 0.8 - m["f12"] for _ in range(depth - 2))])
    changed = 2 * (theory.log_grad_layers(net.replace(sigma_noise=added), depth=depth).mean)
    expected = 2 * theory.log_grad_layers(net, depth=depth).mean
    lost = np.log1p(added**2 / spread)
    np.testing.assert_allclose(changed[:-1], expected[:-1] - np.cumsum(lost[::-1])[::-1], atol=10 * EXACT)


@pytest.mark.parametrize(
    "name", ["tanh", *(pytest.param(name, marks=pytest.mark.slow) for name in ("relu6", "sigmoid", "hard_tanh"))]
)
def test_other_activations_agree_with_sampled_batches(name: str) -> None:
    """The norm's Jacobian applied to a sampled gradient, and phi to sampled batches: nothing of the derivation is used."""
    batch, rng = 7, np.random.default_rng(11)
    h = rng.normal(size=(400_000, batch))
    g = rng.normal(size=h.shape)
    g -= g.mean(axis=1, keepdims=True)
    phi = ACTIVATIONS[name].phi

    def normed(h: Any) -> Any:
        centred = h - jnp.mean(h, axis=1, keepdims=True)
        return centred / jnp.sqrt(jnp.mean(centred**2, axis=1, keepdims=True))

    with jax.enable_x64(True):
        out, pull = jax.vjp(lambda h: phi(normed(h)), jnp.asarray(h))
        back, out = np.asarray(pull(jnp.asarray(g))[0]), np.asarray(out)
    factors = np.sum(back**2, axis=1) / (batch - 1)
    variance = np.sum((out - out.mean(axis=1, keepdims=True)) ** 2, axis=1) / (batch - 1)
    ratio = factors.mean() / variance.mean()
    err = np.std(factors / factors.mean() - variance / variance.mean()) / len(h) ** 0.5
    assert abs(np.log(theory.blocks.batch_norm_rate(name, batch=batch) / ratio)) < SIGMAS * err
    assert abs(np.log(theory.blocks.batch_norm_rate(name, batch=batch + 1) / ratio)) > SIGMAS * err


@pytest.mark.parametrize(
    "name", ["tanh", *(pytest.param(name, marks=pytest.mark.slow) for name in ("sigmoid", "hard_tanh", "softsign"))]
)
def test_averages_over_the_sphere_obey_its_symmetries(name: str) -> None:
    """Of a vector y of B entries that sum to 0 and have the squares' sum B, E y_1 y_2 is -1/(B - 1): with f = y the same rule must give it."""
    for batch in (4, 5, 9, 300):
        m = averages(ACTIVATIONS["linear"], batch)
        assert m["ff"] == pytest.approx(1, abs=EXACT)
        assert m["f12"] == pytest.approx(-1 / (batch - 1), abs=EXACT)
        one = averages(ACTIVATIONS[name], batch)
        assert -one["ff"] / (batch - 1) - EXACT < one["f12"] < one["ff"]


@pytest.mark.parametrize(
    "name", ["relu", *(pytest.param(name, marks=pytest.mark.slow) for name in ("tanh", "sigmoid", "gelu", "hard_tanh"))]
)
def test_large_batches_tend_to_gaussian_averages(name: str) -> None:
    limit = theory.blocks.batch_norm_rate(name)
    assert theory.blocks.batch_norm_rate(name, batch=10**4) == pytest.approx(limit, rel=LARGE_BATCH)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in ("relu", "tanh", "gelu") else pytest.mark.slow) for name in ACTIVATIONS],
)
def test_batch_norm_never_lets_a_gradient_vanish(name: str) -> None:
    assert theory.blocks.batch_norm_rate(name) > 1 - EXACT


def test_large_batches_of_relu_have_a_closed_form() -> None:
    assert theory.blocks.batch_norm_rate("relu") == pytest.approx(np.pi / (np.pi - 1), rel=EXACT)


@pytest.mark.parametrize("batch", BATCHES)
def test_drift_has_a_closed_form_for_straight_lines(batch: int) -> None:
    assert theory.blocks.batch_norm_drift("linear", batch=batch) == pytest.approx(
        (batch - 1) / (batch + 1), rel=100 * EXACT
    )


@pytest.mark.parametrize("name", ["relu", *(pytest.param(name, marks=pytest.mark.slow) for name in ("tanh", "cube"))])
def test_drift_agrees_with_sampled_batches(name: str) -> None:
    """Two inputs of variances a little off, to either side: how far their shares behind the activation part."""
    batch, eps, rng = 7, 0.1, np.random.default_rng(12)
    h = rng.normal(size=(400_000, batch))
    h[:, 0] *= (1 + eps) ** 0.5
    h[:, 1] *= (1 - eps) ** 0.5
    h -= h.mean(axis=1, keepdims=True)
    out = np.array(ACTIVATIONS[name].phi(jnp.asarray(h / np.sqrt(np.mean(h**2, axis=1, keepdims=True)))))
    out -= out.mean(axis=1, keepdims=True)
    apart, size = out[:, 0] ** 2 - out[:, 1] ** 2, np.sum(out**2, axis=1) / (batch - 1)
    # What G diag(1, -1, 0, ...) G has on its first two diagonal places, G taking the mean off.
    unit = 2 * ((1 - 1 / batch) ** 2 - 1 / batch**2) * eps
    seen, err = apart.mean() / size.mean() / unit, apart.std() / size.mean() / unit / len(h) ** 0.5
    assert abs(theory.blocks.batch_norm_drift(name, batch=batch) - seen) < SIGMAS * err
    assert err < 1 / 4 / SIGMAS


def factor(net: Any) -> float:
    """Squared factor of one layer in the middle."""
    log = theory.log_grad_layers(net, depth=8).mean
    return float(np.exp(2 * (log[3] - log[4])))


def test_layer_and_rms_norm_by_a_trapezium_rule() -> None:
    sigmoid = lambda z: 1 / (1 + np.exp(-z))
    slope = lambda z: sigmoid(z) * (1 - sigmoid(z))
    mean = lambda values: float(np.sum(NORMAL * values))
    w2, b2 = 1.3**2, 0.2**2
    before = w2 * mean(slope(Z) ** 2) / (w2 * mean(sigmoid(Z) ** 2) + b2)
    h = (w2 + b2) ** 0.5 * Z
    variance = mean(sigmoid(h) ** 2) - mean(sigmoid(h)) ** 2
    at = lambda norm, place: factor(Normed("sigmoid", norm, 1.3, 0.2, place))
    for norm in ("layer", "rms"):
        assert at(norm, "pre") == pytest.approx(before, rel=100 * PER_LAYER)
    assert at("layer", "post") == pytest.approx(w2 * mean(slope(h) ** 2) / variance, rel=100 * PER_LAYER)
    assert at("rms", "post") == pytest.approx(w2 * mean(slope(h) ** 2) / mean(sigmoid(h) ** 2), rel=100 * PER_LAYER)


def test_layer_norm_after_the_activation_never_lets_a_gradient_vanish_without_biases() -> None:
    for name in ACTIVATIONS:
        assert factor(Normed(name, "layer", 1.4, place="post")) > 1 - EXACT, name


def test_the_ends_of_a_chain_with_batch_norm() -> None:
    """The last layer's gradient is independent from input to input, and the first norm sees the data's variance."""
    net, rate = Normed("relu", "batch", 1.3, batch=8), theory.blocks.batch_norm_rate("relu", batch=8)
    factors = np.exp(-2 * np.diff(theory.log_grad_layers(net, depth=9).mean))
    np.testing.assert_allclose(factors[1:-1], rate, rtol=EXACT * 100)
    m = averages(ACTIVATIONS["relu"], 8)
    assert factors[0] == pytest.approx(rate * (m["ff"] - m["f12"]), rel=100 * EXACT)
    assert factors[-1] == pytest.approx((7 * m["gg"] - m["kk"]) / 5 / (m["ff"] - m["f12"]), rel=100 * EXACT)


def test_wrong_questions_are_refused(refused: Callable) -> None:
    for make in (
        lambda: Normed("relu", "group"),
        lambda: Normed("relu", "batch"),
        lambda: Normed("relu", "batch", batch=2),
        lambda: Normed("relu", "batch", batch=8, place="post"),
        lambda: Normed("relu", place="within"),
        lambda: Normed("relu", sigma_w=-1.0),
    ):
        with pytest.raises(ValueError, match=r"^Normed: expected .+, got .+\."):
            make()
    with refused("batch_norm_rate", "batch", "Of 3 the mean square is infinite"):
        theory.blocks.batch_norm_rate("relu", batch=3)
