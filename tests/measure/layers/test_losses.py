"""Gradients of a real loss in real networks: against jax.grad of the same network, and against the law on data."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tolerances import EQUAL_FLOAT64
from vgtheory import Dense, measure, theory
from vgtheory.measure.engine.draws import words_of
from vgtheory.measure.layers.listed import Listed, planned_layers

NET = Dense("tanh", sigma_w=(1.2, 1.3, 2.0), sigma_b=0.3, widths=(12, 16, 8, 5))


@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
def test_gradients_are_those_of_jax_on_the_same_network(key: jax.Array, loss: str) -> None:
    inputs, labels = np.full((1, 12), 0.7), np.array([3])
    with jax.enable_x64(True):
        found = measure.layers.log_loss_grad_layers(
            key, NET, num_nets=1, loss=loss, inputs=inputs, labels=labels, dtype="float64"
        )
        plan, rows, _ = planned_layers("test", NET, None, None, 1.0, "float64")
        scalable = plan.scalable
        words = words_of(jax.random.fold_in(key, 0))

        @jax.jit
        def drawn() -> list[tuple[jax.Array, jax.Array]]:
            layers = Listed(words, plan, jax.tree.map(jnp.asarray, rows), "float64", scalable)
            weights, sizes = map(layers.weights, (1, 2, 3)), itertools.pairwise(NET.widths)
            return [(each.matrix[:a, :b], each.bias[:b]) for each, (a, b) in zip(weights, sizes, strict=True)]

        matrices, biases = zip(*drawn(), strict=True)

        def energy(matrices: tuple[jax.Array, ...]) -> jax.Array:
            h = jnp.asarray(inputs[0]) @ matrices[0] + biases[0]
            for matrix, bias in zip(matrices[1:], biases[1:], strict=True):
                h = jnp.tanh(h) @ matrix + bias
            if loss == "squared":
                return jnp.sum((h - jnp.eye(5)[3]) ** 2) / 2
            return -jax.nn.log_softmax(h)[3]

        expected = [np.log(np.linalg.norm(each)) for each in jax.jit(jax.grad(energy))(matrices)]
    np.testing.assert_allclose(found.value, expected, atol=EQUAL_FLOAT64)


@pytest.mark.parametrize("loss", ["cross_entropy", pytest.param("squared", marks=pytest.mark.slow)])
def test_the_law_holds_on_digits_and_fails_by_three_percent(key: jax.Array, loss: str) -> None:
    """8 x 8 digits at unit mean square, and their labels; sigma_w off by 3 % in every layer fails."""
    from sklearn.datasets import load_digits

    data = load_digits()
    inputs = data.data / np.sqrt(np.mean(data.data**2, axis=1, keepdims=True))
    widths, depth, num_nets = (*(64,) * 20, 10), 20, 400
    nets = [Dense("relu", sigma_w=(scale,) * (depth - 1) + (1.0,), widths=widths) for scale in (2**0.5, 1.03 * 2**0.5)]
    given = {"num_nets": num_nets, "loss": loss, "inputs": inputs, "labels": data.target}
    measured = measure.layers.log_loss_grad_layers(key, nets[0], **given)
    right, wrong = (theory.layers.log_loss_grad_layers(net, loss=loss) for net in nets)
    assert abs((measured.value - right.mean) / measured.err).max() < 4
    assert abs(measured.value - wrong.mean)[0] > 5 * measured.err[0]


def test_data_must_fit_the_network(key: jax.Array) -> None:
    with pytest.raises(ValueError, match="expected inputs and labels together"):
        measure.layers.log_loss_grad_layers(key, NET, num_nets=1, inputs=np.ones((2, 12)))
    with pytest.raises(ValueError, match=r"expected inputs of shape \(2, 12\)"):
        measure.layers.log_loss_grad_layers(key, NET, num_nets=1, inputs=np.ones((2, 11)), labels=[0, 1])
    with pytest.raises(ValueError, match="labels"):
        measure.layers.log_loss_grad_layers(key, NET, num_nets=1, inputs=np.ones((2, 12)), labels=[0, 5])


def test_large_logits_of_few_networks_do_not_make_the_gradient_of_most(key: jax.Array) -> None:
    """Deep ReLU networks differ in the size of their logits, and the gradient grows along them; a mean of its share is 8 standard errors off."""
    width, depth, num_nets = 24, 100, 800
    net = Dense("relu", (2**0.5,) * (depth - 1) + (3.0,), widths=(width,) * depth + (10,))
    law = theory.layers.log_loss_grad_layers(net, loss="squared")
    seen = measure.layers.log_loss_grad_layers(key, net, num_nets=num_nets, loss="squared")
    assert abs(seen.value[0] - law.mean[0]) < 4.5 * law.std[0] / num_nets**0.5
