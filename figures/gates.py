"""Recurrent cells: rates by the theories with shared and with independent weights over the measured rate, and what the first leaves."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from figures import style

SOURCES = ("gates",)
SEEN = (
    "The theory with shared weights lies on the line of equality for all five kinds of cell. That with independent weights predicts rates that are the more too large the slower the decay, "
    "half as large again for LSTMs, GRUs, minimal gated units and leaky recurrences; for a recurrence with a skip in time both lie on the line. Residuals of LSTMs and GRUs are mostly negative."
)
"""What one sees."""
NAMES = {"LSTM": "LSTM", "GRU": "GRU", "MGU": "minimal gated unit", "leaky": "leaky tanh", "skip": "skip in time"}
"""Kinds of cells, from left to right."""
BAND = 3
"""Standard errors within which the text counts settings."""
LEAST = 0.02
"""Rates are shown from minus this on: ratios of rates near 0 say nothing."""
SHARED = {"color": style.COLOURS[0], "markeredgewidth": 0.8, "markerfacecolor": "white"}
ALONE = {"color": style.COLOURS[7], "markeredgewidth": 0.8, "markerfacecolor": "white"}
MEAN = {"color": style.COLOURS[3], "linewidth": 1.4}
"""How means over settings look."""


def _ratios(axes: Axes, rows: pd.DataFrame) -> None:
    """Predicted over measured rates of one kind of cell, by both laws, with the independent one's median over all settings."""
    seen, err = -rows.one_hat, rows.one_hat_err
    axes.axhline(1, color="0.3", linewidth=0.8, zorder=1)
    axes.plot(seen, -rows.own / seen, style.MARKERS[2], zorder=2, **ALONE)
    axes.errorbar(seen, -rows.one / seen, -rows.one * err / seen**2, fmt=style.MARKERS[0], elinewidth=0.7, **SHARED)


def _residuals(axes: Axes, rows: pd.DataFrame, mean: float) -> None:
    """Measured less predicted, in standard errors of the difference, with their mean."""
    axes.axhspan(-BAND, BAND, color="0.93", linewidth=0, zorder=0)
    axes.axhline(0, color="0.3", linewidth=0.8, zorder=1)
    z = (rows.one_hat - rows.one) / np.hypot(rows.one_hat_err, rows.one_err)
    axes.axhline(mean, zorder=2, **MEAN)
    axes.plot(-rows.one_hat, z, style.MARKERS[0], zorder=3, **SHARED)


def _told(axes: Axes, place: tuple[float, float], words: str, **look: object) -> None:
    axes.text(*place, words, ha="right", va="top", fontsize=7.5, transform=axes.transAxes, **look)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["gates"]
    kinds = [kind for kind in NAMES if (frame.kind == kind).any()]
    size = {"height": 2.35, "width": style.PAGE, "squeeze": False, "gridspec_kw": {"height_ratios": [1.25, 1]}}
    figure, panels = style.canvas(2, len(kinds), sharex=True, sharey="row", **size)
    for (ratios, residuals), kind in zip(panels.T, kinds, strict=True):
        rows = frame[frame.kind == kind]
        shown = rows[rows.one_hat < -LEAST]
        _ratios(ratios, shown)
        _told(ratios, (0.98, 0.98), rf"median $\times{np.median(rows.own / rows.one_hat):.2f}$", color="0.45")
        z = (rows.one_hat - rows.one) / np.hypot(rows.one_hat_err, rows.one_err)
        share = 100 * (rows.one_hat - rows.one).sum() / rows.one_hat.abs().sum()
        _residuals(residuals, shown, z.mean())
        _told(residuals, (0.98, 1.0), rf"mean ${z.mean():+.1f}$ (${share:+.1f}$ %)", color=MEAN["color"])
        ratios.set_title(NAMES[kind])
        for axes in (ratios, residuals):
            axes.minorticks_off()
    first, second = panels[:, 0]
    first.set(xscale="log", yscale="log", ylim=(0.55, 14), ylabel="predicted / measured", xlim=(0.016, 2.4))
    first.set_yticks(ticks := [0.7, 1, 2, 4, 8], [f"{tick:g}" for tick in ticks])
    first.set_xticks(ticks := [0.02, 0.1, 0.5, 2], [f"{tick:g}" for tick in ticks])
    second.set(ylabel="residual / s.e.", ylim=(-4.4, 6), yticks=(-3, 0, 3))
    panels[1, len(kinds) // 2].set_xlabel("measured decay of the log-gradient per step")
    for axes in panels.flat:
        axes.minorticks_off()
    handles = {
        "measured = predicted": Line2D([], [], color="0.3", linewidth=0.8),
        "theory with shared weights": Line2D([], [], marker=style.MARKERS[0], linestyle="none", **SHARED),
        "with independent weights": Line2D([], [], marker=style.MARKERS[2], linestyle="none", **ALONE),
        "mean over all settings": Line2D([], [], **MEAN),
        r"$\pm3$ s.e.": Patch(color="0.93", linewidth=0),
    }
    look = {"columnspacing": 1.6, "handlelength": 1.6, "handletextpad": 0.5}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=5, **look)
    return figure
