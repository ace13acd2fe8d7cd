"""Phase diagrams: depth scale of the gradient and settled correlation over the plane, with measured networks as markers."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, SymLogNorm
from matplotlib.figure import Figure

from figures import style

SOURCES = ("phase_diagram",)
SEEN = (
    "A critical line divides blue, where gradients vanish, from red, where they explode; measured points have the "
    "colours around them, and residuals lie in the band."
)
"""What one sees."""
NEAR = 0.01
"""Rates closer to 0 than this, depth scales beyond 100 layers, are drawn on a linear scale."""
FASTEST = 3.0
WORDS = {"color": "white", "fontsize": 6.5}
TICKS = (1, 10, 100)
"""Depth scales in layers to label."""


def _field(axes: Axes, rows: pd.DataFrame, column: str, norm: Normalize, colours: str) -> object:
    """The predicted map and the critical line."""
    grid = rows.pivot_table(index="sigma_b", columns="sigma_w", values=column)
    image = axes.pcolormesh(grid.columns, grid.index, grid, norm=norm, cmap=colours, shading="nearest", rasterized=True)
    line = rows.drop_duplicates("sigma_b").sort_values("sigma_b")
    axes.plot(line.critical, line.sigma_b, color="black", linewidth=1.2)
    axes.set(xlim=(grid.columns.min(), grid.columns.max()), ylim=(grid.index.min(), grid.index.max()))
    return image


def _points(axes: Axes, points: pd.DataFrame, values: pd.Series, norm: Normalize, colours: str) -> None:
    """Measured networks, coloured on the map's own scale."""
    look = {"marker": "o", "s": 34, "edgecolors": "white", "linewidths": 1.0, "zorder": 3}
    axes.scatter(points.point_w, points.point_b, c=values, norm=norm, cmap=colours, **look)


def _residuals(axes: Axes, points: pd.DataFrame, index: int) -> None:
    """Rates against the law at this width, in predicted standard errors."""
    known = points[np.isfinite(points.predicted_err)]
    style.measured(axes, known.predicted, known.z, np.ones(len(known)), index, known.activation.iloc[0])


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["phase_diagram"]
    kinds = list(frame.activation.unique())
    figure, panels = style.canvas(len(kinds), 3, height=1.95 * len(kinds) + 0.2, width=style.PAGE, squeeze=False)
    rate = SymLogNorm(NEAR, vmin=-FASTEST, vmax=FASTEST)
    for index, name in enumerate(kinds):
        rows = frame[frame.activation == name]
        points = rows.drop_duplicates("label")
        left, middle, right = panels[index]
        image = _field(left, rows, "log_chi", rate, "RdBu_r")
        _points(left, points, 2 * points.measured, rate, "RdBu_r")
        bar = figure.colorbar(image, ax=left, label=r"depth scale $\xi_\nabla$, layers")
        ticks = [-1 / each for each in TICKS] + [0] + [1 / each for each in reversed(TICKS)]
        bar.set_ticks(
            ticks, labels=[*(f"{each}" for each in TICKS), r"$\infty$", *(f"$-${each}" for each in reversed(TICKS))]
        )
        bar.ax.minorticks_off()
        left.text(0.04, 0.765, "vanishes", transform=left.transAxes, ha="left", va="center", **WORDS)
        left.text(0.985, 0.255, "explodes", transform=left.transAxes, ha="right", va="center", **WORDS)
        correlation = Normalize(min(rows.c_star.min(), points.c_hat.min()), 1)
        image = _field(middle, rows, "c_star", correlation, "viridis")
        _points(middle, points, points.c_hat, correlation, "viridis")
        figure.colorbar(image, ax=middle, label="correlation $c^*$")
        for axes in (left, middle):
            axes.set(xlabel=r"$\sigma_w$", ylabel=r"$\sigma_b$")
        left.set_title(f"{name}: gradient")
        middle.set_title(f"{name}: correlation")
        _residuals(right, points, index)
        right.axhspan(-2, 2, color="0.9", zorder=0, linewidth=0)
        right.axhline(0, color="0.25", zorder=1)
        right.set(
            xlabel="predicted rate per layer", ylabel="residual (pred. s.e.)", ylim=(-5.5, 5.5), title=f"{name}: rates"
        )
    return figure
