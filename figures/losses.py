"""Size of the first layer's gradient under a real loss, measured over predicted, on digits and on noise."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("losses",)
SEEN = (
    "For cross-entropy the ratio of measured to predicted gradients is one within the errors, over more than a power of ten, for "
    "digits (filled) and noise (open) alike; for squared errors it scatters to both sides where the law declines (pale)."
)
"""What one sees."""
TITLES = {"cross_entropy": "cross-entropy", "squared": "squared error"}
PALE = 0.3
"""Opacity of what the law declines."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["losses"]
    figure, axes = style.canvas(1, len(TITLES), height=2.3, sharey=True)
    for axis, (loss, title) in zip(axes, TITLES.items(), strict=True):
        axis.axhline(1, color="0.3", linewidth=0.8, zorder=1)
        for index, (net, few) in enumerate(frame.groupby("net", sort=False)):
            for data, face in (("digits", style.COLOURS[index]), ("normal", "white")):
                some = few[(few.loss == loss) & (few.data == data)]
                label = f"{style.shown(net)}, {'digits' if data == 'digits' else 'noise'}"
                for known in (True, False):
                    rows = some[np.isfinite(some.predicted_err) == known]
                    ratio = np.exp(rows.measured - rows.predicted)
                    look = {"color": style.COLOURS[index], "markerfacecolor": face, "elinewidth": 0.8}
                    look |= {"fmt": style.MARKERS[index], "alpha": 1.0 if known else PALE}
                    err = ratio * rows.measured_err
                    axis.errorbar(np.exp(rows.predicted), ratio, err, label=label if known else None, **look)
        axis.set(xscale="log", xlabel=r"predicted $|\partial E/\partial W_1|$", title=title)
    axes[0].set_ylabel("measured / predicted")
    style.lettered(figure)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, columnspacing=0.8, handletextpad=0.2)
    return figure
