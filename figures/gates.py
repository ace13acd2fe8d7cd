"""Recurrent cells: measured rates against the theories with shared and with independent weights, and what the first leaves."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("gates",)
SEEN = (
    "The theory with shared weights lies on the diagonal for all five kinds of cell. That with independent weights predicts rates that are half as large again for LSTMs, GRUs, "
    "minimal gated units and leaky recurrences; for a recurrence with a skip in time both are one. Residuals of LSTMs and GRUs are mostly negative."
)
"""What one sees."""
NAMES = {"LSTM": "LSTM", "GRU": "GRU", "MGU": "minimal gated unit", "leaky": "leaky tanh", "skip": "tanh, skip in time"}
SHORT = {"MGU": "gated unit", "skip": "skip in time"}
"""Names that fit beside a number."""
BAND = 3
"""Standard errors within which the text counts settings."""
WITHOUT = 7
"""Colour of the theory with independent weights."""


def _against(axes: Axes, rows: pd.DataFrame) -> None:
    """Measured against predicted rates, by both laws, with the line on which they are equal."""
    values = rows[["own", "one", "one_hat"]].to_numpy()
    room = 0.06 * np.ptp(values)
    ends = np.array([values.min() - room, values.max() + room])
    axes.plot(ends, ends, color="0.3", linewidth=0.8, zorder=1)
    look = {"color": style.COLOURS[WITHOUT], "markeredgewidth": 0.8, "markerfacecolor": "white", "zorder": 2}
    axes.plot(rows.own, rows.one_hat, style.MARKERS[2], **look)
    style.measured(axes, rows.one, rows.one_hat, rows.one_hat_err, 0)
    told = rf"$\times{np.median(rows.own / rows.one_hat):.2f}$"
    axes.text(0.98, 0.04, told, ha="right", va="bottom", fontsize=7.5, color="0.35", transform=axes.transAxes)
    axes.set(xlim=tuple(ends), ylim=tuple(ends))
    axes.locator_params(nbins=4)


def _residuals(axes: Axes, rows: pd.DataFrame, name: str) -> None:
    """Measured less predicted, in standard errors of the difference, with their mean."""
    z = (rows.one_hat - rows.one) / np.hypot(rows.one_hat_err, rows.one_err)
    axes.axhspan(-BAND, BAND, color="0.93", linewidth=0, zorder=0)
    axes.axhline(0, color="0.3", linewidth=0.8, zorder=1)
    look = {"color": style.COLOURS[0], "markeredgewidth": 0.8, "markerfacecolor": "white", "zorder": 3}
    axes.plot(rows.one, z, style.MARKERS[0], **look)
    share = 100 * (rows.one_hat - rows.one).sum() / rows.one_hat.abs().sum()
    told = rf"${z.mean():+.1f} \pm {z.std(ddof=1) / len(z) ** 0.5:.1f}$ s.e."
    axes.text(0.98, 0.98, told, ha="right", va="top", fontsize=7.5, transform=axes.transAxes)
    axes.text(0.03, 0.02, rf"${share:+.1f}$ %", va="bottom", fontsize=7.5, transform=axes.transAxes)
    axes.set(title=name, ylim=(-6.2, 5.4), yticks=[-3, 0, 3], xlabel="predicted rate")
    axes.locator_params(axis="x", nbins=4)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["gates"]
    kinds = [kind for kind in NAMES if (frame.kind == kind).any()]
    size = {"height": 2.75, "width": style.PAGE, "squeeze": False, "gridspec_kw": {"height_ratios": [1.5, 1]}}
    figure, panels = style.canvas(2, len(kinds), **size)
    for column, kind in enumerate(kinds):
        rows = frame[frame.kind == kind]
        _against(panels[0][column], rows)
        _residuals(panels[1][column], rows, SHORT.get(kind, NAMES[kind]))
        panels[0][column].set_title(NAMES[kind])
        panels[1][column].set_xlim(panels[0][column].get_xlim())
        if column:
            panels[1][column].tick_params(labelleft=False)
    panels[0][0].set_ylabel("measured rate (ln per step)")
    panels[1][0].set_ylabel("measured less\nshared (s.e.)")
    first = panels[0][0]
    style.measured(first, [], [], [], 0, "theory with shared weights")
    look = {"color": style.COLOURS[WITHOUT], "markeredgewidth": 0.8, "markerfacecolor": "white"}
    first.plot(
        [],
        [],
        style.MARKERS[2],
        label=r"theory with independent weights, and its median over the measured rate ($\times$)",
        **look,
    )
    first.plot([], [], color="0.3", linewidth=0.8, label="measured = predicted")
    by_label = dict(zip(*reversed(first.get_legend_handles_labels()), strict=True))
    names = sorted(by_label, key=lambda name: name.startswith("measured"))[::-1]
    figure.legend([by_label[name] for name in names], names, loc="outside lower center", ncols=3)
    return figure
