"""Chains under weight decay: where training ends, and the start below which it ends at 0."""

import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("weight_decay",)
SEEN = (
    "For each depth two branches meet at a largest decay: where training ends, and the start below which it ends at "
    "zero; markers lie on both."
)
"""What one sees."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["weight_decay"].sort_values("decay")
    figure, axes = style.canvas(height=2.6)
    for index, (depth, rows) in enumerate(frame.groupby("depth")):
        for name in ("w_star", "w_barrier"):
            style.theory(axes, rows.decay, rows[name], None, index, f"$L={depth}$" if name == "w_star" else None)
            style.measured(axes, rows.decay, rows[f"{name}_hat"], rows[f"{name}_hat_err"], index)
        axes.plot(rows.decay_max.iloc[0], 0.0, "|", color=style.COLOURS[index], markersize=8, zorder=3)
    axes.set(xlabel=r"weight decay $\lambda$", ylabel="weight", ylim=(0, 1.13), xlim=(0, 0.62))
    axes.text(0.2, 1.06, "upper branch: where training ends", fontsize=7)
    axes.text(0.25, 0.1, "lower branch: starts\nbelow it end at 0", fontsize=7)
    figure.legend(loc="outside lower center", ncols=4)
    return figure
