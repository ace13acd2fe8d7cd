"""Ratio of the largest to the smallest non-zero singular value over depth."""

import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("spectra",)
SEEN = (
    "The ratio rises steeply with depth for Gaussian weights; with orthogonal weights and small activations of tanh "
    "it stays near one."
)
"""What one sees."""
SMALLEST = 0.01
"""Ratios of fewer decades are 1 and off the axis."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    cells = frames["spectra"].drop_duplicates("cell")
    figure, panels = style.canvas(1, 2, height=2.3, sharex=True, sharey=True)
    for axes, weights in zip(panels, ("gaussian", "orthogonal"), strict=True):
        for index, (name, rows) in enumerate(cells[cells.weights == weights].groupby("net", sort=False)):
            rows = rows[rows.log_range > SMALLEST * style.DECADE].sort_values("depth")
            style.theory(axes, rows.depth, rows.log_range / style.DECADE, None, index)
            value, err = (rows[column] / style.DECADE for column in ("log_range_hat", "log_range_hat_err"))
            style.measured(axes, rows.depth, value, err, index, style.shown(name))
        axes.set(
            xscale="log",
            yscale="log",
            ylim=(SMALLEST, 300),
            xlabel="depth $L$",
            title=f"{weights.capitalize()} weights",
        )
        axes.set_xticks(sorted(cells.depth.unique()), [str(depth) for depth in sorted(cells.depth.unique())])
        axes.set_xticks([], minor=True)
    panels[0].set_ylabel(r"$\log_{10}\, s_{\max} / s_{\min}$")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, handletextpad=0.3, columnspacing=0.8)
    return figure
