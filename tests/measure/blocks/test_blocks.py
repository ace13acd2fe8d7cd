"""Residual and normalised chains: plain autodiff, theory and measurement within five standard errors, and 3 % off that fails."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from tests.tolerances import EQUAL_FLOAT32, EQUAL_FLOAT64, SAME_LAW, SIGMAS, SPREAD
from vgtheory import Normed, Residual, measure, theory
from vgtheory.measure.blocks import blocks
from vgtheory.measure.engine.draws import words_of
from vgtheory.measure.engine.networks import draw_cotangent, draw_input
from vgtheory.networks.blocks import alpha_of

SMALL = {
    "plain": Residual("tanh", 1.3, 0.2, 0.7, 2),
    "homogeneous": Residual("relu", 1.3, 0.2, "1/sqrt(L)"),
    "pre": Residual("gelu", 1.3, 0.2, norm="layer"),
    "post": Residual("tanh", 1.3, 0.2, norm="rms", place="post"),
    "batch": Residual("tanh", 1.3, 0.2, norm="batch", batch=5),
    "before": Normed("relu", "batch", 1.3, 0.2, batch=5),
    "after": Normed("sigmoid", "layer", 1.3, 0.2, place="post"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "batch" else pytest.mark.slow) for name in SMALL]
)
def test_logs_are_those_of_plain_autodiff(key: jax.Array, name: str) -> None:
    net, depth, width = SMALL[name], 3, 6
    rows = net.batch or 3
    many = {"num_inputs": None if net.batch else rows}
    logs = measure.samples(key, net, depth=depth, width=width, num_nets=1, dtype="float64", **many)
    with jax.enable_x64(True):
        words = words_of(jax.random.fold_in(key, 0))
        vectors = (words, width, "float64", rows)
        start, top = draw_input(*vectors), draw_cotangent(*vectors)
        alphas = np.full((depth, rows), alpha_of(net, depth) if isinstance(net, Residual) else 0.0)

        def energy(offsets: Any, alphas: Any) -> tuple[Any, Any]:
            h, seen = start, []
            for l in range(depth):
                one = (net, blocks.Draw(net, words, False), jnp.int32(l + 1))
                if isinstance(net, Normed):
                    h = blocks._layer(*one, h)
                else:
                    h = blocks._block(*one, (h, jnp.zeros(rows, "float64")), alphas[l], False)
                h = h + offsets[l]
                seen.append(h)
            return jnp.vdot(top, h), seen

        (by_h, by_alpha), seen = jax.jit(jax.grad(energy, argnums=(0, 1), has_aux=True))(
            np.zeros((depth, rows, width)), alphas
        )
    over = (1, 2) if net.batch else 2
    sizes, q = np.sqrt(np.sum(np.asarray(by_h) ** 2, axis=over)), np.mean(np.stack(seen) ** 2, axis=over)
    turned = (lambda x: x) if net.batch else np.transpose
    np.testing.assert_allclose(logs.log_grad[0], turned(np.log(sizes / sizes[-1])), atol=EQUAL_FLOAT64)
    np.testing.assert_allclose(logs.log_q[0], turned(np.log(q)), atol=EQUAL_FLOAT64)
    if isinstance(net, Residual):
        slopes = np.asarray(by_alpha).sum(axis=1) if net.batch else np.asarray(by_alpha)
        np.testing.assert_allclose(logs.log_grad_alpha[0], turned(np.log(abs(slopes) / sizes[-1])), atol=1e-9)


def z_of(samples: np.ndarray, law: np.ndarray) -> np.ndarray:
    """Standard errors between a sample mean and a law, at each layer."""
    return (samples.mean(axis=0) - law) / (samples.std(axis=0, ddof=1) / samples.shape[0] ** 0.5 + 1e-5)


TWINS: dict[str, tuple[Any, int, int, int]] = {
    "linear": (Residual("linear", 1.0), 30, 64, 60),
    "relu": (Residual("relu", 2**0.5), 30, 128, 60),
    "relu 1/sqrt(L)": (Residual("relu", 2**0.5, alpha="1/sqrt(L)"), 300, 8192, 32),
    "tanh": (Residual("tanh", 1.5), 300, 8192, 24),
    "tanh, two layers": (Residual("tanh", 1.5, 0.3, 0.8, 2), 40, 8192, 24),
    "tanh pre": (Residual("tanh", 1.5, 0.3, norm="rms"), 200, 8192, 24),
    "tanh post": (Residual("tanh", 1.5, 0.5, norm="layer", place="post"), 100, 8192, 24),
    "sigmoid before": (Normed("sigmoid", "layer", 1.3, 0.5), 40, 8192, 24),
    "tanh after": (Normed("tanh", "rms", 1.5, 0.2, place="post"), 40, 8192, 24),
    "relu pre, batch": (Residual("relu", 1.5, norm="batch", batch=8), 100, 4096, 8),
}
"""Ensemble, depth, width, number of networks; without matrices where wide, so that infinite width is right to a fraction of the error."""
WIDE = 512
QUICK = ("relu", "tanh pre")
"""A batch within a residual chain takes half a minute; `test_batch_norm_multiplies_the_gradient_by_its_rate` has one without."""
LOGARITHMIC = ("tanh pre", "relu pre, batch")
"""Their gradients grow as a power of the depth, which hardly knows sigma_w: the stream does."""
EACH = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in TWINS]


def laws(name: str, off: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Predicted log gradient and log q; at the width where there is a law there."""
    net, depth, width, _ = TWINS[name]
    net = dataclasses.replace(net, sigma_w=off * net.sigma_w)
    grad, q = theory.log_grad_layers(net, depth=depth, width=width), theory.log_q_layers(net, depth=depth, width=width)
    return grad.mean, q.mean


@pytest.fixture(scope="module")
def sampled() -> Callable[[str], measure.blocks.BlockLogs]:
    """One set of networks per ensemble, shared by the tests of this file."""

    @functools.cache
    def logs(name: str) -> measure.blocks.BlockLogs:
        net, depth, width, num_nets = TWINS[name]
        how = {"sampler": "matrix_free" if width > WIDE else "networks"}
        return measure.samples(jax.random.key(31), net, depth=depth, width=width, num_nets=num_nets, **how)

    return logs


@pytest.mark.optimised
@pytest.mark.parametrize("name", EACH)
def test_profiles_agree_and_three_percent_off_fails(sampled: Callable, name: str) -> None:
    logs = sampled(name)
    worst = lambda off: [
        np.max(np.abs(z_of(samples, law)))
        for samples, law in zip((logs.log_grad, logs.log_q), laws(name, off), strict=True)
    ]
    assert max(worst(1.0)) < SIGMAS
    assert worst(1.03)[name in LOGARITHMIC] > SIGMAS


@pytest.mark.optimised
@pytest.mark.parametrize("name", [pytest.param("linear", marks=pytest.mark.slow), "relu"])
def test_the_scatter_of_straight_branches_is_as_predicted(sampled: Callable, name: str) -> None:
    net, depth, width, num_nets = TWINS[name]
    logs, size = sampled(name), {"depth": depth, "width": width}
    for samples, law, layer in (
        (logs.log_grad, theory.log_grad_layers(net, **size), 0),
        (logs.log_q, theory.log_q_layers(net, **size), -1),
    ):
        ratio = samples[:, layer].std(ddof=1) / law.std[layer]
        assert abs(np.log(ratio)) < SIGMAS / (2 * num_nets) ** 0.5


BATCHES = {5: (512, 16), 8: (512, 12), 32: (512, 8), 256: (8192, 2)}
"""Width and number of networks."""
BATCH_DEPTH, COUNTED = 62, slice(1, 22)
"""Layers counted: the gradient has come through forty. Higher up the norms of single inputs, which ReLU keeps as they are, have drifted
apart by an amount of order layer/width, up to batch/width."""


def batch_increments(key: jax.Array, name: str, batch: int, width: int, num_nets: int) -> np.ndarray:
    """Log-factors of the squared gradient, each layer's of each network."""
    net = Normed(name, "batch", batch=batch)
    how = {"sampler": "matrix_free" if width > WIDE else "networks"}
    logs = measure.samples(key, net, depth=BATCH_DEPTH, width=width, num_nets=num_nets, **how).log_grad
    return -2 * np.diff(logs)[:, COUNTED]


def mean_factor(increments: np.ndarray) -> tuple[float, float]:
    """Log of the mean factor of the square, and its standard error; neighbouring layers are independent to order 1/width."""
    factors = np.exp(increments)
    return float(np.log(factors.mean())), float(factors.std(ddof=1) / factors.mean() / factors.size**0.5)


@pytest.mark.parametrize(
    ("name", "batch"),
    [
        ("relu", 8),
        *(pytest.param("relu", batch, marks=pytest.mark.slow) for batch in (5, 32, 256)),
        *(pytest.param(name, 8, marks=pytest.mark.slow) for name in ("linear", "sigmoid", "tanh", "gelu")),
    ],
)
def test_batch_norm_multiplies_the_gradient_by_its_rate(key: jax.Array, name: str, batch: int) -> None:
    rate, err = mean_factor(batch_increments(key, name, batch, *BATCHES[batch]))
    assert abs(rate - np.log(theory.blocks.batch_norm_rate(name, batch=batch))) < SIGMAS * err
    wrong = {5: 6, 8: 9, 32: 64, 256: 400}[batch]
    assert abs(rate - np.log(theory.blocks.batch_norm_rate(name, batch=wrong))) > SIGMAS * err


@pytest.mark.slow
def test_a_batch_whose_drift_is_above_one_leaves_the_fixed_point(key: jax.Array) -> None:
    assert theory.blocks.batch_norm_drift("gelu", batch=8) < 1 < theory.blocks.batch_norm_drift("gelu", batch=128)
    rate, err = mean_factor(batch_increments(key, "gelu", 128, 512, 2))
    assert rate > np.log(theory.blocks.batch_norm_rate("gelu", batch=128)) + SIGMAS * err


@pytest.mark.optimised
@pytest.mark.parametrize("name", ["relu", pytest.param("tanh", marks=pytest.mark.slow)])
def test_alphas_at_zero_all_have_the_gradient_that_theory_says(key: jax.Array, name: str) -> None:
    """The network of ReLU has the size of its twin test, and so its program."""
    net, (_, depth, width, num_nets) = Residual(name, 1.5, alpha=0.0), TWINS["relu"]
    size = {"depth": depth, "width": width}
    logs = measure.samples(key, net, **size, num_nets=num_nets).log_grad_alpha
    law = theory.blocks.log_grad_alpha_layers(net, depth=depth)
    assert np.max(np.abs(z_of(logs, law.mean))) < SIGMAS
    pooled = logs.mean() - law.mean[0]
    wrong = theory.blocks.log_grad_alpha_layers(Residual(name, 1.5 * 1.2, alpha=0.0), depth=depth).mean[0]
    err = law.std[0] / logs.size**0.5
    assert abs(pooled) < SIGMAS * err < abs(pooled - (wrong - law.mean[0]))
    assert abs(np.log(logs.std() / law.std[0])) < SPREAD
    seen = measure.blocks.log_grad_alpha_layers(key, net, **size, num_nets=num_nets)
    assert np.array_equal(seen.value, logs.mean(axis=0))


FIRST = {
    "SkipInit": (Residual.skip_init(), "alpha"),
    "Fixup": (Residual.fixup("tanh", depth=6, branch_layers=3), "last"),
    "pre-norm, two layers": (Residual("tanh", 1.5, 0.3, 0.0, 2, norm="layer"), "alpha"),
    "last layers of He's scale": (Residual.skip_init("gelu", branch_layers=2), "last"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FIRST)
def test_the_first_step_of_branches_that_start_at_zero(key: jax.Array, name: str) -> None:
    net, learned = FIRST[name]
    size = {"depth": 6, "width": 128}
    seen = measure.blocks.first_decrease(key, net, **size, num_nets=48 if learned == "last" else 1000, learned=learned)
    law = lambda net: theory.blocks.first_decrease(net, depth=6, learned=learned).mean
    assert abs(seen.value - law(net)) < SIGMAS * seen.err + law(net) / size["width"]
    assert abs(seen.value - law(net.replace(sigma_w=1.2 * net.sigma_w))) > SIGMAS * seen.err + law(net) / size["width"]


@pytest.mark.parametrize(
    "net",
    [
        pytest.param(Residual("relu", 1.4, 0.3), id="skip", marks=pytest.mark.slow),
        pytest.param(Normed("tanh", "batch", 1.4, batch=5), id="batch", marks=pytest.mark.slow),
    ],
)
def test_without_matrices_the_law_is_the_same_at_any_width(key: jax.Array, net: Any) -> None:
    size = {"depth": 8, "width": 12, "num_nets": 800}
    one, other = jax.random.split(key)
    real = measure.samples(one, net, **size)
    free = measure.samples(other, net, **size, sampler="matrix_free")
    for seen, same in ((real.log_grad[:, 0], free.log_grad[:, 0]), (real.log_q[:, -1], free.log_q[:, -1])):
        assert stats.ks_2samp(seen, same).pvalue > SAME_LAW


def test_a_number_of_inputs_is_followed_one_by_one(sampled: Callable) -> None:
    net, depth, width, _ = TWINS["relu"]
    many = measure.samples(jax.random.key(31), net, depth=depth, width=width, num_nets=3, num_inputs=4)
    assert many.log_grad.shape == (3, 4, depth)
    np.testing.assert_allclose(many.log_grad[:, 0], sampled("relu").log_grad[:3], atol=EQUAL_FLOAT32)


def test_wrong_questions_are_refused(refused: Callable, key: jax.Array) -> None:
    size = {"depth": 3, "width": 8, "num_nets": 2}
    with refused("samples", "net"):
        measure.samples(key, "residual", **size)
    with refused("samples", "num_inputs"):
        measure.samples(key, Normed("relu", "batch", batch=5), **size, num_inputs=4)
    with refused("samples", "sigma_w", "Call it once for each"):
        measure.samples(key, Residual("relu", np.ones(2)), **size)
    with refused("samples", "sampler", "Did you mean 'matrix_free'"):
        measure.samples(key, Residual("relu"), **size, sampler="matrixfree")
    with refused("samples", "rows"):
        measure.samples(key, Normed("relu", "batch", batch=9), **size, sampler="matrix_free")
    with refused("log_chi_layers", "net"):
        measure.layers.log_chi_layers(key, Residual("relu"), **size)
    with refused("first_decrease", "alpha", "Give Residual.skip_init"):
        measure.blocks.first_decrease(key, Residual("relu"), **size)
    with refused("first_decrease", "learned", "Did you mean 'last'"):
        measure.blocks.first_decrease(key, Residual.skip_init(), learned="lest", **size)
    with refused("log_grad_alpha_layers", "net"):
        measure.blocks.log_grad_alpha_layers(key, Normed("relu"), **size)
