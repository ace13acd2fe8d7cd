"""Weights of six kinds and one variance: scatter of the gradient over networks, and the largest singular value of one matrix."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("weights",)
SEEN = (
    "Scatter is alike for most kinds of weights, larger for sparse and smaller for orthogonal ones; heavy tails "
    "have largest singular values far above the common limit."
)
"""What one sees."""
NETS = {"linear": "linear", "relu": "ReLU", "tanh": "tanh"}
SMALLEST = 1e-4


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["weights"]
    cells = frame.drop_duplicates("cell")
    kinds = list(dict.fromkeys(cells.weights))
    figure, (scatter, tops) = style.canvas(1, 2, height=2.6, width=style.PAGE)
    for index, (net, label) in enumerate(NETS.items()):
        rows = cells[cells.net == net].set_index("weights")
        place = np.array([kinds.index(kind) for kind in rows.index]) + 0.2 * (index - 1)
        unit, colour = rows.spread_gaussian, style.COLOURS[index]
        known = np.isfinite(rows.spread) & (rows.spread > SMALLEST)
        for x, y in zip(place[known], (rows.spread / unit)[known], strict=True):
            scatter.plot([x - 0.09, x + 0.09], [y, y], color=colour, zorder=2)
        style.measured(scatter, place, rows.spread_hat / unit, rows.spread_hat_err / unit, index, label)
    scatter.axhline(1, color="0.8", linewidth=0.6, zorder=0)
    scatter.set_xticks(range(len(kinds)), [style.shown(kind).replace("_", "\n").replace(" ", "\n") for kind in kinds])
    scatter.tick_params(axis="x", labelsize=7)
    scatter.set(ylabel="scatter over networks,\nin that of Gaussian weights", ylim=(-0.05, None))
    scatter.legend(loc="lower left")
    seen = frame[np.isfinite(frame.top)]
    for index, kind in enumerate(kinds):
        rows = seen[seen.weights == kind].sort_values("level")
        if rows.empty:
            continue
        colour, marker = style.COLOURS[index], style.MARKERS[index]
        if kind in ("gaussian", "heavy_tailed", "orthogonal"):
            tops.plot(rows.top, rows.level, color=colour, zorder=2)
        err = np.stack([rows.top_hat - rows.top_hat_low, rows.top_hat_high - rows.top_hat])
        tops.errorbar(
            rows.top_hat,
            rows.level,
            xerr=err,
            fmt=marker,
            color=colour,
            markerfacecolor="white",
            markeredgewidth=0.8,
            elinewidth=0.8,
            label=style.shown(kind).replace("_", " "),
            zorder=3,
        )
    tops.set(xlabel="largest singular value of one matrix", ylabel="share of matrices below", ylim=(0, 1))
    tops.legend(loc="lower right")
    return figure
