"""Error of the finite-width law per layer, times the square of the width, from 4 to 64 units; and error of its spread."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from figures import style

SOURCES = ("narrow",)
SEEN = (
    "Times the square of the width the law's error is flat from eight units on, the same at 17 and at 65 layers to a quarter; at "
    "64 units GELU's is larger. "
    "For ReLU no error is seen. The ratio of spreads is within five per cent of one from eight units on."
)
"""What one sees."""
EXACT = "relu"
"""For it the law has no error."""
FITTED = 8
"""Least width to which the lines are fitted."""
SHARP = 0.4
"""A standard error of the product up to which it is shown."""
BESIDE = 1.16
"""Markers of different depths stand so much apart."""
APART = 1.1
"""Markers of different activations stand so much apart."""
LOWEST = -1.08
"""A mean below this is an arrow with its value."""
BARE = {"bbox": {"facecolor": "white", "linewidth": 0, "pad": 0.6}}
"""Text over the lines between the widths."""
BAND = "0.78"
"""Shade of a fit's standard error."""
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
        first, last = min(FITTED, rows.width.max()) / 2**0.5, rows.width.max() * 2**0.5
        axes.fill_between([first, last], factor - err, factor + err, color=BAND, linewidth=0, zorder=1)
        axes.plot([first, last], [factor, factor], color="0.25", linewidth=0.7, dashes=(4, 1.5), zorder=2)
        said = rf"$k = {factor:.2f} \pm {err:.2f}$"
    else:
        said = "exact"
    axes.text(0.05, 0.03, said, transform=axes.transAxes, **BARE)
    for place, depth in enumerate(depths):
        few = rows[(rows.depth == depth) & (rows.excess_err * rows.width**2 < SHARP)]
        for row in few.itertuples():
            x, y, err = (
                row.width * BESIDE ** (place - (len(depths) - 1) / 2),
                -row.excess * row.width**2,
                row.excess_err * row.width**2,
            )
            axes.errorbar(x, y, err, fmt=style.MARKERS[place], **_look(name))
            if y < LOWEST:
                axes.plot(x, LOWEST, "v", color=style.COLOURS[LOOKS[name]], markersize=2.5, clip_on=False)
                said = rf"${y:.1f} \pm {err:.1f}$"
                axes.text(x * 1.1, LOWEST + 0.2, said, ha="right", color=style.COLOURS[LOOKS[name]], fontsize=7, **BARE)
    axes.set(title=style.shown(name), ylim=(LOWEST, 0.35), yticks=(-1, -0.5, 0))


def _spread(axes: Axes, frame: pd.DataFrame, nets: list[str], marker: str) -> None:
    """Measured over predicted standard deviation of all activations."""
    axes.axhline(1, color="0.25", zorder=1)
    for index, name in enumerate(nets):
        few = frame[frame.net == name]
        x = few.width * APART ** (index - (len(nets) - 1) / 2)
        axes.errorbar(x, 1 / few.ratio, few.ratio_err / few.ratio**2, fmt=marker, **_look(name))
        place = (0.5 + 0.27 * (index % 2), 0.9 - 0.11 * (index // 2))
        axes.text(*place, style.shown(name), transform=axes.transAxes, color=style.COLOURS[LOOKS[name]], **BARE)
    axes.set(title=f"spread, {frame.depth.max()} layers", ylim=(0.955, 1.12))
    axes.set_ylabel("measured / predicted std", labelpad=2)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["narrow"]
    nets, widths = list(frame.net.unique()), sorted(frame.width.unique())
    depths = sorted({frame.depth.min(), frame.depth.max()})
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
        axes.set(xlabel="width $N$", xlim=(4 / 2**0.5, 64 * 2**0.5))
        for width in widths[1:]:
            axes.axvline(width / 2**0.5, color="0.8", linewidth=0.5, zorder=0)
    for place, depth in enumerate(depths):
        panels[0].plot([], [], style.MARKERS[place], color="0.3", markerfacecolor="white", label=f"{depth} layers")
    line = panels[0].plot([], [], color="0.25", linewidth=0.7, dashes=(4, 1.5))[0]
    handles, labels = panels[0].get_legend_handles_labels()
    handles, labels = (
        [*handles, (Patch(facecolor=BAND, linewidth=0), line)],
        [*labels, f"$k$, fitted from {FITTED} units on"],
    )
    figure.legend(handles, labels, loc="outside lower center", ncols=4, columnspacing=2)
    return figure
