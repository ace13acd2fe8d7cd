"""Q11. Leaky units, skips in time, LSTMs and GRUs redesign how gradients travel: by what factor per step?

Each cell three times: with weights of its own at every step and no matrices, at a width at which infinite width is exact (the law is closed);
and as Flax runs it, with one set of weights, beside both that law and the one that knows of the sharing (dynamical mean-field theory).
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import GRU, LSTM, MGU, Estimate, Leaky, Skip, measure, theory

EPS = 4 * float(np.finfo(np.float32).eps)
BIASES = {"LSTM": (0.0, 1.0, 2.0, 3.0), "GRU": (0.0, 1.0, 2.0, 3.0), "MGU": (0.0, 1.0, 2.0, 3.0)}
LEAKS = (1.0, 0.5, 0.2, 0.1)
LAGS = (2, 5, 10, 20)
WEIGHTS = (0.5, 1.0, 1.5)
INPUTS = (0.5, 1.0)
WIDE = {"width": 10_000, "sampler": "matrix_free"}


@dataclass(frozen=True)
class Config:
    kind: tuple[str, ...] = ("LSTM", "GRU", "MGU", "leaky", "skip")
    width: int = 256
    steps: int = 40
    burn_in: int = 80
    num_nets: int = 8
    num_wide: int = 8
    num_settings: int = 24
    seed: int = 11


SMOKE = Config(kind=("GRU", "leaky"), width=32, steps=10, burn_in=10, num_nets=4, num_wide=2, num_settings=2)


def _cells(kind: str) -> list[tuple[dict[str, float], Any]]:
    """Every setting with its numbers: sigma_w, sigma_in, and the bias, leak or lag."""
    knobs = BIASES.get(kind, LEAKS if kind == "leaky" else LAGS)
    makers: dict[str, Any] = {
        "LSTM": lambda w, s, b: LSTM(w, None, s, b),
        "GRU": lambda w, s, b: GRU(w, None, s, b),
        "MGU": lambda w, s, b: MGU(w, None, s, b),
        "leaky": lambda w, s, a: Leaky("tanh", w, 0.0, s, a),
        "skip": lambda w, s, lag: Skip("tanh", w, 0.8, 0.0, s, int(lag)),
    }
    grid = [(w, s, knob) for knob in knobs for w in WEIGHTS for s in INPUTS]
    return [({"sigma_w": w, "sigma_in": s, "knob": knob}, makers[kind](w, s, knob)) for w, s, knob in grid]


def _rate(log: np.ndarray) -> np.ndarray:
    """Log-factor per step of the norm over the later half of the way back."""
    half = (log.shape[-1] - 1) // 2
    return (log[..., -1] - log[..., half]) / (log.shape[-1] - 1 - half)


def _row(config: Config, key: jax.Array, cell: Any) -> dict[str, float]:
    """One setting: both laws, both measurements, of the rate."""
    sizes: dict[str, Any] = {"steps": config.steps, "burn_in": config.burn_in}
    own = float(_rate(theory.cells.log_grad_steps(cell, steps=config.steps)))
    one = theory.cells.tied_grad_steps(cell, num_paths=2048, num_sets=4, **sizes)
    wide = _rate(
        measure.cells.cell_logs(jax.random.fold_in(key, 0), cell, num_nets=config.num_wide, **WIDE, **sizes).log_grad
    )
    how: dict[str, Any] = {"width": config.width, "num_nets": config.num_nets, **sizes}
    real = _rate(measure.cells.cell_logs(jax.random.fold_in(key, 1), cell, **how).log_grad)
    # Its error: that of the two ends, as if independent; the sets of paths share neither.
    one_err = np.hypot(one.err[-1], one.err[config.steps // 2]) / (config.steps - config.steps // 2)
    err = lambda values: float(np.hypot(values.std(ddof=1) / len(values) ** 0.5, EPS))
    out = {"own": own, "own_hat": float(wide.mean()), "own_hat_err": err(wide), "one": float(_rate(one.value))}
    return out | {"one_err": float(one_err), "one_hat": float(real.mean()), "one_hat_err": err(real)}


def run(config: Config) -> dict[str, Any]:
    key, kind = key_of(config), config.kind[0]
    settings = _cells(kind)[:: -(-len(_cells(kind)) // config.num_settings)]
    rows = [numbers | _row(config, jax.random.fold_in(key, n), cell) for n, (numbers, cell) in enumerate(settings)]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    # The compared number: the mean over all settings, for which the errors are independent.
    mean_err = lambda name: float(np.sqrt(np.sum(columns[name] ** 2)) / len(rows))
    measured = Estimate(columns["own_hat"].mean(), mean_err("own_hat_err"))
    compared = comparison(
        f"{kind}, mean of {len(rows)} settings", "cell", measured, columns["own"].mean(), measured.err, "per step"
    )
    return columns | compared


def _z(rows: pd.DataFrame, law: str, seen: str) -> pd.Series:
    law_err = rows.get(f"{law}_err", 0.0)
    return (rows[f"{seen}_hat"] - rows[law]) / np.hypot(rows[f"{seen}_hat_err"], law_err)


def findings(frame: pd.DataFrame) -> Findings:
    gated = frame[frame.kind.isin(["LSTM", "GRU", "MGU"])]
    ratio = lambda rows, law: float(np.median(rows[law] / rows.one_hat))
    within = lambda rows, law, seen: f"{100 * float(np.mean(np.abs(_z(rows, law, seen)) < 3)):.0f}"
    numbers = {
        "settings": f"{len(frame)}",
        "own/within": within(frame, "own", "own"),
        "one/within": within(frame, "one", "one"),
    }
    lines = []
    for kind, rows in frame.groupby("kind"):
        off = float(np.median(np.abs(rows.one - rows.one_hat) / np.abs(rows.one_hat)))
        numbers |= {
            f"{kind}/settings": f"{len(rows)}",
            f"{kind}/own": f"{ratio(rows, 'own'):.2f}",
            f"{kind}/one": f"{100 * off:.0f}",
        }
        lines.append(f"{kind} {ratio(rows, 'own'):.2f}")
    worst = gated.loc[(gated.own / gated.one_hat).where(gated.one_hat < -2 * gated.one_hat_err).idxmax()]
    numbers |= {"worst/cell": str(worst.kind), "worst/ratio": f"{worst.own / worst.one_hat:.1f}"}
    numbers |= {
        "worst/knob": f"{worst.knob:g}",
        "worst/own": f"{-1 / worst.own:.0f}",
        "worst/one": f"{-1 / worst.one_hat:.0f}",
    }
    verdict = (
        f"Right, and by factors that theory gives. With weights of their own at every step the closed law holds in {numbers['own/within']} % of "
        f"{len(frame)} settings within three standard errors. Real cells share their weights, and that lengthens their memory: the rate without sharing "
        f"is larger by a median factor of {', '.join(lines)}. The theory that knows of the sharing is within three standard errors, "
        f"its own included, in {numbers['one/within']} %."
    )
    return Findings(verdict, numbers)
