"""Q17. With exploding weights, does the forward pass overflow before the backward pass is ever reached?

Plain forward and backward passes in three number formats, nothing renormalised: the first layer at which each is lost (overflow,
or every entry zero), beside the prediction, for a loss whose gradient is of order one and for a squared loss.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor import Findings
from experiments.summary import comparison, key_of
from vgtheory import Dense, Estimate, measure, theory

NETS = {
    "linear, sigma_w=1.5": Dense("linear", 1.5),
    "relu, sigma_w=2": Dense("relu", 2.0),
    "tanh, sigma_w=3": Dense("tanh", 3.0),
    "sigmoid, sigma_w=1": Dense("sigmoid", 1.0),
}


@dataclass(frozen=True)
class Config:
    net: tuple[str, ...] = tuple(NETS)
    dtype: tuple[str, ...] = ("float16", "bfloat16", "float32")
    squared_loss: tuple[bool, ...] = (False, True)
    depth: int = 600
    width: int = 64
    num_nets: int = 24
    seed: int = 5


SMOKE = Config(net=("linear, sigma_w=1.5", "tanh, sigma_w=3"), dtype=("float16",), depth=80, width=32, num_nets=8)


def _backward_depth(forward: int | None, depth: int) -> int:
    """Deepest network whose forward pass is still safe: nine tenths of the forward limit."""
    return depth if forward is None else max(2, int(0.9 * forward))


def _scatter(net: Dense, layer: int | None, config: Config) -> float:
    """Predicted spread, in layers, of the first lost layer: spread of the log-norm over its rate; at least one layer."""
    if layer is None:
        return 1.0
    law = theory.log_grad_layers(net, depth=layer + 2, width=config.width)
    return max(1.0, float(law.std[0] / abs(law.mean[0] / (layer + 1))))


def run(config: Config) -> dict[str, Any]:
    (name,), (dtype,), (squared,) = config.net, config.dtype, config.squared_loss
    net, key, flush = NETS[name], key_of(config), measure.flushes_subnormals(dtype)
    ask = {"width": config.width, "squared_loss": squared}
    draw = {**ask, "num_nets": config.num_nets}
    forward = theory.pass_limit(net, dtype, depth=config.depth, **ask, flush=flush).forward
    depth = _backward_depth(forward, config.depth)
    backward = theory.pass_limit(net, dtype, depth=depth, **ask, flush=flush).backward
    forward_hat = measure.pass_limit(key, net, dtype, depth=config.depth, **draw).forward
    backward_hat = measure.pass_limit(key, net, dtype, depth=depth, **draw).backward
    first, passed = (backward, backward_hat) if backward is not None else (forward, forward_hat)
    finite = passed[np.isfinite(passed)]
    measured = Estimate(float(np.median(passed)), float(finite.std(ddof=1)) if finite.size > 1 else np.inf)
    which = "backward" if backward is not None else "forward"
    label = f"{which} limit, {name}, {dtype}{', squared loss' if squared else ''}"
    return {
        "net_depth": depth,
        "flush": flush,
        "forward": np.inf if forward is None else forward,
        "backward": np.inf if backward is None else backward,
        "forward_hat": float(np.median(forward_hat)),
        "backward_hat": float(np.median(backward_hat)),
        "forward_lost": int(np.isfinite(forward_hat).sum()),
        "backward_lost": int(np.isfinite(backward_hat).sum()),
        **comparison(label, "number format", measured, np.inf if first is None else first, _scatter(net, first, config), "layers"),
    }


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.set_index(["net", "dtype", "squared_loss"])
    linear = cells.loc[("linear, sigma_w=1.5", "float16")]
    plain, squared = linear.loc[False], linear.loc[True]
    tanh = cells.loc[("tanh, sigma_w=3", "float16", False)]
    verdict = (
        f"Half right. Where signals themselves grow (linear, ReLU) and the loss hands down a gradient of order one, yes: in float16 "
        f"a linear stack at sigma_w = 1.5 overflows forward at layer {plain.forward_hat:.0f} (predicted {plain.forward:.0f}) and its "
        f"gradient does not before. With a squared loss the gradient starts from the output and overflows first, already "
        f"{squared.backward_hat:.0f} layers below the top of a {squared.net_depth:.0f}-layer network. A tanh network at sigma_w = 3 "
        f"never overflows forward; its gradient does after {tanh.backward_hat:.0f} layers (predicted {tanh.backward:.0f})."
    )
    numbers = {
        "linear/forward": f"{plain.forward_hat:.0f}",
        "linear/forward_predicted": f"{plain.forward:.0f}",
        "linear/squared_backward": f"{squared.backward_hat:.0f}",
        "linear/squared_depth": f"{squared.net_depth:.0f}",
        "tanh/backward": f"{tanh.backward_hat:.0f}",
        "tanh/backward_predicted": f"{tanh.backward:.0f}",
    }
    return Findings(verdict, numbers)
