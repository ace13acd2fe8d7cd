"""What weights and slopes do to the gradient per layer, the windows in which they balance, and ensembles drawn at random."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("balance",)
SEEN = (
    "Parts of weights and of slopes are opposite for most activations; the windows of balance are narrow; the changes "
    "measured in networks drawn at random lie on the diagonal, few of them in the band of balance."
)
"""What one sees."""
FAR = 30
"""Powers of ten at the edge of the last panel; what lies beyond is drawn on it."""


def _parts(axes: Axes, cells: pd.DataFrame) -> None:
    """Both parts of every activation: predicted strokes, measured markers."""
    rows = np.arange(len(cells))
    for index, (part, label) in enumerate((("weights", "weights"), ("slopes", "slopes of the activation"))):
        axes.vlines(cells[part], rows - 0.38, rows + 0.38, color=style.COLOURS[index], linewidth=1.6)
        look = {"markerfacecolor": "white", "markeredgewidth": 0.8, "elinewidth": 0.8, "color": style.COLOURS[index]}
        axes.errorbar(
            cells[f"{part}_hat"],
            rows,
            xerr=cells[f"{part}_hat_err"],
            fmt=style.MARKERS[index],
            label=label,
            **look,
        )
    axes.plot([], [], color="0.3", linewidth=1.6, label="law")
    names = [
        style.shown(name) + ("" if np.isfinite(low) else "*")
        for name, low in zip(cells.index, cells.window_low, strict=True)
    ]
    axes.set_yticks(rows, names)
    axes.axvline(0, color="0.5", linewidth=0.6, zorder=0)
    axes.set(xlabel="log-factor of the gradient per layer", ylim=(len(rows) - 0.4, -0.6))


def _windows(axes: Axes, cells: pd.DataFrame) -> None:
    """Width of the window in sigma_w, per cent of the balanced scale."""
    rows = np.arange(len(cells))
    width = 100 * ((cells.window_high - cells.window_low) / cells.balanced).fillna(0)
    axes.barh(rows, width, height=0.75, color=style.COLOURS[2], alpha=0.5)
    for row, value, middle in zip(rows, width, cells.balanced, strict=True):
        text = rf"$\sigma_w$={middle:.2f}" if value else "none"
        axes.text(value + 0.3, row, text, va="center", fontsize=7)
    axes.set(xlabel=r"window in $\sigma_w$, %", xlim=(0, 1.5 * width.max()), ylim=(len(rows) - 0.4, -0.6))
    axes.set_yticks(rows, [])


def _by_chance(axes: Axes, frame: pd.DataFrame) -> None:
    """Ensembles drawn at random: measured against predicted powers of ten."""
    finite = frame[np.isfinite(frame.total) & np.isfinite(frame.total_hat)]
    x, y = (np.clip(finite[name] / style.DECADE, -FAR, FAR) for name in ("total", "total_hat"))
    axes.axhspan(-1, 1, color=style.COLOURS[2], alpha=0.3, linewidth=0, label="within one power of ten")
    axes.plot([-FAR, FAR], [-FAR, FAR], color="0.25", zorder=1, label="predicted = measured")
    style.measured(axes, x, y, finite.total_hat_err / style.DECADE, 0, "random ensemble")
    axes.set(
        xlabel="predicted powers of ten",
        ylabel="measured powers of ten",
        xlim=(-FAR - 2, FAR + 2),
        ylim=(-FAR - 2, FAR + 2),
    )


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["balance"]
    cells = frame.drop_duplicates("cell").set_index("activation").sort_values("slopes")
    ratios = {"width_ratios": [1.5, 0.9, 1.5]}
    figure, panels = style.canvas(1, 3, height=3.9, width=style.PAGE, gridspec_kw=ratios)
    _parts(panels[0], cells)
    _windows(panels[1], cells)
    _by_chance(panels[2], frame)
    for axes, title in zip(panels, ("balanced by design", "how wide the balance is", "drawn by chance"), strict=True):
        axes.set_title(title)
    style.below(panels[0], 3)
    style.below(panels[2], 2)
    return figure
