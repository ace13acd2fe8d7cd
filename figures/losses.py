"""Size of the first layer's gradient under a real loss: measured over predicted, by loss, activation and kind of input."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style

SOURCES = ("losses",)
SEEN = (
    "Where the law gives an error, for digits and Gaussian inputs alike, the ratios of measured and predicted sizes scatter about one within their bars; "
    "where it declines, for squared errors, most of ReLU and GELU lie below one, down to two thirds."
)
"""What one sees."""
INPUTS = {"digits": "digits", "normal": "Gaussian"}
LOOKS = {"relu": 1, "tanh": 2, "gelu": 3}
"""Colours of activations, the same as in the other figures."""
LOSSES = {"cross_entropy": "cross-entropy", "squared": "squared errors"}
TICKS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
HALF = 0.36
"""Half the width that the markers of one loss, activation and kind of input take."""


def _column(axes: Axes, rows: pd.DataFrame, place: float, name: str, shape: int) -> None:
    """Ratios of one loss, activation and kind of input, in the order of predicted sizes; hollow, with measured bars, where the law declines."""
    rows = rows.sort_values("predicted")
    x = place + (np.linspace(-HALF, HALF, len(rows)) if len(rows) > 1 else np.zeros(len(rows)))
    ratio, known = np.exp(rows.measured - rows.predicted), np.isfinite(rows.predicted_err)
    err = ratio * rows.predicted_err.where(known, rows.measured_err)
    colour = style.COLOURS[LOOKS[name]]
    for few, face in ((known, colour), (~known, "white")):
        look = {"color": colour, "markerfacecolor": face, "markeredgewidth": 0.8, "elinewidth": 0.7, "zorder": 3}
        axes.errorbar(x[few], ratio[few], err[few], fmt=style.MARKERS[shape], **look)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["losses"]
    figure, axes = style.canvas(height=2.2, width=style.PAGE)
    axes.axhline(1, color="0.25", linewidth=0.8, zorder=1)
    ticks = []
    for number, (loss, called) in enumerate(LOSSES.items()):
        first = number * len(LOOKS) * len(INPUTS)
        for index, name in enumerate(LOOKS):
            for shape, (data, shown) in enumerate(INPUTS.items()):
                place = first + len(INPUTS) * index + shape
                rows = frame[(frame.loss == loss) & (frame.net == name) & (frame.data == data)]
                _column(axes, rows, place, name, shape)
                ticks.append((place, shown))
            middle = first + len(INPUTS) * (index + 0.5) - 0.5
            look = {"ha": "center", "color": style.COLOURS[LOOKS[name]], "transform": axes.get_xaxis_transform()}
            axes.text(middle, 0.02, style.shown(name), **look)
        middle = first + (len(LOOKS) * len(INPUTS) - 1) / 2
        axes.text(middle, 1.0, called, ha="center", va="top", transform=axes.get_xaxis_transform())
        if number:
            axes.axvline(first - 0.5, color="0.8", linewidth=0.6, zorder=0)
    axes.set_xticks([place for place, _ in ticks], [shown for _, shown in ticks])
    axes.tick_params(axis="x", length=0)
    axes.set(yscale="log", ylim=(0.52, 1.36), xlim=(-0.6, len(ticks) - 0.4))
    axes.set_ylabel(r"$|\partial\mathcal{L}/\partial W_1|$, measured / law")
    axes.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.minorticks_off()
    look = {"color": "0.3", "linestyle": "none", "marker": style.MARKERS[0]}
    handles = {
        "measured = law": Line2D([], [], color="0.25", linewidth=0.8),
        "law gives an error (bars: predicted)": Line2D([], [], **look),
        "law declines (bars: measured)": Line2D([], [], markerfacecolor="white", markeredgewidth=0.8, **look),
    }
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=3, columnspacing=2.4)
    return figure
