"""Recurrences: gradients along single eigendirections and a random one, beside lambda^t; linear above, tanh below."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("linear_recurrence",)
SEEN = (
    "Each eigendirection has a straight line with its own slope, and the random direction joins the leading one; "
    "tanh bends the growing lines down."
)
"""What one sees."""
TITLES = {
    "linear symmetric": "symmetric",
    "linear normal": "rotating",
    "tanh flat": "tanh",
}


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["linear_recurrence"]
    systems = [system for system in TITLES if system in set(frame.system)]
    rhos = sorted(frame[frame.system.isin(systems)].rho.unique())
    rhos = [rhos[0], rhos[-1]] if len(rhos) > 1 else rhos
    shape = {"height": 0.7 + 1.3 * len(systems), "sharex": True, "squeeze": False}
    figure, grid = style.canvas(len(systems), len(rhos), **shape)
    for row, system in zip(grid, systems, strict=True):
        for axis, rho in zip(row, rhos, strict=True):
            _panel(axis, frame[(frame.system == system) & (frame.rho == rho)])
            axis.set_title(rf"{TITLES[system]}, $\rho={rho:g}$")
        row[0].set_ylabel(r"$\log_{10}|g_{T-t}|$")
    for axis in grid[-1]:
        axis.set_xlabel("steps back $t$")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _panel(axis: object, rows: pd.DataFrame) -> None:
    rows = rows[rows.step <= 300].sort_values("step")
    for index, (share, line) in enumerate(rows.groupby("share", dropna=False)):
        label = "random direction" if np.isnan(share) else rf"$\lambda={share:g}\,\rho$"
        style.theory(axis, line.step, line.log_grad / style.DECADE, None, index, label)
        style.measured(
            axis, line.step.iloc[index % 3 :: 3], line.log_grad_hat.iloc[index % 3 :: 3] / style.DECADE, None, index
        )
    top = rows[rows.share == 1.0]
    floor = (top.log_grad + np.log(np.finfo(np.float32).eps / 2)) / style.DECADE
    axis.plot(top.step, floor, color="0.55", linewidth=0.8, linestyle=":", label=r"$2^{-24}$ × leading", zorder=1)
    axis.set_ylim(bottom=max(axis.get_ylim()[0], -32))
    axis.locator_params(nbins=4)
