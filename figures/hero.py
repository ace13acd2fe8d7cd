"""Predicted against measured rate per layer for every configuration; residuals in predicted standard errors, and their calibration."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import erf

from figures import style

SOURCES = (
    *("deep_linear", "sigmoid_bound", "linear_recurrence", "scalar_chain", "orthogonal", "rates"),
    *("weights", "convolution", "skips", "norms"),
)
SEEN = (
    "Measured rates lie on the diagonal over three units of the logarithm; residuals fill a band around zero, and "
    "their histogram and coverage follow the normal law."
)
"""What one sees."""
ROUNDING = 1e-6
"""Predicted errors below this are rounding, not sampling."""
BANDS = (0.5, 1.0, 1.5, 1.96, 2.5, 3.0)
LIMIT = 5.5


def _calibration(axes: Axes, z: pd.Series) -> None:
    """Share of the residuals within a band, against the normal law's."""
    reach = np.linspace(0, 3.5, 200)
    axes.plot(reach, 100 * erf(reach / 2**0.5), color=style.COLOURS[0], label="normal law")
    share = np.array([(z.abs() < band).mean() for band in BANDS])
    style.measured(axes, BANDS, 100 * share, 100 * (share * (1 - share) / len(z)) ** 0.5, 1, f"{len(z)} sampled rates")
    axes.axvline(1.96, color="0.8", linewidth=0.6, zorder=0)
    axes.annotate(
        f"95 % band:\nholds {100 * share[3]:.1f} %",
        (1.96, 100 * share[3]),
        xytext=(4, -26),
        textcoords="offset points",
        fontsize=6,
    )
    axes.set(xlabel="predicted standard errors", ylabel="% of residuals within", ylim=(0, 104), xlim=(0, 3.5))
    axes.legend(loc="lower right")


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    cells = pd.concat([frame.drop_duplicates(["cell", "label"]) for frame in frames.values()])
    cells = cells[(cells.unit == "per layer") & np.isfinite(cells.predicted_err) & np.isfinite(cells.measured)]
    ratios = {"height_ratios": [3, 1.35], "width_ratios": [1.7, 1]}
    figure, ((top, share), (bottom, side)) = style.canvas(2, 2, height=3.9, width=2 * style.COLUMN, gridspec_kw=ratios)
    low, high = cells.predicted.min() - 0.1, cells.predicted.max() + 0.1
    top.plot([low, high], [low, high], color="0.25", zorder=1, label="predicted = measured")
    for index, (family, rows) in enumerate(cells.groupby("family", sort=True)):
        style.measured(top, rows.predicted, rows.measured, rows.measured_err, index, f"{family} ({len(rows)})")
        colour, marker = style.COLOURS[index % len(style.COLOURS)], style.MARKERS[index % len(style.MARKERS)]
        bottom.plot(
            rows.predicted, rows.z, marker, color=colour, markersize=2, markerfacecolor="white", markeredgewidth=0.6
        )
    top.set_ylabel("measured rate\n" + r"$\ln(|g_l|\,/\,|g_{l+1}|)$ per layer")
    top.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    top.legend(loc="lower right", fontsize=5.4, labelspacing=0.3, ncols=2, columnspacing=0.8, handlelength=1.3)
    top.text(0.02, 0.94, f"{len(cells)} configurations", transform=top.transAxes, fontsize=6.5)
    bottom.axhspan(-1.96, 1.96, color="0.9", zorder=0, linewidth=0)
    bottom.axhline(0, color="0.25", zorder=1)
    bottom.set(ylim=(-LIMIT, LIMIT), yticks=[-4, -2, 0, 2, 4], ylabel="residual\n(predicted s.e.)")
    bottom.set_xlabel("predicted rate per layer (no free parameters)")
    sampled = cells[cells.predicted_err > ROUNDING].z
    _calibration(share, sampled)
    edges = np.linspace(-LIMIT, LIMIT, 45)
    side.hist(sampled, edges, density=True, color=style.COLOURS[1], alpha=0.5, label="residuals")
    grid = np.linspace(-LIMIT, LIMIT, 300)
    side.plot(grid, np.exp(-(grid**2) / 2) / (2 * np.pi) ** 0.5, color=style.COLOURS[0], label="normal law")
    side.set(xlabel="residual (predicted s.e.)", ylabel="density")
    side.legend(loc="upper left")
    return figure
