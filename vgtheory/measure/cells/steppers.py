"""Steps of recurrent cells: Flax's own with one set of weights, or new weights at every step.

Common parameters: ``cell`` is the ensemble, ``words`` the network's key (``draws.words_of``),
``width`` the number of units and ``dtype`` the format of weights and arithmetic.
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import DTypeLike

from vgtheory.measure.engine.draws import ABOVE, BIAS, DROPPED, INPUT, PROBE, UNITS, normal
from vgtheory.measure.engine.links import Place, kept
from vgtheory.measure.engine.networks import draw_matrix
from vgtheory.measure.engine.taps import length_of
from vgtheory.networks.cells import GRU, LSTM, MGU, Cell, Leaky, MinimalRNN, Skip
from vgtheory.networks.noise import Dropped, is_noisy
from vgtheory.weights import expect_known_law

SAMPLERS = ("cells", "untied", "matrix_free")
_GATES = 4
"""Streams per step: the number of the LSTM's matrices."""
_START = 0.1
_INPUTS = 2**20
"""Streams of input matrices begin here, beyond the steps that any run reaches."""
Step = Callable[[Any, Array], Any]
Product = Callable[[int, Array], Array]


def start_of(cell: Cell, words: Array, width: int, dtype: DTypeLike) -> Any:
    """State before the first step: small, but not zero, where an undriven cell would stay."""
    rows = 2 if isinstance(cell, LSTM) else getattr(cell, "lag", 1)
    small = normal(words, PROBE, 0, (rows, width), dtype) * np.asarray(_START, dtype)
    return (small[0], small[1]) if isinstance(cell, LSTM) else small if isinstance(cell, Skip) else small[0]


def hidden_of(cell: Cell, state: Any) -> Array:
    """Newest h in a state (the state of an LSTM is the pair of c and h)."""
    return state[1] if isinstance(cell, LSTM) else state[0] if isinstance(cell, Skip) else state


def _masks(cell: Cell, words: Array, width: int, dtype: DTypeLike) -> tuple[Array, Array]:
    """Dropout's factors of the input and of what the recurrent matrices multiply, for a whole sequence."""
    one = jnp.ones(width, dtype)
    chances = (cell.dropout, cell.recurrent_dropout) if isinstance(cell, Dropped) and is_noisy(cell) else (0.0, 0.0)
    inside, within = (
        kept(p, Place(words, place), DROPPED, (width,), dtype) if p > 0 else one for place, p in enumerate(chances)
    )
    return inside, within


def _moved(cell: Cell, state: Any, times: Product, noise: Callable[[int], Array], bias: Array) -> Any:
    """State after one step.

    ``times(k, x)`` is x times the k-th matrix with entries of variance 1 / width, and ``noise(k)``
    is the k-th input.
    """
    gate, act = nn.sigmoid, jnp.tanh
    if isinstance(cell, Leaky):
        added = cell.sigma_w * times(0, cell.activation.phi(state)) + cell.sigma_in * noise(0) + cell.sigma_b * bias
        return (1 - cell.leak) * state + cell.leak * added
    if isinstance(cell, Skip):
        near, far = (cell.activation.phi(state[index]) for index in (0, cell.lag - 1))
        added = cell.sigma_w * times(0, near) + cell.sigma_skip * times(1, far)
        return jnp.concatenate([(added + cell.sigma_in * noise(0) + cell.sigma_b * bias)[None], state[:-1]])
    seen = lambda k, x, sigma: cell.sigma_in * noise(k) + sigma * times(k, x)
    if isinstance(cell, GRU):
        r, z = (gate(seen(k, state, cell.sigma_gate) + shift) for k, shift in ((0, 0.0), (1, cell.update_bias)))
        return (1 - z) * act(cell.sigma_in * noise(2) + r * (cell.sigma_w * times(2, state))) + z * state
    if isinstance(cell, MinimalRNN):
        z = cell.sigma_in * noise(0)
        u = gate(cell.sigma_w * times(0, state) + cell.sigma_v * times(1, z) + cell.update_bias)
        return u * state + (1 - u) * z
    if isinstance(cell, MGU):
        f = gate(seen(0, state, cell.sigma_gate) + cell.forget_bias)
        return (1 - f) * act(cell.sigma_in * noise(1) + f * (cell.sigma_w * times(1, state))) + f * state
    c, h = state
    i, f, o = (gate(seen(k, h, cell.sigma_gate) + shift) for k, shift in ((0, 0.0), (1, cell.forget_bias), (3, 0.0)))
    c = f * c + i * act(seen(2, h, cell.sigma_w))
    return c, o * act(c)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _fresh(x: Array, z: Array, eta: Array, is_orthogonal: bool) -> Array:
    """x times a matrix that is used nowhere else; z and eta are standard normal.

    x times an orthogonal matrix has the length of x and any direction.
    """
    size = jnp.sqrt(jnp.sum(z**2)) if is_orthogonal else np.asarray(z.size**0.5, z.dtype)
    return length_of(x)[0] * (z / size) + 0 * eta


def _fresh_forward(x: Array, z: Array, eta: Array, is_orthogonal: bool) -> tuple[Array, tuple[Array, Array, Array]]:
    return _fresh(x, z, eta, is_orthogonal), (x, z, eta)


def _fresh_backward(
    is_orthogonal: bool, kept: tuple[Array, Array, Array], cotangent: Array
) -> tuple[Array, Array, Array]:
    x, z, eta = kept
    (long, along), (size, above) = length_of(x), length_of(cotangent)
    across = eta - along * jnp.vdot(along, eta)
    if is_orthogonal:
        # Of a matrix that has multiplied zero, nothing has been seen.
        seen = jnp.where(long > 0, jnp.vdot(length_of(z)[1], above), 0.0)
        down = along * seen + length_of(across)[1] * jnp.sqrt(jnp.maximum(1 - seen**2, 0.0))
    else:
        down = (along * jnp.vdot(z, above) + across) * x.size**-0.5
    down = down * size
    return down.astype(x.dtype), jnp.zeros_like(z), jnp.zeros_like(eta)


_fresh.defvjp(_fresh_forward, _fresh_backward)


def stepper(cell: Cell, words: Array, width: int, dtype: DTypeLike, sampler: str, driven: bool = True) -> Step:
    """One network's step, ``(state, t) -> state``.

    ``sampler`` is one of ``SAMPLERS``. If not ``driven``, no inputs are drawn for ``Leaky`` and
    ``Skip``, and Flax's cells take zeros.
    """
    if sampler == "matrix_free":
        expect_known_law("cell_logs", cell)
    bias, none = normal(words, BIAS, 0, (width,), dtype), jnp.zeros(width, dtype)
    inside, within = _masks(cell, words, width, dtype)
    embedded = isinstance(cell, MinimalRNN)
    size = 1.0 if embedded else jnp.sqrt(jnp.mean(inside**2))
    if sampler == "cells":
        return _tied(cell, words, width, dtype, bias, driven)

    def step(state: Any, t: Array) -> Any:
        stream = lambda k: _GATES * t + k
        noise = lambda k: size * normal(words, INPUT, stream(k), (width,), dtype) if driven else none

        def times(k: int, x: Array) -> Array:
            x = x * (inside if embedded and k else within)
            if sampler == "matrix_free":
                drawn = (normal(words, role, stream(k), (width,), dtype) for role in (UNITS, ABOVE))
                return _fresh(x, *drawn, cell.weights == "orthogonal")
            return jnp.dot(
                x, draw_matrix(words, cell.weights, stream(k), width, dtype), precision=lax.Precision.HIGHEST
            )

        return _moved(cell, state, times, noise, bias)

    return step


def _tied(cell: Cell, words: Array, width: int, dtype: DTypeLike, bias: Array, driven: bool) -> Step:
    """Step with one set of weights; gated cells are Flax's."""
    inside, within = (mask[:, None] for mask in _masks(cell, words, width, dtype))
    masks = [inside if isinstance(cell, MinimalRNN) and k else within for k in range(_GATES)]
    recurrent = [mask * draw_matrix(words, cell.weights, k, width, dtype) for k, mask in enumerate(masks)]
    inputs = [inside * draw_matrix(words, "gaussian", _INPUTS + k, width, dtype) for k in range(_GATES)]
    none = jnp.zeros(width, dtype)
    x_of = lambda t: normal(words, INPUT, t, (width,), dtype) if driven else none
    if isinstance(cell, Leaky | Skip | MinimalRNN):
        product = lambda x, matrix: jnp.dot(x, matrix, precision=lax.Precision.HIGHEST)
        times = lambda k, x: product(x, recurrent[k])
        embedded = isinstance(cell, MinimalRNN) or not driven
        noise = lambda t, k: x_of(t) if embedded else product(x_of(t), inputs[k])
        return lambda state, t: _moved(cell, state, times, functools.partial(noise, t), bias)
    module, variables = flax_cell(cell, recurrent, inputs)
    return lambda state, t: module.apply(variables, state, x_of(t))[0]


def flax_cell(
    cell: GRU | MGU | LSTM, recurrent: list[Array], inputs: list[Array]
) -> tuple[nn.RNNCellBase, dict[str, Any]]:
    """Flax's module for a gated cell, and its variables with the ensemble's weights.

    ``recurrent`` and ``inputs`` are matrices with entries of variance 1 / width, in the order of
    ``_moved``.
    """
    width, dtype = recurrent[0].shape[0], recurrent[0].dtype
    zeros, shift = jnp.zeros(width, dtype), lambda value: jnp.full(width, value, dtype)
    matrix = lambda drawn, sigma: {"kernel": (sigma * drawn).astype(dtype)}
    options: dict[str, Any] = {"dtype": dtype, "param_dtype": dtype}
    module: nn.RNNCellBase
    if isinstance(cell, GRU):
        module, names, biases = nn.GRUCell(width, **options), "rzn", {"z": cell.update_bias}
    elif isinstance(cell, MGU):
        module, names, biases = nn.MGUCell(width, **options), "fn", {"f": cell.forget_bias}
    else:
        module, names, biases = nn.OptimizedLSTMCell(width, **options), "ifgo", {"f": cell.forget_bias}
    params: dict[str, Any] = {}
    candidate = "g" if isinstance(cell, LSTM) else "n"
    for name, within, without in zip(names, recurrent, inputs, strict=False):
        params["h" + name] = matrix(within, cell.sigma_w if name == candidate else cell.sigma_gate)
        params["i" + name] = matrix(without, cell.sigma_in)
        place = ("h" if isinstance(cell, LSTM) else "i") + name
        params[place]["bias"] = shift(biases.get(name, 0.0))
    if candidate == "n":
        params["hn"]["bias"] = zeros
    return module, {"params": params}
