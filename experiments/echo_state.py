"""Q11. When does an echo-state network forget its initial state: is a spectral radius below 1 needed, and is it enough?

Gaussian tanh reservoirs x' = tanh(W x + input), scaled to a spectral radius, with an independent input on each unit. Measured: the rate at
which a small difference between two states grows or dies under the same input. Predicted from each drawn matrix: growth of the difference's
second moments if slopes are independent from step to step, and the loss of a typical difference against them at this width, which is a dense
network's whose bias is the input; without input and below 1, ln rho. And a reservoir of two units with spectral radius 0.63 that does not forget under a constant input.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array, lax

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import Dense, Estimate, theory

TWO = np.array([[2.0, -2.0], [2.0, -1.8]])
"""Eigenvalues 0.1 +- 0.62i; the input saturates unit 2 and leaves unit 1 to itself, with a slope of 2."""
TWO_INPUT = np.array([2.0, 5.0])
WASHOUT = 0.5
CHAOTIC = 2.0
"""Without input the law holds from this sigma_w on, as for the Lyapunov exponents: nearer to the edge so few units are not chaotic as many are."""
OUTSIDE = "without input a reservoir of finite width is near the edge of chaos below sigma_w = 2"
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(120)
_STEPS, _SKIP, _LAYERS = 400, 20, 200


@dataclass(frozen=True)
class Config:
    rho: tuple[float, ...] = (0.7, 0.95, 1.2, 1.5, 2.0)
    sigma_in: tuple[float, ...] = (0.0, 0.3, 1.0)
    width: int = 128
    num_nets: int = 6
    steps: int = 1000
    seed: int = 13


SMOKE = Config(rho=(0.7, 1.5), sigma_in=(0.0, 1.0), width=32, num_nets=4, steps=200)


def _matrices(config: Config) -> np.ndarray:
    """Gaussian draws, each scaled to the spectral radius; the same draws in every cell."""
    normal = jax.random.normal(jax.random.key(config.seed), (config.num_nets, config.width, config.width))
    draws = np.asarray(normal, dtype=float)
    return np.stack([config.rho[0] * draw / np.abs(np.linalg.eigvals(draw)).max() for draw in draws])


@functools.partial(jax.jit, static_argnames="steps")
@functools.partial(jax.vmap, in_axes=(0, 0, None, None))
def _differences(matrix: Array, key: Array, sigma_in: Array, steps: int) -> Array:
    """Log-factor by which an infinitesimal difference grows at each step, by forward differentiation."""

    def step(carry: tuple[Array, Array], index: Array) -> tuple[tuple[Array, Array], Array]:
        x, apart = carry
        given = sigma_in * jax.random.normal(jax.random.fold_in(key, index), x.shape)

        def move(state: Array) -> Array:
            return jnp.tanh(jnp.dot(matrix, state, precision=lax.Precision.HIGHEST) + given)

        x, apart = jax.jvp(move, (x,), (apart,))
        size = jnp.sqrt(jnp.sum(apart**2))
        return (x, apart / size), jnp.log(size)

    first, second = (jax.random.normal(jax.random.fold_in(key, steps + index), matrix.shape[:1]) for index in (1, 2))
    return lax.scan(step, (jnp.tanh(first), second / jnp.sqrt(jnp.sum(second**2))), jnp.arange(steps))[1]


def _two_states(steps: int) -> float:
    """How far apart two states of the two-unit reservoir are in the end, under the same constant input."""
    states = np.array([[0.9, 0.9], [-0.9, 0.9]])
    for _ in range(steps):
        states = np.tanh(states @ TWO.T + TWO_INPUT)
    return float(np.linalg.norm(states[0] - states[1]))


def _gaussian_mean(function: Callable[[np.ndarray], np.ndarray], q: np.ndarray) -> np.ndarray:
    """Means over normal variables of variances q, one per unit."""
    return function(np.sqrt(q)[:, None] * _NODES) @ (_WEIGHTS / _WEIGHTS.sum())


def _mean_square_rate(matrix: np.ndarray, sigma_in: float) -> float:
    """Half the log-growth of a difference's second moments P under this matrix: what slopes have in common acts as one matrix, the rest unit by unit.

    P' = W (m m^T * P + diag(v P)) W^T, m and v the mean and variance of each unit's slope.
    """
    q = np.full(len(matrix), 1.0)
    for _ in range(_STEPS):
        q = matrix**2 @ _gaussian_mean(lambda h: np.tanh(h) ** 2, q) + sigma_in**2
    mean = _gaussian_mean(lambda h: np.cosh(h) ** -2, q)
    variance = _gaussian_mean(lambda h: np.cosh(h) ** -4, q) - mean**2
    moments, logs = np.eye(len(matrix)), []
    for _ in range(_STEPS):
        moments = np.outer(mean, mean) * moments + np.diag(variance * np.diag(moments))
        moments = matrix @ moments @ matrix.T
        logs.append(np.log(np.trace(moments)))
        moments /= np.trace(moments)
    return float(np.mean(logs[-_LAYERS:])) / 2


def _typical(sigma_w: float, sigma_in: float, width: int) -> tuple[float, float]:
    """What a typical difference loses per step against the mean square at this width, and its spread over the root of the steps."""
    ends, net = [_SKIP, _SKIP + _LAYERS], Dense("tanh", sigma_w, sigma_in)
    wide, law = (theory.log_grad_layers(net, depth=_LAYERS + 2 * _SKIP, width=each) for each in (None, width))
    loss = -np.diff((law.mean - wide.mean)[ends])[0] / _LAYERS
    return float(loss), float(np.sqrt(-np.diff(law.std[ends] ** 2)[0] / _LAYERS))


def _law(matrices: np.ndarray, config: Config) -> tuple[float, float]:
    """Predicted mean rate over the drawn matrices and its standard error, inf where the law declines."""
    (rho,), (sigma_in,) = config.rho, config.sigma_in
    if sigma_in == 0 and rho < 1:  # the state goes to 0, and the matrix's own radius counts
        return float(np.log(rho)), 0.0
    sigma_w = float(np.mean([np.linalg.norm(each) for each in matrices])) / config.width**0.5
    if sigma_in == 0 and sigma_w < CHAOTIC:
        return float(np.log(theory.chi_1(Dense("tanh", sigma_w)))) / 2, np.inf
    loss, spread = _typical(sigma_w, sigma_in, config.width)
    steps = (1 - WASHOUT) * config.steps * config.num_nets
    return float(np.mean([_mean_square_rate(each, sigma_in) for each in matrices])) + loss, spread / steps**0.5


def run(config: Config) -> dict[str, Any]:
    (rho,), (sigma_in,) = config.rho, config.sigma_in
    matrices, keys = _matrices(config), jax.random.split(key_of(config), config.num_nets)
    logs = np.asarray(_differences(jnp.asarray(matrices, jnp.float32), keys, sigma_in, config.steps), dtype=float)
    rates = logs[:, int(WASHOUT * config.steps) :].mean(axis=1)
    predicted, predicted_err = _law(matrices, config)
    log_norm, two = theory.recurrent.log_growth(matrices[0], 1), theory.recurrent.echo_state(TWO)
    measured = Estimate(rates.mean(), rates.std(ddof=1) / config.num_nets**0.5)
    err = float(max(predicted_err, measured.err))
    label = f"forgetting, rho={rho:g}, input={sigma_in:g}"
    return {
        "rate_hat": rates,
        "rate": predicted,
        "log_norm": log_norm,
        "two_rho": np.exp(two.log_rho),
        "two_norm": np.exp(two.log_norm),
        "two_apart": _two_states(config.steps),
        **comparison(label, "reservoir", measured, predicted, err, "per step"),
    }


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.groupby(["rho", "sigma_in"])[["rate", "rate_hat", "log_norm"]].mean().reset_index()
    two = frame.iloc[0]
    clear = cells[cells.rate.abs() > 0.02]
    right = (np.sign(clear.rate) == np.sign(clear.rate_hat)).mean()
    driven = cells[(cells.rho > 1) & (cells.sigma_in > 0)]
    error = (cells.rate - cells.rate_hat).abs()
    kept = cells[(cells.rho > 1) & (cells.rate_hat < 0)]
    most = kept.loc[kept.rho.idxmax()]
    small = cells[cells.rho < 1]
    off = error[(cells.sigma_in > 0)].max()
    rows = frame.drop_duplicates("cell")
    known = rows[np.isfinite(rows.predicted_err)]
    outside = rows[np.isinf(rows.predicted_err)]
    verdict = (
        f"Neither. A two-unit reservoir with spectral radius {two.two_rho:.2f} keeps two states {two.two_apart:.1f} apart for ever under a constant "
        f"input, and tanh reservoirs with spectral radius {most.rho:g} forget under an input of size {most.sigma_in:g} (rate {most.rate_hat:.2f} per "
        f"step, predicted {most.rate:.2f}); a norm below 1 is enough but needs rho below {np.exp(-(small.log_norm - np.log(small.rho)).mean()):.2f}. The furthest of {len(known)} predicted rates lies "
        f"{known.z.abs().max():.1f} standard errors off."
    )
    numbers = {"two/rho": f"{two.two_rho:.2f}", "two/norm": f"{two.two_norm:.2f}", "two/apart": f"{two.two_apart:.2f}"}
    numbers |= {"most/rho": f"{most.rho:g}", "most/input": f"{most.sigma_in:g}", "most/rate": f"{most.rate_hat:.3f}"}
    numbers |= {
        "most/predicted": f"{most.rate:.3f}",
        "right": f"{100 * right:.0f}",
        "clear": f"{len(clear)}",
        "off": f"{off:.3f}",
    }
    numbers |= {"off/undriven": f"{error[cells.sigma_in == 0].max():.3f}", "kept": f"{(driven.rate_hat < 0).sum()}"}
    numbers |= {
        "driven": f"{len(driven)}",
        "width": f"{int(frame.width.iloc[0])}",
        "nets": f"{int(frame.num_nets.iloc[0])}",
    }
    gap = ((outside.measured - outside.predicted) / outside.measured_err).abs()
    numbers |= {"known": f"{len(known)}", "furthest": f"{known.z.abs().max():.1f}", "outside": f"{len(outside)}"}
    numbers["gap"] = f"{gap.max():.1f}" if len(outside) else "0"
    numbers |= {"sufficient": f"{np.exp(-(small.log_norm - np.log(small.rho)).mean()):.2f}"}
    return Findings(verdict, numbers)
