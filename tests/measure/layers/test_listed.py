"""Networks of listed layers: against plain autodiff of dense matrices, against the law, and without matrices."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import ks_2samp

from tests.tolerances import EQUAL_FLOAT64, FINITE_C, SAME_FLOAT32, SAME_LAW, SIGMAS, SPREAD
from vgtheory import Dense, Estimate, Residual, compare, measure, theory
from vgtheory.measure.engine.draws import words_of
from vgtheory.measure.layers.listed import Listed, planned_layers

QUANTITIES = ("log_grad", "log_grad_weight", "log_q")
NETS: dict[str, Dense] = {
    "relu": Dense("relu", 2**0.5, widths=(50, 30, 80, 20, 10)),
    "mixed": Dense(
        ("tanh", "sigmoid", "gelu", "tanh"), (1.5, 2.0, 3.0, 1.0), 0.3, widths=(20, 60, 128, 64, 90), fan="avg"
    ),
    "straight": Dense(
        ("relu", "linear", "leaky_relu", "relu"), (1.0, 2.0, 1.5, 0.3), widths=(50, 30, 80, 20, 10), fan="out"
    ),
    "biased": Dense("tanh", (1.5, 2.0, 3.0, 1.0, 1.0), (0.1, 0.0, 0.5, 0.2, 1.0), widths=(20, 40, 64, 30, 50, 10)),
    "sine": Dense("sin", (9.0, 1.5, 1.5, 1.5), 0.1, widths=(3, 128, 128, 128, 1)),
    "uniform": Dense("tanh", (1.5, 2.0, 3.0, 1.0, 1.0), 0.2, "uniform", widths=(20, 40, 64, 30, 50, 10)),
    "truncated": Dense("relu", 1.4, 0.0, "truncated_normal", widths=(20, 40, 64, 30, 50, 10)),
    "orthogonal": Dense("tanh", (1.5, 0.8, 2.0, 1.3), (0.1, 0.0, 0.3, 0.2), "orthogonal"),
    "square": Dense("tanh", (1.5, 0.8, 2.0, 1.2), 0.2),
}
QUICK = ("biased",)
NUM_NETS = {"mixed": 600, "orthogonal": 1500}
"""So many that 3 % of sigma_w are seen over three or four narrow layers: 4000 unless named."""


def marked(names: Any, *quick: str) -> list[Any]:
    return [pytest.param(name, marks=() if name in quick else pytest.mark.slow) for name in names]


def size(name: str) -> dict[str, int]:
    return {"width": 64} if name in ("square", "orthogonal") else {}


@pytest.fixture(scope="module")
def sampled() -> Callable[..., Any]:
    """One set of networks per ensemble and sampler."""
    seen: dict[Any, Any] = {}

    def logs(name: str, sampler: str) -> Any:
        if (name, sampler) not in seen:
            key = jax.random.key(5 if sampler == "networks" else 6)
            how: dict[str, Any] = {
                "num_nets": NUM_NETS.get(name, 4000),
                "sampler": sampler,
                "input_square": 2.5,
                **size(name),
            }
            seen[name, sampler] = measure.samples(key, NETS[name], **how)
        return seen[name, sampler]

    return logs


def by_autodiff(key: jax.Array, net: Dense, input_square: float, num_inputs: int) -> tuple[np.ndarray, ...]:
    """Log-norms of one network with matrices of their own shapes, whose gradient JAX takes."""
    plan, rows, layers = planned_layers("test", net, None, None, input_square, "float64")
    drawn = Listed(words_of(jax.random.fold_in(key, 0)), plan, rows, jnp.float64, plan.scalable)
    sizes, depth = layers.sizes, len(layers.activations)
    weights = [drawn.weights(layer + 1) for layer in range(depth)]
    matrices = [each.matrix[:n, :m] for each, n, m in zip(weights, sizes, sizes[1:], strict=False)]
    biases = [each.bias[:m] for each, m in zip(weights, sizes[1:], strict=True)]
    x_0, top = drawn.start(num_inputs)[:, : sizes[0]], drawn.cotangent(num_inputs)[:, : sizes[-1]]

    def energy(offsets: list[jax.Array], matrices: list[jax.Array]) -> tuple[jax.Array, list[jax.Array]]:
        x, seen = x_0, []
        for matrix, bias, offset, phi in zip(matrices, biases, offsets, layers.activations, strict=True):
            h = x @ matrix + bias[None] + offset
            seen.append(h)
            x = phi.phi(h)
        return jnp.vdot(top, h), seen

    zeros = [jnp.zeros((num_inputs, n)) for n in sizes[1:]]
    (grads, weight_grads), hs = jax.grad(energy, argnums=(0, 1), has_aux=True)(zeros, matrices)
    log_q = np.stack([np.log(np.mean(np.asarray(h) ** 2, axis=1)) for h in hs], axis=-1)
    log_grad = np.stack([np.log(np.linalg.norm(np.asarray(g), axis=1)) for g in grads], axis=-1)
    log_weight = np.array([np.log(np.linalg.norm(np.asarray(g))) for g in weight_grads])
    assert np.allclose(np.mean(np.asarray(x_0) ** 2, axis=1), input_square)
    return log_q, log_grad - log_grad[:, -1:], log_weight - log_weight[-1]


@pytest.mark.parametrize("name", marked(("straight", "mixed", "sine"), "straight"))
def test_padded_layers_are_those_of_plain_autodiff(key: jax.Array, name: str) -> None:
    num_inputs = 3
    logs = measure.samples(key, NETS[name], num_nets=1, num_inputs=num_inputs, input_square=2.5, dtype="float64")
    with jax.enable_x64(True):
        log_q, log_grad, log_weight = by_autodiff(key, NETS[name], 2.5, num_inputs)
    np.testing.assert_allclose(logs.log_q[0], log_q, atol=EQUAL_FLOAT64)
    np.testing.assert_allclose(logs.log_grad[0], log_grad, atol=EQUAL_FLOAT64)
    np.testing.assert_allclose(logs.log_grad_weight[0], log_weight, atol=EQUAL_FLOAT64)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["networks", "matrix_free"])
def test_like_layers_are_the_plain_network(key: jax.Array, sampler: str) -> None:
    how: dict[str, Any] = {"num_nets": 3, "sampler": sampler}
    plain = measure.samples(key, Dense("tanh", 1.5, 0.2), depth=4, width=20, **how)
    listed = measure.samples(key, Dense("tanh", 1.5, 0.2, widths=(20,) * 5), **how)
    for ours, theirs in zip(listed, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=10 * SAME_FLOAT32)


def z_and_spread(samples: np.ndarray, law: Any) -> tuple[np.ndarray, np.ndarray]:
    """z at every layer where the law has a spread, and the ratio of the spreads there; a dead network is left out."""
    alive = samples[np.isfinite(samples).all(axis=1)][:, law.std > 0]
    spread = alive.std(axis=0, ddof=1)
    estimate = Estimate(alive.mean(axis=0), spread / len(alive) ** 0.5)
    return compare.z_score(estimate, law.mean[law.std > 0]), spread / law.std[law.std > 0]


def _cases() -> list[Any]:
    """Every network, and where weights are Gaussian without matrices too."""
    pairs = [(name, sampler) for name in NETS for sampler in ("networks", "matrix_free")]
    marks = lambda name: () if name in QUICK else pytest.mark.slow
    return [
        pytest.param(*p, marks=marks(p[0])) for p in pairs if p[1] == "networks" or NETS[p[0]].weights == "gaussian"
    ]


@pytest.mark.parametrize(("name", "sampler"), _cases())
def test_theory_and_measurement_agree(sampled: Callable[..., Any], name: str, sampler: str) -> None:
    for quantity in QUANTITIES:
        law = getattr(theory, f"{quantity}_layers")(NETS[name], input_square=2.5, **size(name))
        z, ratio = z_and_spread(getattr(sampled(name, sampler), quantity), law)
        assert np.abs(z).max() < SIGMAS, quantity
        assert np.abs(np.log(ratio)).max() < SPREAD / 2, quantity
        if quantity != "log_grad_weight":  # over so few layers that hardly depends on a scale that all have in common
            scales = tuple(1.03 * np.broadcast_to(NETS[name].sigma_w, sampled(name, sampler).log_q.shape[-1]))
            law = getattr(theory, f"{quantity}_layers")(
                NETS[name].replace(sigma_w=scales), input_square=2.5, **size(name)
            )
            z = z_and_spread(getattr(sampled(name, sampler), quantity), law)[0]
            assert np.abs(z).max() > SIGMAS, quantity


@pytest.mark.slow
@pytest.mark.parametrize("name", ["straight", "mixed", "biased"])
@pytest.mark.parametrize("num_inputs", [1, 3, 16])
def test_no_matrices_same_law(key: jax.Array, name: str, num_inputs: int) -> None:
    """Sixteen inputs are more than a layer of ten units has."""
    how: dict[str, Any] = {"num_nets": 4000, "num_inputs": num_inputs}
    real, other = (
        measure.samples(jax.random.fold_in(key, k), NETS[name], **how, sampler=sampler)
        for k, sampler in enumerate(("networks", "matrix_free"))
    )
    found = {}
    for quantity in QUANTITIES:
        ours, theirs = (np.nan_to_num(getattr(logs, quantity), nan=-2e4, neginf=-1e4) for logs in (real, other))
        for layer in (0, -1 if quantity == "log_q" else -2):
            first = [x.reshape(4000, -1, x.shape[-1])[:, 0, layer] for x in (ours, theirs)]
            found[f"{quantity} {layer}"] = float(ks_2samp(*first).pvalue)
        if num_inputs > 1 and quantity != "log_grad_weight":
            apart = [x[:, 0, 0] - x[:, 1, -1] for x in (ours, theirs)]
            found[f"{quantity} apart"] = float(ks_2samp(*apart).pvalue)
    assert min(found.values()) > SAME_LAW, found


def _wide(activations: Any) -> Dense:
    return Dense(activations, (1.3, 0.7, 2.0, 0.9), (0.8, 0.1, 1.0, 0.2), widths=(300, 500, 320, 400, 300))


@pytest.mark.parametrize(
    "activations", ["relu", pytest.param(("relu", "tanh", "relu", "relu"), marks=pytest.mark.slow)], ids=["one", "two"]
)
def test_correlations_agree(key: jax.Array, activations: Any) -> None:
    net, how = _wide(activations), {"c_0": 0.6, "input_square": 2.5}
    measured = measure.layers.c_layers(key, net, num_nets=240, **how)  # type: ignore[arg-type]
    scales, biases = net.sigma_w, net.sigma_b
    wrong = (net.replace(sigma_w=scales[::-1]), net.replace(sigma_b=biases[::-1]), net.replace(sigma_b=0.4))
    for each, agrees in ((net, True), *((other, False) for other in wrong)):
        c = theory.layers.c_layers(each, **how).mean  # type: ignore[arg-type]
        allowed = SIGMAS * measured.err + FINITE_C * np.sqrt(1 - c**2) / min(net.widths or ())
        assert (np.abs(measured.value - c) < allowed).all() == agrees


def test_estimates_need_neither_depth_nor_width(key: jax.Array) -> None:
    net = NETS["biased"]
    found = measure.log_q_layers(key, net, num_nets=2)
    assert found.value.shape == (5,)
    assert np.array_equal(found.value, measure.log_q_layers(key, net, depth=5, num_nets=2).value)


def test_what_does_not_fit_is_refused(key: jax.Array, refused: Callable[..., Any]) -> None:
    net = NETS["relu"]
    with refused("log_grad_layers", "depth", "Leave depth out"):
        measure.log_grad_layers(key, net, depth=3, num_nets=1)
    with refused("log_grad_layers", "width", "Leave width out"):
        measure.log_grad_layers(key, net, width=30, num_nets=1)
    with refused("log_q_layers", "width", "Give width="):
        measure.log_q_layers(key, Dense("tanh"), depth=3, num_nets=1)
    with refused("log_q_layers", "depth", "Give depth="):
        measure.log_q_layers(key, Dense("tanh"), width=3, num_nets=1)
    with refused("samples", "widths", "Gaussian"):
        measure.samples(key, net.replace(weights="orthogonal"), num_nets=1)
    with refused("log_bound_layers", "net", "as a list"):
        measure.layers.log_bound_layers(key, net, depth=4, width=30, num_nets=1)
    for other in (Residual("tanh"),):
        with pytest.raises(ValueError, match="expected"):
            measure.log_q_layers(key, other, num_nets=1)
