"""Rate at which tanh reservoirs forget, by spectral radius and size of the input."""

import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("echo_state",)
SEEN = (
    "The rate of forgetting rises with the spectral radius and falls with the size of the input; with an input the "
    "lines cross zero far above a radius of 1."
)
"""What one sees."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["echo_state"]
    figure, axes = style.canvas(height=2.6)
    for index, (sigma_in, rows) in enumerate(frame.groupby("sigma_in")):
        cells = rows.groupby("rho")[["rate", "measured", "measured_err"]].first().reset_index()
        style.theory(axes, cells.rho, cells.rate, None, index, f"input {sigma_in:g}")
        style.measured(axes, cells.rho, cells.measured, cells.measured_err, index)
    axes.axhline(0, color="0.6", linewidth=0.6, zorder=0)
    axes.axvline(1, color="0.8", linewidth=0.6, zorder=0)
    axes.set(xlabel=r"spectral radius $\rho(W)$", ylabel="growth of a difference,\nln per step")
    axes.annotate(
        "forgets", (axes.get_xlim()[1], 0), xytext=(-2, -9), textcoords="offset points", ha="right", fontsize=7
    )
    axes.legend(loc="lower right")
    return figure
