"""Where in the plane of weights and biases do gradients vanish or explode and inputs merge, and do networks agree?

For tanh, and for the sigmoid, whose outputs have a mean: the predicted depth scale of the gradient and the correlation on which
two inputs settle, over the whole plane, with real networks measured at points of it.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import key_of, rate_columns
from vgtheory import Dense, measure, theory


class Plane(NamedTuple):
    """The points at which networks are measured: each is the middle of a tile of this size."""

    sigma_w: tuple[float, ...]
    sigma_b: tuple[float, ...]
    tile: tuple[float, float]


PLANES = {
    "tanh": Plane((0.5, 1.0, 1.5, 2.0, 2.5), (0.15, 0.45, 0.75, 1.05), (0.5, 0.3)),
    "sigmoid": Plane((2.0, 5.0, 8.0, 11.0, 14.0), (1.0, 3.0, 5.0, 7.0), (3.0, 2.0)),
}


@dataclass(frozen=True)
class Config:
    activation: tuple[str, ...] = tuple(PLANES)
    depth: int = 50
    width: int = 192
    num_nets: int = 8
    num_points: int = 20
    across: int = 7
    c_0: float = 0.5
    seed: int = 13


SMOKE = Config(activation=("tanh",), depth=12, width=32, num_nets=8, num_points=2, across=2)


def _tile(centre: float, size: float, across: int) -> np.ndarray:
    """Middles of the pieces of a tile's side."""
    return centre + size * ((np.arange(across) + 0.5) / across - 0.5)


def _measured(activation: str, point: tuple[float, float], config: Config, key: Any) -> dict[str, Any]:
    """One point: the gradient's rate against the law at this width, the correlation at the top against infinite width."""
    net, size = Dense(activation, *point), {"depth": config.depth, "width": config.width}
    samples = measure.samples(key, net, **size, num_nets=config.num_nets).log_grad
    c = measure.layers.c_layers(key, net, **size, num_nets=config.num_nets, c_0=config.c_0)
    label = f"{activation}, sigma_w={point[0]:g}, sigma_b={point[1]:g}"
    return {
        "point_w": point[0],
        "point_b": point[1],
        "c": theory.layers.c_layers(net, depth=config.depth, c_0=config.c_0).mean[-1],
        "c_hat": c.value[-1],
        "c_hat_err": c.err[-1],
        **rate_columns(label, "phase diagram", samples, theory.log_grad_layers(net, **size)),
    }


def run(config: Config) -> dict[str, Any]:
    (activation,), key = config.activation, key_of(config)
    plane = PLANES[activation]
    points = [(w, b) for w in plane.sigma_w for b in plane.sigma_b][: config.num_points]
    rows = [_measured(activation, point, config, jax.random.fold_in(key, index)) for index, point in enumerate(points)]
    tiles = [
        np.meshgrid(*(_tile(*each, config.across) for each in zip(point, plane.tile, strict=True))) for point in points
    ]
    sigma_w, sigma_b = (np.concatenate([tile[side].ravel() for tile in tiles]) for side in (0, 1))
    net = Dense(activation, sigma_w, sigma_b)
    heights, place = np.unique(sigma_b, return_inverse=True)
    return {
        "sigma_w": sigma_w,
        "sigma_b": sigma_b,
        "log_chi": np.log(theory.chi_1(net)),
        "c_star": theory.c_star(net),
        "critical": theory.critical(activation, sigma_b=heights, size=1).sigma_w[place, 0],
        **{label: np.repeat([row[label] for row in rows], config.across**2) for label in rows[0]},
    }


def _scientific(value: float) -> str:
    """A small number as LaTeX writes it."""
    mantissa, exponent = f"{value:.1e}".split("e")
    return rf"{mantissa}\cdot 10^{{{int(exponent)}}}"


def findings(frame: pd.DataFrame) -> Findings:
    points = frame.drop_duplicates(["cell", "label"])
    known = points[np.isfinite(points.predicted_err)]
    within = {bound: float((known.z.abs() < bound).mean()) for bound in (1, 2)}
    width = int(frame.width.max())
    z_c = ((points.c_hat - points.c) / points.c_hat_err).abs()
    worst, within_c = points.loc[z_c.idxmax()], float((z_c < 2).mean())
    line = {name: rows.critical for name, rows in frame.groupby("activation")}
    span = "; ".join(f"{name} from sigma_w = {rows.min():.2f} to {rows.max():.2f}" for name, rows in line.items())
    verdict = (
        f"They agree. Of {len(known)} points where the law at width {width} holds, {within[1]:.0%} of the gradient's rates lie within "
        f"one predicted standard error and {within[2]:.0%} within two, the furthest at {known.z.abs().max():.1f}. Of the correlations, "
        f"predicted at infinite width only, {within_c:.0%} lie within two measured standard errors; the furthest, at {z_c.max():.1f}, is "
        f"{worst.label}: 1 - c = {1 - worst.c_hat:.2g} ± {worst.c_hat_err:.1g} for {1 - worst.c:.2g}. The critical line runs, over the biases measured, "
        f"for {span}."
    )
    numbers = {
        "points": f"{len(points)}",
        "known": f"{len(known)}",
        "width": f"{width}",
        "depth": f"{int(frame.depth.max())}",
        "nets": f"{int(frame.num_nets.max())}",
        "within/1": f"{100 * within[1]:.0f}",
        "within/2": f"{100 * within[2]:.0f}",
        "furthest": f"{known.z.abs().max():.1f}",
        "c/within": f"{100 * within_c:.0f}",
        "c/furthest": f"{z_c.max():.1f}",
        "c/furthest/value": _scientific(1 - worst.c_hat),
        "c/furthest/err": _scientific(worst.c_hat_err),
        "c/furthest/predicted": _scientific(1 - worst.c),
    }
    for name, values in line.items():
        numbers |= {f"{name}/critical/min": f"{values.min():.2f}", f"{name}/critical/max": f"{values.max():.2f}"}
    return Findings(verdict, numbers)
