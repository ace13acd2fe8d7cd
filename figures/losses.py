"""Size of the first layer's gradient under a real loss, measured over predicted, on digits and on noise."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("losses",)
SEEN = (
    "Where the law gives an error (in colour) the ratio of measured to predicted gradients is one within the bars, for digits and "
    "noise alike; where it declines (grey), for squared errors, most of ReLU and GELU lie below one, down to two thirds."
)
"""What one sees."""
TITLES = {"cross_entropy": ("cross-entropy", (0.77, 1.28)), "squared": ("squared error", (0.55, 1.28))}
"""Losses, with the range of their row."""
TICKS = (0.6, 0.8, 1.0, 1.2)
INPUTS = {"digits": "digits", "normal": "Gaussian inputs"}
BESIDE = 0.2
"""Markers of one head stand so much apart."""
LOOKS = {"relu": 1, "tanh": 2, "gelu": 3}
"""Colours of activations, the same as in the other figures."""
DECLINED = "0.6"
"""Grey of what the law declines."""


def _panel(axes: Axes, rows: pd.DataFrame, heads: list[float], depths: list[int], colour: object) -> None:
    """One loss and activation: a group of markers for every scale of the head, within it one for every depth and input."""
    axes.axhline(1, color="0.25", linewidth=1.1, zorder=1)
    kinds = [(depth, data) for depth in depths for data in INPUTS]
    for place, (depth, data) in enumerate(kinds):
        for known in (True, False):
            few = rows[(rows.depth == depth) & (rows.data == data) & (np.isfinite(rows.predicted_err) == known)]
            x = [heads.index(head) + BESIDE * (place - (len(kinds) - 1) / 2) for head in few.sigma_head]
            ratio, shade = np.exp(few.measured - few.predicted), colour if known else DECLINED
            look = {"color": shade, "markerfacecolor": shade if data == "digits" else "white", "elinewidth": 0.8}
            axes.errorbar(x, ratio, ratio * few.measured_err, fmt=style.MARKERS[depths.index(depth)], **look)
    axes.set_xticks(range(len(heads)), [f"{head:g}" for head in heads])
    axes.set_xlim(-0.5, len(heads) - 0.5)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["losses"]
    nets, heads, depths = list(frame.net.unique()), sorted(frame.sigma_head.unique()), sorted(frame.depth.unique())
    heights = [np.log(most / least) for _, (least, most) in TITLES.values()]
    shape = {"height": 3.5, "sharex": True, "sharey": "row", "gridspec_kw": {"height_ratios": heights}}
    figure, axes = style.canvas(len(TITLES), len(nets), squeeze=False, **shape)
    for row, (loss, (title, span)) in zip(axes, TITLES.items(), strict=True):
        for axis, net in zip(row, nets, strict=True):
            colour = style.COLOURS[LOOKS[net]]
            _panel(axis, frame[(frame.loss == loss) & (frame.net == net)], heads, depths, colour)
            axis.set_title(style.shown(net))
            axis.set(yscale="log", ylim=span)
            axis.set_yticks([tick for tick in TICKS if span[0] < tick < span[1]])
            axis.yaxis.set_major_formatter("{x:g}")
            axis.minorticks_off()
        row[0].set_ylabel(f"{title}\nmeasured / predicted")
    axes[-1][len(nets) // 2].set_xlabel(r"scale of the head, $\sigma_{\mathrm{head}}$")
    last = axes[-1][-1]
    for index, depth in enumerate(depths):
        last.plot([], [], style.MARKERS[index], color="0.25", label=f"{depth} layers")
    for data, name in INPUTS.items():
        last.plot([], [], "D", color="0.25", markerfacecolor="0.25" if data == "digits" else "white", label=name)
    last.plot([], [], color="0.25", label="law")
    last.plot([], [], "D", color=DECLINED, label="law declines")
    look = {"loc": "outside lower center", "ncols": 3, "handletextpad": 0.4, "columnspacing": 1}
    figure.legend(*last.get_legend_handles_labels(), **look)
    return figure
