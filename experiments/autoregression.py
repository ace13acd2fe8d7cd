"""Q5. Simulate a VAR(20) or VAR(50): does repeated random multiplication explode, vanish or oscillate, and who decides?

x_t = A_1 x_{t-1} + ... + A_p x_{t-p} with random coefficients of variance scale^2 / (p * variables): in many variables the edge is
scale = 1. Predicted from the companion matrix alone: its largest eigenvalue's modulus and angle, draw by draw. Simulated in
float32 by lags, never by the companion matrix; gradients go back through the same steps by automatic differentiation. Modulus and period are
read off the last samples, of state and gradient, by the two-term recursion that a single pair obeys (Prony); growth and sign changes are counted.
"""

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import scipy.optimize
from jax import Array, lax

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import Estimate, theory

ROUNDING = 8 * float(np.finfo(np.float32).eps)
"""Error of a rate that is read off float32 samples and averaged over draws."""
WINDOW = 400
"""Last samples, from which modulus and period are read."""
APART = 1e-6
"""A draw counts as settled if its second mode has fallen to this share of the first by then."""
SMALL = 100
"""Companion matrices up to this width are raised to powers beside the simulation."""

IDENTITY = "a VAR multiplies by the same matrix whose eigenvalues are the law"
"""The predicted and the measured number are one by arithmetic: a test (tests/experiments/test_identities.py), no comparison."""


@dataclass(frozen=True)
class Config:
    lags: tuple[int, ...] = (20, 50)
    variables: tuple[int, ...] = (1, 4, 20)
    scale: tuple[float, ...] = (0.5, 0.7, 1.0, 2.0)
    steps: int = 4000
    rows: int = 2000
    seed: int = 5


SMOKE = Config(lags=(20,), variables=(1,), scale=(0.5, 2.0), steps=1000, rows=400)


def _coefficients(config: Config) -> np.ndarray:
    """Float32 draws, shape (draws, lags, variables, variables); as many as give ``rows`` rows of companion matrices in all."""
    p, d = config.lags[0], config.variables[0]
    draws = max(2, config.rows // (p * d))
    normal = jax.random.normal(key_of(config), (draws, p, d, d), jnp.float32)
    return np.asarray(normal * np.float32(config.scale[0] / (p * d) ** 0.5))


def _companion(coefficients: np.ndarray) -> np.ndarray:
    p, d, _ = coefficients.shape
    matrix = np.eye(p * d, k=-d)
    matrix[:d] = np.concatenate(list(coefficients), axis=1)
    return matrix


def _step(coefficients: Array, state: Array) -> Array:
    """One step by lags; state: the last p samples, the newest first."""
    newest = jnp.einsum("kij,kj->i", coefficients, state, precision=lax.Precision.HIGHEST)
    return jnp.concatenate([newest[None], state[:-1]])


def _rescaled(values: Array, log_scale: Array) -> tuple[Array, Array]:
    exponent = jnp.floor(jnp.log2(jnp.max(jnp.abs(values))))
    return values * jnp.exp2(-exponent), log_scale + exponent


@functools.partial(jax.jit, static_argnames="steps")
@functools.partial(jax.vmap, in_axes=(0, 0, None))
def _paths(coefficients: Array, start: Array, steps: int) -> tuple[Array, Array, Array, Array]:
    """State forwards from ``start`` and gradient backwards from it: one lag each, and the base-two logs of what they are in units of."""

    def forward(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], tuple[Array, Array, Array]]:
        state, log_scale = carry
        moved = _rescaled(_step(coefficients, state), log_scale)
        return moved, (moved[0][0], moved[1], state)

    def backward(carry: tuple[Array, Array], state: Array) -> tuple[tuple[Array, Array], tuple[Array, ...]]:
        gradient, log_scale = carry
        pull = jax.vjp(functools.partial(_step, coefficients), state)[1]
        moved = _rescaled(pull(gradient)[0], log_scale)
        return moved, (moved[0][0], moved[1], jnp.sqrt(jnp.sum(moved[0] ** 2)))

    zero = jnp.zeros((), jnp.float32)
    samples, log_samples, states = lax.scan(forward, (start, zero), None, length=steps)[1]
    gradients, log_gradients, sizes = lax.scan(backward, (start, zero), states, reverse=True)[1]
    norms = jnp.log(sizes[::-1]) + np.float32(np.log(2)) * log_gradients[::-1]
    return samples, log_samples, gradients[::-1], log_gradients[::-1], norms


def _read_off(samples: np.ndarray, log_samples: np.ndarray) -> tuple[float, float]:
    """Log-modulus and period of the one mode left: roots of z^2 = a z + b, fitted to the last samples by least squares."""
    window = samples[-WINDOW:] * np.exp2(log_samples[-WINDOW:] - log_samples[-1])[:, None]
    size = np.abs(window[1:-1]).max(axis=1, keepdims=True)
    now, before, after = ((part / size).ravel() for part in (window[1:-1], window[:-2], window[2:]))
    a, b = np.linalg.lstsq(np.stack([now, before], axis=1), after, rcond=None)[0]
    root = max(np.roots([1, -a, -b]), key=np.abs)
    return float(np.log(np.abs(root))), _period(root)


def _period(root: complex) -> float:
    angle = abs(np.angle(root))
    return float(2 * np.pi / angle) if angle > 0 else np.inf


def _edge_rate(config: Config) -> float:
    """ln r with sum_k (scale^2 / p) r^(-2k) = 1: where the spectrum ends in infinitely many variables."""
    p, size = config.lags[0], config.scale[0] ** 2 / config.lags[0]
    lags = np.arange(1, p + 1)
    return float(scipy.optimize.brentq(lambda log_r: size * np.exp(-2 * lags * log_r).sum() - 1, -2.0, 2.0))


def _predicted(matrix: np.ndarray, steps: int) -> dict[str, Any]:
    values = np.linalg.eigvals(matrix)
    values = values[np.argsort(-np.abs(values))]
    rest = values[np.abs(values - values[0].conj()) > 1e-9 * abs(values[0])]
    rest = rest[np.abs(rest - values[0]) > 1e-9 * abs(values[0])]
    apart = steps * np.log(abs(rest[0]) / abs(values[0])) < np.log(APART)
    return {"rate": np.log(abs(values[0])), "period": _period(values[0]), "settled": bool(apart)}


@functools.partial(jax.jit, static_argnames="steps")
@functools.partial(jax.vmap, in_axes=(0, 0, None))
def _driven(coefficients: Array, key: Array, steps: int) -> Array:
    """Log-size of a state that starts at rest and is given unit noise at every step."""

    def forward(carry: tuple[Array, Array], step: Array) -> tuple[tuple[Array, Array], Array]:
        state, log_scale = carry
        noise = jax.random.normal(jax.random.fold_in(key, step), state.shape[1:])
        state = _step(coefficients, state).at[0].add(noise * jnp.exp2(-log_scale))
        moved = _rescaled(state, log_scale)
        return moved, np.float32(np.log(2)) * moved[1]

    rest = jnp.zeros(coefficients.shape[:2], jnp.float32)
    return lax.scan(forward, (rest, jnp.zeros((), jnp.float32)), jnp.arange(steps))[1]


def _path_rows(config: Config, coefficients: np.ndarray, start: np.ndarray, norms: np.ndarray) -> pd.DataFrame:
    """Log-norm of the first draw's gradient beside the power of its companion matrix."""
    times = np.unique(np.geomspace(1, 400, 40).round().astype(int))
    log_grad = theory.recurrent.log_power_norms(_companion(coefficients), start.ravel(), times)
    return pd.DataFrame({"kind": "path", "step": times, "log_grad": log_grad, "log_grad_hat": norms[times - 1]})


def _draw_row(config: Config, draw: np.ndarray, path: tuple[np.ndarray, ...], driven: np.ndarray) -> dict[str, Any]:
    """What the companion matrix says of one draw, and what its paths show."""
    samples, log_samples, gradients, log_gradients, norms = path
    half, last = config.steps // 2, samples[-WINDOW:, 0] * np.exp2(log_samples[-WINDOW:] - log_samples[-1])
    state, gradient = _read_off(samples, log_samples), _read_off(gradients, log_gradients)
    return {
        "kind": "draw",
        **_predicted(_companion(draw), config.steps),
        "rate_hat": state[0],
        "period_hat": state[1],
        "grad_rate_hat": gradient[0],
        "grad_period_hat": gradient[1],
        "growth_hat": (norms[-1] - norms[half]) / (config.steps - 1 - half),
        "oscillates_hat": bool(np.any(np.diff(np.sign(last)) != 0)),
        "driven_growth_hat": (driven[-1] - driven[half]) / (config.steps - 1 - half),
    }


def _compared(config: Config, settled: pd.DataFrame, draws: pd.DataFrame) -> dict[str, Any]:
    """Mean rate of the gradient over the settled draws; where none is, over all, with nothing to hold it to."""
    label = f"VAR({config.lags[0]}), {config.variables[0]} variables, scale={config.scale[0]:g}"
    if len(settled) == 0:
        measured, predicted, err = draws.growth_hat.mean(), draws.rate.mean(), np.inf
    else:
        measured, predicted, err = settled.grad_rate_hat.mean(), settled.rate.mean(), ROUNDING
    return comparison(label, "autoregression", Estimate(measured, ROUNDING), predicted, err, "per step")


def run(config: Config) -> dict[str, Any]:
    coefficients, key = _coefficients(config), key_of(config)
    start = jax.random.normal(jax.random.fold_in(key, 1), coefficients.shape[:3], jnp.float32)
    paths = [np.asarray(each, dtype=float) for each in _paths(coefficients, start, config.steps)]
    keys = jax.random.split(jax.random.fold_in(key, 2), len(coefficients))
    driven = np.asarray(_driven(coefficients, keys, config.steps), dtype=float)
    rows = [_draw_row(config, *each) for each in zip(coefficients, zip(*paths, strict=True), driven, strict=True)]
    draws = pd.DataFrame(rows)
    compared = _compared(config, draws[draws.settled], draws)
    draws["settled"], draws["oscillates_hat"] = draws.settled.astype(float), draws.oscillates_hat.astype(float)
    if config.lags[0] * config.variables[0] <= SMALL:
        path = _path_rows(config, coefficients[0], np.asarray(start[0], dtype=float), paths[-1][0])
        draws = pd.concat([draws, path], ignore_index=True)
    return {**{name: draws[name].to_numpy() for name in draws}, "edge_rate": _edge_rate(config), **compared}


def _shares(draws: pd.DataFrame) -> pd.DataFrame:
    """Shares that explode and oscillate, predicted and simulated, by scale."""
    facts = pd.DataFrame(
        {
            "scale": draws["scale"],
            "explodes": draws.rate > 0,
            "explodes_hat": draws.growth_hat > 0,
            "oscillates": np.isfinite(draws.period),
            "oscillates_hat": draws.oscillates_hat > 0,
        }
    )
    return facts.groupby("scale").mean()


def findings(frame: pd.DataFrame) -> Findings:
    draws = frame[frame.kind == "draw"]
    settled, shares = draws[draws.settled > 0], _shares(draws)
    clear = draws[draws.rate.abs() * draws.steps / 2 > 3]
    right = {
        "explodes": ((clear.rate > 0) == (clear.growth_hat > 0)).mean(),
        "driven": ((clear.rate > 0) == (clear.driven_growth_hat * clear.steps / 2 > 3)).mean(),
        "oscillates": (np.isfinite(settled.period) == (settled.oscillates_hat > 0)).mean(),
    }
    small, big = shares.index.min(), shares.index.max()
    error = (settled.grad_rate_hat - settled.rate).abs().max()
    turning = settled[np.isfinite(settled.period)]
    slip = (turning.grad_period_hat / turning.period - 1).abs().max()
    one = draws[draws["scale"] == 1.0] if 1.0 in set(draws["scale"]) else draws
    verdict = (
        f"All three, and the companion matrix's largest eigenvalue decides which: over {len(draws):,} random draws the share that "
        f"explodes goes from {shares.explodes_hat[small]:.0%} at scale {small:g} to {shares.explodes_hat[big]:.0%} at {big:g} (predicted "
        f"{shares.explodes[small]:.0%} and {shares.explodes[big]:.0%}), and {shares.oscillates_hat.mean():.0%} oscillate (predicted "
        f"{shares.oscillates.mean():.0%}); eigenvalues call {right['explodes']:.1%} of the clear cases right."
    )
    numbers = {
        f"explodes/{name}": f"{100 * shares.explodes_hat[at]:.0f}" for name, at in (("small", small), ("big", big))
    }
    numbers |= {f"right/{name}": f"{100 * value:.1f}" for name, value in right.items()}
    numbers |= {"oscillates": f"{100 * shares.oscillates_hat.mean():.0f}", "draws": f"{len(draws):,}"}
    numbers |= {"oscillates/predicted": f"{100 * shares.oscillates.mean():.0f}", "settled": f"{len(settled):,}"}
    numbers |= {"error/rate": f"{error * 1e6:.1f}", "error/period": f"{slip * 1e6:.0f}", "clear": f"{len(clear):,}"}
    numbers |= {"scale/small": f"{small:g}", "scale/big": f"{big:g}", "steps": f"{int(draws.steps.max()):,}"}
    numbers |= {"at_one/explodes": f"{100 * (one.growth_hat > 0).mean():.0f}", "at_one/rate": f"{one.rate.mean():.3f}"}
    return Findings(verdict, numbers)
