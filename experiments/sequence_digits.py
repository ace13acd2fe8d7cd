"""Q9. Does it hold on real data, handwritten digits read row by row or pixel by pixel?

As ``sequence_length.py``: 8 steps of 8 pixels, or 64 steps of one. The digits are scikit-learn's 1,797 images of 8 x 8 pixels. Which digit it was is asked after the last step, of images that were not trained on.
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from experiments import sequence_length
from experiments.corridor.catalogue import Findings
from experiments.sequence_length import COMPARED, comparisons, percent, points, start_numbers, start_sentence
from experiments.sequence_tasks import by_learner

__all__ = ["COMPARED", "SMOKE", "Config", "comparisons", "findings", "run"]
PARTS = (*sequence_length.PARTS, "sequence_length", "sequence_tasks")
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
    longest = rows[rows.length == rows.length.max()]
    plain = longest[longest.learner == "tanh"]
    verdict = (
        f"{'No' if plain.success.min() > 1 / 2 else 'Yes, for the longer one'}. Success on unseen digits, {rows.num_seeds.max()} seeds, at most "
        f"{rows.num_updates.max()} updates: {by_learner(rows)}."
    )
    numbers = {f"{row.task}/{row.learner}": percent(row.success) for row in rows.itertuples()}
    numbers |= {"seeds": f"{rows.num_seeds.max()}", "num_updates": rf"{rows.num_updates.max():,}".replace(",", r"\,")}
    return Findings(verdict + start_sentence(frame), numbers | start_numbers(frame))
