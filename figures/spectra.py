"""Distribution of ln s, s the singular values of the Jacobian: predicted density over measured histograms."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("spectra",)
SEEN = (
    "Histograms fill the predicted densities, which spread from depth 1 to 64; orthogonal linear-like tanh networks "
    "stay narrow."
)
"""What one sees."""
POINT = ("linear", "orthogonal")
"""All singular values are 1: nothing to draw."""
INDEX = {"gaussian": 0, "orthogonal": 1}


def _panel(axes: Axes, rows: pd.DataFrame, index: int) -> None:
    """One cell: histogram, line, edges and the largest distance of the cumulative distributions."""
    cell, log_s = rows.iloc[0], rows.log_s
    axes.fill_between(log_s, rows.histogram, step="mid", color=style.COLOURS[index], alpha=0.3, linewidth=0)
    axes.plot(log_s, rows.density, color=style.COLOURS[index])
    for edge in (cell.log_lower, cell.log_upper):
        if log_s.min() - 0.1 <= edge <= log_s.max() + 0.1:
            axes.axvline(edge, ymax=0.76, color="0.35", linewidth=0.7, linestyle=":")
    axes.set_ylim(0, 1.45 * rows.histogram.max())
    axes.set_xlim(log_s.min(), log_s.max())
    axes.locator_params(axis="x", nbins=4)
    axes.set_yticks([])
    axes.text(0.03, 0.96, f"D = {cell.distance:.4f}", transform=axes.transAxes, va="top", fontsize=7)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["spectra"]
    kinds = [kind for kind in frame.groupby(["net", "weights"], sort=False).groups if kind != POINT]
    depths = sorted(frame.depth.unique())
    figure, panels = style.canvas(
        len(kinds), len(depths), height=0.2 + 0.92 * len(kinds), width=style.PAGE, squeeze=False
    )
    for line, (name, weights) in zip(panels, kinds, strict=True):
        for axes, depth in zip(line, depths, strict=True):
            cell = frame[(frame.net == name) & (frame.weights == weights) & (frame.depth == depth)]
            _panel(axes, cell.sort_values("log_s"), INDEX[weights])
        line[0].set_ylabel(f"{style.shown(name)}\n{style.shown(weights)}", fontsize=7)
    for axes, depth in zip(panels[0], depths, strict=True):
        axes.set_title(f"depth {depth}")
    for axes in panels[-1]:
        axes.set_xlabel(r"$\ln s$")
    return figure
