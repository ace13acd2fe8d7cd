"""Deep linear stacks: the gradient's size at every layer, for three kinds of weights and three scales."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("deep_linear",)
SEEN = (
    "The lines of multiples of the identity and of rotations rise for scales k above 1, fall below 1 and stay "
    "flat at 1; the Gaussian line lies below them at every k."
)
"""What one sees."""
NAMES = {"identity": r"$k\,I$", "orthogonal": "$k$ × rotation", "gaussian": "Gaussian"}


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["deep_linear"]
    figure, axes = style.canvas(1, 2, height=2.5, sharey=True)
    for axis, (label, title) in zip(
        axes, (("log_grad", "gradient, backward"), ("log_q", "signal, forward")), strict=True
    ):
        half = 1.0 if label == "log_grad" else 0.5
        for (k, weights), rows in frame.groupby(["k", "weights"]):
            index = list(NAMES).index(weights)
            rows = rows.sort_values("layer")
            mean, spread, hat, err = (
                half * rows[label + part] / style.DECADE for part in ("", "_std", "_hat", "_hat_err")
            )
            first = k == frame.k.max()
            style.theory(axis, rows.layer, mean, spread, index, NAMES[weights] if first else None)
            few = slice(index * 3, None, 12)
            style.measured(axis, rows.layer.iloc[few], hat.iloc[few], err.iloc[few], index)
            if weights == "identity":
                _name(axis, k, rows.layer, mean, label == "log_grad")
        axis.set_xlabel("layer $l$")
        axis.set_title(title)
        axis.locator_params(axis="x", nbins=3)
    axes[0].set_ylabel(r"$\log_{10}$ of size, relative to start")
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(low, high + 0.12 * (high - low))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _name(axis: Axes, k: float, layer: pd.Series, mean: pd.Series, backward: bool) -> None:
    """Write k above its lines; below them, in the empty corner, where they fall."""
    at = 0 if backward else -1
    if mean.iloc[at] < 0:
        axis.text(
            0.95 if backward else 0.05,
            0.06,
            f"$k={k:g}$",
            transform=axis.transAxes,
            ha="right" if backward else "left",
            fontsize=7,
        )
        return
    offset, side = ((4, 6), "left") if backward else ((-4, 6), "right")
    axis.annotate(
        f"$k={k:g}$", (layer.iloc[at], mean.iloc[at]), xytext=offset, textcoords="offset points", ha=side, fontsize=7
    )
