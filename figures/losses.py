"""Size of the first layer's gradient under a real loss, measured against predicted, on digits and on noise."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("losses",)
SEEN = (
    "For cross-entropy and for squared errors all markers lie on the diagonal, those of digits (filled) and of noise (open) alike, "
    "over more than a power of ten."
)
"""What one sees."""
TITLES = {"cross_entropy": "cross-entropy", "squared": "squared error"}


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["losses"]
    figure, axes = style.canvas(1, len(TITLES), height=2.3, sharey=False)
    for axis, (loss, title) in zip(axes, TITLES.items(), strict=True):
        rows = frame[frame.loss == loss]
        if rows.empty:
            continue
        ends = np.exp([rows.predicted.min() - 0.3, rows.predicted.max() + 0.3])
        axis.plot(ends, ends, color="0.3", linewidth=0.8, zorder=1)
        for index, (net, few) in enumerate(frame.groupby("net", sort=False)):
            for data, face in (("digits", style.COLOURS[index]), ("normal", "white")):
                some = few[(few.loss == loss) & (few.data == data)]
                value = np.exp(some.measured)
                look = {
                    "color": style.COLOURS[index],
                    "markerfacecolor": face,
                    "markeredgewidth": 0.8,
                    "elinewidth": 0.8,
                }
                label = f"{style.shown(net)}, {'digits' if data == 'digits' else 'noise'}"
                axis.errorbar(
                    np.exp(some.predicted),
                    value,
                    value * some.measured_err,
                    fmt=style.MARKERS[index],
                    label=label,
                    **look,
                )
        axis.set(xscale="log", yscale="log", xlabel=r"predicted $|\partial E/\partial W_1|$", title=title)
    axes[0].set_ylabel(r"measured $|\partial E/\partial W_1|$")
    style.lettered(figure)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, columnspacing=0.8, handletextpad=0.2)
    return figure
