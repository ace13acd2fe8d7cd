"""Networks that learn digits, group by group, and the learning rate at which pilots that are not counted do best."""

from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from experiments.parts.digits import digits
from vgtheory import measure

ENOUGH = 0.5
"""Share of unseen digits that are right."""
GROUP = 4
"""Networks per call: pilots for a rate, and of those that count a few at a time, all by one program."""


class Plan(NamedTuple):
    """A case at its sizes."""

    net: Any
    optimiser: optax.GradientTransformation
    depth: int
    width: int
    batch: int
    num_updates: int


def logs_of(key: jax.Array, plan: Plan, rate: float, groups: int, record: list[int]) -> Any:
    """Networks in training, group by group, joined."""
    data = digits()
    sizes = {"depth": plan.depth, "width": plan.width, "batch": plan.batch, "num_probes": plan.batch}
    how = {"optimiser": plan.optimiser, "rate": rate, "unseen": data.unseen}
    how |= {"record": record, "num_updates": record[-1], "num_nets": GROUP}
    keys = [jax.random.fold_in(key, group) for group in range(groups)]
    runs = [measure.training.training_logs(key, plan.net, data.inputs, data.targets, **sizes, **how) for key in keys]
    joined = [np.concatenate(each) for each in zip(*(run[1:] for run in runs), strict=True)]
    return measure.training.TrainingLogs(runs[0].updates, *joined)


def best_rate(key: jax.Array, plan: Plan, rates: tuple[float, ...], record: list[int]) -> float:
    """The rate whose pilots succeed most often, then score best."""
    if len(rates) == 1:
        return rates[0]
    scores = {rate: np.nan_to_num(logs_of(key, plan, rate, 1, record).score[:, -1]) for rate in rates}
    return max(rates, key=lambda rate: ((scores[rate] >= ENOUGH).mean(), scores[rate].mean()))
