"""Q14. Gradients are small near a minimum too: how is that told from vanishing by depth, and is it so near every minimum?

Two numbers tell the two apart: the size of the whole gradient, and its tilt, the first hidden layer's norm over the last one's. Depth tilts the
gradient, before anything is learned, and the tilt has its law. A minimum scales all layers alike, and by how much depends on its shape alone:
with a loss |e|^p / p of the error e the gradient goes as |e|^(p-1), that is as the loss to the power (p-1)/p: the root of the loss in a smooth
bowl, not at all in a funnel (p = 1); with cross-entropy as the loss itself. Networks are trained on 128 examples, all at every update, so that
there is a minimum at which the loss is 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from experiments.parts.digits import Data, digits, teacher
from experiments.parts.optimisers import OPTIMISERS
from vgtheory import Dense, Estimate, measure, theory

PARTS = ("digits", "optimisers", "summary")
COMPARED = (
    "The ratio between layers has a law, and agrees with it. The power of the loss as which the gradient goes "
    "is a rule of thumb, for errors that keep their direction, and disagrees."
)
"""What the comparisons are of."""
TEACHER = 3
NUM_EXAMPLES = 128
SHAPES = {"funnel": 1.0, "cusp": 1.5, "bowl": 2.0, "flat": 4.0, "cross-entropy": np.inf}
"""Powers p; that of cross-entropy, whose slope and value go to 0 together."""
RATES = {"funnel": 0.01, "cusp": 0.02, "bowl": 0.03, "flat": 0.003, "cross-entropy": 0.1}
SCALES = {"critical": ("tanh", 1.0), "vanishing": ("sigmoid", 1.0)}
NEAR = 0.1
"""Share of the loss at the start, below which a network is near its minimum."""
TINY = 1e-30
"""Square of an error below which the loss is taken for smooth, or its slope at 0 would be NaN."""


@dataclass(frozen=True)
class Config:
    shape: tuple[str, ...] = tuple(SHAPES)
    net: tuple[str, ...] = tuple(SCALES)
    depth: int = 8
    width: int = 128
    num_updates: int = 2048
    num_nets: int = 8
    seed: int = 37


SMOKE = Config(("bowl",), ("critical",), depth=4, width=16, num_updates=32, num_nets=2)


def _power(power: float) -> Callable[[jax.Array, jax.Array], jax.Array]:
    def loss(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        return jnp.mean((jnp.sum((outputs - targets) ** 2, axis=1) + TINY) ** (power / 2)) / power

    return loss


def _examples(shape: str) -> Data:
    data = digits() if shape == "cross-entropy" else teacher(TEACHER)
    return Data(data.inputs[:NUM_EXAMPLES], data.targets[:NUM_EXAMPLES], data.unseen)


def slope(shape: str) -> float:
    """Predicted: the power of the loss as which the gradient goes near the minimum."""
    return 1 - 1 / SHAPES[shape]


def run(config: Config) -> dict[str, Any]:
    (shape,), (net,) = config.shape, config.net
    ensemble, data = Dense(*SCALES[net]), _examples(shape)
    sizes: dict[str, Any] = {"depth": config.depth, "width": config.width, "batch": NUM_EXAMPLES}
    how: dict[str, Any] = {"optimiser": OPTIMISERS["sgd"], "rate": RATES[shape], "num_nets": config.num_nets}
    loss = None if shape == "cross-entropy" else _power(SHAPES[shape])
    logs = measure.training.training_logs(
        key_of(config), ensemble, data.inputs, data.targets, loss=loss, num_updates=config.num_updates, **sizes, **how
    )
    law = theory.log_grad_weight_layers(ensemble, depth=config.depth, width=config.width)
    size = np.logaddexp.reduce(2 * logs.log_grad_weight, axis=2) / 2
    tilt = logs.log_grad_weight[:, :, 1] - logs.log_grad_weight[:, :, -2]
    err = lambda values: values.std(axis=0, ddof=1) / config.num_nets**0.5
    near = logs.loss < NEAR * logs.loss[:, :1]
    arrived = near.any(axis=1)
    nets, first = np.arange(config.num_nets), near.argmax(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        fall = np.log(logs.loss[:, -1]) - np.log(logs.loss[nets, first])
        slopes = ((size[:, -1] - size[nets, first]) / fall)[arrived & (fall < 0)]
        lost = np.log(logs.loss)
    return {
        "update": logs.updates,
        "log_size_hat": size.mean(axis=0),
        "log_size_hat_err": err(size),
        "tilt_hat": tilt.mean(axis=0),
        "tilt_hat_err": err(tilt),
        "log_loss": lost.mean(axis=0),
        "tilt": law.mean[1] - law.mean[-2],
        "tilt_std": np.sqrt(law.std[1] ** 2 - law.std[-2] ** 2),
        "slope": slope(shape),
        "slope_hat": slopes.mean() if slopes.size else np.nan,
        "slope_hat_err": slopes.std(ddof=1) / slopes.size**0.5 if slopes.size > 1 else np.nan,
        "arrived": float(arrived.mean()),
    }


def table(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per shape and net: what became of size and tilt, in decades."""
    rows = {}
    for key, each in frame.sort_values("update").groupby(["net", "shape"], sort=False):
        first, last, decade = each.iloc[0], each.iloc[-1], np.log(10)
        rows[key] = {
            "loss": (last.log_loss - first.log_loss) / decade,
            "size": (last.log_size_hat - first.log_size_hat) / decade,
            "tilt_start": first.tilt_hat / decade,
            "tilt_end": last.tilt_hat / decade,
            **{name: last[name] for name in ("slope", "slope_hat", "slope_hat_err", "arrived")},
            "tilt": last.tilt / decade,
        }
    return pd.DataFrame(rows).T


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """The tilt at the start, and the power near the minimum, of each shape and net whose networks come near it.

    The power is that of an error that keeps its direction. It states no error of its own: the measured one stands for it.
    """
    rows = []
    for row in frame.sort_values("update").drop_duplicates("cell").itertuples():
        name, err = f"{row.net}, {row.shape}", row.tilt_std / row.num_nets**0.5
        tilt = Estimate(row.tilt_hat, row.tilt_hat_err)
        rows.append({"cell": row.cell} | comparison(f"{name}: tilt", "training", tilt, row.tilt, err, "ln ratio"))
        if np.isfinite(row.slope_hat_err):
            power = Estimate(row.slope_hat, row.slope_hat_err)
            found = comparison(f"{name}: power", "training", power, row.slope, row.slope_hat_err, "power of the loss")
            rows.append({"cell": row.cell} | found)
    return pd.DataFrame(rows)


def findings(frame: pd.DataFrame) -> Findings:
    cells = table(frame)
    numbers = {
        f"{'/'.join(key)}/{name}": f"{cell[name]:+.1f}"
        for key, cell in cells.iterrows()
        for name in ("loss", "size", "tilt_start", "tilt_end", "tilt")
    }
    numbers |= {
        f"{'/'.join(key)}/{name}": f"{cell[name]:+.2f}" if np.isfinite(cell[name]) else "--"
        for key, cell in cells.iterrows()
        for name in ("slope", "slope_hat", "slope_hat_err")
    }
    numbers |= {f"{'/'.join(key)}/arrived": f"{100 * cell.arrived:.0f}" for key, cell in cells.iterrows()}
    numbers |= {
        "examples": f"{NUM_EXAMPLES}",
        "nets": f"{frame.num_nets.max()}",
        "updates": f"{frame['update'].max():,}",
    }
    numbers |= {"depth": f"{frame.depth.max()}"}
    bowl = cells.loc["critical", "bowl"]
    verdict = (
        f"Told apart by one number. In tanh networks at criticality that reach the bottom of a smooth bowl (loss times 10^{bowl.loss:.1f}) the gradient has become "
        f"10^{bowl['size']:.1f} times what it was, and the first hidden layer's over the last's has gone from 10^{bowl.tilt_start:+.1f} to 10^{bowl.tilt_end:+.1f}."
    )
    if "vanishing" in cells.index.get_level_values(0):
        lost = cells.loc["vanishing"]
        verdict += (
            f" In sigmoid networks of the same depth it stands at 10^{lost.tilt_start.min():.1f} from the start (predicted {lost.tilt.iloc[0]:.1f}) and at 10^{lost.tilt_end.mean():.1f} "
            f"at the end, with {100 * lost.arrived.max():.0f} % of them near any minimum."
        )
        each = cells.loc["critical"]
        numbers["slope/off"] = f"{(each.slope_hat - each.slope).abs().max():.2f}"
        slopes = ", ".join(
            f"{shape} {row.slope_hat:+.2f} +- {row.slope_hat_err:.2f} ({row.slope:+.2f})"
            for shape, row in each.iterrows()
        )
        funnel = each.loc["funnel"]
        verdict += (
            f" Gradients need not be small near a minimum: in a funnel the loss fell to 10^{funnel.loss:.1f} of itself and the gradient came to 10^{funnel['size']:+.1f}. "
            f"Power of the loss as which the gradient goes, and in brackets that of an error that keeps its direction: {slopes}. "
            f"The latter is a rule of thumb, off by up to {numbers['slope/off']}: errors turn as they shrink."
        )
    return Findings(verdict, numbers)
