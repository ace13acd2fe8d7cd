"""Batch norm's factor per layer against the batch; the drift of a large batch up the chain; and what each norm makes of an activation."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("norms",)
SEEN = (
    "Batch norm's factor falls with the batch towards a limit above 1; sigmoid networks lie far below 0 without "
    "norm and slightly above it behind batch norm."
)
"""What one sees."""
NORMS = ("none", "rms after", "layer before", "layer after", "batch 32")


def _rates(axes: Axes, cells: pd.DataFrame) -> None:
    """Squared factor against the batch."""
    for index, (name, rows) in enumerate(cells[cells.batch > 0].groupby("activation")):
        rows = rows.sort_values("batch")
        style.theory(axes, rows.batch, np.exp(2 * rows.predicted), index=index)
        value = np.exp(2 * rows.measured)
        style.measured(axes, rows.batch, value, 2 * rows.measured_err * value, index, style.shown(name))
        if name != "linear":
            axes.axhline(np.exp(2 * rows.limit.iloc[0]), color=style.COLOURS[index], linewidth=0.6, dashes=(1, 2))
    axes.axhline(1, color="0.8", linewidth=0.6, zorder=0)
    axes.set(xscale="log", yscale="log", xlabel="batch $B$", ylabel=r"factor of $|g|^2$ per layer", title="batch norm")
    axes.set_xticks([5, 8, 32, 256], ["5", "8", "32", "256"])
    axes.set_yticks([1, 1.2, 1.5, 2], ["1", "1.2", "1.5", "2"])
    axes.minorticks_off()
    axes.legend(loc="upper right")


def _bars(axes: Axes, cells: pd.DataFrame) -> None:
    """Log-factor of the norm, by norm and activation."""
    shown = cells[cells.norm.isin(NORMS)]
    for index, (name, rows) in enumerate(shown[shown.activation != "linear"].groupby("activation")):
        at = np.array([NORMS.index(norm) for norm in rows.norm]) + 0.18 * (index - 1)
        axes.hlines(rows.predicted, at - 0.11, at + 0.11, color=style.COLOURS[1 + index], linewidth=1.6)
        style.measured(axes, at, rows.measured, rows.measured_err, 1 + index, style.shown(name))
    axes.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    axes.set_xticks(range(len(NORMS)), [norm.replace(" ", "\n") for norm in NORMS])
    axes.set(ylabel=r"$\ln(|g_l|\,/\,|g_{l+1}|)$ per layer", title="norms")
    axes.legend(loc="lower right")


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    cells = frames["norms"].drop_duplicates("chain")
    figure, axes = style.canvas(1, 2, height=2.5, width=style.PAGE)
    _rates(axes[0], cells)
    _bars(axes[1], cells)
    return figure
