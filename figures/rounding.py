"""Rates of networks with rounded numbers against the finite-width law, by format; and what rounding changes in the same networks."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("rounding",)
SEEN = (
    "Residuals of float32, float16 and bfloat16 lie in the band of two standard errors, one like the other; with the two bits "
    "of float8 e5m2 those of tanh and sigmoid lie above it and of GELU and SiLU below, for rounding changes their rate by a hundredth per layer."
)
"""What one sees."""
SMALL = 5.0
"""Residuals up to this size stand on a linear scale, larger ones on a logarithmic one."""
BESIDE = 0.13
"""Activations stand so much apart."""


def _residuals(axes: Axes, rows: pd.DataFrame, index: int, x: np.ndarray) -> None:
    """One activation: a marker for every format and scale of the weights."""
    look = {"color": style.COLOURS[index], "markerfacecolor": "white", "markeredgewidth": 0.8}
    axes.plot(x, rows.z, style.MARKERS[index], label=style.shown(rows.activation.iloc[0]), **look)


def _changes(axes: Axes, rows: pd.DataFrame, index: int, x: np.ndarray) -> None:
    """The same activation: mean over scales of what rounding changes, and the law where there is one."""
    means = rows.assign(place=x, square=rows.shift_hat_err**2).groupby("place")
    of = means[["shift", "shift_hat", "square"]].mean()
    err = (of.square / means.size()) ** 0.5
    for place, law in of["shift"].dropna().items():
        axes.plot([place - 0.1, place + 0.1], [law, law], color=style.COLOURS[index], linewidth=1.6, zorder=2)
    style.measured(axes, of.index, of.shift_hat, err, index)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["rounding"]
    formats, nets = list(dict.fromkeys(frame.format)), list(dict.fromkeys(frame.activation))
    figure, (residual, change) = style.canvas(2, 1, height=4.0, sharex=True)
    residual.axhspan(-1.96, 1.96, color="0.9", zorder=0, linewidth=0)
    for axes in (residual, change):
        axes.axhline(0, color="0.25", linewidth=0.8, zorder=1)
    for index, net in enumerate(nets):
        rows = frame[frame.activation == net]
        x = np.array([formats.index(name) for name in rows.format]) + BESIDE * (index - (len(nets) - 1) / 2)
        _residuals(residual, rows, index, x)
        _changes(change, rows, index, x)
    residual.set_yscale("symlog", linthresh=SMALL, linscale=1.5)
    residual.set_yticks([-5, -2, 0, 2, 5, 10, 20], ["$-$5", "$-$2", "0", "2", "5", "10", "20"])
    residual.minorticks_off()
    residual.set(ylabel="residual, predicted s.e.", title="against the law")
    change.set(ylabel="change of the rate per layer", title="against float32, same networks")
    change.set_xticks(range(len(formats)), [name.replace(", ", ",\n") for name in formats])
    residual.plot([], [], color="0.3", linewidth=1.6, label="law")
    figure.legend(*residual.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
