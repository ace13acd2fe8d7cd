"""Error of the finite-width law per layer times the square of the width, from 4 to 64 units; and error of its spread."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("narrow",)
SEEN = (
    "The law's error per layer times the square of the width is a constant for each activation, zero for ReLU, and nearly the "
    "same at all depths; the ratio of spreads tends to one from eight units on."
)
"""What one sees."""
EXACT = "relu"
"""For it the law has no error."""
FITTED = 8
"""Least width to which the lines are fitted."""
BESIDE = 1.13
"""Markers of different depths stand so much apart."""
SHOWN = 32
"""Widest networks whose mean is shown; beyond, errors hide everything."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["narrow"]
    nets, depths = list(frame.net.unique()), sorted(frame.depth.unique())
    panels = np.atleast_1d(style.canvas(1, len(nets) + 1, height=2.0, width=2 * style.COLUMN)[1])
    figure = panels[0].figure
    for index, (axes, name) in enumerate(zip(panels, nets, strict=False)):
        rows = frame[frame.net == name]
        square = rows.width**2
        weights = (rows.excess_err * square) ** -2.0 * (rows.width >= min(FITTED, rows.width.max()))
        factor = np.average(rows.excess * square, weights=weights) if name != EXACT else 0.0
        axes.axhline(factor, color=style.COLOURS[index], linewidth=1.1)
        for place, depth in enumerate(depths):
            few = rows[(rows.depth == depth) & (rows.width <= SHOWN)]
            x = few.width * BESIDE ** (place - (len(depths) - 1) / 2)
            style.measured(axes, x, few.excess * few.width**2, few.excess_err * few.width**2, place, f"{depth} layers")
        axes.set(xscale="log", xlabel="width $N$", ylim=(-0.35, 0.75), title=style.shown(name))
        axes.set_xticks([4, 8, 16, 32], ["4", "8", "16", "32"])
        for place, depth in enumerate(depths):
            few = rows[rows.depth == depth]
            look = {
                "color": style.COLOURS[index],
                "fmt": style.MARKERS[place],
                "markerfacecolor": "white",
                "elinewidth": 0.8,
            }
            x = few.width * BESIDE ** (place - (len(depths) - 1) / 2)
            panels[-1].errorbar(x, few.ratio, few.ratio_err, **look, label=style.shown(name) if place == 0 else None)
    for axes in panels[1 : len(nets)]:
        axes.set_yticklabels([])
    panels[0].set_ylabel("error of the mean\nper layer, times $N^2$")
    panels[0].legend(loc="lower left", handletextpad=0.2, labelspacing=0.2)
    panels[-1].axhline(1, color="0.25", linewidth=0.8, zorder=1)
    panels[-1].set(xscale="log", xlabel="width $N$", title="ratio of std")
    panels[-1].set_xticks([4, 8, 16, 32, 64], ["4", "8", "16", "32", "64"])
    panels[-1].legend(loc="lower right", handletextpad=0.2, labelspacing=0.2)
    for axes in panels:
        axes.minorticks_off()
    style.lettered(figure)
    return figure
