"""Q17. With exploding weights, does the forward pass overflow before the backward pass is ever reached?

Plain forward and backward passes in five number formats, nothing renormalised: the first layer at which each is lost (overflow,
or every entry zero), beside the prediction, for a loss whose gradient is of order one and for a squared loss.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import Dense, Estimate, measure, theory

MEDIAN = (np.pi / 2) ** 0.5
"""Standard error of a median over that of a mean, for normal scatter."""
COUNTING = 6**-0.5
"""Layers: the predicted and the measured limit are both whole numbers, and each rounding has a variance of 1/12."""
NETS = {
    "linear, sigma_w=1.5": Dense("linear", 1.5),
    "relu, sigma_w=2": Dense("relu", 2.0),
    "tanh, sigma_w=3": Dense("tanh", 3.0),
    "sigmoid, sigma_w=1": Dense("sigmoid", 1.0),
}


@dataclass(frozen=True)
class Config:
    net: tuple[str, ...] = tuple(NETS)
    dtype: tuple[str, ...] = ("float16", "bfloat16", "tensorfloat32", "float32", "float64")
    depth: int = 600
    depth_float64: int = 2700
    width: int = 64
    num_nets: int = 24
    num_nets_float64: int = 8
    seed: int = 5


SMOKE = Config(net=("linear, sigma_w=1.5", "tanh, sigma_w=3"), dtype=("float16",), depth=80, width=32, num_nets=8)


def _sized(config: Config) -> Config:
    """With layers enough for the format to give out, and networks few enough for that."""
    if config.dtype != ("float64",):
        return config
    return dataclasses.replace(config, depth=config.depth_float64, num_nets=config.num_nets_float64)


def _backward_depth(forward: int | None, depth: int) -> int:
    """Deepest network whose forward pass is still safe: nine tenths of the forward limit."""
    return depth if forward is None else max(2, int(0.9 * forward))


def _scatter(net: Dense, layer: int | None, squared: bool, config: Config, depth: int) -> float:
    """Predicted error of the median first lost layer: spread of the log-norm over its rate, and the rounding to whole layers."""
    if layer is None:
        return COUNTING
    law = theory.log_grad_layers(net, depth=layer + 2, width=config.width)
    spread = float(law.std[0])
    if squared:
        spread += float(theory.log_q_layers(net, depth=depth, width=config.width).std[-1]) / 2
    scatter = spread / abs(float(law.mean[0]) / (layer + 1))
    return float(np.hypot(MEDIAN * scatter / config.num_nets**0.5, COUNTING))


def _median(layers: np.ndarray) -> Estimate:
    """Median first lost layer, inf where most networks lose none, with its standard error."""
    finite = layers[np.isfinite(layers)]
    spread = float(finite.std(ddof=1)) if finite.size > 1 else float("inf")
    return Estimate(float(np.median(layers)), MEDIAN * spread / layers.size**0.5)


def run(config: Config) -> dict[str, Any]:
    config = _sized(config)
    (name,), (dtype,) = config.net, config.dtype
    net, key, flush = NETS[name], key_of(config), measure.engine.flushes_subnormals(dtype)
    draw = {"width": config.width, "num_nets": config.num_nets}
    forward = theory.pass_limit(net, dtype, depth=config.depth, width=config.width, flush=flush).forward
    depth = _backward_depth(forward, config.depth)
    forward_hat = measure.pass_limit(key, net, dtype, depth=config.depth, **draw).forward
    rows = [_backward(config, squared, depth, forward, forward_hat) for squared in (False, True)]
    return {label: np.array([row[label] for row in rows]) for label in rows[0]}


def _backward(
    config: Config, squared: bool, depth: int, forward: int | None, forward_hat: np.ndarray
) -> dict[str, Any]:
    """One loss: where the backward pass of a network is lost whose forward pass is safe; else where the forward pass is."""
    (name,), (dtype,) = config.net, config.dtype
    net, flush = NETS[name], measure.engine.flushes_subnormals(dtype)
    ask = {"depth": depth, "width": config.width, "squared_loss": squared}
    backward = theory.pass_limit(net, dtype, **ask, flush=flush).backward
    backward_hat = measure.pass_limit(key_of(config), net, dtype, **ask, num_nets=config.num_nets).backward
    which = "forward" if backward is None else "backward"
    first, lost = (forward, forward_hat) if backward is None else (backward, backward_hat)
    label = f"{which} limit, {name}, {dtype}{', squared loss' if squared else ''}"
    return {
        "squared_loss": squared,
        "net_depth": depth,
        "flush": flush,
        "forward": np.inf if forward is None else forward,
        "backward": np.inf if backward is None else backward,
        "forward_hat": _median(forward_hat).value,
        "forward_hat_err": _median(forward_hat).err,
        "backward_hat": _median(backward_hat).value,
        "backward_hat_err": _median(backward_hat).err,
        **comparison(
            label,
            "number format",
            _median(lost),
            np.inf if first is None else first,
            _scatter(net, first, squared, config, depth),
            "layers",
        ),
    }


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.set_index(["net", "dtype", "squared_loss"]).sort_index()
    linear = cells.loc[("linear, sigma_w=1.5", "float16")]
    plain, squared = linear.loc[False], linear.loc[True]
    tanh = cells.loc[("tanh, sigma_w=3", "float16", False)]
    kept = "does not before" if np.isinf(plain.backward_hat) else f"does {plain.backward_hat:.0f} layers below the top"
    verdict = (
        f"Half right. Where signals themselves grow (linear, ReLU) and the loss hands down a gradient of order one, yes: in float16 "
        f"a linear stack at sigma_w = 1.5 overflows forward at layer {plain.forward_hat:.0f} (predicted {plain.forward:.0f}) and its "
        f"gradient {kept}. With a squared loss the gradient starts from the output and overflows first, already "
        f"{squared.backward_hat:.0f} layers below the top of a {squared.net_depth:.0f}-layer network. A tanh network at sigma_w = 3 "
        f"never overflows forward; its gradient does after {tanh.backward_hat:.0f} layers (predicted {tanh.backward:.0f})."
    )
    numbers = {
        "nets": f"{int(frame.num_nets.max())}",
        "width": f"{int(frame.width.max())}",
        "linear/forward": f"{plain.forward_hat:.0f}",
        "linear/forward_predicted": f"{plain.forward:.0f}",
        "linear/squared_backward": f"{squared.backward_hat:.0f}",
        "linear/squared_depth": f"{squared.net_depth:.0f}",
        "tanh/backward": f"{tanh.backward_hat:.0f}",
        "tanh/backward_predicted": f"{tanh.backward:.0f}",
    }
    return Findings(verdict, numbers)
