"""Do delta-orthogonal kernels keep a gradient over 10,000 convolutional layers, where Gaussian ones lose it, and what does zero padding cost?

Real convolutional networks at criticality, on a line and on a plane. Delta-orthogonal kernels with zero padding; Gaussian ones with circular
and with zero padding. With many channels theirs is the dense law, and for homogeneous activations one factor per layer for the border.
At finite width positions that are independent scatter less than a dense network of as many units as there are channels, and no less than
one of as many as there are channels and positions together; linear ones in between as their Fourier modes say.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of, thinned
from vgtheory import Conv, Dense, Estimate, Law, measure, theory

NETS = {"linear": ("linear", 1.0, 0.0), "relu": ("relu", 2**0.5, 0.0), "tanh": ("tanh", 1.0091, 0.001)}
"""Activation, sigma_w, sigma_b; all critical."""
KERNELS = {
    "delta": ("delta_orthogonal", "zero"),
    "gaussian": ("gaussian", "circular"),
    "gaussian, zero padding": ("gaussian", "zero"),
}
FIELDS = {"line": (16,), "plane": (4, 4)}
EPS = 2 * float(np.finfo(np.float32).eps)
BELOW = 40
"""Layers below the top where the gradient's profile over positions is looked at."""

IDENTITIES = r"^linear, delta"
"""Labels that are tests and no comparisons: multiples of a rotation change every norm by the same factor."""
OUTSIDE = "no law at finite width for Gaussian kernels unless linear and circular: only the range between aligned and independent positions, whose lower end is the prediction"
"""Why the law declines where it does."""


@dataclass(frozen=True)
class Config:
    kernel: tuple[str, ...] = tuple(KERNELS)
    net: tuple[str, ...] = tuple(NETS)
    field: tuple[str, ...] = tuple(FIELDS)
    depth_delta: int = 10_000
    depth_gaussian: int = 1_000
    width: int = 48
    nets_delta: int = 4
    nets_gaussian: int = 24
    seed: int = 22


SMOKE = Config(net=("tanh",), field=("line",), depth_delta=200, depth_gaussian=60, width=16)


def _dense(net: Conv, depth: int, width: int) -> Any:
    """The law of a dense network with so many units."""
    kind = "orthogonal" if net.weights == "delta_orthogonal" else "gaussian"
    return theory.log_grad_layers(Dense(net.activation, net.sigma_w, net.sigma_b, kind), depth=depth, width=width)


def _range(net: Conv, depth: int, width: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means as if all positions were one, and as if each had units of its own; and the first's spread; the border's loss in both."""
    infinite = theory.log_grad_layers(net, depth=depth, positions=shape).mean
    inside = theory.log_grad_layers(Dense(net.activation, net.sigma_w, net.sigma_b), depth=depth).mean
    one, all_apart = _dense(net, depth, width), _dense(net, depth, width * int(np.prod(shape)))
    border = infinite - inside
    return one.mean + border, all_apart.mean + border, one.std


def run(config: Config) -> dict[str, Any]:
    (kernel,), (name,), (field,) = config.kernel, config.net, config.field
    (weights, padding), (activation, sigma_w, sigma_b), shape = KERNELS[kernel], NETS[name], FIELDS[field]
    net, delta = Conv(activation, sigma_w, sigma_b, 3, weights, padding), kernel == "delta"
    depth, num_nets = (
        (config.depth_delta, config.nets_delta) if delta else (config.depth_gaussian, config.nets_gaussian)
    )
    size, num = {"depth": depth, "positions": shape}, int(np.prod(shape))
    logs = measure.samples(key_of(config), net, **size, width=config.width, num_nets=num_nets)
    low, high, spread = _range(net, depth, config.width, shape)
    layers = thinned(depth, num)
    chosen, looked = logs.log_grad[:, layers - 1], max(0, depth - 1 - BELOW)
    shares = 2 * (logs.log_grad_positions[:, looked].reshape(num_nets, num) - logs.log_grad[:, looked, None])
    share = np.exp(shares)
    expected = theory.blocks.log_grad_positions(net, **size).mean[looked].ravel()
    expected = 2 * (expected - theory.log_grad_layers(net, **size).mean[looked])
    bottom = logs.log_grad[:, 0]
    if delta:
        law = Law(low, spread)
    elif (name, kernel) == ("linear", "gaussian"):
        law = theory.log_grad_layers(net, **size, width=config.width)
    else:
        law = Law(low, np.full(depth, np.inf))
    return {
        "layer": layers,
        "low": low[layers - 1],
        "high": high[layers - 1],
        "low_std": spread[layers - 1],
        "log_grad_hat": chosen.mean(axis=0),
        "log_grad_hat_std": chosen.std(axis=0, ddof=1),
        "log_grad_hat_err": chosen.std(axis=0, ddof=1) / num_nets**0.5,
        "infinite": theory.log_grad_layers(net, **size).mean[layers - 1],
        "position": np.arange(num),
        "share": np.exp(expected),
        "share_hat": share.mean(axis=0),
        "share_hat_err": share.std(axis=0, ddof=1) / num_nets**0.5,
        "padding": theory.blocks.padding_factor(net, shape) if net.activation.degree == 1 else np.nan,
        "bottom_hat": bottom.mean(),
        "bottom_hat_std": bottom.std(ddof=1),
        "bottom": low[0],
        "bottom_high": high[0],
        "bottom_std": spread[0],
        **_compared(f"{name}, {kernel}, {field}", logs.log_grad, law),
    }


def _compared(label: str, log_grad: np.ndarray, law: Law) -> dict[str, Any]:
    """Rate of the gradient per layer, from the lowest layer down to which there is a law, or from the bottom."""
    num_nets, depth = log_grad.shape
    known = np.isfinite(law.std)
    lowest = int(np.argmax(known)) if known[:-1].any() else 0
    links = depth - 1 - lowest
    rate, predicted = log_grad[:, lowest] / links, law.mean[lowest] / links
    seen = Estimate(rate.mean(), float(np.hypot(rate.std(ddof=1) / num_nets**0.5, EPS)))
    err = float(np.hypot(law.std[lowest] / links / num_nets**0.5, EPS))
    return comparison(label, "convolution", seen, predicted, err) | {"links": links, "rate_std": law.std[lowest]}


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.drop_duplicates("cell")
    delta, gaussian = cells[cells.kernel == "delta"], cells[cells.kernel != "delta"]
    decades = lambda value: f"{value / np.log(10) + 0.0:.1f}".replace("-0.0", "0.0")
    line = delta[delta.field == "line"].set_index("net")
    slack = 3 * gaussian.bottom_hat_std / gaussian.nets_gaussian**0.5
    inside = (gaussian.bottom_hat > gaussian.bottom - slack) & (gaussian.bottom_hat < gaussian.bottom_high + slack)
    known = cells[np.isfinite(cells.predicted_err)]
    shallow = known[known.kernel != "delta"]
    numbers = {
        "depth": f"{int(cells.depth_delta.max()):,}",
        "gaussian/depth": f"{int(cells.depth_gaussian.max()):,}",
        "width": f"{int(cells.width.max())}",
        "nets": f"{int(cells.nets_delta.max())}",
        "furthest": f"{known.z.abs().max():.1f}",
        "known": f"{len(known)}",
        "inside": f"{int(inside.sum())}",
        "gaussians": f"{len(gaussian)}",
        "range": decades((gaussian.bottom_high - gaussian.bottom).max()),
    }
    if len(shallow):
        numbers |= {"modes/links": f"{int(shallow.links.max())}", "modes/furthest": f"{shallow.z.abs().max():.1f}"}
    for name, row in line.iterrows():
        numbers |= {f"{name}": decades(row.bottom_hat), f"{name}/law": decades(row.bottom)}
        numbers |= {f"{name}/std": f"{row.bottom_std / np.log(10):.1f}"}
    for field in cells.field.unique():
        rows = gaussian[(gaussian.field == field) & (gaussian.kernel == "gaussian, zero padding")]
        factor = rows.padding.max()
        if np.isfinite(factor):
            numbers[f"padding/{field}"] = f"{factor:.4f}"
    kept = ", ".join(f"{name} 10^{numbers[name]} (predicted {numbers[f'{name}/law']})" for name in line.index)
    verdict = (
        f"Yes, up to what their activation does. Over {numbers['depth']} layers of {numbers['width']} channels on a line with zero padding a gradient goes to: {kept}; "
        f"the furthest of {len(known)} predicted rates lies {numbers['furthest']} predicted standard errors off. With Gaussian kernels {numbers['inside']} of {numbers['gaussians']} means over "
        f"{numbers['gaussian/depth']} layers lie, within three standard errors, in the range between a dense network of as many units as channels and one of as many as channels and positions, "
        f"which is up to {numbers['range']} powers of ten wide and so no prediction."
    )
    if "padding/line" in numbers:
        verdict += f" Zero padding costs a ReLU network of 16 positions a factor of {numbers['padding/line']} per layer of the squared gradient."
    return Findings(verdict, numbers)
