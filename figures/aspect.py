"""Scatter and loss of the log-gradient against depth over width, over seven powers of ten: the law, two simpler laws, and networks."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("aspect",)
SEEN = (
    "The scatter rises as a straight line on log scales, from a hundredth to some thirty, and markers lie on the "
    "lines; residuals of the law stay within the grey band around zero, those of infinite width leave it by hundreds."
)
"""What one sees."""
BESIDE = 1.12
"""Markers of different networks stand so much apart."""
SMALL = 5.0
"""Residuals up to this size stand on a linear scale, larger ones on a logarithmic one."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["aspect"]
    figure, (left, right) = style.canvas(1, 2, height=2.5, width=2 * style.COLUMN)
    for index, (name, rows) in enumerate(frame.groupby("net", sort=False)):
        rows = rows.assign(ratio=rows.depth / rows.width).sort_values("ratio")
        x, err = rows.ratio * BESIDE ** (index - 1), rows["std"] / rows.num_nets**0.5
        left.plot(rows.ratio, rows["std"], color=style.COLOURS[index], dashes=style.DASHES[index])
        style.measured(left, x, rows.std_hat, rows.std_hat_err, index, style.shown(name))
        simple = {"color": style.COLOURS[index], "linewidth": 0.8, "alpha": 0.6, "zorder": 1}
        right.plot(rows.ratio, (rows.mean_hat - rows.mean_infinite) / err, dashes=(1, 1), **simple)
        right.plot(rows.ratio, (rows.mean_hat - rows.mean_leading) / err, dashes=(4, 1.5), **simple)
        style.measured(right, x, (rows.mean_hat - rows["mean"]) / err, np.ones(len(rows)), index)
    left.set(xscale="log", yscale="log", xlabel="depth / width", ylabel=r"std of $\ln(|g_1|\,/\,|g_L|)$")
    right.set(xscale="log", xlabel="depth / width", ylabel="measured less predicted mean\n(predicted s.e.)")
    right.set_yscale("symlog", linthresh=SMALL, linscale=1.6)
    right.set_yticks([-100, -10, -5, -2, 0, 2, 5, 10], ["$-$100", "$-$10", "$-$5", "$-$2", "0", "2", "5", "10"])
    right.minorticks_off()
    right.axhspan(-2, 2, color="0.9", zorder=0, linewidth=0)
    right.axhline(0, color="0.25", zorder=1, linewidth=0.8)
    left.plot([], [], color="0.3", label="law")
    left.legend(loc="upper left")
    for label, dashes in (("infinite width", (1, 1)), ("order $1/N$", (4, 1.5))):
        right.plot([], [], color="0.4", linewidth=0.8, dashes=dashes, label=label)
    right.errorbar([], [], [], fmt="o", color="0.3", markerfacecolor="white", label="this law")
    right.legend(loc="lower left")
    for _, row in frame[frame.net == "relu"].iterrows():
        place = {"xytext": (6, -10), "textcoords": "offset points", "fontsize": 6.5}
        left.annotate(row["size"].replace(" x ", " × "), (row.depth / row.width, row["std"]), **place)
    style.lettered(figure)
    return figure
