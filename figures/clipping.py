"""What clipping does to training on the latch."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("clipping",)
SEEN = "Success with and without clipping is nearly alike, except for large weights under SGD."
"""What one sees."""


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
        axes.text(middle, 1.08, f"length {length}", ha="center", fontsize=7)
    names = {
        row.learner: row.label.split(f", {row.length} steps")[0].removeprefix("clipping, ") for row in rows.itertuples()
    }
    shown = [names[learner].replace(", ", " ").replace(" ", "\n") for _, learner in places]
    axes.set_xticks(list(places.values()), shown, fontsize=7)
    axes.set(ylim=(-0.04, 1.15), xlim=(-0.5, len(places) - 0.5), ylabel="share of seeds that succeed")
    axes.plot([], [], "o", color="0.3", markerfacecolor="white", label="not clipped")
    axes.plot([], [], "o", color="0.3", label="clipped")


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["clipping"]
    figure, axes = style.canvas(height=2.9)
    _success(axes, frame.drop_duplicates("cell"))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
