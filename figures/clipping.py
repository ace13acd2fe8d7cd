"""What clipping leaves as it is, every step's part in the gradient against another's, and what it does to training."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("clipping",)
SEEN = (
    "All points lie on the diagonal, so that clipping changes no step's share of the gradient; success with and "
    "without clipping is nearly alike, except for large weights under SGD."
)
"""What one sees."""


def _shares(axes: Axes, frame: pd.DataFrame) -> None:
    """The first step's part over the last's: after clipping against before."""
    alive = frame[np.isfinite(frame.log_share)]
    ends = np.array([alive.log_share.min(), alive.log_share.max()]) / style.DECADE
    axes.plot(ends, ends, color="0.25", zorder=1, label="unchanged (predicted)")
    for index, (_, each) in enumerate(alive.groupby("learner", sort=False)):
        before, after = each.log_share / style.DECADE, each.log_share_clipped / style.DECADE
        colour, marker = style.COLOURS[index], style.MARKERS[index]
        axes.plot(before, after, marker, color=colour, markerfacecolor="none", markersize=2, markeredgewidth=0.4)
    axes.set(xlabel="log10 of first over last step's part", ylabel="the same, clipped")
    axes.legend(loc="upper left")


def _success(axes: Axes, rows: pd.DataFrame) -> None:
    """Success with clipping (filled) and without (open), side by side for each learner and length."""
    learners = list(rows.learner.unique())
    groups = list(rows.groupby(["length", "learner"], sort=False).groups)
    places = {group: place for place, group in enumerate(sorted(groups, key=lambda group: int(group[0])))}
    for row in rows.itertuples():
        index, clipped = learners.index(row.learner), row.clip > 0
        x = places[row.length, row.learner] + (0.15 if clipped else -0.15)
        err = np.maximum([[row.success - row.success_low], [row.success_high - row.success]], 0)
        fill = {
            "markerfacecolor": style.COLOURS[index] if clipped else "white",
            "markeredgewidth": 0.8,
            "elinewidth": 0.8,
        }
        axes.errorbar(x, row.success, yerr=err, fmt=style.MARKERS[index], color=style.COLOURS[index], **fill)
    lengths = [length for length, _ in places]
    for length in dict.fromkeys(lengths):
        middle = np.mean([place for (each, _), place in places.items() if each == length])
        axes.text(middle, 1.08, f"length {length}", ha="center", fontsize=6.5)
    names = {
        row.learner: row.label.split(f", {row.length} steps")[0].removeprefix("clipping, ") for row in rows.itertuples()
    }
    shown = [names[learner].replace(", ", " ").replace(" ", "\n") for _, learner in places]
    axes.set_xticks(list(places.values()), shown, fontsize=5)
    axes.set(ylim=(-0.04, 1.15), xlim=(-0.5, len(places) - 0.5), ylabel="share of seeds that succeed")
    axes.plot([], [], "o", color="0.3", markerfacecolor="white", label="not clipped")
    axes.plot([], [], "o", color="0.3", label="clipped")
    axes.legend(loc="lower left")


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["clipping"]
    figure, panels = style.canvas(2, 1, height=4.0)
    _shares(panels[0], frame)
    _success(panels[1], frame.drop_duplicates("cell"))
    return figure
