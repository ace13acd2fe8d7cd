"""Q9. Does it hold on the adding, copy and temporal-order tasks?

As ``sequence_length.py``, on the tasks of Hochreiter and Schmidhuber (1997), with more updates, for they are harder than the latch.
At full size, for an accelerator's hour: ``python -m experiments sequence_tasks --length 10 20 50 100 200 --width 128 --batch 64
--num-updates 10000 --num-checks 50 --num-seeds 200 --out build/full``.
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from experiments import sequence_length
from experiments.corridor.catalogue import Findings
from experiments.parts.learners import LEARNERS
from experiments.sequence_length import COMPARED, comparisons, percent, points, start_numbers, start_sentence

__all__ = ["COMPARED", "SMOKE", "Config", "comparisons", "findings", "run"]
PARTS = (*sequence_length.PARTS, "sequence_length")


@dataclass(frozen=True)
class Config(sequence_length.Config):
    learner: tuple[str, ...] = ("tanh", "small_sgd", "lstm")
    length: tuple[int, ...] = (20,)
    task: tuple[str, ...] = ("adding", "copy", "order")
    num_updates: int = 1000
    seed: int = 23


SMOKE = Config(learner=("tanh",), length=(4,), task=("copy",), num_updates=40, num_checks=2, num_seeds=8)


def run(config: Config) -> dict[str, Any]:
    return sequence_length.run(config)


def by_learner(rows: pd.DataFrame) -> str:
    """Every learner's success on every task, in words."""
    return "; ".join(
        f"{LEARNERS[str(name)].label} "
        + ", ".join(f"{task} {percent(share)} %" for task, share in zip(each.task, each.success, strict=True))
        for name, each in rows.groupby("learner", sort=False)
    )


def findings(frame: pd.DataFrame) -> Findings:
    rows = points(frame)
    longest = rows[rows.length == rows.length.max()]
    plain = longest[longest.learner == "tanh"]
    verdict = (
        f"{'No' if plain.success.min() > 1 / 2 else 'In part'}. Success at length {longest.length.max()}, {rows.num_seeds.max()} seeds, "
        f"at most {rows.num_updates.max()} updates: {by_learner(longest)}."
    )
    numbers = {f"{row.task}/{row.learner}/{row.length}": percent(row.success) for row in rows.itertuples()}
    numbers |= {"longest": f"{longest.length.max()}", "num_updates": rf"{rows.num_updates.max():,}".replace(",", r"\,")}
    return Findings(verdict + start_sentence(frame), numbers | start_numbers(frame))
