"""Scatter and loss of the log-gradient against depth over width, over seven powers of ten: the law, two simpler laws, and networks."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("aspect",)
SEEN = (
    "The scatter rises as a straight line on log scales, from a hundredth to some thirty, and markers lie on the "
    "lines; means stay within the grey band around the law, which infinite width leaves by hundreds of standard errors."
)
"""What one sees."""
BESIDE = 1.35
"""Markers of different networks stand so much apart."""
SMALL = 5.0
"""Residuals up to this size stand on a linear scale, larger ones on a logarithmic one."""
SIMPLER = {"infinite": ("infinite width", (1, 1)), "leading": ("order $1/N$", (4, 1.5))}
"""Simpler laws, with their dashes."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["aspect"]
    size = {"height": 2.5, "width": style.PAGE, "gridspec_kw": {"width_ratios": [1.15, 1, 1.15]}}
    figure, (spread, ratio, mean) = style.canvas(1, 3, **size)
    for index, (name, rows) in enumerate(frame.groupby("net", sort=False)):
        rows = rows.assign(ratio=rows.depth / rows.width).sort_values("ratio")
        x, err = rows.ratio * BESIDE ** (index - 1), rows["std"] / rows.num_nets**0.5
        look = {"color": style.COLOURS[index], "zorder": 1}
        spread.plot(rows.ratio, rows["std"], **look)
        style.measured(spread, rows.ratio, rows.std_hat, rows.std_hat_err, index, style.shown(name))
        style.measured(ratio, x, rows.std_hat / rows["std"], rows.std_hat_err / rows["std"], index)
        for law, (_, dashes) in SIMPLER.items():
            mean.plot(rows.ratio, (rows[f"mean_{law}"] - rows["mean"]) / err, dashes=dashes, linewidth=0.8, **look)
        style.measured(mean, x, (rows.mean_hat - rows["mean"]) / err, np.ones(len(rows)), index)
    spread.set(yscale="log", ylabel=r"std of $\ln(|g_1|\,/\,|g_L|)$", title="spread")
    ratio.axhline(1, color="0.25", zorder=1, linewidth=0.8)
    ratio.set(ylabel="measured / predicted", ylim=(0.4, 1.6), title="ratio of spreads")
    mean.set(ylabel="less this law's, predicted s.e.", title="mean")
    mean.set_yscale("symlog", linthresh=SMALL, linscale=1.6)
    mean.set_yticks([-2, 0, 2, 5, 10, 100], ["$-$2", "0", "2", "5", "10", "100"])
    mean.axhspan(-2, 2, color="0.9", zorder=0, linewidth=0)
    mean.axhline(0, color="0.25", zorder=1, linewidth=0.8)
    for axes in (spread, ratio, mean):
        axes.set(xscale="log", xlabel="depth / width")
        axes.set_xticks([1e-4, 1e-2, 1, 1e2])
        axes.minorticks_off()
    for _, row in frame[frame.net == "relu"].iloc[::2].iterrows():
        last = row.depth > 10_000
        place = {"xytext": (-6, 0) if last else (5, -9), "ha": "right" if last else "left", "fontsize": 7}
        name, at = row["size"].replace(" x ", " × "), (row.depth / row.width, row["std"])
        spread.annotate(name, at, textcoords="offset points", **place)
    spread.plot([], [], color="0.3", label="this law")
    for label, dashes in SIMPLER.values():
        spread.plot([], [], color="0.3", linewidth=0.8, dashes=dashes, label=label)
    figure.legend(*spread.get_legend_handles_labels(), loc="outside lower center", ncols=6, columnspacing=1.5)
    return figure
