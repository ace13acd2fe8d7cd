"""Finite width: histograms of the log-gradient against the predicted law, collapse in depth over width, and the ratio of spreads."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("finite_width",)
SEEN = (
    "Histograms fill the predicted curves; variances of three widths fall on common lines; measured spreads lie "
    "within a few per cent of the predicted ones."
)
"""What one sees."""
SHOWN = ("tanh", "gelu", "relu", "selu")
"""Activations in the first two panels; all are in the last."""
HEIGHT = 0.52
"""Between histograms, in units of the density of a standard normal variable."""
TOLERANCE = 5


def _histograms(axes: Axes, frame: pd.DataFrame, names: list[str]) -> None:
    """Bars measured, line the normal law with the predicted mean and standard deviation."""
    widths = sorted(frame.width.unique())
    width = widths[len(widths) // 2]
    rows = frame[frame.width == width]
    for row, name in enumerate(each for each in SHOWN if each in names):
        own, base, colour = rows[rows.net == name], -HEIGHT * row, style.COLOURS[names.index(name)]
        law = own[own.layer == 1].iloc[0]
        step = law.log_grad_std * (own.deviation.iloc[1] - own.deviation.iloc[0])
        x = law.log_grad + law.log_grad_std * own.deviation
        axes.bar(x, own.density, width=step, bottom=base, color=colour, alpha=0.35, linewidth=0)
        fine = np.linspace(own.deviation.min(), own.deviation.max(), 200)
        normal = np.exp(-(fine**2) / 2) / np.sqrt(2 * np.pi)
        axes.plot(law.log_grad + law.log_grad_std * fine, base + normal, color=colour)
        left = law.log_grad > 0
        axes.text(0.02 if left else 0.98, base + 0.12, style.shown(name), color=colour, ha="left" if left else "right")
        axes.texts[-1].set_transform(axes.get_yaxis_transform())
    axes.set(yticks=[], xlabel=r"$\ln\,|g_1|\,/\,|g_L|$", title=f"width {width}, depth {int(rows.depth.iloc[0])}")


def _collapse(axes: Axes, frame: pd.DataFrame, names: list[str]) -> None:
    """Variance over networks for a depth of one width, at every depth and width; for the activations whose histograms are drawn."""
    widths = sorted(frame.width.unique())
    for index, name in [(index, each) for index, each in enumerate(names) if each in SHOWN]:
        for place, width in enumerate(widths):
            rows = frame[(frame.net == name) & (frame.width == width) & (frame.layer < frame.depth)]
            x = (rows.depth - rows.layer) / width
            axes.plot(x, rows.log_grad_std**2 / x, color=style.COLOURS[index], linewidth=0.9, zorder=2)
            some = slice(place, None, 6)
            look = {"markerfacecolor": "white", "markeredgewidth": 0.8, "color": style.COLOURS[index], "zorder": 3}
            axes.plot(x[some], (rows.log_grad_hat_std**2 / x)[some], style.MARKERS[place], **look)
    for place, width in enumerate(widths):
        axes.plot([], [], style.MARKERS[place], color="0.3", markerfacecolor="white", label=f"width {width}")
    axes.plot([], [], color="0.3", linewidth=0.9, label="predicted")
    axes.set(xscale="log", xlabel=r"depth over width, $t = (L - l)\,/\,N$", title="collapse in depth over width")
    axes.set(ylabel=r"variance of $\ln |g_l|$, over $t$", ylim=(0.5, None))
    axes.legend(loc="lower right")


def _ratios(axes: Axes, frame: pd.DataFrame, names: list[str]) -> None:
    """Measured over predicted standard deviation at the bottom."""
    cells = frame.drop_duplicates("cell")
    widths = sorted(cells.width.unique())
    axes.axhspan(-TOLERANCE, TOLERANCE, color="0.92", zorder=0, linewidth=0)
    axes.axhline(0, color="0.25", linewidth=0.6, zorder=1)
    for index, name in enumerate(names):
        rows = cells[cells.net == name].sort_values("width")
        x = [widths.index(width) + 0.09 * (index - (len(names) - 1) / 2) for width in rows.width]
        style.measured(axes, x, 100 * (rows.ratio - 1), 100 * rows.ratio_err, index, style.shown(name))
    axes.set_xticks(range(len(widths)), [f"{width}" for width in widths])
    axes.set(xlabel="width", ylabel="measured spread over predicted, %", title="spread at the bottom")


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["finite_width"]
    names = list(dict.fromkeys(frame.net))
    figure, panels = style.canvas(1, 3, height=2.9, width=style.PAGE)
    for axes, panel in zip(panels, (_histograms, _collapse, _ratios), strict=True):
        panel(axes, frame, names)
    handles, labels = panels[2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=7)
    return figure
