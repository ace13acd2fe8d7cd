"""How long real networks stay where they started, against a chain of single weights."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("plateau",)
SEEN = (
    "Most points lie within a factor of two of the chain's law over two powers of ten, and ReLU networks lie above it."
)
"""What one sees."""
TENS = (10, 20, 40, 80)
MANY = 100
TITLES = {"sgd": "SGD", "sign": "sign descent"}


def _against(axes: Axes, rows: pd.DataFrame) -> None:
    """Measured over predicted updates, one marker for every setting; filled ones are the deeper networks."""
    ends = np.array([rows.reach.min() / 1.3, rows.reach.max() * 1.3])
    axes.plot(ends, [1, 1], color="0.3", linewidth=1.1, label="the chain's law")
    axes.axhspan(0.5, 2, color="0.92", linewidth=0, zorder=0, label="within a factor of two")
    for index, activation in enumerate(rows.activation.unique()):
        for depth in sorted(rows.depth.unique()):
            each = rows[(rows.activation == activation) & (rows.depth == depth) & rows.log_ratio.notna()]
            ratio = np.exp(each.log_ratio)
            err = ratio * each.log_ratio_err.fillna(0)
            filled = depth == rows.depth.max()
            axes.errorbar(
                each.reach,
                ratio,
                yerr=err,
                fmt=style.MARKERS[index],
                color=style.COLOURS[index],
                markerfacecolor=style.COLOURS[index] if filled else "white",
                markeredgewidth=0.8,
                elinewidth=0.8,
                label=f"{style.shown(activation)}, {depth} layers",
                zorder=3,
            )
    axes.set(xscale="log", yscale="log", ylim=(0.3, 4))
    axes.set_yticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"])
    if ends[1] < MANY:
        axes.set_xticks(TENS, [f"{tick}" for tick in TENS])


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    rows = frames["plateau"].drop_duplicates("cell")
    names = list(rows.optimiser.unique())
    figure, panels = style.canvas(1, len(names), height=3.0, squeeze=False, sharey=True)
    for axes, name in zip(panels[0], names, strict=True):
        each = rows[rows.optimiser == name]
        unit = each.rate if name == "sgd" else 1.0
        _against(axes, each.assign(reach=each.predicted_updates * unit))
        axes.minorticks_off()
        axes.set_title(TITLES[name])
        what = "rate times updates" if name == "sgd" else "updates"
        axes.set_xlabel(f"{what}, predicted")
    panels[0][0].set_ylabel("measured / predicted")
    figure.legend(
        *panels[0][0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        columnspacing=0.8,
        handletextpad=0.2,
    )
    return figure
