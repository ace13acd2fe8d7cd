"""Flax models and their infinite-width twins: every layer's weight gradient, and how the gap closes with width."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("twins",)
SEEN = "All layers of four models lie within a few per cent of the prediction; the gap falls with the width down to what errors alone make."
"""What one sees."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["twins"]
    figure, (left, right) = style.canvas(1, 2, height=2.7)
    widest = frame[frame.width == frame.groupby("model").width.transform("max")]
    left.axhline(0, color="0.25", linewidth=0.8, zorder=1)
    for index, (name, rows) in enumerate(frame.groupby("model", sort=True)):
        wide = rows[rows.width == rows.width.max()]
        ratio = np.exp(wide.log_grad_hat - wide.log_grad)
        style.measured(
            left, wide.log_grad / style.DECADE, 100 * (ratio - 1), 100 * ratio * wide.log_grad_hat_err, index, name
        )
        gap = (rows.log_grad_hat - rows.log_grad) ** 2
        noise = rows.log_grad_err**2 + rows.log_grad_hat_err**2
        by_width = pd.DataFrame({"width": rows.width, "gap": gap, "noise": noise}).groupby("width").mean() ** 0.5
        right.plot(by_width.index, 100 * by_width.noise, color=style.COLOURS[index], linestyle=":", linewidth=0.9)
        right.plot(
            by_width.index,
            100 * by_width.gap,
            style.MARKERS[index],
            color=style.COLOURS[index],
            markersize=3.5,
            markerfacecolor="white",
        )
    left.set(
        xlabel=r"predicted $\log_{10}|\partial E/\partial W|$",
        ylabel="measured over predicted, less 1 (%)",
        title=f"all layers, width {widest.width.max()}",
    )
    right.plot([], [], ":", color="0.4", linewidth=0.9, label="what the errors alone make")
    right.set(xscale="log", yscale="log", xlabel="width", ylabel="rms gap over layers, %", title="gap against width")
    right.set_xticks(sorted(frame.width.unique()), [str(each) for each in sorted(frame.width.unique())])
    right.set_yticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
    right.minorticks_off()
    handles, labels = (
        a + b for a, b in zip(*(axis.get_legend_handles_labels() for axis in (left, right)), strict=True)
    )
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure
