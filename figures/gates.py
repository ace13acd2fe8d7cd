"""Recurrent cells: what sharing weights over time adds to the rate per step, and what the law with sharing leaves of it."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("gates",)
SEEN = (
    "In LSTMs, GRUs, minimal gated units and leaky recurrences sharing adds up to a third to the rate per step, in a recurrence "
    "with a skip in time nothing, and markers lie on the line of the law; residuals are a twentieth of that or less."
)
"""What one sees."""
NAMES = {"LSTM": "LSTM", "GRU": "GRU", "MGU": "minimal gated unit", "leaky": "leaky tanh", "skip": "tanh, skip in time"}
GAP = 3
"""Places left free between two kinds of cell."""


def _columns(panels: tuple[Axes, Axes], rows: pd.DataFrame, start: int, first: bool) -> float:
    """One kind of cell, its settings beside each other; returns the middle of their places."""
    added = rows.one - rows.own
    x = start + np.arange(len(rows))
    style.theory(panels[0], x, added, index=0, label="law" if first else None)
    err = np.hypot(rows.one_hat_err, rows.own_hat_err)
    style.measured(panels[0], x, rows.one_hat - rows.own_hat, err, 1, "measured" if first else None)
    zero = np.zeros(len(rows))
    style.theory(panels[1], x, zero, rows.one_err, 0)
    style.measured(panels[1], x, rows.one_hat - rows.one, rows.one_hat_err, 1)
    return x.mean()


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["gates"]
    frame = frame.assign(added=frame.one - frame.own).sort_values(["added", "one"])
    size = {"height": 2.7, "width": style.PAGE, "gridspec_kw": {"height_ratios": [1.3, 1]}}
    figure, panels = style.canvas(2, 1, sharex=True, **size)
    start, middles = 0, []
    for kind in NAMES:
        rows = frame[frame.kind == kind]
        middles.append(_columns(tuple(panels), rows, start, first=not start))
        start += len(rows) + GAP
        if kind != list(NAMES)[-1]:
            for axes in panels:
                axes.axvline(start - (GAP + 1) / 2, color="0.85", linewidth=0.6, zorder=0)
    panels[0].set(ylabel="rate gained\nby sharing", xlim=(-GAP, start))
    panels[1].set(ylabel="measured less\npredicted rate", yticks=[-0.02, 0, 0.02], ylim=(-0.034, 0.034))
    panels[1].set_xticks(middles, NAMES.values())
    panels[1].set_xlabel("settings of each cell, in the order of the predicted gain")
    panels[0].tick_params(bottom=False)
    panels[1].tick_params(bottom=False)
    panels[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
    return figure
