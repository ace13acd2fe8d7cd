"""Scatter and loss of the log-gradient against depth over width, over seven powers of ten, predicted and measured."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("aspect",)
SEEN = (
    "The scatter rises as a straight line on log scales, from a hundredth to some thirty, and markers lie on the "
    "lines; the residuals scatter within the grey band around zero."
)
"""What one sees."""
BESIDE = 1.12
"""Markers of different networks stand so much apart."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["aspect"]
    figure, (left, right) = style.canvas(1, 2, height=2.6, width=2 * style.COLUMN)
    for index, (name, rows) in enumerate(frame.groupby("net", sort=False)):
        rows = rows.assign(ratio=rows.depth / rows.width).sort_values("ratio")
        left.plot(rows.ratio, rows["std"], color=style.COLOURS[index], dashes=style.DASHES[index])
        style.measured(left, rows.ratio * BESIDE ** (index - 1), rows.std_hat, rows.std_hat_err, index, name)
        off = (rows.mean_hat - rows["mean"]) / (rows["std"] / rows.num_nets**0.5)
        style.measured(right, rows.ratio * BESIDE ** (index - 1), off, np.ones(len(rows)), index)
    left.set(xscale="log", yscale="log", xlabel="depth / width", ylabel=r"std of $\ln(|g_1|\,/\,|g_L|)$ over networks")
    right.set(xscale="log", xlabel="depth / width", ylabel="residual of the mean\n(predicted s.e.)", ylim=(-5.5, 5.5))
    right.axhspan(-2, 2, color="0.9", zorder=0, linewidth=0)
    right.axhline(0, color="0.25", zorder=1)
    left.plot([], [], color="0.3", label="predicted")
    left.legend(loc="upper left")
    for _, row in frame[frame.net == "relu"].iterrows():
        left.annotate(
            row["size"].replace(" x ", " × "),
            (row.depth / row.width, row["std"]),
            xytext=(5, -9),
            textcoords="offset points",
            fontsize=5.2,
        )
    return figure
