"""Claims about recurrent networks: forget biases, the LSTM's additive cell, the spectral radius of a reservoir."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from scipy.special import expit

from experiments.parts.audit.claim_lines import DECADE, Line, Size, line, mean_square_logs
from vgtheory import LSTM, Dense, Leaky, measure, theory

STEPS = 40
LAGS = np.unique(np.linspace(0, STEPS, 9).round().astype(int))
LONGEST = 100
"""Longest memory that the chrono initialisation is told of."""


def _cell(key: Array, name: str, cell: Any, size: Size, said: Any) -> Line:
    """Decades of the gradient against the lag, of real cells, which use one set of weights at all steps; predicted by dynamical mean-field theory."""
    how: dict[str, Any] = {"width": size.width, "num_nets": size.num_nets, "burn_in": 2 * STEPS}
    logs = measure.cells.cell_logs(key, cell, steps=STEPS, **how).log_grad
    law = theory.cells.tied_grad_steps(cell, steps=STEPS, burn_in=2 * STEPS, num_paths=2048)
    found = line(name, LAGS, logs[:, LAGS], law.value[LAGS], np.nan, said, DECADE)
    return found._replace(law_err=np.hypot(found.err, law.err[LAGS] / DECADE))


def forget_bias(key: Array, size: Size) -> list[Line]:
    """LSTM driven by noise of unit size. The cell keeps sigmoid(b + noise) of its content per step, and what comes round through the weights adds little.

    The law of real cells is dynamical mean-field theory (``tied_grad_steps``). Chrono biases, ln U(1, 99), differ from unit to unit: along the cell alone (no recurrent weights) the mean
    squared gradient at lag t is the mean over biases of E[sigmoid(b + z)^2]^t, no exponential but nearly a power, because the longest memories outlive the others.
    """
    first, second = jax.random.split(key)
    return [
        _cell(first, "bias 1", LSTM(sigma_in=1.0, forget_bias=1.0), size, 0.0),
        _cell(jax.random.fold_in(first, 1), "bias 3", LSTM(sigma_in=1.0, forget_bias=3.0), size, 0.0),
        _chrono(second, size),
    ]


def _chrono(key: Array, size: Size) -> Line:
    """The cell's own path under chrono biases; networks by automatic differentiation."""
    width = 16 * size.width
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    bias = np.log(1 + (LONGEST - 2) * (np.arange(2000) + 0.5) / 2000)
    kept = expit(bias[:, None] + nodes) ** 2 @ (weights / weights.sum())
    law = np.log(np.mean(kept[:, None] ** LAGS, axis=0)) / 2

    def one(key: Array) -> Array:
        keys = jax.random.split(key, 4)
        biases = jnp.log(jax.random.uniform(keys[0], (width,), minval=1.0, maxval=LONGEST - 1.0))
        drives, top = jax.random.normal(keys[1], (STEPS, 3, width)), jax.random.normal(keys[2], (width,))

        def end(cell: Array, slots: Array) -> Array:
            def step(cell: Array, given: tuple[Array, Array]) -> tuple[Array, None]:
                (forget, put, new), slot = given
                keep, write = jax.nn.sigmoid(biases + forget), jax.nn.sigmoid(put - biases)
                return keep * (cell + slot) + write * jnp.tanh(new), None

            return jnp.vdot(top, lax.scan(step, cell, (drives, slots))[0])

        grads = jax.grad(end, argnums=1)(0.1 * jax.random.normal(keys[3], (width,)), jnp.zeros((STEPS, width)))
        return jnp.log(jnp.linalg.norm(grads, axis=1) / jnp.linalg.norm(top))

    logs = np.asarray(lax.map(one, jax.random.split(key, size.num_nets)), float)[:, ::-1]
    logs = np.concatenate([np.zeros((len(logs), 1)), logs], axis=1)[:, LAGS]
    return mean_square_logs("chrono, cell alone", LAGS, logs, law, 0.0, DECADE)


def additive_cell(key: Array, size: Size) -> list[Line]:
    """LSTM with the biases of zero that Flax and PyTorch give it, beside a tanh recurrence, both driven by noise of unit size.

    The cell is added to, but it is first multiplied by the forget gate, whose mean is 1/2 without a bias: about ln 2 per step in the norm. A tanh recurrence at sigma_w = 1.5 keeps more.
    """
    keys = jax.random.split(key)
    return [
        _cell(keys[0], "LSTM, no bias", LSTM(sigma_in=1.0, forget_bias=0.0), size, 0.0),
        _cell(keys[1], "tanh recurrence", Leaky("tanh", 1.5, sigma_in=1.0), size, np.nan),
    ]


def reservoir_radius(key: Array, size: Size) -> list[Line]:
    """Rate at which a tanh reservoir forgets its initial state: ln of the growth of a small difference per step, against the spectral radius.

    With an input of its own for every unit and step, slopes are nearly independent from step to step, and the rate is that of a dense network whose bias is the input:
    ln[rho^2 E phi'^2] / 2 at infinite width, less the loss of a typical difference at this one. Without input and below 1 it is ln rho, which the claim takes for all. Where it is below 0 the reservoir forgets: the larger its input,
    the larger a radius does.
    """
    radii, steps, lines = np.array([0.5, 0.9, 1.2, 1.5, 1.8]), 600, []
    keys = jax.random.split(key, size.num_nets)
    draws = [np.asarray(jax.random.normal(each, (size.width, size.width)), float) for each in keys]
    draws = [draw / np.abs(np.linalg.eigvals(draw)).max() for draw in draws]
    for sigma_in in (0.0, 1.0):
        shown = radii[radii < 1] if sigma_in == 0 else radii
        rates = np.array(
            [
                _rates(jnp.asarray(draw, jnp.float32), key, sigma_in, shown, steps)
                for draw, key in zip(draws, keys, strict=True)
            ]
        )
        scale = float(np.mean([np.linalg.norm(draw) for draw in draws])) / size.width**0.5
        law, spread = np.log(shown), np.full(len(shown), np.nan)
        if sigma_in:
            law, spread = np.array([_driven(scale * radius, sigma_in, size.width, steps) for radius in shown]).T
        said = np.log(shown) if sigma_in else np.nan
        lines.append(line(f"input {sigma_in:g}", shown, rates, law, spread, said))
    return lines


@jax.jit
def _rate(matrix: Array, key: Array, sigma_in: Array, drives: Array) -> Array:
    """Log-growth per step of a small difference over the later half of the drive."""

    def step(carry: tuple[Array, Array], drive: Array) -> tuple[tuple[Array, Array], Array]:
        x, apart = carry
        move = lambda state: jnp.tanh(jnp.dot(matrix, state, precision=lax.Precision.HIGHEST) + sigma_in * drive)
        x, apart = jax.jvp(move, (x,), (apart,))
        size = jnp.linalg.norm(apart)
        return (x, apart / size), jnp.log(size)

    first, second = jax.random.normal(key, (2, len(matrix)))
    logs = lax.scan(step, (jnp.tanh(first), second / jnp.linalg.norm(second)), drives)[1]
    return jnp.mean(logs[len(logs) // 2 :])


def _rates(matrix: Array, key: Array, sigma_in: float, radii: np.ndarray, steps: int) -> list[float]:
    """Rates of one reservoir at several radii."""
    key, other = jax.random.split(jax.random.fold_in(key, 1))
    drives = jax.random.normal(other, (steps, len(matrix)))
    return [float(_rate(radius * matrix, key, sigma_in, drives)) for radius in radii.tolist()]


def _driven(sigma_w: float, sigma_in: float, width: int, steps: int) -> tuple[float, float]:
    """Typical log-growth per step at this width, and its spread over half of the steps."""
    depth, skip = 240, 20
    law = theory.log_grad_layers(Dense("tanh", sigma_w, sigma_in), depth=depth, width=width)
    links = depth - 2 * skip
    ends = [skip, depth - skip]
    rate = -np.diff(law.mean[ends])[0] / links
    return float(rate), float(np.sqrt(-np.diff(law.std[ends] ** 2)[0] / links / (steps / 2)))
