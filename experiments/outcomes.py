"""Q19. Do exploding gradients make SGD oscillate, and vanishing ones make it stop before the minimum?

Digits, plain SGD, over scale and depth. What became of a network is told from its loss on the examples probed and its score on unseen ones, in this order:
diverged (a parameter, the loss or an answer is not finite), learned (at least half of the unseen digits are right at the end, of which chance puts a tenth right),
oscillates (over the second half of training the loss goes up, in the records in which it does, by ``SWING`` in all), slow (over that half it falls by ``SWING`` or more), stalled (all others).
Predicted without a free parameter: the same descent with the tangent kernel of infinite width, which says all five; the first step's edge of stability (rate times the
predicted curvature is 2); and the rule of Schoenholz et al. (2017), depth = 6 xi_c, whose 6 is theirs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from experiments.parts import kernel_descent
from experiments.parts.digits import OUTPUTS, Data, digits
from experiments.parts.optimisers import OPTIMISERS
from experiments.sequence_length import interval
from vgtheory import Dense, Estimate, measure, theory

PARTS = ("digits", "kernel_descent", "optimisers", "sequence_length", "summary")
COMPARED = (
    "Compared are the shares of networks that learn, stall, slow down or oscillate with those of the tangent "
    "kernel of infinite width, which fails where gradients explode."
)
"""What the comparisons are of."""
CLASSES = ("learned", "slow", "stalled", "oscillates", "diverged")
SWING = float(np.log(OUTPUTS)) / 10
"""Nats: a tenth of what a network that knows nothing loses."""
ENOUGH = 0.5
"""Share of unseen digits; of 360, chance gets there once in 10^80."""
MULTIPLE = 6
"""Of xi_c: Schoenholz et al. (2017)."""
STABLE = 2.0
"""Largest stable product of rate and curvature."""
SAYS = ("kernel", "rule", "edge", "both", "majority")
"""What is compared with whether half of the networks of a cell learn."""
AT_EDGE = 1e-9
"""A factor chi_1 this close to 1 is 1 but for rounding."""


@dataclass(frozen=True)
class Config:
    activation: tuple[str, ...] = ("tanh",)
    rate: tuple[float, ...] = (0.01, 0.1)
    depth: tuple[int, ...] = (4, 8, 16, 32, 64)
    sigma_w: tuple[float, ...] = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0)
    square_b: float = 0.05
    width: int = 128
    batch: int = 32
    num_updates: int = 200
    num_records: int = 10
    num_probes: int = 128
    num_nets: int = 20
    num_twins: int = 5
    num_angles: int = 129
    seed: int = 19


SMOKE = Config(
    **{"activation": ("tanh",), "rate": (0.1,), "depth": (3,), "sigma_w": (0.5, 1.5), "width": 16, "num_angles": 17},
    **{"num_updates": 40, "num_records": 4, "num_nets": 4, "num_twins": 2},
)


def classes(loss: np.ndarray, score: np.ndarray, finite: np.ndarray) -> np.ndarray:
    """What became of each network: indices into ``CLASSES``; loss and score of shape (networks, records)."""
    half = loss[:, loss.shape[1] // 2 :]
    whole = finite & np.isfinite(loss).all(axis=1) & np.isfinite(score).all(axis=1)
    rises = np.clip(np.diff(np.where(whole[:, None], half, 0.0), axis=1), 0, None).sum(axis=1)
    falls = np.where(whole, half[:, 0] - half[:, -1], 0.0)
    cases = [~whole, score[:, -1] >= ENOUGH, rises >= SWING, falls >= SWING]
    names = ("diverged", "learned", "oscillates", "slow")
    return np.select(cases, [CLASSES.index(name) for name in names], CLASSES.index("stalled"))


def kernel(config: Any, net: Dense, data: Data) -> kernel_descent.Kernel:
    """The kernel of infinite width on all examples, at the configuration's depth and width."""
    (depth,) = config.depth
    return kernel_descent.kernel(data, net, depth=depth, width=config.width, num_angles=config.num_angles)


def _predicted(config: Any, net: Dense, data: Data, found: kernel_descent.Kernel, record: np.ndarray) -> dict[str, Any]:
    """What the kernel says, and the two lines."""
    (rate,), (depth,) = config.rate, config.depth
    rng = np.random.default_rng([config.seed, depth])
    how = {"rate": rate, "batch": config.batch, "num_probes": config.num_probes, "record": record}
    runs = [kernel_descent.descent(rng, found, data, **how) for _ in range(config.num_twins)]
    loss, score, finite = (np.array(each) for each in zip(*runs, strict=True))
    became = classes(loss, score, finite)
    return {
        **{f"{name}_predicted": float(np.mean(became == index)) for index, name in enumerate(CLASSES)},
        "curvature": kernel_descent.curvature(found),
        "xi_c": float(theory.xi_c(net)),
        "chi_1": float(theory.chi_1(net)),
        "log_ratio": float(theory.log_grad_weight_layers(net, depth=depth).mean[0]),
    }


def trained(config: Any, net: Dense, data: Data, found: kernel_descent.Kernel) -> dict[str, Any]:
    """What became of a cell's networks in training on these examples, and what was predicted of them."""
    (rate,), (depth,) = config.rate, config.depth
    record = np.linspace(0, config.num_updates, config.num_records + 1).round().astype(int)
    sizes = {"depth": depth, "width": config.width, "batch": config.batch, "num_probes": config.num_probes}
    how = {"optimiser": OPTIMISERS["sgd"], "rate": rate, "num_updates": config.num_updates, "record": record.tolist()}
    logs = measure.training.training_logs(
        key_of(config), net, data.inputs, data.targets, num_nets=config.num_nets, unseen=data.unseen, **sizes, **how
    )
    became = classes(logs.loss, logs.score, logs.finite)
    learned = int((became == 0).sum())
    low, high = interval(learned, config.num_nets)
    return {
        "outcome": became,
        "score": logs.score[:, -1],
        "loss": logs.loss[:, -1],
        "log_ratio_hat": logs.log_grad_weight[:, 0, 0] - logs.log_grad_weight[:, 0, -1],
        "learned_low": low,
        "learned_high": high,
        **{name: float(np.mean(became == index)) for index, name in enumerate(CLASSES)},
        **_predicted(config, net, data, found, record),
    }


def run(config: Config) -> dict[str, Any]:
    net, data = Dense(config.activation[0], config.sigma_w[0], config.square_b**0.5), digits()
    return trained(config, net, data, kernel(config, net, data))


def cells_of(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per cell, with what each prediction says of it: whether half of the networks learn."""
    rows = frame.drop_duplicates("cell").sort_values(["rate", "sigma_w", "depth"])
    rule, edge = rows.depth <= MULTIPLE * rows.xi_c, rows.rate * rows.curvature <= STABLE
    return rows.assign(
        does=rows.learned >= ENOUGH, kernel=rows.learned_predicted >= ENOUGH, rule=rule, edge=edge, both=rule & edge
    )


def reach(rows: pd.DataFrame, says: str) -> int:
    """The greatest depth up to which all depths tested are said to be learned; 0 if there is none."""
    good = rows.sort_values("depth").set_index("depth")[says].astype(bool)
    return int(good.index[good.cumprod().astype(bool)].max()) if good.iloc[0] else 0


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def _fates(rows: pd.DataFrame) -> dict[str, float]:
    """Of the networks that have not learned, the share of each outcome."""
    lost = 1 - rows.learned.mean()
    return {name: float(rows[name].mean() / lost) if lost else 0.0 for name in CLASSES[1:]}


def _sides(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Where gradients vanish, where they explode and, if there are such networks, where they stay."""
    stay = (rows.chi_1 - 1).abs() <= AT_EDGE
    found = {"vanish": rows[(rows.chi_1 < 1) & ~stay], "explode": rows[(rows.chi_1 > 1) & ~stay]}
    return found | ({"stay": rows[stay]} if stay.any() else {})


def agreement(rows: pd.DataFrame, says: str) -> float:
    """Share of cells in which a prediction is right on whether half of the networks learn; ``majority`` always says what most cells do."""
    learn = float(rows.does.mean())
    return max(learn, 1 - learn) if says == "majority" else float((rows.does == rows[says]).mean())


def _told(fates: dict[str, float]) -> str:
    words = {"slow": "are slow", "stalled": "have stalled", "oscillates": "oscillate", "diverged": "have diverged"}
    return (
        ", ".join(f"{_percent(share)} % {words[name]}" for name, share in fates.items() if share > 0)
        or "there are none"
    )


def _verdict(rows: pd.DataFrame) -> str:
    said = []
    for rate, each in rows.groupby("rate"):
        fates = [f"where gradients {side} {_told(_fates(part))}" for side, part in _sides(each).items() if len(part)]
        said.append(f"at rate {rate:g}, {'; '.join(fates)}")
    agree = {says: _percent(agreement(rows, says)) for says in SAYS}
    ends = [_sides(rows[rows.rate == rate])["explode"] for rate in (rows.rate.min(), rows.rate.max())]
    shares = [_fates(part)["oscillates"] if len(part) else 0.0 for part in ends]
    stops = _fates(_sides(rows)["vanish"])["stalled"]
    judged = f"Vanishing: {'right' if stops > 1 / 2 else 'wrong'}. Exploding: " + (
        "right." if min(shares) > 1 / 2 else "right at the large rate only." if max(shares) > 1 / 2 else "mostly wrong."
    )
    return (
        f"{judged} Of the {rows.activation.iloc[0]} networks that do not learn, {'. And '.join(said)}. Whether half of the networks of a scale and depth learn is told by the kernel of infinite width in "
        f"{agree['kernel']} % of {len(rows)} cells, by depth <= {MULTIPLE} xi_c in {agree['rule']} %, by the first step's stability in {agree['edge']} %, by these two together in {agree['both']} %."
    )


def _share(rows: pd.DataFrame, name: str, num: pd.Series) -> Estimate:
    """Mean share of one outcome over cells and its binomial error, of ``num`` networks in each (half a one added to either side)."""
    smooth = (num * rows[name] + 1 / 2) / (num + 1)
    return Estimate(float(rows[name].mean()), float(np.sqrt((smooth * (1 - smooth) / num).sum()) / len(rows)))


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """The shares of outcomes where gradients vanish and where they explode, by what the kernel of infinite width says of them."""
    found = []
    for rate, each in cells_of(frame).groupby("rate"):
        for side, part in _sides(each).items():
            for name in CLASSES[:-1] if len(part) else ():
                seen, law = _share(part, name, part.num_nets), _share(part, f"{name}_predicted", part.num_twins)
                err = float(np.hypot(seen.err, law.err))
                row = comparison(
                    f"SGD, rate {rate:g}, gradients {side}: {name}", "training", seen, float(law.value), err, "share"
                )
                found.append({"cell": part.cell.iloc[0]} | row)
    return pd.DataFrame(found)


def findings(frame: pd.DataFrame) -> Findings:
    rows = cells_of(frame)
    numbers = {"networks": f"{len(frame):,}".replace(",", r"\,"), "cells": f"{len(rows)}"}
    numbers |= {
        name: f"{int(rows[name].iloc[0])}" for name in ("width", "batch", "num_updates", "num_nets", "num_twins")
    }
    numbers["swing"] = f"{SWING:.2f}"
    for says in SAYS:
        numbers[f"agree/{says}"] = _percent(agreement(rows, says))
        for rate, each in rows.groupby("rate"):
            numbers[f"agree/{says}/{rate:g}"] = _percent(agreement(each, says))
    for rate, each in rows.groupby("rate"):
        for side, part in _sides(each).items():
            numbers |= {f"{side}/{rate:g}/{name}": _percent(share) for name, share in _fates(part).items()}
        for sigma_w, column in each.groupby("sigma_w"):
            numbers |= {
                f"reach/{rate:g}/{sigma_w:g}/{says}": f"{reach(column, says)}"
                for says in ("does", "kernel", "rule", "both")
            }
    shares = comparisons(frame)
    for side in _sides(rows):
        off = shares[shares.label.str.contains(side)]
        numbers[f"off/{side}"] = _percent((off.measured - off.predicted).abs().max()) if len(off) else "--"
    told = (
        f" The kernel's shares of outcomes are off by up to {numbers['off/vanish']} points of 100 where gradients vanish, and by up to {numbers['off/explode']} where they "
        "explode: it cannot tell oscillation."
    )
    return Findings(_verdict(rows) + told, numbers)
