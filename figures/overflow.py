"""Number formats: the first layer at which each pass of a plain network is lost, predicted and measured."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("overflow",)
SEEN = (
    "Markers lie on the predicted ticks from the first layer to several thousand; the backward pass of tanh "
    "networks is lost although no forward pass is."
)
"""What one sees."""
FORMATS = ("float16", "float32", "float64")
"""Those that are shown; bfloat16 and tensorfloat32 have the range of float32."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    cells = frames["overflow"]
    nets = list(dict.fromkeys(cells.net))
    figure, axes = style.canvas(height=4.2)
    series = [
        ("forward", False, "forward pass"),
        ("backward", False, "backward pass, loss gradient of order one"),
        ("backward", True, "backward pass, squared loss"),
    ]
    labels, height = [], 0
    for net in nets:
        for dtype in FORMATS:
            rows = cells[(cells.net == net) & (cells.dtype == dtype)]
            if rows.empty:
                continue
            for index, (which, squared, label) in enumerate(series):
                row = rows[rows.squared_loss == squared].iloc[0]
                at = height + 0.24 * (index - 1)
                _point(axes, row, which, at, index, label if height == 0 else None)
            labels.append((height, f"{style.shown(net).replace('sigma_w', 'σ')}, {dtype}"))
            height += 1
    axes.set_yticks([at for at, _ in labels], [text for _, text in labels])
    axes.set(xscale="log", xlabel="first lost layer, from where the pass starts")
    axes.plot([], [], color="0.3", marker="|", markersize=8, markeredgewidth=1.6, linestyle="", label="predicted")
    axes.invert_yaxis()
    axes.grid(axis="y", linewidth=0.3, color="0.9")
    figure.legend(loc="outside lower left")
    return figure


def _point(axes: object, row: pd.Series, which: str, at: float, index: int, label: str | None) -> None:
    """A short vertical line where it is predicted, a marker where it is measured; nothing where it is not lost."""
    predicted, hat = row[which], row[f"{which}_hat"]
    axes.errorbar(
        [], [], xerr=[], fmt=style.MARKERS[index], color=style.COLOURS[index], markerfacecolor="white", label=label
    )
    if np.isfinite(predicted):
        axes.plot([predicted] * 2, [at - 0.15, at + 0.15], color=style.COLOURS[index], linewidth=1.6)
    if np.isfinite(hat):
        err = [[row[f"{which}_hat_err"]], [row[f"{which}_hat_err"]]]
        look = {
            "fmt": style.MARKERS[index],
            "color": style.COLOURS[index],
            "markerfacecolor": "white",
            "elinewidth": 0.8,
        }
        axes.errorbar(hat, at, xerr=err, **look)
