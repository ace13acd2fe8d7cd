"""The audit of libraries: kernels are those that the libraries draw, and factors those of their gradients."""

from collections.abc import Callable
from typing import Any

import equinox
import haiku
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from scipy import stats

from tests.tolerances import EXACT, SIGMAS
from vgtheory import GRU, LSTM, Dense, theory
from vgtheory.theory.layers.libraries import DEFAULTS, LibraryDefault

WIDTH, INPUTS = 192, 96


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, str], LibraryDefault]:
    audited = theory.layers.library_audit("relu", width=WIDTH, inputs=INPUTS)
    return {(row.library, row.layer): row for row in audited}


def test_rows_are_what_theory_says(rows: dict[tuple[str, str], LibraryDefault]) -> None:
    keras, torch = rows["keras", "LSTM"], rows["pytorch", "GRU"]
    sigma_in = (INPUTS * 2 / (INPUTS + 4 * WIDTH)) ** 0.5
    assert (keras.sigma_w, keras.forget_bias, keras.sigma_in) == (0.5, 1.0, pytest.approx(sigma_in, rel=EXACT))
    assert keras.chi == pytest.approx(theory.cells.chi_step(LSTM(0.5, None, sigma_in, 1.0)), rel=EXACT)
    drive = (INPUTS / WIDTH / 3 + 2 / 3 / WIDTH) ** 0.5
    assert torch.chi == pytest.approx(theory.cells.chi_step(GRU(3**-0.5, None, drive)), rel=EXACT)
    linear = rows["pytorch", "Linear"]
    assert linear.chi == pytest.approx(1 / 6, rel=EXACT)
    assert linear.chi_entry == pytest.approx(WIDTH / INPUTS / 6, rel=EXACT)
    assert linear.verdict == f"falls tenfold in {2 * np.log(10) / np.log(6):.3g} layers"
    assert rows["haiku", "Linear"].sigma_w == pytest.approx(stats.truncnorm(-2, 2).std(), rel=1e-12)
    assert len(rows) == len(DEFAULTS)


@pytest.mark.parametrize("fan", ["in", "out", "avg"])
def test_the_factor_by_fan_is_that_of_a_network_with_layers_of_these_sizes(
    rows: dict[tuple[str, str], LibraryDefault], fan: str
) -> None:
    """One layer of ReLU from 96 units to 192, after a layer of 96."""
    net = Dense("relu", 2**0.5, widths=(INPUTS, INPUTS, WIDTH), fan=fan)
    seen = np.exp(2 * theory.log_grad_layers(net, width=np.inf).mean[0])
    assert rows["any", f"He, fan_{fan}"].chi == pytest.approx(seen, rel=1e-10)


def _flax(module: Any, key: jax.Array) -> Any:
    return module.init(key, jnp.zeros((8, 8, INPUTS)))["params"]


def _linen_cell(kind: Any, key: jax.Array) -> Any:
    carry = jnp.zeros(WIDTH)
    return kind(WIDTH).init(key, (carry, carry) if kind is linen.OptimizedLSTMCell else carry, jnp.zeros(INPUTS))[
        "params"
    ]


def _haiku(make: Callable[[], Any], shape: tuple[int, ...], key: jax.Array) -> Any:
    return next(iter(haiku.transform(lambda x: make()(x)).init(key, jnp.zeros(shape)).values()))


def _haiku_core(kind: Any, key: jax.Array) -> Any:
    def unrolled(x: jax.Array) -> Any:
        core = kind(WIDTH)
        return core(x, core.initial_state(None))

    return haiku.transform(unrolled).init(key, jnp.zeros(INPUTS))


DRAWN: dict[tuple[str, str], Callable[[jax.Array], Any]] = {
    ("flax linen", "Dense"): lambda key: _flax(linen.Dense(WIDTH), key)["kernel"],
    ("flax linen", "Conv"): lambda key: _flax(linen.Conv(WIDTH, (3, 3)), key)["kernel"],
    ("flax linen", "SimpleCell"): lambda key: _linen_cell(linen.SimpleCell, key)["h"]["kernel"],
    ("flax linen", "OptimizedLSTMCell"): lambda key: _linen_cell(linen.OptimizedLSTMCell, key)["hf"]["kernel"],
    ("flax linen", "GRUCell"): lambda key: _linen_cell(linen.GRUCell, key)["hn"]["kernel"],
    ("flax nnx", "Linear"): lambda key: nnx.Linear(INPUTS, WIDTH, rngs=nnx.Rngs(key)).kernel[...],
    ("flax nnx", "Conv"): lambda key: nnx.Conv(INPUTS, WIDTH, (3, 3), rngs=nnx.Rngs(key)).kernel[...],
    ("flax nnx", "SimpleCell"): lambda key: nnx.SimpleCell(INPUTS, WIDTH, rngs=nnx.Rngs(key)).dense_h.kernel[...],
    ("flax nnx", "LSTMCell"): lambda key: nnx.LSTMCell(INPUTS, WIDTH, rngs=nnx.Rngs(key)).hf.kernel[...],
    ("flax nnx", "OptimizedLSTMCell"): lambda key: nnx.OptimizedLSTMCell(
        INPUTS, WIDTH, rngs=nnx.Rngs(key)
    ).dense_h.kernel[...],
    ("flax nnx", "GRUCell"): lambda key: nnx.GRUCell(INPUTS, WIDTH, rngs=nnx.Rngs(key)).dense_h.kernel[...],
    ("equinox", "Linear"): lambda key: equinox.nn.Linear(INPUTS, WIDTH, key=key).weight.T,
    ("equinox", "Conv"): lambda key: jnp.moveaxis(equinox.nn.Conv2d(INPUTS, WIDTH, 3, key=key).weight, 0, -1),
    ("equinox", "LSTMCell"): lambda key: equinox.nn.LSTMCell(INPUTS, WIDTH, key=key).weight_hh.T,
    ("equinox", "GRUCell"): lambda key: equinox.nn.GRUCell(INPUTS, WIDTH, key=key).weight_hh.T,
    ("haiku", "Linear"): lambda key: _haiku(lambda: haiku.Linear(WIDTH), (INPUTS,), key)["w"],
    ("haiku", "ConvND"): lambda key: _haiku(lambda: haiku.Conv2D(WIDTH, 3), (8, 8, INPUTS), key)["w"],
    ("haiku", "VanillaRNN"): lambda key: _haiku_core(haiku.VanillaRNN, key)["vanilla_rnn/linear_1"]["w"],
    ("haiku", "LSTM"): lambda key: _haiku_core(haiku.LSTM, key)["lstm/linear"]["w"][INPUTS:],
}
QUICK = ("Linear", "OptimizedLSTMCell")


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(name, marks=() if name[0] == "flax nnx" and name[1] in QUICK else pytest.mark.slow)
        for name in DRAWN
    ],
    ids=" ".join,
)
def test_the_kernels_are_those_that_are_drawn(
    rows: dict[tuple[str, str], LibraryDefault], key: jax.Array, layer: tuple[str, str]
) -> None:
    kernel = np.asarray(DRAWN[layer](key), float)
    fan_in = kernel.size // kernel.shape[-1]
    # Orthogonal kernels have no spread; others at most that of a normal law.
    err = rows[layer].sigma_w ** 2 * (2 / kernel.size) ** 0.5
    assert abs(fan_in * np.mean(kernel**2) - rows[layer].sigma_w ** 2) < SIGMAS * err
    if rows[layer].weights == "orthogonal":
        np.testing.assert_allclose(kernel @ kernel.T, np.eye(WIDTH), atol=1e-5)


def test_every_layer_of_a_library_of_jax_is_drawn() -> None:
    known = {(row.library, row.layer) for row in DEFAULTS if row.library not in ("any", "keras", "pytorch")}
    assert known == set(DRAWN)


@pytest.mark.slow
def test_all_gates_in_one_orthogonal_kernel_have_half_the_scale(key: jax.Array) -> None:
    """The gradient of Flax's own cell; four matrices, as in its other LSTM, would have sigma_w 1."""
    width, steps, burn_in, nets = 384, 20, 60, 8

    def one(key: jax.Array) -> jax.Array:
        cell = nnx.OptimizedLSTMCell(width, width, rngs=nnx.Rngs(key))
        draws = jax.random.normal(jax.random.fold_in(key, 1), (burn_in + steps + 2, width))
        move = lambda state, x: (cell(state, x)[0], None)
        state, _ = jax.lax.scan(move, (draws[0] / 10, draws[1] / 10), draws[2 : 2 + burn_in])
        top = tuple(jax.random.normal(jax.random.fold_in(key, 2), (2, width)))
        _, vjp = jax.vjp(lambda state: jax.lax.scan(move, state, draws[2 + burn_in :])[0], state)
        size = lambda parts: jnp.sqrt(sum(jnp.sum(part**2) for part in parts))
        return jnp.log(size(vjp(top)[0]) / size(top))

    run = jax.jit(one)
    logs = np.array([run(jax.random.fold_in(key, net)) for net in range(nets)])
    err = logs.std(ddof=1) / nets**0.5
    law = theory.cells.tied_grad_steps(LSTM(0.5, None, 1.0, 0.0), steps=steps, burn_in=burn_in)
    other = theory.cells.tied_grad_steps(LSTM(1.0, None, 1.0, 0.0), steps=steps, burn_in=burn_in)
    z = lambda law: abs(logs.mean() - law.value[-1]) / np.hypot(err, law.err[-1])
    assert z(law) < SIGMAS
    assert z(other) > SIGMAS


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    with refused("library_audit", "library", remedy=r"Did you mean 'keras'\?$"):
        theory.layers.library_audit("relu", library="kears")
    with refused("library_audit", "inputs"):
        theory.layers.library_audit("relu", inputs=0)
    with refused("library_audit", "taps"):
        theory.layers.library_audit("relu", taps=0)
