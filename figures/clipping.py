"""What clipping leaves as it is, every step's part in the gradient against another's, and what it does to training."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("clipping",)
DODGE = 1.06
"""Factor between markers that would hide each other."""


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


def _success(axes: Axes, rows: pd.DataFrame, names: dict[str, str]) -> None:
    """Success with clipping (filled) and without (open)."""
    groups = list(rows.groupby(["learner", "clip"], sort=False))
    for place, ((learner, clip), each) in enumerate(groups):
        index = list(names).index(learner)
        err = np.maximum([each.success - each.success_low, each.success_high - each.success], 0)
        fill = {"markerfacecolor": style.COLOURS[index] if clip else "white", "markeredgewidth": 0.8, "elinewidth": 0.8}
        x = each.length * DODGE ** (place - (len(groups) - 1) / 2)
        label = f"{names[learner]}, {'clipped' if clip else 'not'}"
        look = {"color": style.COLOURS[index], "label": label, **fill}
        axes.errorbar(x, each.success, yerr=err, fmt=style.MARKERS[index], **look)
    lengths = sorted(rows.length.unique())
    axes.set(xscale="log", xlabel="sequence length", ylabel="share of seeds that succeed", ylim=(-0.04, 1.05))
    axes.set_xticks(lengths, [f"{length}" for length in lengths])
    axes.minorticks_off()


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["clipping"]
    rows = frame.drop_duplicates("cell")
    names = {
        row.learner: row.label.split(f", {row.length} steps")[0].removeprefix("clipping, ") for row in rows.itertuples()
    }
    figure, panels = style.canvas(2, 1, height=4.4)
    _shares(panels[0], frame)
    _success(panels[1], rows, names)
    handles, labels = panels[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure
