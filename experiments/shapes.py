"""Does the law hold for networks as people draw them, with a size, a scale and an activation of its own in every layer?

Random networks of 2 to 12 layers of 10 to 1,000 units each. Scales of weights and biases, one or two activations, the fan that the variance
is taken over and the input's mean square are drawn too. Networks are drawn without their weight matrices, from the same distribution.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import Dense, Estimate, measure, theory

OUTSIDE = "one component of the gradient decides so much of its size that the spread is unknown"
FEW = 16
RARE = (
    "in a layer of fewer than 16 ReLU units one alone may be active: rare networks rule the error of a measured spread"
)
ACTIVATIONS = ("tanh", "relu", "gelu", "silu", "sigmoid", "erf", "leaky_relu", "elu", "sin", "linear")
QUANTITIES = ("log_grad", "log_grad_weight", "log_q")
EPS = 2 * float(np.finfo(np.float32).eps)
"""Two roundings of float32 per link."""
NEAR = (1.0, 2.0)


@dataclass(frozen=True)
class Config:
    draw: tuple[int, ...] = tuple(range(200))
    narrowest: int = 10
    widest: int = 1000
    most_layers: int = 12
    num_nets: int = 400
    seed: int = 26


SMOKE = Config(draw=(0, 1), widest=50, most_layers=4, num_nets=100)


def network(config: Config) -> tuple[Dense, float]:
    """The random network of a cell, and the mean square of its input."""
    rng = np.random.default_rng([config.seed, *config.draw])
    depth = int(rng.integers(2, config.most_layers + 1))
    logs = rng.uniform(np.log(config.narrowest), np.log(config.widest), depth + 1)
    kinds = rng.choice(ACTIVATIONS, 2, replace=False)
    names = tuple(str(name) for name in rng.choice(kinds[: rng.integers(1, 3)], depth))
    scales = np.exp(rng.uniform(np.log(0.5), np.log(2.5), depth)).round(3)
    biases = (rng.uniform(0, 0.6, depth) * rng.integers(0, 2)).round(3)
    fan = str(rng.choice(["in", "out", "avg"]))
    square = float(np.exp(rng.uniform(-2.3, 2.3)).round(3))
    sizes = tuple(int(size) for size in np.exp(logs).round())
    same = names[0] if len(set(names)) == 1 else names
    return Dense(same, tuple(scales.tolist()), tuple(biases.tolist()), widths=sizes, fan=fan), square


def _place(quantity: str) -> int:
    """The bottom layer of a gradient, the top layer of the signal: as far from where it starts as there is."""
    return -1 if quantity == "log_q" else 0


def _row(quantity: str, samples: np.ndarray, net: Dense, square: float) -> dict[str, Any]:
    """One quantity: its law, what infinite width says, and the networks' own mean and spread with their errors."""
    profile, at = getattr(theory, f"{quantity}_layers"), _place(quantity)
    law, infinite = profile(net, input_square=square), profile(net, input_square=square, width=np.inf)
    values = samples[np.isfinite(samples).all(axis=1), at]
    spread, num = values.std(ddof=1), len(values)
    kurtosis = np.mean((values - values.mean()) ** 4) / values.var() ** 2
    return {
        "quantity": quantity,
        "law": law.mean[at],
        "law_std": law.std[at],
        "infinite_width": infinite.mean[at],
        "mean_hat": values.mean(),
        "mean_hat_err": np.hypot(spread / num**0.5, EPS * samples.shape[1]),
        "spread_hat": spread,
        "spread_hat_err": spread * ((kurtosis - 1) / 4 / num) ** 0.5,
        "num_alive": num,
    }


def run(config: Config) -> dict[str, Any]:
    net, square = network(config)
    how: dict[str, Any] = {"num_nets": config.num_nets, "sampler": "matrix_free", "input_square": square}
    logs = measure.samples(key_of(config), net, **how)
    rows = [_row(quantity, getattr(logs, quantity), net, square) for quantity in QUANTITIES]
    sizes = net.widths or ()
    kinds = net.activation if isinstance(net.activation, tuple) else (net.activation,)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]} | {
        "sizes": "-".join(map(str, sizes)),
        "kinds": " and ".join(sorted({each.name for each in kinds})),
        "layers": len(sizes) - 1,
        "thinnest": min(sizes[1:]),
        "fan": net.fan,
        "input_square": square,
    }


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread of the gradient at the bottom, of its weights', and of the signal at the top, of every network."""
    rows = []
    for row in frame.itertuples():
        words = f"{row.sizes}, {row.kinds}, draw {row.draw}: {row.quantity}"
        known, num = np.isfinite(row.law_std), row.num_alive**0.5
        rare = "relu" in row.kinds.split(" and ") and row.thinnest < FEW
        mean_err = np.hypot(row.law_std / num, EPS * row.layers) if known else np.inf
        ratio, ratio_err = row.spread_hat / row.law_std, row.spread_hat_err / row.law_std
        ratio = Estimate(ratio, ratio_err), 1.0, ratio_err if known and not rare else np.inf
        mean = Estimate(row.mean_hat, row.mean_hat_err), row.law, mean_err
        for name, parts, unit in (("mean", mean, "log ratio"), ("spread over predicted", ratio, "ratio")):
            reason = RARE if rare and name != "mean" else ""
            row_of = comparison(f"{words}, {name}", "dense, gaussian", *parts, unit, reason)
            rows.append({"cell": row.cell} | row_of)
    return pd.DataFrame(rows)


def findings(frame: pd.DataFrame) -> Findings:
    table = comparisons(frame)
    decided = table[np.isfinite(table.predicted_err)]
    inside = [100 * (decided.z.abs() < limit).mean() for limit in NEAR]
    is_mean = decided.label.str.endswith("mean")
    off = (frame.mean_hat - frame.infinite_width) / frame.mean_hat_err
    numbers = {
        "draws": f"{frame.cell.nunique()}",
        "nets": f"{int(frame.num_nets.max())}",
        "rows": f"{len(decided)}",
        "declined": f"{len(table) - len(decided)}",
        "within/1": f"{inside[0]:.1f}",
        "within/2": f"{inside[1]:.1f}",
        "within/2/mean": f"{100 * (decided[is_mean].z.abs() < 2).mean():.1f}",
        "within/2/spread": f"{100 * (decided[~is_mean].z.abs() < 2).mean():.1f}",
        "furthest": f"{decided.z.abs().max():.1f}",
        "z/mean": f"{decided.z.mean():+.2f}",
        "z/std": f"{decided.z.std():.2f}",
        "infinite/within/2": f"{100 * (off.abs() < 2).mean():.0f}",
        "narrowest": f"{int(frame.narrowest.min())}",
        "widest": f"{int(frame.widest.max()):,}",
        "layers": f"{int(frame.layers.max())}",
    }
    verdict = (
        f"{numbers['draws']} random networks of up to {numbers['layers']} layers, of {numbers['narrowest']} to {numbers['widest']} units, {numbers['nets']} draws each: "
        f"{numbers['within/2']} % of {numbers['rows']} means and spreads lie within two predicted standard errors ({numbers['within/1']} % within one, furthest "
        f"{numbers['furthest']}), and the law declines {numbers['declined']}. Infinite width puts {numbers['infinite/within/2']} % of the means there."
    )
    return Findings(verdict, numbers)
