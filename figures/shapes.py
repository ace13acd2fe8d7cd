"""Random networks of mixed sizes: means against the law, deviations of means and spreads against a normal curve, spreads against the narrowest layer."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("shapes",)
SEEN = (
    "Means lie within two standard errors over many decades; deviations in predicted standard errors follow the normal curve, for means and for spreads; spreads "
    "scatter about the prediction however narrow the narrowest layer is, and more where their error is larger."
)
"""What one sees."""
LABELS = {
    "log_grad": "gradient at the bottom",
    "log_grad_weight": "of the weights",
    "log_q": "signal at the top",
}
REACH = 4.0
"""Predicted standard errors that the histogram spans to either side."""
BINS = 33


def _means(axes: Axes, frame: pd.DataFrame) -> None:
    """Measured less predicted mean, in predicted standard errors, against the prediction in powers of ten."""
    axes.axhspan(-1.96, 1.96, color="0.9", zorder=0, linewidth=0)
    axes.axhline(0, color="0.25", linewidth=0.8, zorder=1)
    for index, (quantity, label) in enumerate(LABELS.items()):
        rows = frame[(frame.quantity == quantity) & np.isfinite(frame.law_std)]
        z = (rows.mean_hat - rows.law) / rows.law_std * rows.num_alive**0.5
        look = {"s": 6, "linewidths": 0, "alpha": 0.7, "color": style.COLOURS[index], "marker": style.MARKERS[index]}
        axes.scatter(rows.law / style.DECADE, z, label=label, **look)
    axes.set(xlabel=r"predicted $\log_{10}$", ylabel="residual, standard errors", title="means")


def _deviations(axes: Axes, frame: pd.DataFrame) -> None:
    """Histograms of z of means and of spreads, and the normal curve."""
    known = frame[np.isfinite(frame.law_std)]
    means = (known.mean_hat - known.law) / known.law_std * known.num_alive**0.5
    spreads = (known.spread_hat - known.law_std) / known.spread_hat_err
    edges = np.linspace(-REACH, REACH, BINS + 1)
    for index, (values, label) in enumerate(((means, "means"), (spreads, "spreads"))):
        density = np.histogram(values.clip(-REACH, REACH), edges, density=True)[0]
        axes.stairs(density, edges, color=style.COLOURS[index + 3], label=label, linewidth=1.0)
    fine = np.linspace(-REACH, REACH, 200)
    axes.plot(fine, np.exp(-(fine**2) / 2) / np.sqrt(2 * np.pi), color="0.3", linewidth=0.9, label="normal")
    axes.set(xlabel="deviation, predicted standard errors", ylabel="density", title="deviations")
    style.below(axes, 3)


def _spreads(axes: Axes, frame: pd.DataFrame) -> None:
    """Measured over predicted spread of the gradient at the bottom, against the narrowest layer."""
    rows = frame[(frame.quantity == "log_grad") & np.isfinite(frame.law_std)]
    axes.axhline(0, color="0.25", linewidth=0.6, zorder=1)
    ratio, err = rows.spread_hat / rows.law_std - 1, rows.spread_hat_err / rows.law_std
    look = {"fmt": "o", "markersize": 1.6, "elinewidth": 0.5, "capsize": 0, "alpha": 0.6}
    axes.errorbar(rows.thinnest, 100 * ratio, 100 * err, color=style.COLOURS[0], **look)
    axes.set(xscale="log", xlabel="units of the narrowest layer", title="spread at the bottom")
    axes.set(ylabel="measured spread over predicted, %")


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["shapes"]
    figure, panels = style.canvas(1, 3, height=2.7, width=style.PAGE)
    for axes, panel in zip(panels, (_means, _deviations, _spreads), strict=True):
        panel(axes, frame)
    style.below(panels[0], 1)
    return figure
