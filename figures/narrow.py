"""Error of the finite-width law per layer against the width, from 4 to 64 units, times its square; and of its spread."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("narrow",)
SEEN = (
    "The law's error per layer times the square of the width is a constant for each activation, zero for ReLU, and the "
    "same at both depths; the ratio of spreads tends to one from eight units on."
)
"""What one sees."""
EXACT = "relu"
"""For it the law has no error."""
BESIDE = 1.08
"""Markers of different networks and depths stand so much apart."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["narrow"]
    figure, (left, right) = style.canvas(1, 2, height=2.4, width=style.COLUMN)
    ends = np.array([frame.width.min() / 1.3, frame.width.max() * 1.3])
    for index, (name, rows) in enumerate(frame.groupby("net", sort=False)):
        square, colour = rows.width**2, style.COLOURS[index]
        factor = np.average(rows.excess * square, weights=(rows.excess_err * square) ** -2.0) if name != EXACT else 0.0
        left.plot(ends, [factor, factor], color=colour, dashes=style.DASHES[index])
        for place, (_, few) in enumerate(rows.groupby("depth")):
            x, face = few.width * BESIDE ** (index - 1.5 + 4.5 * (place - 0.5)), colour if place else "white"
            look = {"color": colour, "fmt": style.MARKERS[index], "markerfacecolor": face, "elinewidth": 0.8}
            left.errorbar(x, few.excess * few.width**2, few.excess_err * few.width**2, **look, markersize=2.6)
            label = style.shown(name) if place else None
            right.errorbar(x, few.ratio, few.ratio_err, **look, markersize=2.6, label=label)
    left.set(
        xscale="log", xlabel="width $N$", ylabel="error of the mean per layer, times $N^2$", ylim=(-0.6, 1.3), xlim=ends
    )
    right.set(xscale="log", xlabel="width $N$", ylabel="predicted / measured std", xlim=ends)
    right.axhline(1, color="0.25", linewidth=0.8, zorder=1)
    for axes in (left, right):
        axes.set_xticks(sorted(frame.width.unique()), [f"{each}" for each in sorted(frame.width.unique())])
        axes.minorticks_off()
    style.lettered(figure)
    figure.legend(loc="outside lower center", ncols=4, handletextpad=0.2)
    return figure
