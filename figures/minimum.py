"""Size of the gradient against its tilt along training, and against the loss for minima of several shapes."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("minimum",)
SEEN = (
    "In sigmoid networks the first layer's gradient stays a thousandth of the last's, and in critical networks "
    "the two stay nearly equal; near a minimum the gradient falls along one line per shape."
)
"""What one sees."""
LABELS = {"critical": "tanh, critical", "vanishing": "sigmoid, usual scale"}


def _plane(axes: Axes, frame: pd.DataFrame) -> None:
    """Where the gradient goes in size and tilt; dots at the start."""
    for shade, net in enumerate(frame.net.unique()):
        rows = frame[frame.net == net]
        tilt, std = rows.tilt.iloc[0] / style.DECADE, rows.tilt_std.iloc[0] / style.DECADE
        axes.axvspan(tilt - std, tilt + std, color=style.COLOURS[shade + 5], alpha=0.3, linewidth=0)
        axes.axvline(tilt, color=style.COLOURS[shade + 5], linewidth=0.8, label=f"{LABELS[net]}: law of the start")
        for index, shape in enumerate(frame["shape"].unique()):
            each = rows[rows["shape"] == shape].sort_values("update")
            x, y = each.tilt_hat / style.DECADE, (each.log_size_hat - each.log_size_hat.iloc[0]) / style.DECADE
            axes.plot(x, y, color=style.COLOURS[index], linewidth=0.6, zorder=2)
            err = (each.tilt_hat_err.iloc[-1] / style.DECADE, each.log_size_hat_err.iloc[-1] / style.DECADE)
            axes.errorbar(
                x.iloc[-1],
                y.iloc[-1],
                xerr=err[0],
                yerr=err[1],
                fmt=style.MARKERS[index],
                color=style.COLOURS[index],
                markerfacecolor="white",
                markeredgewidth=0.8,
                elinewidth=0.8,
                zorder=3,
            )
    axes.set(
        xlabel=r"tilt: $\log_{10}$ of first over last hidden layer's gradient",
        ylabel=r"size: $\log_{10}$ of gradient over its start",
    )
    style.below(axes, 1)


def _shapes(axes: Axes, frame: pd.DataFrame) -> None:
    """Gradient against loss near the minimum, and the predicted power."""
    rows = frame[frame.net == "critical"]
    for index, shape in enumerate(rows["shape"].unique()):
        each = rows[rows["shape"] == shape].sort_values("update")
        x = (each.log_loss - each.log_loss.iloc[0]) / style.DECADE
        y = (each.log_size_hat - each.log_size_hat.iloc[0]) / style.DECADE
        style.measured(axes, x, y, each.log_size_hat_err / style.DECADE, index, shape)
        near = x < -1
        if near.any():
            start = near.to_numpy().argmax()
            line = np.array([x.iloc[start], x.min()])
            style.theory(axes, line, y.iloc[start] + each.slope.iloc[0] * (line - line[0]), None, index)
    axes.plot([], [], color="0.3", label="predicted power")
    axes.invert_xaxis()
    axes.set(xlabel=r"$\log_{10}$ of loss over its start", ylabel=r"size: $\log_{10}$ of gradient over its start")
    style.below(axes, 3)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["minimum"]
    figure, panels = style.canvas(1, 2, height=3.1, width=style.PAGE)
    _plane(panels[0], frame)
    _shapes(panels[1], frame)
    for axes, title in zip(panels, ("depth against minimum", "shape of the minimum (tanh, critical)"), strict=True):
        axes.set_title(title)
    return figure
