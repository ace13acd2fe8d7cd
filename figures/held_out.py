"""Deep ensembles drawn after the bounds of what would refute the law had been fixed: means by two laws, and spreads."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("held_out",)
SEEN = (
    "All means lie within two predicted standard errors of the law, but for three of GELU and softplus within about three, and spreads within "
    "three. The expansion to order 1/N lies as close for most, but for SiLU and Mish by up to a hundred thousand standard errors off."
)
"""What one sees."""
BESIDE = 0.18
"""Markers of one activation stand so much apart."""
CLOSE = 2.0
"""Distances up to this size stand on a linear scale in the panel of order 1/N."""


def _panel(
    axes: Axes, rows: pd.DataFrame, names: list[str], kinds: list[tuple[float, int]], values: pd.Series, bar: float
) -> None:
    """One number of every ensemble: a group of markers for each activation."""
    for place, (scale, depth) in enumerate(kinds):
        few = (rows.scale == scale) & (rows.depth == depth)
        x = [names.index(name) + BESIDE * (place - (len(kinds) - 1) / 2) for name in rows.activation[few]]
        look = {"color": style.COLOURS[place], "markerfacecolor": "white", "markeredgewidth": 0.8, "elinewidth": 0.8}
        label = f"{'critical' if scale == 1 else f'{scale:g} of critical'}, {depth:,} layers"
        axes.errorbar(x, values[few], bar, fmt=style.MARKERS[place], zorder=3, label=label, **look)
    axes.set_xticks(
        range(len(names)), [style.shown(name) for name in names], rotation=45, ha="right", rotation_mode="anchor"
    )
    axes.set_xlim(-0.6, len(names) - 0.4)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["held_out"].reset_index(drop=True)
    names = list(dict.fromkeys(frame.activation))
    kinds = sorted({(row.scale, row.depth) for row in frame.itertuples()}, key=lambda kind: (-kind[0], kind[1]))
    err = frame["std"] / frame.num_nets**0.5
    figure, (mean, spread, leading) = style.canvas(1, 3, height=2.5, width=style.PAGE)
    _panel(mean, frame, names, kinds, (frame.mean_hat - frame["mean"]) / err, 1.0)
    _panel(spread, frame, names, kinds, (frame.std_hat - frame["std"]) / frame.std_hat_err, 1.0)
    _panel(leading, frame, names, kinds, np.abs(frame.mean_hat - frame.mean_leading) / err, 0.0)
    for axes in (mean, spread):
        axes.axhspan(-2, 2, color="0.92", linewidth=0, zorder=0)
        axes.axhline(0, color="0.25", linewidth=0.8, zorder=1)
        axes.set(ylim=(-5.5, 5.5), yticks=(-5, -2, 0, 2, 5))
    mean.set(ylabel="(mean $-$ law) / s.e.", title="mean")
    spread.set(ylabel="(std $-$ law) / s.e.", title="spread")
    leading.set_yscale("symlog", linthresh=CLOSE, linscale=0.8)
    leading.axhspan(0, CLOSE, color="0.92", linewidth=0, zorder=0)
    leading.set(ylim=(0, 1e6), ylabel="|mean $-$ law| / s.e.", title="mean, order $1/N$")
    leading.set_yticks([0, 2, 10, 1e3, 1e5], ["0", "2", "10", "$10^3$", "$10^5$"])
    figure.legend(*mean.get_legend_handles_labels(), loc="outside lower center", ncols=4, columnspacing=1.6)
    return figure
