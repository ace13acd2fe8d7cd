"""What may stand for an activation or a kind of weights, and how nouns go to another process."""

import copy
import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import cloudpickle
import jax
import jax.numpy as jnp
import mpmath as mp
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
    Estimate,
    FixedRecurrent,
    Law,
    Leaky,
    MinimalRNN,
    Normed,
    Recurrent,
    Residual,
    Skip,
    Transformer,
    theory,
)
from vgtheory.activation import as_activation
from vgtheory.activations.elementwise import arctan

NOT_ELEMENTWISE = {
    "softmax": jax.nn.softmax,
    "glu": jax.nn.glu,
    "sort": jnp.sort,
    "normalised": lambda h: h / jnp.linalg.norm(h),
    "standardised": jax.nn.standardize,
    "cumulated": jnp.cumsum,
    "reversed": lambda h: h[::-1],
    "shifted": lambda h: h - jnp.max(h),
    "mixed": lambda h: h @ jnp.ones((3, 3)),
    "sized": lambda h: h / h.size,
    "first": lambda h: h[:1],
    "summed": jnp.sum,
    "per channel": lambda h: jnp.where(h > 0, h, jnp.full(64, 0.25) * h),
    "one channel": lambda h: jnp.where(h > 0, h, jnp.full(1, 0.25) * h),
    "complex": lambda h: 1j * h,
    "integer": lambda h: jnp.floor(h).astype(int),
    "truth": lambda h: h > 0,
    "constant": lambda h: 1.0,
    "nothing": lambda h: None,
    "pair": lambda h: (h, h),
    "two arguments": lambda h, slope: h * slope,
    "raising": lambda h: 1 / 0,
    "numpy": lambda h: np.tanh(np.asarray(h)),
    "math": math.tanh,
}
"""A function that is no activation, or that JAX cannot trace."""


@pytest.mark.parametrize("name", NOT_ELEMENTWISE)
def test_elementwise_only(refused: Callable[..., Any], name: str) -> None:
    function = NOT_ELEMENTWISE[name]
    with refused("Activation", "phi", "It "):
        Activation(name, function, kinks=())
    with refused("Activation", "dphi", "It "):
        Activation(name, jnp.tanh, dphi=function, kinks=())
    with refused("Dense", "activation", "It "):
        Dense(function)


def test_elementwise_is_looked_at_under_jit_too(refused: Callable[..., Any]) -> None:
    with refused("Dense", "activation", "It mixes"):
        jax.jit(lambda h: theory.chi_1(Dense(jax.nn.softmax, h)))(1.0)
    shifted = lambda h: jnp.where(h > 0.25, jnp.sqrt(h), h**3)  # NaN in a branch not taken
    assert jax.jit(lambda h: h + len(Dense(shifted).activation.kinks))(0.0) == 1


def test_elementwise_functions_that_are_nan_or_narrow_are_taken() -> None:
    for function in (
        jnp.log,
        lambda h: jnp.tanh(h.astype(jnp.bfloat16)),
        lambda h: jnp.interp(h, jnp.arange(3.0), jnp.ones(3)),
    ):
        assert Activation("own", function, kinks=()).phi is function


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        *(("swish", "silu"), ("ReLU", "relu"), ("identity", "linear"), ("Logistic", "sigmoid"), ("atan", "arctan")),
        *(("ArcTan", "arctan"), ("leaky-relu", "leaky_relu"), ("LeakyReLU", "leaky_relu"), ("Hard Tanh", "hard_tanh")),
        *(("GELU-tanh", "gelu_tanh"), ("SiLU", "silu"), ("TANH", "tanh"), ("ReLU6", "relu6"), ("sine", "sin")),
    ],
)
def test_aliases_of_activations(alias: str, name: str) -> None:
    assert as_activation(alias) is ACTIVATIONS[name]
    assert Dense(alias).activation is Leaky(alias).activation is Residual(alias).activation is ACTIVATIONS[name]


def test_aliases_of_weights() -> None:
    assert Dense("tanh", weights="normal") == Dense("tanh") == Dense("Tanh", weights="Gaussian")
    assert Recurrent("tanh", 1.0, weights="Truncated Normal").weights == "truncated_normal"
    assert Conv("tanh", weights="Delta-Orthogonal").weights == "delta_orthogonal"


NOUNS = (
    *(
        Dense("swish", 1.5, 0.1, "uniform"),
        Dense("relu", 1.4, dropout=0.1, mask="gaussian", dropconnect=0.2, sigma_noise=0.3),
        Conv("relu", kernel_size=5, dropout=0.1),
        Residual("relu", drop_path=0.1, sigma_noise=0.2),
        Normed("relu", dropout=0.1, sigma_noise=0.2),
        Recurrent("tanh"),
        FixedRecurrent("tanh", np.eye(2)),
    ),
    *(
        Residual("gelu", alpha=0.1),
        Normed("relu"),
        Transformer("gelu"),
        Leaky("tanh"),
        Skip("erf"),
        LSTM(),
        GRU(),
        MGU(),
        MinimalRNN(),
    ),
    *(Law(1.0, 2.0), Estimate(np.ones(2), np.ones(2))),
)


def flat(noun: Any) -> tuple[list[Any], Any]:
    leaves, structure = jax.tree.flatten(noun)
    return [np.asarray(leaf).tolist() for leaf in leaves], structure


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: type(noun).__name__)
@pytest.mark.parametrize(
    "carry", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy, copy.copy], ids=["pickle", "deep", "copy"]
)
def test_pickle_of_every_noun(carry: Callable[[Any], Any], noun: Any) -> None:
    assert type(carry(noun)) is type(noun)
    assert flat(carry(noun)) == flat(noun)
    assert getattr(carry(noun), "activation", None) is getattr(noun, "activation", None)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_pickle_of_the_tables_activations_keeps_their_identity(name: str) -> None:
    for carry in (pickle, cloudpickle):
        assert pickle.loads(carry.dumps(ACTIVATIONS[name])) is ACTIVATIONS[name]


def steep(h: jax.Array) -> jax.Array:
    return jnp.tanh(2 * h)


@pytest.mark.parametrize("phi", [jax.nn.relu, jnp.sinh, steep, jax.nn.silu], ids=["custom_jvp", "jit", "own", "silu"])
def test_pickle_of_a_users_activation(phi: Callable[..., Any]) -> None:
    own = Activation("own", phi, bounded=False)
    assert pickle.loads(pickle.dumps(own)) == own == copy.deepcopy(own)
    assert pickle.loads(pickle.dumps(Dense(phi, 1.5))) == Dense(phi, 1.5)


def test_pickle_of_a_lambda_by_cloudpickle() -> None:
    own = Activation("own", lambda h: jnp.maximum(h, 0.3), sup_dphi=1.0)
    again = pickle.loads(cloudpickle.dumps(Dense(own))).activation
    assert (again.name, again.kinks, again.sup_dphi) == ("own", (0.3,), 1.0)
    assert float(again.phi(jnp.float32(0.1))) == pytest.approx(0.3)


def test_pickle_is_read_by_another_process() -> None:
    sent = cloudpickle.dumps((Dense("relu", 1.5), Activation("own", jnp.sinh, kinks=())))
    read = "import pickle, sys; net, own = pickle.load(sys.stdin.buffer); import vgtheory; "
    check = "assert net.activation is vgtheory.ACTIVATIONS['relu']; assert own.phi.__name__ == 'sinh'"
    subprocess.run([sys.executable, "-c", read + check], input=sent, check=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arctan_is_right_to_three_ulp(dtype: Any) -> None:
    random = np.random.default_rng(0)
    spread = np.exp(random.uniform(-80, 80, 300)) * random.choice([-1, 1], 300)
    joints = [-1.0, 1.0, *(np.nextafter(at, to) for at in (2**0.5 - 1, 2**0.5 + 1) for to in (0, 9))]
    h = np.concatenate([random.uniform(-6, 6, 300), spread, joints]).astype(dtype)
    with jax.enable_x64(True):
        got = np.asarray(jax.jit(arctan)(h))
        ends = np.asarray(arctan(jnp.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype)))
    assert got.dtype == ends.dtype == dtype
    with mp.workdps(40):
        off = [abs(mp.mpf(float(ours)) - mp.atan(mp.mpf(float(at)))) for ours, at in zip(got, h, strict=True)]
        assert max(float(each) / np.spacing(abs(ours)) for each, ours in zip(off, got, strict=True)) < 3
    np.testing.assert_array_equal(ends, np.array([0.0, -0.0, np.pi / 2, -np.pi / 2, np.nan], dtype))
    np.testing.assert_array_equal(np.signbit(ends[:4]), [False, True, False, True])


def test_arctan_is_differentiated_right_to_any_order() -> None:
    with jax.enable_x64(True):
        h = jnp.array([-7.0, -1.0, -0.2, 0.0, 0.4, 1.0, 2.5, 1e9])
        for order, expected in (
            (1, lambda h: 1 / (1 + h**2)),
            (2, lambda h: -2 * h / (1 + h**2) ** 2),
            (3, lambda h: (6 * h**2 - 2) / (1 + h**2) ** 3),
        ):
            function: Callable[..., Any] = arctan
            for _ in range(order):
                function = jax.grad(function)
            np.testing.assert_allclose(jax.vmap(function)(h), expected(np.asarray(h)), rtol=1e-14, atol=1e-300)
