"""Error of the finite-width law per layer from 4 to 64 units, beside that of infinite width; and error of its spread."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import curve_fit

from figures import style

SOURCES = ("narrow", "aspect")
SEEN = (
    "On logarithmic axes the error of the law's mean falls along a line of slope -2 for tanh and sigmoid, for GELU a little more slowly; it lies one to "
    "two powers of ten below that of infinite width, which falls with slope -1. GELU's deepest networks lie above the line. The ratio of spreads is within five per cent of one from eight units on."
)
"""What one sees."""
EXACT = "relu"
"""For it the law has no error."""
FITTED = 8
"""Least width to which the lines are fitted."""
BESIDE = 1.16
"""Markers of different depths stand so much apart."""
APART = 1.1
"""Markers of different activations stand so much apart."""
SURE = 1.0
"""Standard errors from zero from which on a difference is drawn; others are drawn as the end of their bar."""
LOOKS = {"relu": 1, "tanh": 2, "gelu": 3, "sigmoid": 4}
SHAPES = {"relu": "s", "tanh": "^", "gelu": "D", "sigmoid": "v"}
"""Colours and markers of activations, the same as in the other figures."""
FREE = "dense, without matrices"
"""The family of the deepest networks that is shown."""
INFINITE = "0.55"
"""Shade of infinite width."""
FIT = {"color": "0.2", "linewidth": 0.9}
"""The line fitted to all depths."""


def _look(name: str, filled: bool = False) -> dict[str, object]:
    colour = style.COLOURS[LOOKS[name]]
    return {"color": colour, "markerfacecolor": colour if filled else "white", "elinewidth": 0.8, "zorder": 3}


def _bare(name: str) -> dict[str, object]:
    """Its marker without a bar."""
    return {key: value for key, value in _look(name).items() if key != "elinewidth"}


def _power(rows: pd.DataFrame) -> tuple[float, float, float]:
    """Factor and power of the width by which the error falls from ``FITTED`` units on, at all depths, and the power's standard error."""
    rows = rows[rows.width >= FITTED]
    if rows.width.nunique() < 2:
        return np.nan, np.nan, np.nan
    law = lambda width, factor, power: factor * (width / FITTED) ** -power
    start = (rows.excess[rows.width == rows.width.min()].mean(), 2.0)
    found, covariance = curve_fit(law, rows.width, rows.excess, start, rows.excess_err, absolute_sigma=True)
    return float(found[0]), float(found[1]), float(covariance[1, 1] ** 0.5)


def _mean(axes: Axes, name: str, rows: pd.DataFrame, deep: pd.DataFrame, depths: list[int]) -> None:
    """Error of the mean of one activation, of the law and of infinite width, and what is fitted to it."""
    factor, power, power_err = _power(rows)
    ends = np.array([4 / 2**0.4, 64 * 2**0.4])
    axes.plot(ends, factor * (ends / FITTED) ** -power, zorder=1, **FIT)
    for place, depth in enumerate(depths):
        few = rows[rows.depth == depth].sort_values("width")
        x = few.width * BESIDE ** (place - (len(depths) - 1) / 2)
        known = few.excess > SURE * few.excess_err
        low = np.minimum(few.excess_err, few.excess * 0.98).where(known, 0)
        axes.errorbar(
            x[known], few.excess[known], [low[known], few.excess_err[known]], fmt=style.MARKERS[place], **_look(name)
        )
        for at, top in zip(x[~known], (few.excess + few.excess_err)[~known], strict=True):
            axes.errorbar(
                at,
                top,
                0.4 * top,
                uplims=True,
                fmt="none",
                ecolor=style.COLOURS[LOOKS[name]],
                elinewidth=0.8,
                capsize=1.5,
            )
    axes.plot(ends, factor * (ends / FITTED) ** -2.0, dashes=style.DASHES[1], zorder=1, **FIT | {"linewidth": 0.6})
    wide = rows[rows.depth == depths[-1]].sort_values("width")
    axes.plot(wide.width, wide.infinite_excess, "x", color=INFINITE, markersize=3.5, zorder=2)
    axes.plot(
        ends,
        (wide.infinite_excess * wide.width).iloc[-1] / ends,
        color=INFINITE,
        linewidth=0.9,
        dashes=style.DASHES[2],
        zorder=1,
    )
    few = deep[deep.net == name].sort_values("width")
    unit = 1 / (few.depth - 1)
    stars = {"fmt": "*", "markersize": 6, "linestyle": (0, (1, 1.5)), "linewidth": 0.8}
    axes.errorbar(
        few.width,
        (few["mean"] - few.mean_hat) * unit,
        few["std"] / few.num_nets**0.5 * unit,
        **_look(name, True) | stars,
    )
    axes.text(0.97, 0.97, rf"slope ${-power:.2f} \pm {power_err:.2f}$", ha="right", va="top", transform=axes.transAxes)
    axes.set(yscale="log", ylim=(1e-5, 3))
    axes.set_title(style.shown(name))


def _spread(axes: Axes, frame: pd.DataFrame, nets: list[str]) -> None:
    """Measured over predicted standard deviation of all activations."""
    axes.axhline(1, color="0.25", zorder=1)
    for index, name in enumerate(nets):
        few = frame[frame.net == name]
        x = few.width * APART ** (index - (len(nets) - 1) / 2)
        axes.errorbar(x, 1 / few.ratio, few.ratio_err / few.ratio**2, fmt=SHAPES[name], **_look(name))
        place = (0.62, 0.9 - 0.1 * index)
        axes.plot(0.57, place[1] + 0.025, SHAPES[name], transform=axes.transAxes, **_bare(name))
        axes.text(*place, style.shown(name), transform=axes.transAxes, color=style.COLOURS[LOOKS[name]])
    axes.set(title=f"spread, {frame.depth.max()} layers", ylim=(0.955, 1.12))
    axes.set_ylabel("measured / predicted std", labelpad=2)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame, deep = frames["narrow"], frames["aspect"]
    deep = deep[(deep.depth == 1000 * deep.width) & (deep.family == FREE) & (deep.width <= frame.width.max())]
    nets, widths = list(frame.net.unique()), sorted(frame.width.unique())
    curved = [name for name in nets if name != EXACT]
    depths = sorted({frame.depth.min(), frame.depth.max()})
    shape = {"height": 2.0, "width": style.PAGE, "gridspec_kw": {"width_ratios": [1] * len(curved) + [1.3]}}
    figure, panels = style.canvas(1, len(curved) + 1, **shape)
    for axes, name in zip(panels, curved, strict=False):
        _mean(axes, name, frame[frame.net == name], deep, depths)
    for axes in panels[1:-1]:
        axes.set_yticklabels([])
    panels[0].set_ylabel("(law $-$ mean) per layer")
    _spread(panels[-1], frame[frame.depth == depths[-1]], nets)
    for axes in panels:
        axes.set_xscale("log", base=2)
        axes.set_xticks(widths, [str(width) for width in widths])
        axes.minorticks_off()
        axes.set(xlabel="width $N$", xlim=(4 / 2**0.5, 64 * 2**0.5))
    first = panels[0]
    for place, depth in enumerate(depths):
        first.plot([], [], style.MARKERS[place], color="0.3", markerfacecolor="white", label=f"{depth} layers")
    first.plot([], [], "*", color="0.3", markersize=6, label="$1{,}000\\,N$ layers")
    first.plot([], [], label="fitted, to 65 layers", **FIT)
    first.plot([], [], label=r"$\propto N^{-2}$", dashes=style.DASHES[1], **FIT | {"linewidth": 0.6})
    first.plot([], [], "x", color=INFINITE, markersize=3.5, label="infinite width")
    first.plot([], [], color=INFINITE, linewidth=0.9, dashes=style.DASHES[2], label=r"$\propto N^{-1}$")
    look = {"columnspacing": 1.1, "handletextpad": 0.5, "handlelength": 1.8}
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=8, **look)
    return figure
