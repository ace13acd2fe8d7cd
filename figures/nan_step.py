"""The loss on its way to infinity and NaN: where the error is multiplied in each step, and where its logarithm is."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("nan_step",)
SEEN = (
    "Losses of chains shoot beyond float32 within a few steps, those of regression and of a tanh network after "
    "several hundred; crosses mark the first NaN soon after."
)
"""What one sees."""
TOP = 42
"""Decades shown; float32 ends at 38.5."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    figure, axes = style.canvas(height=3.1)
    for index, (name, rows) in enumerate(frames["nan_step"].groupby("net", sort=False)):
        rows = rows.sort_values("step")
        x, law, value = rows.step + 1, rows.log_loss / style.DECADE, rows.log_loss_hat / style.DECADE
        style.theory(axes, x, law, None, index)
        few = np.unique(np.searchsorted(x, np.geomspace(1, x.iloc[-1], 9)))
        style.measured(axes, x.iloc[few], value.iloc[few], None, index, f"{name}: {rows.weights_nan_hat.iloc[0]:.0f}")
        axes.plot(rows.weights_nan_hat.iloc[0] + 1, TOP - 1.5, "x", color=style.COLOURS[index], clip_on=False)
    axes.axhline(np.log10(np.finfo(np.float32).max), color="0.6", linewidth=0.6, zorder=0)
    axes.text(0.6, 0.86, "float32 ends", transform=axes.transAxes, ha="right", va="top", fontsize=7, color="0.4")
    axes.set(xscale="log", xlabel="training step, from 1", ylabel=r"$\log_{10}$ of the loss", ylim=(-2, TOP))
    figure.legend(
        loc="outside lower center", ncols=2, title="updates until NaN is in the weights (crosses)", title_fontsize=7.5
    )
    return figure
