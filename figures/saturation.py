"""Saturation: gradients over depth, weights against slopes per layer, saturated share, and the critical line of the sigmoid."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("saturation",)
SEEN = (
    "Gradients vanish in a sigmoid network that saturates nowhere, stay in one with a third of its units saturated, "
    "and explode in a saturated tanh network."
)
"""What one sees."""
EVERY = 6
"""Markers drawn, one in so many layers."""


RANGE = (-24, 30)
"""Of the first panel, decades; the sigmoid at unit weights leaves it."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["saturation"]
    names = list(dict.fromkeys(frame.net))
    figure, axes = style.canvas(2, 2, height=4.6, width=style.PAGE)
    _profiles(axes[0, 0], frame, names)
    cells = frame.drop_duplicates("cell").set_index("net").loc[names]
    _parts(axes[0, 1], cells)
    _shares(axes[1, 0], cells)
    _line(axes[1, 1], frame[frame.line_sigma_b.notna()])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, [label.replace("sigma_w", "σ") for label in labels], loc="outside lower center", ncols=3)
    return figure


def _profiles(axes: Axes, frame: pd.DataFrame, names: list[str]) -> None:
    """The gradient over depth."""
    for index, name in enumerate(names):
        rows = frame[frame.net == name].sort_values("layer")
        mean, spread, value, err = (rows["log_grad" + part] / style.DECADE for part in ("", "_std", "_hat", "_hat_err"))
        style.theory(axes, rows.layer, mean, spread, index)
        style.measured(axes, rows.layer.iloc[::EVERY], value.iloc[::EVERY], err.iloc[::EVERY], index, style.shown(name))
    axes.set(xlabel="layer $l$", ylabel=r"$\log_{10}\,|g_l|\,/\,|g_L|$", ylim=RANGE)
    lowest = frame.log_grad_hat.min() / style.DECADE
    axes.text(0.66, 0.03, f"sigmoid, σ=1: {lowest:.0f} at layer 1", transform=axes.transAxes, ha="right", fontsize=7)


def _parts(axes: Axes, cells: pd.DataFrame) -> None:
    """What weights and slopes contribute to the rate."""
    at = np.arange(len(cells))
    axes.bar(at - 0.2, cells.log_weights, 0.36, color="0.75", label=r"weights, $\ln\sigma_w$")
    axes.bar(at + 0.2, cells.log_slopes, 0.36, color="0.45", label=r"slopes, $\frac{1}{2}\ln\,E\,\phi'^2$")
    axes.hlines(cells.log_weights + cells.log_slopes, at - 0.4, at + 0.4, color="k", label="sum, predicted", zorder=3)
    style.measured(axes, at, cells.measured, cells.measured_err, 3, "measured")
    axes.axhline(0, color="0.75", linewidth=0.6, zorder=0)
    axes.set_xticks(
        at, [style.shown(name).replace(", sigma_w=", "\nσ=").replace(", ", "\n") for name in cells.index], fontsize=7
    )
    axes.set(ylabel="ln of the factor per layer", ylim=(-3, 4.2))
    axes.legend(loc="upper left", ncols=2)


def _shares(axes: Axes, cells: pd.DataFrame) -> None:
    """Saturated share against the rate."""
    for index, row in enumerate(cells.itertuples()):
        axes.plot(
            row.predicted, 100 * row.share, marker="_", markersize=11, markeredgewidth=1.4, color=style.COLOURS[index]
        )
        style.measured(axes, [row.measured], [100 * row.share_hat], [100 * row.share_hat_err], index)
    axes.axvline(0, color="0.75", linewidth=0.6, zorder=0)
    axes.set(xlabel="ln of the gradient's factor per layer", ylabel="saturated units, %")


def _line(axes: Axes, rows: pd.DataFrame) -> None:
    """The critical sigmoid network for every sigma_b."""
    rows = rows.sort_values("line_sigma_b")
    style.theory(axes, rows.line_sigma_b, 100 * rows.line_share)
    axes.set(xlabel=r"$\sigma_b$", ylabel="saturated units, %", ylim=(0, None), title="critical sigmoid network")
