"""Transients: norms of powers of four matrices with one spectral radius, the angle to the leading left eigenvector, peaks and their bounds."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("transients",)
SEEN = (
    "Norms of the Jordan and the Grcar matrix rise by many powers of ten before they fall, the symmetric one falls "
    "at once; peaks lie between their bounds."
)
"""What one sees."""
TITLES = {"symmetric": "symmetric", "gaussian": "Gaussian", "grcar": "Grcar", "jordan": "Jordan"}


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["transients"]
    rho = frame.rho.max()
    figure, (growth, angle, peaks) = style.canvas(3, 1, height=5.6, gridspec_kw={"height_ratios": [1.3, 1.1, 0.9]})
    chosen = frame[frame.rho == rho]
    systems = [system for system in TITLES if system in set(chosen.system)]
    for index, system in enumerate(systems):
        rows = chosen[chosen.system == system].sort_values("step")
        style.theory(growth, rows.step, rows.log_growth / style.DECADE, None, index, TITLES[system])
        style.measured(growth, rows.step, rows.log_growth_hat / style.DECADE, None, index)
        style.theory(angle, rows.step, np.log(np.maximum(rows.angle, 1e-10)) / style.DECADE, None, index)
        style.measured(angle, rows.step, np.log(np.maximum(rows.angle_hat, 1e-10)) / style.DECADE, None, index)
    line = chosen[chosen.system == systems[0]].sort_values("step")
    growth.plot(
        line.step, line.log_rate_line / style.DECADE, color="0.4", linewidth=0.8, linestyle=":", label=r"$\rho^t$"
    )
    growth.set(xscale="log", xlabel="steps $t$", ylabel=r"$\log_{10}\|W^t\|$", title=rf"$\rho(W) = {rho:g}$")
    growth.set_yscale("symlog", linthresh=3)
    growth.set_yticks(
        [-10, -3, -2, -1, 0, 1, 2, 3, 10, 30], [f"{tick:g}" for tick in (-10, -3, -2, -1, 0, 1, 2, 3, 10, 30)]
    )
    growth.legend(loc="upper left")
    angle.set(
        xscale="log", xlabel="steps back $t$", ylabel="$\\log_{10}$ of the angle to the\nleft eigenvector, radians"
    )
    angle.set_ylim(-8, 0.6)
    _peaks(peaks, frame.drop_duplicates("cell"), systems)
    return figure


def _peaks(axes: Axes, cells: pd.DataFrame, systems: list[str]) -> None:
    """Kreiss's two bounds as a bar, the measured peak as a marker."""
    cells = cells[cells.system.isin(systems)].sort_values(["system", "rho"]).reset_index(drop=True)
    for row in cells.itertuples():
        low, high, peak = (value / style.DECADE for value in (row.kreiss, row.bound, row.peak_hat))
        index = systems.index(row.system)
        axes.plot(
            [low, high], [row.Index] * 2, color=style.COLOURS[index], linewidth=4, alpha=0.35, solid_capstyle="butt"
        )
        style.measured(axes, [peak], [row.Index], None, index)
    axes.set_yticks(cells.index, [rf"{TITLES[row.system]}, {row.rho:g}" for row in cells.itertuples()])
    axes.set_xlabel(r"$\log_{10}$ of the peak, and $K$ to $e N K$")
