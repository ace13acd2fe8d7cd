"""Recurrent cells: rates by the theories with shared and with independent weights over the measured rate, and the bias of the first."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style

SOURCES = ("gates",)
SEEN = (
    "The theory with shared weights lies on the line of equality for all five kinds of cell. That with independent weights predicts rates that are the more too large the slower the decay, "
    "half as large again for LSTMs, GRUs, minimal gated units and leaky recurrences; for a recurrence with a skip in time both lie on the line. LSTMs, GRUs and leaky recurrences decay by one to four per cent faster than the first."
)
"""What one sees."""
NAMES = {"LSTM": "LSTM", "GRU": "GRU", "MGU": "min. gated", "leaky": "leaky tanh", "skip": "skip in time"}
"""Kinds of cells, from left to right."""
LEAST, MOST = 0.02, 1.6
"""Rates are shown between minus these: ratios of rates near 0 say nothing."""
SHARED = {"color": style.COLOURS[0], "markeredgewidth": 0.8, "markerfacecolor": "white", "elinewidth": 0.7}
ALONE = {"color": style.COLOURS[7], "markeredgewidth": 0.8, "markerfacecolor": "white"}


def _ratios(axes: Axes, rows: pd.DataFrame) -> None:
    """Predicted over measured rates of one kind of cell, by both theories."""
    shown = rows[rows.one_hat < -LEAST]
    seen, ratio = -shown.one_hat, shown.one / shown.one_hat
    err = ratio * np.hypot(shown.one_hat_err / shown.one_hat, shown.one_err / shown.one)
    axes.axhline(1, color="0.3", linewidth=0.8, zorder=1)
    axes.plot(seen, -shown.own / seen, style.MARKERS[2], markersize=4.2, zorder=2, **ALONE)
    told = rf"median $\times{np.median(rows.own / rows.one_hat):.2f}$"
    axes.text(0.98, 0.98, told, ha="right", va="top", fontsize=7.5, color="0.4", transform=axes.transAxes)
    axes.errorbar(seen, ratio, err.abs(), fmt=style.MARKERS[0], zorder=3, **SHARED)


def _biases(axes: Axes, frame: pd.DataFrame, kinds: list[str]) -> None:
    """By how many per cent of the rate the shared theory decays too fast, over all settings of a kind."""
    axes.axhline(0, color="0.3", linewidth=0.8, zorder=1)
    for place, kind in enumerate(kinds):
        rows = frame[frame.kind == kind]
        size = rows.one_hat.abs().sum() / 100
        err = float((rows.one_hat_err**2 + rows.one_err**2).sum() ** 0.5)
        bias = (rows.one_hat - rows.one).sum() / size
        axes.errorbar(place, bias, err / size, fmt=style.MARKERS[0], zorder=3, **SHARED)
        told = f"{bias:+.1f}".replace("-", "\N{MINUS SIGN}")
        axes.text(place + 0.2, bias, told, fontsize=7.5, va="bottom" if bias > 0 else "center")
    axes.set_xticks(range(len(kinds)), [NAMES[kind] for kind in kinds], rotation=40, ha="right", rotation_mode="anchor")
    axes.set(ylabel="predicted excess (%)", title="shared weights", xlim=(-0.5, len(kinds) - 0.1))


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["gates"]
    kinds = [kind for kind in NAMES if (frame.kind == kind).any()]
    widths = {"gridspec_kw": {"width_ratios": [1] * len(kinds) + [1.6]}}
    figure, panels = style.canvas(1, len(kinds) + 1, height=1.95, width=style.PAGE, **widths)
    for axes, kind in zip(panels, kinds, strict=False):
        _ratios(axes, frame[frame.kind == kind])
        axes.set(xscale="log", yscale="log", ylim=(0.6, 10), xlim=(LEAST * 0.85, MOST), title=NAMES[kind])
        axes.set_yticks(ticks := [0.7, 1, 2, 4, 8], [f"{tick:g}" for tick in ticks])
        axes.set_xticks(ticks := [0.02, 0.1, 1], [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.tick_params(labelleft=axes is panels[0])
    panels[0].set_ylabel("decay, predicted / measured")
    panels[len(kinds) // 2].set_xlabel("measured decay of the log-gradient per step")
    _biases(panels[-1], frame, kinds)
    handles = {
        "measured = predicted": Line2D([], [], color="0.3", linewidth=0.8),
        "theory with shared weights": Line2D(
            [], [], marker=style.MARKERS[0], linestyle="none", color=style.COLOURS[0], markerfacecolor="white"
        ),
        "with independent weights": Line2D([], [], marker=style.MARKERS[2], linestyle="none", **ALONE),
    }
    figure.legend(list(handles.values()), list(handles), loc="outside lower left", ncols=3, columnspacing=1.6)
    return figure
