"""Decades that the typical gradient of a critical network loses, against depth over width: predicted and measured, for the README."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("aspect",)
SEEN = (
    "Losses rise as straight lines over four powers of ten of depth over width, and the markers lie on the lines, "
    "beyond the ends of float32 and float64."
)
"""What one sees."""
NAMES = {"relu": "ReLU", "tanh": "tanh", "linear": "linear"}
DEEP = 0.05
"""Networks wider than twenty depths lose less than their own scatter."""
FORMATS = {"float32 has no smaller number": 45, "float64 has no smaller number": 324}
"""Decades between 1 and a format's smallest number."""


def _decades(frame: pd.DataFrame) -> pd.DataFrame:
    """Deep networks only, losses in powers of ten, in the order of depth over width."""
    rows = frame.assign(
        ratio=frame.depth / frame.width,
        lost=-frame["mean"] / style.DECADE,
        lost_hat=-frame.mean_hat / style.DECADE,
        scatter=frame["std"] / style.DECADE,
        err=frame.std_hat / style.DECADE / frame.num_nets**0.5,
    )
    return rows[rows.ratio > DEEP].sort_values("ratio")


def _named(axes: Axes, row: pd.Series) -> None:
    """The deepest network, with what was seen and what was predicted."""
    axes.annotate(
        f"{row.width:.0f} units, {row.depth:,.0f} layers: {row.lost_hat:.0f} decades lost,\n"
        f"{row.lost:.0f} predicted (0 at infinite width)",
        (row.ratio, row.lost_hat),
        xytext=(4, 13),
        textcoords="offset points",
        fontsize=8.5,
        fontweight="bold",
        horizontalalignment="right",
        arrowprops={"arrowstyle": "-", "linewidth": 0.8, "color": "0.3", "shrinkB": 4},
    )


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    figure, axes = style.canvas(height=2.6, width=4.2)
    rows = _decades(
        frames["aspect"].query("family != 'dense' and width > 32")
    )  # the others are the same networks with their weights drawn
    for label, decades in FORMATS.items():
        axes.axhline(decades, color="0.75", linewidth=0.7, zorder=0)
        axes.text(0.085, decades / 1.15, label, fontsize=7, color="0.4", verticalalignment="top")
    for index, (name, label) in enumerate(NAMES.items()):
        each = rows[rows.net == name]
        style.theory(axes, each.ratio, each.lost, index=index)
        style.measured(axes, each.ratio, each.lost_hat, each.err, index, f"{label}, measured")
    _named(axes, rows[rows.net == "relu"].iloc[-1])
    axes.plot([], [], color="0.3", label="predicted at finite width")
    axes.set(xscale="log", yscale="log", ylim=(0.008, 9000), xlim=(0.07, 1700))
    axes.set(xlabel="depth / width", ylabel="decades lost by the typical gradient")
    axes.set_yticks(ticks := [0.01, 0.1, 1, 10, 100, 1000], [f"{tick:g}" for tick in ticks])
    axes.set_xticks(ticks := [0.1, 1, 10, 100, 1000], [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.legend(loc="lower right", fontsize=7)
    return figure
