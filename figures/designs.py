"""Designs of a transformer: the stream's mean square and gradient against the block, what queries get beside values, and a decoder's influence."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("designs",)
SEEN = (
    "Without a factor of the branches the stream of pre- and peri-norm rises as a straight line in depth, and the gradient falls towards the top as "
    "a root; with 1/sqrt(2L) both stay. Post-norm alone drives the gradient of queries down by many powers of ten. A decoder's first tokens and its "
    "last one move the output more than those in between."
)
"""What one sees."""
DEPTH = 96


def _stack(axes: Axes, frame: pd.DataFrame, quantity: str) -> None:
    """A quantity of every design against the block: the stream's mean square itself, all else in powers of ten."""
    shown = (lambda log: np.exp(2 * log)) if quantity == "stream" else (lambda log: log / style.DECADE)
    for index, design in enumerate(frame.design.unique()):
        rows = frame[(frame.design == design) & (frame.quantity == quantity)].sort_values("at")
        style.theory(axes, rows["at"], shown(rows.predicted), index=index)
        some = rows.iloc[[*range(0, len(rows) - 1, 4), len(rows) - 1]]
        err = 2 * some.hat_err * shown(some.hat) if quantity == "stream" else some.hat_err / style.DECADE
        style.measured(
            axes,
            some["at"],
            shown(some.hat),
            err,
            index,
            design.replace("1/sqrt(2L)", r"$1/\sqrt{2L}$").replace("1/L", "$1/L$"),
        )
    axes.set(xlabel="block")


def _influence(axes: Axes, frame: pd.DataFrame) -> None:
    """Of every input token on the last output, by depth."""
    shown = frame[frame.quantity == "influence"]
    for index, (depth, rows) in enumerate(shown.groupby("depth")):
        rows = rows.sort_values("at")
        style.theory(axes, rows["at"], rows.predicted / style.DECADE, index=index, label=f"{depth:,} blocks")
        some = rows.iloc[[*range(0, len(rows) - 1, 5), len(rows) - 1]].dropna(subset="hat")
        style.measured(axes, some["at"], some.hat / style.DECADE, some.hat_err / style.DECADE, index)
    axes.set(
        xlabel="position of the input token",
        ylabel=r"$\log_{10}$ gradient of the last output",
        title="decoder: influence",
    )
    axes.legend()


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["designs"]
    depth = DEPTH if DEPTH in frame.depth.to_numpy() else frame.depth.max()
    stack = frame[frame.depth == depth]
    figure, axes = style.canvas(2, 2, height=5.2, width=style.PAGE)
    for place, quantity in ((axes[0][0], "stream"), (axes[0][1], "gradient"), (axes[1][0], "ratio")):
        _stack(place, stack, quantity)
    axes[0][0].set(ylabel="mean square of the stream", title=f"stream, {depth} blocks")
    axes[0][1].set(ylabel=r"$\log_{10}|g_l|\,/\,|g_L|$", title="gradient of the stream")
    axes[1][0].set(
        ylabel=r"$\log_{10}|\partial E/\partial W_q|\,/\,|\partial E/\partial W_v|$", title="queries beside values"
    )
    axes[1][0].set_ylim(
        bottom=max(-6.0, float(np.nanmin(stack[stack.quantity == "ratio"].predicted)) / style.DECADE - 0.5)
    )
    _influence(axes[1][1], frame)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure
