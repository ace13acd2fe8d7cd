"""A batch of inputs at infinite width: closed forms at unlike lengths, 30 digits, the tangent kernel's sum, and wrong questions."""

from collections.abc import Callable

import mpmath
import numpy as np
import pytest

from tests.tolerances import EXACT, PAIR, PER_LAYER
from vgtheory import Dense, theory
from vgtheory.activation import as_activation
from vgtheory.theory.integrals import moments_2d

DEPTH, SIGMA_W, SIGMA_B = 5, 1.3, 0.4
UNLIKE = [(0.3, 2.0, 0.7), (1e-3, 5.0, -0.9), (1.0, 1.5, 0.9999), (2.0, 0.5, 0.0), (2.0, 0.5, 1.0), (2.0, 0.5, -1.0)]
"""Two variances and a correlation."""


def inputs(batch: int = 4, features: int = 6) -> np.ndarray:
    """Inputs whose lengths differ by factors."""
    drawn = np.random.default_rng(3).standard_normal((batch, features))
    return drawn * np.geomspace(0.2, 3, batch)[:, None]


def arc_sine(q_u: np.ndarray, q_v: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E[phi phi] and E[phi' phi'] of erf (Williams 1997)."""
    both = (1 + 2 * q_u) * (1 + 2 * q_v)
    return 2 / np.pi * np.arcsin(2 * k / np.sqrt(both)), 4 / np.pi / np.sqrt(both - 4 * k**2)


def arc_cosine(q_u: np.ndarray, q_v: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those of ReLU (Cho and Saul 2009)."""
    size = np.sqrt(q_u * q_v)
    angle = np.arccos(np.clip(k / size, -1, 1))
    return size * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / 2 / np.pi, (np.pi - angle) / 2 / np.pi


FORMS = {"erf": arc_sine, "relu": arc_cosine}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("pair", UNLIKE)
def test_pairs_of_unlike_lengths_have_their_closed_forms(name: str, pair: tuple[float, float, float]) -> None:
    q, c = np.array(pair[:2]), pair[2]
    found = moments_2d.unlike_pair(np.log(q), c, as_activation(name))
    np.testing.assert_allclose(found, FORMS[name](*q, c * np.sqrt(q.prod())), rtol=EXACT, atol=EXACT)


def clipped(m: mpmath.mpf, s: mpmath.mpf) -> mpmath.mpf:
    """E of hard_tanh(m + s z)."""
    up, down = (1 - m) / s, (-1 - m) / s
    inside = m * (mpmath.ncdf(up) - mpmath.ncdf(down)) + s * (mpmath.npdf(down) - mpmath.npdf(up))
    return inside + 1 - mpmath.ncdf(up) - mpmath.ncdf(down)


def test_kinks_at_unlike_lengths_keep_thirty_digits_company() -> None:
    q_u, q_v, c = 0.8, 6.0, 0.6
    with mpmath.workdps(30):
        u, v = mpmath.sqrt(q_u), mpmath.sqrt(q_v)
        s = v * mpmath.sqrt(1 - mpmath.mpf(c) ** 2)
        own = lambda z: min(max(u * z, -1), 1) * clipped(c * v * z, s) * mpmath.npdf(z)
        slope = lambda z: (mpmath.ncdf((1 - c * v * z) / s) - mpmath.ncdf((-1 - c * v * z) / s)) * mpmath.npdf(z)
        ends = [-12, -4, -1 / u, 0, 1 / u, 4, 12]
        wanted = [float(mpmath.quad(own, ends)), float(mpmath.quad(slope, ends[2:5]))]
    found = moments_2d.unlike_pair(np.log([q_u, q_v]), c, as_activation("hard_tanh"))
    np.testing.assert_allclose(found, wanted, rtol=PAIR)


@pytest.mark.parametrize("name", ["gelu", "tanh"])
def test_pairs_of_unlike_lengths_meet_the_tables_where_lengths_are_alike(name: str) -> None:
    log_q, c, activation = np.full(2, 0.4), 0.35, as_activation(name)
    alike = theory.layers.gram_layers(Dense(name, 1.0), np.linalg.cholesky([[1, c], [c, 1]]) * 2**0.5, depth=2)
    found = moments_2d.unlike_pair(np.zeros(2), c, activation)[0]
    assert found == pytest.approx(np.exp(alike.log_q[1, 0]) * alike.c[1, 0, 1], rel=PAIR)
    assert np.isfinite(moments_2d.unlike_pair(log_q, c, activation)).all()


@pytest.mark.parametrize("name", FORMS)
def test_every_layer_follows_the_closed_forms(name: str) -> None:
    x, rng = inputs(), np.random.default_rng(4)
    cotangent = np.cov(rng.standard_normal((4, 9)))
    found = theory.layers.gram_layers(Dense(name, SIGMA_W, SIGMA_B), x, depth=DEPTH, cotangent=cotangent)
    signals, gram, chi = [x @ x.T / x.shape[1]], [], []
    for _ in range(DEPTH):
        gram.append(SIGMA_W**2 * signals[-1] + SIGMA_B**2)
        q = np.diagonal(gram[-1])
        moments = FORMS[name](q[:, None], q[None, :], gram[-1])
        signals.append(moments[0])
        chi.append(SIGMA_W**2 * moments[1])
    back = cotangent
    for layer in reversed(range(DEPTH)):
        size, own = (np.sqrt(np.diagonal(each)) for each in (gram[layer], back))
        np.testing.assert_allclose(found.log_q[layer], 2 * np.log(size), atol=DEPTH * PER_LAYER)
        np.testing.assert_allclose(found.c[layer], gram[layer] / np.outer(size, size), atol=DEPTH * PAIR)
        np.testing.assert_allclose(found.log_grad[layer], np.log(own), atol=DEPTH * PER_LAYER)
        np.testing.assert_allclose(found.c_grad[layer], back / np.outer(own, own), atol=DEPTH * PAIR)
        batch = np.log(np.sum(back * signals[layer])) / 2
        assert found.log_grad_weight[layer] == pytest.approx(batch, abs=DEPTH * PAIR)
        back = back * chi[layer - 1]


def test_the_layers_gradients_add_up_to_the_tangent_kernel() -> None:
    """Of two inputs with one cotangent: kernel of each with itself, and twice that of the pair."""
    net, c, sizes = Dense("tanh", 1.5, 0.3), 0.4, np.array([64, 300, 300, 300])
    x = np.linalg.cholesky([[1, c], [c, 1]]) * 2**0.5
    found = theory.layers.gram_layers(net, x, depth=4)
    biases = np.einsum("lb,lc,lbc->", np.exp(found.log_grad), np.exp(found.log_grad), found.c_grad)
    kernel = theory.training.tangent_kernel(net, depth=4, width=300, num_inputs=64, c_0=c)
    total = np.sum(sizes * np.exp(2 * found.log_grad_weight)) + biases
    assert total == pytest.approx(2 * np.exp(kernel.log_size) * (1 + kernel.cosine), rel=4 * PAIR)


def test_one_example_has_the_profiles_of_one_input() -> None:
    net = Dense(("tanh", "gelu", "relu"), (1.2, 1.5, 1.1), 0.2, widths=(8, 16, 4, 8), fan="avg")
    found = theory.layers.gram_layers(net, np.full((1, 8), 0.5))
    how = {"width": np.inf, "input_square": 0.25}
    assert found.log_q[:, 0] == pytest.approx(theory.log_q_layers(net, **how).mean, abs=PAIR)
    assert found.log_grad[:, 0] == pytest.approx(theory.log_grad_layers(net, **how).mean, abs=PAIR)


def test_independent_cotangents_add_squares_and_copies_add_lengths() -> None:
    net, x = Dense("relu", 1.4, 0.2), inputs()
    apart = theory.layers.gram_layers(net, x, depth=3, cotangent=np.eye(4)).log_grad_weight
    alone = [theory.layers.gram_layers(net, row[None], depth=3).log_grad_weight for row in x]
    np.testing.assert_allclose(apart, np.logaddexp.reduce(2 * np.array(alone)) / 2, atol=3 * PAIR)
    copies = theory.layers.gram_layers(net, np.repeat(x[:1], 3, axis=0), depth=3).log_grad_weight
    np.testing.assert_allclose(copies, alone[0] + np.log(3), atol=3 * PAIR)


def test_a_relu_network_may_be_deep() -> None:
    """A gradient of 10^-600 is a number, and only lengths change."""
    found = theory.layers.gram_layers(Dense("relu", 0.001), inputs(2), depth=200)
    step = np.log(0.001**2 / 2)
    np.testing.assert_allclose(np.diff(found.log_q, axis=0), step, rtol=PAIR)
    assert found.log_grad[0, 0] == pytest.approx(199 * step / 2, rel=PAIR)


def test_an_example_of_zeros_sees_biases_only() -> None:
    x = np.stack([np.zeros(3), np.ones(3)])
    found = theory.layers.gram_layers(Dense("relu", 1.0, 0.5), x, depth=2)
    np.testing.assert_allclose(found.c[0, 0, 1], (0.25 / 1.25) ** 0.5, rtol=EXACT)
    assert np.isfinite(found.log_grad_weight).all()


def test_wrong_questions_are_named(refused: Callable) -> None:
    net, x = Dense("tanh"), np.ones((2, 3))
    with refused("gram_layers", "inputs"):
        theory.layers.gram_layers(net, np.ones(3), depth=2)
    with refused("gram_layers", "inputs"):
        theory.layers.gram_layers(Dense("tanh", widths=(4, 4)), x)
    with refused("gram_layers", "depth"):
        theory.layers.gram_layers(net, x)
    with refused("gram_layers", "cotangent"):
        theory.layers.gram_layers(net, x, depth=2, cotangent=np.ones((3, 3)))
    with refused("gram_layers", "cotangent"):
        theory.layers.gram_layers(net, x, depth=2, cotangent=np.array([[1.0, 2.0], [2.0, 1.0]]))
    with refused("gram_layers", "sigma_w"):
        theory.layers.gram_layers(Dense("tanh", np.ones(2)), x, depth=2)
