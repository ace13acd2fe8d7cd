"""How large is the gradient of a real loss at the bottom of a network, before training, on real data?

The gradient of the first layer's weights, itself and not relative to the top: networks that end in a head of ten classes with a scale of
its own, one example each, handwritten digits with their labels (scikit-learn's, 8 x 8) or normal inputs. Their scales are critical or so
near it that infinite width predicts a loss of at most a factor of four over a thousand layers.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from experiments.parts.digits import digits
from vgtheory import Dense, Estimate, Law, measure, theory

NETS = {"relu": ("relu", 2**0.5, 0.0), "tanh": ("tanh", 1.3, 0.2), "gelu": ("gelu", 1.4, 0.5)}
CLASSES = 10
WIDTH = 64
WIDE = 10_000_000
"""Width at which the law is that of infinite width."""
DEEP = 300
"""Misses are told in per cent of the distance from infinite width from this depth on: in shallower networks that is small."""
OUTSIDE = "the error grows with the logits, whose variance scatters from network to network"


@dataclass(frozen=True)
class Config:
    net: tuple[str, ...] = tuple(NETS)
    loss: tuple[str, ...] = ("cross_entropy", "squared")
    sigma_head: tuple[float, ...] = (0.3, 1.0, 3.0)
    data: tuple[str, ...] = ("digits", "normal")
    depth: tuple[int, ...] = (10, 30, 100, 300, 600, 1000)
    num_nets: int = 200
    seed: int = 44


SMOKE = Config(net=("relu",), sigma_head=(1.0,), data=("digits",), depth=(10,), num_nets=20)


@cache
def _laws(name: str, head: float, depth: int, loss: str) -> tuple[Dense, Law, Law]:
    """The network and its laws, at its width and at infinite width."""
    activation, sigma_w, sigma_b = NETS[name]
    scales, sizes = (sigma_w,) * (depth - 1) + (head,), (WIDTH,) * depth + (CLASSES,)
    net = Dense(activation, scales, sigma_b, widths=sizes)
    wide = net.replace(widths=(WIDTH, *(WIDE,) * (depth - 1), CLASSES))
    law, infinite = (theory.layers.log_loss_grad_layers(each, loss=loss) for each in (net, wide))
    return net, law, infinite


def run(config: Config) -> dict[str, Any]:
    (name,), (loss,), (head,), (data,), (depth,) = config.net, config.loss, config.sigma_head, config.data, config.depth
    net, law, infinite = _laws(name, head, depth, loss)
    shown = {"inputs": digits().inputs, "labels": digits().targets} if data == "digits" else {}
    found = measure.layers.log_loss_grad_layers(key_of(config), net, num_nets=config.num_nets, loss=loss, **shown)
    bottom = Estimate(float(found.value[0]), float(found.err[0]))
    label = f"{name}, {loss.replace('_', '-')}, head {head:g}, {data}, {depth} layers"
    err = float(law.std[0]) / config.num_nets**0.5
    return {
        "head_hat": found.value[-1],
        "head_hat_err": found.err[-1],
        "head": law.mean[-1],
        "infinite": infinite.mean[0],
        **comparison(
            label, "a real loss", bottom, law.mean[0], err, unit="log-norm", reason=OUTSIDE if np.isinf(err) else ""
        ),
    }


def _middle(frame: pd.DataFrame) -> float:
    """The scale of the head that is nearest one."""
    return float(min(frame.sigma_head, key=lambda each: abs(np.log(each))))


def _power(log: float) -> str:
    return f"{log / np.log(10):.1f}"


def _miss(rows: pd.DataFrame) -> float:
    """Distance of the pooled log from the law's, in per cent of that from infinite width."""
    weights = rows.predicted_err**-2.0
    off, lost = weights * (rows.measured - rows.predicted), weights * (rows.infinite - rows.predicted)
    return float(100 * abs(off.sum() / lost.sum()))


def findings(frame: pd.DataFrame) -> Findings:
    known, gap = frame[np.isfinite(frame.predicted_err)], np.expm1(frame.measured - frame.predicted).abs()
    outside = frame[np.isinf(frame.predicted_err)]
    real = frame[(frame.data == frame.data.iloc[0]) & (frame.loss == "cross_entropy")]
    spread = ((known.measured_err / known.predicted_err) ** 2).mean() ** 0.5
    numbers = {
        "cells": f"{len(frame)}",
        "known": f"{len(known)}",
        "nets": f"{frame.num_nets.max()}",
        "agree": f"{(known.z.abs() <= 5).sum()}",
        "std": f"{known.z.std():.2f}",
        "chi_square": f"{(known.z**2).sum():.0f}",
        "within/2": f"{100 * (known.z.abs() <= 2).mean():.0f}",
        "furthest": f"{known.z.abs().max():.1f}",
        "spread": f"{spread:.2f}",
        "gap": f"{100 * gap.median():.1f}",
        "gap/most": f"{100 * gap.max():.0f}",
        "outside": f"{len(outside)}",
        "outside/gap": f"{-100 * np.expm1(outside.measured - outside.predicted).min():.0f}" if len(outside) else "0",
        "outside/furthest": f"{((outside.measured - outside.predicted) / outside.measured_err).abs().max():.1f}"
        if len(outside)
        else "0.0",
        "smallest": f"{np.exp(frame.measured.min()):.1f}",
        "largest": f"{np.exp(frame.measured.max()):.0f}",
        "outside/tanh": f"{(outside.net == 'tanh').sum()}",
        "least": f"{np.exp(real.measured.min()):.2g}",
        "most": f"{np.exp(real.measured.max()):.2g}",
    }
    for name, rows in (("all", known), *known.groupby("net")):
        weights = rows.predicted_err**-2.0
        shift = (weights * (rows.measured - rows.predicted)).sum() / weights.sum()
        numbers |= {
            f"shift/{name}": f"{100 * np.expm1(shift):+.1f}",
            f"shift/{name}_err": f"{100 * weights.sum() ** -0.5:.1f}",
        }
    deepest = frame.depth.max()
    numbers |= {"depth": f"{deepest:,}", "width": f"{WIDTH}"}
    numbers |= {"powers": f"{(real.infinite - real.measured).max() / np.log(10):.0f}"}
    for name, rows in real[(real.depth == deepest) & (real.sigma_head == _middle(real))].groupby("net"):
        row = rows.iloc[0]
        numbers |= {f"size/{name}": _power(row.measured), f"size/{name}/law": _power(row.predicted)}
        numbers |= {f"size/{name}/infinite": _power(row.infinite)}
    for (loss, name), rows in known.groupby(["loss", "net"]):
        numbers |= {f"{loss}/{name}/known": f"{len(rows)}", f"{loss}/{name}/chi_square": f"{(rows.z**2).sum():.0f}"}
        shares = {depth: _miss(few) for depth, few in rows.groupby("depth") if depth >= DEEP}
        if deepest in shares:
            worst = max(shares, key=shares.__getitem__)
            numbers |= {f"{loss}/{name}/percent": f"{shares[deepest]:.1f}"}
            numbers |= {f"{loss}/{name}/worst": f"{shares[worst]:.0f}", f"{loss}/{name}/worst/depth": f"{worst}"}
    straight = known[(known.loss == real.loss.iloc[0]) & (known.net != "gelu")]
    numbers |= {"straight/known": f"{len(straight)}", "straight/chi_square": f"{(straight.z**2).sum():.0f}"}
    lost = ", ".join(f"{name} 10^{numbers[f'size/{name}']}" for name in frame.net.unique() if f"size/{name}" in numbers)
    verdict = (
        f"It can be computed from the scales, the number of classes and the loss, also where it is tiny: below cross-entropy on digits and {deepest:,} layers of "
        f"{WIDTH} units it is {lost}, where infinite width predicts hardly any loss. All {numbers['agree']} of {len(known)} sizes lie within five predicted standard "
        f"errors, but those of GELU lean to one side; in {len(outside)} cases of squared errors the law gives no error. Real digits with their labels are no "
        f"different from noise: before training a label is independent of the network."
    ).replace("All ", "All " if numbers["agree"] == f"{len(known)}" else "")
    return Findings(verdict, numbers)
