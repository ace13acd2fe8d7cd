"""Q6. Does an input along the top eigenvector make the loss, and a step of gradient descent, huge?

h_T = W^T x with x = u the leading eigenvector of a symmetric W and loss |h_T - y|^2 / 2. Exact: the gradient's norm is
T lambda^(T-1) |lambda^T - b| for y = b u. Two questions of each: one step at a fixed learning rate of 0.01 towards y = 0, and steps at
multiples of 2 / curvature towards a target a tenth away. All entries of u are equal and positive, so that a ReLU recurrence obeys the
same law as long as the step leaves lambda positive; beyond, its state dies.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd
import scipy.linalg

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import Estimate, FixedRecurrent, Recurrent, measure, theory

EPS = 2 * float(np.finfo(np.float32).eps)
ROUNDING = float(np.finfo(float).eps)
FIXED_RATE = 0.01
MULTIPLES = np.array([0.05, 0.1, 0.2, 0.35, 0.6, 0.8, 1.0, 1.1, 1.2, 1.35, 1.6, 2.0, 2.5, 3.0, 4.0])
"""Learning rates in units of 2 / curvature."""
NEAR = 0.9

IDENTITY = (
    "a linear recurrence raises one eigenvalue to the power that its law does, and ReLU is linear on positive states"
)
"""The predicted and the measured number are one by arithmetic: a test (tests/experiments/test_identities.py), no comparison."""


@dataclass(frozen=True)
class Config:
    activation: tuple[str, ...] = ("linear", "relu")
    rho: tuple[float, ...] = (0.9, 1.0, 1.1)
    steps: tuple[int, ...] = (10, 30, 100)
    width: int = 32
    seed: int = 66


SMOKE = Config(activation=("linear",), rho=(0.9, 1.1), steps=(10, 50), width=8)


def _matrix(config: Config) -> np.ndarray:
    """Symmetric, the leading eigenvector flat, the other eigenvalues at most half as large."""
    basis = scipy.linalg.hadamard(config.width) / config.width**0.5
    rest = jax.random.uniform(key_of(config), (config.width - 1,), minval=-0.5, maxval=0.5)
    return basis * (config.rho[0] * np.concatenate([[1.0], np.asarray(rest, dtype=float)])) @ basis.T


def _law(config: Config, net: Recurrent, start: np.ndarray, share: float, rates: np.ndarray) -> Any:
    """The linear law; a ReLU state dies where the step turns lambda negative, and the loss is then that of y alone.

    So it is where the step makes lambda 0 but for rounding.
    """
    (lam,), (steps,) = config.rho, config.steps
    law = theory.recurrent.overshoot(net, start, share * start, rates, steps=steps)
    left = lam - rates * steps * lam ** (steps - 1) * (lam**steps - share)
    dies = np.abs(left) < steps * ROUNDING
    if config.activation[0] != "linear" and share != 0:
        dies = dies | (left < 0)
    with np.errstate(divide="ignore"):
        dead = 2 * np.log(share / abs(lam**steps - share))
    return law._replace(log_ratio=np.where(dies, dead, law.log_ratio)), left


def _rows(config: Config, kind: str, share: float, rates: np.ndarray) -> pd.DataFrame:
    matrix, start = _matrix(config), np.full(config.width, config.width**-0.5)
    law, left = _law(config, FixedRecurrent("linear", matrix=matrix), start, share, rates)
    if kind == "relative":
        rates = rates * law.stable_rate
        law, left = _law(config, FixedRecurrent("linear", matrix=matrix), start, share, rates)
    net = FixedRecurrent(config.activation[0], matrix=matrix)
    hat = measure.recurrent.overshoot(net, start, share * start, rates, steps=config.steps[0])
    predicted = {name: getattr(law, name) for name in law._fields}
    measured = {f"{name}_hat": getattr(hat, name) for name in hat._fields}
    dies = (config.activation[0] == "relu") & (left < 0) & (share == 0)
    return pd.DataFrame({"kind": kind, "learning_rate": rates, **predicted, **measured, "dies": dies})


def run(config: Config) -> dict[str, Any]:
    (lam,), (steps,) = config.rho, config.steps
    fixed = _rows(config, "fixed", 0.0, np.full(MULTIPLES.size, FIXED_RATE)).head(1)
    relative = _rows(config, "relative", NEAR * lam**steps, MULTIPLES).assign(multiple=MULTIPLES)
    claim = np.log(steps) + (2 * steps - 1) * np.log(lam)
    table = pd.concat([fixed, relative], ignore_index=True)
    label = f"gradient, {config.activation[0]}, rho={lam:g}, T={steps}"
    measured = Estimate(float(fixed.log_grad_hat.iloc[0]), EPS * steps)
    row = comparison(label, "overshoot", measured, float(fixed.log_grad.iloc[0]), EPS * steps, "ln |dE/dW|")
    return {**{name: table[name].to_numpy() for name in table}, "claim": claim, **row}


def findings(frame: pd.DataFrame) -> Findings:
    linear = frame[frame.activation == "linear"] if "linear" in set(frame.activation) else frame
    fixed, relative = linear[linear.kind == "fixed"], linear[linear.kind == "relative"]
    big, steps = fixed.rho.max(), fixed.steps.max()
    small = fixed.rho.min()
    at = fixed[fixed.steps == steps].set_index("rho")
    rates = relative[relative.steps == steps].groupby("rho").stable_rate_hat.first()
    decades = {name: at.log_ratio_hat[rho] / np.log(10) for name, rho in (("small", small), ("big", big))}
    worse = relative[relative.log_ratio_hat > 0].groupby(["rho", "steps"]).multiple.min()
    grown = at.log_grad_hat[big] / np.log(10)
    verdict = (
        f"Yes where lambda > 1: at lambda = {big:g} and T = {steps} the gradient with respect to W is 10^{grown:.1f}, as T lambda^(2T-1) "
        f"predicts, and a step of {FIXED_RATE:g} multiplies the loss by 10^{decades['big']:.0f}; the largest stable rate there is "
        f"{rates[big]:.0e}. At lambda = {small:g} the same step does nothing (10^{decades['small']:.1f})."
    )
    numbers = {f"decades/{name}": f"{value:.1f}" for name, value in decades.items()}
    numbers |= {"steps": f"{steps}", "rho/small": f"{small:g}", "rho/big": f"{big:g}", "grad/big": f"{grown:.1f}"}
    numbers |= {"rate/big": f"{np.log10(rates[big]):.1f}", "rate/small": f"{np.log10(rates[small]):.1f}"}
    numbers |= {"decades/predicted": f"{at.log_ratio[big] / np.log(10):.1f}", "fixed": f"{FIXED_RATE:g}"}
    numbers |= {"worse/first": f"{worse.min():g}", "worse/last": f"{worse.max():g}"}
    error = (relative.log_ratio_hat - relative.log_ratio)[relative.log_ratio > -3].abs().max()
    return Findings(verdict, numbers | {"error/ratio": f"{error:.1e}".replace("e-0", r"\times10^{-") + "}"})
