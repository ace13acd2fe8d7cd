"""Bands of the infinite-width twin for twelve architectures, real networks of that width, and the share of them within."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("bands",)
SEEN = (
    "In each of twelve architectures the middle 95 % of real networks of width 128 fill the band of the twin, wide or narrow as it is. The share of "
    "networks within a band is near 95 % in all of them, at every width; one of the 48 lies below the shaded range of 93 to 97 % and two above it."
)
"""What one sees."""
_HALF = 1.96


def _panel(axes: Axes, rows: pd.DataFrame, name: str) -> None:
    """Weight gradients by layer (of a recurrence, gradients at the outputs): a band, and the middle 95 % of real networks."""
    own = rows[rows.quantity == "log_grad_weight"]
    if len(own) <= 2:
        own = rows[rows.quantity == "log_grad"].drop_duplicates("log_size").sort_values("log_size")
    at = np.arange(len(own))
    low, high = (own.log_size + sign * _HALF * own.log_size_std for sign in (-1, 1))
    axes.fill_between(at, low / style.DECADE, high / style.DECADE, color=style.COLOURS[0], alpha=0.25, linewidth=0)
    axes.plot(at, own.log_size / style.DECADE, color=style.COLOURS[0])
    middle = own.log_size_hat / style.DECADE
    below, above = middle - own.log_size_hat_low / style.DECADE, own.log_size_hat_high / style.DECADE - middle
    axes.errorbar(at, middle, [below, above], fmt="o", color="0.15", markerfacecolor="white", elinewidth=0.8)
    axes.set(title=name, xticks=[])


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["bands"]
    names, widths = list(frame.model.unique()), sorted(frame.width.unique())
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure, axes = style.canvas(rows + 1, columns, height=1.35 * (rows + 1), width=2 * style.COLUMN, squeeze=False)
    for name, place in zip(names, axes.ravel(), strict=False):
        _panel(place, frame[(frame.model == name) & (frame.width == widths[0])], name)
    for row in axes[:-1]:
        row[0].set_ylabel(r"$\log_{10}|\partial E/\partial W|$")
    grid = axes[-1][0].get_gridspec()
    for place in axes[-1]:
        place.remove()
    below = figure.add_subplot(grid[-1, :])
    below.axhspan(93, 97, color=style.COLOURS[0], alpha=0.15, linewidth=0)
    below.axhline(95, color=style.COLOURS[0], linewidth=0.8)
    for index, width in enumerate(widths):
        each = frame[frame.width == width].groupby("model", sort=False)
        share, nets = 100 * each.coverage_hat.mean(), each.num_nets.first()
        at = [names.index(name) + 0.14 * (index - (len(widths) - 1) / 2) for name in share.index]
        style.measured(below, at, share, 100 * each.network_hat_std.first() / nets**0.5, index, f"width {width}")
    below.set_xticks(range(len(names)), names, rotation=20, ha="right")
    below.set(ylabel="networks within, %", ylim=(88, 100))
    figure.legend(*below.get_legend_handles_labels(), loc="outside lower center", ncols=len(widths))
    return figure
