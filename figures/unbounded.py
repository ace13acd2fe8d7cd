"""Bounds on the slope: bound, mean field and measured factor per layer; and forward passes that run away."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("unbounded",)
SEEN = (
    "Bounds lie up to five times above the predicted and measured factors, and are infinite for the square and the "
    "cube; passes that run away are lost at the predicted layers."
)
"""What one sees."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    cells = frames["unbounded"].drop_duplicates("cell")
    rates, lost = (cells[cells.unit == unit] for unit in ("per layer", "layers"))
    figure, (left, right) = style.canvas(1, 2, height=2.7, width=style.PAGE, gridspec_kw={"width_ratios": [1.5, 1]})
    at, hat = np.arange(len(rates)), np.exp(rates.measured)
    left.hlines(np.exp(rates.bound_rate), at - 0.3, at + 0.3, color=style.COLOURS[1], linestyle="--", label="bound")
    left.hlines(np.exp(rates.predicted), at - 0.3, at + 0.3, color=style.COLOURS[0], label="predicted")
    style.measured(left, at, hat, hat * rates.measured_err, 0, "measured")
    for place in at[np.isinf(rates.bound_rate)]:
        left.annotate("", (place, 8), (place, 4), arrowprops={"arrowstyle": "->", "color": style.COLOURS[1]})
    left.axhline(1, color="0.75", linewidth=0.6, zorder=0)
    left.set(yscale="log", ylabel=r"factor of $|g_l|$ per layer", ylim=(0.07, 9))
    left.set_yticks([0.1, 0.2, 0.5, 1, 2, 5], ["0.1", "0.2", "0.5", "1", "2", "5"])
    left.set_yticks([], minor=True)
    left.set_xticks(at, [_ticked(name) for name in rates.net], fontsize=7)
    at = np.arange(len(lost))
    right.hlines(lost.predicted, at - 0.3, at + 0.3, color=style.COLOURS[0])
    style.measured(right, at, lost.measured, lost.measured_err, 0)
    ends = np.where(np.isinf(lost.q_star), "overflows", "all zeros")
    right.set_xticks(at, [f"{_ticked(name)}\n{end}" for name, end in zip(lost.net, ends, strict=True)], fontsize=7)
    right.set(ylabel="first lost layer, float32", ylim=(0, 11))
    right.set_xlim(-0.6, len(lost) - 0.4)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _ticked(name: str) -> str:
    return style.shown(name).replace(", sigma_w=", "\nσ=").replace(", sigma_b=", "\n$σ_b$=")
