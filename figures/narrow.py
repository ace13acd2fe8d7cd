"""Error of the finite-width law per layer against the width, from 4 to 64 units, and of its spread."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("narrow",)
SEEN = (
    "The law's error per layer falls on straight lines of slope minus two, far below the error of the infinite-width law, "
    "and the ratio of spreads tends to one from eight units on."
)
"""What one sees."""
EXACT = "relu"
"""For it the law has no error."""
BESIDE = 1.06
"""Markers of different networks stand so much apart."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["narrow"]
    figure, (left, right) = style.canvas(1, 2, height=2.2, width=style.COLUMN)
    widths = np.geomspace(frame.width.min(), frame.width.max(), 50)
    for index, (name, rows) in enumerate(frame.groupby("net", sort=False)):
        rows, shown = rows.sort_values("width"), style.shown(name)
        x = rows.width * BESIDE ** (index - 1.5)
        if name != EXACT:
            factor = np.average(rows.excess * rows.width**2, weights=(rows.excess_err * rows.width**2) ** -2.0)
            left.plot(widths, factor * widths**-2.0, color=style.COLOURS[index], dashes=style.DASHES[index])
            left.plot(rows.width, rows.infinite_excess.abs(), color="0.7", linewidth=0.8, zorder=1)
            style.measured(left, x, rows.excess.where(rows.excess > rows.excess_err), rows.excess_err, index)
        style.measured(right, x, rows.ratio, rows.ratio_err, index, shown)
    left.set(xscale="log", yscale="log", xlabel="width", ylabel="error of the mean per layer", ylim=(1e-5, 1))
    right.set(xscale="log", xlabel="width", ylabel="predicted / measured std")
    right.axhline(1, color="0.25", linewidth=0.8, zorder=1)
    left.text(0.97, 0.9, "infinite width", color="0.5", ha="right", transform=left.transAxes)
    left.text(0.08, 0.08, r"lines: $c/N^2$", transform=left.transAxes)
    for axes in (left, right):
        axes.set_xticks(sorted(frame.width.unique()), [f"{each}" for each in sorted(frame.width.unique())])
        axes.minorticks_off()
    style.lettered(figure)
    figure.legend(loc="outside lower center", ncols=4)
    return figure
