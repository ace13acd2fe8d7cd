"""Predicted against measured rate per layer for every configuration, with the residuals in predicted standard errors below."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("deep_linear", "sigmoid_bound", "linear_recurrence", "scalar_chain", "orthogonal", "rates")


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    cells = pd.concat([frame.drop_duplicates("cell") for frame in frames.values()])
    cells = cells[(cells.unit == "per layer") & np.isfinite(cells.predicted_err) & np.isfinite(cells.measured)]
    figure, (top, bottom) = style.canvas(2, 1, height=3.7, sharex=True, gridspec_kw={"height_ratios": [3, 1.25]})
    low, high = cells.predicted.min() - 0.1, cells.predicted.max() + 0.1
    top.plot([low, high], [low, high], color="0.25", zorder=1, label="predicted = measured")
    for index, (family, rows) in enumerate(cells.groupby("family", sort=True)):
        style.measured(top, rows.predicted, rows.measured, rows.measured_err, index, family)
        style.measured(bottom, rows.predicted, rows.z, np.ones(len(rows)), index)
    top.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    top.set_ylabel("measured rate\n" + r"$\ln(|g_l|\,/\,|g_{l+1}|)$ per layer")
    top.legend(loc="upper left")
    bottom.axhspan(-2, 2, color="0.9", zorder=0, linewidth=0)
    bottom.axhline(0, color="0.25", zorder=1)
    bottom.set_ylim(-5.5, 5.5)
    bottom.set_yticks([-4, -2, 0, 2, 4])
    bottom.set_ylabel("residual\n(predicted s.e.)")
    bottom.set_xlabel("predicted rate per layer (no free parameters)")
    top.text(0.98, 0.04, f"{len(cells)} configurations", transform=top.transAxes, ha="right", fontsize=6.5)
    return figure
