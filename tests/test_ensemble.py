"""The nouns for a random network: what they accept, what they refuse, how they travel through JAX."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vgtheory import ACTIVATIONS, Activation, Conv, Dense, Recurrent


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
    assert [np.shape(leaf) for leaf in jax.tree.leaves(Recurrent("tanh", matrix=np.eye(3)))] == [(), (3, 3)]


def test_nets_pass_through_jit_vmap_and_grad() -> None:
    nets = Dense("tanh", sigma_w=jnp.array([1.0, 2.0]), sigma_b=jnp.array([0.0, 1.0]))
    total = jax.jit(jax.vmap(lambda net: net.sigma_w**2 + net.sigma_b))(nets)
    assert total.tolist() == [1.0, 5.0]
    slope = jax.grad(lambda net: net.sigma_w**2 + net.sigma_b)(Dense("tanh", sigma_w=3.0, sigma_b=1.0))
    assert (float(slope.sigma_w), float(slope.sigma_b)) == (6.0, 1.0)
    trace = jax.jit(lambda net: jnp.trace(net.matrix))(Recurrent("tanh", matrix=jnp.eye(3)))
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
    with refused("Recurrent", "sigma_w=None, matrix"):
        Recurrent("tanh")
    with refused("Recurrent", "sigma_w=1.0, matrix"):
        Recurrent("tanh", sigma_w=1.0, matrix=np.eye(2))
    for matrix, got in (
        (np.ones((2, 3)), "shape"),
        (np.eye(2) + 0j, "matrix"),
        (np.diag([1.0, np.nan]), "matrix"),
    ):
        with refused("Recurrent", got):
            Recurrent("tanh", matrix=matrix)
        with refused("Recurrent", got):
            Recurrent("tanh", matrix=jnp.asarray(matrix))
