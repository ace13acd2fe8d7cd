"""Error of the finite-width law per layer against the width, from 4 to 64 units; and error of its spread."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("narrow",)
SEEN = (
    "For tanh, GELU and sigmoid the law's mean is too high by an error that falls along a line of slope -2 from 8 units on. "
    "For ReLU no error is seen. The ratio of spreads is within five per cent of one from eight units on."
)
"""What one sees."""
EXACT = "relu"
"""For it the law has no error."""
FITTED = 8
"""Least width to which the lines are fitted."""
BESIDE = 1.16
"""Markers of different networks stand so much apart."""
SEEN_FROM = 2.0
"""An error smaller than this many standard errors is shown as an upper limit."""
LOOKS = {"relu": 1, "tanh": 2, "gelu": 3, "sigmoid": 4}
"""Colours of activations, the same as in the other figures."""


def _colour(name: str) -> tuple[float, ...]:
    return style.COLOURS[LOOKS[name]]


def _factor(rows: pd.DataFrame) -> float:
    """Factor of ``1 / width**2`` in the error, from the width ``FITTED`` on."""
    rows = rows[rows.width >= min(FITTED, rows.width.max())]
    return float(np.average(rows.excess * rows.width**2, weights=(rows.excess_err * rows.width**2) ** -2.0))


def _mean(axes: Axes, name: str, rows: pd.DataFrame, depths: list[int]) -> None:
    """Error of the mean of one activation on log scales: the fit, a marker for every width and depth, arrows for upper limits."""
    span = np.array([FITTED, max(FITTED, rows.width.max())], float)
    axes.plot(span, _factor(rows) / span**2, color="0.25", linewidth=0.8, dashes=(4, 1.5), zorder=1)
    look = {"color": _colour(name), "markerfacecolor": "white", "elinewidth": 0.8}
    for place, depth in enumerate(depths):
        few = rows[rows.depth == depth]
        x = few.width * BESIDE ** (place - (len(depths) - 1) / 2)
        seen = few.excess > SEEN_FROM * few.excess_err
        axes.errorbar(x[seen], few.excess[seen], few.excess_err[seen], fmt=style.MARKERS[place], zorder=3, **look)
        most = (few.excess.clip(lower=0) + SEEN_FROM * few.excess_err)[~seen]
        axes.errorbar(x[~seen], most, 0.4 * most, fmt="_", uplims=True, markersize=4, zorder=2, **look)
    axes.set(xscale="log", yscale="log", ylim=(4e-5, 5e-2), title=style.shown(name))


def _exact(axes: Axes, rows: pd.DataFrame, depths: list[int]) -> None:
    """Where the law is exact: measured less predicted mean in standard errors."""
    axes.axhspan(-2, 2, color="0.9", zorder=0, linewidth=0)
    style.theory(axes, [3, 85], [0, 0])
    axes.lines[-1].set_color("0.25")
    for place, depth in enumerate(depths):
        few = rows[rows.depth == depth]
        x = few.width * BESIDE ** (place - (len(depths) - 1) / 2)
        look = {"color": _colour(EXACT), "markerfacecolor": "white", "elinewidth": 0.8, "zorder": 3}
        axes.errorbar(x, -few.excess / few.excess_err, np.ones(len(few)), fmt=style.MARKERS[place], **look)
    axes.set(xscale="log", ylim=(-3.6, 3.6), yticks=[-2, 0, 2], title=f"{style.shown(EXACT)}, exact")
    axes.set_ylabel("(mean $-$ law) / s.e.", labelpad=-2)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["narrow"]
    nets, depths, widths = list(frame.net.unique()), sorted(frame.depth.unique()), sorted(frame.width.unique())
    curved = [name for name in nets if name != EXACT]
    size = {"height": 2.3, "width": style.PAGE}
    figure, panels = style.canvas(1, len(nets) + 1, **size)
    spread = panels[-1]
    for axes, name in zip(panels, curved, strict=False):
        _mean(axes, name, frame[frame.net == name], depths)
    for axes in panels[1 : len(curved)]:
        axes.set_yticklabels([])
    panels[0].set_ylabel("|mean $-$ law| per layer")
    if EXACT in nets:
        _exact(panels[len(curved)], frame[frame.net == EXACT], depths)
    for index, name in enumerate(nets):
        few = frame[(frame.net == name) & (frame.depth == depths[-1])]
        x = few.width * BESIDE ** (index - (len(nets) - 1) / 2)
        look = {"color": _colour(name), "markerfacecolor": "white", "elinewidth": 0.8}
        err = few.ratio_err / few.ratio**2
        spread.errorbar(x, 1 / few.ratio, err, fmt=style.MARKERS[len(depths) - 1], label=style.shown(name), **look)
    spread.plot([3, 85], [1, 1], color="0.25", zorder=1)
    spread.set(xscale="log", title=f"spread, {depths[-1]} layers")
    spread.set_ylabel("measured / predicted std", labelpad=1)
    for axes in panels:
        axes.set_xticks(widths, [str(width) for width in widths])
        axes.minorticks_off()
        axes.set(xlabel="width $N$", xlim=(2.8, 92))
    for place, depth in enumerate(depths):
        spread.plot([], [], style.MARKERS[place], color="0.3", markerfacecolor="white", label=f"{depth} layers")
    spread.plot([], [], color="0.25", label="law")
    spread.plot([], [], color="0.25", linewidth=0.8, dashes=(4, 1.5), label="fit of $k/N^2$")
    figure.legend(
        *spread.get_legend_handles_labels(), loc="outside lower center", ncols=9, columnspacing=1, handletextpad=0.3
    )
    return figure
