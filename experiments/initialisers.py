"""Q15. Too large or too small initial weights cause it, and proper initialisation fixes it: does it?

What PyTorch, Equinox, Flax and Keras draw by default, He's scale and the critical scale, for six activations: factor of the
gradient per layer, predicted and measured. ``python -m experiments.initialisers > docs/initialisers.md`` writes the whole audit.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import key_of, profile_columns, rate_columns, thinned
from vgtheory import Dense, measure, theory

BIASES = (0.0, 0.3, 1.0)
"""sigma_b of the critical network: the first with a stable one of positive q*; at q* = 0 it is only reached by a power of depth."""
KEPT = np.log(10)
"""What a log-norm may change by from top to bottom and still count as kept: a factor of ten."""
ROUNDING = 1e-9
"""Of the log of a factor: what is critical but for rounding."""
SAME = {"equinox": "pytorch", "keras": "flax", "glorot": "flax", "lecun": "flax", "orthogonal": "flax"}
"""Initialisers of the same scales as another's."""
NAMES = {
    "pytorch": "PyTorch, Equinox",
    "flax": "Flax, Keras, Glorot, LeCun, orthogonal",
    "he": "He",
    "calculate_gain": "PyTorch's calculate_gain",
}
FORMATS = ("float16", "bfloat16", "float32")
HEAD = """# What the usual initialisers do to a gradient

For every activation with a bounded slope, a stack of square layers of width {width} and inputs of unit mean square: the scales that
each initialiser amounts to, the mean square `q*` of the pre-activations at depth, the **factor of the gradient's norm per layer**,
and the first depth at which a power of that factor, cast to one of three number formats, is zero (where it grows: infinite). Then the
`sigma_w` at which gradients neither vanish nor explode, if a stable network has it: with the same biases, without biases, and the smallest
`sigma_b` for which there is one (searched up to 4). A factor of 1 is a limit: where `q*` is 0 the
gradient still changes, by a power of the depth; where `q` runs to infinity the gradient may change faster. In these rows `drift` is the
change of the norm over the first 1,000 layers, and the depths are those at which the product of the layers' own factors leaves the
format (among the first 10,000). `*` marks activations that have another stable `q*`, which inputs of another size run to.

Infinite width, from `theory.initialiser_audit`. PyTorch's and Equinox's linear layers draw weights and biases from
U(-1, 1) / sqrt(fan_in); Flax's from a truncated normal, Keras's from a uniform distribution of variance 1 / fan_in, with zero biases. Generated
by `python -m experiments.initialisers`; do not edit.
"""
COLUMNS = (
    "activation",
    "initialiser",
    "sigma_w",
    "sigma_b",
    "q*",
    "factor",
    "drift",
    *FORMATS,
    "critical sigma_w",
    "without biases",
    "least sigma_b",
)


@dataclass(frozen=True)
class Config:
    activation: tuple[str, ...] = ("relu", "tanh", "gelu", "silu", "sigmoid", "selu")
    initialiser: tuple[str, ...] = ("pytorch", "flax", "he", "critical")
    depth: int = 50
    width: int = 128
    num_nets: int = 32
    seed: int = 15


SMOKE = Config(activation=("relu", "sigmoid"), initialiser=("pytorch", "critical"), depth=12, width=32, num_nets=8)


def _net(config: Config, rows: list[theory.layers.InitialiserAudit]) -> Dense:
    """The initialiser's ensemble; the critical one has biases where it needs them."""
    (activation,), (initialiser,) = config.activation, config.initialiser
    for row in rows:
        if row.initialiser == initialiser:
            return Dense(activation, row.sigma_w, row.sigma_b)
    for sigma_b in BIASES:
        found = theory.critical(activation, sigma_b=sigma_b)
        usable = found.is_stable & (found.q_star > 0)
        if usable.any():
            break
    return Dense(activation, float(found.sigma_w[usable][0]), sigma_b)


def run(config: Config) -> dict[str, Any]:
    (activation,), (initialiser,) = config.activation, config.initialiser
    rows = theory.initialiser_audit([activation], width=config.width)
    net, size = _net(config, rows), {"depth": config.depth, "width": config.width}
    logs = measure.samples(key_of(config), net, **size, num_nets=config.num_nets)
    law, layers = theory.log_grad_layers(net, **size), thinned(config.depth, 10)
    factor = float(np.sqrt(theory.chi_1(net)))
    keeps = abs(np.log(factor)) < ROUNDING
    lost = None if keeps else theory.depth_limit(factor, FORMATS[0]).zero
    return {
        "layer": layers,
        **profile_columns("log_grad", logs.log_grad, law, layers),
        "least_sigma_b": rows[0].least_sigma_b,
        "sigma_w": net.sigma_w,
        "sigma_b": net.sigma_b,
        "factor": factor,
        "zero_depth": np.inf if lost is None else float(lost),
        **rate_columns(f"{activation}, {initialiser}", "dense, gaussian", logs.log_grad, law),
    }


def _number(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.4g}"


def _depth(value: int | None, drifts: bool) -> str:
    return f"{value:,}" if value is not None else "> 10,000" if drifts else "never"


def page(activations: Sequence[str] | None = None, width: int = 512) -> str:
    """The audit as a page of Markdown."""
    lines = [
        HEAD.format(width=width),
        "| " + " | ".join(COLUMNS) + " |",
        "|---" * 2 + "|---:" * (len(COLUMNS) - 2) + "|",
    ]
    for row in theory.initialiser_audit(activations, width=width):
        if row.initialiser in SAME:
            continue
        name = row.activation + ("\\*" if row.num_basins > 1 else "")
        drifts = abs(row.drift) > ROUNDING
        lost = [_depth(getattr(row, dtype), drifts) for dtype in FORMATS]
        drift = f"{np.exp(row.drift):.3g}-fold" if drifts else "-" if math.isnan(row.drift) else "none"
        critical = (row.critical_sigma_w, row.unbiased_sigma_w, row.least_sigma_b)
        scales = (row.sigma_w, row.sigma_b, row.q_star, row.factor)
        cells = [*map(_number, scales), drift, *lost, *map(_number, critical)]
        lines.append("| " + " | ".join([name, NAMES[row.initialiser], *cells]) + " |")
    return "\n".join(lines) + "\n"


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.drop_duplicates("cell").set_index(["initialiser", "activation"]).sort_index()
    bottom = frame[frame.layer == 1].set_index(["initialiser", "activation"]).log_grad_hat
    hat, torch = np.exp(cells.measured), np.exp(cells.measured["pytorch"])
    kept = {name: list(bottom[name].index[bottom[name].abs() < KEPT]) for name in cells.index.unique("initialiser")}
    depth, critical = int(cells.depth.max()), hat["critical"]
    said = [f"{len(names)} under {name}{_listed(names, len(torch))}" for name, names in kept.items()]
    verdict = (
        f"Right if it is made for the activation, and no default is made for all. PyTorch's and Equinox's makes the gradients of all "
        f"{len(torch)} activations vanish, at {torch.min():.2f} to {torch.max():.2f} per layer. Of the {len(torch)}, so many keep the norm "
        f"within a factor of ten over {depth} layers: {', '.join(said)}. At the critical scale the factors are {critical.min():.3f} to "
        f"{critical.max():.3f} per layer at width {int(cells.width.max())}."
    )
    numbers = {
        "activations": f"{len(torch)}",
        "nets": f"{int(cells.num_nets.max())}",
        "width": f"{int(cells.width.max())}",
        "depth": f"{depth}",
        "known": f"{int(np.isfinite(cells.predicted_err).sum())}",
        "cells": f"{len(cells)}",
        "furthest": f"{cells.z.abs().max():.1f}",
    }
    for name, names in kept.items():
        factors = hat[name]
        numbers |= {
            f"{name}/kept": f"{len(names)}",
            f"{name}/min": f"{factors.min():.2f}",
            f"{name}/max": f"{factors.max():.2f}",
        }
    return Findings(verdict, numbers | _cell_numbers(cells))


def _listed(names: list[str], total: int) -> str:
    """The names in brackets, unless they are none or all."""
    return f" ({', '.join(names)})" if 0 < len(names) < total else ""


def _cell_numbers(cells: pd.DataFrame) -> dict[str, str]:
    """What the paper quotes of single cells."""
    numbers = {}
    for (name, activation), cell in cells.iterrows():
        numbers |= {
            f"{name}/{activation}/measured": f"{np.exp(cell.measured):.3f}",
            f"{name}/{activation}/predicted": f"{np.exp(cell.predicted):.3f}",
            f"{name}/{activation}/sigma_w": f"{cell.sigma_w:.4g}",
            f"{name}/{activation}/sigma_b": f"{cell.sigma_b:.4g}",
            f"{activation}/least_sigma_b": f"{cell.least_sigma_b:.3g}",
        }
        if name != "critical" and np.isfinite(cell.zero_depth) and abs(np.log(cell.factor)) > ROUNDING:
            numbers[f"{name}/{activation}/zero_depth"] = f"{cell.zero_depth:.0f}"
    return numbers


if __name__ == "__main__":
    sys.stdout.write(page())
