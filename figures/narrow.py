"""Error of the finite-width law per layer, times the square of the width, from 4 to 64 units; and error of its spread."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("narrow",)
SEEN = (
    "Times the square of the width the law's error is flat from 8 to 32 units; at 64 GELU's is larger. "
    "For ReLU no error is seen. The ratio of spreads is within five per cent of one from eight units on."
)
"""What one sees."""
EXACT = "relu"
"""For it the law has no error."""
FITTED = 8
"""Least width to which the lines are fitted."""
SHARP = 0.4
"""A standard error of the product up to which it is shown."""
BESIDE = 1.2
"""Markers of different networks stand so much apart."""
LOOKS = {"relu": 1, "tanh": 2, "gelu": 3, "sigmoid": 4}
"""Colours of activations, the same as in the other figures."""


def _look(name: str) -> dict[str, object]:
    return {"color": style.COLOURS[LOOKS[name]], "markerfacecolor": "white", "elinewidth": 0.8, "zorder": 3}


def _factor(rows: pd.DataFrame) -> tuple[float, float]:
    """Factor of ``1 / width**2`` in measured less predicted mean, from the width ``FITTED`` on, and its error."""
    rows = rows[rows.width >= min(FITTED, rows.width.max())]
    weights = (rows.excess_err * rows.width**2) ** -2.0
    return float(-np.average(rows.excess * rows.width**2, weights=weights)), float(weights.sum() ** -0.5)


def _mean(axes: Axes, name: str, rows: pd.DataFrame, depths: list[int]) -> None:
    """Error of the mean of one activation times the square of the width, and what is fitted to it."""
    axes.axhline(0, color="0.25", zorder=1)
    if name != EXACT:
        factor, err = _factor(rows)
        span = [min(FITTED, rows.width.max()) / BESIDE**2, rows.width.max() * BESIDE**2]
        axes.plot(span, [factor, factor], color="0.25", linewidth=0.9, dashes=(4, 1.5), zorder=2)
        said = rf"$k = {factor:.2f} \pm {err:.2f}$"
    else:
        said = "exact"
    axes.text(0.05, 0.05, said, transform=axes.transAxes)
    for place, depth in enumerate(depths):
        few = rows[(rows.depth == depth) & (rows.excess_err * rows.width**2 < SHARP)]
        x, unit = few.width * BESIDE ** (place - (len(depths) - 1) / 2), few.width**2
        axes.errorbar(x, -few.excess * unit, few.excess_err * unit, fmt=style.MARKERS[place], **_look(name))
    axes.set(title=style.shown(name), ylim=(-1.75, 0.4))


def _spread(axes: Axes, frame: pd.DataFrame, nets: list[str], marker: str) -> None:
    """Measured over predicted standard deviation of all activations."""
    axes.axhline(1, color="0.25", zorder=1)
    for index, name in enumerate(nets):
        few = frame[frame.net == name]
        x = few.width * BESIDE ** (index - (len(nets) - 1) / 2)
        axes.errorbar(
            x, 1 / few.ratio, few.ratio_err / few.ratio**2, fmt=marker, label=style.shown(name), **_look(name)
        )
    axes.legend(loc="upper right", ncols=2, handletextpad=0.2, columnspacing=0.8, borderaxespad=0)
    axes.set(title=f"spread, {frame.depth.max()} layers", ylim=(0.955, 1.12))
    axes.set_ylabel("measured / predicted std", labelpad=2)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["narrow"]
    nets, depths, widths = list(frame.net.unique()), sorted(frame.depth.unique()), sorted(frame.width.unique())
    shape = {"height": 2.15, "width": style.PAGE, "gridspec_kw": {"width_ratios": [1] * len(nets) + [1.75]}}
    figure, panels = style.canvas(1, len(nets) + 1, **shape)
    for axes, name in zip(panels, nets, strict=False):
        _mean(axes, name, frame[frame.net == name], depths)
    for axes in panels[1:-1]:
        axes.set_yticklabels([])
    panels[0].set_ylabel(r"$N^2 \times$ (mean $-$ law) per layer")
    _spread(panels[-1], frame[frame.depth == depths[-1]], nets, style.MARKERS[len(depths) - 1])
    for axes in panels:
        axes.set_xscale("log", base=2)
        axes.set_xticks(widths, [str(width) for width in widths])
        axes.minorticks_off()
        axes.set(xlabel="width $N$", xlim=(2.8, 92))
    for place, depth in enumerate(depths):
        panels[0].plot([], [], style.MARKERS[place], color="0.3", markerfacecolor="white", label=f"{depth} layers")
    panels[0].plot([], [], color="0.25", linewidth=0.9, dashes=(4, 1.5), label=f"$k$, fitted from {FITTED} units on")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, columnspacing=2)
    return figure
