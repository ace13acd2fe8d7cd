"""Q6. In h_t = W^t h_0, do directions with |lambda| < 1 die, those with |lambda| > 1 blow up, and does the top one dominate?

W symmetric (Q Lambda Q^T) and normal (rotating planes), linear and tanh. Gradients sent back along single eigendirections and
along a random one, beside lambda^t. For tanh: the settled rate of a generic symmetric W, and a W whose leading eigenvector has
entries of equal modulus, where every eigendirection obeys an exact law.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd
import scipy.linalg

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import Estimate, FixedRecurrent, measure, theory

EPS = 2 * float(np.finfo(np.float32).eps)
SHARES = (1.0, 0.9, 0.7, 0.5)
"""Eigenvalues followed one by one, as shares of the leading one."""

IDENTITIES = r"^linear"
"""Labels that are tests and no comparisons: both numbers are powers of the same matrix, in two precisions."""
OUTSIDE = "at rho = 1 the gradient falls as a power of time and has no rate"
"""Why the law declines where it does."""


@dataclass(frozen=True)
class Config:
    system: tuple[str, ...] = ("linear symmetric", "linear normal", "tanh symmetric", "tanh flat")
    rho: tuple[float, ...] = (0.9, 1.0, 1.1)
    width: int = 32
    steps: int = 1000
    seed: int = 6


SMOKE = Config(system=("linear symmetric", "tanh flat"), rho=(0.9, 1.1), width=8, steps=100)


def _spectrum(config: Config) -> np.ndarray:
    """Real eigenvalues: the followed ones first, the rest within half the leading one."""
    rest = np.linspace(-0.45, 0.45, config.width - len(SHARES))
    return config.rho[0] * np.concatenate([SHARES, rest])


def _basis(config: Config) -> np.ndarray:
    """Orthonormal columns: a random rotation, or the Hadamard matrix where entries must have equal modulus."""
    if config.system[0] == "tanh flat":
        return scipy.linalg.hadamard(config.width) / config.width**0.5
    draw = jax.random.normal(key_of(config), (config.width, config.width))
    return np.linalg.qr(np.asarray(draw, dtype=float))[0]


def _matrix(config: Config) -> np.ndarray:
    """W: symmetric, or normal with planes that turn by different angles."""
    basis, spectrum = _basis(config), _spectrum(config)
    if config.system[0] != "linear normal":
        return basis * spectrum @ basis.T
    blocks = []
    for index, size in enumerate(np.abs(spectrum[: config.width // 2])):
        angle = 0.3 + 0.1 * index
        blocks.append(size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]))
    return basis @ scipy.linalg.block_diag(*blocks) @ basis.T


def _direction(config: Config, index: int) -> np.ndarray:
    """Unit gradient in eigendirection (or rotating plane) number index."""
    return _basis(config)[:, index if config.system[0] != "linear normal" else 2 * index]


def _err(times: np.ndarray, share: float) -> np.ndarray:
    """Error of the log-norm of an eigendirection's gradient: a rounding at every step, part of which seeds the leading direction.

    Such a part outgrows the eigendirection by 1 / share per step. Once it has taken over, the measured number lies anywhere
    between its own law and this bound.
    """
    seeded = EPS * times if share == 1 else EPS * (share**-times - 1.0) / (1 - share)
    return np.log1p(np.maximum(seeded, EPS * times))


def _linear(config: Config, matrix: np.ndarray) -> dict[str, Any]:
    times = np.unique(np.geomspace(1, config.steps, 24).round().astype(int))
    random = np.asarray(jax.random.normal(jax.random.fold_in(key_of(config), 1), (config.width,)), dtype=float)
    vectors = [*(_direction(config, index) for index in range(len(SHARES))), random]
    predicted = [
        *(times * np.log(share * config.rho[0]) for share in SHARES),
        theory.recurrent.log_power_norms(matrix, random, times),
    ]
    measured = [measure.recurrent.log_power_norms(matrix, vector, times) for vector in vectors]
    last = Estimate(measured[-1].value[-1] / config.steps, measured[-1].err[-1] / config.steps)
    label = f"{config.system[0]}, rho={config.rho[0]:g}"
    errs = [*(_err(times, share) for share in SHARES), measured[-1].err]
    return {
        "share": np.repeat([*SHARES, np.nan], times.size),
        "step": np.tile(times, len(vectors)),
        "log_grad": np.concatenate(predicted),
        "log_grad_hat": np.concatenate([each.value for each in measured]),
        "log_grad_hat_err": np.concatenate(errs),
        **comparison(label, "linear recurrence", last, predicted[-1][-1] / config.steps, EPS),
    }


def _tanh_flat(config: Config, matrix: np.ndarray) -> dict[str, Any]:
    """State along the flat leading eigenvector: going back from T, the scalar law plus t ln(lambda_k / lambda_1)."""
    start = 0.5
    net = FixedRecurrent("tanh", matrix=matrix)
    state = start * _basis(config)[:, 0] * config.width**0.5
    times = np.unique(np.geomspace(1, config.steps, 24).round().astype(int))
    scalar = theory.recurrent.log_scalar_steps(config.rho[0], "tanh", start, steps=config.steps)
    steps = [
        measure.recurrent.gradient_steps(net, state, _direction(config, index), config.steps)
        for index in range(len(SHARES))
    ]
    measured = [np.cumsum(each[::-1])[times - 1] for each in steps]
    before = np.concatenate([[0.0], scalar])[config.steps - times]
    predicted = [scalar[-1] - before + times * np.log(share) for share in SHARES]
    rate = Estimate(measured[0][-1] / config.steps, EPS)
    return {
        "share": np.repeat(SHARES, times.size),
        "step": np.tile(times, len(SHARES)),
        "log_grad": np.concatenate(predicted),
        "log_grad_hat": np.concatenate(measured),
        "log_grad_hat_err": np.concatenate([_err(times, share) for share in SHARES]),
        **comparison(
            f"tanh flat, rho={config.rho[0]:g}", "tanh recurrence", rate, predicted[0][-1] / config.steps, EPS
        ),
    }


def _tanh_symmetric(config: Config, matrix: np.ndarray) -> dict[str, Any]:
    """The settled rate; at rho = 1 there is none (the decay is a power law), and the cell only records what happens."""
    net, key = FixedRecurrent("tanh", matrix=matrix), jax.random.fold_in(key_of(config), 2)
    state = np.asarray(jax.random.normal(key, (config.width,)), dtype=float)
    measured = measure.recurrent.log_rate(jax.random.fold_in(key, 3), net, state, steps=8 * config.steps)
    row = {
        "share": np.nan,
        "step": 8 * config.steps,
        "log_grad": np.nan,
        "log_grad_hat": np.nan,
        "log_grad_hat_err": np.nan,
    }
    label = f"tanh symmetric, rho={config.rho[0]:g}"
    critical = config.rho[0] == 1.0
    predicted = 0.0 if critical else theory.recurrent.log_rate(net, state)
    err = np.inf if critical else float(np.hypot(EPS, measured.err))
    return row | comparison(label, "tanh recurrence", measured, predicted, err)


def run(config: Config) -> dict[str, Any]:
    matrix = _matrix(config)
    laws = {"tanh flat": _tanh_flat, "tanh symmetric": _tanh_symmetric}
    return laws.get(config.system[0], _linear)(config, matrix)


def findings(frame: pd.DataFrame) -> Findings:
    linear = frame[(frame.system == "linear symmetric") & frame.share.isna()]
    last = linear[linear.step == linear.step.max()].set_index("rho")
    big, small = last.index.max(), last.index.min()
    tanh = frame[frame.system == "tanh flat"]
    end = tanh[(tanh.step == tanh.step.max()) & (tanh.share == 1.0)].set_index("rho")
    decades = {rho: last.loc[rho].log_grad_hat / np.log(10) for rho in (small, big)}
    held = {rho: end.loc[rho].log_grad_hat / np.log(10) for rho in (small, big)}
    steps = int(linear.step.max())
    verdict = (
        f"Right for linear recurrences with symmetric or normal W: after {steps:,} steps a random gradient stands at "
        f"10^{decades[small]:.1f} for rho = {small:g} and 10^{decades[big]:+.1f} for rho = {big:g}, all of it in the leading direction; "
        f"a smaller eigendirection keeps its own lambda^t only until rounding seeds the leading one. With tanh it is wrong above "
        f"one: the state saturates and at rho = {big:g} the gradient vanishes, 10^{held[big]:.1f}."
    )
    numbers = {"steps": f"{steps:,}", "rho/small": f"{small:g}", "rho/big": f"{big:g}"}
    numbers |= {f"decades/{name}": f"{decades[rho]:.1f}" for name, rho in (("small", small), ("big", big))}
    settled = frame[(frame.system == "tanh symmetric") & (frame.rho == big)]
    if len(settled):
        row = settled.iloc[0]
        numbers |= {"settled/predicted": f"{row.predicted:.5f}", "settled/measured": f"{row.measured:.5f}"}
    numbers |= {f"tanh/{name}": f"{held[rho]:.1f}" for name, rho in (("small", small), ("big", big))}
    return Findings(verdict, numbers)
