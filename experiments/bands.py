"""How far may one network lie from its prediction? Bands of the twin of twelve architectures, and real networks of the same width.

The twin's replica alone is a network of the model's own width without weights (``vgtheory.diagnose.infinite_width(...).bands``): draws of it
give a mean and a standard deviation for the signal and the gradients of every layer. Real networks are drawn by Flax, on the same batch, and
differentiated by JAX. A band of 95 % should hold 95 % of them.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from experiments.parts.architectures import ARCHITECTURES, SHALLOW, loss, sizes
from vgtheory import Estimate, diagnose

PARTS = ("architectures", "summary")
LEVEL = 0.95
LEAST, MOST = 0.93, 0.97
"""Coverage that was asked for, before measuring."""
_SLOPE = 0.229
"""Change of the coverage of a normal band of 95 % with the log of its width."""


@dataclass(frozen=True)
class Config:
    model: tuple[str, ...] = tuple(ARCHITECTURES)
    width: tuple[int, ...] = (128, 256, 512, 1024)
    num_draws: int = 256
    net_units: int = 65536
    seed: int = 22


SMOKE = Config(model=tuple(SHALLOW), width=(16,), num_draws=16, net_units=256)


def _real(key: jax.Array, model: Any, batch: tuple, num_nets: int) -> dict[tuple[str, str], np.ndarray]:
    """Logs of sizes over networks, by quantity and call."""
    run = jax.jit(lambda keys: jax.lax.map(lambda own: sizes(model, batch, own), keys))
    seen = jax.device_get(run(jax.random.split(key, num_nets)))
    return {(name, path): np.asarray(logs, float) for name, each in seen.items() for path, logs in each.items()}


def run(config: Config) -> dict[str, Any]:
    (name,), (width,) = config.model, config.width
    keys = jax.random.split(key_of(config), 4)
    architecture = (ARCHITECTURES | SHALLOW)[name]
    model, batch = architecture.make(width), architecture.batch(keys[0], width)
    variables = jax.jit(model.init)(keys[1], batch[0])
    twin = diagnose.infinite_width(model, variables=variables, loss=loss)
    bands = twin.bands(keys[2], *batch, num_draws=config.num_draws)
    seen = _real(keys[3], model, batch, config.net_units // width)
    laws = {(field, path): law for path, band in bands.layers.items() for field, law in band._asdict().items()}
    chosen = [place for place, law in laws.items() if place in seen and law.std > 0]
    mean, std = (np.array([laws[place][part] for place in chosen]) for part in (0, 1))
    logs = np.stack([seen[place] for place in chosen])
    z = (logs - mean[:, None]) / std[:, None]
    is_inside = np.abs(z) < bands.half_width(LEVEL)
    return {
        "layer": np.array([path for _, path in chosen]),
        "quantity": np.array([field for field, _ in chosen]),
        "num_nets": np.full(len(chosen), logs.shape[1]),
        "log_size": mean,
        "log_size_std": std,
        "log_size_hat": logs.mean(axis=1),
        "log_size_hat_std": logs.std(axis=1, ddof=1),
        "log_size_hat_low": np.quantile(logs, (1 - LEVEL) / 2, axis=1),
        "log_size_hat_high": np.quantile(logs, (1 + LEVEL) / 2, axis=1),
        "coverage_hat": is_inside.mean(axis=1),
        "network_hat_std": np.full(len(chosen), is_inside.mean(axis=0).std(ddof=1)),
    }


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """Coverage of every architecture and width, with the error of so many networks if all quantities of one stood or fell together."""
    rows = []
    for (name, width), cell in frame.groupby(["model", "width"], sort=False):
        nets, draws = float(cell.num_nets.iloc[0]), float(cell.num_draws.iloc[0])
        seen = Estimate(cell.coverage_hat.mean(), cell.network_hat_std.iloc[0] / nets**0.5)
        err = float(np.hypot((LEVEL * (1 - LEVEL) / nets) ** 0.5, _SLOPE / (2 * draws) ** 0.5))
        row = comparison(f"{name}, width {width}", "band of 95 %", seen, LEVEL, err, "share of networks")
        rows.append({"cell": cell.cell.iloc[0]} | row)
    return pd.DataFrame(rows)


def _coverage(frame: pd.DataFrame, by: str | list[str]) -> pd.Series:
    """Share of networks within, over all quantities of an architecture alike, in per cent."""
    weighed = frame.assign(inside=frame.coverage_hat * frame.num_nets)
    sums = weighed.groupby(by, sort=False)[["inside", "num_nets"]].sum()
    return 100 * sums.inside / sums.num_nets


def _outside(frame: pd.DataFrame) -> pd.Series:
    """Of architectures at single widths, those whose coverage is not what was asked for."""
    cells = _coverage(frame, ["model", "width"])
    return cells[~cells.between(100 * LEAST, 100 * MOST)].sort_values()


def _scaling(frame: pd.DataFrame) -> pd.Series:
    """By architecture, spread at the least width that the greatest one's tells if variances go as 1/N, over the twin's own; rms of all quantities."""
    table = frame.pivot_table(index=["model", "quantity", "layer"], columns="width", values="log_size_std", sort=False)
    first, last = table.columns.min(), table.columns.max()
    ratio = table[last] * (last / first) ** 0.5 / table[first]
    return ratio.groupby("model", sort=False).agg(lambda each: float(np.exp(np.log(each).mean())))


def findings(frame: pd.DataFrame) -> Findings:
    by_model, by_width = _coverage(frame, "model"), _coverage(frame, "width")
    by_cell, outside = _coverage(frame, ["model", "width"]), _outside(frame)
    named = (
        ", ".join(f"{name} at width {width:,} with {value:.2f}" for (name, width), value in outside.items()) or "none"
    )
    narrow = frame[frame.width == frame.width.min()]
    nets = int(frame.groupby(["model", "width"]).num_nets.first().sum())
    spread = narrow[narrow.quantity == "log_grad_weight"].log_size_std
    numbers = {
        "models": f"{len(by_model)}",
        "nets": f"{nets:,}",
        "coverage": f"{by_model.mean():.1f}",
        "low": f"{by_model.min():.1f}",
        "high": f"{by_model.max():.1f}",
        "narrow": f"{narrow.width.iloc[0]}",
        "wide": f"{frame.width.max():,}",
        "smallest": f"{100 * spread.min():.0f}",
        "largest": f"{100 * spread.max():.0f}",
    }
    numbers |= {f"model/{name.lower().replace(' ', '_')}": f"{value:.1f}" for name, value in by_model.items()}
    numbers |= {f"width/{width}": f"{value:.1f}" for width, value in by_width.items()}
    scaling = _scaling(frame)
    numbers |= {f"scaling/{name.lower().replace(' ', '_')}": f"{value:.2f}" for name, value in scaling.items()}
    numbers |= {"furthest_scaling": f"{scaling.max():.1f}", "furthest_model": str(scaling.idxmax())}
    held = int(by_model.between(100 * LEAST, 100 * MOST).sum())
    numbers |= {"held": f"{held}", "width_low": f"{by_width.min():.1f}", "width_high": f"{by_width.max():.1f}"}
    numbers |= {"cells": f"{len(by_cell)}", "cells_held": f"{len(by_cell) - len(outside)}", "outside": named}
    numbers |= {"furthest_z": f"{comparisons(frame).z.abs().max():.1f}"}
    verdict = (
        f"As far as the band of its twin reaches. Bands of 95 % hold {numbers['coverage']} % of the signals and gradients of {numbers['nets']} real networks "
        f"of {numbers['models']} architectures at widths {numbers['narrow']} to {numbers['wide']}; between {numbers['low']} and {numbers['high']} % by "
        f"architecture ({held} of {len(by_model)} within 93 to 97 %) and between {numbers['width_low']} and {numbers['width_high']} % by width. Of "
        f"{numbers['cells']} architectures at single widths {numbers['cells_held']} are within 93 to 97 % (outside: {named} %); none is further from 95 % "
        f"than {numbers['furthest_z']} standard errors. At width {numbers['narrow']} a layer's weight gradient has a standard deviation of "
        f"{numbers['smallest']} to {numbers['largest']} % from network to network. Variances in proportion to 1/N would carry the spread from width "
        f"{numbers['wide']} to {numbers['narrow']} {numbers['furthest_scaling']} times too large for the {numbers['furthest_model']}."
    )
    return Findings(verdict, numbers)
