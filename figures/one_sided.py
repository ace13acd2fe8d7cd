"""Open share and factor of the gradient against the scale of the weights, for saturation on one side and on both."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("one_sided",)
SEEN = (
    "The open share of ReLU units stays at one half at every scale while that of units with two walls falls; all "
    "factors of the gradient rise with the scale."
)
"""What one sees."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["one_sided"]
    figure, (share, rate) = style.canvas(2, 1, height=3.6, sharex=True)
    for index, (name, rows) in enumerate(frame.groupby("activation", sort=False)):
        one = rows[rows.kind == "open share"].sort_values("sigma_w")
        style.theory(share, one.sigma_w, 100 * one.predicted, None, index)
        style.measured(share, one.sigma_w, 100 * one.measured, 100 * one.measured_err, index, style.shown(name))
        one = rows[rows.kind == "rate"].sort_values("sigma_w")
        hat = np.exp(one.measured)
        style.theory(rate, one.sigma_w, np.exp(one.predicted), None, index)
        style.measured(rate, one.sigma_w, hat, hat * one.measured_err, index)
    rate.axhline(1, color="0.8", linewidth=0.6, zorder=0)
    share.set(ylabel="open share of units, %", ylim=(0, 105))
    rate.set(xscale="log", yscale="log", xlabel=r"$\sigma_w$", ylabel="factor of the gradient per layer")
    ticks = sorted(frame.sigma_w.unique())
    rate.set_xticks(ticks, [f"{each:g}" for each in ticks])
    rate.set_yticks([0.1, 0.3, 1, 3], ["0.1", "0.3", "1", "3"])
    rate.minorticks_off()
    figure.legend(loc="outside lower center", ncols=3)
    return figure
