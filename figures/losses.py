"""Size of the first layer's gradient under a real loss, measured over predicted, on digits and on noise."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("losses",)
SEEN = (
    "Where the law gives an error (filled) the ratio of measured to predicted gradients is one within the bars, for digits and "
    "noise alike; where it declines (open), for squared errors, ReLU and GELU lie below one."
)
"""What one sees."""
TITLES = {"cross_entropy": "cross-entropy", "squared": "squared error"}
INPUTS = {"digits": "digits", "normal": "Gaussian inputs"}
BESIDE = 0.18
"""Markers of one head stand so much apart."""


def _panel(axes: Axes, rows: pd.DataFrame, heads: list[float], depths: list[int]) -> None:
    """One loss and activation: a group of markers for every scale of the head, within it one for every depth and input."""
    axes.axhline(1, color="0.25", linewidth=0.8, zorder=1)
    kinds = [(depth, data) for depth in depths for data in INPUTS]
    for place, (depth, data) in enumerate(kinds):
        colour = style.COLOURS[list(INPUTS).index(data)]
        for known in (True, False):
            few = rows[(rows.depth == depth) & (rows.data == data) & (np.isfinite(rows.predicted_err) == known)]
            x = [heads.index(head) + BESIDE * (place - (len(kinds) - 1) / 2) for head in few.sigma_head]
            ratio = np.exp(few.measured - few.predicted)
            look = {"color": colour, "markerfacecolor": colour if known else "white", "elinewidth": 0.8}
            axes.errorbar(x, ratio, ratio * few.measured_err, fmt=style.MARKERS[depths.index(depth)], **look)
    axes.set_xticks(range(len(heads)), [f"{head:g}" for head in heads])
    axes.set_xlim(-0.5, len(heads) - 0.5)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["losses"]
    nets, heads, depths = list(frame.net.unique()), sorted(frame.sigma_head.unique()), sorted(frame.depth.unique())
    figure, axes = style.canvas(len(TITLES), len(nets), height=3.3, sharex=True, sharey=True, squeeze=False)
    for row, (loss, title) in zip(axes, TITLES.items(), strict=True):
        for axis, net in zip(row, nets, strict=True):
            _panel(axis, frame[(frame.loss == loss) & (frame.net == net)], heads, depths)
            axis.set_title(style.shown(net))
        row[0].set_ylabel(f"{title}\nmeasured / predicted")
    axes[-1][len(nets) // 2].set_xlabel(r"scale of the head, $\sigma_{\mathrm{head}}$")
    last = axes[-1][-1]
    for index, name in enumerate(INPUTS.values()):
        last.plot([], [], "s", color=style.COLOURS[index], markersize=4, label=name)
    for index, depth in enumerate(depths):
        last.plot([], [], style.MARKERS[index], color="0.4", label=f"{depth} layers")
    last.plot([], [], "D", color="0.4", label="law gives an error")
    last.plot([], [], "D", color="0.4", markerfacecolor="white", label="law declines")
    figure.legend(
        *last.get_legend_handles_labels(), loc="outside lower center", ncols=3, handletextpad=0.2, columnspacing=1
    )
    return figure
