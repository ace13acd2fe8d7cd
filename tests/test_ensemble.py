"""The nouns for a random network: what they accept, what they refuse, how they travel through JAX."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vgtheory import (
    ACTIVATIONS,
    GRU,
    LSTM,
    MGU,
    Activation,
    Conv,
    Dense,
    FixedRecurrent,
    Normed,
    Recurrent,
    Residual,
    Skip,
    Transformer,
    theory,
)


@pytest.mark.parametrize("kind", [Dense, Conv, Recurrent])
def test_the_activation_is_resolved(kind: type) -> None:
    assert kind("relu", sigma_w=1.0).activation is ACTIVATIONS["relu"]
    assert isinstance(kind(jnp.tanh, sigma_w=1.0).activation, Activation)


@pytest.mark.parametrize("kind", [Dense, Recurrent])
def test_scales_are_leaves_and_the_rest_is_structure(kind: type) -> None:
    net = kind("tanh", sigma_w=1.5, sigma_b=0.5, weights="orthogonal")
    leaves, structure = jax.tree.flatten(net)
    assert leaves == [1.5, 0.5]
    assert jax.tree.unflatten(structure, leaves) == net
    assert structure != jax.tree.structure(kind("relu", sigma_w=1.5, sigma_b=0.5, weights="orthogonal"))


def test_kernels_are_structure() -> None:
    leaves, structure = jax.tree.flatten(Conv("tanh", 1.5, 0.5, 5, "delta_orthogonal", "zero"))
    assert leaves == [1.5, 0.5]
    assert jax.tree.unflatten(structure, leaves) == Conv("tanh", 1.5, 0.5, 5, "delta_orthogonal", "zero")


def test_a_matrix_is_a_leaf() -> None:
    assert [np.shape(leaf) for leaf in jax.tree.leaves(FixedRecurrent("tanh", matrix=np.eye(3)))] == [(3, 3), ()]


def test_nets_pass_through_jit_vmap_and_grad() -> None:
    nets = Dense("tanh", sigma_w=jnp.array([1.0, 2.0]), sigma_b=jnp.array([0.0, 1.0]))
    total = jax.jit(jax.vmap(lambda net: net.sigma_w**2 + net.sigma_b))(nets)
    assert total.tolist() == [1.0, 5.0]
    slope = jax.grad(lambda net: net.sigma_w**2 + net.sigma_b)(Dense("tanh", sigma_w=3.0, sigma_b=1.0))
    assert (float(slope.sigma_w), float(slope.sigma_b)) == (6.0, 1.0)
    trace = jax.jit(lambda net: jnp.trace(net.matrix))(FixedRecurrent("tanh", matrix=jnp.eye(3)))
    assert float(trace) == 3.0


def test_nets_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Dense("tanh").sigma_w = 2.0


@pytest.mark.parametrize("kind", [Dense, Recurrent])
def test_wrong_scales(kind: type, refused: pytest.RaisesExc) -> None:
    where = kind.__name__
    for bad in (-1.0, -1, np.nan, np.inf, np.array([1.0, -1.0]), np.float32(np.nan), "1", True):
        with refused(where, "sigma_w"):
            kind("tanh", sigma_w=bad)
        with refused(where, "sigma_b"):
            kind("tanh", sigma_w=1.0, sigma_b=bad)
    with refused(where, "weights", remedy=r"Did you mean 'orthogonal'\?$"):
        kind("tanh", sigma_w=1.0, weights="orthogonl")


def test_wrong_matrices(refused: pytest.RaisesExc) -> None:
    for matrix, got in (
        (np.ones((2, 3)), "shape"),
        (np.eye(2) + 0j, "matrix"),
        (np.diag([1.0, np.nan]), "matrix"),
    ):
        with refused("FixedRecurrent", got):
            FixedRecurrent("tanh", matrix=matrix)
        with refused("FixedRecurrent", got):
            FixedRecurrent("tanh", matrix=jnp.asarray(matrix))


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (Dense("tanh", 1.5), "Dense('tanh', sigma_w=1.5)"),
        (Dense(jnp.tanh, np.float32(1.5), 0, "orthogonal"), "Dense('tanh', sigma_w=1.5, weights='orthogonal')"),
        (Dense(Activation("own", jnp.sinh)), "Dense('own')"),
        (Dense("relu", np.array([1.0, 2.0])), "Dense('relu', sigma_w=[1.0, 2.0])"),
        (Dense("relu", jnp.arange(6.0).reshape(2, 3)), "Dense('relu', sigma_w=array(0.0 ... 5.0, shape=(2, 3)))"),
        (Dense("relu", np.zeros(0)), "Dense('relu', sigma_w=[])"),
        (Conv("relu", kernel_size=5), "Conv('relu', kernel_size=5)"),
        (Recurrent("tanh"), "Recurrent('tanh')"),
        (FixedRecurrent("tanh", 2.0 * np.eye(2)), "FixedRecurrent('tanh', matrix=array(2.0 ... 2.0, shape=(2, 2)))"),
        (Residual("relu", alpha="1/L", norm="rms"), "Residual('relu', alpha='1/L', norm='rms')"),
        (Normed("relu", place="post"), "Normed('relu', place='post')"),
        (Transformer(), "Transformer('gelu')"),
        (LSTM(1.5, forget_bias=3.0), "LSTM(sigma_w=1.5, forget_bias=3.0)"),
        (GRU(1.5, 0.5), "GRU(sigma_w=1.5, sigma_gate=0.5)"),
        (Skip("erf"), "Skip('erf')"),
    ],
)
def test_nets_print_the_call_that_makes_them(net: object, words: str) -> None:
    assert repr(net) == words


def test_activations_print_their_name() -> None:
    assert repr(ACTIVATIONS["tanh"]) == "Activation('tanh')"
    assert repr(Activation("own", jnp.sinh)) == "Activation('own')"


def test_nets_print_what_is_traced_and_whatever_jax_puts_in_their_place() -> None:
    seen = []
    jax.vmap(jax.jit(lambda net: (seen.append(repr(net)), net.sigma_w)[1]))(Dense("tanh", jnp.ones(3), jnp.ones(3)))
    assert seen == ["Dense('tanh', sigma_w=traced(shape=()), sigma_b=traced(shape=()))"]
    assert "None" in repr(jax.tree.map(lambda leaf: None, Dense("tanh")))


def test_replace_asks_again(refused: pytest.RaisesExc) -> None:
    net = Dense("tanh", 1.5, 0.1, "orthogonal")
    assert net.replace(sigma_w=2.0, activation="swish") == Dense("silu", 2.0, 0.1, "orthogonal")
    assert net.replace() == net
    assert Transformer().replace(place="post").place == "post"
    of_arrays = Transformer(sigma_w=jnp.asarray(1.2))  # sigma_v follows, which is asked within a trace
    assert float(jax.jit(lambda scale: of_arrays.replace(sigma_w=scale).sigma_v)(2.0)) == 2.0
    with refused("Dense", "sigma_w"):
        net.replace(sigma_w=-1.0)
    with refused("Dense.replace", "field", remedy=r"Did you mean 'sigma_w'\?$"):
        net.replace(sigmaw=2.0)


@pytest.mark.parametrize("kind", [LSTM, GRU, MGU])
def test_the_gates_follow_unless_they_are_given(kind: type) -> None:
    assert kind(1.5).replace(sigma_w=2.0) == kind(2.0)
    assert kind(1.5, sigma_gate=0.5).replace(sigma_w=2.0) == kind(2.0, sigma_gate=0.5)
    assert kind(1.5).replace(sigma_gate=0.5) == kind(1.5, sigma_gate=0.5)


def test_a_refusal_shows_the_network() -> None:
    with pytest.raises(
        ValueError, match=r"^chi_1: .+ net=FixedRecurrent\('tanh', matrix=.+\)\. For a given matrix use "
    ):
        theory.chi_1(FixedRecurrent("tanh", np.eye(2)))
