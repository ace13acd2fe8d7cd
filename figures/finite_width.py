"""Finite width: histograms of the log-gradient against the predicted law, collapse in depth over width, and the ratio of spreads."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("finite_width",)
SHOWN = ("tanh", "gelu", "relu", "selu")
"""Activations whose histograms are drawn; all are in the other panels."""
HEIGHT = 0.52
"""Between histograms, in units of the density of a standard normal variable."""
TOLERANCE = 5


def _histograms(axes: Axes, frame: pd.DataFrame) -> None:
    """Bars measured, line the normal law with the predicted mean and standard deviation."""
    widths = sorted(frame.width.unique())
    width = widths[len(widths) // 2]
    rows = frame[frame.width == width]
    for index, name in enumerate(each for each in SHOWN if each in set(rows.net)):
        own, base = rows[rows.net == name], -HEIGHT * index
        law = own[own.layer == 1].iloc[0]
        x = law.log_grad + law.log_grad_std * own.deviation
        step = law.log_grad_std * (own.deviation.iloc[1] - own.deviation.iloc[0])
        colour = style.COLOURS[index]
        axes.bar(x, own.density, width=step, bottom=base, color=colour, alpha=0.35, linewidth=0)
        fine = np.linspace(own.deviation.min(), own.deviation.max(), 200)
        normal = np.exp(-(fine**2) / 2) / np.sqrt(2 * np.pi)
        axes.plot(law.log_grad + law.log_grad_std * fine, base + normal, color=colour)
        axes.text(0.98, base + 0.1, name, color=colour, ha="right", transform=axes.get_yaxis_transform(), fontsize=6.5)
    axes.set(yticks=[], xlabel=r"$\ln\,|g_1|\,/\,|g_L|$", title=f"width {width}, depth {int(rows.depth.iloc[0])}")


def _collapse(axes: Axes, frame: pd.DataFrame) -> None:
    """Variance over networks, at every depth and width, against depth over width."""
    names, widths = list(dict.fromkeys(frame.net)), sorted(frame.width.unique())
    for index, name in enumerate(names):
        for place, width in enumerate(widths):
            rows = frame[(frame.net == name) & (frame.width == width) & (frame.layer < frame.depth)]
            x = (rows.depth - rows.layer) / width
            axes.plot(x, rows.log_grad_std**2, color=style.COLOURS[index], linewidth=0.9, zorder=2)
            some = slice(place, None, 5)
            look = {"markerfacecolor": "white", "markeredgewidth": 0.8, "color": style.COLOURS[index], "zorder": 3}
            axes.plot(x[some], rows.log_grad_hat_std[some] ** 2, style.MARKERS[place], **look)
    for place, width in enumerate(widths):
        axes.plot([], [], style.MARKERS[place], color="0.3", markerfacecolor="white", label=f"width {width}")
    axes.plot([], [], color="0.3", linewidth=0.9, label="predicted")
    axes.set(xscale="log", yscale="log", xlabel=r"depth over width, $(L - l)\,/\,N$", title="collapse")
    axes.set_ylabel(r"variance of $\ln |g_l|$")
    axes.legend(loc="lower right")


def _ratios(axes: Axes, frame: pd.DataFrame) -> None:
    """Measured over predicted standard deviation at the bottom."""
    cells = frame.drop_duplicates("cell")
    widths = sorted(cells.width.unique())
    axes.axhspan(-TOLERANCE, TOLERANCE, color="0.92", zorder=0, linewidth=0)
    axes.axhline(0, color="0.25", linewidth=0.6, zorder=1)
    names = list(dict.fromkeys(cells.net))
    for index, name in enumerate(names):
        rows = cells[cells.net == name].sort_values("width")
        x = [widths.index(width) + 0.09 * (index - (len(names) - 1) / 2) for width in rows.width]
        style.measured(axes, x, 100 * (rows.ratio - 1), 100 * rows.ratio_err, index, name)
    axes.set_xticks(range(len(widths)), [f"{width}" for width in widths])
    axes.set(xlabel="width", ylabel="measured spread over predicted, %", title="spread at the bottom")


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["finite_width"]
    figure, panels = style.canvas(1, 3, height=2.9, width=2 * style.COLUMN + 0.25)
    for axes, panel in zip(panels, (_histograms, _collapse, _ratios), strict=True):
        panel(axes, frame)
    handles, labels = panels[2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=7)
    return figure
