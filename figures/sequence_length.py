"""Success of training against sequence length, with the predicted time scales, and the gradient at initialisation beside its law."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("sequence_length", "sequence_tasks", "sequence_digits")
SEEN = (
    "Plain tanh networks succeed up to length 200, small ones under SGD fail beyond 10; gated and orthogonal ones "
    "last; gradients at initialisation lie on their lines."
)
"""What one sees."""
PLAIN = ("tanh", "tanh_sgd", "small", "small_sgd")
CLAIMED = (10, 20)
"""Lengths at which the claim expects failure."""
DODGE = 1.045
"""Factor between markers that would hide each other."""
DEEPEST = -20
"""Powers of ten at the foot of the gradients' panel."""


def _marks(axes: Axes, x: object, rows: pd.DataFrame, index: int, label: str | None) -> None:
    """Success probabilities with their intervals."""
    err = np.array([rows.success - rows.success_low, rows.success_high - rows.success])
    style.measured(axes, x, rows.success, np.maximum(err, 0), index, label)


def _scales(axes: Axes, each: pd.DataFrame, index: int, place: int) -> None:
    """The predicted time scale, on top of the panel; an arrow where there is none within it."""
    scale, longest = each.time_scale.iloc[0], each.length.max() * 1.6
    marker, x = ("v", scale) if scale < longest else (">", longest)
    axes.plot(x, 1.09 + 0.045 * (place % 3), marker, color=style.COLOURS[index], clip_on=False, markersize=3.5)


def _lengths(axes: Axes, rows: pd.DataFrame) -> None:
    lengths = sorted(rows.length.unique())
    axes.set(xscale="log", xlabel="sequence length", xlim=(rows.length.min() / 1.7, rows.length.max() * 1.7))
    axes.set_xticks(lengths, [f"{length}" for length in lengths])
    axes.minorticks_off()


def _shares(axes: Axes) -> None:
    axes.axhline(0.5, color="0.7", linewidth=0.5, zorder=0)
    axes.set(ylim=(-0.04, 1.2), ylabel="share of seeds that succeed")
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])


def _against_length(axes: Axes, rows: pd.DataFrame, learners: dict[str, int]) -> None:
    """One panel of success against length."""
    axes.axvspan(*CLAIMED, color="0.9", linewidth=0, zorder=0)
    for place, (learner, index) in enumerate(learners.items()):
        each = rows[rows.learner == learner].sort_values("length")
        x = each.length * DODGE ** (place - (len(learners) - 1) / 2)
        axes.plot(x, each.success, color=style.COLOURS[index], linewidth=0.5, alpha=0.4, zorder=1)
        _marks(axes, x, each, index, each.name.iloc[0])
        _scales(axes, each, index, place)
    axes.plot([], [], "v", color="0.3", markersize=3.5, label="predicted time scale")
    _lengths(axes, rows)
    _shares(axes)
    style.below(axes, 3)


def _gradients(axes: Axes, frame: pd.DataFrame, learners: dict[str, int]) -> None:
    """Gradient at the first step over that at the last, at initialisation."""
    for learner, index in learners.items():
        each = frame[(frame.learner == learner) & np.isfinite(frame.log_ratio_hat)]
        groups = each.groupby("length")
        mean, num = groups.log_ratio_hat.mean() / style.DECADE, groups.size()
        err = groups.log_ratio_hat.std() / style.DECADE / num**0.5
        law = each[np.isfinite(each.log_ratio)].groupby("length").log_ratio.mean()
        style.theory(axes, law.index, law / style.DECADE, None, index)
        style.measured(axes, mean.index, mean, err, index)
    axes.plot([], [], color="0.3", label="predicted")
    axes.plot([], [], "o", color="0.3", markerfacecolor="white", label="measured; colours as above")
    _lengths(axes, frame)
    axes.set(ylim=(DEEPEST, 1), ylabel=r"$\log_{10}$ of first over last gradient")
    style.below(axes, 2)


def _tasks(axes: Axes, rows: pd.DataFrame, learners: dict[str, int]) -> None:
    """The other tasks, side by side."""
    shown = list(rows.learner.unique())
    places = {place: number for number, place in enumerate(rows.groupby(["task", "length"]).groups)}
    for number, learner in enumerate(shown):
        each = rows[rows.learner == learner]
        x = [places[place] for place in zip(each.task, each.length, strict=True)]
        shift = 0.16 * (number - (len(shown) - 1) / 2)
        _marks(axes, np.array(x) + shift, each, learners[learner], each.name.iloc[0])
    _shares(axes)
    axes.set_xticks(list(places.values()), [f"{task}\n{length}" for task, length in places])
    axes.set(xlim=(-0.5, len(places) - 0.5))
    style.below(axes, 3)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["sequence_length"]
    rows = frame.drop_duplicates("cell")
    learners = {learner: index for index, learner in enumerate(rows.learner.unique())}
    plain = {learner: index for learner, index in learners.items() if learner in PLAIN}
    redesigned = {learner: index for learner, index in learners.items() if learner not in PLAIN} or plain
    drawn = {learner: index for learner, index in learners.items() if not learner.endswith("_sgd")}
    figure, panels = style.canvas(2, 2, height=5.2, width=style.PAGE)
    _against_length(panels[0, 0], rows, plain)
    _against_length(panels[0, 1], rows, redesigned)
    _gradients(panels[1, 0], frame, drawn)
    others = pd.concat([frames[name].drop_duplicates("cell") for name in SOURCES[1:]])
    _tasks(panels[1, 1], others, learners)
    titles = ("latch: plain tanh", "latch: redesigned", "latch: gradients at initialisation", "other tasks")
    for axes, title in zip(panels.flat, titles, strict=True):
        axes.set_title(title, pad=8)
    return figure
