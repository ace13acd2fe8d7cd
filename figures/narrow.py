"""Error of the finite-width law per layer from 4 to 64 units, times the square of the width; and error of its spread."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import curve_fit

from figures import style

SOURCES = ("narrow", "aspect")
SEEN = (
    "Times the square of the width, the error of the law's mean per layer is nearly the same at all widths for tanh, and rises with the width for GELU and sigmoid, for GELU "
    "most in the deepest networks. The ratio of spreads is within five per cent of one from eight units on."
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
LOOKS = {"relu": 1, "tanh": 2, "gelu": 3, "sigmoid": 4}
SHAPES = {"relu": "s", "tanh": "^", "gelu": "D", "sigmoid": "v"}
"""Colours and markers of activations, the same as in the other figures."""
TOP = {"tanh": 1.4, "gelu": 3.0, "sigmoid": 0.7}
"""Upper ends of the axes."""
FREE = "dense, without matrices"
"""The family of the deepest networks that is shown."""
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
    """Error of the mean of one activation per layer, times the square of the width, and what is fitted to it."""
    factor, power, power_err = _power(rows)
    ends = np.array([4 / 2**0.4, 64 * 2**0.4])
    axes.axhline(0, color="0.25", linewidth=0.6, zorder=0)
    grid = np.geomspace(*ends, 50)
    axes.plot(grid, factor * FITTED**power * grid ** (2 - power), zorder=1, **FIT)
    for place, depth in enumerate(depths):
        few = rows[rows.depth == depth].sort_values("width")
        x = few.width * BESIDE ** (place - (len(depths) - 1) / 2)
        square = few.width**2
        axes.errorbar(x, few.excess * square, few.excess_err * square, fmt=style.MARKERS[place], **_look(name))
    for row in deep[deep.net == name].itertuples():
        unit = row.width**2 / (row.depth - 1)
        err = row.std / row.num_nets**0.5 * unit
        axes.errorbar(
            row.width, (row.mean - row.mean_hat) * unit, err, fmt="*", markersize=6, **_look(name, filled=True)
        )
    axes.text(
        0.03, 0.97, rf"error $\propto N^{{{-power:.2f} \pm {power_err:.2f}}}$", va="top", transform=axes.transAxes
    )
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
    shape = {"height": 2.15, "width": style.PAGE, "gridspec_kw": {"width_ratios": [1] * len(curved) + [1.3]}}
    figure, panels = style.canvas(1, len(curved) + 1, **shape)
    for axes, name in zip(panels, curved, strict=False):
        _mean(axes, name, frame[frame.net == name], deep, depths)
        axes.set_ylim(-0.12 * TOP[name], TOP[name])
    panels[0].set_ylabel(r"$N^2$ (law $-$ mean) per layer")
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
    first.plot([], [], label="fitted power of $N$ (flat: $N^{-2}$)", **FIT)
    look = {"columnspacing": 1.4, "handletextpad": 0.5, "handlelength": 1.8}
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=7, **look)
    return figure
