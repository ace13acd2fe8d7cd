"""Training deep chains: time to learn, the order of layers, the largest step, and what optimisers make of the time."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from figures import style

SOURCES = ("escape", "layer_order", "largest_step")
SEEN = (
    "Times grow exponentially with depth for small weights; the smallest weights lead; the largest "
    "stable rates fall; markers lie on the lines of the laws."
)
"""What one sees."""
SHOWN = "rising"
LABELS = {"sgd": "SGD", "momentum": "momentum", "adam": "Adam", "sign": "sign"}


def _times(axes: Axes, frame: pd.DataFrame) -> None:
    """Time of the flow against depth."""
    for index, (w0, rows) in enumerate(frame[frame.optimiser == "flow"].groupby("w0")):
        decades = rows[["log_time", "log_time_hat", "log_time_hat_err"]] / style.DECADE
        style.theory(axes, rows.layers, decades.log_time, None, index, f"$w_0={w0:g}$")
        style.measured(axes, rows.layers, decades.log_time_hat, decades.log_time_hat_err, index)
    axes.set(xlabel="depth $L$", ylabel=r"$\log_{10}$ time to 95 %", title="equal weights")
    style.below(axes, 4)


def _layers(axes: Axes, frame: pd.DataFrame, name: str, title: str) -> None:
    """Each layer's weight against time."""
    rows = frame[frame.order == name]
    for index, (layer, one) in enumerate(rows.groupby("layer")):
        time = one.log_time / style.DECADE
        style.theory(axes, time, one.weight, None, index, f"layer {layer}")
        few = one.iloc[:: max(1, len(one) // 12)]
        style.measured(axes, few.log_time / style.DECADE, few.weight_hat, few.weight_hat_err, index)
    axes.set(xlabel=r"$\log_{10}$ time", ylabel="weight", title=title)
    style.below(axes, 3)


def _steps(axes: Axes, frame: pd.DataFrame) -> None:
    """Largest converging rate against depth, by the product at the start."""
    for index, (product, rows) in enumerate(frame.groupby("product")):
        decades = rows[["log_converges", "log_converges_hat", "log_converges_hat_err"]] / style.DECADE
        style.theory(axes, rows.layers, decades.log_converges, None, index, f"$p_0={product:g}\\,y$")
        style.measured(axes, rows.layers, decades.log_converges_hat, decades.log_converges_hat_err, index)
    first = frame[frame["product"] == frame["product"].min()]
    ends = (first.log_local / style.DECADE, first.log_finite / style.DECADE)
    axes.fill_between(first.layers, *ends, color="0.85", linewidth=0, zorder=0, label="oscillates ($p_0=0.1\\,y$)")
    axes.set(xlabel="depth $L$", ylabel=r"$\log_{10}$ largest stable rate", title="largest step")
    style.below(axes, 3)


def _optimisers(axes: Axes, frame: pd.DataFrame, w0: float) -> None:
    """Steps times rate against depth, by optimiser."""
    rows = frame[(frame.w0 == w0) & (frame.optimiser != "flow")]
    for index, name in enumerate([each for each in LABELS if each in set(rows.optimiser)]):
        one = rows[rows.optimiser == name]
        decades = one[["log_time", "log_time_hat", "log_time_hat_err"]] / style.DECADE
        style.theory(axes, one.layers, decades.log_time, None, index, LABELS[name])
        style.measured(axes, one.layers, decades.log_time_hat, decades.log_time_hat_err, index)
    axes.set(xlabel="depth $L$", ylabel=r"$\log_{10}$ (steps $\times$ rate)", title=f"by optimiser, $w_0={w0:g}$")
    style.below(axes, 4)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    figure, axes = style.canvas(2, 2, height=4.6, width=style.PAGE)
    _times(axes[0][0], frames["escape"])
    _layers(axes[0][1], frames["layer_order"], SHOWN, f"weights {SHOWN} with the layer")
    _steps(axes[1][0], frames["largest_step"])
    w0 = frames["escape"].w0.unique()
    _optimisers(axes[1][1], frames["escape"], float(w0[np.abs(w0 - 0.3).argmin()]))
    for axis in (axes[0][0], axes[1][0], axes[1][1]):
        axis.xaxis.set_major_locator(MultipleLocator(5))
    return figure
