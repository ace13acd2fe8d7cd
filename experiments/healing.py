"""Q16. Doesn't training fix it by itself, the last layers first and then those below them?

Networks of 16 layers on handwritten digits of 8 x 8 pixels, below, at and above the edge of chaos, with the gradient's norm at every layer and how far
every layer has moved along the way, under six optimisers. At the start the profile has its law, which is compared. Below the edge means
weights of 0.6 times the critical scale, above it of 1.6 times; for the sigmoid, whose critical scale is ten, below means the usual scale of one.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from experiments.parts.digits import digits
from experiments.parts.optimisers import LABELS, OPTIMISERS
from vgtheory import Dense, Estimate, measure, theory

PARTS = ("digits", "optimisers", "summary")
FACTORS = {"below": 0.6, "at": 1.0, "above": 1.6}
USUAL = 1.0
"""Scale of a sigmoid network's weights below its edge."""
RATES = {"sgd": 0.05, "momentum": 0.005, "clipped": 0.05, "rmsprop": 1e-3, "adam": 1e-3, "sign": 3e-4}
MOVED = np.log(0.1)
"""A layer has moved when it is a tenth of its norm away from where it started."""
LEARNED = 0.9
"""Share of unseen digits put into the right class; a guess has a tenth."""
NUM_LAWFUL = 64
"""Networks whose gradient at the start is compared."""


@dataclass(frozen=True)
class Config:
    activation: tuple[str, ...] = ("sigmoid", "tanh", "relu", "linear")
    regime: tuple[str, ...] = ("below", "at", "above")
    optimiser: tuple[str, ...] = ("sgd", "momentum", "clipped", "rmsprop", "adam", "sign")
    depth: int = 16
    width: int = 128
    batch: int = 64
    num_updates: int = 1024
    num_nets: int = 8
    seed: int = 31


SMOKE = Config(("tanh",), ("below",), ("sgd",), depth=4, width=16, num_updates=16, num_nets=2)


def sigma_w(activation: str, regime: str) -> float:
    """Scale of the weights."""
    if activation == "sigmoid" and regime == "below":
        return USUAL
    critical = theory.critical(activation)
    return FACTORS[regime] * float(critical.sigma_w[critical.is_stable][0])


def _sum(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """A loss whose gradient does not know of the weights, as the laws assume; that of a softmax that is sure of itself is 0."""
    del targets
    return outputs.sum(axis=1).mean()


def _start(key: jax.Array, net: Dense, config: Config, label: str) -> dict[str, Any]:
    """The gradient at the second layer over that at the last but one, for one digit, before any update."""
    data, sizes = digits(), {"depth": config.depth, "width": config.width}
    one = {
        "optimiser": OPTIMISERS["sgd"],
        "num_updates": 1,
        "num_nets": NUM_LAWFUL,
        "num_probes": 1,
        "record": [0],
        "loss": _sum,
    }
    logs = measure.training.training_logs(key, net, data.inputs, data.targets, unseen=data.unseen, **sizes, **one)
    profile = logs.log_grad_weight[:, 0]
    tilt = profile[:, 1] - profile[:, -2]
    law = theory.log_grad_weight_layers(net, **sizes)
    spread = np.sqrt(law.std[1] ** 2 - law.std[-2] ** 2)
    seen = Estimate(tilt.mean(), tilt.std(ddof=1) / NUM_LAWFUL**0.5)
    return comparison(label, "training", seen, law.mean[1] - law.mean[-2], spread / NUM_LAWFUL**0.5, "log ratio")


def _moved_at(logs: measure.training.TrainingLogs) -> np.ndarray:
    """First recorded number of updates after which each layer has moved; inf if it never does. Shape (nets, depth)."""
    reached = logs.log_moved > MOVED
    first = logs.updates[reached.argmax(axis=1)]
    return np.where(reached.any(axis=1), first, np.inf)


def run(config: Config) -> dict[str, Any]:
    (activation,), (regime,), (optimiser,) = config.activation, config.regime, config.optimiser
    key, data = key_of(config), digits()
    net = Dense(activation, sigma_w(activation, regime))
    sizes = {"depth": config.depth, "width": config.width, "batch": config.batch}
    how = {"optimiser": OPTIMISERS[optimiser], "rate": RATES[optimiser], "num_nets": config.num_nets}
    logs = measure.training.training_logs(
        key, net, data.inputs, data.targets, unseen=data.unseen, num_updates=config.num_updates, **sizes, **how
    )
    law = theory.log_grad_weight_layers(net, depth=config.depth, width=config.width)
    layers, records = np.arange(1, config.depth + 1), len(logs.updates)
    score = np.where(logs.finite, np.nan_to_num(logs.score[:, -1]), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        gradients = {"log_grad_hat": logs.log_grad_weight.mean(axis=0), "log_moved_hat": logs.log_moved.mean(axis=0)}
        spread = logs.log_grad_weight.std(axis=0, ddof=1) / config.num_nets**0.5
    start = _start(jax.random.fold_in(key, 1), net, config, f"{activation}, {regime}") if optimiser == "sgd" else {}
    return {
        "update": np.repeat(logs.updates, config.depth),
        "layer": np.tile(layers, records),
        **{name: each.ravel() for name, each in gradients.items()},
        "log_grad_hat_err": spread.ravel(),
        "log_grad": np.tile(law.mean, records),
        "log_grad_std": np.tile(law.std, records),
        "moved_at": np.tile(np.median(_moved_at(logs), axis=0), records),
        "loss": np.repeat(np.median(np.nan_to_num(logs.loss, nan=np.inf), axis=0), config.depth),
        "sigma_w": net.sigma_w,
        "learned": float((score > LEARNED).mean()),
        "num_not_finite": int((~logs.finite).sum()),
        **start,
    }


def _ends(rows: pd.DataFrame) -> dict[str, float]:
    """Of one cell: second layer's gradient over the last but one's, in decades, at the start and the end; how far the first layer has moved."""
    decades = rows.pivot_table(index="update", columns="layer", values="log_grad_hat", dropna=False) / np.log(10)
    low, high, last = rows.layer.min() + 1, rows.layer.max() - 1, rows.iloc[-1]
    tilt = decades[low] - decades[high]
    at_end = rows[rows["update"] == last["update"]].set_index("layer")
    return {
        "start": tilt.iloc[0],
        "end": tilt.iloc[-1],
        "first_moved": at_end.log_moved_hat[low] / np.log(10),
        "first_at": at_end.moved_at[low],
        "last_at": at_end.moved_at[high],
        "learned": last.learned,
        "loss_start": rows.loss.iloc[0],
        "loss_end": last.loss,
        "nets": last.num_nets,
    }


def table(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per activation, regime and optimiser."""
    groups = frame.groupby(["activation", "regime", "optimiser"], sort=False)
    return pd.DataFrame({key: _ends(rows) for key, rows in groups}).T


def _when(updates: float) -> str:
    return f"{updates:.0f}" if np.isfinite(updates) else "never"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def findings(frame: pd.DataFrame) -> Findings:
    cells = table(frame)
    first = cells.iloc[0]
    activation, regime, optimiser = cells.index[0]
    rows = cells.xs(activation, level=0).xs(regime, level=0)
    others = cells[cells.index.get_level_values(0) != activation]
    numbers = {
        f"{'/'.join(key)}/{name}": f"{cell[name]:+.1f}" if np.isfinite(cell[name]) else "--"
        for key, cell in cells.iterrows()
        for name in ("start", "end", "first_moved")
    }
    numbers |= {
        f"{'/'.join(key)}/{name}": f"{cell[name]:.2g}"
        for key, cell in cells.iterrows()
        for name in ("loss_start", "loss_end")
    }
    numbers |= {f"{'/'.join(key)}/learned": _percent(cell.learned) for key, cell in cells.iterrows()}
    numbers |= {
        f"{'/'.join(key)}/{name}": _when(cell[name])
        for key, cell in cells.iterrows()
        for name in ("first_at", "last_at")
    }
    numbers |= {
        "updates": f"{frame['update'].max():,}",
        "depth": f"{frame.layer.max()}",
        "width": f"{frame.width.max()}",
    }
    numbers |= {"nets": f"{int(first.nets)}", "rows": f"{len(rows)}"}
    numbers |= {f"rate/{name}": f"{RATES[name]:g}" for name in RATES}
    verdict = (
        f"Wrong. In {activation} networks of {frame.layer.max()} layers at the usual scale the second layer's gradient stands at 10^{first.start:.1f} of the last but one's, "
        f"and at 10^{first.end:.1f} after {numbers['updates']} updates of {LABELS[optimiser]}, by when that layer has moved by 10^{first.first_moved:.1f} of its norm; "
        f"under {len(rows)} optimisers {_percent(rows.learned.mean())} % of networks learn."
    )
    if len(others) and regime == "below":
        under = others.xs("below", level=1)
        flat, plain = under.start.abs().max(), under.xs("sgd", level=1)
        adam = under.xs("adam", level=1) if "adam" in under.index.get_level_values(1) else plain
        verdict += (
            f" Without a saturated signal (tanh, ReLU, linear, 0.6 times the critical scale) no layer's gradient is healthy: those of all hidden layers are within "
            f"10^{flat:.1f} of each other, for what is lost on the way down has been lost by the signal on the way up; {_percent(plain.learned.mean())} % learn under SGD, "
            f"{_percent(adam.learned.mean())} % under Adam, which moves all layers at once."
        )
        at = cells.xs("at", level=1).learned.groupby(level=0, sort=False).mean()
        shares = ", ".join(f"{name} {_percent(share)} %" for name, share in at.items())
        verdict += f" At the critical scale, under the same six: {shares}."
        numbers |= {"flat": f"{flat:.1f}", "below/sgd": _percent(plain.learned.mean())}
        numbers |= {"below/adam": _percent(adam.learned.mean())}
        numbers |= {f"at/{name}": _percent(share) for name, share in at.items()}
    return Findings(verdict, numbers | {"sigmoid": _percent(rows.learned.mean())})
