"""Q3. The early gradient is a product of all later layers' terms: is it ever balanced by chance?

For every activation the log of the gradient's factor per layer is split into what the weights do and what the activation's slopes
do, predicted and measured, at the weight scale at which the two cancel; and ensembles drawn at random show how rarely they do.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import key_of, rate_columns
from vgtheory import ACTIVATIONS, Dense, Law, measure, theory

DECADE = float(np.log(10))
EPS = 2 * float(np.finfo(np.float32).eps)
"""Rounding of a layer's growth, which is all the error where a part does not scatter."""
SCAN = np.exp(np.linspace(np.log(0.25), np.log(16), 6001))
"""The weight scales in which ensembles are drawn, uniformly in the log, and windows are looked for."""
UNBALANCED = 0.5
"""Weight scale for activations that have no window."""
OUTSIDE = "no finite-width law where lengths have no fixed point at this width"
"""Why the law declines where it does."""


@dataclass(frozen=True)
class Config:
    activation: tuple[str, ...] = tuple(ACTIVATIONS)
    sigma_b: float = 0.2
    largest_sigma_b: float = 1.0
    depth: int = 101
    width: int = 64
    num_nets: int = 4
    num_draws: int = 24
    num_plane: int = 4000
    seed: int = 11


SMOKE = Config(activation=("tanh", "gelu"), depth=12, width=32, num_draws=4, num_plane=200)


def _decades(net: Dense, depth: int) -> np.ndarray:
    """Powers of ten between top and bottom, at infinite width and the fixed point."""
    with np.errstate(all="ignore"):
        return (depth - 1) * np.log(theory.chi_1(net)) / 2 / DECADE


def _window(activation: str, config: Config) -> dict[str, float]:
    """The widest stretch of sigma_w in which the gradient stays within one power of ten, and its balanced scale."""
    inside = np.abs(decades := _decades(Dense(activation, SCAN, config.sigma_b), config.depth)) < 1
    ends = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(int), [0]])))
    if not ends.size:
        return {"balanced": UNBALANCED, "window_low": np.nan, "window_high": np.nan}
    pieces = ends.reshape(-1, 2)
    first, stop = pieces[np.argmax(pieces[:, 1] - pieces[:, 0])]
    centre = first + np.argmin(np.abs(decades[first:stop]))
    return {"balanced": SCAN[centre], "window_low": SCAN[first], "window_high": SCAN[stop - 1]}


def _drawn(activation: str, config: Config, count: int, stream: int) -> Dense:
    """Ensembles at random: sigma_w uniform in the log, sigma_b uniform."""
    rng = np.random.default_rng([config.seed, stream])
    sigma_w = np.exp(rng.uniform(np.log(SCAN[0]), np.log(SCAN[-1]), count))
    return Dense(activation, sigma_w, rng.uniform(0, config.largest_sigma_b, count))


def _by_chance(config: Config) -> dict[str, Any]:
    """ln of the first layer's over the top's gradient in ensembles drawn at random; not finite where a pass overflows."""
    (activation,), key = config.activation, key_of(config)
    drawn = _drawn(activation, config, config.num_draws, 1)
    rows = []
    for index, (sigma_w, sigma_b) in enumerate(zip(drawn.sigma_w, drawn.sigma_b, strict=True), start=1):
        net = Dense(activation, float(sigma_w), float(sigma_b))
        with np.errstate(all="ignore"):
            predicted, wide = _law(net, config).mean[0], theory.log_grad_layers(net, depth=config.depth).mean[0]
            log_grad = _log_grad(jax.random.fold_in(key, index), net, config)[1][:, 0]
            rows.append((predicted, wide, log_grad.mean(), log_grad.std(ddof=1) / config.num_nets**0.5))
    total, total_wide, total_hat, total_hat_err = np.array(rows).T
    return {
        "drawn_sigma_w": drawn.sigma_w,
        "drawn_sigma_b": drawn.sigma_b,
        "total": total,
        "total_wide": total_wide,
        "total_hat": total_hat,
        "total_hat_err": total_hat_err,
    }


def _law(net: Dense, config: Config) -> Law:
    """The gradient's law at this width; at infinite width, and without an error, where that one ends."""
    law = theory.log_grad_layers(net, depth=config.depth, width=config.width)
    return law if np.isfinite(law.std[0]) else Law(theory.log_grad_layers(net, depth=config.depth).mean, law.std)


def _log_grad(key: Any, net: Dense, config: Config) -> tuple[Any, np.ndarray]:
    """Both parts of every network's links, and their sums from the top down."""
    size = {"depth": config.depth, "width": config.width}
    parts = measure.layers.link_parts(key, net, **size, num_nets=config.num_nets)
    return parts, np.cumsum((parts.weights + parts.slopes)[:, ::-1], axis=1)[:, ::-1]


def run(config: Config) -> dict[str, Any]:
    (activation,) = config.activation
    window = _window(activation, config)
    net = Dense(activation, float(window["balanced"]), config.sigma_b)
    parts, log_grad = _log_grad(key_of(config), net, config)
    columns: dict[str, Any] = {}
    law = _law(net, config)
    laws = theory.layers.log_parts_layers(
        net, depth=config.depth, width=config.width if np.isfinite(law.std[0]) else None
    )
    for name, samples, each in zip(("weights", "slopes"), parts, laws, strict=True):
        means = samples[:, :-1].mean(axis=1)
        columns |= {name: each.mean[:-1].mean()}
        err = np.hypot(means.std(ddof=1) / config.num_nets**0.5, EPS)
        columns |= {f"{name}_hat": means.mean(), f"{name}_hat_err": err}
    plane = _decades(_drawn(activation, config, config.num_plane, 0), config.depth)
    return {
        **_by_chance(config),
        **window,
        **columns,
        "share": np.mean(np.abs(plane) < 1),
        **rate_columns(f"{activation}, sigma_w={net.sigma_w:.3f}", "balance", log_grad, law),
    }


def _within(total: pd.Series) -> pd.Series:
    return total.abs() < DECADE


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.drop_duplicates("cell").set_index("activation")
    windows = ((cells.window_high - cells.window_low) / cells.balanced).dropna()
    hits, hits_hat, num = int(_within(frame.total).sum()), int(_within(frame.total_hat).sum()), len(frame)
    both = int((_within(frame.total) & _within(frame.total_hat)).sum())
    tanh, wide = cells.loc["tanh"], int(_within(frame.total_wide).sum())
    none = sorted(cells.index[cells.window_low.isna()])
    links = int(frame.depth.max()) - 1
    verdict = (
        f"Right. Of {num} ensembles drawn at random over all activations (sigma_w from 1/4 to 16), {hits_hat} kept the gradient "
        f"within a power of ten over {links} layers (predicted: {hits}, of them {both} the same; at infinite width {wide}); the windows in sigma_w are "
        f"{100 * windows.min():.1f} to {100 * windows.max():.0f} % wide, and {len(none)} of {len(cells)} activations have none at "
        f"sigma_b = {tanh.sigma_b:g}. Balance by design works: for tanh at sigma_w = {tanh.balanced:.3f} the weights add "
        f"{tanh.weights_hat:+.4f} ± {tanh.weights_hat_err:.4f} per layer and the slopes {tanh.slopes_hat:+.4f} ± "
        f"{tanh.slopes_hat_err:.4f} (predicted {tanh.weights:+.4f} and {tanh.slopes:+.4f})."
    )
    numbers = {
        "draws": f"{num}",
        "hits": f"{hits}",
        "hits_wide": f"{wide}",
        "hits_hat": f"{hits_hat}",
        "both": f"{both}",
        "links": f"{links}",
        "width": f"{int(frame.width.max())}",
        "nets": f"{int(frame.num_nets.max())}",
        "activations": f"{len(cells)}",
        "sigma_b": f"{tanh.sigma_b:g}",
        "unbalanced": f"{len(none)}",
        "share/min": f"{100 * cells.share.min():.1f}",
        "share/max": f"{100 * cells.share.max():.1f}",
        "window/min": f"{100 * windows.min():.1f}",
        "window/max": f"{100 * windows.max():.0f}",
        "furthest": f"{cells[np.isfinite(cells.predicted_err)].z.abs().max():.1f}",
        "decided": f"{int(np.isfinite(cells.predicted_err).sum())}",
        "tanh/sigma_w": f"{tanh.balanced:.3f}",
    }
    for part in ("weights", "slopes"):
        numbers[f"tanh/{part}"] = f"{tanh[part]:+.4f}"
        numbers[f"tanh/{part}_hat"] = f"{tanh[f'{part}_hat']:+.4f}"
        numbers[f"tanh/{part}_err"] = f"{tanh[f'{part}_hat_err']:.4f}"
    return Findings(verdict, numbers)
