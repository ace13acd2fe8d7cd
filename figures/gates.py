"""Recurrent cells: measured rates against the theories with shared and with independent weights, and what both leave."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style

SOURCES = ("gates",)
SEEN = (
    "The theory with shared weights lies on the diagonal for all five kinds of cell. That with independent weights predicts rates that are half as large again for LSTMs, GRUs, "
    "minimal gated units and leaky recurrences; for a recurrence with a skip in time both are one. Residuals of LSTMs and GRUs are mostly negative."
)
"""What one sees."""
NAMES = {"LSTM": "LSTM", "GRU": "GRU", "MGU": "minimal\ngated unit", "leaky": "leaky\ntanh", "skip": "skip in\ntime"}
"""Kinds of cells, from left to right."""
BAND = 3
"""Standard errors within which the text counts settings."""
LEAST = 0.02
"""Ratios are shown of rates below minus this: those of rates near 0 say nothing."""
WITHOUT = 7
"""Colour of the theory with independent weights."""
SHARED = {"color": style.COLOURS[0], "markeredgewidth": 0.8, "markerfacecolor": "white", "elinewidth": 0.7}
ALONE = {"color": style.COLOURS[WITHOUT], "markeredgewidth": 0.8, "markerfacecolor": "white"}
MEAN = style.COLOURS[3]
"""Colour of means over settings."""
ASIDE = 0.19
"""How far the two theories' markers stand from the middle of a kind of cell."""


def _spread(count: int, width: float) -> np.ndarray:
    """Places of that many markers side by side."""
    return np.linspace(-width, width, count) if count > 1 else np.zeros(1)


def _ratios(axes: Axes, rows: pd.DataFrame, place: int) -> None:
    """Predicted over measured rates of one kind of cell, by both laws, with their medians."""
    sure = rows[rows.one_hat < -LEAST].sort_values("one_hat")
    beside = _spread(len(sure), 0.13)
    axes.plot(place + ASIDE + beside, sure.own / sure.one_hat, style.MARKERS[2], zorder=2, **ALONE)
    err = sure.one * sure.one_hat_err / sure.one_hat**2
    axes.errorbar(place - ASIDE + beside, sure.one / sure.one_hat, err.abs(), fmt=style.MARKERS[0], zorder=3, **SHARED)
    median = np.median(rows.own / rows.one_hat)
    axes.text(place, 0.02, rf"$\times{median:.2f}$", ha="center", fontsize=7.5, transform=axes.get_xaxis_transform())


def _residuals(axes: Axes, rows: pd.DataFrame, place: int) -> None:
    """Measured less predicted, in standard errors of the difference, with their mean."""
    rows = rows.sort_values("one_hat")
    z = (rows.one_hat - rows.one) / np.hypot(rows.one_hat_err, rows.one_err)
    look = {"color": style.COLOURS[0], "markeredgewidth": 0.8, "markerfacecolor": "white"}
    axes.plot(place + _spread(len(z), 0.33), z, style.MARKERS[0], zorder=3, **look)
    axes.plot([place - 0.38, place + 0.38], [z.mean()] * 2, color=MEAN, linewidth=1.6, zorder=4)
    share = 100 * (rows.one_hat - rows.one).sum() / rows.one_hat.abs().sum()
    told = rf"${z.mean():+.1f}$ s.e." + "\n" + rf"${share:+.1f}$ %"
    axes.text(place, 0.02, told, ha="center", fontsize=7.5, linespacing=0.95, transform=axes.get_xaxis_transform())


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["gates"]
    kinds = [kind for kind in NAMES if (frame.kind == kind).any()]
    figure, (ratios, residuals) = style.canvas(1, 2, height=1.9, width=style.PAGE)
    for place, kind in enumerate(kinds):
        rows = frame[frame.kind == kind]
        _ratios(ratios, rows, place)
        _residuals(residuals, rows, place)
    ratios.axhline(1, color="0.3", linewidth=0.8, zorder=1)
    ratios.set(yscale="log", ylim=(0.4, 10), ylabel="predicted / measured rate", title="both theories")
    ratios.set_yticks(ticks := [0.7, 1, 1.5, 2, 3, 5, 8], [f"{tick:g}" for tick in ticks])
    ratios.minorticks_off()
    residuals.axhspan(-BAND, BAND, color="0.93", linewidth=0, zorder=0)
    residuals.axhline(0, color="0.3", linewidth=0.8, zorder=1)
    residuals.set(ylabel="(measured $-$ shared) / s.e.", title="what is left of the shared theory")
    residuals.set(ylim=(-7.4, 4), yticks=(-3, 0, 3))
    for axes in (ratios, residuals):
        axes.set_xticks(range(len(kinds)), [NAMES[kind] for kind in kinds], fontsize=7.5)
        axes.set_xlim(-0.55, len(kinds) - 0.45)
        axes.tick_params(axis="x", length=0)
    handles = {
        "measured = predicted": Line2D([], [], color="0.3", linewidth=0.8),
        "theory with shared weights": Line2D(
            [], [], marker=style.MARKERS[0], linestyle="none", color=style.COLOURS[0], markerfacecolor="white"
        ),
        "mean over settings (b)": Line2D([], [], color=MEAN, linewidth=1.6),
        "theory with independent weights": Line2D([], [], marker=style.MARKERS[2], linestyle="none", **ALONE),
    }
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=4)
    return figure
