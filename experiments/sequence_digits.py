"""Q9. Does it hold on real data, handwritten digits read row by row or pixel by pixel?

As ``sequence_length.py``: 8 steps of 8 pixels, or 64 steps of one. Which digit it was is asked after the last step, of images that were not trained on.
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from experiments import sequence_length
from experiments.corridor import Findings
from experiments.learners import LEARNERS
from experiments.sequence_length import percent, points

PARTS = (*sequence_length.PARTS, "sequence_length")
LENGTHS = {"rows": 8, "pixels": 64}


@dataclass(frozen=True)
class Config:
    learner: tuple[str, ...] = ("tanh", "small_sgd", "lstm")
    task: tuple[str, ...] = ("rows", "pixels")
    clip: tuple[float, ...] = (1.0,)
    width: int = 32
    batch: int = 16
    num_updates: int = 1000
    num_checks: int = 8
    num_test: int = 1000
    num_seeds: int = 24
    seed: int = 41

    @property
    def length(self) -> tuple[int, ...]:
        """Steps of the task."""
        return tuple(LENGTHS[task] for task in self.task)


SMOKE = Config(learner=("tanh",), task=("rows",), num_updates=40, num_checks=2, num_seeds=8)


def run(config: Config) -> dict[str, Any]:
    return {**sequence_length.run(config), "length": config.length[0]}


def findings(frame: pd.DataFrame) -> Findings:
    rows = points(frame)
    shown = [
        f"{LEARNERS[str(name)].label} "
        + ", ".join(f"{task} {percent(share)} %" for task, share in zip(each.task, each.success, strict=True))
        for name, each in rows.groupby("learner", sort=False)
    ]
    longest = rows[rows.length == rows.length.max()]
    plain = longest[longest.learner == "tanh"]
    verdict = (
        f"{'No' if plain.success.min() > 1 / 2 else 'Yes, for the longer one'}. Success on unseen digits, {rows.num_seeds.max()} seeds, at most "
        f"{rows.num_updates.max()} updates: {'; '.join(shown)}."
    )
    numbers = {f"{row.task}/{row.learner}": percent(row.success) for row in rows.itertuples()}
    numbers |= {"seeds": f"{rows.num_seeds.max()}", "num_updates": rf"{rows.num_updates.max():,}".replace(",", r"\,")}
    return Findings(verdict, numbers)
