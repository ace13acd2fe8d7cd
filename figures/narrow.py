"""Error of the finite-width law per layer, times the square of the width, from 4 to 64 units; and error of its spread."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from figures import style

SOURCES = ("narrow",)
SEEN = (
    "Times the square of the width the law's error is flat from eight units on, at 65 layers a third larger than at 17; at "
    "64 units GELU's is larger. "
    "For ReLU no error is seen. The ratio of spreads is within five per cent of one from eight units on."
)
"""What one sees."""
EXACT = "relu"
"""For it the law has no error."""
FITTED = 8
"""Least width to which the lines are fitted."""
SHARP = 0.42
"""A standard error of the product up to which it is shown."""
BESIDE = 1.16
"""Markers of different depths stand so much apart."""
APART = 1.1
"""Markers of different activations stand so much apart."""
DASHES = ((1, 1.2), (5, 1.5))
"""Lines fitted to the fewest layers and to the most."""
TALL = 0.7
"""Share of a panel's height up to which lines part the widths."""
BAND = "0.78"
"""Shade of a fit's standard error."""
LOOKS = {"relu": 1, "tanh": 2, "gelu": 3, "sigmoid": 4}
"""Colours of activations, the same as in the other figures."""


def _look(name: str) -> dict[str, object]:
    return {"color": style.COLOURS[LOOKS[name]], "markerfacecolor": "white", "elinewidth": 0.8, "zorder": 3}


def _fit(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients ``kappa'`` and ``kappa`` of measured less predicted mean, from the width ``FITTED`` on, and their covariance."""
    rows = rows[rows.width >= min(FITTED, rows.width.max())]
    inverse, scale = 1 / (rows.depth - 1), rows.width**2
    degree = min(1, inverse.nunique() - 1)
    return np.polyfit(inverse, -rows.excess * scale, degree, w=1 / (rows.excess_err * scale), cov="unscaled")


def _mean(axes: Axes, name: str, rows: pd.DataFrame, depths: list[int]) -> None:
    """Error of the mean of one activation times the square of the width, and what is fitted to it."""
    axes.axhline(0, color="0.25", zorder=1)
    said = "exact"
    if name != EXACT:
        found, covariance = _fit(rows)
        few = rows[rows.width >= min(FITTED, rows.width.max())]
        left = (-few.excess - np.polyval(found, 1 / (few.depth - 1)) / few.width**2) / few.excess_err
        ends = [min(FITTED, rows.width.max()) / 2**0.5, rows.width.max() * 2**0.5]
        for place, depth in enumerate(depths):
            powers = (1 / (depth - 1)) ** np.arange(found.size)[::-1]
            level, err = found @ powers, (powers @ covariance @ powers) ** 0.5
            axes.fill_between(ends, level - err, level + err, color=BAND, alpha=0.7, linewidth=0, zorder=1)
            axes.plot(ends, [level, level], color="0.25", linewidth=0.8, dashes=DASHES[place], zorder=2)
        said = rf"$\kappa = {found[-1]:.2f} \pm {covariance[-1, -1] ** 0.5:.2f}$" + "\n"
        said += rf"$\chi^2/\mathrm{{dof}} = {left @ left / max(len(few) - found.size, 1):.1f}$"
    axes.text(0.06, 0.98, said, transform=axes.transAxes, va="top")
    for place, depth in enumerate(depths):
        few = rows[(rows.depth == depth) & (rows.excess_err * rows.width**2 < SHARP)]
        x, scale = few.width * BESIDE ** (place - (len(depths) - 1) / 2), few.width**2
        axes.errorbar(x, -few.excess * scale, few.excess_err * scale, fmt=style.MARKERS[place], **_look(name))
    axes.set(ylim=(-1.75, 0.85), yticks=(-1.5, -1, -0.5, 0, 0.5))
    axes.set_title(style.shown(name))


def _spread(axes: Axes, frame: pd.DataFrame, nets: list[str], marker: str) -> None:
    """Measured over predicted standard deviation of all activations."""
    axes.axhline(1, color="0.25", zorder=1)
    for index, name in enumerate(nets):
        few = frame[frame.net == name]
        x = few.width * APART ** (index - (len(nets) - 1) / 2)
        axes.errorbar(x, 1 / few.ratio, few.ratio_err / few.ratio**2, fmt=marker, **_look(name))
        place = (0.5 + 0.26 * (index % 2), 0.9 - 0.12 * (index // 2))
        axes.text(*place, style.shown(name), transform=axes.transAxes, color=style.COLOURS[LOOKS[name]])
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
            axes.axvline(width / 2**0.5, ymax=TALL, color="0.85", linewidth=0.5, zorder=0)
    for place, depth in enumerate(depths):
        panels[0].plot([], [], style.MARKERS[place], color="0.3", markerfacecolor="white", label=f"{depth} layers")
    lines = [panels[0].plot([], [], color="0.25", linewidth=0.8, dashes=dashes)[0] for dashes in DASHES]
    handles, labels = panels[0].get_legend_handles_labels()
    handles += [(Patch(facecolor=BAND, linewidth=0), line) for line in lines[: len(depths)]]
    labels += [f"{depth} layers, fitted from {FITTED} units on" for depth in depths]
    figure.legend(handles, labels, loc="outside lower center", ncols=4, columnspacing=2)
    return figure
