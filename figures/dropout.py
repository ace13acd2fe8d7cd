"""Dropout: growth of the gradient by probability and by scale, its spread over networks, and the correlation of two passes of one input."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("dropout",)
SEEN = (
    "At the scale that is critical without dropout the gradient grows with the probability; at the one that is critical with it, it stays. "
    "Its spread grows either way, and two passes of one input part within a few layers."
)
"""What one sees."""
SCALES = {"as without dropout": "He", "critical": "critical"}
KINDS = {"bernoulli": "Bernoulli", "gaussian": "Gaussian"}


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["dropout"]
    figure, (left, middle, right) = style.canvas(1, 3, height=2.9, width=style.PAGE)
    bottom = frame[frame.layer == 1].sort_values("dropout")
    _growth(left, bottom[bottom.activation == "relu"])
    _spread(middle, bottom[(bottom["mask"] == "bernoulli") & (bottom.scale == "critical")])
    _pairs(
        right,
        frame[(frame.activation == "relu") & (frame["mask"] == "bernoulli") & (frame.scale == "critical")],
    )
    return figure


def _growth(axis: Axes, bottom: pd.DataFrame) -> None:
    """Decades of the gradient at the bottom, by scale and kind of dropout."""
    index = 0
    for scale in SCALES:
        for mask, rows in bottom[bottom.scale == scale].groupby("mask"):
            decade = style.DECADE
            style.theory(axis, rows.dropout, rows.log_grad / decade, rows.log_grad_std / decade, index)
            err = rows.log_grad_hat_err / decade
            style.measured(
                axis, rows.dropout, rows.log_grad_hat / decade, err, index, f"{SCALES[scale]}, {KINDS[mask]}"
            )
            index += 1
    axis.set(xlabel="$p$", ylabel=r"$\log_{10}(|g_1|\,/\,|g_L|)$", title="ReLU")
    style.below(axis, 2)


def _spread(axis: Axes, bottom: pd.DataFrame) -> None:
    """Spread over networks of the log-gradient at the bottom."""
    for index, (name, rows) in enumerate(bottom.groupby("activation", sort=False)):
        style.theory(axis, rows.dropout, rows.log_grad_std, None, index)
        style.measured(
            axis,
            rows.dropout,
            rows.log_grad_hat_std,
            rows.log_grad_hat_std_err,
            index,
            style.shown(str(name)),
        )
    axis.set(xlabel="$p$", ylabel=r"spread of $\ln |g_1|$", title="critical")
    style.below(axis, 2)


def _pairs(axis: Axes, frame: pd.DataFrame) -> None:
    """Correlation of two passes of one input, layer by layer."""
    for index, (dropout, rows) in enumerate(frame.groupby("dropout")):
        rows = rows.sort_values("layer")
        style.theory(axis, rows.layer, rows.c, None, index)
        style.measured(axis, rows.layer, rows.c_hat, rows.c_hat_err, index, f"$p = {dropout:g}$")
    axis.set(xlabel="layer", ylabel="correlation of two passes", title="ReLU, critical", xscale="log")
    style.below(axis, 3)
