"""One W at a finite width: the largest exponent just above the edge, the state's mean square, and the spread of the gradient by lag."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("tied_exponent",)
SEEN = (
    "Just above a scale of 1 the exponent stays at or below zero and rises later the narrower the network; the state's "
    "mean square lies above that of infinite width; one Gaussian W spreads gradients as the lag, chaotic networks less."
)
"""What one sees."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["tied_exponent"].sort_values("at")
    figure, (top, middle, bottom) = style.canvas(3, 1, height=6.0)
    limit = frame[frame.quantity == "exponent at infinite width"].drop_duplicates("at")
    top.plot(limit["at"], limit.value, color="0.4", linewidth=0.8, linestyle=":", label="infinite width")
    _by_scale(top, frame, "exponent", "spread of the exponent")
    top.set(xlabel=r"$\sigma_w$", ylabel=r"$\lambda_{\max}$ per step")
    _by_scale(middle, frame, "mean square", "spread of the mean square")
    middle.set(xlabel=r"$\sigma_w$", ylabel="mean square of the state")
    _spread(bottom, frame)
    for axis in (top, middle, bottom):
        axis.legend(fontsize=7, loc="upper left")
    return figure


def _by_scale(axis: Axes, frame: pd.DataFrame, quantity: str, spread: str) -> None:
    """Mean over networks, in a band as wide as the predicted spread over networks."""
    for index, (width, rows) in enumerate(frame[frame.quantity == quantity].groupby("width")):
        band = (
            frame[(frame.quantity == spread) & (frame.width == width)].set_index("at").value.loc[rows["at"]].to_numpy()
        )
        style.theory(axis, rows["at"], rows.value, band, index)
        style.measured(axis, rows["at"], rows.value_hat, rows.value_hat_err, index, f"{width:,} units")


def _spread(axis: Axes, frame: pd.DataFrame) -> None:
    index = 0
    for subject in ("lags, Gaussian", "lags, chaotic"):
        rows = frame[(frame.quantity == "spread by lag") & (frame.subject == subject)]
        for width in sorted(rows.width.unique())[::2]:
            one = rows[rows.width == width]
            style.theory(axis, one["at"], one.value, None, index)
            style.measured(
                axis, one["at"], one.value_hat, one.value_hat_err, index, f"{subject.split(', ')[1]}, {width:,} units"
            )
            index += 1
    axis.set(xscale="log", yscale="log", xlabel="lag $t$", ylabel=r"spread of $\ln |g_{T-t}|$ over networks")
