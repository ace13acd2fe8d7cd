"""Error of the finite-width law per layer times the square of the width, from 4 to 64 units; and error of its spread."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
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
BESIDE = 1.16
"""Markers of different networks stand so much apart."""
SHOWN = 32
"""Widest networks whose mean is shown; beyond, errors hide everything."""


def _mean(axes: Axes, rows: pd.DataFrame, depths: list[int], index: int) -> None:
    """Error of the mean of one activation: the constant as a line, a marker for every width and depth."""
    square = rows.width**2
    weights = (rows.excess_err * square) ** -2.0 * (rows.width >= min(FITTED, rows.width.max()))
    exact = (rows.net == EXACT).all()
    style.theory(axes, [3.2, 40], 2 * [0.0 if exact else np.average(rows.excess * square, weights=weights)])
    for place, depth in enumerate(depths):
        few = rows[(rows.depth == depth) & (rows.width <= SHOWN)]
        x = few.width * BESIDE ** (place - (len(depths) - 1) / 2)
        _markers(axes, x, few.excess * few.width**2, few.excess_err * few.width**2, index, place)


def _markers(
    axes: Axes, x: object, value: object, err: object, index: int, place: int, label: str | None = None
) -> None:
    """Measured markers in the colour of an activation and the shape of a depth."""
    look = {"color": style.COLOURS[index], "markerfacecolor": "white", "elinewidth": 0.8}
    axes.errorbar(x, value, err, fmt=style.MARKERS[place], label=label, **look)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["narrow"]
    nets, depths = list(frame.net.unique()), sorted(frame.depth.unique())
    ratios = [1] * len(nets) + [1.45]
    size = {"height": 2.15, "width": style.PAGE, "gridspec_kw": {"width_ratios": ratios}}
    panels = np.atleast_1d(style.canvas(1, len(ratios), **size)[1])
    figure, spread = panels[0].figure, panels[-1]
    for index, (axes, name) in enumerate(zip(panels, nets, strict=False), start=1):
        axes.set(xscale="log", ylim=(-0.35, 0.75), title=style.shown(name))
        axes.set_xticks([4, 8, 16, 32], ["4", "8", "16", "32"])
        _mean(axes, frame[frame.net == name], depths, index)
        few = frame[(frame.net == name) & (frame.depth == depths[-1])]
        x = few.width * BESIDE ** (index - (len(nets) + 1) / 2)
        _markers(spread, x, few.ratio, few.ratio_err, index, len(depths) - 1, style.shown(name))
    style.theory(spread, [3, 85], [1, 1])
    spread.set(xscale="log", ylabel="predicted / measured std", title=f"spread, {depths[-1]} layers")
    spread.set_xticks([4, 8, 16, 32, 64], ["4", "8", "16", "32", "64"])
    spread.legend(loc="lower right", handletextpad=0.2, labelspacing=0.3)
    for axes in panels[1 : len(nets)]:
        axes.set_yticklabels([])
    panels[0].set_ylabel("error of the mean per layer,\ntimes $N^2$")
    for axes in panels:
        axes.minorticks_off()
        axes.set_xlabel("width $N$")
    panels[0].plot([], [], color=style.COLOURS[0], label="constant for each activation")
    for place, depth in enumerate(depths):
        panels[0].plot([], [], style.MARKERS[place], color="0.3", markerfacecolor="white", label=f"{depth} layers")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
